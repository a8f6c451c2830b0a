"""The columns of the list of devices at one width: what has no room is left out whole, the least asked for first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tui.humanize import UNKNOWN, celsius, gib, percent, plain, watts
from tui.places import device_label
from tui.widgets.bar import Part, bar
from tui.widgets.line import fit_text, fit_words, n_cells, right_text
from tui.widgets.rows import short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.snapshot import Device, Snapshot
    from tui.widgets.line import Line

_LABEL, _FIGURES, _BUSY, _HEAT = 9, 15, 7, 8
"""Cells, with the blanks before them."""
_LEAST_NAME, _WIDEST_NAME = 14, 30
_LEAST_BAR, _WIDEST_BAR = 10, 60
_MOST_WATTS = 999
"""Of a device that does not say how much it may take."""


class _Shape(NamedTuple):
    """What is shown beside the label and the memory; the name has what is left."""

    least_name: int
    has_limit: bool = True
    has_heat: bool = True
    has_power: bool = True
    has_use: bool = True


_SHAPES = (
    _Shape(_LEAST_NAME),
    _Shape(_LEAST_NAME, has_limit=False),
    _Shape(0),
    _Shape(0, has_limit=False),
    _Shape(0, has_limit=False, has_heat=False),
    _Shape(0, has_limit=False, has_heat=False, has_power=False),
)
"""The first that has room: the name and the limit of the power are told below the list as well."""
_LEAST_SHAPE = _Shape(0, has_limit=False, has_heat=False, has_power=False, has_use=False)


class DeviceTable:
    """Head and rows of one width; a bar stands in what is left of a line."""

    def __init__(self, devices: Sequence[Device], snapshot: Snapshot, width: int) -> None:
        self._snapshot = snapshot
        states = [_state(device, snapshot) for device in devices]
        names = [n_cells(_name(device)) for device in devices]
        limits = [device.power_limit_watts or _MOST_WATTS for device in devices]
        self._n_state = max(map(len, states), default=0) + 2 if any(states) else 0
        self._n_limited = max((len(watts(limit, limit)) for limit in limits), default=0) + 2
        self._n_power = max((len(watts(limit)) for limit in limits), default=0) + 2
        longest = min(_WIDEST_NAME, max(names, default=0))
        for shape in (*_SHAPES, _LEAST_SHAPE):
            left = width - self._n_cells_beside(shape)
            if left >= min(shape.least_name, longest) + bool(shape.least_name):
                break
        self._shape = shape
        self.n_name = max(0, min(longest, left - 1)) if shape.least_name else 0
        """Cells of the name; 0 where it has no room."""
        n_bar = left - self.n_name - (1 if self.n_name else 0) - 2
        self._n_bar = min(_WIDEST_BAR, n_bar) if n_bar >= _LEAST_BAR else 0

    def _n_cells_beside(self, shape: _Shape) -> int:
        n_power = self._n_limited if shape.has_limit else self._n_power
        parts = (_LABEL, _FIGURES, _BUSY * shape.has_use, _HEAT * shape.has_heat, n_power * shape.has_power)
        return sum(parts) + self._n_state

    def head(self) -> str:
        shape = self._shape
        name = f" {'name':<{self.n_name}}" if self.n_name else ""
        texts = [f"{'device':<{_LABEL}}{name}{'used':>7} {'of GiB':>7}"]
        texts += [f"{'busy':>{_BUSY}}"] if shape.has_use else []
        texts += [f"{'heat':>{_HEAT}}"] if shape.has_heat else []
        texts += [f"{'power':>{self._power_cells}}"] if shape.has_power else []
        texts += [f"  {'state':<{self._n_state - 2}}"] if self._n_state else []
        return "".join(texts)

    def row(self, device: Device) -> Line:
        shape, snapshot = self._shape, self._snapshot
        name = f" {fit_words(_name(device), self.n_name)}" if self.n_name else ""
        used, total = _figures(device, snapshot)
        limit = device.power_limit_watts if shape.has_limit else None
        cells = [
            (fit_text(device_label(device, snapshot.devices), _LABEL), "strong"),
            (name, "text"),
            (f" {right_text(used, 6)} {right_text(total, 7)}", "strong"),
            (right_text(percent(device.utilization_ratio), _BUSY) if shape.has_use else "", "text"),
            (right_text(celsius(device.temperature_celsius), _HEAT) if shape.has_heat else "", "text"),
            (right_text(watts(device.power_watts, limit), self._power_cells) if shape.has_power else "", "text"),
            (f"  {_state(device, snapshot):<{self._n_state - 2}}" if self._n_state else "", "tight"),
        ]
        return (*(cell for cell in cells if cell[0]), *self._bar(device))

    @property
    def _power_cells(self) -> int:
        return self._n_limited if self._shape.has_limit else self._n_power

    def _bar(self, device: Device) -> Line:
        """Of the memory that is its own."""
        pool = self._snapshot.pool(device.pool_key)
        if pool is None or device.pool_key != device.key or not self._n_bar:
            return ()
        used = Part(n_bytes=pool.total_bytes - pool.free_bytes)
        return (("  ", "text"), *bar(self._n_bar, total_bytes=pool.total_bytes, parts=(used,)))


def _name(device: Device) -> str:
    return plain(short_name(device.name))


def _figures(device: Device, snapshot: Snapshot) -> tuple[str, str]:
    """What is used, and of how much."""
    pool = snapshot.pool(device.pool_key)
    if pool is None:
        return UNKNOWN, gib(device.capacity_bytes)
    if device.pool_key == device.key:
        return gib(pool.used_bytes), gib(pool.total_bytes)
    return gib(device.used_bytes), gib(device.limit_bytes or pool.total_bytes)


def _state(device: Device, snapshot: Snapshot) -> str:
    if device.is_asleep:
        return "asleep"
    if device.hidden_by:
        return "hidden"
    return "unread" if snapshot.pool(device.pool_key) is None else ""

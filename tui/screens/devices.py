"""Every device, and all that is known of the one under the cursor. Only while this is open are details read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.humanize import UNKNOWN, celsius, gib, percent, plain, watts
from tui.messages import PlanChanged
from tui.places import device_label
from tui.screens.browser import Browser
from tui.widgets.bar import Part, bar
from tui.widgets.device_facts import facts_of
from tui.widgets.line import fit_text, right_text, width_of
from tui.widgets.rows import short_name

if TYPE_CHECKING:
    from probes.snapshot import Device, Snapshot
    from tui.widgets.line import Line


_WIDE = 100
"""From here on there is room for most names."""
_ROOMY = 112
"""From here on there is room for a bar behind all the rest."""
_LEAST_BAR, _WIDEST_BAR = 10, 60
_POWER_CELLS = 14
"""``1000 of 1000 W``"""
_WHOLE_ROW = 14
"""With fewer cells for a name, the row has no room for the limit of the power either."""
_PATIENCE = 4
"""Readings after which details that have not come are not waited for: simulated and replayed machines have none."""


class Devices(Browser):
    TITLE_TEXT = "Devices"
    HINTS: ClassVar = (
        ("enter", "plan on it"),
        ("d", "others"),
        ("a", "hidden, too"),
        ("w", "wake"),
        ("/", "filter"),
        ("esc", "back"),
    )
    WANTS_DETAILS = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "app.wake_devices", "wake what sleeps"),
        Binding("a", "app.toggle_hidden", "plan for hidden devices, too"),
        Binding("d", "app.step_devices", "devices"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._described: Snapshot | None = None
        self._n_readings = 0

    def fill(self) -> None:
        snapshot = self.view.snapshot
        wanted = self.text.casefold()
        self._shown: list[Device] = []
        rows: list[Line] = []
        width = self.size.width
        n_cells = 30 if width >= _WIDE else _WHOLE_ROW if width >= 76 else max(0, width - 62)
        for device in snapshot.devices if snapshot else ():
            label = device_label(device, snapshot.devices) if snapshot else ""
            if snapshot is not None and wanted in f"{label} {device.name} {device.bus_address} {device.key}".casefold():
                self._shown.append(device)
                row = _row(label, device, snapshot, n_cells)
                rows.append((*row, *_bar(device, snapshot, width - 4 - width_of(row))) if width >= _ROOMY else row)
        name = "name" if n_cells else ""
        head = f"{'device':<9} {name:<{n_cells}} {'used':>6} {'of GiB':>7}  {'busy':>5}  {'heat':>6}  {'':<6} power"
        empty = "no device of that name" if wanted else _none(snapshot)
        self.listing.show(rows, head=((head, "dim"),), empty=((empty, "dim"),))
        self.describe(self.listing.cursor)

    def describe(self, index: int) -> None:
        snapshot = self.view.snapshot
        if snapshot is None or index >= len(self._shown):
            self.about.show()
            return
        device = self._shown[index]
        if snapshot is not self._described:
            self._described, self._n_readings = snapshot, self._n_readings + 1
        facts = list(facts_of(device, snapshot, is_awaited=self._n_readings <= _PATIENCE))
        if self.size.width < _WIDE:
            facts.insert(0, ("name", plain(device.name)))
        self.about.n_indent = 11
        self.about.show(*((f"{title:<10} {text}", "dim" if title == "identity" else "text") for title, text in facts))

    def choose(self, index: int) -> None:
        """The load goes on this device alone."""
        plan, snapshot = self.view.plan, self.view.snapshot
        if snapshot is None or index >= len(self._shown):
            return
        label = device_label(self._shown[index], snapshot.devices)
        if plan is None:
            self.notify("first choose a model: press m", markup=False, timeout=3)
            return
        self.post_message(PlanChanged(replace(plan, devices=(label,))))
        self.notify(f"planned on {label} alone; d leads to the others", markup=False, timeout=3)


def _none(snapshot: Snapshot | None) -> str:
    if snapshot is None or snapshot.pending:
        return "reading …"
    if any(fault.probe != "host" and not fault.is_note for fault in snapshot.faults):
        return "no GPU can be read; press f for why"
    return "no GPU was found; press f for what was looked for"


def _row(label: str, device: Device, snapshot: Snapshot, n_cells: int) -> Line:
    """``n_cells``: of the name."""
    pool = snapshot.pool(device.pool_key)
    used, total = UNKNOWN, gib(device.capacity_bytes)
    if pool is not None and device.pool_key == device.key:
        used, total = gib(pool.used_bytes), gib(pool.total_bytes)
    elif pool is not None:
        used, total = gib(device.used_bytes), gib(device.limit_bytes or pool.total_bytes)
    power = watts(device.power_watts, device.power_limit_watts if n_cells >= _WHOLE_ROW else None)
    state = "asleep" if device.is_asleep else "hidden" if device.hidden_by else "unread" if pool is None else ""
    return (
        (f"{fit_text(label, 9)} ", "strong"),
        (fit_text(plain(short_name(device.name)), n_cells), "text"),
        (f" {right_text(used, 6)} {right_text(total, 7)}  ", "strong"),
        (right_text(percent(device.utilization_ratio), 5), "text"),
        (f"  {right_text(celsius(device.temperature_celsius), 6)}", "text"),
        (f"  {state:<6} ", "tight"),
        (f"{power:<{_POWER_CELLS}}", "text"),
    )


def _bar(device: Device, snapshot: Snapshot, n_cells: int) -> Line:
    """Of the memory that is its own, in what is left of a line."""
    pool = snapshot.pool(device.pool_key)
    if pool is None or device.pool_key != device.key or n_cells < _LEAST_BAR + 2:
        return ()
    used = Part(n_bytes=pool.total_bytes - pool.free_bytes)
    return (("  ", "text"), *bar(min(_WIDEST_BAR, n_cells - 2), total_bytes=pool.total_bytes, parts=(used,)))


def open_screen() -> Devices:
    return Devices()

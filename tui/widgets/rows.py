"""What the memory panel shows, a row for each body of memory: pure values, before any of it becomes text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.snapshot import HOST_POOL, Device, Pool, Snapshot
from tui.humanize import size
from tui.places import HOST_NAME, device_label

if TYPE_CHECKING:
    from estimator.ledger import Place
    from estimator.verdict import Level, Margin
    from tui.widgets.view import View

_MAKERS = re.compile(r"^(?:NVIDIA\s+)?(?:GeForce\s+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One pool with what is planned on it, or a device whose pool is not known now."""

    label: str
    """``GPU 0``, ``RAM``; of several devices on one pool, all of them."""
    name: str = ""
    """The device's, as the driver says it, without the maker."""
    place: str
    pool: Pool | None
    devices: tuple[Device, ...] = ()
    reason: str = ""
    """Why there are no figures of the pool, as a sentence without its full stop."""
    load_bytes: int = 0
    landed_bytes: int = 0
    """What would come here because it has no room on a device."""
    line_bytes: int | None = None
    """The load line, from empty."""
    level: Level | None = None
    """None where nothing is planned here."""

    @property
    def used_bytes(self) -> int:
        """What cannot be allocated any more."""
        return self.pool.total_bytes - self.pool.free_bytes if self.pool else 0

    @property
    def filled_ratio(self) -> float:
        """Used and planned, of all."""
        if self.pool is None or not self.pool.total_bytes:
            return 0.0
        return (self.used_bytes + self.load_bytes + self.landed_bytes) / self.pool.total_bytes


def short_name(name: str) -> str:
    """``RTX 4090`` of ``NVIDIA GeForce RTX 4090``: the maker is in the header already."""
    return _MAKERS.sub("", name) or name


def rows_of(view: View) -> tuple[Row, ...]:
    """Each device with a pool of its own, then the RAM with the devices that share it."""
    snapshot = view.snapshot
    if snapshot is None:
        return ()
    places = {place.name: place for place in view.places}
    margins = {margin.place.name: margin for margin in view.assessment.verdict.margins} if view.assessment else {}
    rows = [
        _device_row(device, snapshot, places, margins) for device in snapshot.devices if device.pool_key != HOST_POOL
    ]
    host = snapshot.pool(HOST_POOL)
    sharing = tuple(device for device in snapshot.devices if device.pool_key == HOST_POOL)
    if host is not None:
        rows.append(_host_row(view, host, sharing, places, margins))
    elif sharing:
        rows += [_device_row(device, snapshot, places, margins) for device in sharing]
    return tuple(rows)


def _device_row(device: Device, snapshot: Snapshot, places: dict[str, Place], margins: dict[str, Margin]) -> Row:
    label = device_label(device, snapshot.devices)
    pool = snapshot.pool(device.pool_key)
    fault = next((fault.message for fault in snapshot.faults if fault.device_key == device.key), None)
    margin = margins.get(label)
    return Row(
        label=label,
        name=short_name(device.name),
        place=label,
        pool=pool,
        devices=(device,),
        reason="" if pool else _asleep(device) or f"not reported: {fault or 'the driver does not say'}",
        load_bytes=margin.load_bytes if margin else 0,
        line_bytes=_line_bytes(pool, (label,), places),
        level=margin.level if margin and margin.load_bytes else None,
    )


def _asleep(device: Device) -> str:
    capacity = "" if device.capacity_bytes is None else f", {size(device.capacity_bytes)}"
    return f"asleep{capacity}, and not woken: g, then w does that" if device.is_asleep else ""


def _host_row(
    view: View, pool: Pool, sharing: tuple[Device, ...], places: dict[str, Place], margins: dict[str, Margin]
) -> Row:
    devices = view.snapshot.devices if view.snapshot else ()
    labels = tuple(device_label(device, devices) for device in sharing)
    here = [margins[name] for name in (HOST_NAME, *labels) if name in margins]
    landed = _landed_bytes(view)
    return Row(
        label=f"{labels[0] if len(labels) == 1 else 'GPUs'} + RAM" if labels else HOST_NAME,
        name=short_name(sharing[0].name) if len(sharing) == 1 else "(limit)" if pool.limited_by and not sharing else "",
        place=HOST_NAME,
        pool=pool,
        devices=sharing,
        load_bytes=max((margin.load_bytes for margin in here), default=0),
        landed_bytes=landed,
        line_bytes=_line_bytes(pool, (HOST_NAME, *labels), places),
        level=max((margin.level for margin in here if margin.load_bytes), default=None),
    )


def _line_bytes(pool: Pool | None, names: tuple[str, ...], places: dict[str, Place]) -> int | None:
    """The lowest of the lines of all that draw on the pool."""
    lines = [places[name].line_bytes for name in names if name in places]
    return pool.total_bytes - pool.free_bytes + min(lines) if pool and lines else None


def _landed_bytes(view: View) -> int:
    """What the engine, or the driver, would put into RAM because it has no room on the devices."""
    made = view.assessment
    if made is None or made.verdict.level.name != "SPILLS" or made.verdict.place == HOST_NAME:
        return 0
    if made.fallback is not None:
        return max(0, made.fallback.n_bytes((HOST_NAME,)) - made.estimate.n_bytes((HOST_NAME,)))
    return made.verdict.spill_bytes

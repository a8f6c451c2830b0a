"""What the memory panel shows, a row for each body of memory: pure values, before any of it becomes text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from probes.snapshot import HOST_POOL, SWAP_POOL, Device, Pool, Snapshot
from records.record import record
from tui.humanize import size
from tui.places import HOST_NAME, device_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estimator.verdict import Level, Margin
    from tui.landing import Landing
    from tui.widgets.view import View

_MOST_HOLDERS = 3
"""More would be slivers."""
_KIND_ORDER = {"WEIGHTS": 0, "KV_CACHE": 1, "STATE": 2}
_MAKERS = ("nvidia", "geforce", "amd")
_RADEON = re.compile(r"Radeon (?=RX |PRO )", re.IGNORECASE)
"""Before names that say as much without it: ``RX 7900 XT``, but not ``Radeon Graphics``."""


@record(frozen=True, slots=True, kw_only=True)
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
    holders: tuple[int, ...] = ()
    """What the largest holders have of ``used_bytes``, the largest first."""
    load_bytes: int = 0
    load_parts: tuple[tuple[str, int], ...] = ()
    """The same by ``Kind``: name and bytes, weights first."""
    high_bytes: int = 0
    """Of the load, at the high end of its band."""
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
    for maker in _MAKERS:
        first, _, rest = name.partition(" ")
        if first.casefold() == maker and rest.strip():
            name = rest.lstrip()
    return _RADEON.sub("", name, count=1)


class _Found(NamedTuple):
    """What every row is made from, looked up once for all of them."""

    snapshot: Snapshot
    lines: dict[str, int]
    """The load line of each place, by its name."""
    margins: dict[str, Margin]
    held: dict[str, list[int]]
    """By the key of a device: what each process holds there."""
    sums: dict[str, dict[str, int]]
    """Of the load, by place and ``Kind``."""


@lru_cache(maxsize=2)  # a view is one moment, which three panels and their arrangement ask for
def rows_of(view: View) -> tuple[Row, ...]:
    """Each device with a pool of its own, then the RAM with the devices that share it."""
    snapshot = view.snapshot
    if snapshot is None:
        return ()
    found = _found(view, snapshot)
    landing = _landing(view)
    rows = [_device_row(found, device) for device in snapshot.devices if device.pool_key != HOST_POOL]
    host = snapshot.pool(HOST_POOL)
    sharing = tuple(device for device in snapshot.devices if device.pool_key == HOST_POOL)
    if host is not None:
        rows.append(_host_row(found, host, sharing, landing.ram_bytes if landing is not None else 0))
    elif sharing:
        rows += [_device_row(found, device) for device in sharing]
    return (*rows, *_slower_rows(landing, snapshot)) if landing is not None else tuple(rows)


def _landing(view: View) -> Landing | None:
    if view.assessment is None:
        return None
    from tui.landing import landing_of  # noqa: PLC0415  # with the estimator 6 ms, which the first picture does without

    return landing_of(view.assessment)


def _slower_rows(landing: Landing, snapshot: Snapshot) -> Iterator[Row]:
    """Swap space and disk, where the plan comes to them."""
    swap = snapshot.pool(SWAP_POOL)
    if swap is not None and landing.swap_bytes:
        yield Row(label="swap", place="swap", pool=swap, landed_bytes=landing.swap_bytes)
    if landing.disk_bytes:
        said = f"{size(landing.disk_bytes)} of the model's file would be read again for every token"
        yield Row(label="disk", place="disk", pool=None, reason=said)


def _found(view: View, snapshot: Snapshot) -> _Found:
    made = view.assessment
    held: dict[str, list[int]] = {}
    for process in snapshot.processes:
        if process.used_bytes:
            held.setdefault(process.device_key, []).append(process.used_bytes)
    sums: dict[str, dict[str, int]] = {}
    for term in made.estimate.terms if made else ():
        here = sums.setdefault(term.place, {})
        here[term.kind.name] = here.get(term.kind.name, 0) + term.n_bytes
    return _Found(
        snapshot=snapshot,
        lines={**view.lines, **{place.name: place.line_bytes for place in view.places}},
        margins={margin.place.name: margin for margin in made.verdict.margins} if made else {},
        held=held,
        sums=sums,
    )


def _device_row(found: _Found, device: Device) -> Row:
    snapshot = found.snapshot
    label = device_label(device, snapshot.devices)
    pool = snapshot.pool(device.pool_key)
    fault = next((fault.message for fault in snapshot.faults if fault.device_key == device.key), None)
    margin = found.margins.get(label)
    return Row(
        label=label,
        name=short_name(device.name),
        place=label,
        pool=pool,
        devices=(device,),
        reason="" if pool else _asleep(device) or f"not reported: {fault or 'the driver does not say'}",
        holders=tuple(sorted(found.held.get(device.key, ()), reverse=True)[:_MOST_HOLDERS]),
        load_bytes=margin.load_bytes if margin else 0,
        load_parts=_load_parts(found, (label,)),
        high_bytes=margin.high_bytes if margin else 0,
        line_bytes=_line_bytes(pool, (label,), found.lines),
        level=margin.level if margin and margin.load_bytes else None,
    )


def _load_parts(found: _Found, names: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Of the terms on these places, in the order of the bar."""
    sums: dict[str, int] = {}
    for name in names:
        for kind, n_bytes in found.sums.get(name, {}).items():
            sums[kind] = sums.get(kind, 0) + n_bytes
    return tuple(sorted(sums.items(), key=lambda item: _KIND_ORDER.get(item[0], len(_KIND_ORDER))))


def _asleep(device: Device) -> str:
    capacity = "" if device.capacity_bytes is None else f", {size(device.capacity_bytes)}"
    return f"asleep{capacity}, and not woken: g, then w does that" if device.is_asleep else ""


def _host_row(found: _Found, pool: Pool, sharing: tuple[Device, ...], landed_bytes: int) -> Row:
    labels = tuple(device_label(device, found.snapshot.devices) for device in sharing)
    here = [found.margins[name] for name in (HOST_NAME, *labels) if name in found.margins]
    return Row(
        label=f"{labels[0] if len(labels) == 1 else 'GPUs'} + RAM" if labels else HOST_NAME,
        name=short_name(sharing[0].name) if len(sharing) == 1 else "(limit)" if pool.limited_by and not sharing else "",
        place=HOST_NAME,
        pool=pool,
        devices=sharing,
        load_bytes=max((margin.load_bytes for margin in here), default=0),
        load_parts=_load_parts(found, (HOST_NAME, *labels)),
        high_bytes=max((margin.high_bytes for margin in here), default=0),
        landed_bytes=landed_bytes,
        line_bytes=_line_bytes(pool, (HOST_NAME, *labels), found.lines),
        level=max((margin.level for margin in here if margin.load_bytes), default=None),
    )


def _line_bytes(pool: Pool | None, names: tuple[str, ...], lines: dict[str, int]) -> int | None:
    """The lowest of the lines of all that draw on the pool."""
    here = [lines[name] for name in names if name in lines]
    return pool.total_bytes - pool.free_bytes + min(here) if pool and here else None

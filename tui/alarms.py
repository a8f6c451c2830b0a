"""What is worth a warning in a snapshot, and which of it is news. Each is raised once, until it clears.

The verdict on a plan is not among these: the screen judges it, and warns of it by the same means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.snapshot import HOST_POOL
from tui.alarm import Alarm
from tui.humanize import celsius, percent, plain, size
from tui.places import device_label
from tui.spilled import is_spilled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from estimator.ledger import Place
    from probes.snapshot import Device, Snapshot
    from tui.recognised import Recognised
    from tui.settings import Alerts

_COOLER_CELSIUS = 3.0
_LESS_RATIO = 0.02
"""So far under its threshold a figure that has raised an alarm must fall before it can raise another (ASSUMED)."""


class Alarms:
    """Follows snapshots, and knows what has been said."""

    def __init__(self) -> None:
        self.standing: tuple[Alarm, ...] = ()
        """All that is the matter as of the last snapshot."""
        self._labels: dict[str, tuple[str, str]] = {}
        """Every device that could be read once: what it was called, and its vendor."""

    def news(
        self,
        snapshot: Snapshot,
        alerts: Alerts,
        engines: Sequence[Recognised] = (),
        places: Sequence[Place] = (),
    ) -> tuple[Alarm, ...]:
        """What is the matter now and was not before."""
        before = {(alarm.kind, alarm.key) for alarm in self.standing}
        self.standing = (*self._found(snapshot, alerts, before), *_launches(engines, places, alerts, before))
        return tuple(alarm for alarm in self.standing if (alarm.kind, alarm.key) not in before)

    def _found(self, snapshot: Snapshot, alerts: Alerts, before: set[tuple[str, str]]) -> Iterator[Alarm]:
        if alerts.used_percent:
            yield from _full(snapshot, alerts.used_percent / 100, before)
        if alerts.temperature_celsius:
            yield from _hot(snapshot, alerts.temperature_celsius, before)
        if alerts.spilled:
            yield from _spilled(snapshot)
        lost = self._lost(snapshot)
        if alerts.lost_device:
            yield from lost

    def _lost(self, snapshot: Snapshot) -> list[Alarm]:
        if snapshot.pending:  # a driver that is being asked for the first time has lost nothing
            return []
        now = {device.key: device for device in snapshot.devices}
        lost = []
        for key, (label, vendor) in self._labels.items():
            device = now.get(key)
            if device is not None and (device.is_asleep or snapshot.pool(device.pool_key) is not None):
                continue
            what = "is gone" if device is None else "gives no figures any more"
            lost.append(Alarm(kind="lost", key=key, message=f"{label} {what}: {_why(key, vendor, snapshot)}"))
        for key, device in now.items():
            if snapshot.pool(device.pool_key) is not None:
                self._labels[key] = (_called(device, snapshot), device.vendor)
        return lost


def _launches(
    engines: Sequence[Recognised], places: Sequence[Place], alerts: Alerts, before: set[tuple[str, str]]
) -> Iterator[Alarm]:
    if not (alerts.launch and engines):
        return
    from tui.early import launch_alarms  # noqa: PLC0415  # where an engine runs

    yield from launch_alarms(engines, places, before)


def _why(key: str, vendor: str, snapshot: Snapshot) -> str:
    """Its own fault, or that of the driver as a whole."""
    of_driver = [fault for fault in snapshot.faults if fault.probe == vendor and fault.device_key is None]
    faults = [fault for fault in snapshot.faults if fault.device_key == key] or of_driver
    said = next((fault.message for fault in faults if not fault.is_note), None)
    return plain(said, 200) if said else "the driver does not list it any more"


def _full(snapshot: Snapshot, limit_ratio: float, before: set[tuple[str, str]]) -> Iterator[Alarm]:
    labels = {device.pool_key: _called(device, snapshot) for device in snapshot.devices} | {HOST_POOL: "RAM"}
    for pool in snapshot.pools:
        if pool.key not in labels or not pool.total_bytes:
            continue
        ratio = 1 - pool.free_bytes / pool.total_bytes
        if ratio >= limit_ratio - (_LESS_RATIO if ("used", pool.key) in before else 0):
            free = size(pool.free_bytes)
            yield Alarm(kind="used", key=pool.key, message=f"{labels[pool.key]} is {percent(ratio)} full: {free} free")


def _hot(snapshot: Snapshot, limit_celsius: float, before: set[tuple[str, str]]) -> Iterator[Alarm]:
    for device in snapshot.devices:
        degrees = device.temperature_celsius
        least = limit_celsius - (_COOLER_CELSIUS if ("temperature", device.key) in before else 0)
        if degrees is not None and degrees >= least:
            message = f"{_called(device, snapshot)} is at {celsius(degrees)}"
            yield Alarm(kind="temperature", key=device.key, message=message)


def _spilled(snapshot: Snapshot) -> Iterator[Alarm]:
    """What a driver does without an error: Windows moves what has no room to shared memory, amdgpu to GTT."""
    for device in snapshot.devices:
        if is_spilled(device, snapshot):
            message = f"{_called(device, snapshot)} is full, and holds {size(device.shared_used_bytes)} in RAM instead"
            yield Alarm(kind="spilled", key=device.key, message=f"{message}: many times slower")


def _called(device: Device, snapshot: Snapshot) -> str:
    return f"{device_label(device, snapshot.devices)} {plain(device.name, 40)}".strip()

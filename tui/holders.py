"""Who holds memory here and could be stopped: a process, or a recognised engine with all its children."""

from __future__ import annotations

from typing import TYPE_CHECKING

from records.record import record
from tui.humanize import plain
from tui.places import HOST_NAME, device_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from probes.snapshot import Snapshot
    from tui.recognised import Recognised

_NAME_LENGTH = 24


@record(frozen=True, slots=True, kw_only=True)
class Holder:
    """What ends as one."""

    pid: int
    """Of the process that is to be stopped: an engine's first."""
    name: str
    """Plain text: ``python3``, ``Qwen3 4B in llama-server``."""
    held: Mapping[str, int]
    """By place, as ``Place.name``: the bytes that it would give back."""

    @property
    def n_bytes(self) -> int:
        return sum(self.held.values())


def holders_of(snapshot: Snapshot, engines: Sequence[Recognised] = ()) -> list[Holder]:
    """Those whose number is of here, the smallest first.

    Args:
        snapshot: what each process holds on the devices.
        engines: as they were recognised, which may have been some seconds ago.
    """
    labels = {device.key: device_label(device, snapshot.devices) for device in snapshot.devices}
    engine_by_pid = {pid: engine for engine in engines for pid in engine.pids}
    names: dict[int, str] = {}
    held: dict[int, dict[str, int]] = {}
    for process in snapshot.processes:
        label = labels.get(process.device_key)
        if label is None or not process.used_bytes or process.is_outside:
            continue
        engine = engine_by_pid.get(process.pid)
        pid = process.pid if engine is None else engine.pid
        own = plain(process.name or "not visible from here", _NAME_LENGTH)
        names[pid] = own if engine is None else _called(engine)
        places = held.setdefault(pid, {})
        places[label] = places.get(label, 0) + process.used_bytes
    for engine in engines:  # of one on a device no RAM counts: on unified memory it is the device's already
        n_bytes = engine.held.get(HOST_NAME)
        if n_bytes and not engine.is_on_device and engine.pid not in held:
            names[engine.pid], held[engine.pid] = _called(engine), {HOST_NAME: n_bytes}
    found = [Holder(pid=pid, name=names[pid], held=places) for pid, places in held.items()]
    return sorted(found, key=lambda holder: holder.n_bytes)


def _called(engine: Recognised) -> str:
    program = plain(engine.program, _NAME_LENGTH)
    model = engine.model_name or (engine.served.model if engine.served else "") or ""
    return f"{plain(model, _NAME_LENGTH)} in {program}" if model else program

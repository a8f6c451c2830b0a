"""``plimsoll snapshot``: what is there now, as text or JSON, once or at every interval."""

import time
from collections.abc import Callable, Iterator, Sequence

from probes.probe import ProbeSource
from probes.snapshot import HOST_POOL, SWAP_POOL, Device, Pool, Process, Snapshot
from tui.humanize import UNKNOWN, duration, gib, percent, plain, sentence, size
from tui.places import device_label

NOTHING_READ = 3
"""Exit status where no pool and no device could be read at all."""
LATE_SECONDS = 3.0
"""From this age on it is said how old a figure is."""
PENDING_SECONDS = 10.0
"""How long a stream waits with its first line for drivers that have not answered yet."""


def run_snapshot(snapshot: Callable[[], Snapshot], *, is_json: bool = False) -> int:
    """Print one snapshot, and return the exit status."""
    taken = snapshot()
    print(snapshot_line(taken) if is_json else snapshot_text(taken), flush=True)
    return 0 if taken.pools or taken.devices else NOTHING_READ


def run_follow(sources: Sequence[ProbeSource], interval_seconds: float, *, n_lines: int | None = None) -> int:
    """Print a line of JSON for every reading until interrupted, or for so many."""
    from queue import Empty, SimpleQueue  # noqa: PLC0415  # 1 ms, for a stream only

    from probes.sampler import Sampler  # noqa: PLC0415

    taken: SimpleQueue[Snapshot] = SimpleQueue()
    sampler = Sampler(sources, taken.put, interval_seconds)
    sampler.start()
    is_waiting_until = time.monotonic() + PENDING_SECONDS
    try:
        while n_lines is None or n_lines > 0:
            try:
                snapshot = taken.get(timeout=1.0)  # without a limit, Windows would not let Ctrl-C through
            except Empty:
                continue
            if snapshot.pending and time.monotonic() < is_waiting_until:
                continue
            print(snapshot_line(snapshot), flush=True)
            n_lines = None if n_lines is None else n_lines - 1
    finally:
        sampler.stop()
    return 0


def snapshot_line(snapshot: Snapshot) -> str:
    """The snapshot as one line of JSON, as ``--replay`` plays it; text from outside is escaped to ASCII."""
    import json  # noqa: PLC0415  # 3 ms, which only those pay who ask for it

    from probes.recording import snapshot_to_json  # noqa: PLC0415

    return json.dumps(snapshot_to_json(snapshot), separators=(",", ":"))


def snapshot_text(snapshot: Snapshot) -> str:
    """The snapshot for a person, ready to print."""
    return "\n".join(_lines(snapshot))


def _lines(snapshot: Snapshot) -> Iterator[str]:
    yield _title(snapshot)
    yield ""
    rows = [_device_row(device, snapshot) for device in snapshot.devices]
    rows += [_pool_row(pool) for pool in snapshot.pools if pool.key in (HOST_POOL, SWAP_POOL)]
    yield from _table(rows, (str.ljust, str.ljust, str.rjust, str.ljust))
    if not rows:
        yield "  nothing could be read"
    processes = sorted(snapshot.processes, key=lambda process: -(process.used_bytes or 0))
    if processes:
        yield ""
        heads = ("PID", "", "held", "process")
        yield from _table(
            [heads, *(_process_row(process, snapshot) for process in processes)],
            (str.rjust, str.ljust, str.rjust, str.ljust),
        )
    if snapshot.faults:
        yield ""
        yield from dict.fromkeys(f"  ! {fault.probe}: {plain(fault.message, 400)}" for fault in snapshot.faults)


def _title(snapshot: Snapshot) -> str:
    machine = snapshot.machine
    parts = [plain(machine.host_name, 60), machine.system] if machine else []
    parts += [f"{plain(version.name, 30)} {plain(version.value, 30)}" for version in snapshot.versions]
    return sentence([*parts, time.strftime("%H:%M:%S", time.localtime(snapshot.taken_seconds))])


def _device_row(device: Device, snapshot: Snapshot) -> tuple[str, ...]:
    label = device_label(device, snapshot.devices)
    pool = snapshot.pool(device.pool_key)
    name = plain(device.name, 40) or UNKNOWN
    if pool is None:
        return label, name, "", sentence(["memory not known now", *_device_details(device)])
    if pool.key == HOST_POOL:
        limit = pool.total_bytes if device.limit_bytes is None else device.limit_bytes
        used = f"{gib(device.used_bytes)} of {gib(limit)} GiB"
        return label, name, used, sentence(["used of the RAM", *_device_details(device)])
    used = f"{gib(pool.used_bytes)} of {gib(pool.total_bytes)} GiB"
    return label, name, used, sentence(["used", *_device_details(device), _age(pool.late_seconds)])


def _device_details(device: Device) -> Iterator[str]:
    if device.utilization_ratio is not None:
        yield percent(device.utilization_ratio)
    if device.temperature_celsius is not None:
        yield f"{device.temperature_celsius:.0f} °C"
    if device.power_watts is not None:
        limit = "" if device.power_limit_watts is None else f" of {device.power_limit_watts:.0f}"
        yield f"{device.power_watts:.0f}{limit} W"


def _pool_row(pool: Pool) -> tuple[str, ...]:
    used = f"{gib(pool.used_bytes)} of {gib(pool.total_bytes)} GiB"
    label = "RAM" if pool.key == HOST_POOL else "swap"
    return label, "", used, sentence(["used", _age(pool.late_seconds)])


def _age(late_seconds: float) -> str:
    return f"{duration(late_seconds)} old" if late_seconds >= LATE_SECONDS else ""


def _process_row(process: Process, snapshot: Snapshot) -> tuple[str, ...]:
    device = next((device for device in snapshot.devices if device.key == process.device_key), None)
    label = device_label(device, snapshot.devices) if device else UNKNOWN
    shown = plain(process.name or "", 60) or "not visible from here"
    return str(process.pid), label, size(process.used_bytes), shown


def _table(rows: Sequence[Sequence[str]], aligned: Sequence[Callable[[str, int], str]]) -> Iterator[str]:
    """Rows in columns, each as wide as its widest cell; the last is left as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(aligned))] if rows else []
    for row in rows:
        cells = [align(cell, width) for align, cell, width in zip(aligned, row, widths, strict=True) if width]
        yield f"  {'  '.join(cells)}".rstrip()

"""``plimsoll snapshot``: what is there now, as text, JSON or for Prometheus, once or at every interval."""

import os
import time
from collections.abc import Callable, Iterator, Sequence

from probes.probe import ProbeSource
from probes.snapshot import HOST_POOL, SWAP_POOL, Details, Device, Pool, Snapshot
from tui.columns import columns
from tui.humanize import MIB, UNKNOWN, duration, gib, percent, plain, sentence, size
from tui.places import device_label, fault_text

NOTHING_READ = 3
"""Exit status where no pool and no device could be read at all."""
LATE_SECONDS = 3.0
"""From this age on it is said how old a figure is."""
PENDING_SECONDS = 10.0
"""How long a stream waits with its first line for drivers that have not answered yet."""


def run_snapshot(
    snapshot: Callable[[], Snapshot],
    *,
    is_json: bool = False,
    is_prometheus: bool = False,
    n_processes: int = 0,
    output: str | None = None,
) -> int:
    """Print one snapshot, and return the exit status.

    Args:
        snapshot: waits for it.
        is_json: as a line of JSON in place of text.
        is_prometheus: in Prometheus' text format.
        n_processes: of that, names of processes for a device that get a line.
        output: the file to put in place of an older one, whole; None prints.

    Raises:
        OSError: the file cannot be written.
    """
    taken = snapshot()
    if is_json:
        text = snapshot_line(taken) + "\n"
    elif is_prometheus:
        from tui.prometheus import prometheus_text  # noqa: PLC0415  # only those pay who ask for it

        text = prometheus_text(taken, n_processes=n_processes)
    else:
        text = snapshot_text(taken) + "\n"
    if output is None:
        print(text, end="", flush=True)
    else:
        write_whole(output, text)
    return 0 if taken.pools or taken.devices else NOTHING_READ


def write_whole(path: str, text: str) -> None:
    """Put the text in place of a file, so that whoever reads sees the old one or the new one, never a part.

    Raises:
        OSError: that cannot be done; nothing is left behind.
    """
    folder, name = os.path.split(path)
    # Not called *.prom: the collector reads any file of that name.
    beside = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(beside, path)
    except OSError:
        os.unlink(beside)
        raise


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
    yield from (f"  {line}" for line in columns(rows, (False, False, True, False)))
    if not rows:
        yield "  nothing could be read"
    if snapshot.processes:
        yield ""
        heads = ("PID", "", "held", "process")
        rows = [heads, *_process_rows(snapshot)]
        yield from (f"  {line}" for line in columns(rows, (True, False, True, False)))
    if snapshot.faults:
        yield ""
        yield from dict.fromkeys(f"  ! {plain(fault_text(fault, snapshot), 400)}" for fault in snapshot.faults)


def _title(snapshot: Snapshot) -> str:
    machine = snapshot.machine
    parts = [plain(machine.host_name, 60), machine.system] if machine else []
    parts += [f"{plain(version.name, 30)} {plain(version.value, 30)}" for version in snapshot.versions]
    return sentence([*parts, time.strftime("%H:%M:%S", time.localtime(snapshot.taken_seconds))])


def _device_row(device: Device, snapshot: Snapshot) -> tuple[str, ...]:
    label = device_label(device, snapshot.devices)
    pool = snapshot.pool(device.pool_key)
    name = plain(device.name, 40) or UNKNOWN
    if pool is None and device.is_asleep:
        size_text = "" if device.capacity_bytes is None else f"{gib(device.capacity_bytes)} GiB"
        return label, name, size_text, sentence(["asleep, and not woken for this", *_device_details(device)])
    if pool is None:
        return label, name, "", sentence(["memory not known now", *_device_details(device)])
    if pool.key == HOST_POOL:
        limit = pool.total_bytes if device.limit_bytes is None else device.limit_bytes
        used = f"{gib(device.used_bytes)} of {gib(limit)} GiB"
        return label, name, used, sentence(["used of the RAM", *_device_details(device)])
    if device.parent_key is not None and device.limit_bytes is not None:  # a part that shares the memory of the whole
        used = f"{gib(device.used_bytes)} of {gib(device.limit_bytes)} GiB"
        return label, name, used, sentence(["used", *_device_details(device), _age(pool.late_seconds)])
    used = f"{gib(pool.used_bytes)} of {gib(pool.total_bytes)} GiB"
    return label, name, used, sentence(["used", *_device_details(device), _age(pool.late_seconds)])


def _device_details(device: Device) -> Iterator[str]:
    if device.hidden_by:
        yield f"hidden by {plain(device.hidden_by, 60)}"
    if device.shared_used_bytes is not None and device.shared_used_bytes >= MIB:
        yield f"{size(device.shared_used_bytes)} more in RAM"
    if device.utilization_ratio is not None:
        yield percent(device.utilization_ratio)
    if device.temperature_celsius is not None:
        yield f"{device.temperature_celsius:.0f} °C"
    if device.power_watts is not None:
        limit = "" if device.power_limit_watts is None else f" of {device.power_limit_watts:.0f}"
        yield f"{device.power_watts:.0f}{limit} W"
    if device.details is not None:
        yield from _further_details(device.details)


def _further_details(details: Details) -> Iterator[str]:
    if details.graphics_clock_megahertz is not None:
        yield f"{details.graphics_clock_megahertz:.0f} MHz"
    if details.throttle_reasons:
        yield f"held back: {plain(', '.join(details.throttle_reasons), 120)}"
    if details.pcie_generation is not None and details.n_pcie_lanes is not None:
        yield f"PCIe {details.pcie_generation}.0 x{details.n_pcie_lanes}"
    if details.n_links is not None:
        yield f"{details.n_links} links"
    if details.n_uncorrected_errors:
        yield f"{details.n_uncorrected_errors} uncorrected errors of its memory"


def _pool_row(pool: Pool) -> tuple[str, ...]:
    used = f"{gib(pool.used_bytes)} of {gib(pool.total_bytes)} GiB"
    label = "RAM" if pool.key == HOST_POOL else "swap"
    cached = "" if pool.cached_bytes is None else f"{size(pool.cached_bytes)} of caches counted as free"
    compressed = "" if pool.compressed_bytes is None else f"{size(pool.compressed_bytes)} hold compressed memory"
    limited = "" if pool.limited_by is None else f"limited by {plain(pool.limited_by, 80)}"
    return (
        label,
        "",
        used,
        sentence(["used", plain(pool.medium or "", 30), cached, compressed, limited, _age(pool.late_seconds)]),
    )


def _age(late_seconds: float) -> str:
    return f"{duration(late_seconds)} old" if late_seconds >= LATE_SECONDS else ""


def _process_rows(snapshot: Snapshot) -> Iterator[tuple[str, ...]]:
    """Those that hold most first; of another namespace, how many there are and what they hold together."""
    labels = {device.key: device_label(device, snapshot.devices) for device in snapshot.devices}
    for process in sorted(snapshot.processes, key=lambda process: -(process.used_bytes or 0)):
        if process.is_outside:
            continue
        shown = plain(process.name or "", 60) or "not visible from here"
        shared = process.shared_used_bytes or 0
        more = f"{size(shared)} more in RAM" if shared >= MIB else ""
        told = sentence([shown, plain(process.user or "", 30), plain(process.container or "", 40), more])
        yield str(process.pid), labels.get(process.device_key, UNKNOWN), size(process.used_bytes), told
    for key in dict.fromkeys(process.device_key for process in snapshot.processes if process.is_outside):
        held = [
            process.used_bytes for process in snapshot.processes if process.is_outside and process.device_key == key
        ]
        known = [n_bytes for n_bytes in held if n_bytes is not None]
        told = "1 process (host PID)" if len(held) == 1 else f"{len(held)} processes (host PIDs)"
        yield UNKNOWN, labels.get(key, UNKNOWN), size(sum(known) if known else None), told

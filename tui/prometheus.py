"""A snapshot in Prometheus' text format, for node_exporter's textfile collector.

Names and units are by its conventions (prometheus.io/docs/practices/naming): base units last, ratios from 0 to 1,
``_info`` for text, ``_total`` for what only grows. What is not known has no line; there is no NaN. Label values are
bounded, and lines of processes are summed by name, so that a series does not come with every pid.
"""

from __future__ import annotations

import math

from probes.snapshot import HOST_POOL, Details, Device, Pool, Snapshot
from tui import __version__
from tui.flag_values import MOST_NAMES
from tui.humanize import plain
from tui.places import device_label

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Samples = Iterator[tuple[str, dict[str, str], float | None]]
    """Name, labels and value; a value of None has no line."""

MOST_CHARACTERS = 200
"""Of a label's value."""
MEGA = 1e6

_HELP = {
    "plimsoll_build_info": "The version of Plimsoll that wrote this.",
    "plimsoll_snapshot_timestamp_seconds": "When the figures were taken, since 1970.",
    "plimsoll_snapshot_age_seconds": "How old the oldest figure was then.",
    "plimsoll_fault_info": "Something that could not be read.",
    "plimsoll_version_info": "Versions of drivers and libraries.",
    "plimsoll_machine_info": "What the machine runs.",
    "plimsoll_machine_cpu_utilization_ratio": "Share of the processor's time that was used.",
    "plimsoll_machine_memory_stalled_ratio": "Share of the last 10 s in which some task waited for memory.",
    "plimsoll_machine_memory_fully_stalled_ratio": "Share of the last 10 s in which all tasks waited for memory.",
    "plimsoll_pool_total_bytes": "Size of a body of memory.",
    "plimsoll_pool_used_bytes": "Of it, what is taken; caches that are given up on demand are not.",
    "plimsoll_pool_free_bytes": "Of it, what can still be allocated.",
    "plimsoll_pool_reserved_bytes": "Of what is taken, what driver or firmware keep for themselves.",
    "plimsoll_pool_cached_bytes": "Of what is free, what caches hold and give back on demand.",
    "plimsoll_pool_age_seconds": "How old these figures were when the snapshot was taken.",
    "plimsoll_device_info": "A device; pool is the memory that it draws on.",
    "plimsoll_device_memory_total_bytes": "Size of its own memory.",
    "plimsoll_device_memory_used_bytes": "Of its memory, what is taken; of a shared pool, what the device holds of it.",
    "plimsoll_device_memory_free_bytes": "Of its own memory, what can still be allocated.",
    "plimsoll_device_memory_limit_bytes": "The most that it may take of its pool.",
    "plimsoll_device_shared_memory_used_bytes": "What it holds of the host's memory beside its own.",
    "plimsoll_device_shared_memory_limit_bytes": "The most that it could hold of the host's memory.",
    "plimsoll_device_utilization_ratio": "Share of the time in which it worked.",
    "plimsoll_device_temperature_celsius": "Its temperature.",
    "plimsoll_device_power_watts": "What it draws.",
    "plimsoll_device_power_limit_watts": "The most that it may draw.",
    "plimsoll_device_asleep": "1 while it is suspended to save power; then nothing else is read of it.",
    "plimsoll_device_hidden": "1 while a variable keeps programs of this shell off it.",
    "plimsoll_device_age_seconds": "How old these figures were when the snapshot was taken.",
    "plimsoll_device_graphics_clock_hertz": "The clock that it computes at.",
    "plimsoll_device_memory_clock_hertz": "The clock of its memory.",
    "plimsoll_device_memory_temperature_celsius": "The temperature of its memory.",
    "plimsoll_device_memory_utilization_ratio": "Share of the time in which its memory was read or written.",
    "plimsoll_device_fan_ratio": "Speed of its fan, of the highest.",
    "plimsoll_device_pcie_received_bytes_per_second": "What it receives over PCIe.",
    "plimsoll_device_pcie_sent_bytes_per_second": "What it sends over PCIe.",
    "plimsoll_device_throttled": "1 for each reason why it runs below its clocks.",
    "plimsoll_device_memory_errors_total": "Errors of its memory since the driver was loaded.",
    "plimsoll_device_retired_pages": "Pages or rows of its memory that were taken out of use.",
    "plimsoll_process_memory_used_bytes": "What processes of one name hold on a device together.",
}


def prometheus_text(snapshot: Snapshot, *, n_processes: int = 0) -> str:
    """The whole text, a newline at its end.

    Args:
        snapshot: what is there.
        n_processes: names of processes for a device that get a line, those that hold most; 0: no lines of processes.
    """
    families: dict[str, dict[str, float]] = {}
    for name, labels, value in _samples(snapshot, min(n_processes, MOST_NAMES)):
        if value is not None and math.isfinite(value):
            families.setdefault(name, {}).setdefault(_labels(labels), value)
    lines = []
    for name, samples in families.items():
        lines += [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} {_type(name)}"]
        lines += [f"{name}{labels} {_number(value)}" for labels, value in samples.items()]
    return "\n".join([*lines, ""])


def _type(name: str) -> str:
    return "counter" if name.endswith("_total") else "gauge"


def _labels(labels: Mapping[str, str]) -> str:
    """``{a="b"}``; what is empty is as good as not there, and left out."""
    said = [f'{name}="{_escaped(value)}"' for name, value in labels.items() if value]
    return f"{{{','.join(said)}}}" if said else ""


def _escaped(value: str) -> str:
    text = plain(value, MOST_CHARACTERS)
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1 << 63 else repr(float(value))


def _samples(snapshot: Snapshot, n_processes: int) -> Samples:
    yield "plimsoll_build_info", {"version": __version__}, 1
    yield "plimsoll_snapshot_timestamp_seconds", {}, snapshot.taken_seconds
    yield "plimsoll_snapshot_age_seconds", {}, snapshot.late_seconds
    for version in snapshot.versions:
        yield "plimsoll_version_info", {"name": version.name, "version": version.value}, 1
    yield from _machine_samples(snapshot)
    for pool in snapshot.pools:
        yield from _pool_samples(pool)
    for device in snapshot.devices:
        yield from _device_samples(device, snapshot)
        if n_processes:
            yield from _process_samples(device, snapshot, n_processes)
    for fault in snapshot.faults:
        if not fault.is_note:
            yield (
                "plimsoll_fault_info",
                {"probe": fault.probe, "uuid": fault.device_key or "", "message": fault.message},
                1,
            )


def _machine_samples(snapshot: Snapshot) -> Samples:
    machine = snapshot.machine
    if machine is None:
        return
    yield (
        "plimsoll_machine_info",
        {
            "system": machine.system,
            "system_name": machine.system_name or "",
            "kernel": machine.kernel or "",
            "cpu": machine.cpu_name or "",
            "container": machine.container or "",
        },
        1,
    )
    yield "plimsoll_machine_cpu_utilization_ratio", {}, machine.cpu_utilization_ratio
    yield "plimsoll_machine_memory_stalled_ratio", {}, machine.stalled_ratio
    yield "plimsoll_machine_memory_fully_stalled_ratio", {}, machine.fully_stalled_ratio


def _pool_samples(pool: Pool) -> Samples:
    labels = {"pool": pool.key}
    yield "plimsoll_pool_total_bytes", labels, pool.total_bytes
    yield "plimsoll_pool_used_bytes", labels, pool.used_bytes
    yield "plimsoll_pool_free_bytes", labels, pool.free_bytes
    yield "plimsoll_pool_reserved_bytes", labels, pool.reserved_bytes
    yield "plimsoll_pool_cached_bytes", labels, pool.cached_bytes
    yield "plimsoll_pool_age_seconds", labels, pool.late_seconds


def _identity(device: Device, snapshot: Snapshot) -> dict[str, str]:
    number = device_label(device, snapshot.devices).removeprefix("GPU ")
    return {"device": number, "uuid": device.key, "name": device.name}


def _device_samples(device: Device, snapshot: Snapshot) -> Samples:
    labels = _identity(device, snapshot)
    more = {
        "vendor": device.vendor,
        "pool": device.pool_key,
        "bus_address": device.bus_address or "",
        "driver": device.driver or "",
        "parent": device.parent_key or "",
        "compute_capability": device.compute_capability or "",
        "hidden_by": device.hidden_by or "",
    }
    yield "plimsoll_device_info", labels | more, 1
    pool = snapshot.pool(device.pool_key)
    if device.pool_key == HOST_POOL:
        yield "plimsoll_device_memory_used_bytes", labels, device.used_bytes
    elif pool is not None and device.limit_bytes is not None and device.limit_bytes < pool.total_bytes:
        # One of several parts that share the pool, whose sum shall be the pool.
        yield "plimsoll_device_memory_used_bytes", labels, device.used_bytes
    elif pool is not None:
        yield "plimsoll_device_memory_total_bytes", labels, pool.total_bytes
        yield "plimsoll_device_memory_used_bytes", labels, pool.used_bytes
        yield "plimsoll_device_memory_free_bytes", labels, pool.free_bytes
    else:
        yield "plimsoll_device_memory_total_bytes", labels, device.capacity_bytes
    yield "plimsoll_device_memory_limit_bytes", labels, device.limit_bytes
    yield "plimsoll_device_shared_memory_used_bytes", labels, device.shared_used_bytes
    yield "plimsoll_device_shared_memory_limit_bytes", labels, device.shared_limit_bytes
    yield "plimsoll_device_utilization_ratio", labels, device.utilization_ratio
    yield "plimsoll_device_temperature_celsius", labels, device.temperature_celsius
    yield "plimsoll_device_power_watts", labels, device.power_watts
    yield "plimsoll_device_power_limit_watts", labels, device.power_limit_watts
    yield "plimsoll_device_asleep", labels, int(device.is_asleep)
    yield "plimsoll_device_hidden", labels, int(device.hidden_by is not None)
    yield "plimsoll_device_age_seconds", labels, device.late_seconds
    if device.details is not None:
        yield from _detail_samples(device.details, labels)


def _detail_samples(details: Details, labels: dict[str, str]) -> Samples:
    yield "plimsoll_device_graphics_clock_hertz", labels, _hertz(details.graphics_clock_megahertz)
    yield "plimsoll_device_memory_clock_hertz", labels, _hertz(details.memory_clock_megahertz)
    yield "plimsoll_device_memory_temperature_celsius", labels, details.memory_temperature_celsius
    yield "plimsoll_device_memory_utilization_ratio", labels, details.memory_utilization_ratio
    yield "plimsoll_device_fan_ratio", labels, details.fan_ratio
    yield "plimsoll_device_pcie_received_bytes_per_second", labels, details.pcie_received_bytes_per_second
    yield "plimsoll_device_pcie_sent_bytes_per_second", labels, details.pcie_sent_bytes_per_second
    for reason in details.throttle_reasons or ():
        yield "plimsoll_device_throttled", labels | {"reason": reason}, 1
    yield "plimsoll_device_memory_errors_total", labels | {"kind": "corrected"}, details.n_corrected_errors
    yield "plimsoll_device_memory_errors_total", labels | {"kind": "uncorrected"}, details.n_uncorrected_errors
    yield "plimsoll_device_retired_pages", labels, details.n_retired_pages


def _hertz(megahertz: float | None) -> float | None:
    return None if megahertz is None else megahertz * MEGA


def _process_samples(device: Device, snapshot: Snapshot, n_names: int) -> Samples:
    """Bytes by name, the largest first; what cannot be seen from here has no name, and is ``unknown``."""
    held: dict[str, int] = {}
    for process in snapshot.processes:
        if process.device_key == device.key and process.used_bytes is not None:
            name = plain(process.name or "", 60) or "unknown"
            held[name] = held.get(name, 0) + process.used_bytes
    ordered = sorted(held.items(), key=lambda item: (-item[1], item[0]))
    labels = _identity(device, snapshot)
    for name, n_bytes in ordered[:n_names]:
        yield "plimsoll_process_memory_used_bytes", labels | {"process": name}, n_bytes
    if len(ordered) > n_names:
        rest = sum(n_bytes for _, n_bytes in ordered[n_names:])
        yield "plimsoll_process_memory_used_bytes", labels | {"process": "other"}, rest

"""How fast a device, or the RAM, moves bytes and computes: as it is told, known of the product, or assumed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from estimator.place import Place
    from probes.accelerators import Accelerator
    from probes.snapshot import Device, Snapshot

GIB = 1 << 30
RAM_BYTES_PER_SECOND = 60e9
"""ASSUMED where nobody states it: two channels of DDR4-3200 have 51 GB/s, of DDR5-5600 90; reading it takes root."""
SERVER_RAM_BYTES_PER_SECOND = 150e9
"""ASSUMED for EPYC, Xeon and Threadripper: eight channels of DDR4-2933 have 188 GB/s, four of DDR4-3200 102."""
_SERVER_CPUS = ("epyc", "xeon", "threadripper")


def ram_bandwidth(snapshot: Snapshot, devices: Sequence[Place]) -> float:
    """Where memory is unified, the chip's own; else what the probe makes of its modules, or the kind of CPU."""
    shared = [place.bandwidth_bytes_per_second for place in devices if place.draws_on is not None]
    if shared and shared[0] is not None:
        return shared[0]
    told = told_bandwidth(snapshot)
    if told is not None:
        return told * 1e9
    cpu = (snapshot.machine.cpu_name or "").casefold() if snapshot.machine else ""
    return SERVER_RAM_BYTES_PER_SECOND if any(word in cpu for word in _SERVER_CPUS) else RAM_BYTES_PER_SECOND


def told_bandwidth(snapshot: Snapshot) -> float | None:
    """Of the RAM in 10^9 bytes per second, as the probe estimates it."""
    return snapshot.machine.memory_bandwidth_gigabytes_per_second if snapshot.machine else None


def rates_of(device: Device, total_bytes: int, shared_bandwidth: float | None) -> dict[str, Any]:
    """What the driver says of itself first, then what is known of the product of exactly this name, or of the RAM."""
    product = _product(device.name, device.n_multiprocessors, round(total_bytes / GIB) or None)
    bandwidth, half_flops, capability = device.bandwidth_gigabytes_per_second, None, device.compute_capability
    if product is not None:
        bandwidth = product.bandwidth_gb_s if bandwidth is None else bandwidth
        half_flops = product.half_tflops * 1e12 if product.half_tflops is not None else None
        capability = capability or product.cuda_cc
    is_assumed = bandwidth is None and shared_bandwidth is not None
    if is_assumed:
        bandwidth = shared_bandwidth
    return {
        "is_bandwidth_assumed": is_assumed,
        "bandwidth_bytes_per_second": None if bandwidth is None else bandwidth * 1e9,
        "half_flops": half_flops,
        "compute_capability": _capability(capability),
    }


@lru_cache(maxsize=64)  # to look through the table takes 20 µs, for each device at each reading
def _product(name: str, n_multiprocessors: int | None, size_gib: int | None) -> Accelerator | None:
    from probes.accelerators import known_accelerators, named_accelerator  # noqa: PLC0415  # 6 ms, where devices are

    return named_accelerator(name, known_accelerators(), n_cores=n_multiprocessors, size_gib=size_gib)


def _capability(text: str | None) -> tuple[int, int] | None:
    """(8, 9) of ``8.9``; None of anything else."""
    major, dot, minor = (text or "").partition(".")
    is_one = dot and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()
    return (int(major[:3]), int(minor[:3])) if is_one else None

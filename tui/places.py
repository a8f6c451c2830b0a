"""From a snapshot to places: the only file that knows what is, and what an engine asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estimator.ledger import Overflow, Place
from probes.snapshot import HOST_POOL, SWAP_POOL, Device, Pool, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.accelerators import Accelerator

GIB = 1 << 30
MIB = 1 << 20

HOST_NAME = "RAM"

DEVICE_RESERVE_BYTES = 512 * MIB
"""What should stay free on a device: Ollama keeps at least 457 MiB (512 on Metal) for itself and others
(github.com/ollama/ollama, discover/, 2026-08), a desktop's programs come and go within as much."""
DEVICE_RESERVE_SHARE = 16
"""At most one part in so many of a small device."""
HOST_RESERVE_BYTES = 1 * GIB
"""On Linux, as node-llama-cpp keeps it (at most a quarter of all, 1 GiB); more on a machine with much RAM."""
HOST_RESERVE_SHARE = 25

RAM_BYTES_PER_SECOND = 60e9
"""ASSUMED where nobody states it: two channels of DDR4-3200 have 51 GB/s, of DDR5-5600 90; reading it takes root."""
SERVER_RAM_BYTES_PER_SECOND = 150e9
"""ASSUMED for EPYC, Xeon and Threadripper: eight channels of DDR4-2933 have 188 GB/s, four of DDR4-3200 102."""
_SERVER_CPUS = ("epyc", "xeon", "threadripper")

_KINDS = {"nvidia": "cuda", "amd": "rocm", "apple": "metal"}
"""By the vendor; any other is a ``gpu``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPlace:
    """A device that can't be planned for now, and why."""

    name: str
    reason: str


def device_label(device: Device, devices: Sequence[Device]) -> str:
    """``GPU 0``; ``GPU 0:1`` for a part of it (MIG); with the vendor where two vendors have the same number."""
    alike = [other for other in devices if other.index == device.index]
    parts = [other.key for other in alike if other.vendor == device.vendor]
    label = f"GPU {device.index}:{parts.index(device.key)}" if len(parts) > 1 else f"GPU {device.index}"
    return label if len(parts) == len(alike) else f"{label} {device.vendor}"


def places_of(snapshot: Snapshot, ram_bytes_per_second: float | None = None) -> tuple[Place, ...]:
    """Every device whose memory is known, then the RAM; its bandwidth where somebody states it."""
    host = snapshot.pool(HOST_POOL)
    swap = snapshot.pool(SWAP_POOL)
    system = snapshot.machine.system if snapshot.machine else "linux"
    swap_free = swap.free_bytes if swap else 0
    known = _known_accelerators() if snapshot.devices else ()  # on machines without a GPU for nothing
    places = [
        place
        for device in snapshot.devices
        if (place := _device_place(device, snapshot, host, swap_free, system, known)) is not None
    ]
    if host is not None:
        places.append(
            Place(
                name=HOST_NAME,
                kind="host",
                total_bytes=host.total_bytes,
                free_bytes=host.free_bytes,
                reserve_bytes=_host_reserve_bytes(host.total_bytes),
                overflow=Overflow.SWAPPED,
                overflow_free_bytes=swap_free,
                bandwidth_bytes_per_second=ram_bytes_per_second or _ram_bandwidth(snapshot, places),
                is_bandwidth_assumed=ram_bytes_per_second is None,
                instruction_sets=snapshot.machine.instruction_sets if snapshot.machine else (),
            )
        )
    return tuple(places)


def _ram_bandwidth(snapshot: Snapshot, devices: Sequence[Place]) -> float:
    """Where memory is unified, the chip's own; else by the kind of CPU."""
    shared = [place.bandwidth_bytes_per_second for place in devices if place.draws_on is not None]
    if shared and shared[0] is not None:
        return shared[0]
    cpu = (snapshot.machine.cpu_name or "").casefold() if snapshot.machine else ""
    return SERVER_RAM_BYTES_PER_SECOND if any(word in cpu for word in _SERVER_CPUS) else RAM_BYTES_PER_SECOND


def _host_reserve_bytes(total_bytes: int) -> int:
    return max(min(HOST_RESERVE_BYTES, total_bytes // 4), total_bytes // HOST_RESERVE_SHARE)


def missing_places(snapshot: Snapshot) -> tuple[MissingPlace, ...]:
    """Devices that are there and whose memory is not known now."""
    missing = []
    for device in snapshot.devices:
        if snapshot.pool(device.pool_key) is None:
            fault = next((fault for fault in snapshot.faults if fault.device_key == device.key), None)
            missing.append(
                MissingPlace(
                    name=device_label(device, snapshot.devices),
                    reason=fault.message if fault else "its memory is not reported by the driver",
                )
            )
    return tuple(missing)


def _known_accelerators() -> tuple[Accelerator, ...]:
    from probes.accelerators import known_accelerators  # noqa: PLC0415  # 4 ms with json, and 1.5 to read them

    return known_accelerators()


def _device_place(
    device: Device,
    snapshot: Snapshot,
    host: Pool | None,
    swap_free: int,
    system: str,
    known: tuple[Accelerator, ...],
) -> Place | None:
    pool = snapshot.pool(device.pool_key)
    if pool is None:
        return None
    total, free = pool.total_bytes, pool.free_bytes
    if device.limit_bytes is not None:
        total = min(total, device.limit_bytes)
        free = max(0, min(free, device.limit_bytes - (device.used_bytes or 0)))
    is_shared = pool.key == HOST_POOL
    overflow, overflow_free = Overflow.REFUSED, 0
    if device.vendor == "nvidia" and system in ("windows", "wsl") and host is not None:
        # CUDA's sysmem fallback, on by default since driver 536.40 and always on under WSL
        # (nvidia.custhelp.com/app/answers/detail/a_id/5490; github.com/microsoft/WSL/issues/11050).
        overflow, overflow_free = Overflow.MIGRATED, host.free_bytes
    elif is_shared and device.limit_bytes is None:
        overflow, overflow_free = Overflow.SWAPPED, swap_free
    return Place(
        name=device_label(device, snapshot.devices),
        kind=_KINDS.get(device.vendor, "gpu"),
        total_bytes=total,
        free_bytes=free,
        reserve_bytes=min(DEVICE_RESERVE_BYTES, total // DEVICE_RESERVE_SHARE),
        overflow=overflow,
        overflow_free_bytes=overflow_free,
        draws_on=HOST_NAME if is_shared else None,
        n_multiprocessors=device.n_multiprocessors,
        product=device.name or "",
        **_rates(device, total, known),
        usable_bytes=None if pool.reserved_bytes is None else max(0, total - pool.reserved_bytes),
    )


def _rates(device: Device, total_bytes: int, known: tuple[Accelerator, ...]) -> dict[str, Any]:
    """What the driver says of itself first, then what is known of the product of exactly this name."""
    from probes.accelerators import named_accelerator  # noqa: PLC0415

    product = named_accelerator(
        device.name, known, n_cores=device.n_multiprocessors, size_gib=round(total_bytes / GIB) or None
    )
    bandwidth, half_flops, capability = device.bandwidth_gigabytes_per_second, None, device.compute_capability
    if product is not None:
        bandwidth = product.bandwidth_gb_s if bandwidth is None else bandwidth
        half_flops = product.half_tflops * 1e12 if product.half_tflops is not None else None
        capability = capability or product.cuda_cc
    return {
        "bandwidth_bytes_per_second": None if bandwidth is None else bandwidth * 1e9,
        "half_flops": half_flops,
        "compute_capability": _capability(capability),
    }


def _capability(text: str | None) -> tuple[int, int] | None:
    """(8, 9) of ``8.9``; None of anything else."""
    major, dot, minor = (text or "").partition(".")
    is_one = dot and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()
    return (int(major[:3]), int(minor[:3])) if is_one else None

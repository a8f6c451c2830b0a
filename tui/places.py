"""From a snapshot to places: the only file that knows what is, and what an engine asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from estimator.ledger import Overflow, Place
from probes.snapshot import HOST_POOL, SWAP_POOL, Device, Pool, Snapshot

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


def places_of(snapshot: Snapshot) -> tuple[Place, ...]:
    """Every device whose memory is known, then the RAM."""
    host = snapshot.pool(HOST_POOL)
    swap = snapshot.pool(SWAP_POOL)
    system = snapshot.machine.system if snapshot.machine else "linux"
    swap_free = swap.free_bytes if swap else 0
    places = [
        place
        for device in snapshot.devices
        if (place := _device_place(device, snapshot, host, swap_free, system)) is not None
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
            )
        )
    return tuple(places)


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


def _device_place(device: Device, snapshot: Snapshot, host: Pool | None, swap_free: int, system: str) -> Place | None:
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
    )

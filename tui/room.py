"""How much room there is: on a device for programs, and beside it for what it has no room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from probes.snapshot import HOST_POOL, SWAP_POOL

if TYPE_CHECKING:
    from probes.snapshot import Device, Pool, Snapshot


class Room(NamedTuple):
    """What a device has for programs."""

    total_bytes: int
    free_bytes: int
    reserved_bytes: int | None = None
    budget_left_bytes: int | None = None
    """Of a limit of its own, beyond what is free; None where it has none."""


def room_of(device: Device, snapshot: Snapshot) -> Room | None:
    """None where nothing is known of its memory."""
    pool = snapshot.pool(device.pool_key)
    if pool is not None:
        room = Room(pool.total_bytes, pool.free_bytes, pool.reserved_bytes)
    elif (asleep := asleep_bytes(device)) is not None:
        room = Room(asleep, asleep)
    else:
        return None
    if device.limit_bytes is None:
        return room
    taken = (device.used_bytes or 0) + _unclaimed_bytes(device, snapshot)
    own_free = max(0, device.limit_bytes - taken)
    free = min(room.free_bytes, own_free)
    return room._replace(
        total_bytes=min(room.total_bytes, device.limit_bytes), free_bytes=free, budget_left_bytes=own_free - free
    )


def asleep_bytes(device: Device) -> int | None:
    """The size of a device that sleeps, where it is known. Nothing uses it, or it would be awake."""
    return device.capacity_bytes if device.is_asleep else None


def _unclaimed_bytes(device: Device, snapshot: Snapshot) -> int:
    """Of a card's memory that several parts share, what is used and none of them tells of: an even share of it."""
    pool = snapshot.pool(device.pool_key)
    parts = [other for other in snapshot.devices if other.pool_key == device.pool_key]
    if pool is None or pool.key == HOST_POOL or len(parts) < 2:
        return 0
    return max(0, pool.used_bytes - sum(part.used_bytes or 0 for part in parts)) // len(parts)


def overflow_free_bytes(device: Device, snapshot: Snapshot, system: str, budget_left_bytes: int | None) -> int:
    """What the host has for the bytes that a device has no room for; of a shared pool, up to its budget there."""
    host = snapshot.pool(HOST_POOL)
    if host is None:
        return 0
    if device.pool_key == HOST_POOL:
        room_bytes = swap_room_bytes(snapshot, host, system)
        return room_bytes if budget_left_bytes is None else min(room_bytes, budget_left_bytes)
    if device.shared_limit_bytes is None:
        return host.free_bytes
    return max(0, min(host.free_bytes, device.shared_limit_bytes - (device.shared_used_bytes or 0)))


def swap_room_bytes(snapshot: Snapshot, host: Pool, system: str) -> int:
    """What the RAM can give up to disk. macOS makes swap files as they are needed: ASSUMED as much as there is RAM."""
    swap = snapshot.pool(SWAP_POOL)
    free_bytes = swap.free_bytes if swap else 0
    return max(free_bytes, host.total_bytes) if system == "darwin" else free_bytes

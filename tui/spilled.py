"""Whether a device holds in RAM what it has no room for: the spill that no program is told of."""

from probes.snapshot import Device, Snapshot

WORTH_SAYING_BYTES = 256 << 20
"""Of RAM that a device holds beside its own memory: the desktop alone has tens of MiB there (ASSUMED)."""
FULL_SHARE = 0.15
"""With less of its own memory free, what it holds in RAM is taken for spilled (ASSUMED: drivers move at the brim)."""


def is_spilled(device: Device, snapshot: Snapshot) -> bool:
    """Only of a device with memory of its own, which is full."""
    pool = snapshot.pool(device.pool_key)
    if pool is None or device.pool_key != device.key or (device.shared_used_bytes or 0) < WORTH_SAYING_BYTES:
        return False
    return pool.free_bytes < pool.total_bytes * FULL_SHARE

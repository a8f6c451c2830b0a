"""One card that two probes report is one device.

Under Windows the driver's own library and the system both tell of a card: NVML its memory, the system what it holds of
the RAM and which process holds how much. They are known to be one by vendor and place on the bus, not by name, for
names differ; where the bus is not told, by being the only one of its vendor on both sides. The probe that comes first
keeps the device's identity, and the other one adds what the first does not tell.
"""

from collections.abc import Sequence
from dataclasses import replace

from probes.snapshot import HOST_POOL, Device, Pool, Process, Reading


def merged(readings: Sequence[Reading]) -> list[Reading]:
    """The readings, each card in the first one that tells of it."""
    done: list[Reading] = []
    for reading in readings:
        left = reading
        for place, earlier in enumerate(done):
            same = _same_devices(earlier.devices, left.devices)
            if same:
                done[place], left = _folded(earlier, left, same)
        done.append(left)
    return done


def _same_devices(first: Sequence[Device], second: Sequence[Device]) -> dict[str, Device]:
    """Key in the second -> the device of the first that is the same card."""
    if not first or not second:
        return {}
    same = {}
    for device in second:
        candidates = [other for other in first if _may_be_one(other, device)]
        if len(candidates) == 1:
            rivals = [other for other in second if _may_be_one(candidates[0], other)]
            if len(rivals) == 1:
                same[device.key] = candidates[0]
    return same


def _may_be_one(first: Device, second: Device) -> bool:
    """Of one vendor, and neither is known to sit elsewhere or to be a part of a card."""
    if first.vendor != second.vendor or first.parent_key is not None or second.parent_key is not None:
        return False
    return None in (first.bus_address, second.bus_address) or first.bus_address == second.bus_address


def _folded(first: Reading, second: Reading, same: dict[str, Device]) -> tuple[Reading, Reading]:
    """What the second tells of the first's devices goes there; what is its own stays."""
    told = {same[device.key].key: device for device in second.devices if device.key in same}
    first_pools, second_pools = ({pool.key for pool in reading.pools} for reading in (first, second))
    devices = tuple(
        _completed(
            device,
            told.get(device.key),
            has_better_pool=device.key in told
            and device.pool_key not in first_pools
            and told[device.key].pool_key in second_pools,
        )
        for device in first.devices
    )
    moved = [
        replace(process, device_key=same[process.device_key].key)
        for process in second.processes
        if process.device_key in same
    ]
    left = replace(
        second,
        devices=tuple(device for device in second.devices if device.key not in same),
        processes=tuple(process for process in second.processes if process.device_key not in same),
    )
    return (
        replace(
            first,
            devices=devices,
            pools=_named_pools(first.pools, first.devices, devices),
            processes=_together(first.processes, moved),
        ),
        replace(left, pools=_named_pools(second.pools, second.devices, (*left.devices, *devices))),
    )


def _completed(first: Device, second: Device | None, *, has_better_pool: bool) -> Device:
    if second is None:
        return first
    device = replace(
        first,
        bus_address=first.bus_address or second.bus_address,
        driver=first.driver or second.driver,
        is_integrated=first.is_integrated or second.is_integrated,
        utilization_ratio=second.utilization_ratio if first.utilization_ratio is None else first.utilization_ratio,
        shared_used_bytes=second.shared_used_bytes if first.shared_used_bytes is None else first.shared_used_bytes,
        shared_limit_bytes=second.shared_limit_bytes if first.shared_limit_bytes is None else first.shared_limit_bytes,
        late_seconds=max(first.late_seconds, second.late_seconds),
    )
    # Where its own library does not tell its memory now. Or an integrated GPU, of which that tells only what the
    # firmware set aside for it.
    if has_better_pool or second.pool_key == HOST_POOL != first.pool_key:
        return replace(device, pool_key=second.pool_key, used_bytes=second.used_bytes, limit_bytes=second.limit_bytes)
    return device


def _named_pools(pools: Sequence[Pool], before: Sequence[Device], after: Sequence[Device]) -> tuple[Pool, ...]:
    """Without those that only a device named which is not there any more."""
    gone = {device.pool_key for device in before} - {device.pool_key for device in after}
    return tuple(pool for pool in pools if pool.key not in gone)


def _together(first: Sequence[Process], second: Sequence[Process]) -> tuple[Process, ...]:
    """Each process once per device, with what either tells."""
    rows = {(process.pid, process.device_key): process for process in first}
    for process in second:
        known = rows.get((process.pid, process.device_key))
        rows[process.pid, process.device_key] = (
            process
            if known is None
            else replace(
                known,
                used_bytes=process.used_bytes if known.used_bytes is None else known.used_bytes,
                shared_used_bytes=process.shared_used_bytes,
                utilization_ratio=known.utilization_ratio
                if known.utilization_ratio is not None
                else process.utilization_ratio,
            )
        )
    return tuple(rows.values())

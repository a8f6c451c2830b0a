"""Loads that run beside each other: what the ones before take is gone for the next."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from probes.snapshot import HOST_POOL, Snapshot
from tui.finding import Finding
from tui.places import HOST_NAME, device_label


def taken_by(finding: Finding) -> dict[str, int]:
    """Pool -> bytes that the load is expected to take of it; nothing where that is not known."""
    made = finding.assessment
    if made is None:
        return {}
    devices = finding.snapshot.devices
    keys = {device_label(device, devices): device.pool_key for device in devices} | {HOST_NAME: HOST_POOL}
    taken: dict[str, int] = {}
    for margin in made.verdict.margins:
        if margin.place.draws_on is None and (key := keys.get(margin.place.name)) is not None:
            taken[key] = taken.get(key, 0) + margin.load_bytes
    return taken


def beside(snapshot: Snapshot, all_taken: Sequence[Mapping[str, int]]) -> Snapshot:
    """The same machine, once these are loaded."""
    pools = []
    for pool in snapshot.pools:
        n_bytes = min(pool.free_bytes, sum(taken.get(pool.key, 0) for taken in all_taken))
        pools.append(replace(pool, free_bytes=pool.free_bytes - n_bytes, used_bytes=pool.used_bytes + n_bytes))
    return replace(snapshot, pools=tuple(pools))

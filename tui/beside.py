"""Loads that run beside each other: what the ones before take is gone for the next."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from estimator.verdict import Level
from probes.snapshot import HOST_POOL, Snapshot
from tui.finding import Finding
from tui.places import HOST_NAME, device_label


def taken_by(finding: Finding) -> dict[str, int]:
    """Pool -> bytes that the load is expected to take of it; nothing where that is not known."""
    made = finding.assessment
    if made is None:
        return {}
    keys = _pool_keys(finding)
    taken: dict[str, int] = {}
    for margin in made.verdict.margins:
        if margin.place.draws_on is None and (key := keys.get(margin.place.name)) is not None:
            taken[key] = taken.get(key, 0) + margin.load_bytes
    return taken


def expected_by(finding: Finding) -> dict[str, int]:
    """Pool -> bytes that it will be seen to hold, by what the engine settles for; pages of a mapped file left out."""
    made = finding.assessment
    if made is None:
        return {}
    estimate = made.fallback if made.fallback is not None and made.verdict.level >= Level.SPILLS else made.estimate
    keys = _pool_keys(finding)
    expected: dict[str, int] = {}
    for place in made.places:
        if (key := keys.get(place.name)) is not None:
            n_bytes = estimate.n_bytes((place.name,)) - estimate.file_page_bytes((place.name,))
            expected[key] = expected.get(key, 0) + n_bytes
    return expected


def _pool_keys(finding: Finding) -> dict[str, str]:
    """By place, the body of memory that it draws on."""
    devices = finding.snapshot.devices
    return {device_label(device, devices): device.pool_key for device in devices} | {HOST_NAME: HOST_POOL}


def sum_of(all_taken: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """What all of them take together, by pool."""
    total: dict[str, int] = {}
    for taken in all_taken:
        for key, n_bytes in taken.items():
            total[key] = total.get(key, 0) + n_bytes
    return total


def beside(snapshot: Snapshot, all_taken: Sequence[Mapping[str, int]]) -> Snapshot:
    """The same machine, once these are loaded."""
    pools, all_bytes = [], sum_of(all_taken)
    for pool in snapshot.pools:
        n_bytes = min(pool.free_bytes, all_bytes.get(pool.key, 0))
        pools.append(replace(pool, free_bytes=pool.free_bytes - n_bytes, used_bytes=pool.used_bytes + n_bytes))
    return replace(snapshot, pools=tuple(pools))

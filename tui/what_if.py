"""A machine that is not here, or this one with other cards in it."""

from __future__ import annotations

from dataclasses import replace

from probes.simulate import simulated_sources
from probes.snapshot import HOST_POOL, Snapshot

ADDED = "+"
"""What a description begins with that adds cards to this machine."""


def snapshot_of(description: str, here: Snapshot | None) -> Snapshot:
    """The machine that is described: ``2x RTX 4090, RAM 128GiB``, or ``+ RTX 3090``: this one with that beside it.

    Raises:
        SimulationError: it makes no sense, or there is no such product.
    """
    text = description.strip()
    is_added = text.startswith(ADDED)
    readings = [source.open().sample() for source in simulated_sources(text.removeprefix(ADDED))]
    described = Snapshot(
        taken_seconds=here.taken_seconds if here else 0.0,
        pools=tuple(pool for reading in readings for pool in reading.pools),
        devices=tuple(device for reading in readings for device in reading.devices),
        machine=next((reading.machine for reading in readings if reading.machine), None),
    )
    if not is_added or here is None:
        return described
    first = max((device.index for device in here.devices), default=-1) + 1
    cards = [device for device in described.devices if device.pool_key != HOST_POOL]
    added = tuple(
        replace(device, index=first + number, key=_added(device.key), pool_key=_added(device.pool_key))
        for number, device in enumerate(cards)
    )
    taken = {device.pool_key for device in added}
    pools = tuple(replace(pool, key=_added(pool.key)) for pool in described.pools if _added(pool.key) in taken)
    return replace(here, devices=here.devices + added, pools=here.pools + pools)


def _added(key: str) -> str:
    """A key of its own: the machine here may be a described one, too, whose keys are made alike."""
    return f"added:{key}"

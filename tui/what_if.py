"""A machine that is not here, or this one with other cards in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache

from probes.errors import ProbeError
from probes.simulate import simulated_sources
from probes.snapshot import HOST_POOL, Snapshot
from tui.humanize import size

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


@lru_cache(maxsize=8)
def in_words(description: str) -> str:
    """What was understood: ``2x NVIDIA GeForce RTX 5090 · RAM 64.0 GiB`` of ``2x 5090``; nothing of nonsense.

    Remembered, since it is shown again at every reading.
    """
    try:
        read = snapshot_of(description.strip().removeprefix(ADDED), None)
    except ProbeError:
        return ""
    counts = Counter(device.name for device in read.devices)
    cards = " + ".join(f"{n}x {name}" if n > 1 else name for name, n in counts.items())
    if description.strip().startswith(ADDED):
        return f"this machine + {cards}"
    host = read.pool(HOST_POOL)
    ram = [] if host is None else [f"RAM {size(host.total_bytes)}"]
    used = [f"{size(pool.used_bytes)} used" for pool in read.pools if pool.key != HOST_POOL and pool.used_bytes]
    return " · ".join([*([cards] if cards else []), *used[:1], *ram])


def _added(key: str) -> str:
    """A key of its own: the machine here may be a described one, too, whose keys are made alike."""
    return f"added:{key}"

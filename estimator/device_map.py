"""Which pieces of a model go to which device, to RAM and to disk: what ``device_map="auto"`` does in Transformers.

`get_balanced_memory` and `infer_auto_device_map` of transformers/integrations/accelerate.py, 5.24.0, which follow
accelerate's utils/modeling.py. Neither leaves room for the KV cache or for activations. bench/torch_placement.py places
random models by both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from estimator.modules import Module
from records.record import record

SINGLE_DEVICE_RATIO = 0.9
"""Of what is free, where there is one device: the rest is for buffers (`get_balanced_memory`)."""
HOST_RATIO = 0.9
"""Of available RAM (`get_max_memory`)."""
QUANTISER_RATIO = 0.9
"""A further share where bitsandbytes, quanto or torchao quantise while loading (`adjust_max_memory`)."""
BUFFER_RATIO = 1.25
"""Of the largest block or matrix, added to each device's equal share of the model (`get_balanced_memory`)."""

HOST = -1
DISK = -2


@dataclass(slots=True)
class Share:
    """What one device, RAM or the disk holds."""

    n_bytes: int = 0
    read_bytes: int = 0
    """Of these, what is read for one token."""
    n_blocks: int = 0


@record(frozen=True, slots=True, kw_only=True)
class DeviceMap:
    """Where each piece lies."""

    modules: tuple[Module, ...]
    devices: tuple[int, ...]
    """By piece: a device's number, ``HOST`` or ``DISK``."""
    shares: Mapping[int, Share]
    largest_offloaded_bytes: int
    """Of the blocks that are not on a device: one at a time is copied there."""
    offloaded_output_bytes: int
    """Of the output matrix, if that is not on a device: it is copied there for the last step."""

    def share(self, device: int) -> Share:
        """Of a device, of ``HOST`` or of ``DISK``."""
        return self.shares.get(device, NOTHING)


NOTHING = Share()


def device_map(modules: Sequence[Module], devices: Sequence[int]) -> DeviceMap:
    """The map that puts each piece there."""
    shares: dict[int, Share] = {}
    largest = output = 0
    for module, at in zip(modules, devices, strict=True):
        share = shares.setdefault(at, Share())
        share.n_bytes += module.n_bytes
        share.read_bytes += module.read_bytes
        share.n_blocks += module.block is not None
        if at < 0 and module.block is not None:
            largest = max(largest, module.n_bytes)
        elif at < 0 and module.name == "output":
            output = module.n_bytes
    return DeviceMap(
        modules=tuple(modules),
        devices=tuple(devices),
        shares=shares,
        largest_offloaded_bytes=largest,
        offloaded_output_bytes=output,
    )


def balanced_limits(modules: Sequence[Module], free_bytes: Sequence[int]) -> tuple[int, ...]:
    """What each device may hold: one device nine tenths, several an equal share and a buffer, the last one all."""
    if len(free_bytes) == 1:
        return (int(free_bytes[0] * SINGLE_DEVICE_RATIO),)
    total = sum(module.n_bytes for module in modules)
    largest = max((module.n_bytes for module in modules), default=0)
    share = total // len(free_bytes) + int(BUFFER_RATIO * largest)
    return (*(min(share, free) for free in free_bytes[:-1]), free_bytes[-1])


def auto_device_map(modules: Sequence[Module], limits: Sequence[int | None], host_limit: int) -> DeviceMap:
    """Each piece in turn on the current device; one that has no room there opens the next, and none goes back.

    Args:
        modules: in the model's order.
        limits: of each device; None: without one.
        host_limit: of RAM; what has no room there goes to disk.

    The first device, and RAM, keep room for the largest of the pieces that are still to come: what is offloaded has to
    be brought there one at a time.
    """
    stations = [*range(len(limits)), HOST, DISK]
    capacities: dict[int, int | None] = {**dict(enumerate(limits)), HOST: host_limit, DISK: None}
    keeps_room = {HOST} | ({0} if limits else set())
    largest_after = _largest_after(modules)
    held = dict.fromkeys(stations, 0)
    at = 0
    placed: list[int] = []
    for module, largest in zip(modules, largest_after, strict=True):
        while not _has_room(module, stations[at], held, capacities, largest if stations[at] in keeps_room else 0):
            at += 1
        held[stations[at]] += module.n_bytes
        placed.append(stations[at])
    return device_map(modules, placed)


def _has_room(
    module: Module, station: int, held: dict[int, int], capacities: dict[int, int | None], reserved: int
) -> bool:
    capacity = capacities[station]
    return capacity is None or held[station] + module.n_bytes + reserved <= capacity


def _largest_after(modules: Sequence[Module]) -> list[int]:
    """For each piece, the largest of those behind it."""
    largest, found = 0, []
    for module in reversed(modules):
        found.append(largest)
        largest = max(largest, module.n_bytes)
    return found[::-1]

"""Where bytes can go: a device or the host, as an engine sees it.

Apart from the ledger, whose terms name places: who only draws a load line, as the first picture does, pays no more.
"""

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from estimator.errors import Unjudgeable
from records.record import record

if TYPE_CHECKING:
    from estimator.calibration import Calibration


class Overflow(Enum):
    """What happens to an allocation that a place has no room for."""

    REFUSED = "refused"
    """It fails, and with it the load."""
    MIGRATED = "migrated"
    """The driver moves memory to the host without an error, and everything becomes slow."""
    SWAPPED = "swapped"
    """The system makes room on disk as far as there is swap; then processes are killed."""


class Surroundings(NamedTuple):
    """What decides, beside the engine, what becomes of a load that a place has no room for; see ``spill``."""

    system: str = "linux"
    """``linux``, ``windows``, ``wsl`` or ``darwin``."""
    memory: str = "own"
    """``own`` of a device, ``unified`` with the host's, or ``host``."""
    vendor: str = ""
    """``nvidia``, ``amd`` ...; empty for the host."""
    driver_version: tuple[int, ...] = ()
    """(580, 95); empty where it is not known."""
    settings: frozenset[str] = frozenset()
    """What is set or there: names of ``spill.SETTINGS``."""


@record(frozen=True, slots=True, kw_only=True)
class Place:
    """A device or the host, as an engine sees it: plain numbers, which a person can also type in."""

    name: str
    """Unique: ``GPU 0``, ``RAM``."""
    kind: str
    """``cuda``, ``rocm``, ``metal``, ``gpu`` (any other) or ``host``: decides how an engine rounds its buffers."""
    total_bytes: int
    free_bytes: int
    reserve_bytes: int = 0
    """What should stay free for everything else. The load line lies at free less reserve."""
    overflow: Overflow = Overflow.REFUSED
    overflow_free_bytes: int = 0
    """How much the overflow can take: free swap for RAM, free RAM for a driver that migrates."""
    draws_on: str | None = None
    """The place whose memory this one shares (unified memory): bytes here are counted there too."""
    n_multiprocessors: int | None = None
    product: str = ""
    """As its driver names it: ``NVIDIA A100-SXM4-80GB``. Some engines choose their defaults by it."""
    compute_capability: tuple[int, int] | None = None
    """CUDA's, (9, 0) for an H100."""
    bandwidth_bytes_per_second: float | None = None
    """Of its memory, as the maker states it."""
    is_bandwidth_assumed: bool = False
    """Nobody stated it: the kind of machine was all there was to go by."""
    half_flops: float | None = None
    """Dense float16 operations per second, as the maker states them."""
    usable_bytes: int | None = None
    """Of the total, what programs are offered: the driver keeps the rest to itself. None: not known."""
    instruction_sets: tuple[str, ...] = ()
    """Of the host's processor, as far as engines lay out weights by them: ``avx2``, ``amx``, ``dotprod`` (ARM). Empty:
    not known."""
    surroundings: Surroundings | None = None
    """None where a person typed the place: then ``overflow`` is all that is known."""
    is_part: bool = False
    """A part of a device (MIG) of which a program can use one, and not several together."""
    calibrations: "tuple[Calibration, ...]" = ()
    """What was learned of this device under its driver from loads on this machine, an engine each."""

    @property
    def line_bytes(self) -> int:
        """What may still be used safely."""
        return max(0, self.free_bytes - self.reserve_bytes)


def drawing_on(place: Place, places: Iterable[Place]) -> tuple[str, ...]:
    """The names whose bytes come out of this place: its own, and of those that share its memory."""
    return (place.name, *(other.name for other in places if other.draws_on == place.name))


def host_among(places: Iterable[Place]) -> Place:
    """The place that is the machine's own memory.

    Raises:
        Unjudgeable: there is none, so that no engine can be judged.
    """
    for place in places:
        if place.kind == "host":
            return place
    raise Unjudgeable("the memory of this machine is not known, so nothing can be said of a load")

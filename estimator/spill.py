"""What becomes of bytes that a place has no room for: a row of estimator/spill_table.py, and its outcome."""

from enum import Enum
from typing import NamedTuple

from estimator.place import Surroundings


class Outcome(Enum):
    """What would happen, by the words of JSON."""

    FAILS = "fails"
    """The allocation is refused, or the engine ends."""
    CRAWLS = "moves to shared memory"
    """The driver moves memory to the host without an error, and everything is slow."""
    OFFLOADS = "leaves layers to the CPU"
    """The engine plans for it."""
    SWAPS = "swaps"
    SQUEEZES = "swaps to compressed RAM"
    KILLED = "may be killed"
    REREADS = "reads the file again"


SETTINGS = frozenset({"no swap", "zram", "limited", "mapped", "copied", "budget", "managed", "vulkan", "gtt", "tcc"})
"""What a row can ask for beside system, vendor and engine. Of the host: there is no swap space, or all of it lies in
compressed RAM; a control group limits the RAM; what is missing are pages of the mapped file, or would be if its weights
were not copied. Of a device: its part of the pool is what is short, not the pool; GGML_CUDA_ENABLE_UNIFIED_MEMORY is
set (managed) or GGML_VK_ALLOW_SYSMEM_FALLBACK (vulkan); its driver may place memory in GTT (RADV_PERFTEST=nogttspill
forbids it); its driver is not that of a display (TCC)."""


class Spill(NamedTuple):
    """A row. What is empty holds anywhere."""

    key: str
    outcome: Outcome
    sentence: str
    """Below the verdict's headline: short, no full stop. ``{engine}`` is the engine's name."""
    source: str
    systems: tuple[str, ...] = ()
    memory: str = ""
    """As in ``Surroundings``; ``engine`` for what one does by itself, ``rule`` for what keeps one from starting."""
    vendors: tuple[str, ...] = ()
    engines: frozenset[str] = frozenset()
    since: tuple[int, ...] = ()
    """The oldest driver for which it holds; one whose version is not known counts as newer."""
    settings: frozenset[str] = frozenset()
    """All of them have to be there."""
    has_room: bool | None = None
    """Whether what the bytes move to has room for them."""

    def holds(self, here: Surroundings, engine: str, *, has_room: bool) -> bool:
        """Whether the row is about this."""
        return (
            (not self.systems or here.system in self.systems)
            and (not self.memory or here.memory == self.memory)
            and (not self.vendors or here.vendor in self.vendors)
            and (not self.engines or engine in self.engines)
            and (not self.since or not here.driver_version or here.driver_version >= self.since)
            and self.settings <= here.settings
            and self.has_room in (None, has_room)
        )

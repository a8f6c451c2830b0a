"""The memory of a GPU as NVML tells it: in its second version, in its first, or not at all where it is the host's.

Unified memory shows in three ways, each reported of a GB10: NOT_SUPPORTED (driver 580.173.02, XuehaiPan/nvitop pull
208, 2026-08-07), a total of 0, or the host's own total (Syllo/nvtop pull 463, by an author without the machine).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from probes import nvml_codes as codes
from probes.nvml_binding import Nvml, RefusedError
from probes.nvml_figures import KEPT_SECONDS, UNSUPPORTED_SECONDS
from probes.snapshot import Pool

_MEMORY_V2 = 0x02000028
"""nvmlMemory_v2: the size of the struct (40) and its version."""


_MOST_BYTES = 1 << 50
"""No GPU has 1 PiB: more is no figure."""


class Memory(NamedTuple):
    """What a GPU said of it at one time."""

    read_seconds: float
    total_bytes: int
    free_bytes: int
    reserved_bytes: int | None
    allocated_bytes: int | None

    def pool(self, key: str, now_seconds: float, *, driver_held_bytes: int | None = None) -> Pool:
        """``driver_held_bytes``: what neither the driver counts as reserved nor any program holds."""
        return Pool(
            key=key,
            total_bytes=self.total_bytes,
            used_bytes=self.total_bytes - self.free_bytes,
            free_bytes=self.free_bytes,
            reserved_bytes=_added(self.reserved_bytes, driver_held_bytes),
            late_seconds=now_seconds - self.read_seconds,
        )


class MemoryReader:
    """Reads the memory of one GPU, or of one of the parts into which it is split."""

    def __init__(self, nvml: Nvml, clock: Callable[[], float], host_total_bytes: int | None = None) -> None:
        """``host_total_bytes``: all RAM of the machine, to know it again where a GPU reports it as its own."""
        self.total_bytes: int | None = None
        """Stays known when nothing can be read."""
        self.memory: Memory | None = None
        self.code: int | None = None
        """Why memory could not be read just now."""
        self._nvml = nvml
        self._clock = clock
        self._host_total_bytes = host_total_bytes
        self._speaks_v1 = False
        self._unified_seconds: float | None = None
        """When the driver last said that there is no memory but the host's."""

    @property
    def is_unified(self) -> bool:
        return self._unified_seconds is not None

    def lose(self) -> None:
        """Forget the figures, but not what kind of memory it is."""
        self.memory = None
        self.code = None

    def read(self, handle: Any) -> None:
        """Raises RefusedError where the GPU is lost."""
        now_seconds = self._clock()
        if self._unified_seconds is not None and now_seconds - self._unified_seconds < UNSUPPORTED_SECONDS:
            return
        self.code = None
        try:
            memory = self._ask(handle)
        except RefusedError as refused:
            if refused.code in codes.LOST:
                raise
            if refused.code == codes.NOT_SUPPORTED:
                # nvml.h of nvmlDeviceGetMemoryInfo: "On SOC-based integrated GPUs" it is not supported (GB10).
                self.memory, self._unified_seconds = None, now_seconds
            elif self._unified_seconds is None:
                self.code = refused.code
                # A call that fails once is no news: the figures stay for a while, with their age.
                if self.memory is not None and now_seconds - self.memory.read_seconds > KEPT_SECONDS:
                    self.memory = None
            return
        if memory.total_bytes > _MOST_BYTES or memory.free_bytes > memory.total_bytes > 0:
            self.memory, self.code = None, codes.UNKNOWN
            return
        is_unified = memory.total_bytes == 0 or self._is_of_host(memory.total_bytes)
        self._unified_seconds = now_seconds if is_unified else None
        self.memory = None if is_unified else memory
        self.total_bytes = None if is_unified else memory.total_bytes

    def _is_of_host(self, total_bytes: int) -> bool:
        """To the MiB: a card of 24 GiB in a host with 24 GiB of RAM reports another total than the kernel does."""
        return self._host_total_bytes is not None and abs(total_bytes - self._host_total_bytes) < 1 << 20

    def _ask(self, handle: Any) -> Memory:
        asked_seconds = self._clock()  # not when the answer came: how old that was by then, no driver says
        if not self._speaks_v1:
            try:
                info = self._nvml.call("nvmlDeviceGetMemoryInfo", handle, _MEMORY_V2)
            except RefusedError as refused:
                if refused.code not in codes.MISSING and refused.code != codes.INVALID_ARGUMENT:
                    raise
            else:
                reserved_bytes = info.reserved if info.reserved <= info.total else None
                used_bytes = info.used if info.used <= info.total else None
                return Memory(asked_seconds, info.total, info.free, reserved_bytes, used_bytes)
        info = self._nvml.call("nvmlDeviceGetMemoryInfo", handle)
        self._speaks_v1 = True
        # The first version counts as used what the driver keeps for itself, and does not tell the two apart.
        return Memory(asked_seconds, info.total, info.free, None, None)


def _added(reserved_bytes: int | None, driver_held_bytes: int | None) -> int | None:
    if driver_held_bytes is None:
        return reserved_bytes
    return (reserved_bytes or 0) + driver_held_bytes

"""The memory of a GPU as NVML tells it: in its second version, in its first, or not at all where it is the host's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probes import nvml_codes as codes
from probes.nvml_binding import Nvml, RefusedError
from probes.nvml_figures import UNSUPPORTED_SECONDS
from probes.snapshot import Pool

_MEMORY_V2 = 0x02000028
"""nvmlMemory_v2: the size of the struct (40) and its version."""


@dataclass(frozen=True, slots=True)
class Memory:
    read_seconds: float
    total_bytes: int
    free_bytes: int
    reserved_bytes: int | None
    allocated_bytes: int | None

    def pool(self, key: str, now_seconds: float) -> Pool:
        free_bytes = min(self.free_bytes, self.total_bytes)
        return Pool(
            key=key,
            total_bytes=self.total_bytes,
            used_bytes=self.total_bytes - free_bytes,
            free_bytes=free_bytes,
            reserved_bytes=self.reserved_bytes,
            late_seconds=now_seconds - self.read_seconds,
        )


class MemoryReader:
    """Reads the memory of one GPU, or of one of the parts into which it is split."""

    def __init__(self, nvml: Nvml, clock: Callable[[], float]) -> None:
        self.memory: Memory | None = None
        self.code: int | None = None
        """Why memory could not be read just now."""
        self._nvml = nvml
        self._clock = clock
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
            self.memory = None
            if refused.code == codes.NOT_SUPPORTED:
                # nvml.h of nvmlDeviceGetMemoryInfo: "On SOC-based integrated GPUs" it is not supported (GB10).
                self._unified_seconds = now_seconds
            elif self._unified_seconds is None:
                self.code = refused.code
            return
        self._unified_seconds = now_seconds if memory.total_bytes == 0 else None
        self.memory = None if memory.total_bytes == 0 else memory

    def _ask(self, handle: Any) -> Memory:
        asked_seconds = self._clock()  # not when the answer came: how old that was by then, no driver says
        if not self._speaks_v1:
            try:
                info = self._nvml.call("nvmlDeviceGetMemoryInfo", handle, _MEMORY_V2)
            except RefusedError as refused:
                if refused.code not in codes.MISSING and refused.code != codes.INVALID_ARGUMENT:
                    raise
            else:
                return Memory(asked_seconds, info.total, info.free, info.reserved, info.used)
        info = self._nvml.call("nvmlDeviceGetMemoryInfo", handle)
        self._speaks_v1 = True
        # The first version counts as used what the driver keeps for itself, and does not tell the two apart.
        return Memory(asked_seconds, info.total, info.free, None, None)

"""One GPU by its number: whole, split into parts (MIG), or lost."""

from collections.abc import Callable, Iterator
from typing import Any

from probes import nvml_codes as codes
from probes.nvml_binding import Nvml, RefusedError, decoded
from probes.nvml_figures import UNSUPPORTED_SECONDS
from probes.nvml_part import Part
from probes.snapshot import Fault

_MIG_SECONDS = 10.0
"""How often a GPU is asked into which parts it is split: an administrator changes that by hand."""
_SPLIT_INTO_NOTHING = (
    "GPU {index} is to be split (MIG) and is not yet: no program can use it until a part is made, "
    "`sudo nvidia-smi mig -i {index} -cgi ... -C`"
)


class Card:
    """One GPU by its number: whole, split into parts (MIG), or lost."""

    def __init__(self, nvml: Nvml, clock: Callable[[], float], index: int) -> None:
        self.lost_code: int | None = None
        """Why there is no handle; it is asked for anew at the next sample."""
        self._nvml = nvml
        self._clock = clock
        self._index = index
        self._whole = Part(nvml, clock, index, key=f"nvidia:{index}", handle=None)
        self._split: list[Part] = []
        self._is_split = False
        self._split_seconds = float("-inf")

    def read_memory(self) -> None:
        """Memory, and before that the handle where there is none."""
        try:
            if self._whole.handle is None:
                self._open()
            for part in self.parts():
                part.read_memory()
                if part.memory_code is not None:
                    self._split_seconds = float("-inf")  # the GPU may be split otherwise now
        except RefusedError as refused:
            self._lose(refused.code)

    def read(self, kind: str) -> None:
        """One kind of figures, unless the GPU is lost: its handle is not touched again."""
        if self.lost_code is not None:
            return
        try:
            if kind == "split":
                self._read_split()
            elif kind == "temperature":
                self._whole.read_temperature()
            else:
                for part in self.parts():
                    part.read(kind)
        except RefusedError as refused:
            self._lose(refused.code)

    def parts(self) -> list[Part]:
        """What a program can allocate on: the GPU, or the parts into which it is split."""
        return self._split or [self._whole]

    def faults(self) -> Iterator[Fault]:
        if self.lost_code is not None:
            yield self._fault(self._whole, codes.GPU.get(self.lost_code, codes.GPU_OTHERWISE), self.lost_code)
            return
        if self._is_split and not self._split:
            yield self._fault(self._whole, _SPLIT_INTO_NOTHING, 0)
        for part in self.parts():
            if part.memory_code is not None:
                yield self._fault(part, codes.GPU.get(part.memory_code, codes.MEMORY_OTHERWISE), part.memory_code)

    def _fault(self, part: Part, sentence: str, code: int) -> Fault:
        return Fault(probe="nvidia", device_key=part.key, message=sentence.format(index=self._index, code=code))

    def _open(self) -> None:
        handle = self._nvml.call("nvmlDeviceGetHandleByIndex", self._index)
        key = self._nvml.try_text("nvmlDeviceGetUUID", handle, lost=codes.LOST) or self._bus_id(handle)
        if key != self._whole.key:
            self._whole = Part(self._nvml, self._clock, self._index, key=key, handle=handle)
        self._whole.handle = handle
        self.lost_code = None

    def _bus_id(self, handle: Any) -> str:
        info = self._nvml.try_call("nvmlDeviceGetPciInfo", handle)
        return f"nvidia:{self._index}" if info is None else decoded(info.busId)

    def _lose(self, code: int) -> None:
        self.lost_code = code
        self._whole.lose()
        self._split = []
        self._is_split = False
        self._split_seconds = float("-inf")

    def _read_split(self) -> None:
        now_seconds = self._clock()
        if now_seconds < self._split_seconds:
            return
        self._split_seconds = now_seconds + _MIG_SECONDS
        handle = self._whole.handle
        mode = self._nvml.try_call("nvmlDeviceGetMigMode", handle, lost=codes.LOST)
        self._is_split = mode is not None and mode[0] == 1
        if mode is None:
            self._split_seconds = now_seconds + UNSUPPORTED_SECONDS
        n_parts = (
            self._nvml.try_call("nvmlDeviceGetMaxMigDeviceCount", handle, lost=codes.LOST) if self._is_split else None
        )
        known = {part.key: part for part in self._split}
        self._split = []
        for number in range(n_parts or 0):
            # NOT_FOUND for each number that no part has
            part_handle = self._nvml.try_call("nvmlDeviceGetMigDeviceHandleByIndex", handle, number, lost=codes.LOST)
            if part_handle is None:
                continue
            key = self._nvml.try_text("nvmlDeviceGetUUID", part_handle) or f"{self._whole.key}/{number}"
            part = known.get(key)
            if part is None:
                part = Part(self._nvml, self._clock, self._index, key=key, handle=part_handle, chip=self._whole)
                part.read_memory()
                part.read("name")
            part.handle = part_handle
            self._split.append(part)

"""One GPU by its number: whole, split into parts (MIG), or lost."""

from collections.abc import Callable, Iterator
from typing import Any

from probes import nvml_codes as codes
from probes.nvml_binding import Nvml, RefusedError
from probes.nvml_figures import UNSUPPORTED_SECONDS
from probes.nvml_identity import Keys, ask_bus_address
from probes.nvml_part import OF_BOARD, Part
from probes.snapshot import Fault

_MIG_SECONDS = 10.0
"""How often a GPU is asked into which parts it is split: an administrator changes that by hand."""
_SPLIT_INTO_NOTHING = (
    "GPU {index} is to be split (MIG) and is not yet: no program can use it until a part is made, "
    "`sudo nvidia-smi mig -i {index} -cgi ... -C`"
)
_DRIVER_HELD = (
    "GPU {index}: {gibibytes:.1f} GiB of its memory are held by the driver and by no program: here the system manages "
    "it, and gives it back late"
)
_NOTED_BYTES = 1 << 30
"""So much held by the driver is worth a word (ASSUMED)."""


class Card:
    """Opens a GPU, and opens it again after it was lost."""

    def __init__(
        self, nvml: Nvml, clock: Callable[[], float], index: int, keys: Keys, *, host_total_bytes: int | None = None
    ) -> None:
        self.lost_code: int | None = None
        """Why there is no handle; it is asked for anew at the next sample."""
        self._nvml = nvml
        self._clock = clock
        self._index = index
        self._keys = keys
        self._host_total_bytes = host_total_bytes
        self._whole = self._new_whole(f"nvidia:{index}", None)
        self._split: list[Part] = []
        self._is_split: bool | None = None
        """None: not asked yet."""
        self._split_seconds = float("-inf")
        self.is_rescheduled = True
        """Kinds may be due sooner than ``due_seconds`` said when they were read; who has looked again says False."""
        self.are_lists_rescheduled = False
        """The same, of the lists of processes alone."""

    @property
    def is_unread(self) -> bool:
        """Nothing was asked of it yet."""
        return self._whole.handle is None and self.lost_code is None

    @property
    def failed_code(self) -> int | None:
        """Why nothing of it could be read just now."""
        if self.lost_code is not None:
            return self.lost_code
        failed = [part.memory_code for part in self.parts()]
        return None if None in failed else failed[0]

    def read_memory(self) -> None:
        """Memory, and before that the handle where there is none."""
        try:
            if self._whole.handle is None:
                self._open()
            for part in self.parts():
                if part.read_memory():
                    self.are_lists_rescheduled = True
                if part.memory_code is not None:
                    self._forget_split_time()  # the GPU may be split otherwise now
        except RefusedError as refused:
            self._lose(refused.code)

    def due_seconds(self, kind: str) -> float:
        """When this kind is to be read again. Of some hundred kinds of eight GPUs, few are due in a second."""
        if self.lost_code is not None:
            return float("inf")
        if kind == "split":
            return self._split_seconds
        if kind == "instances" and not self._split:
            return float("inf")  # only parts have them
        if not self._split or kind in OF_BOARD:
            return self._whole.due_seconds(kind)
        read = (self._whole, *self._split) if kind == "name" else self._split
        return min(part.due_seconds(kind) for part in read)

    def read(self, kind: str) -> None:
        """One kind of figures, unless the GPU is lost: its handle is not touched again."""
        if self.lost_code is not None:
            return
        try:
            if kind == "split":
                self._read_split()
            elif kind in OF_BOARD:
                self._whole.read_of_board(kind)
            else:
                if kind == "name":
                    self._whole.read(kind)  # also of one that is split, for its parts
                for part in self.parts():
                    part.read(kind)
        except RefusedError as refused:
            self._lose(refused.code)

    def forget_details(self) -> None:
        self._whole.forget_details()

    def parts(self) -> list[Part]:
        """What a program can allocate on: the GPU, or the parts into which it is split."""
        return self._split or [self._whole]

    def faults(self) -> Iterator[Fault]:
        if self.lost_code is not None:
            yield self._fault(self._whole, codes.GPU.get(self.lost_code, codes.GPU_OTHERWISE), self.lost_code)
            return
        if self.is_unread:
            message = f"GPU {self._index} has not been read yet: the driver is slow to answer"
            yield Fault(probe="nvidia", device_key=self._whole.key, message=message, is_note=True)
        if self._is_split and not self._split:
            yield self._fault(self._whole, _SPLIT_INTO_NOTHING, 0)
        for part in self.parts():
            code = None if part.has_memory else part.memory_code
            if code == codes.NO_PERMISSION and self._is_split is None:
                continue  # it may be split, and then only its parts can be read from inside a container
            if code is not None:
                yield self._fault(part, codes.GPU.get(code, codes.MEMORY_OTHERWISE), code)
            held_bytes = part.driver_held_bytes()
            if held_bytes is not None and held_bytes >= _NOTED_BYTES:
                message = _DRIVER_HELD.format(index=self._index, gibibytes=held_bytes / (1 << 30))
                yield Fault(probe="nvidia", device_key=part.key, message=message, is_note=True)

    def _fault(self, part: Part, sentence: str, code: int) -> Fault:
        return Fault(probe="nvidia", device_key=part.key, message=sentence.format(index=self._index, code=code))

    def _open(self) -> None:
        handle = self._nvml.call("nvmlDeviceGetHandleByIndex", self._index)
        uuid = self._nvml.try_text("nvmlDeviceGetUUID", handle, lost=codes.LOST) or self._bus_address(handle)
        key = self._keys.claimed(uuid, f"nvidia:{self._index}")
        if key != self._whole.key:
            self._whole = self._new_whole(key, handle)
        self._whole.handle = handle
        self.lost_code = None
        self.is_rescheduled = True

    def _new_whole(self, key: str, handle: Any) -> Part:
        return Part(
            self._nvml, self._clock, self._index, key=key, handle=handle, host_total_bytes=self._host_total_bytes
        )

    def _bus_address(self, handle: Any) -> str | None:
        try:
            return ask_bus_address(self._nvml, handle)
        except RefusedError:
            return None

    def close(self) -> None:
        """Drop the handles: they were of an NVML that was shut down since."""
        self._whole.handle = None
        self._split = []
        self._forget_split_time()

    def _lose(self, code: int) -> None:
        self.lost_code = code
        self._whole.lose()
        self._split = []
        self._is_split = None
        self._forget_split_time()

    def _forget_split_time(self) -> None:
        self._split_seconds = float("-inf")
        self.is_rescheduled = True

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
        self._keys.give_up(f"nvidia:{self._index}/")
        self._split = []
        for number in range(n_parts or 0):
            # NOT_FOUND for each number that no part has
            part_handle = self._nvml.try_call("nvmlDeviceGetMigDeviceHandleByIndex", handle, number, lost=codes.LOST)
            if part_handle is None:
                continue
            uuid = self._nvml.try_text("nvmlDeviceGetUUID", part_handle)
            key = self._keys.claimed(uuid, f"nvidia:{self._index}/{number}")
            part = known.get(key)
            if part is None:
                part = Part(self._nvml, self._clock, self._index, key=key, handle=part_handle, chip=self._whole)
                part.read_memory()
                part.read("name")
            part.handle = part_handle
            self._split.append(part)
        if self._split or known:
            self.is_rescheduled = True

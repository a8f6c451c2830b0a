"""NVIDIA GPUs through the driver's own library, NVML: memory, load, heat, power and processes.

The functions and their codes are those of nvml.h (github.com/NVIDIA/go-nvml, gen/nvml/nvml.h), reached through the
binding nvidia-ml-py, which is imported when a driver's library is there to be loaded, and in this file only.

A sample reads the memory of each GPU first, and then all else for as long as a time budget lasts, going on where it
stopped at the sample before: so a driver that needs half a second a call still shows memory within seconds.
"""

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from probes import nvml_codes as codes
from probes.access import REAL, Access
from probes.errors import ProbeLost, ProbeUnavailable
from probes.probe import Probe
from probes.snapshot import HOST_POOL, Device, Fault, Pool, Process, Reading, Version
from probes.sysfs import read_text

_BUDGET_SECONDS = 0.4
"""For all but memory, in one sample. A driver that is well needs 1 to 40 ms for eight GPUs (ASSUMED from the median
call times in github.com/flightlessmango/MangoHud/pull/2104)."""
_UNSUPPORTED_SECONDS = 60.0
"""What a GPU has said not to support is not asked again before this."""
_MIG_SECONDS = 10.0
"""How often a GPU is asked into which parts it is split: an administrator changes that by hand."""
_RESTART_SECONDS = 30.0
"""When all GPUs are lost, NVML is started anew so often: it holds on to a driver that was since unloaded."""
_KEPT_SECONDS = 5.0
"""A figure that the driver then fails to give is shown for so long, with its age (ASSUMED)."""
_MOST_BYTES = 1 << 45
"""No process holds 32 TiB: above that it is no figure."""
_MEMORY_V2 = 0x02000028
"""nvmlMemory_v2: the size of the struct (40) and its version."""
_TEMPERATURE_GPU = 0
_CLOCK_MEMORY = 2
"""NVML_CLOCK_MEM of nvmlClockType_t."""
_TRANSFERS_PER_CLOCK = 2
"""NVML's clock of the memory is half of its transfers: 10 501 MHz x 2 x 384 bits are the RTX 4090's 1 008 GB/s, 2 619
MHz x 2 x 5 120 bits the H100's 3 352, and 14 001 MHz x 2 x 512 bits the RTX 5090's 1 792."""

_CORES_PER_MULTIPROCESSOR = {60: 64, 70: 64, 72: 64, 75: 64, 80: 64} | dict.fromkeys(
    (50, 52, 53, 61, 62, 86, 87, 89, 90, 100, 101, 103, 110, 120, 121), 128
)
"""By compute capability x 10: _ConvertSMVer2Cores in Common/helper_cuda.h of github.com/NVIDIA/cuda-samples; 110 is
Thor, which CUDA 12 called 101. An H100 SXM has 16896 cores in 132 of them, a GB10 6144 in 48."""


def open_probe(access: Access = REAL) -> Probe:  # noqa: ARG001 - the library has no root
    """NVML, started.

    Raises:
        ProbeUnavailable: there is no driver, or it does not start; the message says what to do.
    """
    _load_library()
    import pynvml  # noqa: PLC0415 - deferred: 18 ms, which only those pay who have a driver

    return NvidiaProbe(pynvml)


class NvidiaProbe:
    """The GPUs of one driver, by the numbers that it gives them."""

    def __init__(self, nvml: Any, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start NVML. ``nvml`` is the module pynvml, or what stands in for it."""
        self._nvml = _Nvml(nvml)
        self._clock = clock
        self._cards: list[_Card] = []
        self._steps: list[Callable[[], None]] = []
        self._next_step = 0
        self._count_seconds = float("-inf")
        """When the GPUs may be counted again."""
        self._versions: dict[str, str] = {}
        self._all_lost_seconds: float | None = None
        self._start()

    def sample(self) -> Reading:
        is_first = not self._cards
        deadline = self._clock() + _BUDGET_SECONDS
        if self._clock() >= self._count_seconds:
            self._follow_count()
        for card in self._cards:
            card.read_memory()
        # Where memory alone took long, it is shown before anything else is asked for the first time.
        if not is_first or self._clock() < deadline:
            self._read_others()
        self._restart_if_all_lost()
        return self._reading()

    def close(self) -> None:
        self._nvml.try_call("nvmlShutdown")

    def _start(self) -> None:
        try:
            self._nvml.call("nvmlInit")
        except _RefusedError as refused:
            raise ProbeUnavailable(codes.start_sentence(refused.code)) from refused

    def _follow_count(self) -> None:
        """GPUs come and go. A slow driver is asked seldom: not before ten times what the answer took."""
        asked_seconds = self._clock()
        try:
            n_cards = self._nvml.call("nvmlDeviceGetCount")
        except _RefusedError as refused:
            raise ProbeLost(codes.start_sentence(refused.code)) from refused
        answered_seconds = self._clock()
        self._count_seconds = answered_seconds + 10 * (answered_seconds - asked_seconds)
        if n_cards != len(self._cards):
            # The numbers may have moved to other GPUs, so all are opened anew.
            self._cards = [_Card(self._nvml, self._clock, index) for index in range(n_cards)]
            self._steps = [*_steps(self._cards), self._read_versions]
            self._next_step = 0

    def _read_others(self) -> None:
        """As many steps as the budget allows, at least one that asks the driver, and each at most once."""
        deadline = self._clock() + _BUDGET_SECONDS
        n_calls = self._nvml.n_calls
        for _ in range(len(self._steps)):
            step = self._steps[self._next_step]
            self._next_step = (self._next_step + 1) % len(self._steps)
            step()
            if self._nvml.n_calls > n_calls and self._clock() >= deadline:
                return

    def _read_versions(self) -> None:
        if "NVIDIA driver" not in self._versions:
            driver = self._nvml.try_text("nvmlSystemGetDriverVersion")
            if driver:
                self._versions["NVIDIA driver"] = driver
        if "CUDA" not in self._versions:
            cuda = self._nvml.try_call("nvmlSystemGetCudaDriverVersion_v2")
            if cuda:
                # CUDA_VERSION of cuda.h: 1000 x major + 10 x minor
                self._versions["CUDA"] = f"{cuda // 1000}.{cuda % 1000 // 10}"

    def _restart_if_all_lost(self) -> None:
        """A driver that was unloaded and loaded again is found only by a fresh start. No call is in flight here."""
        if not self._cards or any(card.lost_code is None for card in self._cards):
            self._all_lost_seconds = None
            return
        now_seconds = self._clock()
        if self._all_lost_seconds is None:
            self._all_lost_seconds = now_seconds
        elif now_seconds - self._all_lost_seconds >= _RESTART_SECONDS:
            self._all_lost_seconds = None
            self._nvml.try_call("nvmlShutdown")
            try:
                self._start()
            except ProbeUnavailable as error:
                raise ProbeLost(str(error)) from error

    def _reading(self) -> Reading:
        now_seconds = self._clock()
        parts = [part for card in self._cards for part in card.parts()]
        faults = [fault for card in self._cards for fault in card.faults()]
        if not self._cards:
            faults.append(Fault(probe="nvidia", message="the NVIDIA driver works, and has no GPU now", is_note=True))
        return Reading(
            pools=tuple(pool for part in parts if (pool := part.pool(now_seconds)) is not None),
            devices=tuple(part.device(now_seconds) for part in parts),
            processes=tuple(process for part in parts for process in part.processes()),
            faults=tuple(faults),
            versions=tuple(Version(name=name, value=value) for name, value in self._versions.items()),
        )


def _steps(cards: Iterable["_Card"]) -> Iterator[Callable[[], None]]:
    """What a user misses most comes first, and each kind for all GPUs before the next kind."""
    cards = tuple(cards)
    for kind in (
        "name",
        "split",
        "compute",
        "graphics",
        "utilization",
        "temperature",
        "power",
        "limit",
        "capability",
        "cores",
        "bandwidth",
    ):
        for card in cards:
            yield partial(card.read, kind)


class _Card:
    """One GPU by its number: whole, split into parts (MIG), or lost."""

    def __init__(self, nvml: "_Nvml", clock: Callable[[], float], index: int) -> None:
        self.lost_code: int | None = None
        """Why there is no handle; it is asked for anew at the next sample."""
        self._nvml = nvml
        self._clock = clock
        self._index = index
        self._whole = _Part(nvml, clock, index, key=f"nvidia:{index}", handle=None)
        self._split: list[_Part] = []
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
        except _RefusedError as refused:
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
        except _RefusedError as refused:
            self._lose(refused.code)

    def parts(self) -> list["_Part"]:
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

    def _fault(self, part: "_Part", sentence: str, code: int) -> Fault:
        return Fault(probe="nvidia", device_key=part.key, message=sentence.format(index=self._index, code=code))

    def _open(self) -> None:
        handle = self._nvml.call("nvmlDeviceGetHandleByIndex", self._index)
        key = self._nvml.try_text("nvmlDeviceGetUUID", handle, lost=codes.LOST) or self._bus_id(handle)
        if key != self._whole.key:
            self._whole = _Part(self._nvml, self._clock, self._index, key=key, handle=handle)
        self._whole.handle = handle
        self.lost_code = None

    def _bus_id(self, handle: Any) -> str:
        info = self._nvml.try_call("nvmlDeviceGetPciInfo", handle)
        return f"nvidia:{self._index}" if info is None else _decoded(info.busId)

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
            self._split_seconds = now_seconds + _UNSUPPORTED_SECONDS
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
                part = _Part(self._nvml, self._clock, self._index, key=key, handle=part_handle, chip=self._whole)
                part.read_memory()
                part.read("name")
            part.handle = part_handle
            self._split.append(part)


class _Part:
    """What has memory of its own: a GPU, or one of the parts into which it is split."""

    def __init__(
        self,
        nvml: "_Nvml",
        clock: Callable[[], float],
        index: int,
        *,
        key: str,
        handle: Any,
        chip: "_Part | None" = None,
    ) -> None:
        self.key = key
        self.handle = handle
        """None: never opened, or lost."""
        self.memory_code: int | None = None
        """Why memory could not be read just now."""
        self._nvml = nvml
        self._clock = clock
        self._index = index
        self._chip = chip
        """The GPU that this is a part of, which alone has a temperature."""
        self._memory: _Memory | None = None
        self._speaks_v1 = False
        self._unified_seconds: float | None = None
        """When the driver last said that there is no memory but the host's."""
        self._values: dict[str, tuple[float, Any]] = {}
        """Kind -> when it was read, and what was read."""
        self._unsupported: dict[str, float] = {}
        """Kind -> until when it is not asked again."""

    def lose(self) -> None:
        """Forget all figures, but not what stays true of the GPU."""
        self.handle = None
        self._memory = None
        self.memory_code = None
        self._values = {kind: value for kind, value in self._values.items() if kind in _STATIC}
        self._unsupported = {}

    # --- asking

    def read_memory(self) -> None:
        now_seconds = self._clock()
        if self._unified_seconds is not None and now_seconds - self._unified_seconds < _UNSUPPORTED_SECONDS:
            return
        self.memory_code = None
        try:
            memory = self._ask_memory()
        except _RefusedError as refused:
            if refused.code in codes.LOST:
                raise
            self._memory = None
            if refused.code == codes.NOT_SUPPORTED:
                # nvml.h of nvmlDeviceGetMemoryInfo: "On SOC-based integrated GPUs" it is not supported (GB10).
                self._unified_seconds = now_seconds
            elif self._unified_seconds is None:
                self.memory_code = refused.code
            return
        self._unified_seconds = now_seconds if memory.total_bytes == 0 else None
        self._memory = None if memory.total_bytes == 0 else memory

    def _ask_memory(self) -> "_Memory":
        if not self._speaks_v1:
            try:
                info = self._nvml.call("nvmlDeviceGetMemoryInfo", self.handle, _MEMORY_V2)
            except _RefusedError as refused:
                if refused.code not in codes.MISSING and refused.code != codes.INVALID_ARGUMENT:
                    raise
            else:
                return _Memory(self._clock(), info.total, info.free, info.reserved, info.used)
        info = self._nvml.call("nvmlDeviceGetMemoryInfo", self.handle)
        self._speaks_v1 = True
        # The first version counts as used what the driver keeps for itself, and does not tell the two apart.
        return _Memory(self._clock(), info.total, info.free, None, None)

    def read(self, kind: str) -> None:
        """One kind of figures."""
        if kind == "name":
            self._once("name", lambda: self._nvml.text("nvmlDeviceGetName", self.handle))
        elif kind == "compute":
            self._refresh("compute", lambda: self._ask_processes("Compute"))
        elif kind == "graphics":
            self._refresh("graphics", lambda: self._ask_processes("Graphics"))
        elif kind == "cores":
            self._once("cores", self._ask_multiprocessors)
        elif kind == "capability":
            self._once("capability", self._ask_capability)
        elif self._chip is None:
            self._read_of_chip(kind)

    def _read_of_chip(self, kind: str) -> None:
        """What a part of a GPU does not have."""
        if kind == "utilization":
            self._refresh("utilization", lambda: self._nvml.call("nvmlDeviceGetUtilizationRates", self.handle).gpu)
        elif kind == "power":
            self._refresh("power", lambda: self._nvml.call("nvmlDeviceGetPowerUsage", self.handle))
        elif kind == "limit":
            self._once("limit", lambda: self._nvml.call("nvmlDeviceGetEnforcedPowerLimit", self.handle))
        elif kind == "bandwidth":
            self._once("bandwidth", self._ask_bandwidth)

    def read_temperature(self) -> None:
        self._refresh("temperature", self._ask_temperature)

    def _once(self, kind: str, ask: Callable[[], Any]) -> None:
        if kind not in self._values:
            self._refresh(kind, ask)

    def _refresh(self, kind: str, ask: Callable[[], Any]) -> None:
        now_seconds = self._clock()
        if self._unsupported.get(kind, now_seconds) > now_seconds:
            return
        try:
            value = ask()
        except _RefusedError as refused:
            if refused.code in codes.LOST:
                raise
            if refused.code in codes.MISSING:
                self._unsupported[kind] = now_seconds + _UNSUPPORTED_SECONDS
            if refused.code in codes.MISSING or now_seconds - self._read_seconds(kind) > _KEPT_SECONDS:
                self._values.pop(kind, None)
            return
        self._values[kind] = (self._clock(), value)

    def _ask_temperature(self) -> int:
        try:
            celsius: int = self._nvml.call("nvmlDeviceGetTemperatureV", self.handle, _TEMPERATURE_GPU)
        except _RefusedError as refused:
            if refused.code not in codes.MISSING:
                raise
            celsius = self._nvml.call("nvmlDeviceGetTemperature", self.handle, _TEMPERATURE_GPU)
        return celsius

    def _ask_processes(self, kind: str) -> list[tuple[int, int | None]]:
        function = f"nvmlDeviceGet{kind}RunningProcesses"
        try:
            listed = self._nvml.call(f"{function}_v3", self.handle)
        except _RefusedError as refused:
            if refused.code != codes.FUNCTION_NOT_FOUND:
                raise
            # drivers before 510
            listed = self._nvml.call(f"{function}_v2", self.handle)
        return [(process.pid, process.usedGpuMemory) for process in listed]

    def _ask_capability(self) -> str:
        chip = self._chip or self
        major, minor = self._nvml.call("nvmlDeviceGetCudaComputeCapability", chip.handle)
        return f"{major}.{minor}"

    def _ask_bandwidth(self) -> float | None:
        """10^9 bytes per second, at the highest clock."""
        clock_mhz: int = self._nvml.call("nvmlDeviceGetMaxClockInfo", self.handle, _CLOCK_MEMORY)
        width_bits: int = self._nvml.call("nvmlDeviceGetMemoryBusWidth", self.handle)
        return clock_mhz * _TRANSFERS_PER_CLOCK * width_bits / 8 / 1000 or None

    def _ask_multiprocessors(self) -> int | None:
        if self._chip is not None:
            count: int = self._nvml.call("nvmlDeviceGetAttributes", self.handle).multiprocessorCount
            return count
        capability: str | None = self._value("capability")
        cores_each = _CORES_PER_MULTIPROCESSOR.get(int(capability.replace(".", ""))) if capability else None
        if cores_each is None:
            return None
        n_cores: int = self._nvml.call("nvmlDeviceGetNumGpuCores", self.handle)
        return n_cores // cores_each or None

    # --- telling

    def pool(self, now_seconds: float) -> Pool | None:
        memory = self._memory
        if memory is None:
            return None
        free_bytes = min(memory.free_bytes, memory.total_bytes)
        return Pool(
            key=self.key,
            total_bytes=memory.total_bytes,
            used_bytes=memory.total_bytes - free_bytes,
            free_bytes=free_bytes,
            reserved_bytes=memory.reserved_bytes,
            late_seconds=now_seconds - memory.read_seconds,
        )

    def device(self, now_seconds: float) -> Device:
        utilization_percent = self._value("utilization")
        power_milliwatts = self._value("power")
        limit_milliwatts = self._value("limit")
        chip = self._chip or self
        return Device(
            key=self.key,
            name=self._value("name") or "NVIDIA GPU",
            vendor="nvidia",
            index=self._index,
            pool_key=self.key if self._unified_seconds is None else HOST_POOL,
            used_bytes=self._used_bytes(),
            utilization_ratio=None if utilization_percent is None else min(1.0, utilization_percent / 100),
            temperature_celsius=chip._value("temperature"),
            power_watts=None if power_milliwatts is None else power_milliwatts / 1000,
            power_limit_watts=None if limit_milliwatts is None else limit_milliwatts / 1000,
            n_multiprocessors=self._value("cores"),
            bandwidth_gigabytes_per_second=self._value("bandwidth"),
            compute_capability=self._value("capability"),
            late_seconds=max(
                (now_seconds - self._read_seconds(kind) for kind in _LIVE if kind in self._values), default=0
            ),
        )

    def processes(self) -> Iterator[Process]:
        for pid, used_bytes in self._used_by_pid().items():
            yield Process(pid=pid, device_key=self.key, used_bytes=used_bytes)

    def _used_by_pid(self) -> dict[int, int | None]:
        """A program that draws and computes stands in both lists: it counts once, with the larger figure."""
        used_by_pid: dict[int, int | None] = {}
        most_bytes = _MOST_BYTES if self._memory is None else self._memory.total_bytes
        for pid, reported_bytes in (self._value("compute") or []) + (self._value("graphics") or []):
            # Drivers 535.43 to 535.86 report garbage (XuehaiPan/nvitop #75), WSL 2**64 - 1 (Syllo/nvtop #432).
            used_bytes = None if reported_bytes is None or reported_bytes > most_bytes else reported_bytes
            before = used_by_pid.get(pid)
            used_by_pid[pid] = used_bytes if before is None else max(before, used_bytes or 0)
        return used_by_pid

    def _used_bytes(self) -> int | None:
        if self._unified_seconds is None:
            return None if self._memory is None else self._memory.allocated_bytes
        if "compute" not in self._values and "graphics" not in self._values:
            return None
        known = self._used_by_pid().values()
        return None if known and all(used is None for used in known) else sum(used or 0 for used in known)

    def _value(self, kind: str) -> Any:
        read = self._values.get(kind)
        return None if read is None else read[1]

    def _read_seconds(self, kind: str) -> float:
        read = self._values.get(kind)
        return float("-inf") if read is None else read[0]


_STATIC = frozenset({"name", "cores", "capability", "bandwidth"})
"""Kinds that stay true of a GPU that was lost."""
_LIVE = ("compute", "graphics", "utilization", "temperature", "power")
"""Kinds that change all the time: the oldest of them says how late a device's figures are."""
_SPLIT_INTO_NOTHING = (
    "GPU {index} is to be split (MIG) and is not yet: no program can use it until a part is made, "
    "`sudo nvidia-smi mig -i {index} -cgi ... -C`"
)


@dataclass(frozen=True, slots=True)
class _Memory:
    read_seconds: float
    total_bytes: int
    free_bytes: int
    reserved_bytes: int | None
    allocated_bytes: int | None


class _RefusedError(Exception):
    """NVML's answer is an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Nvml:
    """The binding, with its errors as codes and its texts as they are, whatever their bytes."""

    def __init__(self, module: Any) -> None:
        self.n_calls = 0
        self._module = module

    def call(self, name: str, *arguments: Any) -> Any:
        """Raises _RefusedError, also where the binding or the driver is too old for the function."""
        self.n_calls += 1
        function = getattr(self._module, name, None)
        if function is None:
            raise _RefusedError(codes.FUNCTION_NOT_FOUND)
        try:
            # The binding's decorator fails on a name that is not UTF-8; the function below it gives the bytes.
            return getattr(function, "__wrapped__", function)(*arguments)
        except self._module.NVMLError as error:
            raise _RefusedError(error.value) from error

    def text(self, name: str, *arguments: Any) -> str:
        return _decoded(self.call(name, *arguments))

    def try_call(self, name: str, *arguments: Any, lost: frozenset[int] = frozenset()) -> Any:
        """None where the driver refuses; raises only for the codes in ``lost``."""
        try:
            return self.call(name, *arguments)
        except _RefusedError as refused:
            if refused.code in lost:
                raise
            return None

    def try_text(self, name: str, *arguments: Any, lost: frozenset[int] = frozenset()) -> str | None:
        text = self.try_call(name, *arguments, lost=lost)
        return None if text is None else _decoded(text)


def _decoded(text: str | bytes) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text


# --- is there a driver at all


def _load_library() -> None:
    """Load the driver's library, which stays loaded: the binding finds it so.

    Raises:
        ProbeUnavailable: there is none, which is a fault only where an NVIDIA GPU waits for one.
    """
    if sys.platform == "darwin":
        raise ProbeUnavailable("no NVIDIA driver exists for macOS since 10.13", is_expected=True)
    errors = []
    for name in _library_names():
        try:
            ctypes.CDLL(name)
        except OSError as error:
            errors.append(str(error))
        else:
            return
    if any("No such file" not in error and "Could not find" not in error for error in errors):
        raise ProbeUnavailable(f"the NVIDIA driver's library is here and cannot be loaded: {errors[0]}")
    if has_gpu("/"):
        raise ProbeUnavailable(
            "an NVIDIA GPU is here, but not NVIDIA's driver: install it; a container must be started with its GPUs "
            "(`--gpus all`)"
        )
    raise ProbeUnavailable("no NVIDIA driver is here", is_expected=True)


def _library_names() -> tuple[str, ...]:
    """Where the binding looks, too."""
    if os.name != "nt":
        return ("libnvidia-ml.so.1",)
    windows = os.environ.get("WINDIR", "C:/Windows")
    programs = os.environ.get("ProgramFiles", "C:/Program Files")  # noqa: SIM112 - so Windows spells it
    return (f"{windows}/System32/nvml.dll", f"{programs}/NVIDIA Corporation/NVSMI/nvml.dll")


def has_gpu(root: str) -> bool:
    """Whether the PCI bus has an NVIDIA display controller that is not kept for a virtual machine (Linux)."""
    folder = os.path.join(root, "sys/bus/pci/devices")
    try:
        devices = [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        return False
    for device in devices:
        if read_text(f"{device}/vendor") != "0x10de" or not (read_text(f"{device}/class") or "").startswith("0x03"):
            continue
        if os.path.basename(os.path.realpath(os.path.join(device, "driver"))) not in ("vfio-pci", "pci-stub"):
            return True
    return False

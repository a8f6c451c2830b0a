"""What has memory of its own: a GPU, or one of the parts into which it is split (MIG)."""

from collections.abc import Callable, Iterator
from typing import Any

from probes import nvml_codes as codes
from probes.nvml_binding import Nvml, RefusedError
from probes.nvml_figures import Figures
from probes.nvml_memory import MemoryReader
from probes.snapshot import HOST_POOL, Device, Pool, Process

_MOST_BYTES = 1 << 45
"""No process holds 32 TiB: above that it is no figure."""
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

_STATIC = frozenset({"name", "cores", "capability", "bandwidth"})
"""Kinds that stay true of a GPU that was lost."""
_LIVE = ("compute", "graphics", "utilization", "temperature", "power")
"""Kinds that change all the time: the oldest of them says how late a device's figures are."""


class Part:
    """Asks the driver for one kind of figures at a time, and tells what is known."""

    def __init__(
        self,
        nvml: Nvml,
        clock: Callable[[], float],
        index: int,
        *,
        key: str,
        handle: Any,
        chip: "Part | None" = None,
    ) -> None:
        self.key = key
        self.handle = handle
        """None: never opened, or lost."""
        self._nvml = nvml
        self._index = index
        self._chip = chip
        """The GPU that this is a part of, which alone has a temperature."""
        self._memory = MemoryReader(nvml, clock)
        self._figures = Figures(clock)

    @property
    def memory_code(self) -> int | None:
        """Why memory could not be read just now."""
        return self._memory.code

    def lose(self) -> None:
        """Forget all figures, but not what stays true of the GPU."""
        self.handle = None
        self._memory.lose()
        self._figures.forget(but=_STATIC)

    # --- asking

    def read_memory(self) -> None:
        self._memory.read(self.handle)

    def read(self, kind: str) -> None:
        """One kind of figures."""
        if kind == "name":
            self._figures.once("name", lambda: self._nvml.text("nvmlDeviceGetName", self.handle))
        elif kind == "compute":
            self._figures.refresh("compute", lambda: self._ask_processes("Compute"))
        elif kind == "graphics":
            self._figures.refresh("graphics", lambda: self._ask_processes("Graphics"))
        elif kind == "cores":
            self._figures.once("cores", self._ask_multiprocessors)
        elif kind == "capability":
            self._figures.once("capability", self._ask_capability)
        elif self._chip is None:
            self._read_of_chip(kind)

    def _read_of_chip(self, kind: str) -> None:
        """What a part of a GPU does not have."""
        if kind == "utilization":
            self._figures.refresh(
                "utilization", lambda: self._nvml.call("nvmlDeviceGetUtilizationRates", self.handle).gpu
            )
        elif kind == "power":
            self._figures.refresh("power", lambda: self._nvml.call("nvmlDeviceGetPowerUsage", self.handle))
        elif kind == "limit":
            self._figures.once("limit", lambda: self._nvml.call("nvmlDeviceGetEnforcedPowerLimit", self.handle))
        elif kind == "bandwidth":
            self._figures.once("bandwidth", self._ask_bandwidth)

    def read_temperature(self) -> None:
        self._figures.refresh("temperature", self._ask_temperature)

    def _ask_temperature(self) -> int:
        try:
            celsius: int = self._nvml.call("nvmlDeviceGetTemperatureV", self.handle, _TEMPERATURE_GPU)
        except RefusedError as refused:
            if refused.code not in codes.MISSING:
                raise
            celsius = self._nvml.call("nvmlDeviceGetTemperature", self.handle, _TEMPERATURE_GPU)
        return celsius

    def _ask_processes(self, kind: str) -> list[tuple[int, int | None]]:
        function = f"nvmlDeviceGet{kind}RunningProcesses"
        try:
            listed = self._nvml.call(f"{function}_v3", self.handle)
        except RefusedError as refused:
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
        capability: str | None = self._figures.value("capability")
        cores_each = _CORES_PER_MULTIPROCESSOR.get(int(capability.replace(".", ""))) if capability else None
        if cores_each is None:
            return None
        n_cores: int = self._nvml.call("nvmlDeviceGetNumGpuCores", self.handle)
        return n_cores // cores_each or None

    # --- telling

    def pool(self, now_seconds: float) -> Pool | None:
        memory = self._memory.memory
        return None if memory is None else memory.pool(self.key, now_seconds)

    def device(self, now_seconds: float) -> Device:
        figures = self._figures
        utilization_percent = figures.value("utilization")
        power_milliwatts = figures.value("power")
        limit_milliwatts = figures.value("limit")
        chip = self._chip or self
        return Device(
            key=self.key,
            name=figures.value("name") or "NVIDIA GPU",
            vendor="nvidia",
            index=self._index,
            pool_key=HOST_POOL if self._memory.is_unified else self.key,
            used_bytes=self._used_bytes(),
            utilization_ratio=None if utilization_percent is None else min(1.0, utilization_percent / 100),
            temperature_celsius=chip._figures.value("temperature"),
            power_watts=None if power_milliwatts is None else power_milliwatts / 1000,
            power_limit_watts=None if limit_milliwatts is None else limit_milliwatts / 1000,
            n_multiprocessors=figures.value("cores"),
            bandwidth_gigabytes_per_second=figures.value("bandwidth"),
            compute_capability=figures.value("capability"),
            late_seconds=max(
                (now_seconds - figures.read_seconds(kind) for kind in _LIVE if kind in figures), default=0
            ),
        )

    def processes(self) -> Iterator[Process]:
        for pid, used_bytes in self._used_by_pid().items():
            yield Process(pid=pid, device_key=self.key, used_bytes=used_bytes)

    def _used_by_pid(self) -> dict[int, int | None]:
        """A program that draws and computes stands in both lists: it counts once, with the larger figure."""
        used_by_pid: dict[int, int | None] = {}
        memory = self._memory.memory
        most_bytes = _MOST_BYTES if memory is None else memory.total_bytes
        listed = (self._figures.value("compute") or []) + (self._figures.value("graphics") or [])
        for pid, reported_bytes in listed:
            # Drivers 535.43 to 535.86 report garbage (XuehaiPan/nvitop #75), WSL 2**64 - 1 (Syllo/nvtop #432).
            used_bytes = None if reported_bytes is None or reported_bytes > most_bytes else reported_bytes
            before = used_by_pid.get(pid)
            used_by_pid[pid] = used_bytes if before is None else max(before, used_bytes or 0)
        return used_by_pid

    def _used_bytes(self) -> int | None:
        memory = self._memory.memory
        if not self._memory.is_unified:
            return None if memory is None else memory.allocated_bytes
        if "compute" not in self._figures and "graphics" not in self._figures:
            return None
        known = self._used_by_pid().values()
        return None if known and all(used is None for used in known) else sum(used or 0 for used in known)

"""What has memory of its own: a GPU, or one of the parts into which it is split (MIG)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probes.nvml_chip import (
    ask_bandwidth,
    ask_capability,
    ask_part_multiprocessors,
    ask_speed,
    ask_temperature,
    n_multiprocessors,
)
from probes.nvml_figures import DETAIL_KINDS, Figures
from probes.nvml_identity import ask_bus_address, ask_instances, ask_model, part_name
from probes.nvml_memory import Memory, MemoryReader
from probes.nvml_processes import Listed, Shares, ask_processes, merged
from probes.nvml_visibility import CudaDevice
from probes.snapshot import HOST_POOL, Device, Pool, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from probes.nvml_binding import Nvml
    from probes.nvml_details import DetailsReader

_MOST_BYTES = 1 << 45
"""No process holds 32 TiB: above that it is no figure."""
_MOST_WATTS = 20_000
"""Of one GPU: a GB200 takes 1 200 (ASSUMED). More is garbage."""
_MOST_CELSIUS = 200
"""GPUs shut down at some 105 °C; 255 is what a sensor gives that does not answer (ASSUMED)."""
_ATS = 2
"""NVML_DEVICE_ADDRESSING_MODE_ATS: processor and GPU share their page tables (Grace, GB10)."""

_STATIC = frozenset(
    {
        "name",
        "cores",
        "gpu cores",
        "capability",
        "bandwidth",
        "bus",
        "instances",
        "addressing",
        "model",
        "speed",
    }
)
"""Kinds that stay true of a GPU that was lost."""
LISTS = {"compute": "Compute", "graphics": "Graphics", "mps": "MPSCompute"}
_LISTED = (*LISTS, "shares")
_LISTS_SECONDS = 3.0
"""The lists of processes are the dearest calls: 4.5 ms for two (median of an RTX 4090 under driver 610.57,
flightlessmango/MangoHud pull 2104), where memory takes 12 µs."""
_CHANGED_SECONDS = 0.9
"""But when memory moved, those that have somebody are asked for at the next second: whose it is, is what a user wants
to know then."""
_CHANGED_BYTES = 32 << 20
"""Less than a CUDA context takes (ASSUMED: some 100 MiB)."""
_HEAT_SECONDS = 0.9
_LIMIT_SECONDS = 30.0
"""An administrator changes the power limit by hand (`nvidia-smi -pl`)."""
_LIVE = (*LISTS, "utilization", "temperature", "power")
"""Kinds that change all the time: the oldest of them says how late a device's figures are."""

OF_BOARD = frozenset({"temperature", "bus", "addressing", "speed", "bandwidth", "model", *DETAIL_KINDS})
"""Kinds that a GPU tells also while it is split."""
KINDS = (
    "name",
    "split",
    "compute",
    "graphics",
    "utilization",
    "temperature",
    "power",
    "mps",
    "bus",
    "limit",
    "capability",
    "cores",
    "addressing",
    "bandwidth",
    "shares",
    "instances",
)
"""All that is read of each GPU beside memory and details. What a user misses most comes first."""
WINDOWS_KINDS = ("model",)
SEVERAL_KINDS = ("speed",)
"""Read where there are several GPUs, to know which CUDA takes for the fastest."""


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
        host_total_bytes: int | None = None,
        chip: Part | None = None,
    ) -> None:
        self.key = key
        self.handle = handle
        """None: never opened, or lost."""
        self._nvml = nvml
        self._index = index
        self._chip = chip
        """The GPU that this is a part of, which alone has a temperature."""
        self._memory = MemoryReader(nvml, clock, host_total_bytes)
        self._figures = Figures(clock)
        self._shares = Shares(nvml)
        self._clock = clock
        self._details: DetailsReader | None = None
        """Made when somebody looks."""
        self._processes: tuple[Process, ...] = ()
        self._processes_as_of: tuple[tuple[float, ...], int | None] | None = None
        """When the lists were asked for that they are from, and the memory that bounds what they may hold."""
        self._listed_free_bytes = 0
        """What was free when the processes were listed."""

    @property
    def memory_code(self) -> int | None:
        """Why memory could not be read just now."""
        return self._memory.code

    @property
    def has_memory(self) -> bool:
        """Whether its memory is known, be it from some seconds ago."""
        return self._memory.memory is not None

    @property
    def is_unified(self) -> bool:
        """Its memory is the host's."""
        return self._memory.is_unified

    def lose(self) -> None:
        """Forget all figures, but not what stays true of the GPU."""
        self.handle = None
        self._memory.lose()
        self._figures.forget(but=_STATIC)
        self.forget_details()

    # --- asking

    def read_memory(self) -> bool:
        """Whether memory moved so far that the lists are due sooner now."""
        self._memory.read(self.handle)
        memory = self._memory.memory
        if memory is None or abs(memory.free_bytes - self._listed_free_bytes) < _CHANGED_BYTES:
            return False
        for kind in [kind for kind in LISTS if self._figures.value(kind)] or LISTS:
            self._figures.hurry(kind, _CHANGED_SECONDS)
        return True

    def due_seconds(self, kind: str) -> float:
        """When there is something to ask for again, as far as this kind goes."""
        return (self._details_reader() if kind in DETAIL_KINDS else self._figures).due_seconds(kind)

    def read(self, kind: str) -> None:
        """One kind of figures. Raises RefusedError where the GPU is lost."""
        if kind in LISTS:
            self._read_list(kind)
        elif kind == "name":
            self._figures.once("name", lambda: self._nvml.text("nvmlDeviceGetName", self.handle))
        elif kind == "cores":
            if self._chip is not None or "capability" in self._figures:
                self._figures.once("cores", self._ask_multiprocessors)
        elif kind == "capability":
            self._figures.once("capability", lambda: ask_capability(self._nvml, (self._chip or self).handle))
        elif kind == "instances":
            if self._chip is not None:
                self._figures.once("instances", lambda: ask_instances(self._nvml, self.handle))
        elif self._chip is None:
            self._read_of_whole(kind)

    def _read_of_whole(self, kind: str) -> None:
        """What a part of a GPU does not have."""
        if kind == "utilization":
            self._figures.refresh(kind, lambda: self._nvml.call("nvmlDeviceGetUtilizationRates", self.handle).gpu)
        elif kind == "power":
            self._figures.refresh(
                kind, lambda: self._nvml.call("nvmlDeviceGetPowerUsage", self.handle), period_seconds=_HEAT_SECONDS
            )
        elif kind == "shares":
            if self._figures.value("compute") or self._figures.value("graphics"):
                self._figures.refresh(
                    kind, lambda: self._shares.ask(self.handle), period_seconds=self._lists_seconds(kind)
                )
        elif kind == "limit":
            self._figures.refresh(
                kind,
                lambda: self._nvml.call("nvmlDeviceGetEnforcedPowerLimit", self.handle),
                period_seconds=_LIMIT_SECONDS,
            )

    def read_of_board(self, kind: str) -> None:
        """What a GPU tells also while it is split."""
        if kind == "temperature":
            self._figures.refresh(kind, lambda: ask_temperature(self._nvml, self.handle), period_seconds=_HEAT_SECONDS)
        elif kind == "bus":
            self._figures.once(kind, lambda: ask_bus_address(self._nvml, self.handle))
        elif kind == "addressing":
            self._figures.once(kind, lambda: self._nvml.call("nvmlDeviceGetAddressingMode", self.handle))
        elif kind == "speed":
            self._figures.once(kind, lambda: ask_speed(self._nvml, self.handle, self._n_gpu_cores))
        elif kind == "bandwidth":
            self._figures.once(kind, lambda: ask_bandwidth(self._nvml, self.handle))
        elif kind == "model":
            self._figures.once(kind, lambda: ask_model(self._nvml, self.handle))
        elif kind in DETAIL_KINDS:
            self._details_reader().read(self.handle, kind, is_unified=self.is_unified)

    def forget_details(self) -> None:
        self._details = None

    def _details_reader(self) -> DetailsReader:
        if self._details is None:
            from probes.nvml_details import DetailsReader  # noqa: PLC0415 - 0.5 ms, for who looks at details

            self._details = DetailsReader(self._nvml, self._clock)
        return self._details

    def _read_list(self, kind: str) -> None:
        period_seconds = _CHANGED_SECONDS if self.is_unified else self._lists_seconds(kind)
        self._figures.refresh(
            kind, lambda: ask_processes(self._nvml, self.handle, LISTS[kind]), period_seconds=period_seconds
        )
        memory = self._memory.memory
        if memory is not None and self._figures.read_seconds(kind) >= memory.read_seconds:
            self._listed_free_bytes = memory.free_bytes

    def _lists_seconds(self, kind: str) -> float:
        """The first period is shorter on two of three GPUs: from then on, a third of them are asked each second."""
        return _LISTS_SECONDS - (0 if kind in self._figures else self._index % 3)

    def _n_gpu_cores(self) -> int:
        known: int | None = self._figures.value("gpu cores")
        if known is None:
            asked: int = self._nvml.call("nvmlDeviceGetNumGpuCores", self.handle)
            self._figures.once("gpu cores", lambda: asked)
            return asked
        return known

    def _ask_multiprocessors(self) -> int | None:
        if self._chip is not None:
            return ask_part_multiprocessors(self._nvml, self.handle)
        capability: str | None = self._figures.value("capability")
        return None if capability is None else n_multiprocessors(capability, self._n_gpu_cores)

    # --- telling

    def pool(self, now_seconds: float) -> Pool | None:
        memory = self._memory.memory
        if memory is None:
            return None
        return memory.pool(self.key, now_seconds, driver_held_bytes=self.driver_held_bytes())

    def driver_held_bytes(self) -> int | None:
        """What no program holds and is not free either, on machines whose system manages the GPU's memory.

        nvml.h of nvmlDeviceGetMemoryInfo, of GPUs that are NUMA nodes (GH200, GB200): pages are "typically not
        released" when a process ends. None on all others, and where the processes' part is not known.
        """
        memory = self._memory.memory
        if memory is None or memory.allocated_bytes is None or self._board.value("addressing") != _ATS:
            return None
        held_bytes = self._held_bytes()
        return None if held_bytes is None else max(0, memory.allocated_bytes - held_bytes)

    def cuda_device(self) -> CudaDevice:
        """By what CUDA knows it."""
        chip = self._chip or self
        return CudaDevice(
            key=self.key,
            bus_address=self._board.value("bus") or "",
            parent_key=None if self._chip is None else chip.key,
            instances=self._figures.value("instances"),
            model=chip._figures.value("name") or "",
            speed=chip._figures.value("speed") or 0.0,
        )

    def device(
        self, now_seconds: float, *, hidden_by: str | None, program_index: int | None, numa_node: int | None
    ) -> Device:
        """With what is known of it beside what NVML says."""
        figures = self._figures
        oldest_seconds = min(figures.all_read_seconds(_LIVE), default=now_seconds)
        return Device(
            key=self.key,
            name=self._name(),
            vendor="nvidia",
            index=self._index,
            pool_key=HOST_POOL if self.is_unified else self.key,
            used_bytes=self._used_bytes(),
            utilization_ratio=_scaled(figures.value("utilization"), 100, 1.0),
            temperature_celsius=_scaled(self._board.value("temperature"), 1, _MOST_CELSIUS),
            power_watts=_scaled(figures.value("power"), 1000, _MOST_WATTS),
            power_limit_watts=_scaled(figures.value("limit"), 1000, _MOST_WATTS),
            n_multiprocessors=figures.value("cores"),
            bandwidth_gigabytes_per_second=figures.value("bandwidth") or self._bandwidth_share(),
            compute_capability=figures.value("capability"),
            bus_address=self._board.value("bus"),
            numa_node=numa_node,
            hidden_by=hidden_by,
            program_index=program_index,
            driver=(self._chip or self)._figures.value("model"),
            parent_key=None if self._chip is None else self._chip.key,
            is_integrated=self.is_unified,
            details=None if (reader := (self._chip or self)._details) is None else reader.details(),
            late_seconds=now_seconds - oldest_seconds,
        )

    @property
    def bus_address(self) -> str | None:
        address: str | None = self._board.value("bus")
        return address

    def processes(self) -> tuple[Process, ...]:
        """Those listed last: the same objects until they are listed anew, so that nobody works on them in vain."""
        figures, memory = self._figures, self._memory.memory
        asked_seconds = figures.all_read_seconds(_LISTED)
        as_of = (asked_seconds, None if memory is None else memory.total_bytes)
        if as_of != self._processes_as_of:
            before = {process.pid: process for process in self._processes}
            self._processes_as_of, self._processes = as_of, tuple(self._listed_processes(before))
        return self._processes

    def _listed_processes(self, before: dict[int, Process]) -> Iterator[Process]:
        """Of those before, the same object where it holds the same: then nobody works on it anew."""
        shares = self._figures.value("shares") or {}
        has_shares = "shares" in self._figures
        for pid, used_bytes in self._used_by_pid().items():
            share = shares.get(pid, 0.0) if has_shares else None
            known = before.get(pid)
            if known is not None and known.used_bytes == used_bytes and known.utilization_ratio == share:
                yield known
            else:
                yield Process(pid=pid, device_key=self.key, used_bytes=used_bytes, utilization_ratio=share)

    @property
    def _board(self) -> Figures:
        """The figures of the GPU that this is, or is a part of."""
        return (self._chip or self)._figures

    def _name(self) -> str:
        name: str | None = self._figures.value("name")
        if self._chip is None or (name and "MIG" in name):
            return name or "NVIDIA GPU"
        memory = self._memory.memory
        return part_name(self._chip._figures.value("name"), None if memory is None else memory.total_bytes)

    def _bandwidth_share(self) -> float | None:
        """Of a part: a slice of the memory is an eighth of its size and of its bandwidth.

        MIG user guide, "Terminology" (docs.nvidia.com/datacenter/tesla/mig-user-guide).
        """
        if self._chip is None:
            return None
        whole: float | None = self._chip._figures.value("bandwidth")
        whole_bytes, own_bytes = self._chip._memory.total_bytes, self._memory.total_bytes
        if whole is None or not whole_bytes or not own_bytes:
            return None
        return whole * max(1, min(8, round(8 * own_bytes / whole_bytes))) / 8

    def _used_by_pid(self) -> dict[int, int | None]:
        memory = self._memory.memory
        lists: list[Listed] = [self._figures.value(kind) or () for kind in LISTS]
        return merged(lists, _MOST_BYTES if memory is None else memory.total_bytes)

    def _used_bytes(self) -> int | None:
        if self.is_unified or self._board.value("addressing") == _ATS:
            return self._held_bytes()
        memory: Memory | None = self._memory.memory
        return None if memory is None else memory.allocated_bytes

    def _held_bytes(self) -> int | None:
        """The sum of what processes hold; None where that is not known of any."""
        if not any(kind in self._figures for kind in LISTS):
            return None
        known = self._used_by_pid().values()
        return None if known and all(used is None for used in known) else sum(used or 0 for used in known)


def _scaled(number: int | None, divisor: int, most: float) -> float | None:
    """In the unit that is shown; None for what is no figure, such as 2**32 - 1."""
    return number / divisor if number is not None and 0 <= number <= most * divisor else None

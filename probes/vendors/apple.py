"""Macs with Apple silicon: what the GPU holds of the unified memory, and the most that Metal lets it take. No root.

The GPU draws on the host's pool, which the host probe reports; here come the device, its part, its limit, what it draws
and the programs it works for. All of it is read through the system's libraries, whose handles are handed in; where one
is missing or does not answer, its figures are None. Nothing was run on a Mac: what is recorded elsewhere and what comes
from headers stands at the head of ``probes/mac_gpu.py``, ``metal.py``, ``io_registry.py``, ``io_report.py``,
``smc.py`` and ``mac_kernel.py``. Whoever has a Mac can help with the output of ``plimsoll doctor --json``.

``sysctl iogpu.wired_limit_mb``: 0 is the default heuristic, else the limit in MiB. On macOS 13 it is
``debug.iogpu.wired_limit`` in bytes (ASSUMED: told by users only).
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from probes.access import REAL, Access, Attention
from probes.core_foundation import LIBRARY as CORE_FOUNDATION
from probes.core_foundation import CoreFoundation
from probes.errors import ProbeUnavailable
from probes.io_registry import LIBRARY as IO_KIT
from probes.io_registry import IoRegistry
from probes.io_report import LIBRARY as IO_REPORT
from probes.io_report import GpuReport, state_clocks_megahertz
from probes.mac_gpu import CommandRegistry, GpuRegistry, KernelRegistry, count
from probes.mac_kernel import LIBRARY as LIB_SYSTEM
from probes.mac_kernel import MacKernel
from probes.metal import MetalDevice
from probes.probe import Probe
from probes.smc import Smc
from probes.snapshot import HOST_POOL, Details, Device, Fault, Process, Reading, Version
from probes.working_set import estimated_metal_bytes

_KEY = "apple-0"
"""Unlike cards, the GPU of a Mac has no identity but the machine's."""
_PROCESS_SECONDS = 3.0
"""Some 150 clients are walked: 2 ms in Swift (see probes/mac_gpu.py), and 6 ms here with libraries that answer at once
(measured on the stand-ins of the tests); all else of a sample takes 0.1 ms so."""
_MOST_PROCESSES = 64
_MIB = 1024**2
_MOST_BYTES = 2**63 - 1


def open_probe(access: Access = REAL) -> Probe:
    """The Mac's GPU.

    Raises:
        ProbeUnavailable: this is no Mac with Apple silicon.
    """
    if access.system != "darwin":
        raise ProbeUnavailable("this is no Mac with Apple silicon", is_expected=True)
    kernel = _kernel(access)
    # True under Rosetta too, where the processor claims to be an Intel one.
    if kernel is not None and kernel.number("hw.optional.arm64") != 1:
        raise ProbeUnavailable(
            "this Mac has an Intel processor: its Intel and AMD GPUs are not read, since engines run on the processor "
            "there (Ollama's and llama.cpp's builds for such Macs come without Metal); the RAM is what counts",
            is_expected=True,
        )
    return _open_on_apple_silicon(access, kernel)


def _kernel(access: Access) -> MacKernel | None:
    try:
        return MacKernel(access.load(LIB_SYSTEM))
    except (OSError, AttributeError):
        return None


def _open_on_apple_silicon(access: Access, kernel: MacKernel | None) -> Probe:
    metal = MetalDevice(access.load)
    registry: GpuRegistry = CommandRegistry(access.run)
    report, smc = None, None
    try:
        foundation = CoreFoundation(access.load(CORE_FOUNDATION))
        entries = IoRegistry(access.load(IO_KIT), foundation)
        registry = KernelRegistry(entries)
        smc = _smc(access, entries)
        clocks = _state_clocks_megahertz(entries)
        report = GpuReport(access.load(IO_REPORT), foundation, clocks_megahertz=clocks)
    except (OSError, AttributeError):
        pass  # each has a way without it: ioreg for the registry, None for temperature, power and clock
    return AppleProbe(
        kernel=kernel,
        registry=registry,
        working_set=metal.working_set_bytes,
        report=report,
        smc=smc,
        attention=access.attention,
        release=metal.close,
    )


def _smc(access: Access, entries: IoRegistry) -> Smc | None:
    try:
        return Smc(access.load(IO_KIT), access.load(LIB_SYSTEM), entries)
    except (OSError, AttributeError):
        return None


def _state_clocks_megahertz(registry: IoRegistry) -> tuple[float, ...]:
    with registry.services("AppleARMIODevice") as entries:
        for entry in entries:
            if registry.name(entry) == "pmgr":
                states = registry.properties(entry, ("voltage-states9",))
                return state_clocks_megahertz(states.get("voltage-states9"))
    return ()


class AppleProbe:
    """One GPU, which draws on the host's pool."""

    def __init__(
        self,
        *,
        kernel: MacKernel | None,
        registry: GpuRegistry,
        working_set: Callable[[], int | None],
        report: GpuReport | None = None,
        smc: Smc | None = None,
        attention: Attention | None = None,
        release: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``working_set`` asks Metal: bytes, or None where it does not answer."""
        self._kernel = kernel
        self._registry = registry
        self._working_set = working_set
        self._report = report
        self._smc = smc
        self._attention = attention or Attention()
        self._release = release
        self._times = _GpuTimes(registry, clock)
        self._total_bytes = None if kernel is None else kernel.number("hw.memsize")
        self._name = (None if kernel is None else kernel.text("machdep.cpu.brand_string")) or "Apple GPU"
        self._macos = None if kernel is None else kernel.text("kern.osproductversion")
        self._versions = (Version(name="macOS", value=self._macos),) if self._macos else ()

    def sample(self) -> Reading:
        faults: list[Fault] = []
        properties = self._properties(faults)
        device = self._device(properties, self._limit_bytes(faults))
        if properties and device.used_bytes is None:
            faults.append(_fault("macOS reports no GPU memory in use; what the GPU holds is not known here"))
        return Reading(
            devices=(device,),
            processes=self._times.processes(),
            faults=tuple(faults),
            versions=self._versions,
        )

    def close(self) -> None:
        for source in (self._report, self._smc):
            if source is not None:
                source.close()
        self._registry.close()
        self._release()

    def _properties(self, faults: list[Fault]) -> Mapping[str, Any]:
        """The accelerator's properties, empty where they cannot be read."""
        try:
            return self._registry.properties()
        except (OSError, ValueError) as error:
            faults.append(_fault(f"the registry of macOS: {error}; what the GPU holds is not known now"))
            return {}

    def _device(self, properties: Mapping[str, Any], limit_bytes: int | None) -> Device:
        statistics = properties.get("PerformanceStatistics")
        figures: Mapping[str, Any] = statistics if isinstance(statistics, dict) else {}
        percent = count(figures.get("Device Utilization %"))
        report = self._report
        details = None
        if report is not None and self._attention.is_on_details:
            details = Details(
                graphics_clock_megahertz=report.clock_megahertz(), most_graphics_clock_megahertz=report.most_megahertz
            )
        return Device(
            key=_KEY,
            name=self._name,
            vendor="apple",
            index=0,
            pool_key=HOST_POOL,
            used_bytes=count(figures.get("In use system memory")),
            limit_bytes=limit_bytes,
            utilization_ratio=None if percent is None else min(percent, 100) / 100,
            temperature_celsius=None if self._smc is None else self._smc.gpu_celsius(),
            power_watts=None if report is None else report.power_watts(),
            n_multiprocessors=count(properties.get("gpu-core-count")) or None,
            details=details,
            late_seconds=self._registry.late_seconds(),
        )

    def _limit_bytes(self, faults: list[Fault]) -> int | None:
        limit_bytes = self._working_set()
        if limit_bytes is not None and limit_bytes > 0:
            return limit_bytes
        wired_bytes = self._wired_limit_bytes()
        if wired_bytes:
            faults.append(
                _fault("Metal does not say its limit; the one set by sysctl (iogpu.wired_limit_mb) is shown instead")
            )
            return min(wired_bytes, self._total_bytes or _MOST_BYTES)
        if self._total_bytes is None:
            faults.append(_fault("neither Metal nor sysctl hw.memsize answers; the GPU's limit is not known"))
            return None
        faults.append(_fault("Metal does not say its limit; the limit shown is estimated from the size of the RAM"))
        return estimated_metal_bytes(self._total_bytes, self._macos)

    def _wired_limit_bytes(self) -> int:
        """What a user has set; 0 where nobody has."""
        if self._kernel is None:
            return 0
        wired_mib = self._kernel.number("iogpu.wired_limit_mb")
        return wired_mib * _MIB if wired_mib else self._kernel.number("debug.iogpu.wired_limit") or 0


class _GpuTimes:
    """Which programs the GPU has worked for, and how much of its time each had since the look before."""

    def __init__(self, registry: GpuRegistry, clock: Callable[[], float]) -> None:
        self._registry = registry
        self._clock = clock
        self._read_seconds = float("-inf")
        self._nanoseconds: dict[int, int] | None = None
        self._processes: tuple[Process, ...] = ()

    def processes(self) -> tuple[Process, ...]:
        """The busiest first, then those that it once worked for; none where the registry does not tell."""
        now_seconds = self._clock()
        if now_seconds - self._read_seconds >= _PROCESS_SECONDS:
            before, self._nanoseconds = self._nanoseconds, self._registry.gpu_nanoseconds()
            interval_seconds = now_seconds - self._read_seconds
            self._read_seconds = now_seconds
            self._processes = gpu_processes(before, self._nanoseconds or {}, interval_seconds)
        return self._processes


def gpu_processes(
    before: Mapping[int, int] | None, nanoseconds: Mapping[int, int], interval_seconds: float
) -> tuple[Process, ...]:
    """Programs by how much the GPU worked for them: in the interval, then at all. Who never used it is left out.

    A program that is new in the interval has spent all of its time in it. One whose time went down has closed a client:
    what it had in the interval is not known.
    """
    shares: dict[int, float | None] = {}
    for pid, spent in nanoseconds.items():
        added = None if before is None else spent - before.get(pid, 0)
        shares[pid] = None if added is None or added < 0 else min(1.0, added / (interval_seconds * 1e9))
    order = sorted(
        (pid for pid, spent in nanoseconds.items() if spent > 0),
        key=lambda pid: (-(shares[pid] or 0.0), -nanoseconds[pid], pid),
    )
    return tuple(Process(pid=pid, device_key=_KEY, utilization_ratio=shares[pid]) for pid in order[:_MOST_PROCESSES])


def _fault(message: str) -> Fault:
    return Fault(probe="apple", message=message)

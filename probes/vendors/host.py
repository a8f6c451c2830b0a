"""The host: its RAM, its swap space, its processor, and the names of its processes.

Linux is read from /proc and /sys, macOS from its kernel (``probes/mac_host.py``), Windows from itself and psutil, whose
import takes 16 to 20 ms of a start of 60. What a container or a service may use is the tightest of its control groups'
limits, at any level above it.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from probes.access import REAL, Access
from probes.errors import ProbeLost, ProbeUnavailable
from probes.host_memory import HostMemory
from probes.machine import address_space_note, is_on_battery, linux_machine
from probes.memory_bandwidth import Bandwidth, bandwidth_of
from probes.probe import Title
from probes.process_start import psutil_ticks
from probes.process_titles import COMMAND_BYTES, process_title
from probes.processor import Processor, read_processor
from probes.snapshot import HOST_POOL, SWAP_POOL, Machine, Pool, Reading
from probes.sysfs import read_bytes
from probes.windows_host import instruction_sets, processor_feature, vendor_family_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from probes.probe import Probe, TellCommand
    from probes.windows_memory import WindowsMemory

_BATTERY_SECONDS = 10.0
"""How often the battery is asked: the firmware of some laptops takes milliseconds to answer (ASSUMED)."""
_PROCESSOR_KEY = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"


def open_probe(access: Access = REAL) -> Probe:
    """The probe of the system that this runs on."""
    if access.system == "darwin":
        from probes.mac_host import open_mac_host  # noqa: PLC0415 - deferred: ctypes, 5 ms, which Linux does not pay

        try:
            return open_mac_host(access)
        except ProbeUnavailable:
            return PsutilProbe(access)  # knows no compressor, and is better than nothing
    if access.system == "win32":
        return PsutilProbe(access, _windows_memory(access))
    return LinuxProbe(access) if access.system == "linux" else PsutilProbe(access)


def _windows_memory(access: Access) -> WindowsMemory | None:
    from probes.windows_memory import LIBRARY, WindowsMemory  # noqa: PLC0415 - deferred: ctypes, 5 ms

    try:
        return WindowsMemory(access.load(LIBRARY))
    except (OSError, AttributeError):
        return None


class LinuxProbe:
    """RAM, swap and processor from /proc and /sys."""

    def __init__(self, access: Access = REAL, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = access.root.rstrip("/")
        self._memory = HostMemory(self._root, clock)
        if not self._memory.is_readable():
            raise ProbeUnavailable("/proc/meminfo is not readable: is /proc mounted?")
        processor = read_processor(self._root)
        bandwidth = bandwidth_of(self._root, processor)
        self._machine = linux_machine(
            access, processor, bandwidth=bandwidth.gigabytes_per_second, basis=bandwidth.basis
        )
        self._notes = address_space_note(self._root)
        self._ticks: tuple[int, int] | None = None
        self._clock = clock
        self._battery_seconds = float("-inf")
        self._is_on_battery: bool | None = None

    def sample(self) -> Reading:
        pools = self._memory.pools()
        if not pools:
            raise ProbeLost("/proc/meminfo is not readable any more")
        pressure = self._memory.pressure()
        machine = replace(
            self._machine,
            cpu_utilization_ratio=self._cpu_utilization_ratio(),
            stalled_ratio=pressure.stalled_ratio,
            fully_stalled_ratio=pressure.fully_stalled_ratio,
            is_on_battery=self._battery(),
        )
        return Reading(pools=pools, machine=machine, faults=self._notes + self._memory.notes(pools))

    def close(self) -> None:
        """Nothing is held open."""

    def _cpu_utilization_ratio(self) -> float | None:
        """Since the sample before, so None at the first."""
        before, self._ticks = self._ticks, _cpu_ticks(self._root)
        if before is None or self._ticks is None:
            return None
        total = self._ticks[0] - before[0]
        idle = self._ticks[1] - before[1]
        return min(1.0, max(0.0, 1 - idle / total)) if total > 0 else None

    def _battery(self) -> bool | None:
        now_seconds = self._clock()
        if now_seconds - self._battery_seconds >= _BATTERY_SECONDS:
            self._battery_seconds, self._is_on_battery = now_seconds, is_on_battery(self._root)
        return self._is_on_battery


class PsutilProbe:
    """The same of other systems, as far as psutil tells; memory from Windows itself, which knows more of it."""

    def __init__(self, access: Access = REAL, memory: WindowsMemory | None = None) -> None:
        import psutil  # noqa: PLC0415 - deferred: 16 to 20 ms, which Linux does not pay

        self._psutil = psutil
        self._psutil.cpu_percent(None)
        self._is_first = True
        self._memory = memory
        n_logical_cores = psutil.cpu_count()
        self._machine = _other_machine(access, psutil.cpu_count(logical=False) or n_logical_cores, n_logical_cores)

    def sample(self) -> Reading:
        pools, notes = (self._memory.told() if self._memory is not None else None) or (self._pools(), ())
        percent = self._psutil.cpu_percent(None)
        utilization_ratio = None if self._is_first else min(1.0, percent / 100)
        self._is_first = False
        machine = replace(
            self._machine, cpu_utilization_ratio=utilization_ratio, is_on_battery=_is_unplugged(self._psutil)
        )
        return Reading(pools=pools, faults=notes, machine=machine)

    def close(self) -> None:
        """Nothing is held open."""

    def _pools(self) -> tuple[Pool, ...]:
        memory, swap = self._psutil.virtual_memory(), self._psutil.swap_memory()
        ram = _pool(HOST_POOL, memory.total, memory.available)
        return (ram, _pool(SWAP_POOL, swap.total, swap.free)) if swap.total > 0 else (ram,)


def _is_unplugged(psutil: ModuleType) -> bool | None:
    """None where there is no battery, or where the system does not say."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return None if battery is None or battery.power_plugged is None else not battery.power_plugged


def describe_process(pid: int, root: str = "/", tell_command: TellCommand = " ".join) -> Title | None:
    """What is known of a process of this machine, or None where it cannot be seen. Untrusted text."""
    if sys.platform != "linux" and root == "/":
        return _describe_by_psutil(pid, tell_command) if pid > 0 else None
    return process_title(pid, root.rstrip("/"), tell_command)


def psutil_library() -> ModuleType:
    """For those who read processes where there is no /proc."""
    import psutil  # noqa: PLC0415 - deferred: 16 to 20 ms, which Linux does not pay

    return psutil


def _pool(key: str, total_bytes: int, free_bytes: int) -> Pool:
    free_bytes = max(0, min(free_bytes, total_bytes))
    return Pool(key=key, total_bytes=total_bytes, used_bytes=total_bytes - free_bytes, free_bytes=free_bytes)


def _cpu_ticks(root: str) -> tuple[int, int] | None:
    """All ticks and the idle ones, since the start: the first line of /proc/stat, see proc_stat(5)."""
    words = (read_bytes(f"{root}/proc/stat", 512) or b"").split(b"\n", 1)[0].split()
    if len(words) < 5 or words[0] != b"cpu":
        return None
    # user nice system idle iowait irq softirq steal; guest ticks, which follow, are in user already
    ticks = [int(word) for word in words[1:9] if word.isdigit() and len(word) < 20]
    return sum(ticks), sum(ticks[3:5])


def _describe_by_psutil(pid: int, tell_command: TellCommand) -> Title | None:
    import psutil  # noqa: PLC0415 - deferred: 16 to 20 ms; see the head of this file

    try:
        process = psutil.Process(pid)
        name = process.name()
    except psutil.Error:
        return None
    try:
        command = tell_command(process.cmdline())[:COMMAND_BYTES]
    except (psutil.Error, OSError):
        command = ""
    try:
        user = process.username()
    except (psutil.Error, OSError, KeyError):
        user = None
    try:
        started_ticks = psutil_ticks(process.create_time())
    except (psutil.Error, OSError):
        started_ticks = None
    return Title(name=name, command=command or name, user=user, started_ticks=started_ticks)


def _other_machine(access: Access, n_cores: int | None, n_logical_cores: int | None) -> Machine:
    import platform  # noqa: PLC0415 - deferred: 2 ms, which Linux does not pay

    identifier = platform.processor()
    name = _registered_processor() or identifier
    processor = Processor(
        name=name, vendor_family_model=vendor_family_model(identifier), n_cores=n_cores, n_logical_cores=n_logical_cores
    )
    # Nothing below a root that is not there: of the processor's kind alone.
    bandwidth = bandwidth_of("", processor) if processor.vendor_family_model else Bandwidth()
    return Machine(
        host_name=access.environment.get("COMPUTERNAME") or platform.node() or "localhost",
        system={"win32": "windows"}.get(access.system, access.system),
        cpu_name=name or None,
        n_cores=n_cores,
        n_logical_cores=n_logical_cores,
        instruction_sets=instruction_sets(processor_feature),
        memory_bandwidth_gigabytes_per_second=bandwidth.gigabytes_per_second,
        memory_bandwidth_basis=bandwidth.basis,
        system_name=f"{platform.system()} {platform.release()}".strip() or None,
        kernel=platform.version()[:100] or None,
    )


def _registered_processor() -> str | None:
    """What Windows' registry calls the processor: ``platform`` gives its family and stepping there, not its name."""
    try:
        winreg: Any = import_module("winreg")
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _PROCESSOR_KEY) as key:
            name = winreg.QueryValueEx(key, "ProcessorNameString")[0]
    except (ImportError, OSError):
        return None
    return name.strip() or None if isinstance(name, str) else None

"""The host: its RAM, its swap space, its processor, and the names of its processes.

Linux is read from /proc and /sys, other systems through psutil, whose import takes 16 to 20 ms of a start of 60. What a
container or a service may use is the tightest of its control groups' limits, at any level above it.
"""

import os
import sys
from dataclasses import replace

from probes.access import REAL, Access
from probes.cgroup import groups
from probes.errors import ProbeLost, ProbeUnavailable
from probes.probe import Probe, Title
from probes.snapshot import HOST_POOL, SWAP_POOL, Machine, Pool, Reading
from probes.sysfs import read_bytes, read_fields, read_number, read_text

_COMMAND_BYTES = 4096
"""Of a command line. The kernel allows 2 MiB; nobody reads more than this (ASSUMED)."""
_COMM_LENGTH = 15
"""The kernel cuts a process's name here: TASK_COMM_LEN (16) with its NUL, include/linux/sched.h."""
_FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""The namespace of the whole machine: PROC_PID_INIT_INO, include/linux/proc_ns.h."""
_GPU_FILES = ("/dev/nvidia", "/dev/dri/", "/dev/kfd", "/dev/dxg")
"""One of these is open in a process that holds GPU memory."""
_DESCRIPTORS = 4096
"""How many open files of one process are looked through for those (ASSUMED)."""


def open_probe(access: Access = REAL) -> Probe:
    """The probe of the system that this runs on."""
    return LinuxProbe(access.root) if access.system == "linux" else PsutilProbe()


class LinuxProbe:
    """RAM, swap and processor from /proc and /sys: 0.08 ms a sample."""

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")
        if "MemTotal" not in read_fields(f"{self._root}/proc/meminfo"):
            raise ProbeUnavailable("/proc/meminfo is not readable: is /proc mounted?")
        self._groups = tuple(groups(self._root))
        self._has_arc = os.path.exists(f"{self._root}{_ARC}")
        self._machine = _linux_machine(self._root)
        self._ticks: tuple[int, int] | None = None

    def sample(self) -> Reading:
        meminfo = {name: 1024 * value for name, value in read_fields(f"{self._root}/proc/meminfo").items()}
        if "MemTotal" not in meminfo:
            raise ProbeLost("/proc/meminfo is not readable any more")
        pools = [self._ram(meminfo)]
        swap = self._swap(meminfo)
        if swap is not None:
            pools.append(swap)
        machine = replace(self._machine, cpu_utilization_ratio=self._cpu_utilization_ratio())
        return Reading(pools=tuple(pools), machine=machine)

    def close(self) -> None:
        """Nothing is held open."""

    def _ram(self, meminfo: dict[str, int]) -> Pool:
        total_bytes = meminfo["MemTotal"]
        free_bytes = _available_bytes(meminfo)
        if self._has_arc:
            free_bytes += _reclaimable_arc_bytes(self._root)
        for group in self._groups:
            limit_bytes = group.limit_bytes()
            # A limit above the RAM never binds before the RAM does, so what is used of it is not asked.
            if limit_bytes is None or limit_bytes >= meminfo["MemTotal"]:
                continue
            total_bytes = min(total_bytes, limit_bytes)
            free_bytes = min(free_bytes, limit_bytes - group.used_bytes())
        return _pool(HOST_POOL, total_bytes, free_bytes)

    def _swap(self, meminfo: dict[str, int]) -> Pool | None:
        total_bytes, free_bytes = meminfo.get("SwapTotal", 0), meminfo.get("SwapFree", 0)
        if total_bytes > 0:
            for group in self._groups:
                limit_bytes = group.swap_limit_bytes()
                if limit_bytes is not None and limit_bytes < total_bytes:
                    total_bytes = limit_bytes
                    free_bytes = min(free_bytes, limit_bytes - group.swap_used_bytes())
        return _pool(SWAP_POOL, total_bytes, free_bytes) if total_bytes > 0 else None

    def _cpu_utilization_ratio(self) -> float | None:
        """Since the sample before, so None at the first."""
        before, self._ticks = self._ticks, _cpu_ticks(self._root)
        if before is None or self._ticks is None:
            return None
        total = self._ticks[0] - before[0]
        idle = self._ticks[1] - before[1]
        return min(1.0, max(0.0, 1 - idle / total)) if total > 0 else None


class PsutilProbe:
    """The same of macOS and Windows, as far as psutil tells."""

    def __init__(self) -> None:
        import psutil  # noqa: PLC0415 - deferred: 16 to 20 ms, which Linux does not pay

        self._psutil = psutil
        self._psutil.cpu_percent(None)
        self._is_first = True
        self._machine = _other_machine(psutil.cpu_count(logical=False) or psutil.cpu_count())

    def sample(self) -> Reading:
        memory = self._psutil.virtual_memory()
        swap = self._psutil.swap_memory()
        pools = [_pool(HOST_POOL, memory.total, memory.available)]
        if swap.total > 0:
            pools.append(_pool(SWAP_POOL, swap.total, swap.free))
        percent = self._psutil.cpu_percent(None)
        utilization_ratio = None if self._is_first else min(1.0, percent / 100)
        self._is_first = False
        return Reading(pools=tuple(pools), machine=replace(self._machine, cpu_utilization_ratio=utilization_ratio))

    def close(self) -> None:
        """Nothing is held open."""


def describe_process(pid: int, root: str = "/") -> Title | None:
    """What is known of a process of this machine, or None where it cannot be seen. Untrusted text.

    A driver reports the pids of the whole machine. In a container, a process of that number may be quite another one:
    there, only one that has a GPU's file open is taken for it.
    """
    if pid <= 0:
        return None
    if sys.platform != "linux" and root == "/":
        return _describe_by_psutil(pid)
    proc = f"{str(root).rstrip('/')}/proc"
    comm = read_text(f"{proc}/{pid}/comm", 256)
    if comm is None or not (_sees_whole_machine(proc) or _uses_gpu(f"{proc}/{pid}/fd")):
        return None
    arguments = (read_bytes(f"{proc}/{pid}/cmdline", _COMMAND_BYTES) or b"").rstrip(b"\0").split(b"\0")
    command = b" ".join(arguments).decode(errors="replace")
    program = os.path.basename(arguments[0]).decode(errors="replace")
    is_cut = len(comm.encode()) >= _COMM_LENGTH and program.startswith(comm)
    return Title(name=program if is_cut else comm, command=command or comm)


# --- what the kernel says of memory and processor


_ARC = "/proc/spl/kstat/zfs/arcstats"


def _available_bytes(meminfo: dict[str, int]) -> int:
    if "MemAvailable" in meminfo:
        return meminfo["MemAvailable"]
    # Kernels before 3.14 lack it, and some sandboxes (gVisor of 2018) do.
    return sum(meminfo.get(name, 0) for name in ("MemFree", "Buffers", "Cached"))


def _reclaimable_arc_bytes(root: str) -> int:
    """ZFS gives its cache back on demand, and MemAvailable does not know: github.com/openzfs/zfs/issues/10255."""
    size_bytes = minimum_bytes = 0
    for line in (read_text(f"{root}{_ARC}") or "").splitlines():
        words = line.split()
        if len(words) == 3 and words[2].isdigit():
            if words[0] == "size":
                size_bytes = int(words[2])
            elif words[0] == "c_min":
                minimum_bytes = int(words[2])
    return max(0, size_bytes - minimum_bytes)


def _pool(key: str, total_bytes: int, free_bytes: int) -> Pool:
    free_bytes = max(0, min(free_bytes, total_bytes))
    return Pool(key=key, total_bytes=total_bytes, used_bytes=total_bytes - free_bytes, free_bytes=free_bytes)


def _cpu_ticks(root: str) -> tuple[int, int] | None:
    """All ticks and the idle ones, since the start: the first line of /proc/stat, see proc_stat(5)."""
    words = (read_bytes(f"{root}/proc/stat", 512) or b"").split(b"\n", 1)[0].split()
    if len(words) < 5 or words[0] != b"cpu":
        return None
    # user nice system idle iowait irq softirq steal; guest ticks, which follow, are in user already
    ticks = [int(word) for word in words[1:9] if word.isdigit()]
    return sum(ticks), sum(ticks[3:5])


def _linux_machine(root: str) -> Machine:
    release = read_text(f"{root}/proc/sys/kernel/osrelease") or ""
    fields = _first_processor(root)
    return Machine(
        host_name=read_text(f"{root}/proc/sys/kernel/hostname") or "localhost",
        system="wsl" if "microsoft" in release.lower() else "linux",
        cpu_name=fields.get("model name") or fields.get("cpu model") or fields.get("cpu"),
        n_cores=_n_cores(root, fields.get("cpu cores", "")),
    )


def _first_processor(root: str) -> dict[str, str]:
    """The first entry of /proc/cpuinfo. The whole of it costs milliseconds where there are hundreds of cores."""
    fields: dict[str, str] = {}
    for line in (read_text(f"{root}/proc/cpuinfo", 4096) or "").split("\n\n", 1)[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    return fields


def _n_cores(root: str, cores_per_package: str) -> int | None:
    """Physical cores: those of one package (x86 says so in /proc/cpuinfo) times the packages, else logical ones."""
    cpus = f"{root}/sys/devices/system/cpu"
    spans = [span.split("-") for span in (read_text(f"{cpus}/online") or "").split(",") if span]
    if not all(number.isdigit() for span in spans for number in span):
        return None
    n_logical = sum(int(span[-1]) - int(span[0]) + 1 for span in spans)
    if not cores_per_package.isdigit() or n_logical == 0:
        return n_logical or None
    last_package = read_number(f"{cpus}/cpu{spans[-1][-1]}/topology/physical_package_id") or 0
    return min(n_logical, int(cores_per_package) * (last_package + 1))


# --- processes


def _sees_whole_machine(proc: str) -> bool:
    try:
        return os.readlink(f"{proc}/self/ns/pid") == _FIRST_PID_NAMESPACE
    except OSError:
        return True


def _uses_gpu(descriptors: str) -> bool:
    try:
        with os.scandir(descriptors) as entries:
            for _, entry in zip(range(_DESCRIPTORS), entries, strict=False):
                if os.readlink(entry.path).startswith(_GPU_FILES):
                    return True
    except OSError:
        return False
    return False


def _describe_by_psutil(pid: int) -> Title | None:
    import psutil  # noqa: PLC0415 - deferred: 16 to 20 ms; see the head of this file

    try:
        process = psutil.Process(pid)
        name = process.name()
    except psutil.Error:
        return None
    try:
        command = " ".join(process.cmdline())[:_COMMAND_BYTES]
    except (psutil.Error, OSError):
        command = ""
    return Title(name=name, command=command or name)


def _other_machine(n_cores: int | None) -> Machine:
    import platform  # noqa: PLC0415 - deferred: 2 ms, which Linux does not pay

    return Machine(
        host_name=platform.node() or "localhost",
        system={"win32": "windows"}.get(sys.platform, sys.platform),
        cpu_name=_brand() if sys.platform == "darwin" else platform.processor() or None,
        n_cores=n_cores,
    )


def _brand() -> str | None:
    """``Apple M3 Max``: what ``sysctl machdep.cpu.brand_string`` prints, without the 5 ms of a program's start."""
    import ctypes  # noqa: PLC0415 - deferred: 5 ms, which Linux does not pay

    buffer = ctypes.create_string_buffer(128)
    size = ctypes.c_size_t(len(buffer))
    try:
        failed = ctypes.CDLL(None).sysctlbyname(b"machdep.cpu.brand_string", buffer, ctypes.byref(size), None, 0)
    except (OSError, AttributeError):
        return None
    return None if failed else buffer.value.decode(errors="replace") or None

"""The processes that hold memory of a GPU: what the driver lists, made one list, and whose numbers they are."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from probes import nvml_codes as codes
from probes.access import Access
from probes.nvml_binding import Nvml, RefusedError
from probes.pid_namespace import has_open, sees_whole_machine

_MOST_PID = 1 << 22
"""PID_MAX_LIMIT of include/linux/threads.h. Drivers 535.43 to 535.86 list numbers that are none (wookayin/gpustat
#161)."""
_GARBLED = ((535, 43), (535, 86))
"""The first and last driver whose third version of the list has another struct than its header (XuehaiPan/nvitop #75,
wookayin/gpustat #161): there, the second version is asked."""
_GPU_FILES = ("/dev/nvidia", "/dev/dxg", "/dev/nvmap", "/dev/nvhost")
"""One of these is open in a process that holds memory of an NVIDIA GPU."""
_LOCAL_SECONDS = 10.0
"""So long holds what was found out about the numbers."""

Listed = tuple[tuple[int, int | None], ...]
"""Process number and bytes held, None where the driver does not say (WDDM, WSL)."""


def ask_processes(nvml: Nvml, handle: Any, kind: str) -> Listed:
    """What the driver lists of one kind: ``Compute``, ``Graphics`` or ``MPSCompute``."""
    function = f"nvmlDeviceGet{kind}RunningProcesses"
    version = nvml.driver_version()
    if version is not None and _GARBLED[0] <= version <= _GARBLED[1]:
        listed = nvml.call(f"{function}_v2", handle)
    else:
        try:
            listed = nvml.call(f"{function}_v3", handle)
        except RefusedError as refused:
            if refused.code != codes.FUNCTION_NOT_FOUND:
                raise
            # drivers before 510
            listed = nvml.call(f"{function}_v2", handle)
    return tuple((process.pid, process.usedGpuMemory) for process in listed)


def merged(lists: Iterable[Listed], most_bytes: int) -> dict[int, int | None]:
    """A program that draws and computes stands in several lists: it counts once, with the larger figure.

    What is more than ``most_bytes`` is no figure: garbage, or 2**64 - 1 as WSL has it (Syllo/nvtop #432).
    """
    used_by_pid: dict[int, int | None] = {}
    for listed in lists:
        for pid, reported_bytes in listed:
            if not 0 < pid <= _MOST_PID:
                continue
            used_bytes = None if reported_bytes is None or not 0 <= reported_bytes <= most_bytes else reported_bytes
            before = used_by_pid.get(pid)
            used_by_pid[pid] = used_bytes if before is None else max(before, used_bytes or 0)
    return used_by_pid


class Shares:
    """How much of a GPU's time each process had."""

    def __init__(self, nvml: Nvml) -> None:
        self._nvml = nvml
        self._last_seen_microseconds = 0

    def ask(self, handle: Any) -> dict[int, float]:
        """Process number -> ratio, of those that had any since they were asked for last."""
        try:
            samples = self._nvml.call("nvmlDeviceGetProcessUtilization", handle, self._last_seen_microseconds)
        except RefusedError as refused:
            # No samples since then, which the binding also makes an error where the driver does not.
            if refused.code in (codes.NOT_FOUND, codes.SUCCESS):
                return {}
            raise
        latest: dict[int, tuple[int, int]] = {}
        for sample in samples:
            if sample.timeStamp > latest.get(sample.pid, (-1, 0))[0]:
                latest[sample.pid] = (sample.timeStamp, sample.smUtil)
        stamps = [stamp for stamp, _ in latest.values() if stamp < 1 << 62]
        self._last_seen_microseconds = max(stamps, default=self._last_seen_microseconds)
        return {pid: percent / 100 for pid, (_, percent) in latest.items() if 0 <= percent <= 100}


class Namespace:
    """Whether the numbers that the driver gives are numbers of this system.

    The driver gives those of the whole machine (NVIDIA/nvidia-docker #1483), in some versions those of the container
    (NVIDIA/open-gpu-kernel-modules #614). Inside a container a number may by chance be that of another process. So
    either each listed number is here one that has a GPU's file open, and the driver translates; or none is ours.
    """

    def __init__(self, access: Access, clock: Callable[[], float]) -> None:
        self._root = access.root.rstrip("/")
        self._clock = clock
        # Inside WSL the driver is that of Windows, whose numbers are others too.
        is_wsl = os.path.exists(access.path("/dev/dxg"))
        self._is_whole = access.system != "linux" or (sees_whole_machine(self._root) and not is_wsl)
        self._pids: frozenset[int] = frozenset()
        self._are_local = True
        self._until_seconds = float("-inf")

    @property
    def is_whole(self) -> bool:
        """Whether they are, because the whole machine is seen from here."""
        return self._is_whole

    def are_local(self, pids: frozenset[int]) -> bool:
        if self._is_whole:
            return True
        now_seconds = self._clock()
        if pids != self._pids or now_seconds >= self._until_seconds:
            self._pids = pids
            self._until_seconds = now_seconds + _LOCAL_SECONDS
            self._are_local = all(has_open(pid, self._root, _GPU_FILES) for pid in pids)
        return self._are_local

"""A Mac's GPU in the registry of macOS: what its driver counts, and how long it worked for each program.

- ``PerformanceStatistics`` of the accelerator: "In use system memory" in bytes, of all programs together, and "Device
  Utilization %". "Alloc system memory" is no total, it fluctuates (fastfetch issue 1273). ``gpu-core-count`` stands
  beside it. Recorded on an M1 Pro or Max: github.com/exelban/stats/issues/1094, 2022-09-23.
- Each program that uses the GPU has a client below the accelerator: ``IOUserClientCreator`` ("pid 440, WindowServer")
  and ``AppUsage``, a list with ``accumulatedGPUTime`` in nanoseconds, of every user's programs and without root. It
  agrees with Activity Monitor (1,233,367,625 ns on an M3 Pro, github.com/wieslawsoltes/ActivityMonitor/pull/7,
  2026-09-09). No memory is told per program.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from probes.access import Run
    from probes.io_registry import IoRegistry

ACCELERATOR = "IOAccelerator"
_PROPERTIES = ("PerformanceStatistics", "gpu-core-count")
_CLIENT_PROPERTIES = ("IOUserClientCreator", "AppUsage")
_COMMAND = ("/usr/sbin/ioreg", "-r", "-d", "1", "-c", ACCELERATOR, "-a")
_COMMAND_SECONDS = 5.0
"""A program that is started for a reading is not started more often than this."""
_MOST_PLIST_BYTES = 4 * 1024**2
"""Assumed: without the tree below an accelerator its property list has some ten kilobytes."""
_MOST_COUNT = 2**63 - 1


class GpuRegistry(Protocol):
    """Where the figures come from."""

    def properties(self) -> Mapping[str, Any]:
        """Of the accelerator.

        Raises:
            OSError: they can't be read.
            ValueError: there is no accelerator.
        """
        ...

    def gpu_nanoseconds(self) -> dict[int, int] | None:
        """Pid -> how long the GPU has worked for it; None where that is not known."""
        ...

    def late_seconds(self) -> float:
        """How old the properties are."""
        ...

    def close(self) -> None: ...


class KernelRegistry:
    """Asked in place, at every reading."""

    def __init__(self, registry: IoRegistry) -> None:
        self._registry = registry

    def properties(self) -> Mapping[str, Any]:
        with self._registry.services(ACCELERATOR) as accelerators:
            return _first_with_statistics([self._registry.properties(entry, _PROPERTIES) for entry in accelerators])

    def gpu_nanoseconds(self) -> dict[int, int]:
        times: dict[int, int] = {}
        with self._registry.services(ACCELERATOR) as accelerators:
            for accelerator in accelerators:
                with self._registry.children(accelerator) as clients:
                    for client in clients:
                        _add_usage(times, self._registry.properties(client, _CLIENT_PROPERTIES))
        return times

    def late_seconds(self) -> float:
        return 0.0

    def close(self) -> None:
        self._registry.close()


class CommandRegistry:
    """What ``ioreg`` prints, where the registry can't be asked in place; seldom, since it is a program's start."""

    def __init__(self, run: Run, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._read_seconds = float("-inf")
        self._properties: Mapping[str, Any] = {}

    def properties(self) -> Mapping[str, Any]:
        if self._clock() - self._read_seconds >= _COMMAND_SECONDS:
            # What fails is tried again at the next reading.
            self._properties = accelerator_properties(self._run(_COMMAND))
            self._read_seconds = self._clock()
        return self._properties

    def gpu_nanoseconds(self) -> None:
        return None

    def late_seconds(self) -> float:
        return max(0.0, self._clock() - self._read_seconds) if self._properties else 0.0

    def close(self) -> None:
        """Nothing is held open."""


def accelerator_properties(plist: bytes) -> Mapping[str, Any]:
    """The first accelerator with statistics in what ``ioreg -a`` printed.

    Raises:
        ValueError: it is no property list, or holds no accelerator.
    """
    import plistlib  # noqa: PLC0415 - 12 ms, and only those pay who start ioreg
    from xml.parsers.expat import ExpatError  # noqa: PLC0415 - comes with plistlib

    if len(plist) > _MOST_PLIST_BYTES:
        raise ValueError(f"a property list of {len(plist)} bytes is too long")
    try:
        entries = plistlib.loads(plist, fmt=plistlib.FMT_XML)
    except (ExpatError, ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        # plistlib has no error of its own for XML: a bad <date>, for one, is an AttributeError in Python 3.11.
        raise ValueError(f"not a property list ({type(error).__name__})") from error
    return _first_with_statistics(entries if isinstance(entries, list) else [])


def count(value: object) -> int | None:
    """The value where it is a sensible count; anything else in the registry is as good as not reported."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_COUNT else None


def _first_with_statistics(entries: list[Any]) -> Mapping[str, Any]:
    found: list[Mapping[str, Any]] = [entry for entry in entries if isinstance(entry, dict)]
    if not found:
        raise ValueError("no accelerator is listed, as in a virtual machine")
    return next((entry for entry in found if isinstance(entry.get("PerformanceStatistics"), dict)), found[0])


def _add_usage(times: dict[int, int], client: Mapping[str, Any]) -> None:
    pid, usage = creator_pid(client.get("IOUserClientCreator")), client.get("AppUsage")
    if pid is None or not isinstance(usage, list):
        return
    spent = [count(entry.get("accumulatedGPUTime")) for entry in usage if isinstance(entry, dict)]
    times[pid] = times.get(pid, 0) + sum(nanoseconds for nanoseconds in spent if nanoseconds is not None)


def creator_pid(creator: object) -> int | None:
    """440 of "pid 440, WindowServer". The name is cut to 16 characters, so only the number is of use."""
    if not isinstance(creator, str):
        return None
    word, _, rest = creator.partition(" ")
    digits = rest.partition(",")[0]
    is_pid = word == "pid" and digits.isascii() and digits.isdigit() and len(digits) <= 9
    return int(digits) if is_pid else None

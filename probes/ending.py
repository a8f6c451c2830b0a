"""Ends a process, and only the one that is meant: a number may have been given to another one in between."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from probes.access import REAL, Access
from probes.errors import ProbeError
from probes.process_start import parent_and_start, psutil_ticks
from probes.sysfs import read_text

if TYPE_CHECKING:
    from collections.abc import Callable

_COMM_LENGTH = 15
"""The kernel cuts a process's name here: TASK_COMM_LEN (16) with its NUL, include/linux/sched.h."""
_ANOTHER = "is another process by now, and was left alone"


class NotEndedError(ProbeError):
    """The process goes on, or was gone already; the message says why."""


def end_process(
    pid: int, name: str, started_ticks: int | None = None, *, is_forced: bool = False, access: Access = REAL
) -> None:
    """Ask the process to end (SIGTERM), or end it at once (SIGKILL).

    Args:
        pid: its number.
        name: as it was shown; what tells it from another one where its start is not known.
        started_ticks: as ``Process.started_ticks``; what tells it from another one.
        is_forced: at once.
        access: where its names are read.

    Raises:
        NotEndedError: it is gone, another one has its number, or it is another user's.
    """
    if pid <= 1 or pid == os.getpid():
        raise NotEndedError(f"{pid} is not ended from here")
    try:
        if sys.platform == "linux":
            wanted = signal.SIGKILL if is_forced else signal.SIGTERM
            _end_by_handle(pid, wanted, lambda: _expect(pid, name, started_ticks, access))
        else:
            from probes.vendors.host import psutil_library  # noqa: PLC0415 - psutil is 16 to 20 ms: for what is ended

            end_by_psutil(psutil_library(), pid, name, started_ticks, is_forced=is_forced)
    except ProcessLookupError:
        raise NotEndedError(f"process {pid} is gone already") from None
    except PermissionError:
        raise NotEndedError(f"process {pid} is another user's; `sudo kill {pid}` ends it") from None
    except OSError as error:
        raise NotEndedError(f"process {pid} could not be ended: {error.strerror or error}") from None


def _end_by_handle(pid: int, wanted: int, expect: Callable[[], None]) -> None:
    """The handle stays with the process: what is looked at is what is ended.

    Before Linux 5.3 there are none (pidfd_open(2)): there it is looked at right before.
    """
    try:
        handle = os.pidfd_open(pid)
    except (AttributeError, OSError) as error:
        if isinstance(error, ProcessLookupError):
            raise
        expect()
        os.kill(pid, wanted)
        return
    try:
        expect()
        signal.pidfd_send_signal(handle, wanted)
    finally:
        os.close(handle)


def _expect(pid: int, name: str, started_ticks: int | None, access: Access) -> None:
    """Raises NotEndedError where another one has the number."""
    now = read_text(access.path(f"/proc/{pid}/comm"), 64)
    stat = parent_and_start(pid, access.root.rstrip("/"))
    if started_ticks is None or stat is None:
        is_same = now is None or name.startswith(now) or now.startswith(name[:_COMM_LENGTH])
    else:
        is_same = stat[1] == started_ticks  # whatever it calls itself by now
    if not is_same:
        raise NotEndedError(f"{pid} is {now[:40]!a} by now, and was left alone" if now else f"{pid} {_ANOTHER}")


def end_by_psutil(library: Any, pid: int, name: str, started_ticks: int | None, *, is_forced: bool) -> None:
    """The same where psutil knows processes; it looks at the start once more before it ends one (``send_signal``).

    Raises:
        NotEndedError: as ``end_process``.
    """
    try:
        process = library.Process(pid)
        if started_ticks is None:
            is_same = process.name() == name  # as ``probes.vendors.host`` had it of psutil
        else:
            is_same = psutil_ticks(process.create_time()) == started_ticks
        if not is_same:
            raise NotEndedError(f"{pid} {_ANOTHER}")
        (process.kill if is_forced else process.terminate)()
    except library.NoSuchProcess:
        raise ProcessLookupError(pid) from None
    except library.AccessDenied:
        raise PermissionError(pid) from None

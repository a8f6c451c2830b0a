"""Ends a process, and only the one that is meant: a number may have been given to another one in between."""

import os
import signal
import sys

from probes.access import REAL, Access
from probes.errors import ProbeError
from probes.sysfs import read_text


class NotEndedError(ProbeError):
    """The process goes on, or was gone already; the message says why."""


def end_process(pid: int, name: str, *, is_forced: bool = False, access: Access = REAL) -> None:
    """Ask the process of that number and name to end (SIGTERM), or end it at once (SIGKILL).

    Raises:
        NotEndedError: it is gone, another one has its number, or it is another user's.
    """
    if pid <= 1 or pid == os.getpid():
        raise NotEndedError(f"{pid} is not ended from here")
    wanted = signal.SIGTERM if not is_forced or os.name == "nt" else signal.SIGKILL
    try:
        if hasattr(os, "pidfd_open") and sys.platform == "linux":
            _end_by_handle(pid, name, wanted, access)
        else:
            os.kill(pid, wanted)
    except ProcessLookupError:
        raise NotEndedError(f"process {pid} is gone already") from None
    except PermissionError:
        raise NotEndedError(f"process {pid} is another user's; `sudo kill {pid}` ends it") from None
    except OSError as error:
        raise NotEndedError(f"process {pid} could not be ended: {error.strerror or error}") from None


def _end_by_handle(pid: int, name: str, wanted: int, access: Access) -> None:
    """The handle stays with the process: what is looked at is what is ended."""
    handle = os.pidfd_open(pid)
    try:
        now = read_text(access.path(f"/proc/{pid}/comm"), 64)
        if now is not None and not name.startswith(now) and not now.startswith(name[:15]):
            raise NotEndedError(f"{pid} is {now[:40]!a} by now, and was left alone")
        signal.pidfd_send_signal(handle, wanted)
    finally:
        os.close(handle)

"""RAM and page files of Windows, and what it can still promise to programs.

Windows gives no memory that it could not back: an allocation fails when the *commit charge* would exceed RAM and page
files together, even while RAM is free. Drivers commit as much for what they hold on a GPU, so small page files keep
models off GPUs that have room. psutil tells the RAM alone.

Not run on Windows; ``MEMORYSTATUSEX`` is from sysinfoapi.h (learn.microsoft.com, GlobalMemoryStatusEx, 2026-11):
``ullTotalPageFile`` is the commit limit and ``ullAvailPageFile`` what can still be committed.
"""

from __future__ import annotations

import ctypes
from typing import Any

from probes.libraries import Prototypes, declare
from probes.snapshot import HOST_POOL, SWAP_POOL, Fault, Pool

LIBRARY = "kernel32.dll"

_GIB = 1024**3
_MOST_BYTES = 2**63 - 1
_PROTOTYPES: Prototypes = {"GlobalMemoryStatusEx": (ctypes.c_int32, [ctypes.c_void_p])}


class _Status(ctypes.Structure):
    """``MEMORYSTATUSEX``."""

    _fields_ = (
        ("n_bytes", ctypes.c_uint32),
        ("percent", ctypes.c_uint32),
        ("total_phys", ctypes.c_uint64),
        ("avail_phys", ctypes.c_uint64),
        ("total_page_file", ctypes.c_uint64),
        ("avail_page_file", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64),
        ("avail_virtual", ctypes.c_uint64),
        ("avail_extended_virtual", ctypes.c_uint64),
    )


class WindowsMemory:
    """What Windows says of its memory at each question."""

    def __init__(self, library: Any) -> None:
        """``library`` is a handle to kernel32.

        Raises:
            AttributeError: it lacks the function.
        """
        self._call = declare(library, _PROTOTYPES)["GlobalMemoryStatusEx"]

    def told(self) -> tuple[tuple[Pool, ...], tuple[Fault, ...]] | None:
        """RAM and page files, and a note where these bind before the RAM does; None where Windows does not answer."""
        status = _Status(n_bytes=ctypes.sizeof(_Status))
        if not self._call(ctypes.addressof(status)) or not 0 < status.total_phys <= _MOST_BYTES:
            return None
        available_bytes = min(status.avail_phys, status.total_phys)
        committable_bytes = min(status.avail_page_file, _MOST_BYTES)
        free_bytes = min(available_bytes, committable_bytes)
        pools = [_pool(HOST_POOL, status.total_phys, free_bytes)]
        page_file_bytes = min(status.total_page_file, _MOST_BYTES) - status.total_phys
        if page_file_bytes > 0:
            pools.append(_pool(SWAP_POOL, page_file_bytes, max(0, committable_bytes - available_bytes), "file"))
        notes: tuple[Fault, ...] = ()
        if committable_bytes < available_bytes:
            notes = (_commit_note(available_bytes, committable_bytes),)
        return tuple(pools), notes


def _pool(key: str, total_bytes: int, free_bytes: int, medium: str | None = None) -> Pool:
    free_bytes = min(free_bytes, total_bytes)
    used_bytes = total_bytes - free_bytes
    return Pool(key=key, total_bytes=total_bytes, used_bytes=used_bytes, free_bytes=free_bytes, medium=medium)


def _commit_note(available_bytes: int, committable_bytes: int) -> Fault:
    return Fault(
        probe="host",
        message=f"Windows can promise programs {committable_bytes / _GIB:.1f} GiB more although "
        f"{available_bytes / _GIB:.1f} GiB of RAM are free: the page file is too small; let Windows manage its size",
        is_note=True,
    )

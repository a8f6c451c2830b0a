"""What the kernel of macOS says of itself, through libSystem: named values, page counts, swap space, processor time.

No program is started: ``sysctl`` and ``vm_stat`` read the same, and take 5 ms each. Not run on a Mac; prototypes and
structures are from xnu (github.com/apple-oss-distributions/xnu at 1031c58): bsd/sys/sysctl.h (``sysctlbyname``,
``struct xsw_usage``), osfmk/mach/host_info.h (flavors) and osfmk/mach/vm_statistics.h (``struct vm_statistics64``).
"""

from __future__ import annotations

import ctypes
from typing import Any

from records.record import record

LIBRARY = "/usr/lib/libSystem.B.dylib"

_HOST_CPU_LOAD_INFO = 3
_HOST_VM_INFO64 = 4
_TEXT_BYTES = 256
_MOST_BYTES = 2**63 - 1


class _VmStatistics64(ctypes.Structure):
    """``struct vm_statistics64`` up to its first revision: 38 words. A newer kernel fills no more than asked for."""

    _fields_ = (
        ("free_count", ctypes.c_uint32),
        ("active_count", ctypes.c_uint32),
        ("inactive_count", ctypes.c_uint32),
        ("wire_count", ctypes.c_uint32),
        ("zero_fill_count", ctypes.c_uint64),
        ("reactivations", ctypes.c_uint64),
        ("pageins", ctypes.c_uint64),
        ("pageouts", ctypes.c_uint64),
        ("faults", ctypes.c_uint64),
        ("cow_faults", ctypes.c_uint64),
        ("lookups", ctypes.c_uint64),
        ("hits", ctypes.c_uint64),
        ("purges", ctypes.c_uint64),
        ("purgeable_count", ctypes.c_uint32),
        ("speculative_count", ctypes.c_uint32),
        ("decompressions", ctypes.c_uint64),
        ("compressions", ctypes.c_uint64),
        ("swapins", ctypes.c_uint64),
        ("swapouts", ctypes.c_uint64),
        ("compressor_page_count", ctypes.c_uint32),
        ("throttled_count", ctypes.c_uint32),
        ("external_page_count", ctypes.c_uint32),
        ("internal_page_count", ctypes.c_uint32),
        ("total_uncompressed_pages_in_compressor", ctypes.c_uint64),
    )


class _SwapUsage(ctypes.Structure):
    """``struct xsw_usage``."""

    _fields_ = (
        ("total", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("used", ctypes.c_uint64),
        ("page_bytes", ctypes.c_uint32),
        ("is_encrypted", ctypes.c_uint32),
    )


class _CpuTicks(ctypes.Structure):
    """``struct host_cpu_load_info``: ticks of all cores together."""

    _fields_ = (
        ("user", ctypes.c_uint32),
        ("system", ctypes.c_uint32),
        ("idle", ctypes.c_uint32),
        ("nice", ctypes.c_uint32),
    )


@record(frozen=True, slots=True, kw_only=True)
class PageCounts:
    """The kernel's page queues, in bytes, as ``vm_stat`` counts them."""

    free_bytes: int
    """Holding nothing at all. ``free_count`` of the kernel has the speculative pages in it, these have not."""
    purgeable_bytes: int
    """Of programs that said these may be thrown away."""
    file_bytes: int
    """Of files: the page cache, read ahead of need (speculative) or mapped. Not wired ones."""
    compressor_bytes: int
    """What compressed pages of programs take."""
    wired_bytes: int
    """Not to be moved: the kernel's, and what a GPU uses."""


@record(frozen=True, slots=True, kw_only=True)
class SwapUsage:
    total_bytes: int
    """Of the files that exist now: macOS makes more as they are needed."""
    used_bytes: int


class MacKernel:
    """libSystem, as far as it answers: what it does not know is None."""

    def __init__(self, library: Any) -> None:
        """``library`` is a handle to libSystem.

        Raises:
            AttributeError: it lacks a function, so it is no libSystem.
        """
        self._sysctlbyname = library.sysctlbyname
        self._sysctlbyname.argtypes = [
            ctypes.c_char_p,
            ctypes.c_void_p,
            ctypes.POINTER(ctypes.c_size_t),
            ctypes.c_void_p,
            ctypes.c_size_t,
        ]
        self._sysctlbyname.restype = ctypes.c_int
        self._host_statistics = library.host_statistics
        self._host_statistics64 = library.host_statistics64
        for function in (self._host_statistics, self._host_statistics64):
            function.argtypes = [ctypes.c_uint32, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32)]
            function.restype = ctypes.c_int
        page_size = library.host_page_size
        page_size.argtypes, page_size.restype = [ctypes.c_uint32, ctypes.POINTER(ctypes.c_size_t)], ctypes.c_int
        host_self = library.mach_host_self
        host_self.argtypes, host_self.restype = [], ctypes.c_uint32
        # Asked once, since each call takes one more reference to the port.
        self._host = host_self()
        n_bytes = ctypes.c_size_t()
        # Not sysctl hw.pagesize, which tells a program under Rosetta 4 KiB.
        failed = page_size(self._host, ctypes.byref(n_bytes))
        self._page_bytes = 0 if failed else n_bytes.value

    def number(self, name: str) -> int | None:
        """A whole number of 4 or 8 bytes; None where there is no such value, or it is negative."""
        buffer = ctypes.create_string_buffer(8)
        n_bytes = self._value(name, buffer)
        if n_bytes not in (4, 8):
            return None
        value = int.from_bytes(buffer.raw[:n_bytes], "little", signed=True)
        return value if value >= 0 else None

    def text(self, name: str) -> str | None:
        buffer = ctypes.create_string_buffer(_TEXT_BYTES)
        if self._value(name, buffer) is None:
            return None
        return buffer.value.decode("utf-8", "replace").strip() or None

    def swap(self) -> SwapUsage | None:
        usage = _SwapUsage()
        if self._value("vm.swapusage", usage) != ctypes.sizeof(usage):
            return None
        if not 0 <= usage.used <= usage.total <= _MOST_BYTES:
            return None
        return SwapUsage(total_bytes=usage.total, used_bytes=usage.used)

    def pages(self) -> PageCounts | None:
        counts = _VmStatistics64()
        if self._page_bytes == 0 or not self._fill(self._host_statistics64, _HOST_VM_INFO64, counts):
            return None
        return PageCounts(
            free_bytes=max(0, counts.free_count - counts.speculative_count) * self._page_bytes,
            purgeable_bytes=counts.purgeable_count * self._page_bytes,
            file_bytes=counts.external_page_count * self._page_bytes,
            compressor_bytes=counts.compressor_page_count * self._page_bytes,
            wired_bytes=counts.wire_count * self._page_bytes,
        )

    def cpu_ticks(self) -> tuple[int, int] | None:
        """All ticks of all cores and the idle ones, since the start; each wraps at 2^32."""
        ticks = _CpuTicks()
        if not self._fill(self._host_statistics, _HOST_CPU_LOAD_INFO, ticks):
            return None
        return ticks.user + ticks.system + ticks.idle + ticks.nice, ticks.idle

    def _value(self, name: str, buffer: Any) -> int | None:
        """How many bytes of the buffer the value takes; None where it can't be had."""
        n_bytes = ctypes.c_size_t(ctypes.sizeof(buffer))
        failed = self._sysctlbyname(name.encode(), ctypes.byref(buffer), ctypes.byref(n_bytes), None, 0)
        return None if failed or n_bytes.value > ctypes.sizeof(buffer) else n_bytes.value

    def _fill(self, function: Any, flavor: int, counts: ctypes.Structure) -> bool:
        """Whether the kernel filled all of it."""
        n_words = ctypes.sizeof(counts) // 4
        n_filled = ctypes.c_uint32(n_words)
        failed = function(self._host, flavor, ctypes.byref(counts), ctypes.byref(n_filled))
        return not failed and n_filled.value >= n_words

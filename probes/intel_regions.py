"""Intel's kernel drivers, asked for the regions of memory that a GPU has and what is left of them.

Both answer an ioctl on the render node, whose structures are those of the kernel's user interface:

- xe: DRM_IOCTL_XE_DEVICE_QUERY with DRM_XE_DEVICE_QUERY_MEM_REGIONS (include/uapi/drm/xe_drm.h). "Without [CAP_PERFMON]
  the value here will always equal zero" it says of ``used``; "loosen used tracking restriction" took that away in Linux
  6.18 and in the stable releases of 2025-10.
- i915: DRM_IOCTL_I915_QUERY with DRM_I915_QUERY_MEMORY_REGIONS (include/uapi/drm/i915_drm.h). Without CAP_PERFMON
  ``unallocated_size`` always equals ``probed_size``: a user saw 16 225 243 136 bytes free of as many, and root 10 125
  414 400 (github.com/oneapi-src/level-zero/issues/133, Arc A770).

Either way no use at all means that the driver does not say: page tables and firmware always take some.
"""

import ctypes
import os
import struct
from collections.abc import Callable, Iterator

from records.record import record

Ioctl = Callable[[int, int, bytearray], int]
"""File descriptor, request, and the structure that is filled in. Raises OSError."""

_XE_DEVICE_QUERY = 0xC0286440
"""_IOWR('d', DRM_COMMAND_BASE (0x40) + 0, struct drm_xe_device_query of 40 bytes)."""
_XE_QUERY_STRUCT = struct.Struct("=QIIQQQ")
"""extensions, query, size, data, two reserved."""
_XE_MEM_REGIONS = 1
_XE_REGIONS_HEADER = struct.Struct("=II")
"""num_mem_regions, pad."""
_XE_REGION = struct.Struct("=HHIQQQQ48x")
"""mem_class, instance, min_page_size, total_size, used, cpu_visible_size, cpu_visible_used, six reserved."""

_I915_QUERY = 0xC0106479
"""_IOWR('d', DRM_COMMAND_BASE (0x40) + 0x39, struct drm_i915_query of 16 bytes)."""
_I915_QUERY_STRUCT = struct.Struct("=IIQ")
"""num_items, flags, items_ptr."""
_I915_ITEM = struct.Struct("=QiIQ")
"""query_id, length, flags, data_ptr."""
_I915_MEMORY_REGIONS = 4
_I915_REGIONS_HEADER = struct.Struct("=I12x")
"""num_regions, three reserved."""
_I915_REGION = struct.Struct("=HHIQQ64x")
"""memory_class, memory_instance, rsvd0, probed_size, unallocated_size, eight reserved."""

_DEVICE_CLASS = 1
"""DRM_XE_MEM_REGION_CLASS_VRAM and I915_MEMORY_CLASS_DEVICE; 0 is system memory in both."""
_MOST_ANSWER_BYTES = 1 << 16
_MOST_BYTES = 1 << 63


def _ioctl(descriptor: int, request: int, structure: bytearray) -> int:
    import fcntl  # noqa: PLC0415 - there is none on Windows

    answered: int = fcntl.ioctl(descriptor, request, structure)
    return answered


@record(frozen=True, slots=True, kw_only=True)
class NodeAccess:
    """How a render node is reached, so that tests can stand in for the driver."""

    open: Callable[[str], int] = lambda path: os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    close: Callable[[int], None] = os.close
    ioctl: Ioctl = _ioctl


@record(frozen=True, slots=True, kw_only=True)
class Region:
    """One body of memory as the driver sees it."""

    is_own: bool
    """The GPU's own; otherwise the RAM."""
    total_bytes: int
    used_bytes: int | None
    """None where the driver does not say."""


def memory_regions(driver: str, descriptor: int, ioctl: Ioctl) -> tuple[Region, ...]:
    """Of the GPU behind that open render node; empty where the answer makes no sense.

    Raises:
        OSError: the driver refuses, or is another.
    """
    if driver == "xe":
        return tuple(_xe_regions(_xe_answer(descriptor, ioctl)))
    if driver == "i915":
        return tuple(_i915_regions(_i915_answer(descriptor, ioctl)))
    raise OSError(f"{driver} is no driver of Intel's with such a query")


def _xe_answer(descriptor: int, ioctl: Ioctl) -> bytes:
    query = bytearray(_XE_QUERY_STRUCT.pack(0, _XE_MEM_REGIONS, 0, 0, 0, 0))
    ioctl(descriptor, _XE_DEVICE_QUERY, query)  # with size 0 the driver fills in the size
    n_bytes = _XE_QUERY_STRUCT.unpack(query)[2]
    if not 0 < n_bytes <= _MOST_ANSWER_BYTES:
        return b""
    answer = ctypes.create_string_buffer(n_bytes)
    query[:] = _XE_QUERY_STRUCT.pack(0, _XE_MEM_REGIONS, n_bytes, ctypes.addressof(answer), 0, 0)
    ioctl(descriptor, _XE_DEVICE_QUERY, query)
    return answer.raw


def _xe_regions(answer: bytes) -> Iterator[Region]:
    for fields in _rows(answer, _XE_REGIONS_HEADER, _XE_REGION):
        region_class, _, _, total_bytes, used_bytes, _, _ = fields
        yield _region(region_class, total_bytes, used_bytes)


def _i915_answer(descriptor: int, ioctl: Ioctl) -> bytes:
    n_bytes = _i915_ask(descriptor, ioctl, 0, 0)
    if not 0 < n_bytes <= _MOST_ANSWER_BYTES:
        return b""  # a negative length is an error number
    answer = ctypes.create_string_buffer(n_bytes)
    return answer.raw if _i915_ask(descriptor, ioctl, n_bytes, ctypes.addressof(answer)) == n_bytes else b""


def _i915_ask(descriptor: int, ioctl: Ioctl, n_bytes: int, address: int) -> int:
    """Put the question; the length that the driver answers with."""
    item = ctypes.create_string_buffer(_I915_ITEM.pack(_I915_MEMORY_REGIONS, n_bytes, 0, address), _I915_ITEM.size)
    ioctl(descriptor, _I915_QUERY, bytearray(_I915_QUERY_STRUCT.pack(1, 0, ctypes.addressof(item))))
    length: int = _I915_ITEM.unpack(item.raw)[1]
    return length


def _i915_regions(answer: bytes) -> Iterator[Region]:
    for region_class, _, _, total_bytes, free_bytes in _rows(answer, _I915_REGIONS_HEADER, _I915_REGION):
        yield _region(region_class, total_bytes, max(0, total_bytes - free_bytes))


def _rows(answer: bytes, header: struct.Struct, row: struct.Struct) -> Iterator[tuple[int, ...]]:
    """As many rows as the header says and the answer holds."""
    if len(answer) < header.size:
        return
    n_rows = min(header.unpack_from(answer)[0], (len(answer) - header.size) // row.size)
    for number in range(n_rows):
        fields = row.unpack_from(answer, header.size + number * row.size)
        if 0 < fields[3] < _MOST_BYTES:
            yield fields


def _region(region_class: int, total_bytes: int, used_bytes: int) -> Region:
    is_told = 0 < used_bytes <= total_bytes
    return Region(
        is_own=region_class == _DEVICE_CLASS, total_bytes=total_bytes, used_bytes=used_bytes if is_told else None
    )

"""How much of unified memory a GPU may take, where the driver cannot be asked."""

_GIB = 1024**3

SMALL_MAC_BYTES = 36 * _GIB
"""Up to this size Metal's default is often given as two thirds of the RAM, above it as three quarters.

It is no fixed rule. Seen: 74 % of 16 GiB (llmfit PR 754), 75 % of 128 GiB on macOS before 26, 84 % of 128 GiB on
macOS 26 (antirez/ds4 issues 890, 893 and 909). Whoever uses this says that it is estimated.
"""


def estimated_metal_bytes(total_bytes: int) -> int:
    """Metal's recommended working set on a Mac with that much RAM."""
    return total_bytes * 2 // 3 if total_bytes <= SMALL_MAC_BYTES else total_bytes * 3 // 4


def estimated_gtt_bytes(total_bytes: int) -> int:
    """What the Linux kernel lets an AMD APU map, unless ttm.pages_limit or amdgpu.gttsize was raised: half of the RAM.

    Source: drivers/gpu/drm/ttm/ttm_device.c, ttm_global_init (Linux 6.x): ``num_pages /= 2``.
    """
    return total_bytes // 2

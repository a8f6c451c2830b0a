"""How much of unified memory a GPU may take, where the driver cannot be asked."""

_GIB = 1024**3

_SHARES = ((8, 2 / 3), (24, 0.74), (48, 0.78), (96, 0.81))
"""Metal's recommended working set since macOS 26: up to so many GiB of RAM, such a share of it.

What Metal itself said (llama.cpp's and MLX's logs): 8 GiB: 5,726,633,984 bytes, 66.7 % (macOS 26.5.1). 16: 12,713.12
MB, 74 %; 18: 14,302.25 MB; 24: 19,069,665,280 bytes. 32: 26,800.60 MB, 78 %; 36: 30,150.67 MB; 48: 40,200,896,512
bytes. 64: 55,662,788,608 bytes, 81 % (M1 Max, M3 Max, M4 Pro; macOS 27.0 too). 128: 115,448,725,504 bytes, 84 %. All of
them are whole pages, rounded up. Of other sizes it is ASSUMED: 96 as 64.
"""
_PAGE_BYTES = 16384
_LARGEST_SHARE = 0.84
_FIRST_NEW_MACOS = 26
"""macOS 15.6 still gave 10.67 of 16 GiB (github.com/exo-explore/exo/pull/1672, 2026-03-06)."""
_SMALL_MAC_BYTES = 36 * _GIB
"""Before: two thirds up to this size (5,726.63 MB of 8 GiB, 10,922.67 MiB of 16, 21,845.34 MiB of 32), above it three
quarters (51,539.61 MB of 64 GiB, 73,728 MiB of 96, 144 GiB of 192) ..."""
_LARGE_MAC_BYTES, _KEPT_BYTES = 192 * _GIB, 48 * _GIB
"""... and on the largest all but this (223,338,299,392 bytes of 256 GiB, 498,216,206,336 of 512)."""


def estimated_metal_bytes(total_bytes: int, macos: str | None = None) -> int:
    """Metal's recommended working set on a Mac with that much RAM. Whoever uses this says that it is estimated.

    Args:
        total_bytes: the RAM.
        macos: its version, ``15.6``; without one, that of today.
    """
    major = (macos or "").partition(".")[0]
    if major.isascii() and major.isdigit() and int(major[:3]) < _FIRST_NEW_MACOS:
        if total_bytes > _LARGE_MAC_BYTES:
            return total_bytes - _KEPT_BYTES
        return total_bytes * 2 // 3 if total_bytes <= _SMALL_MAC_BYTES else total_bytes * 3 // 4
    share = next((share for most_gib, share in _SHARES if total_bytes <= most_gib * _GIB), _LARGEST_SHARE)
    return -int(-total_bytes * share // _PAGE_BYTES) * _PAGE_BYTES


def estimated_gtt_bytes(total_bytes: int) -> int:
    """What the Linux kernel lets an AMD APU map, unless ttm.pages_limit or amdgpu.gttsize was raised: half of the RAM.

    Source: drivers/gpu/drm/ttm/ttm_device.c, ttm_global_init (Linux 6.x): ``num_pages /= 2``.
    """
    return total_bytes // 2

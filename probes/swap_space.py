"""What the swap space of a Linux machine is made of: swapon(8), docs.kernel.org/admin-guide/blockdev/zram.html."""

import os

from probes.sysfs import read_text, whole_number


def swap_medium(root: str) -> tuple[str | None, int | None]:
    """What the space that is used first is made of, and what zram's pages take of the RAM: from /proc/swaps."""
    spaces: list[tuple[int, int, str, str]] = []
    for line in (read_text(f"{root}/proc/swaps") or "").splitlines()[1:]:
        words = line.split()
        if len(words) >= 5:
            priority = whole_number(words[-1].lstrip("-"), 9) or 0
            rank = priority if words[-1].startswith("-") else -priority
            spaces.append((rank, len(spaces), os.path.basename(words[0]), words[-4]))
    if not spaces:
        return None, None
    zrams = [name for _, _, name, _ in spaces if _is_zram(name)]
    compressed = [_zram_bytes(root, name) for name in zrams]
    compressed_bytes = sum(size for size in compressed if size is not None) if zrams else None
    _, _, first, kind = min(spaces)
    if _is_zram(first):
        return "zram", compressed_bytes
    if read_text(f"{root}/sys/module/zswap/parameters/enabled", 8) in ("Y", "1"):
        return "zswap", compressed_bytes
    return (kind if kind in ("file", "partition") else None), compressed_bytes


def _is_zram(name: str) -> bool:
    return name.startswith("zram") and whole_number(name[4:]) is not None


def _zram_bytes(root: str, name: str) -> int | None:
    """The third field of mm_stat, mem_used_total: docs.kernel.org/admin-guide/blockdev/zram.html."""
    words = (read_text(f"{root}/sys/block/{name}/mm_stat", 256) or "").split()
    return whole_number(words[2]) if len(words) > 2 else None

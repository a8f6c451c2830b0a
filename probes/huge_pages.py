"""Pages of 2 MiB and more that are set aside: docs.kernel.org/admin-guide/mm/hugetlbpage.html."""

import os

from probes.sysfs import read_number, whole_number

_HUGE_PAGES = "/sys/kernel/mm/hugepages"
_MOST_PAGE_SIZES = 16


def page_folders(root: str) -> tuple[tuple[str, int], ...]:
    """Folder and page size of each size of huge pages: ``hugepages-2048kB``."""
    found = []
    try:
        names = sorted(os.listdir(f"{root}{_HUGE_PAGES}"))[:_MOST_PAGE_SIZES]
    except OSError:
        return ()
    for name in names:
        kib = whole_number(name.removeprefix("hugepages-").removesuffix("kB"), 11)
        if kib is not None:
            found.append((f"{root}{_HUGE_PAGES}/{name}", 1024 * kib))
    return tuple(found)


def unused_huge_bytes(folders: tuple[tuple[str, int], ...], meminfo: dict[str, int]) -> int:
    """Of all sizes. HugePages_Total counts pages, not KiB, and those of the default size alone."""
    n_pages = meminfo.get("HugePages_Total", 0) // 1024
    if n_pages == 0 and meminfo.get("Hugetlb", 0) == 0:
        return 0
    if folders:
        return sum(size * max(0, read_number(f"{folder}/free_hugepages") or 0) for folder, size in folders)
    return meminfo.get("HugePages_Free", 0) // 1024 * meminfo.get("Hugepagesize", 0)

"""RAM and swap space of a Linux machine: what is there, what can still be had, and what keeps the rest away.

Free is what the kernel says it could give without swapping (MemAvailable: proc_meminfo(5), since Linux 3.14), which
counts the page cache that can be given up and leaves out huge pages that are set aside. Two caches it does not know:
ZFS's (github.com/openzfs/zfs/issues/10255), and, within a control group, the group's own page cache.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace

from probes.cgroup import Group, Limit, groups
from probes.huge_pages import page_folders, unused_huge_bytes
from probes.numa import gpu_nodes, nodes_with_memory, numbers_of, read_node
from probes.pressure import MACHINE, Pressure, read_pressure
from probes.snapshot import HOST_POOL, SWAP_POOL, Fault, Pool
from probes.swap_space import swap_medium
from probes.sysfs import read_fields, read_named_fields, read_number, read_text, whole_number

GIB = 1 << 30
_MEMINFO = (
    "MemTotal",
    "MemFree",
    "MemAvailable",
    "Buffers",
    "Cached",
    "SwapTotal",
    "SwapFree",
    "Zswap",
    "HugePages_Total",
    "HugePages_Free",
    "Hugepagesize",
    "Hugetlb",
)
"""What is read of it each second."""
_ARC = "/proc/spl/kstat/zfs/arcstats"
_WSL_LIMIT = "WSL (memory= in .wslconfig, by default half of Windows' RAM)"
"""learn.microsoft.com/windows/wsl/wsl-config, 2026-11: Linux sees the RAM of its virtual machine, and only that."""
_LIMITS_SECONDS = 5.0
"""How often control groups are asked for their limits, 0.1 ms of three levels: somebody changes them by hand."""
_NOTED_SHARE = 50
"""Huge pages that take less than one part in so many of the RAM are not worth a sentence (ASSUMED)."""


class HostMemory:
    """RAM and swap, read anew at each call; which control groups there are is read once, their limits now and then."""

    def __init__(self, root: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._is_wsl = is_wsl(root)
        self._groups = groups(root)
        self._has_arc = os.path.exists(f"{root}{_ARC}")
        self._page_folders = page_folders(root)
        self._gpu_nodes = gpu_nodes(root)
        self._bound_nodes = _bound_nodes(root)
        self._is_strict = read_number(f"{root}/proc/sys/vm/overcommit_memory") == 2
        self._limiting: Group | None = None
        self._limits: tuple[Limit | None, ...] = ()
        """Of each group."""
        self._limits_seconds = float("-inf")

    def is_readable(self) -> bool:
        return "MemTotal" in read_fields(f"{self._root}/proc/meminfo")

    def pools(self) -> tuple[Pool, ...]:
        """The RAM, then the swap space where there is any; nothing where the kernel says nothing."""
        fields = read_named_fields(f"{self._root}/proc/meminfo", _MEMINFO)
        meminfo = {name: 1024 * value for name, value in fields.items()}
        if "MemTotal" not in meminfo:
            return ()
        swap = self._swap(meminfo)
        return (self._ram(meminfo),) if swap is None else (self._ram(meminfo), swap)

    def notes(self, pools: tuple[Pool, ...]) -> tuple[Fault, ...]:
        """What a person may not know of this RAM, and what can be done."""
        ram = next((pool for pool in pools if pool.key == HOST_POOL), None)
        return () if ram is None else (*_huge_note(ram), *self._commit_note(ram))

    def _commit_note(self, ram: Pool) -> tuple[Fault, ...]:
        """Where the kernel counts what programs have asked for and not only what they use: proc_sys_vm(5)."""
        if not self._is_strict:
            return ()
        meminfo = read_fields(f"{self._root}/proc/meminfo")
        left_bytes = 1024 * (meminfo.get("CommitLimit", 0) - meminfo.get("Committed_AS", 0))
        if left_bytes >= ram.free_bytes:
            return ()
        size = f"{max(0, left_bytes) / GIB:.1f} GiB"
        message = f"programs may ask for {size} of memory more, whatever is free: vm.overcommit_memory is 2"
        return (Fault(probe="host", message=message, is_note=True),)

    def pressure(self) -> Pressure:
        """Of the group that limits the RAM, where one does and the kernel keeps its account; else of the machine."""
        if self._limiting is not None and self._limiting.pressure is not None:
            own = read_pressure(self._limiting.pressure)
            if own.stalled_ratio is not None:
                return own
        return read_pressure(f"{self._root}{MACHINE}")

    def _ram(self, meminfo: dict[str, int]) -> Pool:
        built_in_bytes = meminfo["MemTotal"]
        free_bytes = _available_bytes(meminfo)
        unused_bytes = meminfo.get("MemFree", 0)
        for node in self._gpu_nodes:
            of_gpu = read_node(self._root, node)
            built_in_bytes -= of_gpu.total_bytes
            free_bytes -= of_gpu.unused_bytes
            unused_bytes -= of_gpu.unused_bytes
        if self._has_arc:
            free_bytes += _reclaimable_arc_bytes(self._root)
        huge_bytes = unused_huge_bytes(self._page_folders, meminfo)
        free_bytes = max(0, min(free_bytes, built_in_bytes))
        pool = Pool(
            key=HOST_POOL,
            total_bytes=built_in_bytes,
            used_bytes=built_in_bytes - free_bytes,
            free_bytes=free_bytes,
            reserved_bytes=min(huge_bytes, built_in_bytes - free_bytes) or None,
            cached_bytes=max(0, free_bytes - max(0, unused_bytes)) if "MemFree" in meminfo else None,
        )
        pool = self._limited(self._on_nodes(pool))
        return replace(pool, limited_by=_WSL_LIMIT) if self._is_wsl and pool.limited_by is None else pool

    def _on_nodes(self, pool: Pool) -> Pool:
        """Within the NUMA nodes whose memory this may use, where those are not all."""
        if not self._bound_nodes:
            return pool
        nodes = [read_node(self._root, node) for node in self._bound_nodes]
        total_bytes = min(pool.total_bytes, sum(node.total_bytes for node in nodes))
        cached_bytes = sum(node.cached_bytes for node in nodes)
        free_bytes = min(pool.free_bytes, total_bytes, cached_bytes + sum(node.unused_bytes for node in nodes))
        return replace(
            pool,
            total_bytes=total_bytes,
            used_bytes=total_bytes - free_bytes,
            free_bytes=free_bytes,
            cached_bytes=min(cached_bytes, free_bytes),
            limited_by=f"NUMA nodes that this may use: {', '.join(map(str, self._bound_nodes))}",
        )

    def _limited(self, pool: Pool) -> Pool:
        """Within the tightest limit of the control groups, and no more free than the fullest of them leaves."""
        self._limiting = None
        tightest: Limit | None = None
        now_seconds = self._clock()
        if now_seconds - self._limits_seconds >= _LIMITS_SECONDS:
            self._limits_seconds, self._limits = now_seconds, tuple(group.limit() for group in self._groups)
        for group, limit in zip(self._groups, self._limits, strict=True):
            # A limit above the RAM never binds before the RAM does. One that equals it does bind: lxcfs shows a
            # container's limit as the RAM.
            if limit is None or limit.n_bytes > pool.total_bytes:
                continue
            if tightest is None or limit.n_bytes < tightest.n_bytes:
                tightest, self._limiting = limit, group
            pool = _within(pool, limit, group)
        if tightest is None:
            return pool
        total_bytes = tightest.n_bytes
        free_bytes = max(0, min(pool.free_bytes, total_bytes))
        cached_bytes = None if pool.cached_bytes is None else min(pool.cached_bytes, free_bytes)
        return replace(
            pool,
            total_bytes=total_bytes,
            used_bytes=total_bytes - free_bytes,
            free_bytes=free_bytes,
            cached_bytes=cached_bytes,
            reserved_bytes=None,  # huge pages are not charged to a group's memory
            limited_by=tightest.reason,
        )

    def _swap(self, meminfo: dict[str, int]) -> Pool | None:
        total_bytes, free_bytes = meminfo.get("SwapTotal", 0), meminfo.get("SwapFree", 0)
        if total_bytes <= 0:
            return None
        limited_by = None
        for group in self._groups:
            limit = group.swap()
            if limit is not None and limit[0] < total_bytes:
                total_bytes, limited_by = limit[0], f"swap limit of control group {group.name}"
                free_bytes = min(free_bytes, limit[0] - limit[1])
        free_bytes = max(0, min(free_bytes, total_bytes))
        if total_bytes <= 0:
            return None
        medium, compressed_bytes = swap_medium(self._root)
        if medium == "zswap":  # the kernel says so since Linux 5.19
            compressed_bytes = meminfo.get("Zswap", compressed_bytes)
        return Pool(
            key=SWAP_POOL,
            total_bytes=total_bytes,
            used_bytes=total_bytes - free_bytes,
            free_bytes=free_bytes,
            limited_by=limited_by,
            medium=medium,
            compressed_bytes=compressed_bytes,
        )


def is_wsl(root: str) -> bool:
    """Whether this Linux runs inside Windows: Microsoft's kernels say so in their release."""
    return "microsoft" in (read_text(f"{root}/proc/sys/kernel/osrelease") or "").lower()


def _huge_note(ram: Pool) -> tuple[Fault, ...]:
    if ram.reserved_bytes is None or ram.reserved_bytes * _NOTED_SHARE < ram.total_bytes:
        return ()
    size = f"{ram.reserved_bytes / GIB:.1f} GiB"
    message = f"{size} of the RAM are set aside for huge pages and unused; to free them, lower vm.nr_hugepages"
    return (Fault(probe="host", message=message, is_note=True),)


def _within(pool: Pool, limit: Limit, group: Group) -> Pool:
    """No more free than this level leaves; its total is bounded later."""
    held_bytes, inactive_bytes = group.held_bytes()
    left_bytes = max(0, limit.n_bytes - held_bytes + inactive_bytes)
    if left_bytes >= pool.free_bytes:
        return pool
    return replace(pool, free_bytes=left_bytes, cached_bytes=min(inactive_bytes, left_bytes))


def _available_bytes(meminfo: dict[str, int]) -> int:
    if "MemAvailable" in meminfo:
        return meminfo["MemAvailable"]
    # Kernels before 3.14 lack it, and some sandboxes (gVisor of 2018) do.
    return sum(meminfo.get(name, 0) for name in ("MemFree", "Buffers", "Cached"))


def _reclaimable_arc_bytes(root: str) -> int:
    """What ZFS gives back on demand: all of its cache above the minimum."""
    size_bytes = minimum_bytes = 0
    for line in (read_text(f"{root}{_ARC}") or "").splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "size":
            size_bytes = whole_number(words[2]) or 0
        elif len(words) == 3 and words[0] == "c_min":
            minimum_bytes = whole_number(words[2]) or 0
    return max(0, size_bytes - minimum_bytes)


# --- nodes of memory


def _bound_nodes(root: str) -> tuple[int, ...]:
    """The nodes that a job scheduler left this process; nothing where it has them all.

    What counts is Mems_allowed_list of /proc/self/status (cpuset(7)); a policy of numactl alone is not shown there.
    """
    with_memory = [node.number for node in nodes_with_memory(root)]
    allowed: tuple[int, ...] = ()
    for line in (read_text(f"{root}/proc/self/status", 4096) or "").splitlines():
        if line.startswith("Mems_allowed_list:"):
            allowed = numbers_of(line.partition(":")[2].strip())
    bound = tuple(node for node in with_memory if node in allowed)
    return bound if 0 < len(bound) < len(with_memory) else ()

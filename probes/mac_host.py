"""A Mac's RAM, swap space and processor, from its kernel.

How much of the RAM is free is a matter of definition, and tools differ by gigabytes. Here it is what a load can have
without any program's memory being compressed: pages that are free, files in memory (the page cache), and what programs
marked as purgeable. psutil takes inactive pages for free, which are in part programs' memory, and knows no compressor.

- In recorded ``vm_stat`` outputs, active + inactive + speculative pages are exactly the file-backed and the anonymous
  ones: 1,393,814 + 686,868 = 2,080,682 (M5 Pro 48 GB, 2026-09-05) and 436,701 + 878,062 = 1,314,763 (36 GB). So the
  page cache has the speculative pages in it, which the kernel does too (xnu, vm_page_speculate: it raises
  ``vm_page_speculative_count`` and ``vm_page_pageable_external_count`` together).
- Pages that the kernel took at start or keeps for memory tags are in no queue: 0.86 GB on a Mac of 24 GB, which
  Activity Monitor counts as used (github.com/vorssaint/vorssaint-utils/pull/763, 2026-08-23); 0.87 GiB of the 36 above.
  Total less the queues in use, as other tools reckon, would call them free.
- A Mac of 24 GB with 9.8 GB in the compressor could not load 11.3 GB, and with 1.3 GB it could
  (github.com/john-rocky/apple-silicon-llm-bench/pull/7, 2026-09-18).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.accelerators import known_accelerators, named_accelerator
from probes.errors import ProbeLost, ProbeUnavailable
from probes.mac_kernel import LIBRARY, MacKernel, PageCounts, SwapUsage
from probes.snapshot import HOST_POOL, SWAP_POOL, Machine, Pool, Reading

if TYPE_CHECKING:
    from probes.access import Access
    from probes.probe import Probe

_PRESSURES = {1: "normal", 2: "warning", 4: "critical"}
"""``kern.memorystatus_vm_pressure_level``: DISPATCH_MEMORYPRESSURE_NORMAL, _WARN and _CRITICAL."""
_INSTRUCTION_SETS = (
    ("neon", "hw.optional.neon"),
    ("fp16", "hw.optional.arm.FEAT_FP16"),
    ("dotprod", "hw.optional.arm.FEAT_DotProd"),
    ("bf16", "hw.optional.arm.FEAT_BF16"),
    ("i8mm", "hw.optional.arm.FEAT_I8MM"),
    ("sme", "hw.optional.arm.FEAT_SME"),
    ("avx2", "hw.optional.avx2_0"),
    ("avx512", "hw.optional.avx512f"),
)
_GIB = 1024**3
_TICKS = 2**32
"""The kernel's tick counters are of 32 bits."""


def open_mac_host(access: Access) -> Probe:
    """The host probe of a Mac.

    Raises:
        ProbeUnavailable: the kernel cannot be asked.
    """
    try:
        return MacHostProbe(MacKernel(access.load(LIBRARY)))
    except (OSError, AttributeError) as error:
        raise ProbeUnavailable(f"the memory of this Mac can't be read: {error}") from error


class MacHostProbe:
    def __init__(self, kernel: MacKernel) -> None:
        self._kernel = kernel
        self._total_bytes = kernel.number("hw.memsize")
        if not self._total_bytes or kernel.pages() is None:
            raise ProbeUnavailable("the memory of this Mac can't be read: its kernel does not tell hw.memsize or pages")
        self._machine = _machine(kernel, self._total_bytes)
        self._ticks: tuple[int, int] | None = None

    def sample(self) -> Reading:
        pages = self._kernel.pages()
        if pages is None or not self._total_bytes:
            raise ProbeLost("the kernel does not tell its page counts any more")
        pools = [ram_pool(self._total_bytes, pages)]
        swap = self._kernel.swap()
        if swap is not None and swap.total_bytes > 0:
            pools.append(swap_pool(swap))
        pressure = self._kernel.number("kern.memorystatus_vm_pressure_level")
        machine = replace(
            self._machine,
            cpu_utilization_ratio=self._cpu_utilization_ratio(),
            memory_pressure=None if pressure is None else _PRESSURES.get(pressure),
        )
        return Reading(pools=tuple(pools), machine=machine)

    def close(self) -> None:
        """Nothing is held open."""

    def _cpu_utilization_ratio(self) -> float | None:
        """Since the sample before, so None at the first."""
        before, self._ticks = self._ticks, self._kernel.cpu_ticks()
        if before is None or self._ticks is None:
            return None
        total, idle = ((now - then) % _TICKS for now, then in zip(self._ticks, before, strict=True))
        return min(1.0, max(0.0, 1 - idle / total)) if total > 0 else None


def ram_pool(total_bytes: int, pages: PageCounts) -> Pool:
    """The RAM; what is free of it is what the head of this file says."""
    cached_bytes = pages.file_bytes + pages.purgeable_bytes
    free_bytes = min(total_bytes, pages.free_bytes + cached_bytes)
    return Pool(
        key=HOST_POOL,
        total_bytes=total_bytes,
        used_bytes=total_bytes - free_bytes,
        free_bytes=free_bytes,
        cached_bytes=min(cached_bytes, free_bytes),
        compressed_bytes=min(pages.compressor_bytes, total_bytes),
    )


def swap_pool(swap: SwapUsage) -> Pool:
    """The swap files that there are. macOS adds to them while the disk has room, so free is what is free now."""
    return Pool(
        key=SWAP_POOL,
        total_bytes=swap.total_bytes,
        used_bytes=swap.used_bytes,
        free_bytes=swap.total_bytes - swap.used_bytes,
        medium="file",
    )


def _machine(kernel: MacKernel, total_bytes: int) -> Machine:
    version = kernel.text("kern.osproductversion")
    chip = kernel.text("machdep.cpu.brand_string")
    bandwidth = _bandwidth_gigabytes_per_second(chip, total_bytes)
    return Machine(
        host_name=kernel.text("kern.hostname") or "localhost",
        system="darwin",
        cpu_name=chip,
        memory_bandwidth_gigabytes_per_second=bandwidth,
        memory_bandwidth_basis=None if bandwidth is None else f"Apple's figure for the {chip}",
        n_cores=kernel.number("hw.physicalcpu"),
        n_logical_cores=kernel.number("hw.logicalcpu"),
        n_performance_cores=_n_performance_cores(kernel),
        instruction_sets=tuple(name for name, key in _INSTRUCTION_SETS if kernel.number(key) == 1),
        system_name=f"macOS {version}" if version else None,
        kernel=kernel.text("kern.osrelease"),
    )


def _bandwidth_gigabytes_per_second(chip: str | None, total_bytes: int) -> float | None:
    """By the chip; None where two of its kinds differ and the size of the RAM does not tell which this is."""
    known = named_accelerator(chip or "", known_accelerators(), size_gib=round(total_bytes / _GIB))
    return known.bandwidth_gb_s if known is not None and known.vendor == "apple" else None


def _n_performance_cores(kernel: MacKernel) -> int | None:
    """Those of the fastest kind; None where all are alike (Intel)."""
    if (kernel.number("hw.nperflevels") or 0) < 2:
        return None
    return kernel.number("hw.perflevel0.physicalcpu")

"""What spilling means here: one table from system, driver, memory, engine and settings to what would happen.

The first row that holds decides. A row says what becomes of bytes that a place has no room for, in a sentence for the
verdict, and from where that is known. Two rows of one kind of memory differ by whether what it moves to has room.
"""

from estimator.spill import Outcome, Spill

LLAMA = frozenset({"llama.cpp", "Ollama"})
"""Run by ggml; LM Studio, koboldcpp and llamafile are estimated as llama.cpp."""

_WDDM = ("windows", "wsl")
_NVIDIA_POLICY = (
    "nvidia.custhelp.com/app/answers/detail/a_id/5490: since driver 536.40 CUDA falls back to system memory; since "
    "546.01 a switch of the control panel, CUDA - Sysmem Fallback Policy, forbids it for a program. NVML does not tell"
)
_WDDM_MEMORY = (
    "ASSUMED of all engines: the video memory manager of WDDM evicts to system memory "
    "(learn.microsoft.com/windows-hardware/drivers/display/gpu-virtual-memory-in-wddm-2-0)"
)
_BOTH_FULL = "neither the device nor the RAM that the driver would move it to has room"
_KFD = (
    "amdgpu_amdkfd_reserve_mem_limit, drivers/gpu/drm/amd/amdgpu/amdgpu_amdkfd_gpuvm.c (Linux 6.x): -ENOMEM where VRAM "
    "has no room; github.com/ggml-org/llama.cpp/pull/15649: RADV (Vulkan) moves it to GTT instead"
)
_REPACK = (
    "ggml_backend_cpu_repack_buffer_type, ggml/src/ggml-cpu/repack.cpp: a buffer of its own; --no-repack "
    "(common/arg.cpp) leaves the weights in the file's pages, which are dropped and read again (src/llama-mmap.cpp)"
)
_UMA = (
    "docs.nvidia.com/dgx/dgx-spark/known-issues.html: GPU and system draw on one memory, page cache goes first, then "
    "swap; github.com/ggml-org/llama.cpp/pull/17368 counts MemAvailable and free swap so"
)

TABLE: tuple[Spill, ...] = (
    # What an engine does by itself. ``way_out`` asks for these.
    Spill(
        key="engine: llama.cpp, Ollama",
        outcome=Outcome.OFFLOADS,
        memory="engine",
        engines=LLAMA,
        sentence="{engine} would leave {summary}",
        source="common_fit_params, common/fit.cpp (llama.cpp); Ollama plans layers likewise and tells of them in "
        "/api/ps, size less size_vram",
    ),
    Spill(
        key="engine: Transformers",
        outcome=Outcome.OFFLOADS,
        memory="engine",
        engines=frozenset({"Transformers"}),
        sentence="{engine} would leave {summary}",
        source="infer_auto_device_map, transformers/integrations/accelerate.py: device_map auto fills GPUs, CPU, disk",
    ),
    Spill(
        key="engine: any other",
        outcome=Outcome.OFFLOADS,
        memory="engine",
        sentence="{engine} would leave {summary}",
        source="the engine's own estimate with less on the device",
    ),
    # A rule by which an engine refuses to start, in words of its own. ``refusal_of`` asks for these.
    Spill(
        key="rule: vLLM",
        outcome=Outcome.FAILS,
        memory="rule",
        engines=frozenset({"vLLM"}),
        sentence="",
        source="request_memory (vllm/v1/worker) and kv_cache_planning._check_enough_kv_cache_memory, 0.33.0: an error "
        "at the start; nothing is left to the CPU unless --cpu-offload-gb says so",
    ),
    Spill(
        key="rule: any other",
        outcome=Outcome.FAILS,
        memory="rule",
        sentence="",
        source="the engine's own rule, as its estimate says",
    ),
    # The host.
    Spill(
        key="host, mapped file",
        outcome=Outcome.REREADS,
        memory="host",
        settings=frozenset({"mapped"}),
        has_room=True,
        sentence="the file is mapped, and what RAM has no room for would be read from disk again for every token",
        source="llama_mmap, src/llama-mmap.cpp: pages of a mapped file are dropped and read again, never swapped",
    ),
    Spill(
        key="host, zram",
        outcome=Outcome.SQUEEZES,
        memory="host",
        settings=frozenset({"zram"}),
        has_room=True,
        sentence="the system would compress it in RAM (zram), slow to work with, and may kill a process",
        source="docs.kernel.org/admin-guide/blockdev/zram.html: swap that lies in RAM itself; weights hardly compress",
    ),
    Spill(
        key="host, macOS swap",
        outcome=Outcome.SWAPS,
        systems=("darwin",),
        memory="host",
        has_room=True,
        sentence="macOS would compress memory and swap it to disk, far too slow to work with",
        source="dynamic_pager(8): swap files are made as they are needed, as long as the disk has room",
    ),
    Spill(
        key="host, swap",
        outcome=Outcome.SWAPS,
        memory="host",
        has_room=True,
        sentence="the system would swap it to disk, far too slow to work with",
        source="docs.kernel.org/admin-guide/mm/concepts.html: anonymous pages are reclaimed by writing them to swap",
    ),
    Spill(
        key="host, rearranged weights of llama.cpp",
        outcome=Outcome.KILLED,
        systems=("linux", "wsl"),
        memory="host",
        engines=frozenset({"llama.cpp"}),
        settings=frozenset({"copied"}),
        has_room=False,
        sentence="weights of this type are copied for the CPU, and no file backs a copy: the system would kill a "
        "process; --no-repack would read the file again instead",
        source=_REPACK,
    ),
    Spill(
        key="host, rearranged weights",
        outcome=Outcome.KILLED,
        systems=("linux", "wsl"),
        memory="host",
        settings=frozenset({"copied"}),
        has_room=False,
        sentence="weights of this type are copied for the CPU, and no file backs a copy: the system would kill a "
        "process",
        source=_REPACK,
    ),
    Spill(
        key="host, control group",
        outcome=Outcome.KILLED,
        memory="host",
        settings=frozenset({"limited"}),
        has_room=False,
        sentence="over the limit of its control group, the system would kill a process in it",
        source="docs.kernel.org/admin-guide/cgroup-v2.html, memory.max: if usage can't be reduced, the OOM killer is "
        "invoked in the cgroup",
    ),
    Spill(
        key="host, Windows",
        outcome=Outcome.FAILS,
        systems=("windows",),
        memory="host",
        has_room=False,
        sentence="RAM and page file together have no room; the allocation would fail",
        source="learn.microsoft.com/windows/win32/memory: beyond the commit limit an allocation fails, and nothing "
        "is killed",
    ),
    Spill(
        key="host, no swap",
        outcome=Outcome.KILLED,
        memory="host",
        settings=frozenset({"no swap"}),
        has_room=False,
        sentence="RAM has no room and there is no swap space; the system would kill a process",
        source="docs.kernel.org/admin-guide/mm/concepts.html, OOM killer",
    ),
    Spill(
        key="host, swap full",
        outcome=Outcome.KILLED,
        memory="host",
        has_room=False,
        sentence="RAM and swap together have no room; the system would kill a process",
        source="docs.kernel.org/admin-guide/mm/concepts.html, OOM killer",
    ),
    # Memory that a device shares with the host.
    Spill(
        key="unified, Metal's budget",
        outcome=Outcome.FAILS,
        memory="unified",
        vendors=("apple",),
        settings=frozenset({"budget"}),
        sentence="beyond Metal's budget the first long prompt would end it: out of memory",
        source="recommendedMaxWorkingSetSize; github.com/ggml-org/llama.cpp/pull/7010: command buffer failed, "
        "kIOGPUCommandBufferCallbackErrorOutOfMemory, at the first prompt rather than while loading",
    ),
    Spill(
        key="unified, GPU's part",
        outcome=Outcome.FAILS,
        memory="unified",
        settings=frozenset({"budget"}),
        sentence="the system lets the GPU have no more of the RAM; the allocation would fail: out of memory",
        source="drivers/gpu/drm/ttm (pages_limit) and amdgpu (gttsize) on Linux; half of the RAM on Windows: "
        "learn.microsoft.com/windows-hardware/drivers/display/calculating-graphics-memory",
    ),
    Spill(
        key="unified, swap",
        outcome=Outcome.SWAPS,
        memory="unified",
        has_room=True,
        sentence="memory is shared with the system, which would swap to disk, far too slow to work with",
        source=_UMA,
    ),
    Spill(
        key="unified, full",
        outcome=Outcome.KILLED,
        memory="unified",
        sentence="memory is shared with the system: RAM and swap have no room; a process is killed, or it hangs",
        source=_UMA,
    ),
    # A device's own memory.
    Spill(
        key="managed memory",
        outcome=Outcome.CRAWLS,
        systems=("linux",),
        memory="own",
        vendors=("nvidia", "amd"),
        engines=LLAMA,
        settings=frozenset({"managed"}),
        has_room=True,
        sentence="GGML_CUDA_ENABLE_UNIFIED_MEMORY is set: it would be paged in from RAM, many times slower",
        source="ggml_cuda_device_malloc, ggml/src/ggml-cuda/ggml-cuda.cu: cudaMallocManaged; llama.cpp docs/build.md; "
        "issues 10091 and 16197 ran out of memory all the same",
    ),
    Spill(
        key="Vulkan's fallback",
        outcome=Outcome.CRAWLS,
        memory="own",
        engines=LLAMA,
        settings=frozenset({"vulkan"}),
        has_room=True,
        sentence="GGML_VK_ALLOW_SYSMEM_FALLBACK is set: a Vulkan build would put it into RAM, many times slower",
        source="github.com/ggml-org/llama.cpp/pull/15649: without the variable, ggml's Vulkan backend fails where the "
        "device's memory is full",
    ),
    Spill(
        key="NVIDIA on Windows, TCC",
        outcome=Outcome.FAILS,
        systems=("windows",),
        memory="own",
        vendors=("nvidia",),
        settings=frozenset({"tcc"}),
        sentence="the allocation would fail: out of memory",
        source="ASSUMED: TCC goes past WDDM, whose memory manager does the moving",
    ),
    Spill(
        key="NVIDIA under WSL",
        outcome=Outcome.CRAWLS,
        systems=("wsl",),
        memory="own",
        vendors=("nvidia",),
        since=(536, 40),
        has_room=True,
        sentence="the driver would move it to shared system memory without an error, many times slower, and WSL has no "
        "switch for that",
        source=f"github.com/microsoft/WSL/issues/11050: the policy is not respected there; {_NVIDIA_POLICY}",
    ),
    Spill(
        key="NVIDIA on Windows, with a switch",
        outcome=Outcome.CRAWLS,
        systems=("windows",),
        memory="own",
        vendors=("nvidia",),
        since=(546, 1),
        has_room=True,
        sentence="the driver would move it to shared system memory without an error, many times slower; its sysmem "
        "fallback policy can forbid that",
        source=_NVIDIA_POLICY,
    ),
    Spill(
        key="NVIDIA on Windows",
        outcome=Outcome.CRAWLS,
        systems=("windows",),
        memory="own",
        vendors=("nvidia",),
        since=(536, 40),
        has_room=True,
        sentence="the driver would move it to shared system memory without an error, many times slower",
        source=_NVIDIA_POLICY,
    ),
    Spill(
        key="WDDM, another vendor",
        outcome=Outcome.CRAWLS,
        systems=_WDDM,
        memory="own",
        vendors=("amd", "intel"),
        has_room=True,
        sentence="Windows would move it to shared system memory without an error, many times slower",
        source=_WDDM_MEMORY,
    ),
    Spill(
        key="NVIDIA on Windows, RAM full too",
        outcome=Outcome.FAILS,
        systems=_WDDM,
        memory="own",
        vendors=("nvidia",),
        since=(536, 40),
        has_room=False,
        sentence=_BOTH_FULL,
        source=_NVIDIA_POLICY,
    ),
    Spill(
        key="WDDM, another vendor, RAM full too",
        outcome=Outcome.FAILS,
        systems=_WDDM,
        memory="own",
        vendors=("amd", "intel"),
        sentence=_BOTH_FULL,
        source=_WDDM_MEMORY,
    ),
    Spill(
        key="AMD on Linux, GTT",
        outcome=Outcome.CRAWLS,
        systems=("linux",),
        memory="own",
        vendors=("amd",),
        engines=LLAMA,
        settings=frozenset({"gtt"}),
        has_room=True,
        sentence="with Vulkan the driver would move it to RAM (GTT), many times slower; with ROCm it would fail",
        source=_KFD,
    ),
    Spill(
        key="AMD on Linux",
        outcome=Outcome.FAILS,
        systems=("linux",),
        memory="own",
        vendors=("amd",),
        sentence="the allocation would fail: out of memory",
        source=_KFD,
    ),
    Spill(
        key="NVIDIA on Linux",
        outcome=Outcome.FAILS,
        systems=("linux", "wsl", "windows"),
        memory="own",
        vendors=("nvidia",),
        sentence="the allocation would fail: out of memory",
        source="github.com/NVIDIA/open-gpu-kernel-modules/issues/758: no fall-back to system memory on Linux, nor on "
        "Windows before driver 536.40",
    ),
    Spill(
        key="any other",
        outcome=Outcome.FAILS,
        sentence="the allocation would fail: out of memory",
        source="ASSUMED where nothing else is known",
    ),
)

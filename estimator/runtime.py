"""What the driver, its libraries and the process itself take, beside what an engine asks for."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from estimator.ledger import Basis, Kind, Place, Term

MIB = 1 << 20

CUDA_CONTEXT_BASE_BYTES = 8 * MIB
CUDA_CONTEXT_PER_THREAD_BYTES = 1986
"""A CUDA context grows with the threads that may be resident at once: multiprocessors x threads of each. Measured:
518 MiB on an H100 (132 x 2048) under driver 580.159.04, by NVML, of a process that has allocated nothing (2026-11-26,
bench/hold_gpu_memory.py); 555 MiB on an RTX PRO 6000 (188 x 1536) and 107 MiB on an RTX 4060 Ti (34 x 1536),
github.com/ggml-org/llama.cpp/pull/23604. The line gives 520, 555 and 107. An idle PyTorch process takes 256 MiB on an
RTX 3090 (82 x 1536; github.com/invoke-ai/InvokeAI/issues/9413): it gives 247."""
CUDA_RESIDENT_THREADS: Mapping[tuple[int, int], int] = MappingProxyType(
    {(7, 5): 1024, (8, 6): 1536, (8, 7): 1536, (8, 9): 1536, (12, 0): 1536, (12, 1): 1536}
)
MOST_CUDA_RESIDENT_THREADS, USUAL_CUDA_RESIDENT_THREADS = 2048, 1536
"""Per multiprocessor, by compute capability; where that is not told, as in the cards that are sold most (ASSUMED); of
all others 2048 (torch/headeronly/macros/Macros.h,
CUDA_MAX_THREADS_PER_SM, of PyTorch 2.13; 12.1 is ASSUMED to be like 12.0)."""
CUDA_KERNELS_BASE_BYTES = 52 * MIB
CUDA_KERNELS_PER_THREAD_BYTES = 116
"""Code and local memory of the kernels that run, and the pool for a prompt's quantised activations. llama.cpp holds 57
MiB beside buffers and context on an RTX 4060 Ti (a log of 2026-04), 71 to 76 on an RTX 4090
(github.com/ggml-org/llama.cpp/pull/15860), 81 to 98 on an H100 (four dense models of 0.6B to 32B, bench/real_gpu.py,
2026-11-26): the line gives 58, 74 and 82. PyTorch's first kernel takes 92 there."""
CUBLAS_BYTES = 66 * MIB
"""Its kernels, from the first product on that it is asked for: PyTorch 2.11 on the H100, beside the workspace, which
counts among tensors. llama.cpp then holds 98 to 122 MiB more there: these and the workspace."""
TORCH_LIBRARIES_BYTES = CUBLAS_BYTES + 28 * MIB
"""With more kinds of kernels, attention's among them: 692 to 712 MiB beside all tensors once a model has generated."""
CUBLAS_WORKSPACE_BYTES = 4 * MIB
HOPPER_CUBLAS_WORKSPACE_BYTES = 32 * MIB
HOPPER = (9, 0)
"""A handle's workspace, and from which capability on it is the larger one (docs.nvidia.com/cuda/cublas,
cublasSetWorkspace)."""
CUDA_POOL_GROWTH_BYTES = 192 * MIB
"""Above that, by the batches that come; our own allowance. Of 30 loads on the H100 none took more than 40."""

UNKNOWN_CUDA_BYTES = (107 * MIB, 450 * MIB, 850 * MIB)
"""(low, expected, high) where the card's size is not known: the span of the cards above, and a B200 by these rules."""
METAL_BYTES = (0, 32 * MIB, 256 * MIB)
"""llama.cpp's breakdown on an Apple M5 Pro leaves 0 MiB unaccounted (a log of 2026-05); the rest is our allowance."""
PROCESS_BYTES = (40 * MIB, 120 * MIB, 400 * MIB)
"""The process itself: code, tokenizer, HTTP server. Our allowance."""
CPU_PROCESS_BYTES, BYTES_PER_TOKEN = 22 * MIB, 152
"""Of llama-server without a GPU: libraries' pages, HTTP server, and the vocabulary by its tokens.

Measured with its build 0c1e57098 on x86-64 (2026-11-26), resident beside weights, KV cache and compute buffer after a
prompt of 1,804 tokens: 27 MiB with 32,000 tokens, 41 with 128,256. Merges of byte-pair vocabularies come on top, for
which the band allows.
"""
CPU_PROCESS_SPAN = (15 * MIB, 120 * MIB)
CUDA_PROCESS_BYTES = (300 * MIB, 360 * MIB, 800 * MIB)
CUBLAS_PROCESS_BYTES = 115 * MIB
"""With the driver's host side and CUDA's libraries: a llama-server on an H100 has 355 to 371 MiB resident beside the
file's pages and its buffers for dense models, 471 to 483 where cuBLAS is used, and up to 780 with what it keeps of past
prompts' states (bench/real_gpu.py, 2026-11-26, files without a vocabulary)."""


def runtime_term(place: Place, n_library_bytes: int = TORCH_LIBRARIES_BYTES, *, engine: str = "") -> Term | None:
    """What a process takes on a device that nobody allocates by name; None on the host.

    Args:
        place: the device.
        n_library_bytes: what libraries take of it; PyTorch's, unless given, whose workspaces count as tensors.
        engine: whose loads on this machine count, as ``Estimate.engine`` has it; empty: nobody's do.
    """
    made = _plain_runtime_term(place, n_library_bytes)
    if not (place.calibrations and engine):
        return made
    from estimator.calibration import calibrated  # noqa: PLC0415  # 1 ms, for who has learned something

    return calibrated(made, place.calibrations, engine)


def _plain_runtime_term(place: Place, n_library_bytes: int) -> Term | None:
    if place.kind == "host":
        return None
    if place.kind == "metal":
        return allowance(place, "Metal runtime", METAL_BYTES, "our allowance; a log of 2026-05 shows none on an M5 Pro")
    if place.kind != "cuda":
        return allowance(place, "driver context", UNKNOWN_CUDA_BYTES, "no such device was measured; the span of CUDA's")
    source = "measured on an H100, an RTX 4060 Ti, RTX 4090 and RTX PRO 6000: estimator/runtime.py"
    if place.n_multiprocessors is None:
        unknown = allowance(place, "CUDA context", UNKNOWN_CUDA_BYTES, source)
        return replace(unknown, formula="multiprocessors not reported: the span of known cards")
    n_threads = place.n_multiprocessors * _threads_each(place)
    context = CUDA_CONTEXT_BASE_BYTES + CUDA_CONTEXT_PER_THREAD_BYTES * n_threads
    expected = context + CUDA_KERNELS_BASE_BYTES + CUDA_KERNELS_PER_THREAD_BYTES * n_threads + n_library_bytes
    return Term(
        kind=Kind.RUNTIME,
        label="CUDA context",
        place=place.name,
        n_bytes=expected,
        low_bytes=context,
        high_bytes=expected + CUDA_POOL_GROWTH_BYTES,
        basis=Basis.CALIBRATED,
        source=source,
        formula=f"60 MiB + 2102 B x {place.n_multiprocessors} multiprocessors x {_threads_each(place)} threads"
        + f" + {n_library_bytes // MIB} MiB for libraries" * bool(n_library_bytes),
    )


def told_free_bytes(place: Place) -> int:
    """What is free as a program is told that asks CUDA itself: its own context is made first, and taken off.

    llama.cpp's --fit reckons with that: six loads on an H100 with 4 and 10 GiB free put on the device what is foreseen
    so (bench/real_gpu.py --leave, 2026-11-26). Where the context's size is not known, nothing is taken off.
    """
    if place.kind != "cuda" or place.n_multiprocessors is None:
        return place.free_bytes
    context = runtime_term(place)
    return place.free_bytes if context is None else max(0, place.free_bytes - context.low_bytes)


def blas_bytes(place: Place) -> int:
    """What cuBLAS takes where an engine leaves its workspace to it."""
    is_large = place.compute_capability is not None and place.compute_capability >= HOPPER
    return CUBLAS_BYTES + (HOPPER_CUBLAS_WORKSPACE_BYTES if is_large else CUBLAS_WORKSPACE_BYTES)


def _threads_each(place: Place) -> int:
    if place.compute_capability is None:
        return USUAL_CUDA_RESIDENT_THREADS
    return CUDA_RESIDENT_THREADS.get(place.compute_capability, MOST_CUDA_RESIDENT_THREADS)


def cpu_runtime(host: Place, vocabulary_size: int) -> Term:
    """The process's own memory, of a llama-server that uses no GPU."""
    low, high = CPU_PROCESS_SPAN
    expected = min(CPU_PROCESS_BYTES + BYTES_PER_TOKEN * vocabulary_size, high)
    return allowance(host, "process", (low, expected, high), "llama-server measured on a CPU: estimator/runtime.py")


def host_runtime(host: Place, *, is_on_cuda: bool = False, has_blas: bool = False) -> Term:
    """The process's own memory on the host."""
    if not is_on_cuda:
        return allowance(host, "process", PROCESS_BYTES, "our allowance for code, tokenizer and server")
    low, expected, high = CUDA_PROCESS_BYTES
    span = low, expected + CUBLAS_PROCESS_BYTES * has_blas, high
    return allowance(host, "process", span, "llama-server measured on an H100, driver 580: estimator/runtime.py")


def allowance(place: Place, label: str, span_bytes: tuple[int, int, int], source: str) -> Term:
    """What nobody asks for and somebody takes: (least, expected, most)."""
    low, expected, high = span_bytes
    return Term(
        kind=Kind.RUNTIME,
        label=label,
        place=place.name,
        n_bytes=expected,
        low_bytes=low,
        high_bytes=high,
        basis=Basis.ASSUMED,
        source=source,
    )

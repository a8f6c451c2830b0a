"""What PyTorch takes beside the tensors that a program asks for."""

from collections.abc import Sequence

from estimator.ledger import Basis, Kind, Place, Term
from estimator.runtime import HOPPER, HOPPER_CUBLAS_WORKSPACE_BYTES, allowance

MIB = 1 << 20

WORKSPACE_BYTES = 4096 * 2 * 1024 + 16 * 8 * 1024
"""cuBLAS' workspace, taken from the same pool as tensors (aten/src/ATen/cuda/CublasHandlePool.cpp,
`parseChosenWorkspaceSize`). Runs on H20 leave 33 to 48 MiB beside weights and cache, whatever the length
(github.com/QwenLM/Qwen3, speed_benchmark.md)."""
ACTIVATIONS = "activations"
"""The label of what comes and goes while a prompt is read."""
PYTHON_BYTES = (347 * MIB, 800 * MIB, 1800 * MIB)
"""(low, expected, high) of the process. torch 2.13.0 without CUDA and transformers 5.24.0, a tiny model generating,
take 347 MiB of resident memory (measured 2026-11); the rest is our allowance."""
FRAGMENTS_RATIO = (0.6, 2.0)
MOST_FRAGMENTS_BYTES = 100 * MIB
"""(expected, most) of the activations, and what may come on top: freed blocks of a size that nothing asks for again.
Two models on an H100 (Qwen3 0.6B and 8B, torch 2.11, 2026-11-26) kept 52 to 465 MiB reserved beside their peak after
prompts of 500 to 8,192 tokens: 0.54 to 0.85 of the activations from 6,000 tokens on, once 1.9 (8,192 tokens of 0.6B,
where a layer's keys fill whole segments and the next token moves them all)."""
CUDA_PYTHON_BYTES = (600 * MIB, 1700 * MIB, 2200 * MIB)
"""The same on a GPU. Torch 2.11.0 (CUDA 13.0) and transformers 5.17.0 on an H100 (2026-11-26): 615 MiB with one tensor
there, 961 after products and attention; 925 once a model is loaded, 1628 to 1938 once it has answered, of 0.6B and
8B alike, and 2059 at most while weights are read."""


def workspace_term(place: Place) -> Term | None:
    """CuBLAS' workspace on a CUDA device, or None elsewhere."""
    if place.kind not in ("cuda", "rocm"):
        return None
    capability = place.compute_capability
    expected = WORKSPACE_BYTES if capability is None or capability < HOPPER else HOPPER_CUBLAS_WORKSPACE_BYTES
    return Term(
        kind=Kind.COMPUTE,
        label="cuBLAS workspace",
        place=place.name,
        n_bytes=expected,
        low_bytes=0,
        high_bytes=expected + HOPPER_CUBLAS_WORKSPACE_BYTES,  # one more for each further stream or cuBLASLt
        basis=Basis.DERIVED,
        source="aten/src/ATen/cuda/CublasHandlePool.cpp, parseChosenWorkspaceSize",
    )


def slack_term(place: Place, left_bytes: int, taken: Sequence[Term]) -> Term | None:
    """What the allocator keeps reserved of blocks that grown caches and activations left behind; None on the host.

    It gives them back before an allocation fails (`release_cached_blocks`): they fill what is free and no more.

    Args:
        place: the device.
        left_bytes: so much was left behind by caches.
        taken: all other terms there.
    """
    activations = sum(term.n_bytes for term in taken if term.label == ACTIVATIONS)
    if place.kind == "host" or not left_bytes + activations:
        return None
    likely, most = (int(ratio * activations) for ratio in FRAGMENTS_RATIO)
    room = max(0, place.free_bytes - sum(term.n_bytes for term in taken))
    safe = max(0, place.line_bytes - sum(term.high_bytes for term in taken))
    expected = min(left_bytes + likely, room, safe)
    return Term(
        kind=Kind.RUNTIME,
        label="allocator's slack",
        place=place.name,
        n_bytes=expected,
        low_bytes=0,
        high_bytes=max(expected, min(2 * left_bytes + most + MOST_FRAGMENTS_BYTES, safe)),
        basis=Basis.ASSUMED,
        source="c10/cuda/CUDACachingAllocator.cpp keeps freed blocks until memory is short",
    )


def process_term(host: Place, *, is_on_cuda: bool = False) -> Term:
    """Python, PyTorch and the driver's host side."""
    source = "torch 2.13.0 and transformers 5.24.0 measured without CUDA, 2.11.0 and 5.17.0 on an H100"
    return allowance(host, "process", CUDA_PYTHON_BYTES if is_on_cuda else PYTHON_BYTES, source)

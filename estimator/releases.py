"""What changed between vLLM's releases, as far as memory goes.

Read in the wheels of 0.12.0, 0.16.0, 0.19.1, 0.21.0 and 0.33.0; what is older, by the logs that are named.
"""

from dataclasses import dataclass

from estimator.activations import MIB, Span
from estimator.errors import Unjudgeable


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The rules from one release on."""

    since: tuple[int, int]
    utilization_ratio: float = 0.9
    """Default of --gpu-memory-utilization (`config/cache.py`): 0.9 up to 0.19.1, 0.92 in 0.21.0."""
    is_compiled: bool = True
    """The engine of today (V1), which compiles and chunks; False for its predecessor."""
    logit_bytes: tuple[float, float, float]
    """(low, expected, high) that the sampler needs per logit while memory is profiled."""
    graphs: Span
    """CUDA graphs of all batch sizes; nobody can tell them closely."""
    has_graphs_in_budget: bool = False
    """An estimate of them is taken from the cache (VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS, on since 0.21)."""
    is_concurrency_printed: bool = False
    """"GPU KV cache size" is the concurrency times the length, not blocks by groups (`kv_cache_utils.py`, 0.21.0)."""
    n_flying_batches: int = 1
    """Batches that may be scheduled at once, for each of which a window keeps tokens (`max_in_flight_tokens`)."""
    n_state_blocks: int = 1
    """Blocks for a sequence's state: 2 where hybrids remember prefixes unasked (`is_prefix_caching_supported`)."""


def _graphs(low: int, expected: int, high: int) -> Span:
    return Span(n_bytes=expected * MIB, low_bytes=low * MIB, high_bytes=high * MIB)


NATIVE_LOGIT_BYTES = (36.0, 38.6, 44.0)
"""PyTorch's sort, softmax and cumulative sum. Logged peaks: 1.40 GiB for 256 sequences of 152064 logits (38.6 bytes
each), 5.58 GiB for 1024 of 151936 (38.5), 7.4 GiB for 1024 of 201088 (38.6)."""
TRITON_LOGIT_BYTES = (10.0, 14.0, 24.0)
"""The logits as computed (2), as float32 (4), their probabilities (4) and exponential noise (4), the masks in place:
apply_top_k_top_p_triton, v1/sample/ops/topk_topp_sampler.py of 0.19.1. Two logs of Qwen3.5 27B on an RTX 5090 that
differ by 248 sequences differ by 13.9 bytes per logit."""
RUNNER2_LOGIT_BYTES = (8.0, 10.0, 20.0)
"""The second model runner makes no noise: logits, float32 and masked (v1/worker/gpu/model_runner.py:
_dummy_sampler_run, 0.33.0)."""

RELEASES = (
    # Logged: 0.08 to 0.8 GiB.
    Release(since=(0, 0), is_compiled=False, logit_bytes=NATIVE_LOGIT_BYTES, graphs=_graphs(50, 350, 1000)),
    # Logged: 2.24 GiB (Qwen3 8B), 2.37 (Qwen3-Next on 2), 3.45 (Qwen3 235B on 4).
    Release(since=(0, 8), logit_bytes=NATIVE_LOGIT_BYTES, graphs=_graphs(300, 2000, 3600)),
    # Logged: 0.51 GiB (DeepSeek R1 on 8), 1.22 (a 70B on 2).
    Release(since=(0, 11), logit_bytes=NATIVE_LOGIT_BYTES, graphs=_graphs(200, 800, 1800)),
    Release(since=(0, 17), logit_bytes=TRITON_LOGIT_BYTES, graphs=_graphs(150, 600, 1400)),
    # Logged, as captured: 0.07 to 0.71 GiB; as estimated beforehand 0.38 to 0.64, and far off for some.
    Release(
        since=(0, 21),
        utilization_ratio=0.92,
        logit_bytes=TRITON_LOGIT_BYTES,
        graphs=_graphs(100, 420, 1000),
        has_graphs_in_budget=True,
        is_concurrency_printed=True,
        n_flying_batches=2,
    ),
    Release(
        since=(0, 28),
        utilization_ratio=0.92,
        logit_bytes=RUNNER2_LOGIT_BYTES,
        graphs=_graphs(70, 350, 1000),
        has_graphs_in_budget=True,
        is_concurrency_printed=True,
        n_flying_batches=2,
        n_state_blocks=2,
    ),
)

NEWEST = "0.33"


def release(version: str) -> Release:
    """The rules that hold for a version such as ``0.10.2``.

    Raises:
        Unjudgeable: that is no version.
    """
    parts = version.removeprefix("v").split(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts[:2]) or len(parts) < 2:
        raise Unjudgeable(f"{version!r} is no version of vLLM; say which, as in {NEWEST}")
    number = (int(parts[0]), int(parts[1]))
    return next(found for found in reversed(RELEASES) if found.since <= number)

"""What changed between vLLM's releases, as far as memory goes.

Read in the wheels of 0.7.3, 0.8.4, 0.12.0, 0.16.0, 0.19.1, 0.21.0, 0.24.0, 0.28.0, 0.30.0 and 0.33.0; what is older,
and when between two of them a rule changed, by the logs that are named.
"""

import re
from dataclasses import replace

from estimator.activations import MIB, Span
from estimator.errors import Unjudgeable
from records.record import record


def _span(low: int, expected: int, high: int) -> Span:
    """Of MiB."""
    return Span(n_bytes=expected * MIB, low_bytes=low * MIB, high_bytes=high * MIB)


NO_KERNELS = _span(0, 0, 0)
STATE_KERNELS = _span(0, 1800, 3800)
"""Logged for Qwen3.5 4B on one card: 1.8 GiB (0.17.1) and 3.8 (0.18.0) beside weights and PyTorch's; 0.26.1 counts 0.47
for Qwen3.8 27B, libraries among it, and 0.10.2 1.38 for Qwen3-Next on two, collectives among it."""
LARGE_CARD_BYTES = 1900 * MIB
"""High end of libraries on cards of 70 GiB and more. Logged there: 0.07, 0.09, 0.12, 0.16, 0.26, and twice far more:
1.39 (Qwen2-VL 2B, 2025-07) and 1.79 (Llama 3 8B, github.com/vllm-project/vllm/pull/10511). Smaller cards, sixteen logs:
0.01 to 0.10, once 0.35, and 0.46 with ROCm."""
SHARED_MEMORY_BYTES = 5000 * MIB
"""The same where the device has no memory of its own, since what other programs take and give back is counted too: a
Jetson logged 0.0, 0.9, 1.0, 2.2, 3.7, 4.8 and 8.3 GiB in seven runs of one model, a GB10 0.13."""


@record(frozen=True, slots=True, kw_only=True)
class Release:
    """The rules from one release on."""

    since: tuple[int, int]
    utilization_ratio: float = 0.9
    """Default of --gpu-memory-utilization (`config/cache.py`): 0.9 up to 0.19.1, 0.92 in 0.21.0."""
    is_compiled: bool = True
    """The engine of today (V1), which compiles and feeds prompts in pieces; False for its predecessor."""
    logit_bytes: tuple[float, float, float]
    """(low, expected, high) that the sampler needs per logit while memory is profiled."""
    graphs: Span
    """CUDA graphs of all batch sizes; nobody can tell them closely."""
    libraries: Span
    """What is on the device and not PyTorch's: cuBLAS, the allocator's rest."""
    collectives: Span
    """The same with NCCL and its buffers, on several devices."""
    linked_collectives: Span
    """The same on devices of Hopper's class and later, which are linked and reduce in buffers of their own."""
    has_graphs_in_budget: bool = False
    """An estimate of them is taken from the cache (VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS, on since 0.21)."""
    samples_pieces: bool = True
    """Whether the sampler ran in the profile where prompts were fed in pieces, in the engine before V1. Logged for 0.7:
    0.22 GiB (Llama 3.1 8B), 0.19 (Qwen2.5 14B on two), 0.36 (DeepSeek Coder V2 Lite on eight), with no room for one;
    for 0.8: 1.39 (Qwen3 30B-A3B on four) and 1.45 (Qwen3 8B on four), which it fills."""
    state_kernels: Span = NO_KERNELS
    """Beside the libraries, where layers have a recurrent state: what its Triton kernels take."""
    keeps_reduced: bool = False
    """What goes into a sum over devices stays allocated until the end of the step: `TORCH_NCCL_AVOID_RECORD_STREAMS`,
    set by worker.py from 2024 on, whose comment says so. Llama 2 70B on four A100 (#2031, 2023-12-12) had 10 GiB less
    for its cache than its weights and the step leave."""
    has_workspaces: bool = False
    """Experts compute in a buffer that stays, and is no activation (`v1/worker/workspace.py`: in 0.16.0, not in
    0.12.0)."""
    is_concurrency_printed: bool = False
    """"GPU KV cache size" is the concurrency times the length, not blocks by groups (`kv_cache_utils.py`, 0.21.0)."""
    n_flying_batches: int = 1
    """Batches that may be scheduled at once; for each a window keeps its tokens: `max_in_flight_tokens`, 0.28.0."""
    n_state_blocks: int = 1
    """Blocks for a sequence's state: 2 where hybrids remember prefixes unasked (`is_prefix_caching_supported`: not in
    0.24.0, but in 0.28.0; the figures that 0.26.1 printed for Qwen3.5 27B need 2)."""
    large_cards: str = "memory"
    """What gets large batches: ``name`` (H100 and H200), ``memory`` (70 GiB, but for the A100) or ``two tiers`` (and
    160 GiB)."""


NATIVE_LOGIT_BYTES = (36.0, 38.6, 44.0)
"""PyTorch's sort, softmax and cumulative sum. Logged peaks: 1.40 GiB for 256 sequences of 152064 logits (38.6 bytes
each), 5.58 GiB for 1024 of 151936 (38.5), 7.4 GiB for 1024 of 201088 (38.6)."""
FLASHINFER_LOGIT_BYTES = (12.0, 38.6, 44.0)
"""The same where FlashInfer, if it is there, samples in place of PyTorch (from 0.8 on; since 0.11 not unasked): a log
of Llama 3.2 1B of 2025-08 has 0.45 GiB for 256 sequences of 128256 logits, 14.7 bytes each."""
TRITON_LOGIT_BYTES = (10.0, 14.0, 24.0)
"""The logits as computed (2), as float32 (4), their probabilities (4) and exponential noise (4), the masks in place:
apply_top_k_top_p_triton, v1/sample/ops/topk_topp_sampler.py of 0.19.1 (not yet in 0.16.0). Two logs of Qwen3.5 27B on
an RTX 5090 that differ by 248 sequences differ by 13.9 bytes per logit."""
RUNNER2_LOGIT_BYTES = (8.0, 10.0, 20.0)
"""The second model runner makes no noise: logits, float32 and masked (v1/worker/gpu/model_runner.py:
_dummy_sampler_run, 0.33.0); the default for all models in 0.30.0, for some in 0.24.0."""

_V0 = Release(
    since=(0, 6),
    is_compiled=False,
    samples_pieces=False,
    logit_bytes=NATIVE_LOGIT_BYTES,
    graphs=_span(50, 350, 1000),  # logged: 0.08 to 0.8 GiB
    libraries=_span(10, 95, 480),  # logged: 0.01 to 0.12 GiB, once 0.35; 0.46 with ROCm
    collectives=_span(100, 240, 800),  # logged: 0.20, 0.21 and 0.25 GiB on two and four cards for desktops
    # Logged: 0.74 GiB on two H20, 1.38 on two H200, 2.10 on eight A100; 3.58 in a build of 2024-12.
    linked_collectives=_span(400, 1050, 2300),
)
_LAST_V0 = replace(_V0, since=(0, 8), samples_pieces=True)
_OLDEST = replace(
    _V0,
    since=(0, 0),
    # In 2023 the context was part of it: 0.8 GiB fewer than otherwise for Llama 2 7B on an A100.
    libraries=_span(400, 850, 1300),
    collectives=_span(600, 1100, 2600),
)
_V1 = replace(
    _V0,
    since=(0, 8),
    is_compiled=True,
    graphs=_span(300, 2000, 3600),
    libraries=_span(20, 120, 800),  # logged: 0.02 to 0.34 GiB; 0.5 for gpt-oss on an A100, by what its cache was left
    logit_bytes=FLASHINFER_LOGIT_BYTES,
    large_cards="name",
)
_V1_LATER = replace(
    _V1,
    since=(0, 11),
    graphs=_span(200, 800, 1800),
    logit_bytes=NATIVE_LOGIT_BYTES,
    large_cards="memory",
)
_SHARED_GRAPHS = replace(
    _V1,
    since=(0, 21),
    utilization_ratio=0.92,
    logit_bytes=TRITON_LOGIT_BYTES,
    state_kernels=STATE_KERNELS,
    graphs=_span(100, 420, 1000),  # logged, captured: 0.07 to 0.71 GiB; estimated: 0.38 to 0.64, and far off for some
    has_graphs_in_budget=True,
    has_workspaces=True,
    is_concurrency_printed=True,
    large_cards="memory",
)
_CONSUMED = replace(
    _SHARED_GRAPHS,
    since=(0, 26),
    state_kernels=NO_KERNELS,
    # All that has gone from the free memory counts now (`total_consumed`, 0.28.0). Logged beyond the weights: 0.26 and
    # 0.47 GiB on one, 1.70 on four of which 0.55 is the experts' workspace.
    libraries=_span(100, 300, 800),
    collectives=_span(300, 1000, 2000),
    linked_collectives=_span(500, 1300, 2400),
    n_flying_batches=2,
    n_state_blocks=2,
    large_cards="two tiers",
)

RELEASES = (
    replace(_OLDEST, keeps_reduced=True),
    replace(_OLDEST, since=(0, 3)),
    _V0,
    _V1,  # logged graphs: 2.24 GiB (Qwen3 8B), 2.37 (Qwen3-Next on 2), 3.45 (Qwen3 235B on 4)
    replace(_V1, since=(0, 9), large_cards="memory"),
    # Graphs logged: 0.51 GiB (DeepSeek R1 on 8), 1.22 (a 70B on 2).
    _V1_LATER,
    replace(_V1_LATER, since=(0, 14), has_workspaces=True),
    replace(
        _SHARED_GRAPHS,
        since=(0, 17),
        utilization_ratio=0.9,
        state_kernels=STATE_KERNELS,
        graphs=_span(150, 600, 1400),
        has_graphs_in_budget=False,
        is_concurrency_printed=False,
    ),
    _SHARED_GRAPHS,
    _CONSUMED,
    replace(_CONSUMED, since=(0, 30), logit_bytes=RUNNER2_LOGIT_BYTES, graphs=_span(70, 350, 1000)),
)

NEWEST = "0.33"
LAST_WITH_V0 = (0, 10)
"""The engine before V1 was there to fall back to (VLLM_USE_V1=0, and cards before Ampere: engine/arg_utils.py:
_is_v1_supported_oracle, 0.8.4)."""

_NUMBER = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?!\d)")


def release(version: str, *, is_old_card: bool = False) -> Release:
    """The rules that hold for a version such as ``0.10.2``, or ``0.9 V0`` where VLLM_USE_V1=0 was set.

    Raises:
        Unjudgeable: that is no version.
    """
    found = _NUMBER.match(version.strip())
    if found is None or len(version) > 40:
        raise Unjudgeable(f"{version[:40]!r} is no version of vLLM; say which, as in {NEWEST}")
    number = (int(found[1]), int(found[2]))
    rules = next(rules for rules in reversed(RELEASES) if rules.since <= number)
    if rules.is_compiled and number <= LAST_WITH_V0 and (is_old_card or "v0" in version.casefold().split()):
        return _LAST_V0
    return rules

"""SGLang's static share: of the memory that is free before loading, a fraction for weights and cache together.

As `_profile_available_bytes` (sglang/srt/mem_cache/kv_cache_configurator.py, 0.5.23) and `profile_max_num_token`
(sglang/srt/model_executor/model_runner.py, 0.4.6) reckon it; what is beyond the fraction is for activations, CUDA
graphs and tables, and nothing checks that it is enough.
"""

from collections.abc import Sequence

from estimator.activations import Span, total
from estimator.ledger import Place
from estimator.paged_cache import LayerCache
from records.record import record

MIB, GIB = 1 << 20, 1 << 30

STATE_RATIO = 0.9
"""mamba_full_memory_ratio: states get so much of what is left for what attention gets 1. A log of Granite 4.0 H shows
2.77 GiB beside 3.04."""
WINDOW_RATIO = 0.8
"""swa_full_tokens_ratio: a window's pool has so many tokens for one of the whole context's."""
TABLE_REQUESTS = (2048, 4096)
"""Least and most rows of the table of requests (`resolve_max_num_reqs`)."""
REQUESTS_PER_CONTEXT = 512


@record(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What the server chooses by the card where nothing is said."""

    fraction: float
    n_prefill_tokens: int
    n_graph_sequences: int


def defaults_of_0_4(place: Place, tensor: int) -> Defaults:
    """`ServerArgs.__post_init__`, sglang/srt/server_args.py, 0.4.6."""
    memory_mib = place.total_bytes / MIB
    by_devices = ((16, 0.79), (8, 0.81), (4, 0.85), (2, 0.87), (1, 0.88))
    fraction = next(fraction for least, fraction in by_devices if tensor >= least)
    if memory_mib > 81920:
        fraction = (memory_mib - 13 * 1024) / memory_mib
    is_small = memory_mib < 25_000
    small_graphs = 8 if tensor < 4 else 80
    return Defaults(
        fraction=fraction,
        n_prefill_tokens=2048 if is_small else 8192,
        n_graph_sequences=small_graphs if is_small else 160,
    )


_TIERS = (
    # (below GiB, tokens of one piece of a prompt, sequences of the largest graph on fewer than 4 devices and on more)
    (20, 2048, 8, 8),
    (35, 4096, 48, 160),
    (60, 4096, 32, 160),
    (160, 8192, 256, 512),
)


def defaults(
    place: Place,
    tensor: int,
    n_devices: int,
    *,
    prefill_tokens: int | None,
    graph_sequences: int | None,
    is_latent: bool,
) -> Defaults:
    """`handle_gpu_memory_settings`, sglang/srt/arg_groups/memory_hook.py, 0.5.23.

    Args:
        place: its size as the driver reports it decides.
        tensor: devices that slice every layer.
        n_devices: all of them.
        prefill_tokens: as asked for; None leaves it to the card.
        graph_sequences: likewise; 0 for none.
        is_latent: latent attention needs more room for the graphs of prompts.
    """
    memory_mib = place.total_bytes / MIB
    tier = next((tier for tier in _TIERS if memory_mib < tier[0] * 1024), (0, 16384, 512, 512))
    tokens = prefill_tokens or tier[1]
    sequences = graph_sequences if graph_sequences is not None else tier[2 if tensor < 4 else 3]
    reserved_mib = 512 + 1.5 * max(tokens, 2048) + n_devices / 8 * 1024
    if sequences:
        reserved_mib += 2 * sequences + (1536 if is_latent else 8 * n_prompt_graphs(tokens))
    if memory_mib > 60 * 1024:
        reserved_mib = max(reserved_mib, 10 * 1024)
    return Defaults(
        fraction=max(0.01, round((memory_mib - reserved_mib) / memory_mib, 3)),
        n_prefill_tokens=tokens,
        n_graph_sequences=sequences,
    )


def n_prompt_graphs(most_tokens: int) -> int:
    """How many sizes are captured (`generate_prefill_cuda_graph_batch_sizes`, cuda_graph_hook.py, 0.5.23)."""
    steps = ((4, 32, 4), (48, 256, 16), (288, 512, 32), (576, 1024, 64), (1280, 4096, 256), (4608, most_tokens, 512))
    return sum(len(range(first, min(last, most_tokens) + 1, step)) for first, last, step in steps)


@record(frozen=True, slots=True, kw_only=True)
class StaticPool:
    """What one device keeps of tokens and states."""

    free: Span
    """Before loading, once the process and its collectives are there."""
    weights: Span
    fraction: float
    token_bytes: float
    """Per token, what windows keep less counted as less."""
    state_bytes: int
    """Per sequence."""
    most_tokens: int | None = None
    """--max-total-tokens."""

    def rest(self) -> Span:
        """What weights leave of the fraction."""
        share = Span(
            n_bytes=int(self.free.n_bytes * self.fraction),
            low_bytes=int(self.free.low_bytes * self.fraction),
            high_bytes=int(self.free.high_bytes * self.fraction),
        )
        minus = Span(
            n_bytes=-self.weights.n_bytes, low_bytes=-self.weights.high_bytes, high_bytes=-self.weights.low_bytes
        )
        return total([share, minus])

    def states(self) -> Span:
        """What goes to states of hybrids."""
        if not self.state_bytes:
            return Span(n_bytes=0, low_bytes=0, high_bytes=0)
        share = STATE_RATIO / (1 + STATE_RATIO) if self.token_bytes else 1.0
        rest = self.rest()
        return Span(
            n_bytes=int(max(0, rest.n_bytes) * share),
            low_bytes=int(max(0, rest.low_bytes) * share),
            high_bytes=int(max(0, rest.high_bytes) * share),
        )

    def tokens(self) -> Span:
        """(In tokens, not bytes) what the cache holds."""
        if not self.token_bytes:
            return Span(n_bytes=0, low_bytes=0, high_bytes=0)
        rest, states = self.rest(), self.states()
        counts = [
            int(max(0, left - taken) / self.token_bytes)
            for left, taken in (
                (rest.n_bytes, states.n_bytes),
                (rest.low_bytes, states.low_bytes),
                (rest.high_bytes, states.high_bytes),
            )
        ]
        if self.most_tokens is not None:
            counts = [min(count, self.most_tokens) for count in counts]
        return Span(n_bytes=counts[0], low_bytes=counts[1], high_bytes=counts[2])

    def smallest_fraction(self, n_tokens: int) -> Span:
        """(In millionths) that would hold so many tokens."""
        needed = int(n_tokens * self.token_bytes * (1 + (STATE_RATIO if self.state_bytes else 0)))
        ends = (
            (self.weights.n_bytes, self.free.n_bytes),
            (self.weights.low_bytes, self.free.high_bytes),
            (self.weights.high_bytes, self.free.low_bytes),
        )
        millionths = [-(-(weights + needed) * 1_000_000 // max(1, free)) for weights, free in ends]
        return Span(n_bytes=millionths[0], low_bytes=millionths[1], high_bytes=millionths[2])


def pool_token_bytes(caches: Sequence[LayerCache], *, has_window_pool: bool) -> float:
    """Bytes per token of the whole pool: windowed layers have a smaller one of their own where the engine makes one."""
    whole = sum(cache.token_bytes for cache in caches if cache.window_tokens is None)
    windowed = sum(cache.token_bytes for cache in caches if cache.window_tokens is not None)
    return whole + (WINDOW_RATIO if has_window_pool and whole else 1) * windowed


def table_bytes(n_tokens: int, length: int, n_requests: int | None) -> int:
    """The table of every request's tokens: a row of 4-byte places for each (`ReqToTokenPool`)."""
    least, most = TABLE_REQUESTS
    rows = n_requests or min(max(int(n_tokens / max(1, length) * REQUESTS_PER_CONTEXT), least), most)
    return 4 * (rows + 1) * (length + 4)

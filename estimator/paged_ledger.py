"""A share of a device as terms of the ledger, and its cache as the figures that people ask a server for."""

from collections.abc import Callable, Iterable

from estimator.activations import Span
from estimator.budget import Budget
from estimator.ledger import Answer, Basis, Kind, Place, Term
from estimator.ranks import Rank, weight_term
from estimator.runtime import runtime_term

PLANNING = "vllm/v1/core/kv_cache_planning.py and kv_cache_utils.py, 0.33.0"


def rank_terms(budget: Budget, rank: Rank, engine: str) -> list[Term]:
    """Everything on one device."""
    place, is_shared = rank.place, budget.kv_bytes is None
    room, block_bytes = budget.room(rank), budget.block_bytes(rank)
    n_blocks = budget.blocks.n_bytes
    cache = Span(
        n_bytes=n_blocks * block_bytes,
        low_bytes=min(n_blocks * block_bytes, room.low_bytes),
        high_bytes=max(n_blocks * block_bytes, room.high_bytes),
        formula=f"{n_blocks} blocks x {block_bytes} bytes",
    )
    has_graphs = budget.has_graphs_in_share
    terms = [
        weight_term(rank, budget.model, engine, budget.off_bytes, is_in_share=is_shared),
        span_term(
            cache,
            Kind.KV_CACHE,
            "KV cache",
            place,
            source="what is left of the share: determine_available_memory, vllm/v1/worker/gpu_worker.py, 0.33.0",
            read_bytes=budget.cache.read_bytes(budget.length_tokens, rank.stage.layers),
            is_in_share=is_shared,
        ),
        span_term(
            budget.activations,
            Kind.COMPUTE,
            "activations",
            place,
            source="a step of the most tokens, then the sampler: profile_run, 0.33.0",
            is_in_share=is_shared,
        ),
        span_term(
            budget.graphs,
            Kind.COMPUTE,
            "CUDA graphs in the share" if has_graphs else "CUDA graphs beyond the share",
            place,
            Basis.CALIBRATED,
            source="logs, named in estimator/releases.py",
            is_in_share=is_shared and has_graphs,
        ),
        span_term(
            budget.non_torch,
            Kind.RUNTIME,
            "libraries",
            place,
            Basis.CALIBRATED,
            source="logs, named in estimator/releases.py",
            is_in_share=is_shared,
        ),
    ]
    context = runtime_term(place)
    return terms if context is None else [*terms, context]


def span_term(
    span: Span,
    kind: Kind,
    label: str,
    place: Place,
    basis: Basis = Basis.DERIVED,
    *,
    source: str,
    read_bytes: int = 0,
    is_in_share: bool = False,
) -> Term:
    """A term as wide as a span."""
    return Term(
        kind=kind,
        label=label,
        place=place.name,
        n_bytes=span.n_bytes,
        low_bytes=span.low_bytes,
        high_bytes=span.high_bytes,
        basis=basis,
        source=source,
        formula=span.formula,
        read_bytes=read_bytes,
        is_in_share=is_in_share,
    )


def cache_answers(budget: Budget, tokens_of: Callable[[int], int], n_copies: int) -> Iterable[Answer]:
    """What a server is asked for.

    Args:
        budget: of one copy of the model.
        tokens_of: what the engine calls the size of a cache of so many blocks.
        n_copies: how many there are.
    """
    shares = sum(budget.share_bytes(rank.place) for rank in budget.ranks)
    yield Answer(key="share_bytes", label="takes in any case", value=shares, unit="bytes")
    cache = budget.cache
    if not cache.groups:
        return
    found = budget.blocks
    blocks = (found.n_bytes, found.low_bytes, found.high_bytes)
    needed = cache.blocks_for(budget.length_tokens)
    tokens = [tokens_of(n) * n_copies for n in blocks]
    at_once = [round(n / needed * n_copies, 2) for n in blocks]
    most = max(budget.model.native_context_tokens, budget.length_tokens)
    lengths = [cache.longest(max(0, n - 1), most) for n in blocks]
    yield _answer("kv_tokens", "KV cache holds", tokens, "tokens")
    yield _answer("full_length_sequences", f"at once, of {budget.length_tokens} tokens", at_once, "sequences")
    if budget.kv_bytes is None:
        smallest = budget.smallest_share()
        ratios = [n / 1e6 for n in (smallest.n_bytes, smallest.low_bytes, smallest.high_bytes)]
        yield _answer("smallest_utilization_ratio", "smallest share that starts", ratios)
    yield _answer("longest_context_tokens", "longest sequence that starts", lengths, "tokens")
    yield _answer("gpu_blocks", "blocks of cache", blocks, "blocks")


def _answer(key: str, label: str, span: Iterable[float], unit: str = "") -> Answer:
    value, low, high = span
    return Answer(key=key, label=label, value=value, low=low, high=high, unit=unit, source=PLANNING)

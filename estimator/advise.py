"""What to change so that a load fits: searches over one setting at a time, given how each value would be judged."""

from collections.abc import Callable, Sequence

from estimator.verdict import Level

CONTEXT_STEP_TOKENS = 256
"""Contexts are rounded up to it anyway."""
LARGE_STEP_TOKENS = 1024
"""From 4096 tokens on, what people type."""


def longest_context(
    level_of: Callable[[int], Level],
    *,
    native_tokens: int,
    at_most: Level = Level.FITS,
    sure_level_of: Callable[[int], Level] | None = None,
) -> int | None:
    """The longest context, up to the model's own, that is judged no worse than ``at_most``; None where none is.

    Args:
        level_of: may be rough. The search halves its way, as if more context never took less memory, which no
            engine's allocator promises.
        native_tokens: the model's own.
        at_most: how bad it may be.
        sure_level_of: what is found is judged by it too, and made shorter, by ever more steps, until it holds.
    """
    steps = _context_steps(native_tokens)
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        if level_of(steps[middle]) <= at_most:
            low = middle + 1
        else:
            high = middle
    back = 1
    while low > 0 and sure_level_of is not None and sure_level_of(steps[low - 1]) > at_most:
        low, back = low - back, 2 * back
    return steps[low - 1] if low > 0 else None


def _context_steps(native_tokens: int) -> list[int]:
    fine = list(range(CONTEXT_STEP_TOKENS, min(native_tokens, 4096) + 1, CONTEXT_STEP_TOKENS))
    coarse = list(range(4096 + LARGE_STEP_TOKENS, native_tokens + 1, LARGE_STEP_TOKENS))
    steps = fine + coarse
    if native_tokens > 0 and (not steps or steps[-1] != native_tokens):
        steps.append(native_tokens)
    return steps


def best_quant(
    level_of: Callable[[str], Level],
    quants: Sequence[str],
    *,
    at_most: Level = Level.FITS,
    sure_level_of: Callable[[str], Level] | None = None,
) -> str | None:
    """The first of ``quants``, the best ones first, that is judged no worse than ``at_most``, by both if both are."""
    return next(
        (
            quant
            for quant in quants
            if level_of(quant) <= at_most and (sure_level_of is None or sure_level_of(quant) <= at_most)
        ),
        None,
    )


LOW_BITS = 3.0
LOW_BITS_NOTE = (
    "under 3 bits per weight a model loses much: of Llama 3 70B, perplexity rises by 40 % at IQ3_XXS and by 69 % at "
    "Q2_K, by 5 % at Q4_K_M; a smaller model at 4 bits is the better choice"
)
"""Measured by dranger003, github.com/ggml-org/llama.cpp/pull/6745, 2024-04."""
FOUR_BITS = (3.9, 5.2)
"""Bits per weight of what is called 4 bits, scales and unquantised parts included."""
ROOMY_BITS = 6.5
"""From here on a larger model at 4 bits is worth a thought: 13B at Q2_K to Q4_K has a lower perplexity than 7B at
float16, 30B than 13B, 65B than 30B (github.com/ggml-org/llama.cpp/pull/1684, 2023-06)."""


def bits_per_weight(n_bytes: int, n_parameters: int) -> float:
    """Of all weights on average; 0 of none."""
    return 8 * n_bytes / n_parameters if n_parameters else 0.0


def narrower(steps: Sequence[str], now: str) -> tuple[str, ...]:
    """What is left of an engine's KV types to try: all below the one in use, or all but the widest."""
    return tuple(steps[steps.index(now) + 1 :]) if now in steps else tuple(steps[1:])


def offered(quants: Sequence[str], now: str, n_bytes: int, n_bytes_of: Callable[[str], int]) -> tuple[str, ...]:
    """The quants that are worth offering to a model that has one, the best first.

    A mixture of another name, such as those made by hand, has its place by its size.
    """
    if now in quants:
        return tuple(quants)
    at = next((n for n, quant in enumerate(quants) if n_bytes_of(quant) < n_bytes), len(quants))
    return (*quants[:at], now, *quants[at:])

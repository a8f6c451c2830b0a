"""What to change so that a load fits: searches over one setting at a time, given how each value would be judged."""

from collections.abc import Callable, Sequence

from estimator.verdict import Level

CONTEXT_STEP_TOKENS = 256
"""Contexts are rounded up to it anyway."""
LARGE_STEP_TOKENS = 1024
"""From 4096 tokens on, what people type."""


def longest_context(level_of: Callable[[int], Level], *, native_tokens: int, at_most: Level = Level.FITS) -> int | None:
    """The longest context, up to the model's own, that is judged no worse than ``at_most``; None where none is.

    More context never takes less memory, so the search halves its way.
    """
    steps = _context_steps(native_tokens)
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        if level_of(steps[middle]) <= at_most:
            low = middle + 1
        else:
            high = middle
    return steps[low - 1] if low else None


def _context_steps(native_tokens: int) -> list[int]:
    fine = list(range(CONTEXT_STEP_TOKENS, min(native_tokens, 4096) + 1, CONTEXT_STEP_TOKENS))
    coarse = list(range(4096 + LARGE_STEP_TOKENS, native_tokens + 1, LARGE_STEP_TOKENS))
    steps = fine + coarse
    if native_tokens > 0 and (not steps or steps[-1] != native_tokens):
        steps.append(native_tokens)
    return steps


def best_quant(level_of: Callable[[str], Level], quants: Sequence[str], *, at_most: Level = Level.FITS) -> str | None:
    """The first of ``quants``, the best ones first, that is judged no worse than ``at_most``."""
    return next((quant for quant in quants if level_of(quant) <= at_most), None)

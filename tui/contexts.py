"""Which contexts are offered of a model: what keys step through, and the columns of the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from estimator.model import Model
    from tui.plan import Plan

SMALLEST_CONTEXT_TOKENS = 512
_LEAST_SHOWN_TOKENS = 2048
_MOST_CONTEXT_TOKENS = 1 << 20
"""Keys step no further where the model does not say how long its context is."""
_NATIVE_TOKENS = 131072
"""The columns of the matrix end here where it does not."""


def contexts_of(model: Model) -> list[int]:
    """Powers of two from 512 to what the model has, and that itself."""
    return _powers(model.native_context_tokens or _MOST_CONTEXT_TOKENS)


def contexts_shown(plan: Plan) -> list[int]:
    """The same from 2k on, and the plan's own; that alone where the plan has none to choose."""
    own = plan.workload.context_tokens
    if not plan.model.has_context:
        return [own]
    native = plan.model.native_context_tokens or _NATIVE_TOKENS
    return sorted({own, native, *(tokens for tokens in _powers(native) if tokens >= _LEAST_SHOWN_TOKENS)})


def _powers(native: int) -> list[int]:
    steps = [SMALLEST_CONTEXT_TOKENS]
    while steps[-1] * 2 <= native:
        steps.append(steps[-1] * 2)
    return sorted({*steps, native})

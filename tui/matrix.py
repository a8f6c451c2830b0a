"""Every quant against every context: what each takes, and the verdict."""

from collections.abc import Sequence
from dataclasses import replace

from estimator.errors import EstimatorError
from estimator.ledger import Place
from estimator.spill import Outcome
from estimator.verdict import Level
from records.record import record
from tui.pace import pacing_of
from tui.plan import Assessment, Plan, assess, with_quant

MATRIX_QUANTS = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "Q2_K")


@record(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of quant and context."""

    quant: str
    context_tokens: int
    n_bytes: int
    """Expected, on the devices; on the host where there are none."""
    level: Level
    plan: Plan
    outcome: Outcome | None = None
    """What would happen where it does not fit."""
    reason: str = ""
    """The same in words."""
    is_refused: bool = False
    """By the engine's own rule."""
    tokens_per_second: float | None = None
    """At the plan's own context only: of one sequence, where it would run at all and the bandwidths are known."""


def matrix(plan: Plan, places: Sequence[Place], contexts: Sequence[int], quants: Sequence[str]) -> tuple[Cell, ...]:
    """Every quant at every context, row by row; what can't be judged is left out."""
    cells = []
    for quant in quants:
        for tokens in contexts:
            cell_plan = replace(plan.with_context(tokens), model=with_quant(plan.model, quant))
            try:
                made = assess(cell_plan, places, is_quick=True)
            except EstimatorError:
                continue
            names = made.device_names or tuple(place.name for place in made.places)
            cells.append(
                Cell(
                    quant=quant,
                    context_tokens=tokens,
                    n_bytes=made.estimate.n_bytes(names),
                    level=made.verdict.level,
                    plan=cell_plan,
                    outcome=made.verdict.outcome,
                    reason=made.verdict.reason,
                    is_refused=made.verdict.is_refused,
                    tokens_per_second=_rate(made) if tokens == plan.workload.context_tokens else None,
                )
            )
    return tuple(cells)


def _rate(made: Assessment) -> float | None:
    pacing = pacing_of(made)
    return None if pacing is None else pacing.speed.tokens_per_second

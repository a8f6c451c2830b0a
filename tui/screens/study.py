"""Advice and the matrix: up to some hundred estimates, so they are made on a thread aside."""

from collections.abc import Callable
from dataclasses import replace
from time import thread_time

from estimator.errors import EstimatorError
from estimator.ledger import Place
from estimator.model import Model
from estimator.verdict import Level
from probes.snapshot import Snapshot
from records.record import record
from tui.advice import Advice, advise
from tui.contexts import contexts_shown
from tui.eviction import eviction_of, with_room_made
from tui.matrix import Cell, matrix
from tui.plan import Assessment, Plan, assess
from tui.recognised import Recognised
from tui.screens.steps import quants_of


@record(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """What was found about one plan on places as they were."""

    plan: Plan
    places: tuple[Place, ...]
    exact: Assessment | None
    """Of the plan there, with what the engine itself would choose; None where it can't be judged."""
    level: Level
    advice: Advice
    cells: tuple[Cell, ...]
    seconds: float
    """Of computing."""
    reason: str = ""
    """Why it can't be judged; empty where it can."""


def study(
    plan: Plan,
    model: Model,
    places: tuple[Place, ...],
    snapshot: Snapshot,
    is_wanted: Callable[[], bool],
    engines: tuple[Recognised, ...] = (),
    on_exact: Callable[[Assessment], object] = lambda _: None,
) -> Study | None:
    """Advice and matrix; None where nobody wants it any more.

    Args:
        plan: what is chosen now.
        model: as it was read; every quant of the matrix is derived from it.
        places: of the snapshot.
        snapshot: names the processes that could be stopped.
        is_wanted: asked between cells.
        engines: as they were recognised among the processes.
        on_exact: told the verdict, long before the rest is there.
    """
    began = thread_time()
    try:
        eviction = eviction_of(snapshot, engines) if plan.engine_name == "ollama" else None
        exact = with_room_made(lambda on: assess(plan, on), places, eviction)
    except EstimatorError as error:  # closed forms may have said something of it
        return _refused(plan, places, str(error), thread_time() - began)
    on_exact(exact)
    if not is_wanted():
        return None
    # What Ollama runs is ended for whatever has no room beside it, be it a longer context or another quant.
    room = places if eviction is None else eviction.places(places)
    advice = advise(plan, room, snapshot if eviction is None else eviction.rest(snapshot), engines)
    own = replace(plan, model=model)
    quants, contexts = quants_of(model, plan.engine), contexts_shown(plan)
    cells: list[Cell] = []
    for quant in quants if plan.model.quant in quants else [plan.model.quant, *quants]:
        for tokens in contexts:
            if not is_wanted():
                return None
            cells += matrix(own, room, (tokens,), (quant,))
    return Study(
        plan=plan,
        places=places,
        exact=exact,
        level=exact.verdict.level,
        advice=advice,
        cells=tuple(cells),
        seconds=thread_time() - began,
    )


def _refused(plan: Plan, places: tuple[Place, ...], reason: str, seconds: float) -> Study:
    """Of a plan that can't be judged: nothing is advised, and nothing shown beside it."""
    nothing = Advice(longest_context_tokens=None, best_quant=None, changes=())
    return Study(
        plan=plan,
        places=places,
        exact=None,
        level=Level.FAILS,
        advice=nothing,
        cells=(),
        seconds=seconds,
        reason=reason,
    )

"""What becomes of each model on this machine now: found on a thread aside, at first of all at once, then one by one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from estimator.errors import EstimatorError
from estimator.ledger import Kind
from estimator.option import for_another_model
from estimator.reader import read_model
from estimator.readers.catalogue import read
from estimator.survey import survey
from estimator.verdict import Level
from tui.browse import Facts, facts_of
from tui.pace import pacing_of
from tui.plan import DEFAULT_CONTEXT_TOKENS, assess, default_plan, rough_assessment
from tui.stored import near_size_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from estimator.ledger import Place
    from estimator.model import Model
    from tui.browse import Item
    from tui.model_choice import Choice
    from tui.plan import Plan

REST_RATIO = 1.0
"""Of rest after each: the screen answers keys in between."""
_NOTICEABLE_BYTES = 256 << 20
_BATCH_SECONDS = 0.1
"""Of judging on the thread aside, before what was found is shown."""
_NOTHING = Facts()


class Appraisal:
    """Facts by the key of each model; whoever asks does the work on a thread aside, and hands in what it found."""

    def __init__(self) -> None:
        self.facts: dict[str, Facts] = {}
        self.is_running = False
        """Work was given out, and nothing has come of it yet."""
        self.can_survey = True
        """Else they are judged one by one from the start."""
        self.has_failed = False
        """One by one as well: not before a key or a reading it is tried again."""
        self.n_changes = 0
        """How often the memory has moved: what was judged before counts no more."""
        self._places: Sequence[Place] = ()

    def of(self, item: Item) -> Facts:
        return self.facts.get(item.key, _NOTHING)

    def see(self, places: Sequence[Place]) -> None:
        """The memory is so by now."""
        if _have_moved(self._places, places):
            self._places = places
            self.n_changes += 1
            self.facts = {key: known.outdated() for key, known in self.facts.items()}

    def see_files(self, items: Iterable[Item]) -> None:
        """What the files themselves say that lie here."""
        for item in items:
            if item.found is not None:
                told, known = facts_of(item.found), self.of(item)
                self.facts[item.key] = replace(
                    told,
                    level=known.level,
                    last_level=known.last_level,
                    tokens_per_second=known.tokens_per_second,
                    last_tokens_per_second=known.last_tokens_per_second,
                    quant=told.quant or known.quant,
                )

    def is_any_unjudged(self, items: Iterable[Item]) -> bool:
        """Whether verdicts are still to come; not where judging has failed."""
        known = (self.of(item) for item in items)
        return not self.has_failed and any(one.level is None and not one.reason for one in known)

    def unjudged(self, in_sight: Iterable[Item], every: Iterable[Item], choice: Choice) -> list[Item]:
        """What is in sight first; then others, as far as sorting and filtering need to know of them."""
        wanted = {item.key: item for item in in_sight}
        if choice.sort == "speed":  # else of those out of sight the verdict alone matters, which a sketch gives
            wanted |= {item.key: item for item in every if item.key not in wanted}
        elif choice.sort == "fit" or choice.is_fitting_only:
            unknown = (item for item in every if self.of(item).level is None)
            wanted |= {item.key: item for item in unknown if item.key not in wanted}
        return [item for item in wanted.values() if not self.of(item).is_whole]

    def work(
        self, wanted: Sequence[Item], places: Sequence[Place], plan: Plan | None, wait: Callable[[], object]
    ) -> Callable[[], dict[str, Facts]]:
        """What is to be done next, for a thread aside.

        Args:
            wanted: of ``unjudged``.
            places: as they are now.
            plan: as the last one each model is planned, as far as it can be.
            wait: called between two of them.
        """
        self.is_running = True
        places = _planned_on(places, plan)
        is_first = not any(known.level is not None for known in self.facts.values())
        facts = dict(self.facts)
        if is_first and self.can_survey and _is_usual(plan):
            tokens, kv_type = (DEFAULT_CONTEXT_TOKENS, "f16") if plan is None else _asked(plan)
            return lambda: {
                one.checkpoint: Facts(
                    file_bytes=one.file_bytes,
                    level=one.level,
                    last_tokens_per_second=facts.get(one.checkpoint, _NOTHING).listed_tokens_per_second,
                )
                for one in survey(places, tokens, kv_type=kv_type)
            }  # the rest of what is shown of them comes one by one
        return lambda: _judged(wanted, places, plan, facts, wait)

    def take(self, found: dict[str, Facts] | EstimatorError, n_changes: int) -> bool:
        """What has come of it, where the memory had moved so often; whether to go on.

        Where not all could be judged at once, they are one by one; where that fails as well, it is said.
        """
        self.is_running = False
        if isinstance(found, EstimatorError) or not found:
            self.has_failed = not self.can_survey
            self.can_survey = False
            return not self.has_failed
        self.has_failed = False
        if n_changes == self.n_changes:
            self.facts |= found
        return True


def plan_like(before: Plan | None, model: Model) -> Plan:
    """As the last plan was, as far as this model can."""
    plan = default_plan(model)
    if before is None:
        return plan
    tokens = before.workload.context_tokens
    if model.native_context_tokens:
        tokens = min(tokens, model.native_context_tokens)
    if before.engine_name != plan.engine_name and model.file_bytes is not None:
        return plan  # a file of another kind than the last: with its usual engine
    model = near_size_for(before.engine, model)
    return replace(before.with_context(tokens), model=model, options=for_another_model(before.options))


def _judged(
    wanted: Sequence[Item],
    places: Sequence[Place],
    plan: Plan | None,
    facts: dict[str, Facts],
    wait: Callable[[], object],
) -> dict[str, Facts]:
    """As many as the time allows, at least one."""
    found: dict[str, Facts] = {}
    began = time.perf_counter()
    for item in wanted:
        wait()
        found[item.key] = _facts_of(item, places, plan, facts.get(item.key, _NOTHING))
        if time.perf_counter() - began > _BATCH_SECONDS:
            break
    time.sleep(REST_RATIO * (time.perf_counter() - began))
    return found


def _facts_of(item: Item, places: Sequence[Place], before_plan: Plan | None, before: Facts) -> Facts:
    if item.entry is not None and before.level == Level.FAILS:  # it has no speed, and the rest is known by name
        return replace(before, quant=item.entry.default_quant)
    try:
        model = read(item.key) if item.entry is not None else read_model(item.key)
        plan = replace(plan_like(before_plan, model), devices=None)
        if before.level is None:
            made = assess(plan, places, is_quick=True, may_ask_again=False)
        else:
            made = rough_assessment(plan, places)
    except (EstimatorError, OSError) as error:
        return replace(before, reason=str(error) or "not judged")
    pacing = pacing_of(made)
    return Facts(
        file_bytes=made.estimate.n_bytes(kind=Kind.WEIGHTS) if before.file_bytes is None else before.file_bytes,
        level=made.verdict.level if before.level is None else before.level,
        quant=made.plan.model.quant,
        n_parameters=model.n_parameters,
        context_tokens=model.native_context_tokens,
        tokens_per_second=None if pacing is None else pacing.speed.tokens_per_second,
    )


def _asked(plan: Plan) -> tuple[int, str]:
    return plan.workload.context_tokens, plan.workload.kv_type


def _planned_on(places: Sequence[Place], plan: Plan | None) -> tuple[Place, ...]:
    """Those that the plan names, where it does: what is picked is planned on them, too."""
    if plan is None or plan.devices is None:
        return tuple(places)
    return tuple(place for place in places if place.kind == "host" or place.name in plan.devices)


def _is_usual(plan: Plan | None) -> bool:
    """Whether a survey asks for the same: llama.cpp, as it is started without options."""
    return plan is None or (plan.engine_name == "llamacpp" and for_another_model(plan.options) == plan.engine.Options())


def _have_moved(before: Sequence[Place], now: Sequence[Place]) -> bool:
    if [place.name for place in before] != [place.name for place in now]:
        return True
    return any(abs(a.free_bytes - b.free_bytes) > _NOTICEABLE_BYTES for a, b in zip(before, now, strict=True))

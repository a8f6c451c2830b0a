"""Of engines that refuse a context beyond the model's own: what that makes of a verdict, and of advice.

vLLM's `_get_and_verify_max_len` (config/model.py, 0.33) and SGLang's `_derive_context_length`
(srt/configs/model_config.py, 0.5.23) raise an error unless a variable allows it; a scaling of positions that the
command tells makes the model's own context longer, by how much is not looked into.
"""

from collections.abc import Sequence
from dataclasses import replace

from estimator.verdict import Level
from launches.launch import Launch
from tui.advice import Change
from tui.humanize import count
from tui.plan import Assessment, Plan, level_of

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from estimator.ledger import Place


def is_too_long(launch: Launch, plan: Plan) -> bool:
    """Whether more tokens are asked for than the model was made for, and the engine would mind."""
    native = plan.model.native_context_tokens
    return launch.is_length_bound and 0 < native < plan.workload.context_tokens


def with_length_rule(launch: Launch, made: Assessment) -> Assessment:
    """What is too long would not start; of a model that is known by name only, that is not sure."""
    plan = made.plan
    if not is_too_long(launch, plan) or made.verdict.level is Level.FAILS:
        return made
    asked, native = count(plan.workload.context_tokens), count(plan.model.native_context_tokens)
    reason = f"the model was made for {native} tokens: {plan.engine.NAME} refuses {asked} unless told how to scale them"
    if plan.model.source == "catalogue":
        level = max(made.verdict.level, Level.TIGHT)
        return replace(made, verdict=replace(made.verdict, level=level, reason=reason))
    return replace(made, verdict=replace(made.verdict, level=Level.FAILS, reason=reason, is_refused=True))


def changes_within(
    launch: Launch, plan: Plan, changes: Sequence[Change], places: "Sequence[Place]"
) -> tuple[Change, ...]:
    """Of the changes those that the engine would not refuse for their length; all of the model's own where none is."""
    if not is_too_long(launch, plan):
        return tuple(changes)
    kept = tuple(change for change in changes if not change.is_applicable or not is_too_long(launch, change.plan))
    if any(change.plan != plan for change in kept):
        return kept
    native = plan.model.native_context_tokens
    whole = plan.with_context(native)
    return (Change(label=f"context {count(native)}", plan=whole),) if level_of(whole, places) <= Level.TIGHT else kept

"""What to change about a plan so that it fits here, one setting at a time."""

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from math import prod
from typing import Any

from estimator.advise import (
    FOUR_BITS,
    LOW_BITS,
    LOW_BITS_NOTE,
    ROOMY_BITS,
    best_quant,
    bits_per_weight,
    longest_context,
    narrower,
    offered,
)
from estimator.errors import EstimatorError
from estimator.ledger import Place, drawing_on
from estimator.mixture import QUANTS, UNQUANTISED
from estimator.model import Model
from estimator.reads import work_of
from estimator.shell import quoted
from estimator.verdict import Level
from probes.snapshot import Snapshot
from records.record import record
from tui.contexts import SMALLEST_CONTEXT_TOKENS
from tui.default_devices import default_devices, together
from tui.expansion import fixed_labels
from tui.holders import Holder, holders_of
from tui.humanize import count, counted, size
from tui.plan import Plan, assess, level_of, model_bytes, sure_level_of, with_quant
from tui.recognised import Recognised

MOST_CHANGES = 5
ALIKE = frozenset({"F32", "F16", "BF16", "FP8"})
"""Quants that store all tensors alike: what is worth offering of a model whose tensors aren't known one by one."""


@record(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to change so that the plan fits."""

    label: str
    """``context 4 096``, ``KV cache q8_0``, ``after stopping 41233 (4.6 GiB, Qwen3 4B in llama-server)``."""
    plan: Plan
    """The changed plan; the same one where the change is not the plan's."""
    is_applicable: bool = True
    """False where the change is up to the person."""


@record(frozen=True, slots=True, kw_only=True)
class Advice:
    """What would fit here."""

    longest_context_tokens: int | None
    best_quant: str | None
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    """What to think of before settling on it, a sentence each."""


def advise(
    plan: Plan, places: Sequence[Place], snapshot: Snapshot | None = None, engines: Sequence[Recognised] = ()
) -> Advice:
    """What would fit on these places, one setting changed at a time.

    Args:
        plan: what is chosen now.
        places: where it could be put.
        snapshot: names the processes that could be stopped; None where none can be.
        engines: those that were recognised among them, each of which ends as one.
    """
    level = level_of(plan, places)

    def requantised_plan(quant: str) -> Plan:
        return replace(plan, model=with_quant(plan.model, quant))

    native = plan.most_context_tokens or plan.workload.context_tokens
    longest = None
    if plan.has_context:
        longest = longest_context(
            lambda tokens: level_of(plan.with_context(tokens), places),
            native_tokens=native,
            sure_level_of=lambda tokens: sure_level_of(plan.with_context(tokens), places),
        )
    quants = quants_offered(plan.model, plan.engine.QUANTS)
    best = best_quant(
        lambda quant: level_of(requantised_plan(quant), places),
        quants,
        sure_level_of=lambda quant: sure_level_of(requantised_plan(quant), places),
    )
    notes = _notes(plan, places, level, best)
    if level < Level.SPILLS:
        return Advice(longest_context_tokens=longest, best_quant=best, changes=(), notes=notes)
    changes: list[Change] = []
    if longest is not None and SMALLEST_CONTEXT_TOKENS <= longest < plan.workload.context_tokens:
        changes.append(Change(label=f"context {count(longest)}", plan=plan.with_context(longest)))
    for kv_type in narrower(plan.engine.KV_STEPS, plan.workload.kv_type):
        smaller = replace(plan, workload=replace(plan.workload, kv_type=kv_type))
        if level_of(smaller, places) <= Level.TIGHT:
            changes.append(Change(label=f"KV cache {kv_type}", plan=smaller))
            break
    # Where none fits for sure, one that is tight is better than none.
    other = best or best_quant(lambda quant: level_of(requantised_plan(quant), places), quants, at_most=Level.TIGHT)
    if other is not None and other != plan.model.quant:
        changes.append(Change(label=other if best else f"{other}, tight", plan=requantised_plan(other)))
    further = [_relieved(plan, places), _with_more_devices(plan, places)]
    if snapshot is not None:
        further.append(_after_stopping(plan, places, snapshot, engines))
    further.append(_with_a_twin(plan, places, frozenset() if snapshot is None else fixed_labels(snapshot)))
    changes += [change for change in further if change is not None]
    return Advice(longest_context_tokens=longest, best_quant=best, changes=tuple(changes[:MOST_CHANGES]), notes=notes)


def quants_offered(model: Model, quants: Sequence[str] = QUANTS) -> tuple[str, ...]:
    """What is worth offering: GGUF not above 8 bits unless the model has that already, nor what does not change it.

    What servers load is published unquantised, and quantised by some only.
    """
    if not model.layers:
        quants = [quant for quant in quants if quant in ALIKE]
    if model.quant in ("MXFP4", "MXFP4_MOE"):  # trained in it: other mixtures only lose
        return (model.quant,)
    wide = UNQUANTISED if "Q8_0" in quants else UNQUANTISED - {"BF16"}
    narrow = [quant for quant in quants if quant not in wide]
    if model.quant in wide:
        return (model.quant, *narrow)
    return offered(narrow, model.quant, model_bytes(model), lambda quant: model_bytes(with_quant(model, quant)))


def _notes(plan: Plan, places: Sequence[Place], level: Level, best: str | None) -> tuple[str, ...]:
    """What to think of before settling on it."""
    notes = []
    chosen = plan.model.quant if level < Level.SPILLS or best is None else best
    if 0 < _bits(with_quant(plan.model, chosen)) < LOW_BITS:
        notes.append(f"{chosen}: {LOW_BITS_NOTE}")
    if level is Level.FITS and _bits(plan.model) >= ROOMY_BITS and (larger := _larger(plan, places)) is not None:
        notes.append(
            f"{larger.name} at {larger.quant} would fit here too: "
            "a larger model at 4 bits usually does better than a smaller one at 8"
        )
    return tuple(notes)


def _bits(model: Model) -> float:
    """Of all but the embedding, which is most of a small model and says nothing of the rest."""
    embedding = next((tensor for tensor in model.tensors if tensor.name == "token_embd.weight"), None)
    n_embedding = prod(embedding.shape) if embedding is not None else 0
    return bits_per_weight(model_bytes(model), work_of(model).n_parameters - n_embedding)


def _larger(plan: Plan, places: Sequence[Place]) -> Model | None:
    """The largest of the family that fits at the engine's first quant of about 4 bits."""
    from estimator.reader import read_model  # noqa: PLC0415  # only for those who have room to spare
    from estimator.siblings import larger_siblings  # noqa: PLC0415

    free_bytes = max((place.free_bytes for place in places if place.kind != "host"), default=0) * len(places)
    for name in larger_siblings(plan.model):
        try:
            plain_model = read_model(name)
            sizes = (with_quant(plain_model, quant) for quant in plan.engine.QUANTS if "4" in quant)  # 3 ms for each
            small = next((made for made in sizes if FOUR_BITS[0] <= _bits(made) <= FOUR_BITS[1]), None)
        except EstimatorError:
            continue
        if small is None or model_bytes(small) >= free_bytes:
            continue
        if level_of(replace(plan, model=small), places) is Level.FITS:
            return small
    return None


_SLICED_BY = ("tensor_parallel_size", "tp_size", "num_shard")
"""An engine's option that says over how many devices every layer is sliced."""


def _with_more_devices(plan: Plan, places: Sequence[Place]) -> Change | None:
    """All devices there are, where some were chosen; sliced over them where the engine has to be told."""
    names = [place.name for place in together(default_devices(places, plan.engine.VENDORS))]
    if plan.devices is None or len(plan.devices) >= len(names):
        return None
    more = replace(plan, devices=tuple(names))
    for name in _SLICED_BY:
        if getattr(plan.options, name, None) is not None:
            more = replace(more, options=replace(plan.options, **{name: len(names)}))
    return Change(label=f"on {counted(names)}", plan=more) if level_of(more, places) <= Level.TIGHT else None


def _with_a_twin(plan: Plan, places: Sequence[Place], fixed: Collection[str]) -> Change | None:
    """One more of the largest device that has memory of its own and can be bought alone: none of ``fixed``."""
    own = [place for place in places if place.kind != "host" and place.draws_on is None and place.name not in fixed]
    if not own or (plan.devices is not None and not plan.devices):
        return None
    largest = max(own, key=lambda place: place.total_bytes)
    twin = replace(largest, name=f"{largest.name} twin", free_bytes=largest.total_bytes)
    if level_of(replace(plan, devices=None), (twin, *places)) > Level.TIGHT:
        return None
    which = "a second" if len(own) == 1 else "another"
    return Change(label=f"{which} {largest.product or largest.name} beside it", plan=plan, is_applicable=False)


def _relieved(plan: Plan, places: Sequence[Place]) -> Change | None:
    """Fewer layers, or experts, on the devices, where their number was asked for and does not fit."""
    chosen = assess(plan, places).places
    options = plan.engine.relieved(plan.model, plan.workload, plan.options, chosen)
    if options is None:
        return None
    lighter = replace(plan, options=options)
    made = assess(lighter, places)
    if made.verdict.level > Level.TIGHT:
        return None
    return Change(label=made.estimate.summary or " ".join(option_flags(plan.options, options)), plan=lighter)


def option_flags(before: Any, after: Any) -> tuple[str, ...]:
    """The flags of an engine's options that differ, as they are typed; none where the two are of different engines."""
    if type(before) is not type(after):
        return ()
    return tuple(
        _option_flag(str(field.metadata["flag"]), getattr(after, field.name))
        for field in fields(after)
        if field.metadata.get("flag") and getattr(after, field.name) != getattr(before, field.name)
    )


def _option_flag(flag: str, value: object) -> str:
    if isinstance(value, bool):
        return flag if value else f"--no-{flag.removeprefix('--')}"
    if value is None:
        return f"{flag} auto"
    text = ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)
    return f"{flag} {quoted(text)}"


def _after_stopping(
    plan: Plan, before: Sequence[Place], snapshot: Snapshot, engines: Sequence[Recognised]
) -> Change | None:
    """Whose memory would make room, the smallest that is enough; none whose number is not of here."""
    for holder in holders_of(snapshot, engines):
        places = tuple(without(holder, place, before) for place in before)
        if level_of(plan, places) <= Level.TIGHT:
            label = f"after stopping {holder.pid} ({size(holder.n_bytes)}, {holder.name})"
            return Change(label=label, plan=plan, is_applicable=False)
    return None


def without(holder: Holder, place: Place, places: Sequence[Place]) -> Place:
    """With what it would give back there, or to the memory on which the place draws."""
    freed = sum(holder.held.get(name, 0) for name in drawing_on(place, places))
    freed += holder.held.get(place.draws_on, 0) if place.draws_on is not None else 0
    return replace(place, free_bytes=min(place.total_bytes, place.free_bytes + freed))

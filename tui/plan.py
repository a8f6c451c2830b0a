"""A load that a person has in mind, what it comes to on this machine now, and what to change about it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
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
from estimator.engine import Engine, load_engine, usual_engine
from estimator.errors import EstimatorError, Unjudgeable
from estimator.ledger import Estimate, Place, Workload, drawing_on
from estimator.mixture import QUANTS, UNQUANTISED, requantised
from estimator.model import Model
from estimator.quant import stored_bytes
from estimator.reads import work_of
from estimator.shell import quoted
from estimator.verdict import Level, Verdict, judge
from probes.snapshot import Process, Snapshot
from tui.humanize import count, counted, plain, size
from tui.places import device_label, places_of

DEFAULT_CONTEXT_TOKENS = 8192
SMALLEST_CONTEXT_TOKENS = 512
MOST_CHANGES = 5
ALIKE = frozenset({"F32", "F16", "BF16", "FP8"})
"""Quants that store all tensors alike: what is worth offering of a model whose tensors aren't known one by one."""
ROOMY_RATIO = 1.1
"""What has room so many times over is not estimated again to the byte; twice what closed forms are held to (5 %)."""
MATRIX_QUANTS = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "Q2_K")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What shall be loaded, and how."""

    model: Model
    workload: Workload
    options: Any
    """The engine's own ``Options``."""
    engine_name: str = "llamacpp"
    devices: tuple[str, ...] | None = None
    """Names of places. None: one device if it fits there, the largest first, else all; empty: the CPU alone."""

    @property
    def most_context_tokens(self) -> int:
        """All that the model has, for every sequence; 0 where it does not say."""
        return self.model.native_context_tokens * max(1, self.workload.n_sequences)

    @property
    def has_context(self) -> bool:
        """Whether the estimate depends on how long the context is."""
        return self.model.has_context and getattr(self.engine, "HAS_CONTEXT", True)

    @property
    def engine(self) -> Engine:
        """The module that knows the engine."""
        return load_engine(self.engine_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A plan on places."""

    plan: Plan
    places: tuple[Place, ...]
    """Those the engine was given: the chosen devices and the host."""
    estimate: Estimate
    fallback: Estimate | None
    verdict: Verdict

    @property
    def device_names(self) -> tuple[str, ...]:
        """The devices that are used."""
        return tuple(place.name for place in self.places if place.kind != "host")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to change so that the plan fits."""

    label: str
    """``context 4 096``, ``KV cache q8_0``, ``Q3_K_M``, ``after stopping 41233 (4.6 GiB, python3)``."""
    plan: Plan
    """The changed plan; the same one where the change is not the plan's."""
    is_applicable: bool = True
    """False where the change is up to the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What would fit here."""

    longest_context_tokens: int | None
    best_quant: str | None
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    """What to think of before settling on it, a sentence each."""


def default_plan(model: Model) -> Plan:
    """A plan to begin with: 8 192 tokens, or all that the model has, by the engine that usually runs such models."""
    tokens = DEFAULT_CONTEXT_TOKENS
    if model.native_context_tokens:
        tokens = min(tokens, model.native_context_tokens)
    name = usual_engine(model)
    engine = load_engine(name)
    return Plan(
        model=model,
        workload=Workload(context_tokens=tokens, kv_type=engine.KV_TYPES[0]),
        options=engine.Options(),
        engine_name=name,
    )


def assess(plan: Plan, places: Sequence[Place], *, is_quick: bool = False, may_ask_again: bool = True) -> Assessment:
    """What the plan comes to on these places.

    Args:
        plan: what shall be loaded.
        places: the devices and the host.
        is_quick: what the engine would do instead may be rough, where only the verdict counts: for many plans at once.
        may_ask_again: a quick estimate whose band leaves a doubt is made once more to the byte, which may take 100 ms
            where layers stay in RAM; else the expected bytes decide, tight where the band says so.

    Raises:
        EstimatorError: it can't be judged, and why.
    """
    return _assess_on(plan, _places_used(plan, places), is_quick=is_quick, may_ask_again=may_ask_again)


def _places_used(plan: Plan, places: Sequence[Place]) -> tuple[Place, ...]:
    """The chosen devices, or one that holds it alone, or all; the host last."""
    host = tuple(place for place in places if place.kind == "host")
    devices = tuple(place for place in places if place.kind != "host")
    if plan.devices is not None:
        chosen = tuple(place for place in devices if place.name in plan.devices)
        if len(chosen) != len(plan.devices):
            lacking = ", ".join(name for name in plan.devices if all(place.name != name for place in devices))
            raise Unjudgeable(f"{lacking} is not there, or its memory is not known now")
        return chosen + host
    if len(devices) > 1 and not _has_shares(plan.options):
        for place in sorted(devices, key=lambda place: -place.total_bytes):
            if _fits_alone(plan, place, host):
                return (place, *host)
    return devices + host


def judged_again(made: Assessment, places: Sequence[Place]) -> Assessment | None:
    """The same estimate against these places as they are now; None where one of its own is not among them."""
    now = {place.name: place for place in places}
    if any(place.name not in now for place in made.places):
        return None
    chosen = tuple(now[place.name] for place in made.places)
    return replace(made, places=chosen, verdict=judge(made.estimate, chosen, made.fallback))


def _has_shares(options: Any) -> bool:
    """Whether an option says what each device gets, so that they are all meant."""
    return any(isinstance(getattr(options, field.name), tuple) for field in fields(options))


def _fits_alone(plan: Plan, device: Place, host: tuple[Place, ...]) -> bool:
    if model_bytes(plan.model) > device.free_bytes:  # by far the most of it: spares the estimate
        return False
    places = (device, *host)
    made = _sketched(plan, places) or plan.engine.estimate(plan.model, plan.workload, plan.options, places)
    return judge(made, places).level is Level.FITS


def _sketched(plan: Plan, places: tuple[Place, ...]) -> Estimate | None:
    """By closed forms alone, in a tenth of the time; None where the engine has none, or their band leaves a doubt."""
    sketch = getattr(plan.engine, "sketch", None)
    if sketch is None:
        return None
    made: Estimate = sketch(plan.model, plan.workload, plan.options, places)
    return made if _is_clear(made, places) else None


@lru_cache(maxsize=48)
def model_bytes(model: Model) -> int:
    """The stored tensors, without what a device rounds up and without the embedding, which may lie elsewhere."""
    return sum(stored_bytes(t.type, t.shape) for t in model.tensors if t.name != "token_embd.weight")


def _assess_on(plan: Plan, places: tuple[Place, ...], *, is_quick: bool, may_ask_again: bool = True) -> Assessment:
    engine = plan.engine
    fallback = engine.quick_fallback if is_quick else engine.fallback
    estimate = engine.quick_estimate if is_quick else engine.estimate
    made = estimate(plan.model, plan.workload, plan.options, places)
    if is_quick and may_ask_again and not _is_clear(made, places):
        made = engine.estimate(plan.model, plan.workload, plan.options, places)
    other = fallback(plan.model, plan.workload, plan.options, places)
    return Assessment(plan=plan, places=places, estimate=made, fallback=other, verdict=judge(made, places, other))


def _is_clear(made: Estimate, places: tuple[Place, ...]) -> bool:
    """Whether the verdict is the same wherever in its band an estimate turns out to lie."""
    for place in places:
        names = drawing_on(place, places)
        low, high = made.low_bytes(names), made.high_bytes(names)
        is_sure = (
            high <= place.line_bytes or low > place.free_bytes or place.line_bytes < low <= high <= place.free_bytes
        )
        if not is_sure:
            return False
    return True


def _is_roomy(made: Estimate, places: tuple[Place, ...]) -> bool:
    """Whether it would fit even where its band should be off, which saves a simulation of some milliseconds."""
    names = [(place, drawing_on(place, places)) for place in places]
    return not (made.refusal or made.risk) and all(
        ROOMY_RATIO * made.high_bytes(drawing) <= place.line_bytes for place, drawing in names
    )


def level_of(plan: Plan, places: Sequence[Place]) -> Level:
    """Only how bad it is, by closed forms where their band leaves no doubt; what can't be judged counts as failing."""
    try:
        used = _places_used(plan, places)
        made = _sketched(plan, used)
        if made is None:
            return _assess_on(plan, used, is_quick=True).verdict.level
        level = judge(made, used).level
        if level < Level.SPILLS:  # what the engine would do instead does not count
            return level
        fallback = getattr(plan.engine, "quick_fallback", plan.engine.fallback)
        return judge(made, used, fallback(plan.model, plan.workload, plan.options, used)).level
    except EstimatorError:
        return Level.FAILS


def _sure_level_of(plan: Plan, places: Sequence[Place]) -> Level:
    """As ``level_of``, by the engine's whole estimate, for the few that are recommended; spills count as failing."""
    try:
        used = _places_used(plan, places)
        rough = _sketched(plan, used)
        if rough is not None and _is_roomy(rough, used):
            return Level.FITS
        return judge(plan.engine.estimate(plan.model, plan.workload, plan.options, used), used).level
    except EstimatorError:
        return Level.FAILS


@lru_cache(maxsize=48)
def with_quant(model: Model, quant: str) -> Model:
    """The model under another mixture, remembered: a matrix asks for the same ones at every reading."""
    return model if quant == model.quant else requantised(model, quant)


def advise(plan: Plan, places: Sequence[Place], snapshot: Snapshot | None = None) -> Advice:
    """What would fit on these places, one setting changed at a time."""
    level = level_of(plan, places)

    def with_context(tokens: int) -> Plan:
        return replace(plan, workload=replace(plan.workload, context_tokens=tokens))

    def requantised_plan(quant: str) -> Plan:
        return replace(plan, model=with_quant(plan.model, quant))

    native = plan.most_context_tokens or plan.workload.context_tokens
    longest = None
    if plan.has_context:
        longest = longest_context(
            lambda tokens: level_of(with_context(tokens), places),
            native_tokens=native,
            sure_level_of=lambda tokens: _sure_level_of(with_context(tokens), places),
        )
    quants = quants_offered(plan.model, plan.engine.QUANTS)
    best = best_quant(
        lambda quant: level_of(requantised_plan(quant), places),
        quants,
        sure_level_of=lambda quant: _sure_level_of(requantised_plan(quant), places),
    )
    notes = _notes(plan, places, level, best)
    if level < Level.SPILLS:
        return Advice(longest_context_tokens=longest, best_quant=best, changes=(), notes=notes)
    changes: list[Change] = []
    if longest is not None and SMALLEST_CONTEXT_TOKENS <= longest < plan.workload.context_tokens:
        changes.append(Change(label=f"context {count(longest)}", plan=with_context(longest)))
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
        further.append(_after_stopping(plan, snapshot))
    further.append(_with_a_twin(plan, places))
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


def _with_more_devices(plan: Plan, places: Sequence[Place]) -> Change | None:
    """All devices there are, where some were chosen."""
    names = [place.name for place in places if place.kind != "host"]
    if plan.devices is None or len(plan.devices) >= len(names):
        return None
    more = replace(plan, devices=tuple(names))
    return Change(label=f"on {counted(names)}", plan=more) if level_of(more, places) <= Level.TIGHT else None


def _with_a_twin(plan: Plan, places: Sequence[Place]) -> Change | None:
    """One more of the largest device that has memory of its own."""
    own = [place for place in places if place.kind != "host" and place.draws_on is None]
    if not own or (plan.devices is not None and not plan.devices):
        return None
    largest = max(own, key=lambda place: place.total_bytes)
    twin = replace(largest, name=f"{largest.name} twin", free_bytes=largest.total_bytes)
    if level_of(replace(plan, devices=None), (twin, *places)) > Level.TIGHT:
        return None
    return Change(label=f"a second {largest.product or largest.name} beside it", plan=plan, is_applicable=False)


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


def _after_stopping(plan: Plan, snapshot: Snapshot) -> Change | None:
    """The process whose memory would make room, the smallest that is enough."""
    held: dict[int, list[Process]] = {}
    for process in snapshot.processes:
        if process.used_bytes:
            held.setdefault(process.pid, []).append(process)
    for pid, parts in sorted(held.items(), key=lambda item: sum(part.used_bytes or 0 for part in item[1])):
        freed = {part.device_key: part.used_bytes or 0 for part in parts}
        names = {device_label(d, snapshot.devices): freed.get(d.key, 0) for d in snapshot.devices}
        before = places_of(snapshot)
        places = tuple(
            replace(
                place,
                free_bytes=min(
                    place.total_bytes,
                    place.free_bytes + sum(names.get(name, 0) for name in drawing_on(place, before)),
                ),
            )
            for place in before
        )
        if level_of(plan, places) <= Level.TIGHT:
            name = plain(parts[0].name or "not visible from here", 24)
            return Change(
                label=f"after stopping {pid} ({size(sum(freed.values()))}, {name})", plan=plan, is_applicable=False
            )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of quant and context."""

    quant: str
    context_tokens: int
    n_bytes: int
    """Expected, on the devices; on the host where there are none."""
    level: Level
    plan: Plan


def matrix(plan: Plan, places: Sequence[Place], contexts: Sequence[int], quants: Sequence[str]) -> tuple[Cell, ...]:
    """Every quant at every context, row by row; what can't be judged is left out."""
    cells = []
    for quant in quants:
        for tokens in contexts:
            cell_plan = replace(
                plan, model=with_quant(plan.model, quant), workload=replace(plan.workload, context_tokens=tokens)
            )
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
                )
            )
    return tuple(cells)

"""A load that a person has in mind, and what it comes to on this machine now."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

from estimator.derived import of_model, of_model_by
from estimator.engine import Engine, load_engine, usual_engine
from estimator.errors import EstimatorError, Unjudgeable
from estimator.ledger import Estimate, Place, Workload, drawing_on
from estimator.mixture import requantised
from estimator.model import Model
from estimator.overflow import way_out
from estimator.patience import NotRememberedError, only_remembered, rest
from estimator.quant import stored_bytes
from estimator.spill import Outcome
from estimator.verdict import Level, Verdict, has_room, judge
from records.record import record
from tui.default_devices import default_devices, largest_first, together

DEFAULT_CONTEXT_TOKENS = 8192
ROOMY_RATIO = 1.1
"""What has room so many times over is not estimated again to the byte; twice what closed forms are held to (5 %)."""


@record(frozen=True, slots=True, kw_only=True)
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

    def with_context(self, tokens: int) -> "Plan":
        """The same for exactly so many tokens, also where it was left to the engine how many there are room for."""
        is_free = getattr(self.options, "is_length_free", False)
        options = replace(self.options, is_length_free=False) if is_free else self.options
        return replace(self, workload=replace(self.workload, context_tokens=tokens), options=options)

    @property
    def engine(self) -> Engine:
        """The module that knows the engine."""
        return load_engine(self.engine_name)


@record(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A plan on places."""

    plan: Plan
    places: tuple[Place, ...]
    """Those the engine was given: the chosen devices and the host."""
    estimate: Estimate
    fallback: Estimate | None
    verdict: Verdict
    ended_first: str = ""
    """Who would be ended to make room for it, in a sentence: the places are as they are then. Empty: nobody."""

    @property
    def device_names(self) -> tuple[str, ...]:
        """The devices that are used."""
        return tuple(place.name for place in self.places if place.kind != "host")

    @property
    def settled(self) -> Estimate | None:
        """What the engine would do by itself, part of it in RAM; None where it loads as asked, or not at all."""
        is_settled = self.verdict.level is Level.SPILLS and self.verdict.outcome is Outcome.OFFLOADS
        return self.fallback if is_settled else None


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


def fitting_assessment(plan: Plan, places: Sequence[Place]) -> Assessment | None:
    """By closed forms alone, in a tenth of the time; None where it does not fit, or they leave a doubt of that.

    Raises:
        EstimatorError: it can't be judged, and why.
    """
    used = _places_used(plan, places)
    made = _sketched(plan, used)
    if made is None or (verdict := judge(made, used)).level > Level.TIGHT:
        return None
    return Assessment(plan=plan, places=used, estimate=made, fallback=None, verdict=verdict)


def rough_assessment(plan: Plan, places: Sequence[Place]) -> Assessment:
    """By closed forms where the engine has them, as wide as their band is: enough for the speed of a known verdict.

    A simulation of the largest models takes 2 s and 10 MiB (Kimi K3, 2.8T), for a speed that is the same.

    Raises:
        EstimatorError: it can't be judged, and why.
    """
    used, engine = _places_used(plan, places), plan.engine
    sketch = getattr(engine, "sketch", engine.quick_estimate)
    made: Estimate = sketch(plan.model, plan.workload, plan.options, used)
    other = engine.quick_fallback(plan.model, plan.workload, plan.options, used)
    return Assessment(plan=plan, places=used, estimate=made, fallback=other, verdict=judge(made, used, other))


def assess_at_once(plan: Plan, places: Sequence[Place]) -> Assessment:
    """The best that can be said without a simulation, for which a key would wait 30 ms and more.

    What was simulated before, on the thread that makes advice and matrix, is remembered; else closed forms have to do.

    Raises:
        EstimatorError: it can't be judged, and why.
    """
    return _with_doubt(_at_once(plan, places))


def _at_once(plan: Plan, places: Sequence[Place]) -> Assessment:
    for may_ask_again in (True, False):
        with suppress(NotRememberedError), only_remembered():
            return assess(plan, places, is_quick=True, may_ask_again=may_ask_again)
    if hasattr(plan.engine, "sketch"):
        return rough_assessment(plan, places)
    return assess(plan, places, is_quick=True, may_ask_again=False)


def _with_doubt(made: Assessment) -> Assessment:
    """No failure, where what the engine would do instead is about as large as the room that there is for it.

    Closed forms and the engine's own way out differ by a layer on each device at most (gpt-oss 120B and Qwen3 235B in
    Ollama, two to four cards of 12 to 40 GiB: 0 or 1 layer in all, our measurement of 2026-11-26).
    """
    other, verdict = made.fallback, made.verdict
    engine = made.plan.engine
    is_rough = engine.fallback is not engine.quick_fallback
    if verdict.level is not Level.FAILS or verdict.is_refused or other is None or not other.summary or not is_rough:
        return made
    layer_bytes = model_bytes(made.plan.model) // max(1, made.plan.model.n_layers)
    slack_bytes = max(1, len(made.device_names)) * layer_bytes
    if not has_room(other, [replace(place, free_bytes=place.free_bytes + slack_bytes) for place in made.places]):
        return made
    row = way_out(other.engine)
    reason = row.sentence.format(engine=other.engine, summary=other.summary)
    doubt = f"{reason}; whether all of it has room there is not known yet"
    return replace(made, verdict=replace(verdict, level=Level.SPILLS, reason=doubt, outcome=row.outcome))


def _places_used(plan: Plan, places: Sequence[Place]) -> tuple[Place, ...]:
    """The chosen devices, or one that holds it alone, or all; the host last."""
    host = tuple(place for place in places if place.kind == "host")
    if plan.devices is not None:
        chosen = tuple(place for place in places if place.kind != "host" and place.name in plan.devices)
        if len(chosen) != len(plan.devices):
            there = {place.name for place in chosen}
            lacking = ", ".join(name for name in plan.devices if name not in there)
            raise Unjudgeable(f"{lacking} is not there, or its memory is not known now")
        return chosen + host
    devices = default_devices(places, plan.engine.VENDORS)
    may_be_one = len(devices) > 1 and not _has_shares(plan.options)
    if may_be_one and (place := _first_that_holds(plan, largest_first(devices), host)) is not None:
        return (place, *host)
    return together(devices) + host


def judged_again(made: Assessment, places: Sequence[Place]) -> Assessment | None:
    """The same estimate against these places as they are now; None where one of its own is not among them."""
    now = {place.name: place for place in places}
    if any(place.name not in now for place in made.places):
        return None
    chosen = tuple(now[place.name] for place in made.places)
    now_made = replace(made, places=chosen, verdict=judge(made.estimate, chosen, made.fallback))
    return after_ending(now_made, made.ended_first)


def after_ending(made: Assessment, sentence: str) -> Assessment:
    """The same, with who is ended first told before its reason; as it is where that is nobody."""
    if not sentence:
        return made
    reason = f"{sentence}; {made.verdict.reason}" if made.verdict.reason else sentence
    return replace(made, ended_first=sentence, verdict=replace(made.verdict, reason=reason))


def _has_shares(options: Any) -> bool:
    """Whether an option says what each device gets, so that they are all meant."""
    return any(isinstance(getattr(options, field.name), tuple) for field in fields(options))


def _first_that_holds(plan: Plan, devices: Sequence[Place], host: tuple[Place, ...]) -> Place | None:
    """The first that holds it alone.

    Of devices of one kind, none is asked that has less free than one that does not: of 64 that are in use, each would
    take 0.5 ms, for each of the hundred estimates of advice and matrix.
    """
    lacking_bytes: dict[Place, int] = {}
    for place in devices:
        kind = replace(place, name="", free_bytes=0)
        if place.free_bytes <= lacking_bytes.get(kind, -1):
            continue
        rest()
        if _fits_alone(plan, place, host):
            return place
        lacking_bytes[kind] = place.free_bytes
    return None


def _leaves_weights(plan: Plan) -> bool:
    """Whether some were told to stay in RAM, so that a device has to hold less than the model."""
    options = plan.options
    n_gpu_layers = getattr(options, "n_gpu_layers", None)
    places = [part.rpartition("=")[2] for part in (getattr(options, "tensor_overrides", None) or "").split(",")]
    return (
        getattr(options, "is_cpu_moe", False)
        or getattr(options, "n_cpu_moe_layers", 0) > 0
        or getattr(options, "cpu_offload_gb", 0.0) > 0
        or "CPU" in places
        or (n_gpu_layers is not None and 0 <= n_gpu_layers <= plan.model.n_layers)
    )


def _fits_alone(plan: Plan, device: Place, host: tuple[Place, ...]) -> bool:
    if model_bytes(plan.model) > device.free_bytes and not _leaves_weights(plan):  # spares the estimate
        return False
    places = (device, *host)
    try:
        made = _sketched(plan, places) or plan.engine.estimate(plan.model, plan.workload, plan.options, places)
    except Unjudgeable:  # what was said names a second device
        return False
    return judge(made, places).level is Level.FITS


def _sketched(plan: Plan, places: tuple[Place, ...]) -> Estimate | None:
    """By closed forms alone, in a tenth of the time; None where the engine has none, or their band leaves a doubt."""
    sketch = getattr(plan.engine, "sketch", None)
    if sketch is None:
        return None
    made: Estimate = sketch(plan.model, plan.workload, plan.options, places)
    return made if _is_clear(made, places) else None


@of_model
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


def sure_level_of(plan: Plan, places: Sequence[Place]) -> Level:
    """As ``level_of``, by the engine's whole estimate, for the few that are recommended; spills count as failing."""
    try:
        used = _places_used(plan, places)
        rough = _sketched(plan, used)
        if rough is not None and _is_roomy(rough, used):
            return Level.FITS
        return judge(plan.engine.estimate(plan.model, plan.workload, plan.options, used), used).level
    except EstimatorError:
        return Level.FAILS


@of_model_by(64)
def with_quant(model: Model, quant: str) -> Model:
    """The model under another mixture, remembered: a matrix asks for the same ones at every reading."""
    return model if quant == model.quant else requantised(model, quant)

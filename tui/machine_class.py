"""What class of machine this is for inference, by what it would run, and what the next step up would allow.

The rule is ours, its figures are computed. A model counts as run where all of it lies in fast memory (devices', or RAM
where there is no device) and it writes faster than people read. The class is that of the largest dense model that is
run, of three sizes in which open models are published: 8B (entry), 32B (mid-size), 70B (professional).
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum
from functools import cache

from estimator.engine import load_engine
from estimator.errors import EstimatorError
from estimator.ledger import Place, Workload
from estimator.model import Model
from estimator.reader import read_model
from estimator.verdict import Level
from probes.accelerators import known_accelerators
from probes.snapshot import Snapshot
from records.record import record
from tui.default_devices import default_devices, runs_on
from tui.expansion import fixed_labels
from tui.hardware import SINCE, hardware_options
from tui.pace import Pacing, pacing_of
from tui.places import missing_places, places_of
from tui.plan import Assessment, Plan, assess, fitting_assessment
from tui.request import expect_devices_known

READING_TOKENS_PER_SECOND = 5.3
"""238 words a minute, the mean of adults who read English silently (Brysbaert 2019, doi 10.1016/j.jml.2019.104047), at
three words to four tokens (help.openai.com, "What are tokens", 2025)."""
CONTEXT_TOKENS = 8192
QUANT = "Q4_K_M"
ENGINE = "llamacpp"


class Grade(IntEnum):
    """Ordered."""

    BELOW = 0
    ENTRY = 1
    MID_SIZE = 2
    PROFESSIONAL = 3


RULE = (
    "entry runs a dense model of 8B, mid-size one of 32B, professional one of 70B: all of it in fast memory, and "
    f"faster than people read ({READING_TOKENS_PER_SECOND} tokens/s)"
)
WORDS = {
    Grade.BELOW: "less than an entry machine",
    Grade.ENTRY: "an entry machine",
    Grade.MID_SIZE: "a mid-size machine",
    Grade.PROFESSIONAL: "a professional machine",
}
GRADED = {"Llama 3.1 8B": Grade.ENTRY, "Qwen3 32B": Grade.MID_SIZE, "Llama 3.3 70B": Grade.PROFESSIONAL}
"""Dense models of the three sizes."""
LADDER = (
    "Qwen3 4B",
    "Llama 3.1 8B",
    "Qwen3 14B",
    "gpt-oss 20B",
    "Qwen3 30B-A3B",
    "Qwen3 32B",
    "Llama 3.3 70B",
    "gpt-oss 120B",
    "Qwen3 235B-A22B",
    "DeepSeek R1 671B-A37B",
)
"""Well-known models of the catalogue, the smaller first."""
AS_TRAINED = frozenset({"gpt-oss 20B", "gpt-oss 120B"})
"""Published in four bits already: not quantised anew."""


@record(frozen=True, slots=True, kw_only=True)
class Trial:
    """One model on one machine with nothing else in use."""

    name: str
    quant: str
    assessment: Assessment | None
    """None where it can't be judged."""
    pacing: Pacing | None

    @property
    def tokens_per_second(self) -> float | None:
        """As it would really run, layers on the CPU where the engine leaves some there."""
        return None if self.pacing is None else self.pacing.speed.tokens_per_second

    @property
    def is_run(self) -> bool:
        """All of it in fast memory, and faster than people read, as far as that is known."""
        if self.assessment is None or self.assessment.verdict.level > Level.TIGHT:
            return False
        return self.tokens_per_second is None or self.tokens_per_second >= READING_TOKENS_PER_SECOND


@record(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of the machine, and what that would allow."""

    change: str
    """``a second NVIDIA GeForce RTX 4090 beside it``, ``the same chip with 256 GiB``."""
    gained: tuple[Trial, ...]
    """What is run then and was not before."""


@record(frozen=True, slots=True, kw_only=True)
class MachineClass:
    """The class, what it rests on, and the next step."""

    grade: Grade
    fast_bytes: int
    """Memory of all devices together; RAM where there is none."""
    bandwidth_bytes_per_second: float | None
    """Of the widest of them. None: not known, and then the class is by memory alone."""
    left_out: tuple[str, ...]
    """Labels of devices that llama.cpp is not known to run on."""
    unread: tuple[str, ...]
    """Labels of devices whose memory is not known now."""
    trials: tuple[Trial, ...]
    steps: tuple[Step, ...]


def machine_class(snapshot: Snapshot) -> MachineClass | None:
    """Judge the machine as if nothing were in use; None where the RAM is not known, so that no engine can be judged.

    Raises:
        Unjudgeable: a GPU is there, or may be, and of none is the memory known: that is no machine without one.
    """
    expect_devices_known(snapshot, has_hidden=True)
    places = _emptied(places_of(snapshot, has_hidden=True))
    if not places or places[-1].kind != "host":
        return None
    models = ladder_models()
    trials = tuple(_trial(model, places) for model in models)
    vendors = load_engine(ENGINE).VENDORS
    devices = default_devices(places, vendors)
    fast = devices or places[-1:]
    run = [GRADED[trial.name] for trial in trials if trial.is_run and trial.name in GRADED]
    grade = max(run, default=Grade.BELOW)
    is_left = any(not trial.is_run for trial in trials)
    fixed = fixed_labels(snapshot)
    whole = [place for place in devices if place.name not in fixed or place.draws_on is not None]
    steps = (_step(models, trials, places, whole), _other_hardware(models, grade, devices)) if is_left else ()
    return MachineClass(
        grade=grade,
        fast_bytes=sum(place.total_bytes for place in fast),
        bandwidth_bytes_per_second=max((place.bandwidth_bytes_per_second or 0.0 for place in fast), default=0.0)
        or None,
        left_out=tuple(place.name for place in places if place.kind != "host" and not runs_on(place, vendors)),
        unread=tuple(place.name for place in missing_places(snapshot)),
        trials=trials,
        steps=tuple(step for step in steps if step is not None),
    )


@cache
def ladder_models() -> tuple[Model, ...]:
    """As they are usually run by llama.cpp."""
    return tuple(read_model(name, None if name in AS_TRAINED else QUANT) for name in LADDER)


def plan_of(model: Model) -> Plan:
    """With a context that a conversation needs."""
    engine = load_engine(ENGINE)
    return Plan(
        model=model,
        workload=Workload(context_tokens=CONTEXT_TOKENS, kv_type=engine.KV_TYPES[0]),
        options=engine.Options(),
        engine_name=ENGINE,
    )


def _emptied(places: Sequence[Place]) -> tuple[Place, ...]:
    """With all of it free that programs are offered."""
    return tuple(replace(place, free_bytes=place.usable_bytes or place.total_bytes) for place in places)


def _trial(model: Model, places: Sequence[Place]) -> Trial:
    try:
        plan = plan_of(model)
        made = fitting_assessment(plan, places) or assess(plan, places, is_quick=True, may_ask_again=False)
    except EstimatorError:
        return Trial(name=model.name, quant=model.quant, assessment=None, pacing=None)
    return Trial(name=model.name, quant=model.quant, assessment=made, pacing=pacing_of(made))


def _step(
    models: Sequence[Model], trials: Sequence[Trial], places: Sequence[Place], devices: Sequence[Place]
) -> Step | None:
    """One more of the largest of these devices, or the same chip with twice the memory; None where there is none."""
    if not devices:
        return None
    largest = max(devices, key=lambda place: place.total_bytes)
    if largest.draws_on is None:
        change = f"another {largest.product or largest.name} beside it"
        larger = (replace(largest, name=f"{largest.name} twin"), *places)
    else:
        change = f"such a machine with {2 * _host_gib(places)} GiB"
        larger = tuple(_doubled(place) for place in places)
    gained = []
    for model, now in zip(models, trials, strict=True):
        if not now.is_run and (made := fitting_assessment(plan_of(model), larger)) is not None:
            then = Trial(name=model.name, quant=model.quant, assessment=made, pacing=pacing_of(made))
            gained += [then] if then.is_run else []
    return Step(change=change, gained=tuple(gained))


def _other_hardware(models: Sequence[Model], grade: Grade, devices: Sequence[Place]) -> Step | None:
    """The smallest known hardware of the same kind that runs the next larger size; None above the largest."""
    wanted = next((name for name, of_grade in GRADED.items() if of_grade > grade), None)
    if wanted is None:
        return None
    model = next(model for model in models if model.name == wanted)
    form = "mac" if any(place.kind == "metal" for place in devices) else "consumer"
    products = [one for one in known_accelerators() if one.form == form and one.released >= SINCE]
    for option in hardware_options(plan_of(model), products):
        made = Trial(name=model.name, quant=model.quant, assessment=option.assessment, pacing=option.pacing)
        if made.is_run:
            return Step(change=option.name, gained=(made,))
    return None


def _host_gib(places: Sequence[Place]) -> int:
    """As it is sold: what firmware keeps is left out of what a system tells."""
    host = next(place for place in places if place.kind == "host")
    return round(host.total_bytes / (8 << 30) + 0.4) * 8 if host.total_bytes > 8 << 30 else 8


def _doubled(place: Place) -> Place:
    return replace(place, total_bytes=2 * place.total_bytes, free_bytes=2 * place.free_bytes)

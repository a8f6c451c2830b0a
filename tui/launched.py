"""A command on this machine: the plan that it comes to, and what is found out about it."""

import re
from collections.abc import Sequence
from dataclasses import replace

from estimator.engine import Engine, load_engine
from estimator.errors import EstimatorError, Refused, Unjudgeable, UnreadableModel
from estimator.ledger import Place, Workload, drawing_on
from estimator.model import Model
from estimator.reader import is_quant_named, read_model
from estimator.spill import Outcome
from estimator.verdict import Level, Verdict, reread_bytes
from launches.launch import Launch
from launches.uncounted import Uncounted
from launches.variables import is_unset
from probes.snapshot import Device, Snapshot
from tui.advice import advise
from tui.check import DOES_NOT_FIT, FITS, UNKNOWN
from tui.default_devices import default_devices, together
from tui.eviction import eviction_for
from tui.finding import Finding
from tui.humanize import plain, size
from tui.length_rule import changes_within, is_too_long, with_length_rule
from tui.loading_peak import stored_for, with_loading_peak
from tui.neighbours import nobody
from tui.places import device_label, host_reserve_bytes, missing_places, places_of, spill_settings
from tui.plan import Assessment, Plan, assess
from tui.promises import promises_of
from tui.request import Request, expect_devices_known
from tui.stored import as_published_for

TYPE_CHECKING = False  # as typing's: only who has learned something imports them
if TYPE_CHECKING:
    from estimator.calibration import Calibration
    from tui.neighbours import Neighbours

_DEVICE = re.compile(r"(?:(cuda|rocm|hip|mtl|metal|sycl|vulkan|xpu|gpu)[ :]?)?(\d{1,3})", re.IGNORECASE)
"""``CUDA0``, ``cuda:1``, ``Vulkan0``, ``1``."""
_OWN_OPTION = re.compile(r"; --(?:engine|device) .*")
_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
_VENDORS = {
    "cuda": "nvidia",
    "rocm": "amd",
    "hip": "amd",
    "mtl": "apple",
    "metal": "apple",
    "sycl": "intel",
    "xpu": "intel",
}
"""Whose devices a backend counts; any that are there for the others."""

_CALLED = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "mthreads": "Moore Threads", "ascend": "Ascend"}


def model_of(launch: Launch) -> Model:
    """The model that the command names.

    Raises:
        EstimatorError: it names none, or one that cannot be read here.
    """
    if launch.source is None:
        chosen = next((doubt for doubt in launch.doubts if doubt.startswith("no model is named")), "")
        later = f"{launch.program} names no model: it loads what it is asked for later"
        raise Unjudgeable(launch.refusal or chosen or later)
    if is_unset(launch.source):  # a search would take it for the name of another
        raise Unjudgeable(f"the model is not known: nothing here says what {plain(launch.source, 60)} stands for")
    try:
        return read_model(launch.source, launch.quant)
    except UnreadableModel as error:
        hint = _once_here(launch)
        told = str(error)
        if not hint:
            raise
        raise UnreadableModel(f"{told} Once {hint}" if told.endswith("?") else f"{told}; once {hint}") from error


def _once_here(launch: Launch) -> str:
    """What makes a model known that the engine would fetch; nothing of a path, which is wrong."""
    source = launch.source or ""
    if source.startswith(("/", "~", ".")) or "\\" in source:
        return ""
    if launch.engine_name == "ollama":
        return f"it is here (ollama pull {source}), it can be judged"
    if _REPOSITORY.fullmatch(source.partition(":")[0]) is None:
        return ""
    if launch.engine_name == "llamacpp":
        return "its file is here, it can be judged"
    return f"its configuration is here (hf download {source} config.json), it can be judged"


def places_seen(launch: Launch, snapshot: Snapshot, calibrations: "tuple[Calibration, ...]" = ()) -> tuple[Place, ...]:
    """Where the program could put something: devices that it does not see are none."""
    if calibrations:
        from tui.telling import is_corrected  # noqa: PLC0415  # for who has learned something

        calibrations = calibrations if is_corrected(launch) else ()
    places = places_of(snapshot, settings=spill_settings(launch.environment), calibrations=calibrations)
    limit = launch.ram_limit_bytes
    if limit is None:
        return places
    swap_bytes = limit if launch.swap_limit_bytes is None else launch.swap_limit_bytes
    return tuple(_limited(place, limit, swap_bytes) for place in places)


def _limited(place: Place, limit_bytes: int, swap_bytes: int) -> Place:
    """RAM, of which the command lets its program use so much (``docker run --memory``, ``systemd-run -p MemoryMax=``).

    Where no limit of swap is said, as much again: Docker's usual one, and for who limits none a lower bound. The
    reserve is that of a control group of this size, unless the machine has less left.
    """
    if place.kind != "host":
        return place
    free_bytes = min(place.free_bytes, limit_bytes)
    line_bytes = min(place.line_bytes, limit_bytes - host_reserve_bytes(limit_bytes))
    return replace(
        place,
        total_bytes=min(place.total_bytes, limit_bytes),
        free_bytes=free_bytes,
        reserve_bytes=free_bytes - line_bytes,
        overflow_free_bytes=min(place.overflow_free_bytes, swap_bytes),
    )


def request_of(launch: Launch) -> Request:
    """The same as it would be asked for by ``plimsoll check``'s own options."""
    return Request(
        source=launch.source or "",
        quant=launch.quant,
        context_tokens=launch.context_tokens,
        n_sequences=launch.n_sequences,
        kv_type=launch.kv_type,
        engine_name=launch.engine_name,
        options=launch.options,
        settings=spill_settings(launch.environment),
    )


def plan_of(launch: Launch, model: Model, snapshot: Snapshot) -> Plan:
    """The load that the command asks for.

    Raises:
        Unjudgeable: what it takes, or where it would go, cannot be told.
    """
    if launch.n_machines > 1:
        raise Unjudgeable(f"{launch.n_machines} machines share the model, of which only this one can be seen from here")
    engine = load_engine(launch.engine_name)
    model = model if launch.quant is not None or _names_quant(launch, model) else as_published_for(engine, model)
    if launch.fetches_projector and model.n_projector_parameters and not model.may_bring_projector:
        model = replace(model, may_bring_projector=True)
    places = places_seen(launch, snapshot)
    plan = Plan(
        model=model,
        workload=Workload(
            context_tokens=_context_tokens(launch, model, places),
            n_sequences=launch.n_sequences,
            kv_type=launch.kv_type or engine.KV_TYPES[0],
        ),
        options=launch.options,
        engine_name=launch.engine_name,
        devices=_devices(launch, engine, snapshot, places),
    )
    return _with_free_context(plan, places) if launch.is_context_free else plan


def _names_quant(launch: Launch, model: Model) -> bool:
    """Whether it asks for this quant: ``owner/name-GGUF:Q4_K_M``, ``owner/name-FP8-dynamic``."""
    tag = (launch.source or "").rpartition("/")[2].partition(":")[2]
    if bool(model.quant) and model.quant.casefold() in tag.casefold():
        return True
    return model.source == "catalogue" and is_quant_named(launch.source or "")


def find_launch(
    launch: Launch,
    model: Model,
    snapshot: Snapshot,
    *,
    is_strict: bool = False,
    calibrations: "tuple[Calibration, ...]" = (),
    neighbours: "Neighbours" = nobody,
    launching: "Neighbours" = nobody,
) -> Finding:
    """Judge what the command asks for, on the machine as it is now.

    Args:
        launch: what is asked for.
        model: that it names.
        snapshot: of the machine.
        is_strict: what is tight, or spills by the engine's own plan, does not fit.
        calibrations: what was learned here.
        neighbours: who else runs an engine here, asked where the load has no room.
        launching: the same, asked where it has: what still loads takes some of it.
    """
    places = places_seen(launch, snapshot, calibrations)
    notes = (*launch.doubts, *(f"{plain(word, 80)} is not known here, and may move memory" for word in launch.unknown))
    found = Finding(
        request=request_of(launch),
        model=model,
        snapshot=snapshot,
        places=places,
        plan=None,
        assessment=None,
        advice=None,
        is_command=True,
        notes=notes,
        exit_status=UNKNOWN,
    )
    try:
        plan = plan_of(launch, model, snapshot)
        found = replace(found, plan=plan, model=plan.model, stored=stored_for(launch, plan))
        made = assess(plan, places)
        promises = promises_of(launch, launching(snapshot)) if made.verdict.level < Level.SPILLS else None
        if promises is not None:
            notes = (*promises.sentences(made.places), *notes)
            places = promises.places(places)
            made = assess(plan, places)
            found = replace(found, places=places, notes=notes)
        engines, others = neighbours(snapshot) if made.verdict.level >= Level.SPILLS else (), snapshot
        if (eviction := eviction_for(launch, snapshot, engines)) is not None:
            places, others = eviction.places(places), eviction.rest(snapshot)
            made = assess(plan, places)
            found = replace(found, places=places, notes=(eviction.sentence, *notes))
        is_its_choice = is_engines_choice(made)
        if is_its_choice:
            reason = f"{made.verdict.reason}, which the command lets it choose{_tight_beside(made)}"
            made = replace(made, verdict=replace(made.verdict, reason=reason))
        made = with_loading_peak(launch, plan, _with_doubt(launch, made))
        advice = advise(plan, places, others, engines)
    except EstimatorError as error:
        if launch.refusal or isinstance(error, Refused):
            return replace(found, reason=launch.refusal or str(error), is_refused=True, exit_status=DOES_NOT_FIT)
        # A command says nothing by our own options.
        return replace(found, reason=_OWN_OPTION.sub("", str(error)))
    if is_too_long(launch, plan):
        advice = replace(advice, changes=changes_within(launch, plan, advice.changes, places))
    level = made.verdict.level
    is_as_asked = level is Level.TIGHT or (is_its_choice and level is Level.SPILLS)
    if is_its_choice:
        # Fewer layers on the devices are no change: that is what it would do.
        changes = tuple(change for change in advice.changes if change.plan.options == plan.options)
        advice = replace(advice, changes=changes)
    does_fit = level is Level.FITS or (is_as_asked and not is_strict)
    return replace(found, assessment=made, advice=advice, exit_status=FITS if does_fit else DOES_NOT_FIT)


def is_engines_choice(made: Assessment) -> bool:
    """Whether what has no room on the devices goes to RAM by the engine's own plan, and has room there.

    A command that says how many layers go to the GPU is not as asked where they have no room: the engine would fail.
    One that leaves them to the engine (no ``-ngl``, Ollama, ``device_map="auto"``) asked for what the engine then does:
    it starts, and is slower. Not where RAM falls short as well, so that the disk is read for every token: nobody waits
    for that.
    """
    verdict, other = made.verdict, made.fallback
    if verdict.level is not Level.SPILLS or verdict.outcome is not Outcome.OFFLOADS or other is None:
        return False
    on_disk = any(answer.key == "offloaded_to_disk_bytes" and answer.value for answer in other.answers)
    return not on_disk and not reread_bytes(other, made.places)


def _tight_beside(made: Assessment) -> str:
    """What is to be said where the engine's own plan has room as expected, and at the high end of its band has not."""
    if made.fallback is None:
        return ""
    for place in made.places:
        over_bytes = made.fallback.high_bytes(drawing_on(place, made.places)) - place.line_bytes
        if place.kind == "host" and over_bytes > 0:
            return f"; {place.name} is tight then, up to {size(over_bytes)} over its load line"
    return ""


def _with_doubt(launch: Launch, made: Assessment) -> Assessment:
    """What the engine would refuse fails; what nobody knows the meaning of is no sure fit."""
    if launch.refusal:
        return replace(made, verdict=_worse(made.verdict, Level.FAILS, launch.refusal, is_refused=True))
    made = with_length_rule(launch, _with_uncounted(launch, made))
    if launch.unknown and made.verdict.level < Level.FAILS:
        names = ", ".join(plain(word.partition(" ")[0], 40) for word in launch.unknown[:3])
        more = f" and {len(launch.unknown) - 3} more" if len(launch.unknown) > 3 else ""
        reason = f"what {names}{more} would take is not known"
        if made.verdict.level is Level.FITS:
            reason = f"it fits as far as it is understood: {reason}"
        elif made.verdict.reason:
            reason = f"{made.verdict.reason}; {reason}"
        return replace(made, verdict=_worse(made.verdict, max(made.verdict.level, Level.TIGHT), reason))
    return made


def _with_uncounted(launch: Launch, made: Assessment) -> Assessment:
    """What would fit without memory that is not counted is no sure fit."""
    left_out = [doubt for doubt in launch.doubts if isinstance(doubt, Uncounted)]
    if not left_out or made.verdict.level is not Level.FITS:
        return made
    reason = f"it fits as far as it is counted: {plain(left_out[0], 200)}"
    return replace(made, verdict=_worse(made.verdict, Level.TIGHT, reason))


def _worse(verdict: Verdict, level: Level, reason: str, *, is_refused: bool = False) -> Verdict:
    return replace(verdict, level=level, reason=reason, is_refused=is_refused)


def _context_tokens(launch: Launch, model: Model, places: Sequence[Place]) -> int:
    if launch.context_tokens:
        return launch.context_tokens
    native = model.native_context_tokens
    if launch.context_tokens is None:
        from estimator.ollama_launch import default_context  # noqa: PLC0415  # only Ollama leaves it to the devices

        tokens = default_context([place for place in places if place.kind != "host"])
        return launch.n_sequences * (min(tokens, native) if native else tokens)
    if model.has_context and not native:
        raise Unjudgeable("the model does not say how long its context is, and the command does not either")
    return native


def _with_free_context(plan: Plan, places: Sequence[Place]) -> Plan:
    """With the context that the engine would take by itself where it was asked for none."""
    free_context = getattr(plan.engine, "free_context", None)
    if free_context is None or plan.devices is None:
        return plan
    chosen = tuple(place for place in places if place.kind == "host" or place.name in plan.devices)
    tokens = free_context(plan.model, plan.workload, plan.options, chosen)
    options = replace(plan.options, is_length_free=True) if hasattr(plan.options, "is_length_free") else plan.options
    return replace(plan, workload=replace(plan.workload, context_tokens=tokens), options=options)


def _devices(launch: Launch, engine: Engine, snapshot: Snapshot, places: Sequence[Place]) -> tuple[str, ...]:
    """Labels of the devices that it would use, in the engine's order.

    Raises:
        Unjudgeable: one is not there, or its memory is not known now.
    """
    if launch.devices == ():
        return ()
    expect_devices_known(snapshot)
    seen = _seen(snapshot)
    if launch.vendor:
        seen, places = _of_vendor(launch.vendor, seen, places, snapshot)
    if launch.devices is not None:
        return tuple(dict.fromkeys(_label(word, seen, snapshot) for word in launch.devices))
    if launch.n_devices is None:
        return tuple(place.name for place in together(default_devices(places, engine.VENDORS)))
    first = [device for device in seen if device.vendor in engine.VENDORS][: launch.n_devices]
    return tuple(_known(device_label(device, snapshot.devices), snapshot) for device in first)


def _of_vendor(
    vendor: str, seen: Sequence[Device], places: Sequence[Place], snapshot: Snapshot
) -> tuple[list[Device], list[Place]]:
    """Those of the devices, and of the places, that an image built for this vendor's devices runs on.

    Raises:
        Unjudgeable: there are none.
    """
    left = [device for device in seen if device.vendor == vendor]
    if not left:
        raise Unjudgeable(
            f"the image is built for devices of {_CALLED.get(vendor, vendor)}, and it would see none here"
        )
    labels = {device_label(device, snapshot.devices) for device in left}
    return left, [place for place in places if place.kind == "host" or place.name in labels]


def _seen(snapshot: Snapshot) -> list[Device]:
    """What a program sees, in the order in which it counts."""
    seen = [device for device in snapshot.devices if not device.hidden_by]
    return sorted(seen, key=lambda device: device.index if device.program_index is None else device.program_index)


def _label(word: str, seen: Sequence[Device], snapshot: Snapshot) -> str:
    found = _DEVICE.fullmatch(word.strip())
    if found is not None:
        vendor = _VENDORS.get((found[1] or "").lower())
        counted = [device for device in seen if vendor is None or device.vendor == vendor]
        if int(found[2]) < len(counted):
            return _known(device_label(counted[int(found[2])], snapshot.devices), snapshot)
    raise Unjudgeable(
        f"the command names the device {plain(word, 40)}, and a program started so sees none of that name"
    )


def _known(label: str, snapshot: Snapshot) -> str:
    """The label, where its memory is known now."""
    for place in missing_places(snapshot):
        if place.name == label:
            raise Unjudgeable(f"the memory of {label} is not known now: {place.reason}")
    return label

"""What an engine that runs here will hold once it is loaded: judged as if what it holds already were free."""

import os
from collections.abc import Callable, Mapping
from dataclasses import field, replace

from estimator.calibration import Calibration
from estimator.errors import EstimatorError
from estimator.ledger import Estimate, Kind
from estimator.verdict import Level
from launches.launch import Launch
from probes.served import Served
from probes.snapshot import HOST_POOL, Snapshot
from records.record import record
from tui.launched import places_seen, plan_of
from tui.model_found import FoundAs, find_running_model
from tui.places import HOST_NAME, device_label
from tui.plan import Plan, assess
from tui.recognised import NOTICEABLE_BYTES, Predicted
from tui.telling import telling_place
from tui.visibility import as_seen_with

_SHARES = frozenset({"vllm", "sglang", "trtllm", "tgi"})
"""Engines that take a share of a device."""


@record(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Figures only: the model is let go."""

    predicted: Mapping[str, Predicted] = field(default_factory=dict)
    model_name: str = ""
    quant: str = ""
    architecture: str = ""
    context_tokens: int | None = None
    is_by_name: bool = False
    """The model itself could not be read: it is taken for the one that is known by that name."""
    reason: str = ""
    """Why nothing is predicted."""
    outcome: str = ""
    """What would happen, where there was no room for it; empty where there was."""
    weight_bytes: int = 0
    """Of its file, what is loaded, wherever it goes; 0 where the file could not be read."""


def expect(
    launch: Launch,
    snapshot: Snapshot,
    held: Mapping[str, int],
    *,
    files: Callable[[], tuple[str, ...] | None] = lambda: None,
    path_of: Callable[[str], str] = lambda path: path,
    served: Served | None = None,
    calibrations: tuple[Calibration, ...] = (),
    backends: Callable[[], frozenset[str]] = frozenset,
) -> Expectation:
    """What the launch will hold.

    Args:
        launch: as its command line says it.
        snapshot: as it is now.
        held: by place, what it holds already.
        files: asks for the files of models that it has open; None where they may not be seen.
        path_of: where one of its paths can be opened from here.
        served: what it says of itself; counts where the command says nothing.
        calibrations: what was learned on this machine.
        backends: asks which of ggml's it has mapped, where that matters.
    """
    if (launch.context_tokens is None or launch.source is None) and served is not None and served.context_tokens:
        launch = replace(launch, context_tokens=served.context_tokens * launch.n_sequences)
    try:
        found = find_running_model(launch, files=files, path_of=path_of, served=served)
    except EstimatorError as error:
        name = os.path.basename(launch.source or "") or (served.model if served else "") or ""
        return Expectation(model_name=name, reason=str(error))
    seen = as_seen_with(launch.environment, _without(held, snapshot))
    try:
        plan = _on_devices_held(plan_of(found.launch, found.model, seen), launch, held)
        made = assess(plan, places_seen(launch, seen, calibrations))
    except EstimatorError as error:
        return Expectation(model_name=found.name or found.model.name, quant=found.model.stored_as, reason=str(error))
    does_fit = made.verdict.level < Level.SPILLS
    estimate = made.estimate if does_fit else made.fallback or made.estimate
    telling = telling_place(launch, made, backends=backends) if found.found_as is FoundAs.READ else None
    return Expectation(
        predicted={
            place.name: _predicted(estimate, place.name, launch, is_telling=place.name == telling)
            for place in made.places
            if estimate.n_bytes((place.name,)) > estimate.file_page_bytes((place.name,))
        },
        model_name=found.name or plan.model.name,
        quant=plan.model.stored_as,
        architecture=plan.model.architecture,
        context_tokens=plan.workload.context_tokens,
        is_by_name=found.found_as is FoundAs.NAME,
        outcome="" if does_fit or made.fallback is not None else made.verdict.reason,
        # A matrix that serves twice lies in the file once; what is never loaded lies there too.
        weight_bytes=min(plan.model.file_bytes or 0, estimate.n_bytes(kind=Kind.WEIGHTS)),
    )


def _predicted(estimate: Estimate, place: str, launch: Launch, *, is_telling: bool) -> Predicted:
    """With what was learned here, and without it beside that where it is another.

    Pages of the mapped file are left out, as they are of what a process is said to hold (``own_bytes`` of the readers).
    """
    n_pages = estimate.file_page_bytes((place,))
    made = Predicted(
        n_bytes=estimate.n_bytes((place,)) - n_pages,
        low_bytes=max(0, estimate.low_bytes((place,)) - n_pages),
        high_bytes=estimate.high_bytes((place,)) - n_pages,
        takes_share=launch.engine_name in _SHARES,
        runtime_bytes=estimate.plain.n_bytes((place,), Kind.RUNTIME) if is_telling else None,
    )
    plain = estimate.plain
    return made if plain is estimate else replace(made, plain=_predicted(plain, place, launch, is_telling=is_telling))


def _on_devices_held(plan: Plan, launch: Launch, held: Mapping[str, int]) -> Plan:
    """What the driver says of devices counts more than what is reckoned."""
    devices = sorted((name for name in held if name != HOST_NAME), key=lambda name: -held[name])
    fullest = [name for name in devices if held[name] >= NOTICEABLE_BYTES][: launch.n_devices]
    if launch.n_devices != len(fullest) or set(fullest) <= set(plan.devices or ()):
        return plan
    return replace(plan, devices=tuple(sorted(fullest)))


def _without(held: Mapping[str, int], snapshot: Snapshot) -> Snapshot:
    """The snapshot as if what an engine holds already were free."""
    freed: dict[str, int] = {HOST_POOL: held.get(HOST_NAME, 0)}
    for device in snapshot.devices:
        freed[device.pool_key] = freed.get(device.pool_key, 0) + held.get(device_label(device, snapshot.devices), 0)
    pools = []
    for pool in snapshot.pools:
        n_bytes = min(freed.get(pool.key, 0), pool.used_bytes)
        pools.append(replace(pool, free_bytes=pool.free_bytes + n_bytes, used_bytes=pool.used_bytes - n_bytes))
    return replace(snapshot, pools=tuple(pools))

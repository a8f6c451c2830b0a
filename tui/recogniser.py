"""Finds the engines among the processes of this machine, and what each will hold once it is loaded.

Runs on a thread aside: reading a model and estimating it takes up to a second, once for each launch. What is kept of a
launch are figures; models are let go.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from estimator.errors import EstimatorError
from estimator.model import Model
from estimator.verdict import Level
from launches.command import RUNTIMES, Command, program_of
from launches.errors import LaunchError
from launches.launch import Launch, read_launches
from launches.shell import SHELLS
from probes.process_facts import HeldFacts, ProcessFacts, ProcessReader
from probes.served import Served
from probes.snapshot import HOST_POOL, Snapshot
from tui.launched import model_of, places_seen, plan_of
from tui.places import HOST_NAME, device_label
from tui.plan import assess
from tui.recognised import Phase, Predicted, Recognised
from tui.visibility import as_seen_with

_LOADED_RATIO = 0.97
"""Of the low end of the prediction: from here on a launch counts as loaded (ASSUMED)."""
_RESTING_SECONDS = 20.0
"""What has not grown for so long is at rest; a file on a slow disk may pause for some seconds (ASSUMED)."""
_RATE_SECONDS = 8.0
"""Over which the growth is taken."""
_NOTICEABLE_BYTES = 8 << 20
"""Growth below this is none: contexts and buffers come and go."""
_FACTS_SECONDS = 10.0
"""Between two looks at what an engine has open."""
_SHARES = frozenset({"vllm", "sglang", "trtllm"})
"""Engines that take a share of a device."""


@dataclass(slots=True)
class _Known:
    """What is known of one engine's process."""

    facts: ProcessFacts
    launch: Launch
    predicted: Mapping[str, Predicted] = field(default_factory=dict)
    model_name: str = ""
    quant: str = ""
    context_tokens: int | None = None
    reason: str = ""
    outcome: str = ""
    is_judged: bool = False
    devices: frozenset[str] = frozenset()
    """Where it held memory when it was judged."""
    held: HeldFacts = field(default_factory=HeldFacts)
    held_seconds: float = float("-inf")
    marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=64))
    """(seconds, bytes held) of the last readings."""
    grown_seconds: float = 0.0
    """When it last grew."""
    is_loaded: bool = False
    """It rested once: what it takes later is its work."""


class Recogniser:
    """Knows the engines by their processes, from reading to reading."""

    def __init__(self, reader: ProcessReader, *, clock: Callable[[], float]) -> None:
        self._reader = reader
        self._clock = clock
        self._known: dict[int, _Known | None] = {}
        """By pid; None: no engine."""
        self._started: dict[int, int] = {}

    def look(
        self, snapshot: Snapshot, answers: Mapping[int, tuple[Served, ...]] = MappingProxyType({})
    ) -> tuple[Recognised, ...]:
        """The engines that run now, the largest first.

        Args:
            snapshot: what their devices hold.
            answers: by pid, what they themselves last said.
        """
        for known in [known for known in self._known.values() if known is not None]:
            if not self._reader.is_same(known.facts):  # gone, or its number is another's now
                del self._known[known.facts.pid], self._started[known.facts.pid]
        everything = self._reader.all_facts()
        by_pid = {facts.pid: facts for facts in everything}
        self._forget(by_pid)
        for facts in everything:
            if facts.pid not in self._known:
                self._known[facts.pid] = _engine_in(facts)
                self._started[facts.pid] = facts.started_ticks
        engines = {pid: known for pid, known in self._known.items() if known is not None}
        heads = _heads(engines, by_pid)
        groups = _groups(heads, by_pid)
        found = [self._recognised(engines[pid], groups[pid], snapshot, answers.get(pid, ())) for pid in heads]
        return tuple(sorted(found, key=lambda one: (-(one.held_bytes or 0), one.pid)))

    def _forget(self, by_pid: Mapping[int, ProcessFacts]) -> None:
        for pid in list(self._known):
            if pid not in by_pid or by_pid[pid].started_ticks != self._started[pid]:
                del self._known[pid], self._started[pid]

    def _recognised(
        self, known: _Known, pids: frozenset[int], snapshot: Snapshot, served: tuple[Served, ...]
    ) -> Recognised:
        now = self._clock()
        if now - known.held_seconds >= _FACTS_SECONDS:
            known.held, known.held_seconds = self._reader.held(known.facts.pid), now
        held = _held_by(pids, snapshot)
        if known.held.own_bytes is not None:
            held[HOST_NAME] = known.held.own_bytes
        devices = frozenset(name for name, n in held.items() if name != HOST_NAME and n >= _NOTICEABLE_BYTES)
        if not known.is_judged or devices - known.devices:
            _judge(known, devices, held, snapshot)
        made = Recognised(
            pid=known.facts.pid,
            started_ticks=known.facts.started_ticks,
            pids=pids,
            program=known.launch.program,
            engine_name=known.launch.engine_name,
            model_name=known.model_name,
            quant=known.quant,
            context_tokens=known.context_tokens,
            n_sequences=known.launch.n_sequences,
            predicted=known.predicted,
            held=held,
            unknown=known.launch.unknown,
            reason=known.reason,
            outcome=known.outcome,
            served=served[0] if len(served) == 1 else None,
            ports=known.held.ports,
        )
        rate = _mark(known, now, made.held_bytes or 0)
        return replace(made, phase=_phase(known, made, now), growth_bytes_per_second=rate)


def _engine_in(facts: ProcessFacts) -> _Known | None:
    """What the command line of a process says, where it is an engine's."""
    command = Command(arguments=facts.arguments, environment=facts.environment or {}, directory=facts.directory or "")
    program = program_of(command)
    if program is None or program.name in RUNTIMES | SHELLS:
        return None  # what they start is a process of its own, and holds the memory
    try:
        launches = read_launches(command)
    except LaunchError:
        return None
    return _Known(facts=facts, launch=launches[0])


def _heads(engines: Mapping[int, _Known], by_pid: Mapping[int, ProcessFacts]) -> tuple[int, ...]:
    """Engines that stand for themselves: no child of one that names a model, and no server whose children do."""
    with_children = {
        ancestor
        for pid, known in engines.items()
        if known.launch.source is not None
        for ancestor in _ancestors(pid, by_pid)
        if ancestor in engines and engines[ancestor].launch.source is None
    }
    return tuple(
        pid
        for pid in engines
        if pid not in with_children
        and not any(
            ancestor in engines and engines[ancestor].launch.source is not None for ancestor in _ancestors(pid, by_pid)
        )
    )


def _ancestors(pid: int, by_pid: Mapping[int, ProcessFacts]) -> Iterable[int]:
    seen = {pid}
    while (facts := by_pid.get(pid)) is not None and facts.parent_pid not in seen and facts.parent_pid > 1:
        pid = facts.parent_pid
        seen.add(pid)
        yield pid


def _groups(heads: Sequence[int], by_pid: Mapping[int, ProcessFacts]) -> dict[int, frozenset[int]]:
    """Each one's own processes: children count with the nearest engine above them."""
    groups: dict[int, set[int]] = {pid: {pid} for pid in heads}
    for pid in by_pid:
        nearest = pid if pid in groups else next((one for one in _ancestors(pid, by_pid) if one in groups), None)
        if nearest is not None:
            groups[nearest].add(pid)
    return {pid: frozenset(members) for pid, members in groups.items()}


def _held_by(pids: frozenset[int], snapshot: Snapshot) -> dict[str, int]:
    """Label of a device -> bytes that these processes hold on it."""
    labels = {device.key: device_label(device, snapshot.devices) for device in snapshot.devices}
    held: dict[str, int] = {}
    for process in snapshot.processes:
        if process.pid in pids and not process.is_outside and process.used_bytes is not None:
            label = labels.get(process.device_key)
            if label is not None:
                held[label] = held.get(label, 0) + process.used_bytes
    return held


def _judge(known: _Known, devices: frozenset[str], held: Mapping[str, int], snapshot: Snapshot) -> None:
    """What the launch will hold, as if what it holds already were free."""
    known.is_judged, known.devices = True, devices
    launch = known.launch
    seen = as_seen_with(launch.environment, _without(held, snapshot))
    try:
        model = _model(launch, known.held)
        plan = plan_of(launch, model, seen)
        fullest = sorted(devices, key=lambda name: -held[name])[: launch.n_devices]
        if launch.n_devices == len(fullest) and not set(fullest) <= set(plan.devices or ()):
            plan = replace(plan, devices=tuple(sorted(fullest)))  # what the driver says counts
        made = assess(plan, places_seen(launch, seen))
    except EstimatorError as error:
        known.reason = str(error)
        known.model_name = known.model_name or os.path.basename(launch.source or "")
        return
    does_fit = made.verdict.level < Level.SPILLS
    estimate = made.estimate if does_fit else made.fallback or made.estimate
    known.outcome = "" if does_fit or made.fallback is not None else made.verdict.reason
    known.predicted = {
        place.name: Predicted(
            n_bytes=estimate.n_bytes((place.name,)),
            low_bytes=estimate.low_bytes((place.name,)),
            high_bytes=estimate.high_bytes((place.name,)),
            takes_share=launch.engine_name in _SHARES,
        )
        for place in made.places
        if estimate.n_bytes((place.name,))
    }
    known.model_name, known.quant = plan.model.name, plan.model.stored_as
    known.context_tokens, known.reason = plan.workload.context_tokens, ""


def _model(launch: Launch, held: HeldFacts) -> Model:
    """What the command names, or, where that cannot be read, the largest file that the process has mapped.

    Raises:
        EstimatorError: neither can be read.
    """
    try:
        return model_of(launch)
    except EstimatorError:
        for path in (held.files or ())[:1]:
            return model_of(replace(launch, source=path, quant=None))
        raise


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


def _mark(known: _Known, now: float, n_bytes: int) -> float:
    """Notes what is held now, and gives the growth in bytes a second over the last readings; never negative."""
    if not known.marks or n_bytes > known.marks[-1][1] + _NOTICEABLE_BYTES:
        known.grown_seconds = now
    known.marks.append((now, n_bytes))
    earlier = next(mark for mark in known.marks if now - mark[0] <= _RATE_SECONDS)
    seconds = now - earlier[0]
    return max(0.0, (n_bytes - earlier[1]) / seconds) if seconds > 0 else 0.0


def _phase(known: _Known, made: Recognised, now: float) -> Phase:
    held = made.held_bytes
    if held is None or not made.predicted:
        return Phase.UNKNOWN
    least = sum(one.low_bytes for one in made.counted.values())
    if held >= _LOADED_RATIO * least or now - known.grown_seconds >= _RESTING_SECONDS:
        known.is_loaded = True
    return Phase.RESTING if known.is_loaded else Phase.LOADING

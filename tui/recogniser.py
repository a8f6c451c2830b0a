"""Finds the engines among the processes of this machine, and what each will hold once it is loaded.

Runs on a thread aside: reading a model and estimating it takes up to a second, once for each launch. What is kept of a
launch are figures; models are let go.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from types import MappingProxyType

from estimator.calibration import Calibration
from launches.command import RUNTIMES, Command, program_of
from launches.errors import LaunchError
from launches.launch import Launch, opened_of, read_launches
from launches.shell import SHELLS
from launches.version import version_of
from launches.wrappers import base_name
from probes.process_facts import ProcessFacts
from probes.processes import Processes
from probes.served import Served
from probes.snapshot import Snapshot
from tui.expectation import NOTICEABLE_BYTES, Expectation, expect
from tui.places import HOST_NAME, device_label
from tui.recognised import Phase, Predicted, Recognised, counted_of

_LOADED_RATIO = 0.97
"""Of the low end of the prediction: from here on a launch counts as loaded (ASSUMED)."""
_RESTING_SECONDS = 20.0
"""What has not grown for so long is at rest; a file on a slow disk may pause for some seconds (ASSUMED)."""
_RATE_SECONDS = 8.0
"""Over which the growth is taken."""
_FIRST_WAIT_SECONDS, _MOST_WAIT_SECONDS = 10.0, 320.0
"""Between two looks at what costs milliseconds (ports, a model that could not be found): each time twice as long, since
a server that loads for long opens its port late."""
_MOST_AT_ONCE = 2
"""Engines that are judged, and engines whose ports are read, in one look: 10 ms each."""
_OLD_SECONDS = 900.0
"""Who runs for so long when first seen is loaded (ASSUMED: 400 GB at 0.5 GB/s)."""
_KEPT_RATIO = 7 / 8
"""Of what it held, at least, from one reading to the next while it loads: buffers of a file's parts come and go, who
gives back more is at work (ASSUMED)."""
_MOST_CHILDREN = 8
"""Whose ports and files are looked for where their parent has none."""
_HERE = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1", "::", ""})  # noqa: S104  # compared, never bound
_JUDGING = frozenset({"run", "check"})
"""Commands of Plimsoll that name another command."""
_CLIENTS = frozenset({"ollama run", "lms load"})
"""Programs that have another process load what they name."""


@dataclass(slots=True)
class _Turn:
    """When something is looked at again."""

    due_seconds: float = float("-inf")
    wait_seconds: float = _FIRST_WAIT_SECONDS

    def take(self, now: float) -> None:
        self.due_seconds = now + self.wait_seconds
        self.wait_seconds = min(2 * self.wait_seconds, _MOST_WAIT_SECONDS)


@dataclass(slots=True)
class _Known:
    """What is known of one engine's process."""

    facts: ProcessFacts
    launch: Launch
    version: str = ""
    """As it is installed; empty where that is not known."""
    expected: Expectation = field(default_factory=Expectation)
    is_judged: bool = False
    judging: _Turn = field(default_factory=_Turn)
    """Again, where nothing could be predicted."""
    devices: frozenset[str] = frozenset()
    """Where it held memory when it was judged."""
    was_told: bool = False
    """It was judged with what it says of itself."""
    ports: tuple[int, ...] = ()
    port_turn: _Turn = field(default_factory=_Turn)
    own_bytes: int | None = None
    own_turn_seconds: float = float("-inf")
    marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=64))
    """(seconds, bytes held) of the last readings."""
    marked: frozenset[str] = frozenset()
    """The places that they are of."""
    grown_seconds: float = 0.0
    """When it last grew."""
    is_from_start: bool = False
    """It was first seen within ``_RESTING_SECONDS`` of its start, or while others were watched already."""
    is_growing: bool = False
    """It took more since it was first seen."""
    has_given_back: bool = False
    is_loaded: bool = False
    """It rested once: what it takes later is its work."""
    phase: Phase = Phase.UNKNOWN

    @property
    def is_certain(self) -> bool:
        """What it says of itself would change nothing."""
        is_told = self.launch.source is not None and self.launch.context_tokens is not None
        return bool(self.expected.predicted) and not self.expected.is_by_name and is_told


class Recogniser:
    """Knows the engines by their processes, from reading to reading."""

    def __init__(
        self,
        reader: Processes,
        *,
        clock: Callable[[], float],
        running_seconds: Callable[[int], float | None] = lambda _: None,
        calibrations: Callable[[], tuple[Calibration, ...]] = tuple,
    ) -> None:
        """Knows none yet.

        Args:
            reader: of processes.
            clock: seconds that only go forward.
            running_seconds: from a start in ticks, for how long that process runs; None where it is not known.
            calibrations: what was learned on this machine until now.
        """
        self._reader = reader
        self._clock = clock
        self._running_seconds = running_seconds
        self._calibrations = calibrations
        self._known: dict[int, _Known | None] = {}
        """By pid; None: no engine."""
        self._facts: dict[int, ProcessFacts] = {}
        self._everything: tuple[ProcessFacts, ...] | None = None
        """All processes, of which what follows was made: most looks find the same."""
        self._by_pid: dict[int, ProcessFacts] = {}
        self._engines: dict[int, _Known] = {}
        self._heads: tuple[int, ...] = ()
        """Engines that stand for themselves."""
        self._groups: dict[int, frozenset[int]] = {}
        """The processes of each of them."""
        self._head_of: dict[int, int] = {}

    def look(
        self, snapshot: Snapshot, answers: Mapping[int, tuple[Served, ...]] = MappingProxyType({})
    ) -> tuple[Recognised, ...]:
        """The engines that run now, the largest first.

        Args:
            snapshot: what their devices hold.
            answers: by pid, what they themselves last said.
        """
        for known in self._engines.values():
            self._reader.is_same(known.facts)  # one that is gone, or whose number is another's now, is not told below
        everything = self._reader.all_facts()
        if everything is not self._everything:
            self._sort(everything)
        engines = self._engines
        self._read_ports()
        on_devices = self._held_on_devices(snapshot)
        held = {pid: self._with_own(engines[pid], on_devices.get(pid, {})) for pid in self._heads}
        told = {pid: _told(engines[pid], answers.get(pid, ())) for pid in self._heads}
        self._judge(held, told, snapshot)
        found = [self._recognised(engines[pid], self._groups[pid], held[pid], told[pid]) for pid in self._heads]
        return tuple(sorted(found, key=lambda one: (-(one.held_bytes or 0), one.pid)))

    @property
    def is_calm(self) -> bool:
        """Nothing is being loaded, as far as is known: what moves of one that gave back what it had is its work."""
        heads = (self._engines[pid] for pid in self._heads)
        return not any(known.phase is Phase.LOADING and not known.has_given_back for known in heads)

    def _sort(self, everything: tuple[ProcessFacts, ...]) -> None:
        """Which of these are engines, and whose the others are."""
        is_first = self._everything is None
        self._everything = everything
        self._by_pid = {facts.pid: facts for facts in everything}
        for pid in list(self._known):
            # gone, another's number, or another program
            if pid not in self._by_pid or self._by_pid[pid] is not self._facts[pid]:
                del self._known[pid], self._facts[pid]
        for facts in everything:
            if facts.pid not in self._known:
                self._known[facts.pid] = self._engine_in(facts, is_new=not is_first)
                self._facts[facts.pid] = facts
        self._engines = {pid: known for pid, known in self._known.items() if known is not None}
        self._heads = _heads(self._engines, self._by_pid)
        self._groups = _groups(self._heads, self._by_pid)
        self._head_of = {pid: head for head, group in self._groups.items() for pid in group}

    def _engine_in(self, facts: ProcessFacts, *, is_new: bool) -> _Known | None:
        """What the command line of a process says, where it is an engine's.

        Args:
            facts: of the process.
            is_new: it was not there at the last look.
        """
        if _is_plimsoll(facts.arguments):
            return None  # it names a command that it judges, or waits to become
        command = Command(
            arguments=facts.arguments, environment=facts.environment or {}, directory=facts.directory or ""
        )
        program = program_of(command)
        if program is None or program.name in RUNTIMES | SHELLS:
            return None  # what they start is a process of its own, and holds the memory
        try:
            launch = read_launches(command)[0]
        except LaunchError:
            return None
        if launch.program in _CLIENTS or launch.is_guess or _starts_plimsoll(command):
            return None
        running = self._running_seconds(facts.started_ticks)
        version = version_of(command, program, launch)
        return _Known(
            facts=facts,
            launch=launch,
            version=version,
            is_from_start=is_new or (running is not None and running <= _RESTING_SECONDS),
            is_loaded=running is not None and running > _OLD_SECONDS,
        )

    def _read_ports(self) -> None:
        """Of those that wait longest."""
        now = self._clock()
        due = [known for pid in self._heads if (known := self._engines[pid]).port_turn.due_seconds <= now]
        for known in sorted(due, key=lambda one: one.port_turn.due_seconds)[:_MOST_AT_ONCE]:
            known.port_turn.take(now)
            pid = known.facts.pid
            is_runner = known.launch.program == "ollama runner"
            server = _server_of(pid, self._engines, self._by_pid) if is_runner else None
            if server is not None:  # which alone knows the model's name
                known.ports = self._ports(self._engines[server])
                continue
            known.ports = self._ports(known)
            for child in sorted(self._groups[pid] - {pid})[:_MOST_CHILDREN]:
                if not known.ports:
                    known.ports = self._reader.ports(child)

    def _ports(self, known: _Known) -> tuple[int, ...]:
        host, port = known.launch.address or ("", 0)
        return self._reader.ports(known.facts.pid, port if port and host in _HERE else None)

    def _held_on_devices(self, snapshot: Snapshot) -> dict[int, dict[str, int]]:
        """Head -> label of a device -> bytes that its processes hold there."""
        devices = {device.key: device for device in snapshot.devices}
        labels: dict[str, str] = {}
        held: dict[int, dict[str, int]] = {}
        for process in snapshot.processes:
            head = self._head_of.get(process.pid)
            if head is None or process.is_outside or process.used_bytes is None:
                continue
            key = process.device_key
            if key not in labels and key in devices:
                labels[key] = device_label(devices[key], snapshot.devices)
            if key in labels:
                places = held.setdefault(head, {})
                places[labels[key]] = places.get(labels[key], 0) + process.used_bytes
        return held

    def _with_own(self, known: _Known, held: dict[str, int]) -> dict[str, int]:
        """What is held on devices, and in RAM."""
        now = self._clock()
        is_resting = known.is_loaded or now - known.grown_seconds >= _RESTING_SECONDS
        if not is_resting or now >= known.own_turn_seconds:
            known.own_bytes = self._reader.own_bytes(known.facts.pid)
            known.own_turn_seconds = now + _FIRST_WAIT_SECONDS
        if known.own_bytes is not None:
            held[HOST_NAME] = known.own_bytes
        return held

    def _judge(
        self,
        held: Mapping[int, Mapping[str, int]],
        told: Mapping[int, Served | None],
        snapshot: Snapshot,
    ) -> None:
        """Those that were not yet, or of which more is known: the youngest first, since it may be loading."""
        now = self._clock()
        due = []
        for pid, places in held.items():
            known = self._engines[pid]
            devices = frozenset(name for name, n in places.items() if name != HOST_NAME and n >= NOTICEABLE_BYTES)
            is_new = not known.is_judged or bool(devices - known.devices)
            is_told = told[pid] is not None and not known.was_told and not known.is_certain
            again = not known.expected.predicted and now >= known.judging.due_seconds
            if is_new or is_told or again:
                due.append((known, devices))
        due.sort(key=lambda pair: (pair[0].is_judged, -pair[0].facts.started_ticks))
        for known, devices in due[:_MOST_AT_ONCE]:
            pid = known.facts.pid
            known.is_judged, known.devices, known.was_told = True, devices, told[pid] is not None
            known.judging.take(now)
            known.expected = expect(
                known.launch,
                snapshot,
                held[pid],
                files=partial(self._files, (pid, *sorted(self._groups[pid] - {pid})[:_MOST_CHILDREN])),
                path_of=partial(self._reader.path_of, pid),
                served=told[pid],
                calibrations=self._calibrations_of(known, told[pid]),
                backends=partial(self._backends, (pid, *sorted(self._groups[pid] - {pid})[:_MOST_CHILDREN])),
            )

    def _calibrations_of(self, known: _Known, served: Served | None) -> tuple[Calibration, ...]:
        """Of versions like its own."""
        found = self._calibrations()
        if not found:
            return ()
        from tui.lesson import of_version  # noqa: PLC0415  # for who has learned something

        return of_version(found, (served.version if served else None) or known.version)

    def _backends(self, pids: Sequence[int]) -> frozenset[str]:
        """Of all of them: which one holds the memory is not looked at."""
        return frozenset().union(*(self._reader.backends(pid) for pid in pids))

    def _files(self, pids: Sequence[int]) -> tuple[str, ...] | None:
        """Of the first that has any open: the parent of workers may have none of its own."""
        found: tuple[str, ...] | None = None
        for pid in pids:
            files = self._reader.files(pid)
            if files:
                return files
            found = files if found is None else found
        return found

    def _recognised(
        self, known: _Known, pids: frozenset[int], held: Mapping[str, int], served: Served | None
    ) -> Recognised:
        now = self._clock()
        expected = known.expected
        counted = counted_of(expected.predicted)
        rate = _mark(known, now, {name: held[name] for name in counted or held if name in held})
        known.phase = _phase(known, counted, held, now)
        return Recognised(
            pid=known.facts.pid,
            started_ticks=known.facts.started_ticks,
            pids=pids,
            program=known.launch.program,
            engine_name=known.launch.engine_name,
            model_name=expected.model_name,
            quant=expected.quant,
            architecture=expected.architecture,
            engine_version=(served.version if served else None) or known.version,
            context_tokens=expected.context_tokens or (served.context_tokens if served else None),
            n_sequences=known.launch.n_sequences,
            predicted=expected.predicted,
            held=held,
            phase=known.phase,
            is_growing=known.is_growing or (known.is_from_start and not known.has_given_back),
            growth_bytes_per_second=rate,
            unknown=known.launch.unknown,
            reason=expected.reason,
            is_by_name=expected.is_by_name,
            outcome=expected.outcome,
            served=served,
            has_metrics=_has_metrics(known.facts, known.launch),
            ports=known.ports,
        )


def _is_plimsoll(arguments: Sequence[str]) -> bool:
    """Whether it is one itself, behind wrappers too; what stands behind two dashes is another's."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    is_judging = any(base_name(word) == "plimsoll" and told in _JUDGING for word, told in pairwise(before))
    return is_judging or any(base_name(word) == "plimsoll" for word in arguments[:3])


def _starts_plimsoll(command: Command) -> bool:
    """Whether the command that it is given in one word is one: ``tmux new -d 'plimsoll run -- vllm serve a/b'``."""
    scripts = opened_of(command).scripts
    return bool(scripts) and _is_plimsoll(command.arguments[scripts[0]].split())


def _told(known: _Known, served: tuple[Served, ...]) -> Served | None:
    """What an engine says of the model in this process, where that is clear."""
    name = known.expected.model_name
    alike = [one for one in served if name and one.model in (name, name.removesuffix(":latest"))]
    chosen = alike or list(served)
    return chosen[0] if len(chosen) == 1 else None


def _server_of(pid: int, engines: Mapping[int, _Known], by_pid: Mapping[int, ProcessFacts]) -> int | None:
    """The server above a process that was started to hold one model."""
    above = (one for one in _ancestors(pid, by_pid) if one in engines)
    return next((one for one in above if engines[one].launch.source is None), None)


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
    nearest: dict[int, int | None] = {pid: pid for pid in heads}
    for pid in by_pid:
        if pid not in nearest:
            passed, head = [pid], None
            for above in _ancestors(pid, by_pid):
                if above in nearest:
                    head = nearest[above]
                    break
                passed.append(above)
            nearest.update(dict.fromkeys(passed, head))
        if (head := nearest[pid]) is not None:
            groups[head].add(pid)
    return {pid: frozenset(members) for pid, members in groups.items()}


def _mark(known: _Known, now: float, held: Mapping[str, int]) -> float:
    """Notes what is held now, and gives the growth in bytes a second over the last readings; never negative.

    What it holds at a place that was not told of before is no growth: the driver may have been late.
    """
    if held.keys() != known.marked:
        known.marked = frozenset(held)
        known.marks.clear()
    n_bytes = sum(held.values())
    before = known.marks[-1][1] if known.marks else 0
    if not known.marks or n_bytes > before + NOTICEABLE_BYTES:
        known.grown_seconds = now
        known.is_growing = before > 0 and not known.has_given_back
    elif n_bytes < before * _KEPT_RATIO:
        known.is_growing, known.has_given_back = False, True
    known.marks.append((now, n_bytes))
    earlier = next(mark for mark in known.marks if now - mark[0] <= _RATE_SECONDS)
    seconds = now - earlier[0]
    return max(0.0, (n_bytes - earlier[1]) / seconds) if seconds > 0 else 0.0


def _phase(known: _Known, counted: Mapping[str, Predicted], held: Mapping[str, int], now: float) -> Phase:
    """How far it is, by the places that its prediction counts."""
    if not any(name in held for name in counted):
        return Phase.UNKNOWN
    n_bytes = sum(held[name] for name in counted if name in held)
    least = sum(one.low_bytes for one in counted.values())
    if n_bytes >= _LOADED_RATIO * least or now - known.grown_seconds >= _RESTING_SECONDS:
        known.is_loaded = True
    return Phase.RESTING if known.is_loaded else Phase.LOADING


def _has_metrics(facts: ProcessFacts, launch: Launch) -> bool:
    """llama-server only where it was told to have them, and not to sleep."""
    if launch.engine_name != "llamacpp":
        return True
    is_told = "--metrics" in facts.arguments or "LLAMA_ARG_ENDPOINT_METRICS" in (facts.environment or {})
    return is_told and "--sleep-idle-seconds" not in facts.arguments

"""Finds the engines among the processes of this machine, and what each will hold once it is loaded.

Runs on a thread aside: reading a model and estimating it takes up to a second, once for each launch. What is kept of a
launch are figures; models are let go.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from estimator.calibration import Calibration
from estimator.patience import rest
from probes.intake import Intake
from probes.process_facts import ProcessFacts
from probes.processes import Processes
from probes.served import Served
from probes.snapshot import Snapshot
from tui.engine_process import EngineProcess, engine_in
from tui.expectation import expect
from tui.kinship import groups, heads, server_above
from tui.places import HOST_NAME, device_label
from tui.recognised import NOTICEABLE_BYTES, Phase, Recognised

_MOST_AT_ONCE = 2
"""Engines that are judged, and engines whose ports are read, in one look: 10 ms each."""
_MOST_CHILDREN = 8
"""Whose ports, files and reads are looked for beside their parent's."""
_HERE = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1", "::", ""})  # noqa: S104  # compared, never bound


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
        self._known: dict[int, EngineProcess | None] = {}
        """By pid; None: no engine."""
        self._facts: dict[int, ProcessFacts] = {}
        self._everything: tuple[ProcessFacts, ...] | None = None
        """All processes, of which what follows was made: most looks find the same."""
        self._by_pid: dict[int, ProcessFacts] = {}
        self._engines: dict[int, EngineProcess] = {}
        self._names_model: dict[int, bool] = {}
        """Of each engine, whether its command says which model."""
        self._heads: tuple[int, ...] = ()
        """Engines that stand for themselves."""
        self._groups: dict[int, frozenset[int]] = {}
        """The processes of each of them."""
        self._head_of: dict[int, int] = {}
        self._device_bytes: dict[int, int] = {}
        """What each of them held on devices at the last look."""

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
        self._device_bytes = {pid: sum(places.values()) for pid, places in on_devices.items()}
        held = {pid: self._with_own(engines[pid], on_devices.get(pid, {})) for pid in self._heads}
        told = {pid: engines[pid].told(answers.get(pid, ())) for pid in self._heads}
        self._judge(held, told, snapshot)
        found = [self._recognised(pid, held[pid], told[pid], answers.get(pid, ())) for pid in self._heads]
        return tuple(sorted(found, key=lambda one: (-(one.held_bytes or 0), one.pid)))

    def _recognised(
        self, pid: int, held: Mapping[str, int], told: Served | None, answers: Sequence[Served]
    ) -> Recognised:
        known = self._engines[pid]
        self._note_intake(known)
        says_loading = any(one.is_loading for one in answers)
        return known.recognised(self._groups[pid], held, told, self._clock(), says_loading=says_loading)

    @property
    def is_calm(self) -> bool:
        """Nothing is being loaded, as far as is known: what moves of one that gave back what it had is its work."""
        loadings = (self._engines[pid].loading for pid in self._heads)
        return not any(one.phase is Phase.LOADING and not one.has_given_back for one in loadings)

    @property
    def is_settled(self) -> bool:
        """The same, and each of them was judged."""
        return self.is_calm and all(self._engines[pid].is_judged for pid in self._heads)

    def has_moved(self, snapshot: Snapshot) -> bool:
        """Whether an engine holds noticeably more or less on devices than at the last look."""
        now = self._held_on_devices(snapshot)
        return any(
            abs(sum(now.get(pid, {}).values()) - self._device_bytes.get(pid, 0)) >= NOTICEABLE_BYTES
            for pid in self._heads
        )

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
                rest()
                self._known[facts.pid] = engine_in(
                    facts, self._running_seconds(facts.started_ticks), is_new=not is_first
                )
                self._facts[facts.pid] = facts
        self._engines = {pid: known for pid, known in self._known.items() if known is not None}
        self._names_model = {pid: known.launch.source is not None for pid, known in self._engines.items()}
        self._heads = heads(self._names_model, self._by_pid)
        self._groups = groups(self._heads, self._by_pid)
        self._head_of = {pid: head for head, group in self._groups.items() for pid in group}

    def _read_ports(self) -> None:
        """Of those that wait longest."""
        now = self._clock()
        due = [known for pid in self._heads if (known := self._engines[pid]).port_turn.due_seconds <= now]
        for known in sorted(due, key=lambda one: one.port_turn.due_seconds)[:_MOST_AT_ONCE]:
            known.port_turn.take(now)
            pid = known.pid
            is_runner = known.launch.program == "ollama runner"
            server = server_above(pid, self._names_model, self._by_pid) if is_runner else None
            if server is not None:  # which alone knows the model's name
                known.ports = self._ports(self._engines[server])
                continue
            known.ports = self._ports(known)
            for child in sorted(self._groups[pid] - {pid})[:_MOST_CHILDREN]:
                if not known.ports:
                    known.ports = self._reader.ports(child)

    def _ports(self, known: EngineProcess) -> tuple[int, ...]:
        host, port = known.launch.address or ("", 0)
        return self._reader.ports(known.pid, port if port and host in _HERE else None)

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

    def _with_own(self, known: EngineProcess, held: dict[str, int]) -> dict[str, int]:
        """What is held on devices, and in RAM."""
        if known.own_is_due(self._clock()):
            known.own_bytes = self._reader.own_bytes(known.pid)
        if known.own_bytes is not None:
            held[HOST_NAME] = known.own_bytes
        return held

    def _note_intake(self, known: EngineProcess) -> None:
        """Of all its processes, as long as they may load: 60 us for each."""
        if known.loading.is_loaded or not known.expected.predicted:
            return
        pids = self._own_pids(known.pid)
        told = [intake for pid in pids if (intake := self._reader.intake(pid)) is not None]
        whole = sum(told, Intake(n_bytes=0, is_whole=len(told) == len(self._groups[known.pid])))
        known.loading.note_intake(whole if told else None, len(pids), self._clock())

    def _own_pids(self, pid: int) -> tuple[int, ...]:
        """Of an engine and its first children."""
        return (pid, *sorted(self._groups[pid] - {pid})[:_MOST_CHILDREN])

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
            pid = known.pid
            known.is_judged, known.devices, known.was_told = True, devices, told[pid] is not None
            known.judging.take(now)
            expected = expect(
                known.launch,
                snapshot,
                held[pid],
                files=partial(self._files, self._own_pids(pid)),
                path_of=partial(self._reader.path_of, pid),
                served=told[pid],
                calibrations=self._calibrations_of(known, told[pid]),
                backends=partial(self._backends, self._own_pids(pid)),
            )
            known.take_expectation(expected)

    def _calibrations_of(self, known: EngineProcess, served: Served | None) -> tuple[Calibration, ...]:
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

"""One process that is an engine: what its command line says, and what was found out about it from look to look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from launches.clients import CLIENTS
from launches.command import RUNTIMES, Command, program_of
from launches.errors import LaunchError
from launches.launch import Launch, read_launches
from launches.opened import opened_of
from launches.shell import SHELLS
from launches.told import screened, screened_name
from launches.version import version_of
from launches.wrappers import base_name
from probes.process_facts import ProcessFacts
from probes.served import Served
from tui.expectation import Expectation
from tui.loading import RESTING_SECONDS, Loading
from tui.recognised import Recognised, counted_of

_FIRST_WAIT_SECONDS, _MOST_WAIT_SECONDS = 10.0, 320.0
"""Between two looks at what costs milliseconds (ports, a model that could not be found): each time twice as long, since
a server that loads for long opens its port late."""
_OLD_SECONDS = 900.0
"""Who runs for so long when first seen is loaded (ASSUMED: 400 GB at 0.5 GB/s)."""
_JUDGING = frozenset({"run", "check"})
"""Commands of Plimsoll that name another command."""
_ANSWERS_ONCE_LOADED = "llama-server"
"""Until then it says that it loads (``probes.served``)."""
_READS_ITSELF = "llamacpp"
"""The engine whose weights its own processes map, or read by calls (llama.cpp's src/llama-mmap.cpp): others may have
them from a helper, from the network or straight from a disk."""


@dataclass(slots=True)
class Turn:
    """When something is looked at again."""

    due_seconds: float = float("-inf")
    wait_seconds: float = _FIRST_WAIT_SECONDS

    def take(self, now: float) -> None:
        self.due_seconds = now + self.wait_seconds
        self.wait_seconds = min(2 * self.wait_seconds, _MOST_WAIT_SECONDS)


@dataclass(slots=True)
class EngineProcess:
    """What is known of it."""

    facts: ProcessFacts
    launch: Launch
    loading: Loading
    version: str = ""
    """As it is installed; empty where that is not known."""
    expected: Expectation = field(default_factory=Expectation)
    is_judged: bool = False
    judging: Turn = field(default_factory=Turn)
    """Again, where nothing could be predicted."""
    devices: frozenset[str] = frozenset()
    """Where it held memory when it was judged."""
    was_told: bool = False
    """It was judged with what it says of itself."""
    ports: tuple[int, ...] = ()
    port_turn: Turn = field(default_factory=Turn)
    own_bytes: int | None = None
    own_turn_seconds: float = float("-inf")

    @property
    def pid(self) -> int:
        return self.facts.pid

    @property
    def is_certain(self) -> bool:
        """What it says of itself would change nothing."""
        is_told = self.launch.source is not None and self.launch.context_tokens is not None
        return bool(self.expected.predicted) and not self.expected.is_by_name and is_told

    def is_resting(self, now: float) -> bool:
        """What it holds does not change any more, as far as is known."""
        return self.loading.is_loaded or now - self.loading.grown_seconds >= RESTING_SECONDS

    def own_is_due(self, now: float) -> bool:
        """Whether what it holds in RAM is read; at rest only now and then."""
        if self.is_resting(now) and now < self.own_turn_seconds:
            return False
        self.own_turn_seconds = now + _FIRST_WAIT_SECONDS
        return True

    def take_expectation(self, expected: Expectation) -> None:
        """What it will hold, and by that what it has to read."""
        self.expected = replace(expected, reason=screened(expected.reason))  # of a command that others may not read
        self.loading.weight_bytes = 0 if expected.is_by_name else expected.weight_bytes
        self.loading.reads_itself = self.launch.engine_name == _READS_ITSELF

    def told(self, served: Sequence[Served]) -> Served | None:
        """What an engine says of the model in this process, where that is clear."""
        served = [one for one in served if not one.is_loading]
        name = self.expected.model_name
        alike = [one for one in served if name and one.model in (name, name.removesuffix(":latest"))]
        chosen = alike or served
        return chosen[0] if len(chosen) == 1 else None

    def recognised(
        self,
        pids: frozenset[int],
        held: Mapping[str, int],
        served: Served | None,
        now: float,
        *,
        says_loading: bool = False,
    ) -> Recognised:
        """As it is told to others.

        Args:
            pids: its own number and those of its children.
            held: by place.
            served: what it says of itself.
            now: seconds that only go forward.
            says_loading: it says only that.
        """
        expected, loading = self.expected, self.loading
        counted = counted_of(expected.predicted)
        rate = loading.note_held({name: held[name] for name in counted or held if name in held}, now)
        says_ready = served is not None and self.launch.program == _ANSWERS_ONCE_LOADED
        phase = loading.judge(counted, held, now, says_loading=says_loading, says_ready=says_ready)
        return Recognised(
            pid=self.pid,
            started_ticks=self.facts.started_ticks,
            pids=pids,
            program=self.launch.program,
            engine_name=self.launch.engine_name,
            model_name=screened_name(expected.model_name),  # it was compared as it is with what is served
            quant=expected.quant,
            architecture=expected.architecture,
            engine_version=(served.version if served else None) or self.version,
            context_tokens=expected.context_tokens or (served.context_tokens if served else None),
            n_sequences=self.launch.n_sequences,
            predicted=expected.predicted,
            held=held,
            phase=phase,
            is_growing=loading.is_growing
            or loading.is_surely_loading
            or (loading.is_from_start and not loading.has_given_back),
            growth_bytes_per_second=rate,
            moved_seconds=loading.moved_seconds,
            unknown=self.launch.unknown,
            reason=expected.reason,
            is_by_name=expected.is_by_name,
            outcome=expected.outcome,
            served=served,
            has_metrics=_has_metrics(self.facts, self.launch),
            ports=self.ports,
        )


def engine_in(facts: ProcessFacts, running_seconds: float | None, *, is_new: bool) -> EngineProcess | None:
    """What the command line of a process says, where it is an engine's.

    Args:
        facts: of the process.
        running_seconds: since its start; None where that is not known.
        is_new: it was not there at the last look.
    """
    if _is_plimsoll(facts.arguments):
        return None  # it names a command that it judges, or waits to become
    command = Command(arguments=facts.arguments, environment=facts.environment or {}, directory=facts.directory or "")
    program = program_of(command)
    if program is None or program.name in RUNTIMES | SHELLS:
        return None  # what they start is a process of its own, and holds the memory
    try:
        launch = read_launches(command)[0]
    except LaunchError:
        return None
    if launch.program in CLIENTS or launch.is_guess or _starts_plimsoll(command):
        return None
    loading = Loading(
        is_from_start=is_new or (running_seconds is not None and running_seconds <= RESTING_SECONDS),
        is_loaded=running_seconds is not None and running_seconds > _OLD_SECONDS,
    )
    return EngineProcess(facts=facts, launch=launch, loading=loading, version=version_of(command, program, launch))


def _is_plimsoll(arguments: Sequence[str]) -> bool:
    """Whether it is one itself, behind wrappers too; what stands behind two dashes is another's."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    is_judging = any(base_name(word) == "plimsoll" and told in _JUDGING for word, told in pairwise(before))
    return is_judging or any(base_name(word) == "plimsoll" for word in arguments[:3])


def _starts_plimsoll(command: Command) -> bool:
    """Whether the command that it is given in one word is one: ``tmux new -d 'plimsoll run -- vllm serve a/b'``."""
    scripts = opened_of(command).scripts
    return bool(scripts) and _is_plimsoll(command.arguments[scripts[0]].split())


def _has_metrics(facts: ProcessFacts, launch: Launch) -> bool:
    """llama-server only where it was told to have them, and not to sleep."""
    if launch.engine_name != "llamacpp":
        return True
    is_told = "--metrics" in facts.arguments or "LLAMA_ARG_ENDPOINT_METRICS" in (facts.environment or {})
    return is_told and "--sleep-idle-seconds" not in facts.arguments

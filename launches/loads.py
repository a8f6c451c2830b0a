"""All that a command loads: what its scripts, containers and services start, and which of that at a time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from launches.command import Command, Further, Program
from launches.commands import Commands, started
from launches.errors import LaunchError, NoLaunch, UnknownEngine, UnknownProgram, UnreadableLine
from launches.jobs import Jobs, Moment
from launches.launch import Launch, launches_of, read_launches
from launches.limits import limiting_words
from launches.line import BESIDE
from launches.opened import Cover, Layer, layers_of, opened_of
from launches.posting import PROMPT, prepared
from launches.shell import SHELLS
from launches.shell_file import ShellFile, shell_file_of
from launches.splitter import MOST_CHARACTERS, continued, is_windows_text
from launches.uncounted import Uncounted
from launches.variables import Variables

MOST_LOADS = 8
"""Of one command that are judged (ASSUMED bound)."""
_MOST_COMMANDS, _MOST_DEPTH = 400, 5
"""That are looked at, of all scripts together, and scripts within each other (ASSUMED bounds)."""
_MORE = Uncounted("more of the script's commands load a model if they are reached, and those are not counted")
_GUESSED = Uncounted("a program that is not known here may load another model, and that is not counted")
_DETACHING = frozenset(
    "bash sh zsh dash ash ksh su script runuser eval tmux screen env sudo docker podman nerdctl docker-compose "
    "podman-compose apptainer singularity".split()
)
_DETACHED = frozenset({"-d", "--detach", "-dm", "-dmS", "-itd", "-dit", "-td", "-dt", "-di", "-id"})
"""They come back at once (docker run -d, tmux new -d, screen -dmS)."""
_BUILT_IN = frozenset("[ [[ : break continue exit false printf read return set shift test trap true wait".split())
"""A shell's own commands, which say nothing of what a script is for."""
_REPEATING = frozenset({"xargs", "parallel"})
"""They start the same again for each line that they read, some beside each other."""
_SENDING = frozenset({"send-keys", "send", "new-window", "neww", "split-window", "splitw"})
"""Commands of tmux that come back at once."""
_KEEPING = re.compile(
    r"(?:.*[/\\])?(?:lms load|pm2 start|systemd-run(?! .*--(?:scope|wait|pty|pipe)\b)|instance start)\b"
)
"""Others that do: lmstudio.ai/docs/cli, pm2.keymetrics.io, systemd-run(1), apptainer.org."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One of the commands of a script, or of the services of a compose file."""

    command: Command
    launches: tuple[Launch, ...]
    beside: tuple[Moment, ...] = ((),)
    """Which loads before it may still run when it starts, at one time or another; none at all in ``()``."""


def read_loads(command: Command) -> tuple[Load, ...]:
    """All that it loads, in the order in which it is started.

    Raises:
        UnknownProgram: it starts no engine that is known.
        NoLaunch: it loads nothing so.
    """
    walk = _Walk()
    walk.command(command, Cover(), _Place())
    if not walk.loads:
        if walk.engines and not walk.is_guessed:
            raise UnknownEngine(walk.engines[0])
        if walk.name and not (walk.is_other or walk.is_guessed):
            is_own = walk.name in _BUILT_IN
            told = "nothing that this script comes to is an" if is_own else f"{walk.name} is no"
            raise UnknownProgram(f"{told} engine whose command line is known here")
        return (Load(command=command, launches=read_launches(command)),)
    first = walk.loads[0]
    doubts = [sentence for sentence, is_so in ((_MORE, walk.is_more), (_GUESSED, walk.is_guessed)) if is_so]
    doubts += map(Uncounted, dict.fromkeys(walk.engines[:MOST_LOADS]))
    launches = tuple(replace(launch, doubts=(*launch.doubts, *doubts)) for launch in first.launches)
    whole = command if first.command is command or _is_first(command, walk.first) else first.command
    return (replace(first, command=whole, launches=launches), *walk.loads[1:])


def _is_first(command: Command, program: Program | None) -> bool:
    """Whether this program is what the command is read as: then what changes in it can be changed in the command."""
    try:
        found = opened_of(command).program
    except LaunchError:
        return False
    return program is not None and (found.name, found.arguments) == (program.name, program.arguments)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a command stands."""

    depth: int = 0
    """Of scripts around it."""
    is_maybe: bool = False
    """Nobody knows whether it is reached."""
    is_repeated: bool = False
    """It is done again, nobody knows how often or with what."""
    doubted: str = ""
    """A variable that it is told by, which a condition may have set to something else."""


@dataclass(slots=True)
class _Walk:
    """One way through all scripts of a command."""

    loads: list[Load] = field(default_factory=list)
    first: Program | None = None
    """Of the first load."""
    is_more: bool = False
    """More may be loaded than is counted."""
    is_guessed: bool = False
    """The same, by a program that nobody knows."""
    engines: list[str] = field(default_factory=list)
    """A sentence of each that loads a model, and of which there is no estimate."""
    jobs: Jobs = field(default_factory=Jobs)
    n_left: int = _MOST_COMMANDS
    name: str = ""
    """Of a program that the script starts, where it starts no engine at all, here or elsewhere."""
    is_other: bool = False
    """It starts one, or something that may, and loads nothing that is known."""
    server: Launch | None = None
    """Ollama's, by whose settings its clients' models are loaded."""

    def command(self, command: Command, cover: Cover, place: _Place, variables: Variables | None = None) -> None:
        """One that starts an engine, or a script, or neither.

        Args:
            command: as it stands in a script, or was typed.
            cover: what is around it.
            place: where it stands.
            variables: of the shell that starts it, which some scripts are read by.
        """
        try:
            layer = next(layers_of(command, cover))
        except NoLaunch:
            self.is_other = True
            return
        except UnknownEngine as error:
            self.engines.append(str(error))
            return
        except UnknownProgram:
            return
        self.jobs.open()
        self._layer(layer, place, variables)
        if layer.further:
            self.jobs.end("&")
            for other in layer.further:
                self._service(other, place)
        self.jobs.close()

    def _service(self, other: Further, place: _Place) -> None:
        self.command(other.command, Cover(), place)
        self.jobs.end("&")

    def _layer(self, layer: Layer, place: _Place, variables: Variables | None) -> None:
        program = layer.program
        if layer.script is not None:
            if layer.script:
                shared = variables if program.name == "eval" else None
                self._text(layer.script, layer.command, layer.known, layer.cover, place, shared)
            else:
                self.is_guessed = True
            return
        file = shell_file_of(layer.command, program)
        if file is None:
            self._load(layer, place)
        elif file.text is None:
            self.is_more = True
        else:
            self._file(file, layer, place, variables)

    def _file(self, file: ShellFile, layer: Layer, place: _Place, variables: Variables | None) -> None:
        program = layer.program
        inside = replace(layer.command, environment=program.environment, directory=program.directory)
        given = {"0": file.path, **{str(number): word for number, word in enumerate(file.arguments, 1)}}
        known = {**program.environment, **given}
        shared = variables if program.name in ("source", ".") else None
        self._text(file.text or "", inside, known, layer.cover.around(program), place, shared)

    def _load(self, layer: Layer, place: _Place) -> None:
        program = layer.cover.over(layer.program)
        command = replace(layer.command, directory=program.directory)
        try:
            launches = launches_of(program, command)
        except UnknownEngine as error:
            self.engines.append(str(error))
            return
        except UnknownProgram:
            self.name = self.name or (program.name if place.depth and program.name not in BESIDE else "")
            return
        except NoLaunch:
            self.is_other = True
            return
        self.is_other = True
        if all(launch.source is None for launch in launches):
            self.server = launches[0] if launches[0].engine_name == "ollama" else self.server
            return
        if self.server is not None and launches[0].engine_name == "ollama":
            from launches.programs.ollama import as_served  # noqa: PLC0415  # which few scripts need

            launches = tuple(as_served(self.server, launch) for launch in launches)
        if program.is_guess:
            self.is_guessed = True
            return
        if self.loads and (place.is_maybe or len(self.loads) >= MOST_LOADS):
            self.is_more = True
            return
        self.is_more = self.is_more or place.is_repeated
        self.first = self.first or program
        if place.doubted:
            told = Uncounted(f"a condition of the script may set ${place.doubted} to something else")
            launches = tuple(replace(launch, doubts=(*launch.doubts, told)) for launch in launches)
        beside = self.jobs.start(len(self.loads))
        self.loads.append(Load(command=command, launches=launches, beside=beside))

    def _text(
        self,
        text: str,
        base: Command,
        known: Mapping[str, str],
        cover: Cover,
        place: _Place,
        variables: Variables | None,
    ) -> None:
        """A script.

        Args:
            text: of it.
            base: the folder, the mounts and the files of those that it starts.
            known: what the shell finds set, the words that it is given among them.
            cover: what is around it.
            place: where it is started.
            variables: of the shell that reads it as its own; None: it has a shell of its own.
        """
        if place.depth >= _MOST_DEPTH or len(text) > MOST_CHARACTERS:
            self.is_more = True
            return
        text = PROMPT.sub("", continued(prepared(text.strip())))
        limits = limiting_words(text)
        is_windows = is_windows_text(text)
        commands = Commands(text, known, is_windows=is_windows, is_run=True, jobs=self.jobs, variables=variables)
        self.jobs.open(is_shell=variables is None)
        before = None if variables is None else variables.positionals
        if variables is not None and "1" in known:
            variables.positionals = tuple(known[name] for name in map(str, range(1, 64)) if name in known)
        try:
            for found in commands:
                if self.n_left <= 0 or (self.is_more and len(self.loads) >= MOST_LOADS):
                    self.is_more = True
                    break
                self.n_left -= 1
                words = (*limits, *(piece.word for piece in found.settings), *found.words)
                inner = replace(base, arguments=words, files=(*base.files, *found.files))
                here = _Place(
                    place.depth + 1,
                    place.is_maybe or commands.flow.is_maybe,
                    place.is_repeated or commands.flow.is_repeated or started(found.words) in _REPEATING,
                    found.doubted or place.doubted,
                )
                is_detached = _is_detached(found.words)
                if is_detached:
                    self.jobs.open()
                self.command(inner, cover, here, commands.variables)
                for script in found.fed:
                    self._fed(script, inner, known, cover, here)
                if is_detached:
                    self.jobs.close(is_detached=True)
            self.is_more = self.is_more or commands.flow.is_cut
        except UnreadableLine:
            self.is_more = True
        if variables is not None:
            variables.positionals = before
        commands.flow.leave()
        self.jobs.close()

    def _fed(self, script: str, command: Command, known: Mapping[str, str], cover: Cover, place: _Place) -> None:
        """What a shell reads as its input; that of another machine is not followed."""
        try:
            layers = list(layers_of(command, cover))
        except NoLaunch:
            return
        except UnknownProgram:
            layers = []
        if not layers or layers[-1].program.name in SHELLS:
            self._text(script, command, known, cover, place, None)


def _is_detached(words: list[str]) -> bool:
    name = started(words)
    if name == "tmux" and not _SENDING.isdisjoint(words):
        return True
    if name in _DETACHING and not _DETACHED.isdisjoint(words):
        return True
    return _KEEPING.match(" ".join(words[:12])) is not None

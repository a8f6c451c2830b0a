"""One way through all scripts that a command starts: what is loaded on it, and what of it is not understood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from launches.choices import Choices
from launches.command import Command, Further, Program, program_of
from launches.commands import Commands, Found, started
from launches.continued import continued, is_windows_text
from launches.detached import is_detached
from launches.errors import NoLaunch, UnknownEngine, UnknownProgram, UnreadableLine
from launches.jobs import Jobs
from launches.launch import Launch, launches_of
from launches.limits import limiting_words
from launches.line import BESIDE
from launches.load import Load
from launches.opened import Cover, Layer, layers_of
from launches.ordinary import is_interpreter, is_ordinary, is_plain, sets_up
from launches.posting import PROMPT, prepared
from launches.printed import printed_by
from launches.shell import SHELLS
from launches.shell_file import ShellFile, shell_file_of, shell_operands, text_at
from launches.splitter import MOST_CHARACTERS
from launches.told import told
from launches.uncounted import Uncounted
from launches.variables import Variables
from launches.wrappers import base_name
from launches.xargs import is_beside, made_of

MOST_LOADS = 8
"""Of one command that are judged (ASSUMED bound)."""
_SHOWN = 60
"""Characters of a command that are told."""
_MOST_COMMANDS, _MOST_DEPTH = 400, 5
"""That are looked at, of all scripts together, and scripts within each other (ASSUMED bounds)."""
BUILT_IN = frozenset("[ [[ : break continue exit false printf read return set shift test trap true wait".split())
"""A shell's own commands, which say nothing of what a script is for."""
_REPEATING = frozenset({"xargs", "parallel"})
"""They start the same again for each line that they read, some beside each other."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a command stands."""

    depth: int = 0
    """Of scripts around it."""
    is_repeated: bool = False
    """It is done again, nobody knows how often or with what."""
    doubted: str = ""
    """A variable that it is told by, which a condition may have set to something else."""
    words: Sequence[str] = ()
    """Its own, of a script; none where it stands in none, or in one that only sets a shell up."""
    is_setting_up: bool = False
    """It stands in such a script."""


@dataclass(slots=True)
class Walk:
    """One way through all scripts of a command."""

    choices: Choices
    """How conditions come out on it."""
    loads: list[Load] = field(default_factory=list)
    first: Program | None = None
    """Of the first load."""
    is_more: bool = False
    """More may be loaded than is counted."""
    is_guessed: bool = False
    """The same, by a program that nobody knows."""
    unseen: list[str] = field(default_factory=list)
    """Commands that are not recognised, and may start an engine, as they stand in a script."""
    n_characters: int = 0
    """Of all scripts."""
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

    def command(self, command: Command, cover: Cover, place: Standing, variables: Variables | None = None) -> None:
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
            self._engine(error)
            return
        except UnknownProgram:
            program = program_of(command)
            if program is None and place.words and is_interpreter(command.arguments):
                self._leave_out(_written_of(place.words))
            self._unseen(program, place)
            return
        self.jobs.open()
        self._layer(layer, place, variables)
        if layer.further:
            self.jobs.end("&")
            for other in layer.further:
                self._service(other, place)
        self.jobs.close()

    def _service(self, other: Further, place: Standing) -> None:
        self.command(other.command, Cover(), place)
        self.jobs.end("&")

    def _layer(self, layer: Layer, place: Standing, variables: Variables | None) -> None:
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
            self._more()
        else:
            self._file(file, layer, place, variables)

    def _file(self, file: ShellFile, layer: Layer, place: Standing, variables: Variables | None) -> None:
        program = layer.program
        inside = replace(layer.command, environment=program.environment, directory=program.directory)
        given = {"0": file.path, **{str(number): word for number, word in enumerate(file.arguments, 1)}}
        known = {**program.environment, **given}
        is_read = program.name in ("source", ".")
        shared = variables if is_read else None
        place = replace(place, is_setting_up=place.is_setting_up or (is_read and sets_up(file.path)))
        self._text(file.text or "", inside, known, layer.cover.around(program), place, shared)

    def _load(self, layer: Layer, place: Standing) -> None:
        program = layer.cover.over(layer.program)
        command = replace(layer.command, directory=program.directory)
        try:
            launches = launches_of(program, command)
        except UnknownEngine as error:
            self._engine(error)
            return
        except UnknownProgram:
            self._unseen(program, place)
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
        self.choices.note_load()
        if program.is_guess:
            self.is_guessed = True
            return
        if len(self.loads) >= MOST_LOADS:
            self.is_more = True
            return
        self.is_more = self.is_more or place.is_repeated
        self.first = self.first or program
        if place.doubted and self.choices.is_open:
            sentence = Uncounted(f"a condition of the script may set ${place.doubted} to something else")
            launches = tuple(replace(launch, doubts=(*launch.doubts, sentence)) for launch in launches)
        beside = self.jobs.start(len(self.loads))
        self.loads.append(Load(command=command, launches=launches, beside=beside))

    def _engine(self, error: UnknownEngine) -> None:
        self.choices.note_load()
        self.engines.append(str(error))

    def _more(self) -> None:
        self.choices.note_load()
        self.is_more = True

    def _unseen(self, program: Program | None, place: Standing) -> None:
        """Of a script, what may start an engine and is none that is known."""
        if program is None or program.name in SHELLS or is_ordinary(_words_of(program)):
            return
        if place.words:
            self._leave_out(_written_of(place.words))

    def _leave_out(self, written: str) -> None:
        self.choices.note_load()
        if written not in self.unseen:
            self.unseen.append(written)

    def _text(
        self,
        text: str,
        base: Command,
        known: Mapping[str, str],
        cover: Cover,
        place: Standing,
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
            self._more()
            return
        self.n_characters += len(text)
        text = PROMPT.sub("", continued(prepared(text.strip())))
        limits = limiting_words(text)
        commands = Commands(
            text,
            known,
            is_windows=is_windows_text(text),
            is_run=True,
            jobs=self.jobs,
            variables=variables,
            choices=self.choices,
        )
        commands.variables.read = lambda path: self._read(replace(base, arguments=(*limits, "cat")), path)
        commands.variables.has_no_words = variables is None and "1" not in known
        self.jobs.open(is_shell=variables is None)
        before = None if variables is None else variables.positionals
        if variables is not None and "1" in known:
            variables.positionals = tuple(known[name] for name in map(str, range(1, 64)) if name in known)
        try:
            for found in commands:
                if is_plain(found.words):
                    self.name = self.name or ("" if found.words[0] in BESIDE else found.words[0])
                    continue
                if self.n_left <= 0 or (self.is_more and len(self.loads) >= MOST_LOADS):
                    self._more()
                    break
                self.n_left -= 1
                flow = commands.flow
                here = Standing(
                    place.depth + 1,
                    place.is_repeated or flow.is_repeated,
                    found.doubted or place.doubted,
                    () if place.is_setting_up else found.words,
                    place.is_setting_up,
                )
                settings = (*limits, *(piece.word for piece in found.settings))
                self._found(
                    found,
                    replace(base, arguments=settings, files=(*base.files, *found.files)),
                    known,
                    cover,
                    here,
                    commands.variables,
                )
            if commands.flow.is_cut:
                self._more()
        except UnreadableLine:
            self._more()
        if variables is not None:
            variables.positionals = before
        commands.flow.leave()
        self.jobs.close()

    def _found(
        self,
        found: Found,
        around: Command,
        known: Mapping[str, str],
        cover: Cover,
        place: Standing,
        variables: Variables,
    ) -> None:
        """One command of a script.

        Args:
            found: it.
            around: what stands before it, the files that were written among that.
            known: as ``_text``, of that script.
            cover: the same.
            place: where it stands.
            variables: of the shell that starts it.
        """
        inner = replace(around, arguments=(*around.arguments, *found.words))
        given = self._given(found, around)
        goes_on = is_detached(found.words)
        if goes_on:
            self.jobs.open()
        each = None if given is None else made_of(found.words, given)
        if each is not None:
            for words in each:
                self.command(replace(around, arguments=(*around.arguments, *words)), cover, place, variables)
                self.jobs.end("&" if is_beside(found.words) else ";")
        else:
            is_repeated = place.is_repeated or started(found.words) in _REPEATING
            self.command(inner, cover, replace(place, is_repeated=is_repeated), variables)
        if self._reads_input(found, inner, cover):
            for script in found.fed or ([] if given is None else [given]):
                own = {name: value for name, value in known.items() if not name.isdecimal()}
                self._text(script, inner, own, cover, replace(place, is_repeated=False), None)
            if not found.fed and given is None and place.words:
                written = _written_of(place.words)
                before = "..." if found.before is None else _written_of(found.before.words)
                file = f" < {found.redirected}" if found.redirected else ""
                self._leave_out(f"{written}{file}" if file else f"{before} | {written}")
        if goes_on:
            self.jobs.close(is_detached=True)

    @staticmethod
    def _reads_input(found: Found, command: Command, cover: Cover) -> bool:
        """Whether it is a shell that reads its script from a pipe or a file, on this machine."""
        if not (found.fed or found.is_given) or not any(base_name(word) in SHELLS for word in found.words):
            return False
        try:
            layers = list(layers_of(command, cover))
        except NoLaunch:
            return False
        except UnknownProgram:
            return True
        program = layers[-1].program
        return len(layers) == 1 and program.name in SHELLS and not shell_operands(program.arguments)

    def _given(self, found: Found, around: Command) -> str | None:
        """The text that it reads, from a file or a pipe; None where it is not known, or there is none."""
        while not found.redirected:
            if found.before is None:
                return None
            before, name = found.before, started(found.before.words)
            if name != "tee" and (name != "cat" or len(before.words) > 1):
                return self._printed(before, around)
            if before.fed:
                return before.fed[-1]
            found = before
        return self._read(around, found.redirected)

    def _printed(self, before: Found, around: Command) -> str | None:
        """What another command prints; None where that is not known."""
        program = program_of(Command(arguments=tuple(before.words)))
        words = before.words if program is None else before.words[program.offset - 1 :]
        return printed_by(words, lambda path: self._read(around, path)) if words else None

    @staticmethod
    def _read(around: Command, path: str) -> str | None:
        """A file that the script has written before, or that lies here."""
        program = program_of(replace(around, arguments=(*around.arguments, "cat")))
        inside = around if program is None else replace(around, directory=program.directory)
        return text_at(inside, path)


def _written_of(words: Sequence[str]) -> str:
    """A command as it is told, without what may be a secret."""
    text = told(words)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _words_of(program: Program) -> Sequence[str]:
    """The program and behind it; of a module or a script of Python that too."""
    if program.name == "python -c":
        return ("python", "-c", *program.arguments)
    if program.is_module:
        return ("python", "-m", program.name, *program.arguments)
    return (program.path or program.name, *program.arguments)

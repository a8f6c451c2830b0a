"""A command as people post it, in words: that of an engine among all that a text starts and sets."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from launches.command import RUNTIMES, Command, Further, program_of
from launches.elsewhere import REMOTE
from launches.errors import LoadsElsewhere, NoLaunch, UnknownProgram, UnreadableLine
from launches.folders import Folders
from launches.functions import Functions
from launches.limits import limiting_words
from launches.posted_code import spans_of, started_in
from launches.posting import LINE_PROMPT, PROMPT, ROOT_PROMPT, prepared
from launches.splitter import MOST_CHARACTERS, Piece, commands_of, continued, is_windows_text
from launches.typography import as_typed
from launches.unit import settings_of
from launches.variables import NAME, Variables
from launches.wrappers import base_name

MOST_COMMANDS = 400
"""Of one text that are looked at (ASSUMED bound)."""
_MOST_DOCUMENTS, _MOST_DEPTH = 8, 2
_MOST_FILES = 16
"""``<<EOF`` in one text, within each other, and written into files (ASSUMED bounds)."""

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)(\+?)=(.*)", re.DOTALL)
_EXPORTING = frozenset({"export", "set", "setx", "ENV"})
_DECLARING = frozenset({"declare", "local", "readonly", "typeset"})
_POWERSHELL = re.compile(r"\$(env:)?(\w+)\s*=\s*(.*)", re.IGNORECASE | re.DOTALL)
_UNIT = re.compile(
    r"(?i:Exec(?:Start(?:Pre|Post)?)?=)[-@:+!|]*(?=\S)|(?:CMD|RUN|ENTRYPOINT|(?:[\w-]+[_-])?(?:command|cmd):)$"
)
"""What stands before a command in a unit of systemd (``Exec=`` in one of Podman's), a Dockerfile, a file of compose
and one of llama-swap."""
_CODE = re.compile(r"(?<![`\\])(?:`|```)([^`\n]{1,4000})(?:`|\Z)")
"""In a sentence: ``to begin, use `vllm serve a/b`.``"""
_KEYWORDS = frozenset("then do else { ! if elif while until @".split())
_OPENING, _CLOSING = frozenset({"if", "case", "while", "until"}), frozenset({"fi", "esac", "done"})
"""What stands between is done under a condition, or again and again."""
_TIMES = frozenset("@reboot @hourly @daily @midnight @weekly".split())
"""crontab(5)."""
_BESIDE = frozenset(
    "cd pushd WORKDIR source . git cmake make echo mkdir ls cat pip chmod wget curl sleep ulimit unset conda "
    "module".split()
)
"""Commands before the one that is meant."""
_MOST_BEFORE, _MOST_TRIES = 80, 64
"""Words of a command that are passed over to find an engine behind them, and those that are taken for one (ASSUMED)."""
_NAMED = re.compile(r"llama|kobold|mlx_|vllm|sglang|trtllm|lms|text-generation|python|=", re.IGNORECASE)
"""In the name of an engine's program, or of what starts one; or an assignment before it."""
_ELSEWHERE = (
    REMOTE | RUNTIMES | frozenset("cat cp curl echo find git grep install kill killall ls man mv pgrep".split())
)
_ELSEWHERE |= frozenset("pip pkill printf rg rm systemctl journalctl test wget which [ [[".split())
"""Programs behind which a name starts nothing, or starts it elsewhere."""


def words_of(text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """The words of the command that starts an engine, with what was set before it as assignments.

    Where none is known, it is the first command that is not only preparation. What follows an operator (``| tee``,
    ``> log``, ``&``) is left out. Variables that the text itself sets are replaced; others stay as they are written.

    Args:
        text: as it was posted, or the script of a shell.
        environment: what the shell finds set that takes it; of a posted text nothing is known.

    Raises:
        UnreadableLine: a quote is never closed, or it is too long.
    """
    return [piece.word for piece in pieces_of(text, environment)[1]]


def posted(text: str, environment: Mapping[str, str] | None = None) -> Command:
    """The same as a command, with the files that the text writes before.

    Args:
        text: as ``words_of``.
        environment: as ``words_of``; the command has none of its own.

    Raises:
        UnreadableLine: as ``words_of``.
    """
    _, pieces, files = _read(text, environment)
    return Command(arguments=tuple(piece.word for piece in pieces), files=files)


def pieces_of(text: str, environment: Mapping[str, str] | None = None) -> tuple[str, list[Piece]]:
    """(the text without a prompt, and on one line where it was continued; the words as ``words_of``, by place in it).

    Raises:
        UnreadableLine: as ``words_of``.
    """
    return _read(text, environment)[:2]


def _read(text: str, environment: Mapping[str, str] | None) -> tuple[str, list[Piece], tuple[tuple[str, str], ...]]:
    """(as ``pieces_of``, and files as ``Command.files``)."""
    if len(text) > MOST_CHARACTERS:
        raise UnreadableLine(f"a command of {len(text)} characters is too long to be one")
    if environment is None:
        text = as_typed(text)
    is_windows = is_windows_text(text)
    written = prepared(text.strip())
    text = continued(written)
    plain = PROMPT.sub("", text)
    if environment is not None:
        return _as_run(text, plain, environment, is_windows=is_windows)
    try:
        found = _meant(plain, {}, is_windows=is_windows)
    except UnreadableLine:  # an apostrophe of a sentence
        coded = _coded(plain, is_windows=is_windows, depth=_MOST_DEPTH)
        if coded is None:
            raise
        found = coded
    plain, found = _from_prose(written, plain, found, is_windows=is_windows)
    limits = _limits(text, found)
    if not found.is_engine and (prompt := ROOT_PROMPT.match(text)) is not None:
        below = _meant(text[prompt.end() :], {}, is_windows=is_windows)
        if below.is_engine or not found.pieces:
            return text[prompt.end() :], [*below.settings, *below.pieces], below.files
    return plain, [*found.settings, *limits, *found.pieces], found.files


def _as_run(
    text: str, plain: str, environment: Mapping[str, str], *, is_windows: bool
) -> tuple[str, list[Piece], tuple[tuple[str, str], ...]]:
    """As ``_read``, of a script that a shell is given: what it only writes, quotes or remarks on starts nothing."""
    found = _meant(plain, environment, is_windows=is_windows, is_run=True)
    return plain, [*found.settings, *_limits(text, found), *found.pieces], found.files


def _limits(text: str, found: "_Found") -> list[Piece]:
    return [Piece(word, 0, 0) for word in limiting_words(text)] if found.is_engine else []


def others_of(text: str, environment: Mapping[str, str]) -> tuple[tuple[Further, ...], bool]:
    """(the script's commands that load a model, but for the first; whether some are left out).

    Left out is what only runs if something else does not: who knows which of them that is.
    """
    if len(text) > MOST_CHARACTERS:
        return (), True
    is_windows = is_windows_text(text)
    text = PROMPT.sub("", continued(prepared(text.strip())))
    candidates = _commands(text, environment, is_windows=is_windows, is_run=True)
    limits = limiting_words(text)
    others: list[Further] = []
    running: tuple[int, ...] = ()
    n_loads, is_left_out, is_detached, end = 0, False, False, 0
    try:
        for found in islice(candidates, MOST_COMMANDS):
            kind = _kind(found)
            is_server = kind is _SERVES and not n_loads and _is_told(found)  # which is taken for the first
            if kind is not _LOADS and not is_server:
                continue
            between = text[end : max(end, found.pieces[0].start)]
            end = max(end, found.pieces[-1].end)
            if n_loads and (candidates.depth or "||" in between or len(others) >= _MOST_OTHERS):
                is_left_out = True
                continue
            if n_loads:
                running = (*running, n_loads - 1) if _BACKGROUND.search(between) or is_detached else running
                running = () if _WAITS.search(between) else running
                words = (*limits, *(piece.word for piece in found.settings), *found.words)
                others.append(Further(command=Command(arguments=words, files=found.files), beside=running))
            is_detached = _started(found.words) in _NESTING and not _DETACHED.isdisjoint(found.words)
            n_loads += 1
    except UnreadableLine:
        is_left_out = True
    return tuple(others), is_left_out


def _from_prose(written: str, text: str, found: "_Found", *, is_windows: bool) -> tuple[str, "_Found"]:
    """(the text that it stands in, the command): that of a span of code within prose, and that of a program's text."""
    spans, prose = spans_of(written)
    if spans and not _loads(_readable(continued(prose), is_windows=is_windows)):
        spans = continued(spans)
        within = _readable(spans, is_windows=is_windows)
        if _loads(within):
            return spans, within
    code = None if found.is_engine else started_in(text)
    if code is not None and (within := _readable(code, is_windows=is_windows)).is_engine:
        return code, within
    return text, found


def _readable(text: str, *, is_windows: bool) -> "_Found":
    """As ``_meant``; nothing where a quote is never closed."""
    try:
        return _meant(text, {}, is_windows=is_windows)
    except UnreadableLine:
        return _Found()


def _loads(found: "_Found") -> bool:
    return bool(found.pieces) and _kind(found) in (_LOADS, _MAY_LOAD)


@dataclass(slots=True)
class _Found:
    """One command of a text."""

    settings: list[Piece] = field(default_factory=list)
    """What it finds set, as assignments."""
    pieces: list[Piece] = field(default_factory=list)
    is_engine: bool = False
    files: tuple[tuple[str, str], ...] = ()
    """What the text writes before, as ``Command.files``."""

    @property
    def words(self) -> list[str]:
        """Its own, without what is set before it."""
        return [piece.word for piece in self.pieces]


def _meant(
    text: str, environment: Mapping[str, str], *, is_windows: bool, depth: int = 0, is_run: bool = False
) -> _Found:
    """The first that loads a model; else the first that an engine is started with; else the first that does work.

    A server that is told nothing stands behind who asks it: ``ollama serve & ollama run a``.

    Args:
        text: without a prompt.
        environment: what is found set.
        is_windows: it is cmd.exe's or PowerShell's.
        depth: of documents around it.
        is_run: a shell is given it, word for word; else a person posted it, and may mean what it only mentions.
    """
    server = engine = first = away = guess = None
    scripts: list[str] = []
    candidates = _commands(text, environment, is_windows=is_windows, is_run=is_run)
    for found, _ in zip(candidates, range(MOST_COMMANDS), strict=False):
        kind = _kind(found)
        if kind is _LOADS or (kind is _MAY_LOAD and not is_run):
            return found
        guess = guess or (found if kind is _MAY_LOAD else None)
        if kind is _SERVES and _is_told(found):
            return server or found
        server = server or (found if kind is _SERVES else None)
        engine = engine or (found if kind is _STARTS else None)
        away = away or (found if kind is _AWAY and (is_run or _names_engine(found)) else None)
        if is_run and found.files and (script := _script_of(found)) is not None:
            scripts.append(script)
        if first is None and (_started(found.words) not in _BESIDE or found.words[:2] == ["conda", "run"]):
            first = found
    engine = guess or server or engine or away
    if is_run:
        documents = (*candidates.variables.fed[:_MOST_DOCUMENTS], *scripts[:_MOST_DOCUMENTS])
        below = _first(documents, is_windows=is_windows, depth=depth + 1, is_run=True) if depth < _MOST_DEPTH else None
        return (below if engine is None else None) or engine or first or _Found(settings=candidates.settings)
    if engine is None and depth < _MOST_DEPTH:
        variables = candidates.variables
        documents = (*variables.documents[:_MOST_DOCUMENTS], *variables.commands()[:_MOST_DOCUMENTS])
        below = _first(documents, is_windows=is_windows, depth=depth + 1)
        if (below := below or _coded(text, is_windows=is_windows, depth=depth + 1)) is not None:
            return below
    if engine is None and depth < _MOST_DEPTH:
        engine = _within(text, environment, is_windows=is_windows)
    return engine or first or _Found(settings=candidates.settings)


def _names_engine(found: "_Found") -> bool:
    return any((named := _NAMED.search(word)) is not None and named[0] != "=" for word in found.words)


def _script_of(found: "_Found") -> str | None:
    """What the text wrote before into the file that this command runs: ``bash start.sh``, ``. ./start.sh``."""
    program = program_of(Command(arguments=tuple(found.words)))
    if program is None:
        return None
    path = "".join(program.arguments[:1]) if program.name in ("source", ".") else program.path
    written = {name.removeprefix("./"): content for name, content in found.files}
    return written.get(path.removeprefix("./"))


def _first(documents: Sequence[str], *, is_windows: bool, depth: int, is_run: bool = False) -> _Found | None:
    """The first engine that one of these texts starts."""
    for document in documents:
        found = _meant(document, {}, is_windows=is_windows, depth=depth, is_run=is_run)
        if found.is_engine:  # it has no place in this text
            return _Found(_nowhere(found.settings), _nowhere(found.pieces), is_engine=True, files=found.files)
    return None


def _coded(text: str, *, is_windows: bool, depth: int) -> _Found | None:
    """The first engine that is quoted in a sentence."""
    return _first(_CODE.findall(text)[:_MOST_DOCUMENTS], is_windows=is_windows, depth=depth)


def _within(text: str, environment: Mapping[str, str], *, is_windows: bool) -> _Found | None:
    """The first engine that is told a model behind words that start nothing known: ``the command is: vllm serve a/b``.

    A listing of processes, what a shell says of one that crashed, a wrapper that nobody knows.
    """
    n_left = _MOST_TRIES
    for found in _commands(text, environment, is_windows=is_windows):
        for number, piece in enumerate(found.pieces[:_MOST_BEFORE]):
            if base_name(piece.word) in _ELSEWHERE or n_left <= 0:
                break
            if not number or piece.word.startswith("-") or _NAMED.search(piece.word) is None:
                continue
            n_left -= 1
            later = _Found(found.settings, found.pieces[number:], files=found.files)
            if len(later.pieces) > 1 and _loads(later):
                return later
    return None


def _nowhere(pieces: Sequence[Piece]) -> list[Piece]:
    return [piece._replace(start=0, end=0) for piece in pieces]


def _is_told(found: _Found) -> bool:
    """Whether anything is set for it: of a server, what its client does not know."""
    return any(_ASSIGNMENT.fullmatch(piece.word) for piece in (*found.settings, *found.pieces[:1]))


_NESTING = frozenset(
    "bash sh zsh dash ash ksh su script runuser eval tmux screen env sudo docker podman nerdctl".split()
)
"""Programs that may start a script of their own."""
_DETACHED = frozenset({"-d", "--detach", "-dm", "-dmS", "-itd", "-dit", "-td", "-dt", "-di", "-id"})
"""They come back at once (docker run -d, tmux new -d, screen -dmS)."""
_BACKGROUND = re.compile(r"(?<![&>|<])&(?![&>\d])")
"""Not that of ``&&``, ``2>&1`` and ``&> log``."""
_WAITS = re.compile(r"(?:^|[\s;&])wait(?=$|[\s;&])")
_MOST_OTHERS = 7
"""Loads of one script beside the first that are judged (ASSUMED bound)."""
_LOADS, _MAY_LOAD, _SERVES, _STARTS, _AWAY = "loads", "may load", "serves", "starts", "away"


def _kind(found: _Found) -> str | None:
    """Whether it loads a model, or may, or what it is asked for, is an engine's program, or starts one elsewhere."""
    # That module reads lines itself, those of ``bash -c``.
    from launches.launch import opened_of, read_launches, reader_of  # noqa: PLC0415

    if found.words[0].startswith("-"):  # flags alone: no program need be asked
        return None
    command = Command(arguments=(*(piece.word for piece in found.settings), *found.words))
    try:
        reader_of(opened_of(command).program)
    except LoadsElsewhere:
        return _AWAY
    except (UnknownProgram, NoLaunch):
        return None
    found.is_engine = True
    try:
        launches = read_launches(command)
    except (UnknownProgram, NoLaunch):
        return _STARTS
    if all(launch.source is None for launch in launches):
        return _SERVES
    return _MAY_LOAD if all(launch.is_guess for launch in launches) else _LOADS


class _commands(Iterator[_Found]):  # noqa: N801  # called as a function
    """Each command of a text, and what is set when it starts."""

    def __init__(self, text: str, environment: Mapping[str, str], *, is_windows: bool, is_run: bool = False) -> None:
        self.text, self.is_run = text, is_run
        self._functions = Functions(text)
        self.variables = Variables(environment)
        self._unit = settings_of(text)
        self.settings: list[Piece] = []
        for name, value in (self._unit or {}).items():
            self.variables.set(name, value)
            self.settings.append(Piece(f"{name}={value}", 0, 0))
        self.depth = 0
        self.folders = Folders(text)
        self._commands = commands_of(text, self.variables, is_windows=is_windows)

    def __next__(self) -> _Found:
        while True:
            pieces = next(self._commands)
            pieces = self._plain(self._functions.called(pieces) if self.is_run else pieces)
            if pieces and not self._sets(pieces):
                placing = [Piece(word, 0, 0) for word in self.folders.words(pieces, is_sure=not self.depth)]
                return _Found(
                    [*self.settings, *placing], pieces, files=tuple(self.variables.files.items())[-_MOST_FILES:]
                )

    def _plain(self, pieces: list[Piece]) -> list[Piece]:
        """Without what stands before a command: prompts, keywords, ``ExecStart=``."""
        first = pieces[0].word if pieces else ""
        if first.startswith("@") and not first.startswith("@{") and first not in _TIMES:
            pieces = [_without(pieces[0], 1), *pieces[1:]]
        while pieces := pieces[self._n_around(pieces) :]:
            word = pieces[0].word
            if (unit := _UNIT.match(word)) is not None:
                if len(pieces) == 2 and " " in pieces[1].word:
                    return _nowhere(pieces_of(pieces[1].word)[1])
                pieces = [_without(pieces[0], unit.end()), *pieces[1:]]
            elif word == "for" and [piece.word for piece in pieces[2:3]] == ["in"]:
                if len(pieces) > 3 and NAME.fullmatch(pieces[1].word):
                    self.variables.set(pieces[1].word, pieces[3].word)
                return []
            elif word == "alias" and len(pieces) == 2 and "=" in pieces[1].word:
                # A shell that is given a script expands none (bash(1), "ALIASES").
                return [] if self.is_run else _nowhere(pieces_of(pieces[1].word.partition("=")[2])[1])
            elif word.startswith("Environment="):
                self._set_by_unit([_without(pieces[0], len("Environment=")), *pieces[1:]])
                return []
            else:
                break
        return pieces

    def _n_around(self, pieces: Sequence[Piece]) -> int:
        """How many of the first ones are prompts and keywords."""
        for number, piece in enumerate(pieces):
            word = piece.word
            self.depth += (word in _OPENING) - (word in _CLOSING)
            if not (word in _KEYWORDS or word == "" or LINE_PROMPT.fullmatch(word) or word in _TIMES):
                return number
        return len(pieces)

    def _set_by_unit(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            name, equals, value = piece.word.partition("=")
            if equals and (self._unit is None or self._unit.get(name) == value):  # else it is set again below
                self.settings = [each for each in self.settings if each.word.partition("=")[0] != name]
                self.settings.append(piece)

    def _sets(self, pieces: Sequence[Piece]) -> bool:
        """Whether all it does is to set variables, which are remembered."""
        words = [piece.word for piece in pieces]
        start, end = pieces[0].start, pieces[-1].end
        if (found := _POWERSHELL.fullmatch(" ".join(words))) is not None:
            self._set(found[2], Piece(found[3], start, end), is_exported=bool(found[1]))
            return True
        if words[0] == "unset":
            self.settings = [each for each in self.settings if each.word.partition("=")[0] not in words[1:]]
            return True
        if words[0] in ("set", "setx") and len(words) > 1 and NAME.match(words[1]):
            # cmd.exe: all of the line is the value; a shell's own options begin with a dash.
            line = " ".join(words[1:]) if words[0] == "set" else "=".join(words[1:3])
            name, equals, value = line.partition("=")
            if equals:
                self._set(name.strip(), Piece(value.strip(), start, end), is_exported=True)
            if '="' in self.text[pieces[1].start : pieces[1].end]:
                self.variables.whole.add(name.strip())
            return True
        is_exporting, is_declaring = words[0] in _EXPORTING, words[0] in _DECLARING
        rest = pieces[1:] if is_exporting or is_declaring else pieces
        if not (is_exporting or is_declaring or all(_ASSIGNMENT.fullmatch(piece.word) for piece in rest)):
            return False
        for piece in rest:
            if (found := _ASSIGNMENT.fullmatch(piece.word)) is not None:
                before = " ".join(self.variables.words(found[1]) or ()) if found[2] else ""
                self._set(found[1], piece._replace(word=before + found[3]), is_exported=is_exporting)
            elif is_exporting and self.variables.has(piece.word):
                value = " ".join(self.variables.words(piece.word) or ())
                self.settings.append(piece._replace(word=f"{piece.word}={value}"))
        return True

    def _set(self, name: str, value: Piece, *, is_exported: bool) -> None:
        if not NAME.fullmatch(name):
            return
        self.variables.set(name, value.word, is_sure=not self.depth)
        if is_exported:
            known = " ".join(self.variables.words(name) or (value.word,))
            self.settings = [each for each in self.settings if each.word.partition("=")[0] != name]
            self.settings.append(value._replace(word=f"{name}={known}"))


def _without(piece: Piece, n: int) -> Piece:
    """The same but for so many characters at its beginning."""
    return Piece(piece.word[n:], piece.start + n, piece.end)


def _started(words: Sequence[str]) -> str:
    """What a command starts, behind assignments."""
    return next((base_name(word) for word in words if not _ASSIGNMENT.fullmatch(word)), "")

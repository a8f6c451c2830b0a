"""Each command of a text, in its order, and what is set when it starts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from launches.choices import Choices
from launches.flow import Flow
from launches.folders import Folders
from launches.jobs import Jobs
from launches.posting import LINE_PROMPT
from launches.splitter import CommandReader, Part, Piece
from launches.unit import settings_of
from launches.variables import NAME, Variables
from launches.wrappers import base_name

_MOST_FILES = 16
"""Written by one text (ASSUMED bound)."""
_MOST_PARTS = 4096
"""Commands of one text that are taken apart (ASSUMED bound: those of a text that is not hostile are longer)."""
_PARTS_OF_ONE = 4
"""Lines without a command, or operators, that count as one."""
ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)(\+?)=(.*)", re.DOTALL)
_EXPORTING = frozenset({"export", "set", "setx", "ENV"})
_DECLARING = frozenset({"declare", "local", "readonly", "typeset"})
_POWERSHELL = re.compile(r"\$(env:)?(\w+)\s*=\s*(.*)", re.IGNORECASE | re.DOTALL)
_UNIT = re.compile(
    r"(?i:Exec(?:Start(?:Pre|Post)?)?=)[-@:+!|]*(?=\S)|(?:CMD|RUN|ENTRYPOINT|(?:[\w-]+[_-])?(?:command|cmd):)$"
)
"""What stands before a command in a unit of systemd (``Exec=`` in one of Podman's), a Dockerfile, a file of compose
and one of llama-swap."""
_KEYWORDS = frozenset("then do else { ! if elif while until @".split())
_OPENING, _CLOSING = frozenset({"if", "case", "while", "until"}), frozenset({"fi", "esac", "done"})
"""What stands between is done under a condition, or again and again."""
_TIMES = frozenset("@reboot @hourly @daily @midnight @weekly".split())
"""crontab(5)."""


@dataclass(slots=True)
class Found:
    """One command of a text."""

    settings: list[Piece] = field(default_factory=list)
    """What it finds set, as assignments."""
    pieces: list[Piece] = field(default_factory=list)
    is_engine: bool = False
    files: tuple[tuple[str, str], ...] = ()
    """What the text writes before, as ``Command.files``."""
    fed: tuple[str, ...] = ()
    """Scripts that it is given below its line, ``bash <<EOF``."""
    redirected: str = ""
    """The file that it reads as its input."""
    before: "Found | None" = None
    """The command whose output it reads, where that is a single one."""
    is_given: bool = False
    """It reads a file, or another's output."""
    doubted: str = ""
    """A variable among its words that a condition may have set to something else."""

    @property
    def words(self) -> list[str]:
        """Its own, without what is set before it."""
        return [piece.word for piece in self.pieces]


class Commands(Iterator["Found"]):
    """Those of one text."""

    def __init__(
        self,
        text: str,
        environment: Mapping[str, str],
        *,
        is_windows: bool,
        is_run: bool = False,
        jobs: Jobs | None = None,
        variables: Variables | None = None,
        choices: Choices | None = None,
    ) -> None:
        """Before the first one.

        Args:
            text: without a prompt.
            environment: what is found set.
            is_windows: it is cmd.exe's or PowerShell's.
            is_run: a shell is given it, word for word; its conditions, loops and functions count.
            jobs: that are known of where it is run.
            variables: of the shell that reads it as its own (``eval``, ``source``).
            choices: how its conditions come out; None: nobody says.

        Raises:
            UnreadableLine: it is too long.
        """
        self.text, self.is_run = text, is_run
        self.variables = variables or Variables(environment)
        self._unit = settings_of(text)
        self.settings: list[Piece] = []
        for name, value in (self._unit or {}).items():
            self.variables.set(name, value)
            self.settings.append(Piece(f"{name}={value}", 0, 0))
        self._depth = 0
        self.folders = Folders(text)
        self._reader = CommandReader(text, self.variables, is_windows=is_windows)
        self.flow = Flow(self._reader, text, self.variables, jobs or Jobs(), choices)
        self.variables.is_followed = is_run
        if choices is not None:
            self.variables.changed, self.variables.asked = choices.note_variable, choices.asked
        self._n_left = _MOST_PARTS * _PARTS_OF_ONE
        self._piped: Found | None = None
        """The command before a pipe, where it is a single one."""
        self._within: list[Found] = []
        """What was started for its output, and comes before the command that asked for it."""

    @property
    def depth(self) -> int:
        """Not 0 where nobody knows whether what stands here is reached."""
        return int(self.flow.is_maybe) if self.is_run else self._depth

    def __next__(self) -> Found:
        """Raises: UnreadableLine where a quote is never closed."""
        while True:
            if self._within:
                return self._within.pop(0)
            found = self._run() if self.is_run else self._posted()
            if found is not None:
                return found

    def _posted(self) -> Found | None:
        part = self._next()
        if part is None:
            raise StopIteration
        pieces = self._plain(part.pieces) if part.pieces else []
        return self._found(pieces) if pieces and not self._sets(pieces) else None

    def _run(self) -> Found | None:
        self.flow.finish()
        n_fed, self.variables.redirected = len(self.variables.fed), ""
        piped, is_piped = self._piped, self.flow.ended_by in ("|", "|&")
        part = None if self.flow.is_over else self._next()
        if part is None:
            raise StopIteration
        pieces = self.flow.command(part)
        within, self.variables.run_within = self.variables.run_within, []
        within = [] if self.flow.is_passed else within
        found = None
        words = [piece.word for piece in pieces]
        if words[:1] in (["wait"], ["kill"]):
            self.flow.note()
            (self.flow.jobs.wait if words[0] == "wait" else self.flow.jobs.kill)(words[1:])
        if words[:1] == ["alias"]:  # a script expands none (bash(1), "ALIASES")
            pieces = []
        if pieces and not self._sets(pieces):
            found = self._found(pieces)
            found.doubted = self.variables.doubted(self.text[pieces[0].start : pieces[-1].end])
            found.fed = tuple(self.variables.fed[n_fed:])
            found.redirected, found.before = self.variables.redirected, piped
            found.is_given = is_piped or bool(found.redirected)
        is_one = part.operator in ("|", "|&") and not any(mark == ")" for mark, _ in part.parentheses)
        self._piped = found if is_one else None
        if within:
            self._within = [self._found([Piece(word, 0, 0) for word in words]) for words in within]
            self._within += [found] if found is not None else []
            return None
        return found

    def _next(self) -> Part | None:
        if self._n_left <= 0:
            self.flow.is_cut = True
            return None
        part = self._reader.next()
        self._n_left -= _PARTS_OF_ONE if part is not None and part.pieces else 1
        return part

    def _found(self, pieces: list[Piece]) -> Found:
        placing = [Piece(word, 0, 0) for word in self.folders.words(pieces, is_sure=not self.depth)]
        settings = [*self.settings, *self.flow.settings, *placing]
        return Found(settings, pieces, files=tuple(self.variables.files.items())[-_MOST_FILES:])

    def _plain(self, pieces: list[Piece]) -> list[Piece]:
        """Without what stands before a command: prompts, keywords, ``ExecStart=``."""
        first = pieces[0].word if pieces else ""
        if first.startswith("@") and not first.startswith("@{") and first not in _TIMES:
            pieces = [_without(pieces[0], 1), *pieces[1:]]
        while pieces := pieces[self._n_around(pieces) :]:
            word = pieces[0].word
            if (unit := _UNIT.match(word)) is not None:
                if len(pieces) == 2 and " " in pieces[1].word:
                    return nowhere(self._pieces_of(pieces[1].word))
                pieces = [_without(pieces[0], unit.end()), *pieces[1:]]
            elif word == "for" and [piece.word for piece in pieces[2:3]] == ["in"]:
                if len(pieces) > 3 and NAME.fullmatch(pieces[1].word):
                    self.variables.set(pieces[1].word, pieces[3].word)
                return []
            elif word == "alias" and len(pieces) == 2 and "=" in pieces[1].word:
                return nowhere(self._pieces_of(pieces[1].word.partition("=")[2]))
            elif word.startswith("Environment="):
                self._set_by_unit([_without(pieces[0], len("Environment=")), *pieces[1:]])
                return []
            else:
                break
        return pieces

    def _pieces_of(self, text: str) -> list[Piece]:
        from launches.line import pieces_of  # noqa: PLC0415  # which reads a whole text by this

        return pieces_of(text)[1]

    def _n_around(self, pieces: Sequence[Piece]) -> int:
        """How many of the first ones are prompts and keywords."""
        for number, piece in enumerate(pieces):
            word = piece.word
            self._depth += (word in _OPENING) - (word in _CLOSING)
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
        if not (is_exporting or is_declaring or all(ASSIGNMENT.fullmatch(piece.word) for piece in rest)):
            return False
        for piece in rest:
            if (found := ASSIGNMENT.fullmatch(piece.word)) is not None:
                before = " ".join(self.variables.words(found[1]) or ()) if found[2] else ""
                self._set(found[1], piece._replace(word=before + found[3]), is_exported=is_exporting)
            elif is_exporting and self.variables.has(piece.word):
                value = " ".join(self.variables.words(piece.word) or ())
                self.settings.append(piece._replace(word=f"{piece.word}={value}"))
        return True

    def _set(self, name: str, value: Piece, *, is_exported: bool) -> None:
        if not NAME.fullmatch(name):
            return
        doubted = self.variables.doubted(self.text[value.start : value.end]) if self.is_run else ""
        self.variables.set(name, value.word, is_sure=not self.depth)
        if doubted:
            self.variables.doubtful.add(name)
        if self.flow.is_repeated:
            self.variables.unsure.add(name)
        if is_exported:
            self.variables.asked.add(name)
            known = " ".join(self.variables.words(name) or (value.word,))
            self.settings = [each for each in self.settings if each.word.partition("=")[0] != name]
            self.settings.append(value._replace(word=f"{name}={known}"))


def nowhere(pieces: Sequence[Piece]) -> list[Piece]:
    """The same words, which have no place in the text."""
    return [piece._replace(start=0, end=0) for piece in pieces]


def _without(piece: Piece, n: int) -> Piece:
    """The same but for so many characters at its beginning."""
    return Piece(piece.word[n:], piece.start + n, piece.end)


def started(words: Sequence[str]) -> str:
    """What a command starts, behind assignments."""
    return next((base_name(word) for word in words if not ASSIGNMENT.fullmatch(word)), "")

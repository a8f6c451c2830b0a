"""The way of a shell through its script: conditions, loops, functions, groups, and what goes on in the background.

POSIX.1-2024, "Shell Command Language", 2.9; ``function f {`` and ``{1..4}`` as bash(1) has them. Nothing is run: of
what a condition asks nothing is known, so that what stands behind it may be reached.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from launches.functions import Functions
from launches.jobs import Jobs
from launches.splitter import CommandReader, Part, Piece
from launches.variables import NAME, Variables, is_unset

_MOST_ROUNDS, _MOST_CALLS = 16, 8
"""Of one loop, and calls within each other (ASSUMED bounds)."""
_MOST_AGAIN = 1 << 16
"""Characters that are read again, for loops and functions together (ASSUMED bound)."""
_RANGE = re.compile(r"\{(\d{1,4})\.\.(\d{1,4})\}")
_PATTERN = re.compile(r"[*?\[]")
_OPENING = {"{": "{", "if": "if", "while": "loop", "until": "loop"}
_CLOSING = {"fi": "if", "done": "loop", "esac": "case", "}": "{"}
_PASSED = frozenset({"!"})
_UNKNOWN = tuple(f"${number}" for number in range(1, 10))
"""What a script was given, where nobody knows which of it is left."""
_MOST_OPEN = 64
"""Groups within each other (ASSUMED bound)."""


@dataclass(slots=True)
class _Block:
    """Something that ends: ``if``, a loop, a group, a function that is called."""

    kind: str
    is_maybe: bool = False
    """Nobody knows whether what stands here is reached."""
    is_repeated: bool = False
    """It is done again, nobody knows how often or with what."""
    is_otherwise: bool = False
    """It stands behind ``||``."""
    name: str = ""
    """Of a loop's variable."""
    values: list[str] = field(default_factory=list)
    """That the variable has in the rounds that are left."""
    start: int = 0
    """Where what a loop does begins."""
    back: int = 0
    """Where it goes on behind a function."""
    positionals: tuple[str, ...] | None = None
    """Outside of a function."""
    closing: list[str] = field(default_factory=list)
    """What ends behind the call of a function."""
    settings: list[Piece] = field(default_factory=list)
    """What stood before that call, and is set in it alone."""


class Flow:
    """Where in one script a shell is, while its commands are taken."""

    def __init__(self, reader: CommandReader, text: str, variables: Variables, jobs: Jobs) -> None:
        """At its beginning.

        Args:
            reader: of its commands.
            text: that it reads.
            variables: the shell's.
            jobs: of all that is started.
        """
        self._reader, self._text, self._variables, self.jobs = reader, text, variables, jobs
        self._blocks: list[_Block] = []
        self._functions = Functions(reader, text)
        self._n_left = _MOST_AGAIN
        self._is_otherwise = False
        """Behind ``||``."""
        self._closing: list[str] = []
        """What is left of a command when it is done: the operator behind it."""
        self.is_cut = False
        """More is done than is read."""
        self.is_over = False
        """Behind ``exit``."""

    @property
    def is_maybe(self) -> bool:
        """Whether nobody knows that what stands here is reached."""
        return self._is_otherwise or any(block.is_maybe or block.is_otherwise for block in self._blocks)

    @property
    def is_repeated(self) -> bool:
        """Whether what stands here is done again, nobody knows how often or with what."""
        is_looping = "&" in self._closing and any(block.kind == "loop" for block in self._blocks)
        return is_looping or any(block.is_repeated for block in self._blocks)

    @property
    def settings(self) -> list[Piece]:
        """What is set for the functions that are called here."""
        return [piece for block in self._blocks for piece in block.settings]

    def leave(self) -> None:
        """Nothing more is taken."""
        while self._blocks:
            self._close(self._blocks[-1].kind)

    def finish(self) -> None:
        """The command that was taken last is done."""
        while self._closing:
            operator = self._closing.pop(0)
            if operator == ")":
                self._close("(")
                continue
            self._end(operator)

    def _end(self, operator: str) -> None:
        self._variables.last_job = self.jobs.end(operator) or self._variables.last_job
        if operator not in ("&&", "|", "|&"):
            self._is_otherwise = operator == "||"
        if operator in (";;", ";&") and self._blocks and self._blocks[-1].kind == "case":
            self._blocks[-1].start = 1

    def command(self, part: Part) -> list[Piece]:
        """What a shell would start here, without words of its own; nothing where it starts nothing."""
        pieces = list(part.pieces)
        if self._functions.skips(pieces):
            return []
        first = pieces[0].start if pieces else len(self._text) + 1
        opened = sum(mark == "(" and place < first for mark, place in part.parentheses)
        last = pieces[-1].end if pieces else -1
        closed = sum(mark == ")" and place >= last for mark, place in part.parentheses)
        if self._is_pattern():
            pieces, opened, closed = self._behind_pattern(pieces, part.parentheses)
        for _ in range(min(opened, _MOST_OPEN)):
            self._open("(")
        self._closing = [")"] * min(closed, _MOST_OPEN) + [part.operator]
        return self._plain(pieces, part)

    def _plain(self, pieces: list[Piece], part: Part) -> list[Piece]:
        n = 0
        while n < len(pieces) and len(self._blocks) < _MOST_OPEN:
            word = pieces[n].word
            if self._functions.begins(pieces, n):
                return []
            n += 1
            if word in _OPENING:
                self._open(_OPENING[word])
            elif word in ("then", "else", "elif", "do"):
                self._enter(word, pieces[n].start if n < len(pieces) else self._reader.position)
            elif word in ("for", "select") and n < len(pieces):
                self._loop(pieces[n - 1 :])
                return []
            elif word == "case":
                self._open("case").start = 1
                pieces, _, closed = self._behind_pattern(pieces[n - 1 :], part.parentheses)
                self._closing = [")"] * min(closed, _MOST_OPEN) + [part.operator]
                n = 0
            elif word in _CLOSING and self._blocks:
                self._closed(_CLOSING[word])
                return []
            elif word == "coproc":
                self._closing = [*self._closing[:-1], "&"]
            elif word not in _PASSED:
                return self._called(pieces[n - 1 :])
        return []

    def _enter(self, word: str, start: int) -> None:
        """What stands behind ``then``, ``do`` and the like begins."""
        block = self._blocks[-1] if self._blocks else _Block("")
        if word == "do" and block.kind == "for":
            block.start = start
        elif block.kind in ("if", "loop"):
            block.is_maybe = True

    # Groups

    def _open(self, kind: str) -> _Block:
        block = _Block(kind, is_otherwise=self._is_otherwise)
        if len(self._blocks) >= _MOST_OPEN:
            self.is_cut = True
            return block
        self._is_otherwise = False
        self._blocks.append(block)
        self.jobs.open(is_shell=kind == "(")
        return block

    def _close(self, kind: str) -> None:
        if self._blocks and self._blocks[-1].kind == kind:
            self._is_otherwise = self._blocks.pop().is_otherwise
            self.jobs.close()

    def _closed(self, kind: str) -> None:
        block = self._blocks[-1]
        if block.kind == "call" and kind == "{":
            self._returned(block)
        elif block.kind == "for" and kind == "loop" and self._again(block):
            self._closing = []
        elif kind == block.kind or (kind == "loop" and block.kind == "for"):
            self._end_own()
            self._close(block.kind)

    def _end_own(self) -> None:
        """What stands before a closing word is a list of its own."""
        self.jobs.end(";")
        self._is_otherwise = False

    # Conditions

    def _is_pattern(self) -> bool:
        return bool(self._blocks) and self._blocks[-1].kind == "case" and self._blocks[-1].start == 1

    def _behind_pattern(self, pieces: list[Piece], marks: Sequence[tuple[str, int]]) -> tuple[list[Piece], int, int]:
        """(the command behind ``pattern)``, parentheses that open before it, and those that close behind it)."""
        ends = [place for mark, place in marks if mark == ")"]
        if pieces and pieces[0].word == "esac":
            return pieces, 0, sum(place >= pieces[-1].end for place in ends)
        if not ends or not self._blocks:
            return [], 0, 0
        self._blocks[-1].start, self._blocks[-1].is_maybe = 0, True
        rest = [piece for piece in pieces if piece.start > ends[0]]
        first = rest[0].start if rest else len(self._text) + 1
        last = rest[-1].end if rest else ends[0] + 1
        opened = sum(mark == "(" and ends[0] < place < first for mark, place in marks)
        return rest, opened, sum(mark == ")" and place >= last for mark, place in marks)

    # Loops

    def _loop(self, pieces: Sequence[Piece]) -> None:
        """``for NAME in VALUES``; without values, over those that the script was given."""
        block = self._open("for")
        words = [piece.word for piece in pieces[3:]]
        if [piece.word for piece in pieces[2:3]] != ["in"]:
            words = list(self._variables.words("@") or ["$@"])
        values = [value for word in words for value in _ranged(word)]
        is_known = NAME.fullmatch(pieces[1].word) is not None and bool(values)
        is_known = is_known and not any(is_unset(value) or _PATTERN.search(value) for value in values)
        if not is_known:
            self._variables.unset(pieces[1].word)
            block.is_repeated = True
            return
        block.name = pieces[1].word
        block.is_repeated = len(values) > _MOST_ROUNDS
        block.values = values[1:_MOST_ROUNDS]
        self._variables.unset(block.name)
        self._variables.set(block.name, values[0])

    def _again(self, block: _Block) -> bool:
        """Whether there is another round, which begins."""
        if not block.values or not block.start:
            return False
        self._n_left -= self._reader.position - block.start
        if self._n_left < 0:
            self.is_cut = True
            return False
        self._end_own()
        self._variables.unset(block.name)
        self._variables.set(block.name, block.values.pop(0))
        self._reader.jump(block.start)
        return True

    # Functions

    def _called(self, pieces: list[Piece]) -> list[Piece]:
        """Nothing where it is a function, which begins."""
        n = next((number for number, piece in enumerate(pieces) if "=" not in piece.word), len(pieces))
        name = pieces[n].word if n < len(pieces) else ""
        if name in ("return", "exit", "exec", "shift", "set"):
            self._changes(name, [piece.word for piece in pieces[n + 1 :]])
        function = self._functions.named(name)
        n_calls = sum(block.kind == "call" for block in self._blocks)
        if function is None:
            return pieces
        self._n_left -= function.end - function.start
        if n_calls >= _MOST_CALLS or self._n_left < 0:
            self.is_cut = True
            return []
        block = self._open("call")
        block.back, block.positionals, block.closing = self._reader.position, self._variables.positionals, self._closing
        block.settings = pieces[:n]
        for piece in block.settings:
            self._variables.set(*piece.word.split("=", 1))
        self._variables.positionals = tuple(piece.word for piece in pieces[n + 1 :])
        self._closing = []
        self._reader.jump(function.start)
        return []

    def _returned(self, block: _Block) -> None:
        self._end_own()
        self._close("call")
        self._variables.positionals = block.positionals
        self._reader.jump(block.back)
        self._closing = block.closing

    def _changes(self, name: str, words: Sequence[str]) -> None:
        """``return``, ``exit``, ``shift``, ``set -- a b``."""
        if self.is_maybe:
            if name in ("shift", "set") and self._variables.words("@") is not None:
                self._variables.positionals = _UNKNOWN
            return
        if name == "exit" or (name == "exec" and words):
            self.is_over = all(block.kind in ("{", "call") for block in self._blocks)
        elif name == "return" and self._blocks and self._blocks[-1].kind == "call":
            self._returned(self._blocks[-1])
        elif name == "shift" and (held := self._variables.words("@")) is not None:
            self._variables.positionals = held[int(words[0]) if words and words[0].isdecimal() else 1 :]
        elif name == "set" and words[:1] == ["--"]:
            self._variables.positionals = tuple(words[1:])


def _ranged(word: str) -> list[str]:
    """``{0..3}`` written out."""
    found = _RANGE.fullmatch(word)
    if found is None:
        return [word]
    first, last = int(found[1]), int(found[2])
    step = 1 if first <= last else -1
    return [str(number) for number in range(first, last + step, step)[: _MOST_ROUNDS + 1]]

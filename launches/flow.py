"""The way of a shell through its script: conditions, loops, functions, groups, and what goes on in the background.

POSIX.1-2024, "Shell Command Language", 2.9; ``function f {`` and ``{1..4}`` as bash(1) has them. Nothing is run:
what stands behind a condition may be reached, where what it asks is not known (``launches.conditions``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from launches.conditions import outcome
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
_READING = frozenset("getopts let mapfile printf read readarray".split())
"""They set the variables that they name."""
_SETTING = frozenset("activate conda eval mamba micromamba ml module source spack . workon".split())
"""They set any: bash(1), and functions that others' start-up files define (ASSUMED)."""
_DECLARING = frozenset("declare export local readonly typeset".split())
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
    is_passed: bool = False
    """What stands here is surely not reached."""
    is_within_passed: bool = False
    """The block itself is not, behind a test that does not hold."""
    is_asking: bool = False
    """Of ``if``: its condition is read."""
    n_asked: int = 0
    """Commands of that condition."""
    holds: bool | None = False
    """Whether one of its conditions did; None: it may have."""
    asked: bool | None = None
    """Whether the one that was read last does."""
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
        self._outcome: bool | None = None
        """Of the test that was read last."""
        self._is_passed = False
        """Behind ``&&`` of one that does not hold, or ``||`` of one that does."""
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
    def is_passed(self) -> bool:
        """Whether what stands here is surely not reached."""
        return self._is_passed or any(block.is_passed or block.is_within_passed for block in self._blocks)

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
        self._tell()

    def _tell(self) -> None:
        """The variables learn whether what is read next is reached."""
        self._variables.is_passed = self.is_passed
        block = self._blocks[-1] if self._blocks else None
        is_told = block is not None and block.asked is True and block.holds is False
        is_asking = block is not None and block.is_asking and block.n_asked > 0
        self._variables.is_maybe = self.is_maybe or (is_asking and not is_told)
        outside = self._is_passed or any(block.is_passed for block in self._blocks[:-1])
        outside = outside or any(block.is_within_passed for block in self._blocks)
        self._variables.is_passed_behind_else = outside or (
            bool(self._blocks) and self._blocks[-1].kind == "if" and self._held(self._blocks[-1]) is True
        )

    def _end(self, operator: str) -> None:
        if not self.is_passed:
            self._variables.last_job = self.jobs.end(operator) or self._variables.last_job
        block = self._blocks[-1] if self._blocks else None
        if block is not None and block.is_asking and block.n_asked:
            if operator not in (";", "\n"):
                block.asked, block.n_asked = None, 2
            block.is_passed = block.asked is False or block.holds is True
        elif operator not in ("&&", "||"):
            self._is_passed, self._outcome = False, None
        else:
            self._is_passed = self._outcome is (operator == "||")
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
        pieces = self._plain(pieces, part)
        self._tell()
        return pieces

    def _plain(self, pieces: list[Piece], part: Part) -> list[Piece]:
        n = 0
        while n < len(pieces) and len(self._blocks) < _MOST_OPEN:
            word = pieces[n].word
            if self._functions.begins(pieces, n):
                return []
            n += 1
            if word in _OPENING:
                self._open(_OPENING[word]).is_asking = word == "if"
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
                self._ask(pieces[n - 1 :], is_denied="!" in [piece.word for piece in pieces[: n - 1]])
                return [] if self.is_passed else self._called(pieces[n - 1 :])
        return []

    def _ask(self, pieces: Sequence[Piece], *, is_denied: bool) -> None:
        """What a command's exit status is, where it is a test that can be told."""
        block = self._blocks[-1] if self._blocks else None
        if block is not None and block.is_asking:
            block.n_asked += 1
            block.is_passed = block.holds is True
        if self.is_passed:
            return
        words = [piece.word for piece in pieces]
        if words[0] in _READING:
            self._variables.unsure |= {word.partition("=")[0] for word in words[1:]}
        written = self._text[pieces[0].start : pieces[-1].end]
        if words[0] in _SETTING or (words[0] in _DECLARING and any(word[:1] in "$`" for word in words[1:])):
            self._variables.is_open = True
        told = outcome(words, written, self._variables.unsure, self._variables.is_empty)
        is_known = told is not None and not any(block.is_repeated for block in self._blocks)
        told = told is not is_denied if is_known else None
        self._outcome = told
        if block is not None and block.is_asking:
            block.asked = told if block.n_asked == 1 else None

    @staticmethod
    def _held(block: _Block) -> bool | None:
        """Whether one of an ``if``'s conditions did, the one that was read last among them."""
        if block.holds is True or not block.is_asking:
            return block.holds
        if block.asked is True and block.holds is False:
            return True
        return None if block.asked is not False else block.holds

    def _enter(self, word: str, start: int) -> None:
        """What stands behind ``then``, ``do`` and the like begins."""
        block = self._blocks[-1] if self._blocks else _Block("")
        if word == "do" and block.kind == "for":
            block.start = start
        elif block.kind == "if":
            self._branch(word, block)
        elif block.kind == "loop":
            block.is_maybe = True

    def _branch(self, word: str, block: _Block) -> None:
        """What is reached behind ``then``, ``elif`` and ``else``."""
        if word == "then":
            asked = block.asked if block.n_asked == 1 else None
            block.is_passed = block.holds is True or asked is False
            block.is_maybe = not block.is_passed and (asked is None or block.holds is None)
            if block.holds is not True and asked is not False:
                block.holds = asked if block.holds is False else None
            block.is_asking = False
            return
        block.is_passed, block.is_maybe = block.holds is True, block.holds is None
        block.is_asking, block.asked, block.n_asked = word == "elif", None, 0

    # Groups

    def _open(self, kind: str) -> _Block:
        block = _Block(kind, is_otherwise=self._is_otherwise, is_within_passed=self._is_passed)
        if len(self._blocks) >= _MOST_OPEN:
            self.is_cut = True
            return block
        self._is_otherwise, self._is_passed = False, False
        self._blocks.append(block)
        self.jobs.open(is_shell=kind == "(")
        return block

    def _close(self, kind: str) -> None:
        if self._blocks and self._blocks[-1].kind == kind:
            block = self._blocks.pop()
            self._is_otherwise, self._is_passed = block.is_otherwise, block.is_within_passed
            self._outcome = self._outcome if block.is_within_passed else None
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
        self._is_otherwise, self._is_passed, self._outcome = False, False, None

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
        if self.is_passed:
            return
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

    def _return(self) -> None:
        """Out of the function, and of the branches and groups within it."""
        kinds = [block.kind for block in self._blocks]
        n_outside = len(kinds) - 1 - kinds[::-1].index("call") if "call" in kinds else len(kinds)
        if n_outside < len(kinds) and set(kinds[n_outside + 1 :]) <= {"if", "{"}:
            for kind in reversed(kinds[n_outside + 1 :]):
                self._close(kind)
            self._returned(self._blocks[-1])

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
            self.is_over = all(block.kind in ("{", "call", "if") for block in self._blocks)
        elif name == "return":
            self._return()
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

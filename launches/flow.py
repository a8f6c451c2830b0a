"""The way of a shell through its script: conditions, loops, functions, groups, and what goes on in the background.

POSIX.1-2024, "Shell Command Language", 2.9; ``function f {`` and ``{1..4}`` as bash(1) has them. Nothing is run:
what stands behind a condition of which nothing is known (``launches.conditions``) is reached or not as it is chosen
(``launches.choices``); where nothing is chosen, and within loops, all of it may be reached.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from launches.block import Block
from launches.choices import Choices, Chosen
from launches.conditions import outcome
from launches.functions import Functions
from launches.jobs import Jobs
from launches.ordinary import SUCCEEDING
from launches.splitter import CommandReader, Part, Piece
from launches.variables import NAME, Variables, is_unset
from launches.wrappers import base_name

_MOST_ROUNDS, _MOST_CALLS = 16, 8
"""Of one loop, and calls within each other (ASSUMED bounds)."""
_MOST_AGAIN = 1 << 16
"""Characters that are read again, for loops and functions together (ASSUMED bound)."""
_RANGE = re.compile(r"\{(\d{1,4})\.\.(\d{1,4})\}")
_PATTERN = re.compile(r"[*?\[]")
_NO_PATTERN = re.compile(r"[$`\\()!]")
"""What ``fnmatch`` reads in another way, or nobody knows."""
_WORDS = re.compile(r"\w+")
_OPENING = {"{": "{", "if": "if", "while": "loop", "until": "loop"}
_CLOSING = {"fi": "if", "done": "loop", "esac": "case", "}": "{"}
_PASSED = frozenset({"!"})
_ALWAYS = frozenset({"true", ":", "false"})
_BRANCHES = frozenset({"if", "case", "{"})
"""Blocks out of which ``break`` and ``return`` come."""
_READING = frozenset("getopts let mapfile printf read readarray".split())
"""They set the variables that they name."""
_SETTING = frozenset("activate conda eval mamba micromamba ml module source spack . workon".split())
"""They set any: bash(1), and functions that others' start-up files define (ASSUMED)."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_DECLARING = frozenset("declare export local readonly typeset".split())
_UNKNOWN = tuple(f"${number}" for number in range(1, 10))
"""What a script was given, where nobody knows which of it is left."""
_MOST_DIGITS = 12
"""Of a number of words: no script is given so many (ASSUMED bound)."""
_MOST_OPEN = 64
"""Groups within each other (ASSUMED bound)."""


_NOTHING = Block("")
"""Around the whole script."""


class Flow:
    """Where in one script a shell is, while its commands are taken."""

    def __init__(
        self, reader: CommandReader, text: str, variables: Variables, jobs: Jobs, choices: Choices | None = None
    ) -> None:
        """At its beginning.

        Args:
            reader: of its commands.
            text: that it reads.
            variables: the shell's.
            jobs: of all that is started.
            choices: how conditions come out of which nothing is known; None: nobody says.
        """
        self._choices = choices
        self._listed: list[Chosen] = []
        """Outcomes by which something is done to the end of the list, ``x || y``."""
        self._asked, self._name = slice(0), ""
        """Where the command stands whose outcome was asked for last, and what it starts."""
        self._reader, self._text, self._variables, self.jobs = reader, text, variables, jobs
        self._blocks: list[Block] = []
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
        self.ended_by = ""
        """The operator behind the command that was done last."""

    @property
    def is_maybe(self) -> bool:
        """Whether nobody knows that what stands here is reached."""
        inner = self._blocks[-1] if self._blocks else _NOTHING
        return self._is_otherwise or inner.is_maybe or inner.is_around_maybe

    @property
    def is_passed(self) -> bool:
        """Whether what stands here is surely not reached."""
        inner = self._blocks[-1] if self._blocks else _NOTHING
        return self._is_passed or inner.is_passed or inner.is_around_passed

    @property
    def is_repeated(self) -> bool:
        """Whether what stands here is done again, nobody knows how often or with what."""
        inner = self._blocks[-1] if self._blocks else _NOTHING
        return inner.is_repeated or inner.is_around_repeated or (inner.is_in_loop and "&" in self._closing)

    @property
    def settings(self) -> list[Piece]:
        """What is set for the functions that are called here."""
        return [piece for block in self._blocks for piece in block.settings]

    def leave(self) -> None:
        """Nothing more is taken."""
        self._cut()
        self._end_list()
        while self._blocks:
            self._close(self._blocks[-1].kind)

    def _cut(self) -> None:
        """What is done by the outcomes that were taken ends where the script does."""
        if not self.is_over or self._choices is None:
            return
        self._choices.cut([*self._listed, *(each for block in self._blocks for each in block.chosen + block.listed)])
        self._listed = []
        for block in self._blocks:
            block.chosen, block.listed = [], []

    def finish(self) -> None:
        """The command that was taken last is done."""
        self._cut()
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

    def _end(self, operator: str) -> None:
        self.ended_by = operator
        if not self.is_passed:
            self._variables.last_job = self.jobs.end(operator) or self._variables.last_job
        block = self._blocks[-1] if self._blocks else None
        if block is not None and block.is_asking and block.n_asked:
            if operator not in (";", "\n"):
                block.asked, block.n_asked = None, 2
            block.is_passed = block.asked is False or block.holds is True
        elif operator in ("|", "|&"):
            self._outcome = self._outcome if self._is_passed else None
        elif operator not in ("&&", "||"):
            self._is_passed, self._outcome = False, None
            self._end_list()
        else:
            self._outcome = self._told(operator)
            self._is_passed = self._outcome is (operator == "||")
        if operator not in ("&&", "|", "|&"):
            self._is_otherwise = operator == "||" and self._outcome is None
        if operator in (";;", ";&") and block is not None and block.kind == "case":
            block.start, block.goes_on = 1, operator == ";&" and not block.is_passed

    def _told(self, operator: str) -> bool | None:
        """How what stands before ``&&`` and ``||`` comes out."""
        if self._outcome is not None or self.is_passed:
            return self._outcome
        is_and = operator == "&&"
        if is_and and self._name in SUCCEEDING:
            return None
        chosen = self._choose(self._reader.position, self._asked, is_and=is_and)
        if chosen is None:
            return None
        self._listed.append(chosen)
        return chosen.holds

    def _choose(self, position: int, asked: slice, fits: str = "", *, is_and: bool = False) -> Chosen | None:
        """None where it is not decided: in a loop, in which it may come out otherwise each time, all may be reached."""
        if self._choices is None or self.is_maybe or self.is_repeated:
            return None
        return self._choices.choose((self._text, position), self._text[asked].strip(" \t\n;"), fits, is_and=is_and)

    def _end_list(self) -> None:
        for chosen in self._listed:
            self._ended(chosen, has_other=not chosen.condition.is_and)
        self._listed = []

    def _ended(self, chosen: Chosen, *, has_other: bool) -> None:
        if self._choices is not None:
            self._choices.end(chosen, has_other=has_other)

    def note(self) -> None:
        """Something is done that what stands below depends on."""
        if self._choices is not None and not self.is_passed:
            self._choices.note()

    def command(self, part: Part) -> list[Piece]:
        """What a shell would start here, without words of its own; nothing where it starts nothing."""
        pieces = list(part.pieces)
        arrays, self._variables.arrays = self._variables.arrays, []
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
        for name, words, is_more in [] if self.is_passed else arrays:
            self._variables.add(name, words, is_more=is_more)
        return pieces

    def _plain(self, pieces: list[Piece], part: Part) -> list[Piece]:
        n = 0
        while n < len(pieces) and len(self._blocks) < _MOST_OPEN:
            word = pieces[n].word
            if self._functions.begins(pieces, n, is_passed=self.is_passed):
                self.note()
                return []
            n += 1
            if word in _OPENING:
                block = self._open(_OPENING[word])
                block.is_asking = word == "if"
                block.begins = pieces[n].start if n < len(pieces) else self._reader.position
                block.name = word
            elif word in ("then", "else", "elif", "do"):
                start = pieces[n].start if n < len(pieces) else self._reader.position
                self._enter(word, start, pieces[n - 1].start)
            elif word in ("for", "select") and n < len(pieces):
                self._loop(pieces[n - 1 :])
                return []
            elif word == "case":
                block = self._open("case")
                block.start = 1
                self._compares(block, pieces[n : n + 1])
                pieces, _, closed = self._behind_pattern(pieces[n + 2 :], part.parentheses)
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
        is_known = told is not None and not (block is not None and (block.is_repeated or block.is_around_repeated))
        told = told is not is_denied if is_known else None
        if told is None and all(_ASSIGNMENT.match(word) for word in words) and not ("$(" in written or "`" in written):
            told = True
        self._outcome = told
        self._asked, self._name = slice(pieces[0].start, pieces[-1].end), base_name(words[0])
        if block is not None and (block.is_asking or (block.kind == "loop" and not block.is_entered)):
            block.n_asked += not block.is_asking
            block.asked = told if block.n_asked == 1 else None

    def _enter(self, word: str, start: int, end: int) -> None:
        """What stands behind ``then``, ``do`` and the like begins.

        Args:
            word: this one.
            start: of what stands behind it.
            end: of what stands before it.
        """
        block = self._blocks[-1] if self._blocks else Block("")
        if word == "do" and block.kind == "for":
            block.start = start
        elif block.kind == "if":
            self._branch(word, block, start, end)
        elif block.kind == "loop" and not block.is_entered:
            told = block.asked if block.n_asked == 1 else None
            block.is_entered = True
            block.is_passed = told is (block.name == "until")
            block.is_counted = told is not None and not block.is_passed and self._name not in _ALWAYS
            block.is_maybe = not (block.is_passed or block.is_counted)

    def _branch(self, word: str, block: Block, start: int, end: int) -> None:
        """What is reached behind ``then``, ``elif`` and ``else``."""
        if word == "then":
            asked = block.asked if block.n_asked == 1 else None
            block.is_asking, block.is_passed = False, block.holds is True
            if asked is None and not self.is_passed and block.holds is False:
                chosen = self._choose(block.begins, slice(block.begins, end))
                block.chosen += [] if chosen is None else [chosen]
                asked = None if chosen is None else chosen.holds
            block.is_passed = block.holds is True or asked is False
            block.is_maybe = not block.is_passed and (asked is None or block.holds is None)
            if block.holds is not True and asked is not False:
                block.holds = asked if block.holds is False else None
            return
        block.has_other, block.begins = True, start
        block.is_passed, block.is_maybe = block.holds is True, block.holds is None
        block.is_asking, block.asked, block.n_asked = word == "elif", None, 0

    # Groups

    def _open(self, kind: str) -> Block:
        outer = self._blocks[-1] if self._blocks else _NOTHING
        block = Block(
            kind,
            is_otherwise=self._is_otherwise,
            is_within_passed=self._is_passed,
            is_around_maybe=self.is_maybe,
            is_around_passed=self.is_passed,
            is_around_repeated=outer.is_repeated or outer.is_around_repeated,
            is_in_loop=kind == "loop" or outer.is_in_loop,
        )
        if len(self._blocks) >= _MOST_OPEN:
            self.is_cut = True
            return block
        self._is_otherwise, self._is_passed = False, False
        block.listed, self._listed = self._listed, []
        self._blocks.append(block)
        self.jobs.open(is_shell=kind == "(")
        return block

    def _close(self, kind: str) -> None:
        if self._blocks and self._blocks[-1].kind == kind:
            block = self._blocks.pop()
            for chosen in block.chosen:
                self._ended(chosen, has_other=block.has_other)
            self._end_list()
            self._listed = block.listed
            self._is_otherwise, self._is_passed = block.is_otherwise, block.is_within_passed
            self._outcome = self._outcome if block.is_within_passed else None
            self.jobs.close()

    def _closed(self, kind: str) -> None:
        block = self._blocks[-1]
        if block.kind == "call" and kind == "{":
            self._returned(block)
        elif kind == "loop" and (self._again(block) if block.kind == "for" else self._asked_again(block)):
            self._closing = []
        elif kind == block.kind or (kind == "loop" and block.kind == "for"):
            self._end_own()
            self._close(block.kind)

    def _end_own(self) -> None:
        """What stands before a closing word is a list of its own."""
        self.jobs.end(";")
        self._end_list()
        self._is_otherwise, self._is_passed, self._outcome = False, False, None

    # Conditions

    def _is_pattern(self) -> bool:
        return bool(self._blocks) and self._blocks[-1].kind == "case" and self._blocks[-1].start == 1

    def _behind_pattern(self, pieces: list[Piece], marks: Sequence[tuple[str, int]]) -> tuple[list[Piece], int, int]:
        """(the command behind ``pattern)``, parentheses that open before it, and those that close behind it)."""
        ends = [place for mark, place in marks if mark == ")"]
        if pieces and pieces[0].word == "esac":
            return pieces, 0, sum(place >= pieces[-1].end for place in ends)
        if not self._blocks:
            return [], 0, 0
        if not ends:  # one of several: ``a|b)``
            if pieces and self._blocks[-1].pattern_start < 0:
                self._blocks[-1].pattern_start = pieces[0].start
            return [], 0, 0
        before = [piece for piece in pieces if piece.start < ends[0]]
        self._match(self._blocks[-1], before[0].start if before else ends[0], ends[0])
        rest = [piece for piece in pieces if piece.start > ends[0]]
        first = rest[0].start if rest else len(self._text) + 1
        last = rest[-1].end if rest else ends[0] + 1
        opened = sum(mark == "(" and ends[0] < place < first for mark, place in marks)
        return rest, opened, sum(mark == ")" and place >= last for mark, place in marks)

    def _compares(self, block: Block, pieces: Sequence[Piece]) -> None:
        """The word of ``case``, as it stands there, and what it is where that is known."""
        for piece in pieces:
            written = self._text[piece.start : piece.end]
            block.compared = slice(piece.start, piece.end)
            is_sure = self._variables.unsure.isdisjoint(_WORDS.findall(written))
            is_known = is_sure and not is_unset(piece.word) and "$" not in piece.word and "`" not in piece.word
            block.values = [piece.word] if is_known else []

    def _match(self, block: Block, start: int, end: int) -> None:
        """Whether what stands behind a pattern is reached."""
        start = start if block.pattern_start < 0 else block.pattern_start
        goes_on, block.goes_on, block.pattern_start = block.goes_on, False, -1
        block.start, block.is_maybe, block.is_passed = 0, block.is_maybe and goes_on, block.holds is True
        block.has_other = block.has_other or block.is_matched
        block.is_matched = True
        if goes_on:
            block.is_passed = False
        if goes_on or self.is_passed:
            return
        patterns = self._text[start:end].strip(" \t\n(")
        told = _matches(block.values, patterns)
        if told is None:
            chosen = self._choose(start, block.compared, patterns)
            block.chosen += [] if chosen is None else [chosen]
            told = None if chosen is None else chosen.holds
        block.is_passed, block.is_maybe = told is False, told is None
        block.holds = told if told is True else block.holds

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

    def _again(self, block: Block) -> bool:
        """Whether there is another round, which begins."""
        if not block.values or not block.start or not self._goes_back(block.start):
            return False
        block.is_passed = False
        self._end_own()
        self._tell()
        self._variables.unset(block.name)
        self._variables.set(block.name, block.values.pop(0))
        self._reader.jump(block.start)
        return True

    def _asked_again(self, block: Block) -> bool:
        """Whether the condition of ``while`` is read once more, since all that it asks is known."""
        if not block.is_counted:
            return False
        block.n_rounds += 1
        if block.n_rounds >= _MOST_ROUNDS or not self._goes_back(block.begins):
            self.is_cut = True
            return False
        self._end_own()
        block.is_entered, block.is_passed, block.n_asked, block.asked = False, False, 0, None
        self._reader.jump(block.begins)
        return True

    def _goes_back(self, start: int) -> bool:
        """Whether what stands from there on may be read again."""
        self._n_left -= self._reader.position - start
        self.is_cut = self.is_cut or self._n_left < 0
        return self._n_left >= 0

    def _break(self, *, is_over: bool) -> None:
        """``break`` out of a loop, and ``continue`` with its next round, from branches and groups within it."""
        n = next((n for n, block in enumerate(reversed(self._blocks)) if block.kind not in _BRANCHES), None)
        loop = None if n is None else self._blocks[-1 - n]
        if loop is None or loop.kind not in ("for", "loop"):
            return
        self.note()
        if self.is_maybe or (loop.kind == "loop" and not loop.is_counted):
            return
        for block in self._blocks[-1 - (n or 0) :]:
            block.is_passed = True
        if is_over:
            loop.values, loop.is_counted = [], False

    # Functions

    def _called(self, pieces: list[Piece]) -> list[Piece]:
        """Nothing where it is a function, which begins."""
        n = next((number for number, piece in enumerate(pieces) if "=" not in piece.word), len(pieces))
        name = pieces[n].word if n < len(pieces) else ""
        if name in ("return", "exit", "exec", "shift", "set"):
            self._changes(name, [piece.word for piece in pieces[n + 1 :]])
        elif name in ("break", "continue"):
            self._break(is_over=name == "break")
        elif name in ("cd", "chdir", "pushd", "popd"):
            self.note()
        function = self._functions.named(name)
        if function is None:
            return pieces
        n_calls = sum(block.kind == "call" for block in self._blocks)
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
        if n_outside < len(kinds) and set(kinds[n_outside + 1 :]) <= _BRANCHES:
            for kind in reversed(kinds[n_outside + 1 :]):
                self._close(kind)
            self._returned(self._blocks[-1])

    def _returned(self, block: Block) -> None:
        self._end_own()
        self._close("call")
        self._variables.positionals = block.positionals
        self._reader.jump(block.back)
        self._closing = block.closing

    def _changes(self, name: str, words: Sequence[str]) -> None:
        """``return``, ``exit``, ``shift``, ``set -- a b``."""
        if name not in ("exit", "exec"):
            self.note()
        if self.is_maybe:
            if name in ("shift", "set") and self._variables.words("@") is not None:
                self._variables.positionals = _UNKNOWN
            return
        if name == "exit" or (name == "exec" and words):
            self.is_over = all(
                block.kind in _BRANCHES
                or block.kind == "call"
                or block.is_counted
                or (block.kind == "for" and not block.is_repeated)
                for block in self._blocks
            )
        elif name == "return":
            self._return()
        elif name == "shift" and (held := self._variables.words("@")) is not None:
            self._variables.positionals = held[int(words[0][:_MOST_DIGITS]) if words and words[0].isdecimal() else 1 :]
        elif name == "set" and words[:1] == ["--"]:
            self._variables.positionals = tuple(words[1:])


def _matches(values: Sequence[str], patterns: str) -> bool | None:
    """Whether a word is one of ``a|b*``; None where one of them is not known."""
    if patterns == "*":
        return True
    plain = patterns.replace('"', "").replace("'", "")
    if not values or _NO_PATTERN.search(plain):
        return None
    return any(fnmatchcase(values[0], each.strip()) for each in plain.split("|"))


def _ranged(word: str) -> list[str]:
    """``{0..3}`` written out."""
    found = _RANGE.fullmatch(word)
    if found is None:
        return [word]
    first, last = int(found[1]), int(found[2])
    step = 1 if first <= last else -1
    return [str(number) for number in range(first, last + step, step)[: _MOST_ROUNDS + 1]]

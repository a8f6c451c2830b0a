"""A text as a shell takes it apart: commands, and their words without quotes, remarks, redirections and variables.

POSIX.1-2024, "Shell Command Language", 2.2 to 2.6; lines of cmd.exe and PowerShell where they differ.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from launches.errors import UnreadableLine
from launches.variables import MOST_WITHIN, STEPS_WITHIN, Variables, is_unset

MOST_CHARACTERS = 1 << 16
_MOST_DEPTH = 6
"""Of substitutions within substitutions (ASSUMED; two are usual)."""
_PLACEHOLDER = r"<\w(?:[\w .,|/:@*+-]{0,60}[\w.*])?>"
_DESCRIPTOR = r"(?:\d{1,3}|\{[A-Za-z_]\w{0,63}\})?"
"""``200>lock`` and ``{lock}>file`` (bash(1), "REDIRECTION"): no more than 1024 are open where nobody raised the limit
(Linux, ``INR_OPEN_CUR``, include/uapi/linux/fs.h), so that four digits are a word, as ``8000>log``."""
_REDIRECTION = re.compile(
    rf"{_DESCRIPTOR}>{{1,2}}(?:&(?:\d{{1,3}}|-))?|{_DESCRIPTOR}(?!{_PLACEHOLDER})<(?:&(?:\d{{1,3}}|-))?|&>{{1,2}}"
)
"""``<key>`` stands for something that a person left out."""
_HERE = re.compile(r"<<(-?)[ \t]*(['\"]?)(\w{1,64})\2")
_ARRAY = re.compile(r"([A-Za-z_]\w*)(\+?)=\(")
_SET = re.compile(r"\$(?:env:)?\w+[ \t]*=(?!=)", re.IGNORECASE)
"""PowerShell sets a variable, which stands there for itself."""
_NAMED = re.compile(r"\$(?:env:)?([A-Za-z_]\w*|[0-9@*#?!])", re.IGNORECASE)
_STANDING = re.compile(r"\$[\w@*#?!({']", re.ASCII)
_PERCENT = re.compile(r"%~dp0|%([A-Za-z_]\w*)%|!([A-Za-z_]\w*)!")
_TEMPLATE = re.compile(r"\{\{[^{}\n]{1,80}\}\}|\{[A-Za-z][\w'./-]{0,40}(?: [\w'./-]{1,40}){1,8}\}|" + _PLACEHOLDER)
"""Of Ansible and Helm; or what a person left out."""
_PART = re.compile(
    r"(?:\$\([^()]{0,400}\)|\$\{(?:[^{}]|\{[^{}]{0,200}\}){0,400}\}|\{\{[^{}\n]{1,80}\}\}|<[^<>]{1,60}>|`[^`]{0,400}`|\S)+"
)
"""Of a value that is not split: what stands between blanks, substitutions whole."""
_FIRST_DESCRIPTOR = 63
"""As which bash opens the first of them."""
_SHELLS = frozenset({"bash", "sh", "zsh", "dash", "ash", "ksh"})
_DOUBLED = frozenset({"&&", "||", "|&", ";;", ";&"})
"""Operators of two characters."""
_PIPES = frozenset({"|", "|&"})
_BLANKS = re.compile(r"[ \t\r]+")
_BLANKS_BEHIND = re.compile(r"[ \t]*")
_PLAIN = re.compile(r"[^\s\"'$`\\%!{<>;|&()]+")
"""What stands for itself, within a word and between quotes."""
_QUOTED = {"'": re.compile(r"[^']+"), '"': re.compile(r"[^\"$`\\%!]+")}
"""The same between these."""
_REMARK = re.compile(r"(?:@?rem\b|::)[^\n]*", re.IGNORECASE)


class Piece(NamedTuple):
    """A word, and where it stands in the text; that of a variable where that stands."""

    word: str
    start: int
    end: int


def commands_of(text: str, variables: Variables, *, is_windows: bool = False, depth: int = 0) -> Iterator[list[Piece]]:
    """The words of each command: between ``&&``, ``;``, ``|`` and the ends of lines.

    Args:
        text: of any shell, ``continued`` before.
        variables: what is known; whoever takes the commands sets there what they set, before it takes the next.
        is_windows: it is cmd.exe's or PowerShell's.
        depth: of substitutions around it.

    Raises:
        UnreadableLine: a quote is never closed, or it is too long.
    """
    for part in _parts_of(text, variables, is_windows=is_windows, depth=depth):
        if part.pieces:
            yield part.pieces


def _parts_of(text: str, variables: Variables, *, is_windows: bool, depth: int) -> "Iterator[Part]":
    reader = CommandReader(text, variables, is_windows=is_windows, depth=depth)
    while (part := reader.next()) is not None:
        yield part


class Part(NamedTuple):
    """A command as it stands in a text."""

    pieces: list[Piece]
    """None where only a parenthesis or an operator stands there."""
    parentheses: list[tuple[str, int]]
    """Those outside of words, each with its place."""
    operator: str
    """That ends it: ``&&``, ``|``, ``;``, an end of line; empty at the end of the text."""


class CommandReader:
    """A text's commands, one after the other, or from another place on."""

    def __init__(self, text: str, variables: Variables, *, is_windows: bool = False, depth: int = 0) -> None:
        """As ``commands_of``.

        Raises:
            UnreadableLine: it is too long.
        """
        if len(text) > MOST_CHARACTERS:
            raise UnreadableLine(f"a command of {len(text)} characters is too long to be one")
        self._splitter = _Splitter(text, variables, is_windows=is_windows, depth=depth)
        self._pieces = self._splitter.pieces()

    @property
    def position(self) -> int:
        """Behind what was read last, and the operator that ended it."""
        return self._splitter.position

    def next(self) -> Part | None:
        """None at the end.

        Raises:
            UnreadableLine: a quote is never closed.
        """
        splitter = self._splitter
        pieces: list[Piece] = []
        splitter.operator, splitter.parentheses = "", []
        first = splitter.position
        for piece in self._pieces:
            if piece is None:
                return Part(pieces, splitter.parentheses, splitter.operator)
            pieces.append(piece)
        is_end = not pieces and not splitter.parentheses and splitter.position == first
        return None if is_end else Part(pieces, splitter.parentheses, "")

    def jump(self, position: int) -> None:
        """Read on from there."""
        self._splitter.position = position
        self._splitter.words, self._splitter.written, self._splitter.names_shell = [], "", False
        self._pieces = self._splitter.pieces()


class _Splitter:
    """One pass over the characters."""

    def __init__(self, text: str, variables: Variables, *, is_windows: bool, depth: int) -> None:
        self.text, self.variables, self.is_windows, self.depth = text, variables, is_windows, depth
        self.position = 0
        self.is_begun = True
        """A word of the command was taken before."""
        self.is_whole = False
        """What was expanded last is one word, its blanks included."""
        self.here: list[tuple[str, bool]] = []
        """(end, whether its variables are replaced) of documents that stand below the line."""
        self.written = ""
        """Where the command's output goes."""
        self.words: list[str] = []
        """Of the command, so far, and of those before its pipe."""
        self.names_shell = False
        """One of them is a shell."""
        self.operator = ""
        """That ended a command last."""
        self.parentheses: list[tuple[str, int]] = []
        """As ``Part.parentheses``."""
        self._lines: dict[str, list[tuple[int, int]]] | None = None
        """Where each line stands, by what it says; None as long as nobody asked."""

    def pieces(self, end: str = "") -> Iterator[Piece | None]:
        """Words; None where a command ends. Behind ``end``, a parenthesis, nothing more is read."""
        is_first = True
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == end:
                self.position += 1
                return
            if character in " \t\r":
                self.position = _BLANKS.match(self.text, self.position).end()  # type: ignore[union-attr]  # one is there
            elif self._takes_parenthesis(character) or self._takes_document():
                continue
            elif (piece := self._printing()) is not None:
                self.is_begun, is_first = not is_first, False
                self._keep(piece.word)
                yield piece
            elif (found := _REDIRECTION.match(self.text, self.position)) is not None:
                self._skip_redirection(found)
            elif character in "\n;|&":
                self._end_command(character)
                is_first = True
                yield None
            elif not self._skip_remark(is_first=is_first) and (end or not self._keep_array()):
                start = self.position
                self.is_begun, is_first = not is_first, False
                for field in self._fields():
                    self._keep(field)
                    yield Piece(field, start, self.position)

    def _keep(self, word: str) -> None:
        self.words.append(word)
        self.names_shell = self.names_shell or word.rpartition("/")[2] in _SHELLS

    def _takes_parenthesis(self, character: str) -> bool:
        """Whether one stands here, outside of words."""
        if character not in "()":
            return False
        self.parentheses.append((character, self.position))
        self.position += 1
        return True

    def _end_command(self, character: str) -> None:
        doubled = self.text[self.position : self.position + 2]
        self.operator = doubled if doubled in _DOUBLED else character
        self.position += len(self.operator)
        if character == "\n":
            self._skip_documents()
        if self.operator not in _PIPES:  # what ``tee`` is given stands before it
            self.words, self.written, self.names_shell = [], "", False

    def _skip_remark(self, *, is_first: bool) -> bool:
        """Whether there was one: ``#`` at the beginning of a word, ``REM`` at that of a line."""
        before = self.text[self.position - 1] if self.position else " "
        if self.text[self.position] == "#" and before in " \t\n;(":
            end = self.text.find("\n", self.position)
            self.position = len(self.text) if end < 0 else end
            return True
        found = _REMARK.match(self.text, self.position) if is_first else None
        if found is not None:
            self.position = found.end()
        return found is not None

    def _keep_array(self) -> bool:
        """Whether one is set here: ``ARGS=(--port 8000)``, over several lines too."""
        found = _ARRAY.match(self.text, self.position)
        if found is None:
            return False
        self.position = found.end()
        held = [piece.word for piece in self.pieces(")") if piece is not None]
        if self.variables.is_followed:
            self.variables.arrays.append((found[1], held, bool(found[2])))
        else:
            self.variables.add(found[1], held, is_more=bool(found[2]))
        return True

    def _takes_document(self) -> bool:
        """Whether one begins here: ``<<EOF``, or ``bash <<< "vllm serve a/b"`` (bash(1), "Here Strings")."""
        if self.text.startswith("<<<", self.position):
            self.position = _BLANKS_BEHIND.match(self.text, self.position + 3).end()  # type: ignore[union-attr]  # or none
            written = " ".join(self._fields())
            if self.names_shell:
                self.variables.fed.append(written)
            return True
        found = _HERE.match(self.text, self.position)
        if found is not None:
            self.here.append((found[3], not found[2]))
            self.position = found.end()
        return found is not None

    def _skip_documents(self) -> None:
        """What stands below ``<<EOF``, to the line that says EOF."""
        for name, is_filled in self.here:
            start, end = self._ended(name)
            if end:
                document = self.text[self.position : start]
                document = self.variables.filled(document) if is_filled else document
                self.variables.documents.append(document)
                if self.names_shell:
                    self.variables.fed.append(document)
                if (path := self._written_to()) and not self.variables.is_passed:
                    self.variables.files[path] = document
                self.position = end
        self.here.clear()

    def _ended(self, name: str) -> tuple[int, int]:
        """Where the line begins and ends that ends a document; (0, 0) where none does.

        All lines are looked through once, since a hostile text opens ten thousand documents and ends none.
        """
        if self._lines is None:
            self._lines = {}
            for line in re.finditer(r"[^\n]+", self.text):
                self._lines.setdefault(line[0].strip(" \t\r"), []).append(line.span())
        spans = self._lines.get(name, [])
        index = bisect_left(spans, (self.position, 0))
        return spans[index] if index < len(spans) else (0, 0)

    def _written_to(self) -> str:
        """Where ``cat > FILE`` and ``tee FILE`` put a document; empty where they do not."""
        if self.written and "cat" in self.words:
            return self.written
        return self.words[-1] if "tee" in self.words[:-1] and not self.words[-1].startswith("-") else ""

    def _printing(self) -> Piece | None:
        """``<(echo a)``: a file that holds what its commands print (bash(1), "Process Substitution"); None: none here.

        What reads from ``>(tee log)`` is passed over.
        """
        start = self.position
        if not self.text.startswith(("<(", ">("), start):
            return None
        end = _closing(self.text, start + 2, ")") if self.variables.n_steps_left > 0 else -1
        self.variables.n_steps_left -= (end if end >= 0 else len(self.text)) - start
        if end < 0:
            return None
        self.position = end + 1
        told = self._printed(self.text[start + 2 : end]) if self.text[start] == "<" else None
        if told is None:
            return Piece(self.text[start : end + 1], start, end + 1)
        path = f"/dev/fd/{_FIRST_DESCRIPTOR - self.variables.n_descriptors}"
        self.variables.n_descriptors += 1
        self.variables.files[path] = told
        return Piece(path, start, end + 1)

    def _skip_redirection(self, found: re.Match[str]) -> None:
        """``> log`` with what it goes to."""
        self.position = found.end()
        if found[0][-1] in "<>":
            while self.text[self.position : self.position + 1] in (" ", "\t"):
                self.position += 1
            piece = self._printing()
            target = self._fields() if piece is None else [piece.word]
            if found[0] in (">", "1>", ">|") and len(target) == 1:
                self.written = target[0]
            elif found[0] in ("<", "0<") and len(target) == 1:
                self.variables.redirected = target[0]

    def _fields(self) -> list[str]:
        """One word as it is written; several, or none, where a variable stands for them."""
        fields: list[str] = [""]
        is_kept, depth = False, 0
        while self.position < len(self.text):
            if (run := _PLAIN.match(self.text, self.position)) is not None:
                fields[-1] += run[0]
                self.position = run.end()
                continue
            character = self.text[self.position]
            if character in "\"'":
                inner = self._quoted(character)
                is_kept = is_kept or bool(inner)
                _join(fields, inner)
            elif character in " \t\r\n;|&" or (character == ")" and not depth) or self._redirects():
                break
            elif (found := _TEMPLATE.match(self.text, self.position)) is not None:
                self.position = found.end()
                fields[-1] += found[0]
            elif (expanded := self._expanded()) is not None:
                parts = [part for word in expanded for part in _parted(word)]
                _join(fields, list(expanded) if self.is_whole else parts)
            else:
                if character == "\\" and not self.is_windows and self.position + 1 < len(self.text):
                    self.position += 1
                    is_kept = True
                    character = self.text[self.position]
                depth += (character == "(") - (character == ")")
                fields[-1] += character
                self.position += 1
        return [field for number, field in enumerate(fields) if field or (is_kept and number == 0)]

    def _redirects(self) -> bool:
        """Whether a word ends here, in front of ``>log``: not at ``<key>``, at ``->`` and at ``=>``."""
        character = self.text[self.position]
        if character == "<":
            return _TEMPLATE.match(self.text, self.position) is None
        return character == ">" and self.text[self.position - 1 : self.position] not in ("-", "=")

    def _quoted(self, quote: str) -> list[str]:
        """To the closing quote: one word, or those of an array (``"${ARGS[@]}"``)."""
        self.position += 1
        fields: list[str] = [""]
        is_array = False
        while self.position < len(self.text) and self.text[self.position] != quote:
            if (run := _QUOTED[quote].match(self.text, self.position)) is not None:
                fields[-1] += run[0]
                self.position = run.end()
                continue
            if quote == '"' and self.text[self.position] == "\\" and self._escapes():
                self.position += 1
            elif quote == '"':
                begins = self.text[self.position :].startswith(("${", "$@")) and self.text[self.position - 1] == '"'
                if (expanded := self._expanded()) is not None:
                    several = begins and len(expanded) != 1 and self.text[self.position : self.position + 1] == '"'
                    is_array = is_array or several
                    _join(fields, list(expanded) if several else [" ".join(expanded)])
                    continue
            fields[-1] += self.text[self.position]
            self.position += 1
        if self.position >= len(self.text):
            raise UnreadableLine(f"the command cannot be taken apart (no closing {quote}); check its quotes")
        self.position += 1
        return [] if is_array and fields == [""] else fields

    def _escapes(self) -> bool:
        """Whether a backslash between quotes is not itself meant; one at the end of a Windows path is."""
        following = self.text[self.position + 1 : self.position + 2]
        if not self.is_windows:
            return following in ('"', "\\", "$", "`") and following != ""
        behind = self.text[self.position + 2 : self.position + 3]
        return following == '"' and behind not in ("", " ", "\t", "\n") and '"' in self.text[self.position + 2 :]

    def _expanded(self) -> Sequence[str] | None:
        """What stands here for something else, which is passed over; None where nothing does."""
        self.is_whole = False
        text, first = self.text, self.position
        if text[first] in "%!":
            return self._percent()
        if text[first] == "`" and not self.is_windows and (end := text.find("`", first + 1)) > 0:
            self.position = end + 1
            if text[first + 1 : end].lstrip().startswith("#"):  # a remark among words
                return ()
            printed = self._printed(text[first + 1 : end])
            return [text[first : end + 1]] if printed is None else [printed]
        if (
            text[first] != "$"
            or _STANDING.match(text, first) is None
            or (not self.is_begun and self.is_windows and _SET.match(text, first) is not None)
        ):
            return None
        if text.startswith("$'", first):
            self.position += 1
            return ("",)
        for opening, closing in (("$((", "))"), ("$(", ")"), ("${", "}")):
            if text.startswith(opening, first):
                return self._braced(opening, closing)
        found = _NAMED.match(text, first)
        if found is None:
            return None
        self.position = found.end()
        words = self.variables.words(found[1])
        return [found[0]] if words is None else words

    def _percent(self) -> Sequence[str] | None:
        """cmd.exe's variables, where they are known."""
        found = _PERCENT.match(self.text, self.position)
        if found is None:
            return None
        name = found[1] or found[2] or ""
        words = self.variables.words(name)
        if found[0] == "%~dp0" or name.casefold() == "cd":
            words = (".\\" if name == "" else ".",)
        if words is None:
            return None
        self.position = found.end()
        self.is_whole = name in self.variables.whole
        return words

    def _braced(self, opening: str, closing: str) -> Sequence[str] | None:
        first = self.position
        begin = first + len(opening)
        end = _closing(self.text, begin, closing) if self.variables.n_steps_left > 0 else -1
        self.variables.n_steps_left -= (end if end >= 0 else len(self.text)) - begin
        if end < 0:
            return None
        self.position = end + len(closing)
        body, written = self.text[begin:end], self.text[first : end + len(closing)]
        if opening == "${":
            found = self.variables.parameter(body, self._plain)
            return [written] if found is None else found
        told = self.variables.reckoned(body) if opening == "$((" else self._printed(body)
        return [written] if told is None else [told]

    def _printed(self, body: str) -> str | None:
        """What a substitution's commands print."""
        if self.depth >= _MOST_DEPTH or self.variables.n_steps_left <= 0:
            return None
        self.variables.n_steps_left -= STEPS_WITHIN
        n_documents, around, self.variables.redirected = len(self.variables.documents), self.variables.redirected, ""
        try:
            parts = list(_parts_of(body, self.variables, is_windows=self.is_windows, depth=self.depth + 1))
        except UnreadableLine:
            return None
        file, self.variables.redirected = self.variables.redirected, around
        commands = [[piece.word for piece in part.pieces] for part in parts if part.pieces]
        operators = [part.operator for part in parts]
        is_changed = not _PIPES.isdisjoint(operators)
        told = None if is_changed else self.variables.substituted(commands[: _until_or(operators)])
        if not is_changed and commands in ([], [["cat"]]):  # ``$(cat <<EOF``, ``$(< file)``
            documents = self.variables.documents[n_documents:]
            told = documents[-1] if documents else self.variables.read(file) if file else told
        if told is None:
            self.variables.run_within += commands[: MOST_WITHIN - len(self.variables.run_within)]
        return told

    def _plain(self, text: str) -> str:
        """A text with its variables and without its quotes, as one word."""
        if self.depth >= _MOST_DEPTH:
            return text
        inner = _Splitter(text, self.variables, is_windows=self.is_windows, depth=self.depth + 1)
        parts: list[str] = []
        try:
            while inner.position < len(inner.text):
                before = inner.position
                parts.append(" ".join(inner._fields()))
                if inner.position == before:  # a blank, or what else ends a word
                    parts.append(text[before])
                    inner.position += 1
        except UnreadableLine:
            return text
        return "".join(parts)


def _until_or(operators: Sequence[str]) -> int:
    """How many of the commands are done that end so, where those succeed that are told."""
    return operators.index("||") + 1 if "||" in operators else len(operators)


def _parted(word: str) -> list[str]:
    """At its blanks, where it is not in quotes; what is not known stays together."""
    if not word or not is_unset(word):
        return re.split(r"\s+", word) if word else []
    return [*_edge(word[:1]), *_PART.findall(word), *_edge(word[-1:])]


def _edge(character: str) -> list[str]:
    """A blank there parts what it stands for from what stands beside it."""
    return [""] if character.isspace() else []


def _join(fields: list[str], more: Sequence[str]) -> None:
    """The first one goes on what is there."""
    if more:
        fields[-1] += more[0]
        fields.extend(more[1:])


def _closing(text: str, begin: int, closing: str) -> int:
    """Where what was opened is closed, others of its kind and quotes passed over; -1 where it is not."""
    opened = {"}": "{", ")": "(", "))": "("}[closing]
    depth, position = 0, begin
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "'" and (end := text.find("'", position + 1)) > 0:
            position = end
        elif depth == 0 and text.startswith(closing, position):
            return position
        elif character == opened:
            depth += 1
        elif character == closing[0]:
            depth -= 1
        position += 1
    return -1

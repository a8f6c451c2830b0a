"""A command as people post it, in words: without quotes, continued lines, prompts, remarks and redirections."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from launches.command import base_name
from launches.errors import UnreadableLine

MOST_CHARACTERS = 1 << 16

_CONTINUED = re.compile(r"[ \t]*[\\^`][ \t]*\r?\n[ \t]*(?:>[ \t])?")
"""A line goes on behind ``\\`` in a POSIX shell, ``^`` in cmd.exe and a backtick in PowerShell."""
_PROMPT = re.compile(
    r"^\s*(?:\([\w.-]{1,64}\)\s*)?(?:PS ?(?:[A-Za-z]:)?[^>\n]{0,200}>\s*|[A-Za-z]:\\[^>\n\"]{0,200}>\s*"
    r"|(?:[\w.-]{1,64}@[\w.-]{1,64}:|[~/])[^$#\s]{0,200}[$#]\s+|[$%#>][ \t]+|!(?=[\w./~]))"
)
_WINDOWS = re.compile(
    r"(?:^|[\s\"'=])(?:[A-Za-z]:\\|\.{1,2}\\)|\.exe\b|\w\\[\w. -]{1,200}\.gguf\b|\^\s*\n|`\s*\n|\$env:"
)
"""Where a backslash is part of a path and escapes nothing."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_ARITHMETIC = re.compile(r"\$\(\(\s*(\d{1,9})\s*([*+])\s*(\d{1,9})\s*\)\)")
"""``$((64 * 1024))``, as people write a context."""
_SETTING = frozenset({"export", "set", "setx", "declare"})
_POWERSHELL = re.compile(r"\$env:(\w+)\s*=\s*(.*)", re.IGNORECASE)
_BESIDE = frozenset(
    "cd pushd source . git cmake make echo mkdir ls cat pip chmod wget curl sleep ulimit unset conda module".split()
)
"""Commands before the one that is meant."""
_REDIRECTION = re.compile(r"\d?>{1,2}(?:&\d)?|\d?<(?![\w -]{1,40}>)|&>")
"""``<key>`` stands for something that a person left out."""


class Piece(NamedTuple):
    """A word, and where it stands in the text."""

    word: str
    start: int
    end: int


def words_of(text: str) -> list[str]:
    """The words of the first command that is not only preparation, with what was set before it as assignments.

    What follows an operator (``| tee``, ``> log``, ``&``) is left out.

    Raises:
        UnreadableLine: a quote is never closed, or it is too long.
    """
    return [piece.word for piece in pieces_of(text)[1]]


def pieces_of(text: str) -> tuple[str, list[Piece]]:
    """(the text without a prompt, and on one line where it was continued; the words as ``words_of``, by place in it).

    Raises:
        UnreadableLine: as ``words_of``.
    """
    if len(text) > MOST_CHARACTERS:
        raise UnreadableLine(f"a command of {len(text)} characters is too long to be one")
    is_windows = _WINDOWS.search(text) is not None
    text = _PROMPT.sub("", _CONTINUED.sub(" ", text.strip()))
    settings: list[Piece] = []
    for pieces in _commands_of(text, is_windows=is_windows):
        words = [piece.word for piece in pieces]
        if words[0] in _SETTING:
            settings += [piece for piece in pieces[1:] if "=" in piece.word]
        elif (found := _POWERSHELL.fullmatch(" ".join(words))) is not None:
            settings.append(Piece(f"{found[1]}={found[2]}", pieces[0].start, pieces[-1].end))
        elif _started(words) not in _BESIDE or words[:2] == ["conda", "run"]:
            return text, [*settings, *pieces]
    return text, settings


def _started(words: list[str]) -> str:
    """What a command starts, behind assignments."""
    return next((base_name(word) for word in words if not _ASSIGNMENT.match(word)), "")


def _commands_of(text: str, *, is_windows: bool) -> Iterator[list[Piece]]:
    """The words of each command: between ``&&``, ``;``, ``|`` and the ends of lines."""
    pieces: list[Piece] = []
    for piece in _Splitter(text, is_windows=is_windows).pieces():
        if piece is not None:
            pieces.append(piece)
        elif pieces:
            yield pieces
            pieces = []
    if pieces:
        yield pieces


class _Splitter:
    """One pass over the characters."""

    def __init__(self, text: str, *, is_windows: bool) -> None:
        self.text, self.is_windows = text, is_windows
        self.position = 0

    def pieces(self) -> Iterator[Piece | None]:
        """Words; None where a command ends."""
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in " \t\r()":
                self.position += 1
            elif (found := _REDIRECTION.match(self.text, self.position)) is not None:
                self._skip_redirection(found)
            elif character in "\n;|&":
                self.position += 1
                yield None
            elif character == "#" and (self.position == 0 or self.text[self.position - 1] in " \t\n"):
                end = self.text.find("\n", self.position)
                self.position = len(self.text) if end < 0 else end
            else:
                start = self.position
                yield Piece(self._word(), start, self.position)

    def _skip_redirection(self, found: re.Match[str]) -> None:
        """``> log`` with what it goes to."""
        self.position = found.end()
        if found[0][-1] in "<>":
            while self.text[self.position : self.position + 1] in (" ", "\t"):
                self.position += 1
            self._word()

    def _word(self) -> str:
        parts: list[str] = []
        depth = 0
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in "\"'":
                parts.append(self._quoted(character))
                continue
            if depth == 0 and character in " \t\r\n;|&":
                break
            if character == "(" and (depth or (parts and parts[-1] == "$")):
                depth += 1
            elif character == ")" and depth:
                depth -= 1
            if character == "\\" and not self.is_windows and self.position + 1 < len(self.text):
                self.position += 1
                character = self.text[self.position]
            parts.append(character)
            self.position += 1
        return _ARITHMETIC.sub(_reckoned, "".join(parts))

    def _quoted(self, quote: str) -> str:
        """To the closing quote."""
        self.position += 1
        parts: list[str] = []
        while self.position < len(self.text) and self.text[self.position] != quote:
            if quote == '"' and self.text[self.position] == "\\" and self._escapes():
                self.position += 1
            parts.append(self.text[self.position])
            self.position += 1
        if self.position >= len(self.text):
            raise UnreadableLine(f"the command cannot be taken apart (no closing {quote}); check its quotes")
        self.position += 1
        return "".join(parts)

    def _escapes(self) -> bool:
        """Whether a backslash between quotes is not itself meant; one at the end of a Windows path is."""
        following = self.text[self.position + 1 : self.position + 2]
        if not self.is_windows:
            return following in ('"', "\\", "$", "`") and following != ""
        behind = self.text[self.position + 2 : self.position + 3]
        return following == '"' and behind not in ("", " ", "\t", "\n") and '"' in self.text[self.position + 2 :]


def _reckoned(found: re.Match[str]) -> str:
    first, second = int(found[1]), int(found[3])
    return str(first * second if found[2] == "*" else first + second)

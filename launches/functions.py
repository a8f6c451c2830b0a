"""Functions of a shell's script: what nothing calls does nothing. POSIX.1-2024, "Shell Command Language", 2.9.5."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from launches.splitter import CommandReader, Piece

_HEAD = re.compile(r"(\w[\w-]{0,63})\(\)(\{?)")
_MOST_BETWEEN = 8
"""Characters of ``f ()`` behind its name (ASSUMED)."""


@dataclass(slots=True)
class Function:
    """One of them."""

    start: int
    end: int = 0
    """Where what it does begins, and behind its end."""


class Functions:
    """Those of one text, while its commands are taken in their order."""

    def __init__(self, reader: CommandReader, text: str) -> None:
        """Of none, before the first command.

        Args:
            reader: of the commands.
            text: that it reads.
        """
        self._reader, self._text = reader, text
        self._found: dict[str, Function] = {}
        self._skipped: Function | None = None
        """Whose end is looked for."""
        self._n_open = 0
        """Of its braces."""
        self._head = ""
        """A name on a line of its own, below which it begins."""

    def named(self, name: str) -> Function | None:
        """None where there is no such function."""
        return self._found.get(name)

    def skips(self, pieces: Sequence[Piece]) -> bool:
        """Whether these words stand in a function, which does nothing where it stands."""
        if self._skipped is None:
            return False
        for piece in pieces:
            self._n_open += piece.word == "{" or piece.word.endswith("(){")
            self._n_open -= piece.word == "}"
        self._skipped.end = self._reader.position
        if self._n_open <= 0:
            self._skipped = None
        return True

    def begins(self, pieces: Sequence[Piece], first: int, *, is_passed: bool) -> bool:
        """Whether one begins at that word; then it and what stands behind it are passed over.

        Args:
            pieces: of the command.
            first: of which word.
            is_passed: it is not reached, and defines nothing.
        """
        words = [piece.word for piece in pieces[first : first + 3]]
        name, n = self._head, 0
        self._head = ""
        if not name or words[0] != "{":
            name, n = self._named(words, pieces[first : first + 2])
            if not name:
                return False
            if not (words[n - 1].endswith("{") or words[n : n + 1] == ["{"]):
                self._head = name if first + n == len(pieces) else ""
                return self._head != ""
            n -= words[n - 1].endswith("{")
        behind = first + n + 1
        start = pieces[behind].start if behind < len(pieces) else self._reader.position
        self._skipped = Function(start)
        if not is_passed:
            self._found[name] = self._skipped
        self._n_open = 1
        self.skips(pieces[behind:])
        return True

    def _named(self, words: Sequence[str], pieces: Sequence[Piece]) -> tuple[str, int]:
        """(name, words of the head but for a brace of its own); empty where it is none."""
        if words[0] == "function" and len(words) > 1:
            found = _HEAD.fullmatch(words[1])
            return (found[1], 2) if found is not None else (words[1].removesuffix("{"), 2)
        if (found := _HEAD.fullmatch(words[0])) is not None:
            return found[1], 1
        end = pieces[1].start if len(pieces) > 1 else self._reader.position
        between = self._text[pieces[0].end : min(end, pieces[0].end + _MOST_BETWEEN)]
        is_head = words[1:2] in ([], ["{"]) and "".join(between.split()) == "()"
        return (words[0], 1) if is_head else ("", 0)

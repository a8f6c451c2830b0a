"""Where the commands of a posted text start: behind ``cd``, and within the parentheses of a subshell."""

import os
import re
from collections.abc import Sequence

from launches.splitter import Piece
from launches.variables import is_unset

_CHANGING = frozenset({"cd", "chdir", "pushd", "Set-Location", "sl", "WORKDIR"})
_UNIT = re.compile(r"^[ \t]*WorkingDirectory=-?(\S[^\r\n]{0,1000})$", re.MULTILINE)
_EXEC = re.compile(r"^[ \t]*Exec(?:Start)?=", re.MULTILINE)
_WINDOWS_OPTIONS = frozenset({"/d", "/D", "-Path", "-LiteralPath", "--", "-P", "-L"})


class Folders:
    """The folder as the text changes it, command by command."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._outer: list[tuple[int, str]] = []
        """(where a subshell ends, the folder around it)."""
        self._folder = _unit_folder(text)
        self._before = ""
        self._found: dict[int, int] | None = None
        """As ``_closings``; None until it is asked for."""

    def words(self, pieces: Sequence[Piece], *, is_sure: bool) -> tuple[str, ...]:
        """``env -C FOLDER``, in front of a command of these words; none where it starts where the text does.

        Args:
            pieces: of the next command, in the text's order.
            is_sure: it is done in any case, and not only under a condition.
        """
        start = pieces[0].start
        while self._outer and start > self._outer[-1][0]:
            self._folder = self._outer.pop()[1]
        if (end := self._subshell_end(start)) > 0:
            self._outer.append((end, self._folder))
        if pieces[0].word in _CHANGING:
            if is_sure:
                self._change([piece.word for piece in pieces[1:] if piece.word not in _WINDOWS_OPTIONS])
            return ()
        if pieces[0].word == "popd":
            self._folder = self._before
        return ("env", "-C", self._folder) if self._folder else ()

    def _change(self, operands: Sequence[str]) -> None:
        if len(operands) != 1 or is_unset(operands[0]) or operands[0] == "-":
            return
        self._before = self._folder
        operand = operands[0].rstrip("\\") or operands[0]
        self._folder = os.path.normpath(os.path.join(self._folder, operand))
        if self._folder == ".":
            self._folder = ""

    def _subshell_end(self, start: int) -> int:
        """Where the parenthesis closes that stands before a command; 0 where there is none."""
        first = start - 1
        while first >= 0 and self._text[first].isspace():
            first -= 1
        if first < 0 or self._text[first] != "(" or self._text[max(0, first - 1) : first] in ("$", "="):
            return 0
        return self._closings().get(first, 0)

    def _closings(self) -> dict[int, int]:
        """Where each parenthesis closes, by where it opens: found once, however many there are."""
        if self._found is None:
            self._found = {}
            opened: list[int] = []
            for position, character in enumerate(self._text):
                if character == "(":
                    opened.append(position)
                elif character == ")" and opened:
                    self._found[opened.pop()] = position
        return self._found


def _unit_folder(text: str) -> str:
    """That of a unit of systemd, where it does not matter which line comes first; %h is its person's home there."""
    found = _UNIT.findall(text) if _EXEC.search(text) is not None else []
    path = found[-1].strip().replace("%h", "~") if found else ""
    return "" if is_unset(path) or "%" in path else path

"""Functions of a shell's script: what nothing calls does nothing. POSIX.1-2024, "Shell Command Language", 2.9.5."""

import re
from functools import cached_property

from launches.splitter import Piece

_HEAD = re.compile(r"(?:function (\w{1,64})(?: ?\(\))? ?\{|(\w{1,64}) ?\(\) ?\{)(?= |$)")
"""In words: ``f() {``, ``f(){``, ``function f {``."""
_MOST_HEAD = 4
"""Words of it."""
_MENTIONED = re.compile(r"(?<![\w./-])\w{1,64}(?![\w./-]|\s{0,8}\(\s{0,8}\)|\s{0,8}\{)")
"""A word that is no head."""


class Functions:
    """Those of one text, while its commands are taken in their order."""

    def __init__(self, text: str) -> None:
        """Of none, before the first command."""
        self.text = text
        self._n_open = 0
        """Braces of a function that nothing calls."""

    def called(self, pieces: list[Piece]) -> list[Piece]:
        """A command without the head of a function; nothing where it stands in one whose name stands nowhere else."""
        if not self._n_open:
            head = _HEAD.match(" ".join(piece.word for piece in pieces[:_MOST_HEAD]))
            if head is None:
                return pieces
            if (head[1] or head[2]) in self._mentioned:
                return pieces[head[0].count(" ") + 1 :]
        for piece in pieces:
            self._n_open += piece.word == "{" or piece.word.endswith("(){")
            self._n_open -= piece.word == "}"
        return []

    @cached_property
    def _mentioned(self) -> frozenset[str]:
        return frozenset(_MENTIONED.findall(self.text))

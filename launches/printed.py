"""What a command prints whose text stands in its words, or in a file: ``echo``, ``printf``, ``cat``."""

import re
from collections.abc import Callable, Sequence

MOST_CHARACTERS = 1 << 16
_ECHO_OPTION = re.compile(r"-[neE]{1,3}")
_ESCAPE = re.compile(r"\\([nt\\\"'])")
_ESCAPED = {"n": "\n", "t": "\t"}
_FORMAT = re.compile(r"%(?:-?\d{0,3})([sbdq%])")
_MOST_ROUNDS = 64
"""Of a format over its words (ASSUMED bound)."""


def printed_by(words: Sequence[str], read: Callable[[str], str | None]) -> str | None:
    """None where it is another command, or a file of it cannot be read.

    Args:
        words: of the command.
        read: the text of a file; None where there is none.
    """
    name, rest = words[0].rpartition("/")[2], words[1:]
    if name == "echo":
        n = next((number for number, word in enumerate(rest) if not _ECHO_OPTION.fullmatch(word)), len(rest))
        text = " ".join(rest[n:])
        return (_unescaped(text) if any("e" in word for word in rest[:n]) else text)[:MOST_CHARACTERS]
    if name == "printf":
        rest = rest[1:] if rest[:1] == ["--"] else rest
        return _formatted(rest[0], rest[1:]) if rest and not rest[0].startswith("-v") else None
    if name == "cat":
        texts = [read(path) for path in rest if path not in ("-u", "--")]
        return "".join(text or "" for text in texts)[:MOST_CHARACTERS] if texts and None not in texts else None
    return None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text)


def _formatted(form: str, words: Sequence[str]) -> str:
    """POSIX.1-2024, "printf": the format is used again as long as words are left."""
    form = _unescaped(form)
    left = list(words)
    parts = []
    for _ in range(_MOST_ROUNDS):
        before = len(left)
        parts.append(_FORMAT.sub(lambda found: _next(found[1], left), form))
        if not left or len(left) == before:
            break
    return "".join(parts)[:MOST_CHARACTERS]


def _next(kind: str, left: list[str]) -> str:
    if kind == "%":
        return "%"
    word = left.pop(0) if left else ""
    return _unescaped(word) if kind == "b" else word

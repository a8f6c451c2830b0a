"""The commands that ``xargs`` makes of a text that is known: GNU findutils, xargs(1); POSIX.1-2024, "xargs"."""

import re
import shlex
from collections.abc import Sequence

from launches.wrappers import base_name, behind_wrapper

_MOST_COMMANDS = 16
"""Of one text (ASSUMED bound)."""
_MOST_DIGITS = 12
"""Of a number of items, which no text has (ASSUMED bound)."""
_MOST_BEFORE = 6
"""Words before it (ASSUMED)."""


def is_beside(words: Sequence[str]) -> bool:
    """Whether it starts several at a time."""
    return any(re.fullmatch(r"-P0|-P[2-9]|-P\d\d+", word) for word in _joined(words, ("-P", "--max-procs")))


def made_of(words: Sequence[str], text: str) -> list[list[str]] | None:
    """Each command; None where it is no ``xargs``, or makes more than are looked at.

    Args:
        words: of the command, what stands before it included.
        text: that it reads.
    """
    first = next((n for n, word in enumerate(words[:_MOST_BEFORE]) if base_name(word) == "xargs"), None)
    if first is None:
        return None
    start = behind_wrapper("xargs", words, first + 1).position
    options, command = words[first + 1 : start], list(words[start:])
    if any(word.startswith(("-a", "--arg-file")) for word in options) or not command:
        return None
    sign = _sign(options)
    items = _items(text, options, by_line=bool(sign) or any(word.startswith(("-L", "-l")) for word in options))
    n_each = 1 if sign else _count(options)
    groups = [items[n : n + n_each] for n in range(0, len(items), n_each)] if n_each else [items] if items else []
    if len(groups) > _MOST_COMMANDS:
        return None
    if sign:
        return [[word.replace(sign, group[0]) for word in command] for group in groups]
    return [[*command, *(word for item in group for word in item.split())] for group in groups]


def _sign(options: Sequence[str]) -> str:
    """What stands for an item."""
    for number, word in enumerate(options):
        if word == "-I":
            return "".join(options[number + 1 : number + 2])
        if word.startswith(("-I", "--replace=", "-i")):
            return word.removeprefix("--replace=").removeprefix("-I").removeprefix("-i") or "{}"
        if word == "--replace":
            return "{}"
    return ""


def _count(options: Sequence[str]) -> int:
    """Items of one command; 0: all."""
    told = [word[2:] for word in _joined(options, ("-n", "-L", "--max-args", "--max-lines"))]
    return next((int(word[:_MOST_DIGITS]) for word in told if word.isdecimal()), 0)


def _joined(words: Sequence[str], flags: Sequence[str]) -> list[str]:
    """``-n 1``, ``-n1`` and ``--max-args=1``, as ``-n1``; the letter is the first flag's."""
    found = []
    for word, following in zip(words, (*words[1:], ""), strict=False):
        for flag in flags:
            if word == flag:
                found.append(flags[0] + following)
            elif word.startswith(f"{flag}=" if flag.startswith("--") else flag):
                found.append(flags[0] + word[len(flag) :].removeprefix("="))
    return found


def _items(text: str, options: Sequence[str], *, by_line: bool) -> list[str]:
    parted = next((word[2:] for word in _joined(options, ("-d", "--delimiter"))), "")
    if parted:
        return [item for item in text.split(parted.replace("\\n", "\n").replace("\\0", "\0")) if item.strip()]
    if by_line:
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()

"""A command in one word of a shell: ``bash -c "pip install x && vllm serve a/b"``."""

from collections.abc import Sequence

from launches.errors import UnreadableLine
from launches.line import words_of

SHELLS = frozenset({"bash", "sh", "zsh", "dash", "ash", "ksh"})


def script_index(arguments: Sequence[str]) -> int | None:
    """Which word stands behind ``-c``; None where the shell reads a file, or asks.

    Options stand before it, some of them together: ``-lc``, ``-euo pipefail -c`` (POSIX.1-2024, sh).
    """
    is_command = False
    position = 0
    while position < len(arguments):
        word = arguments[position]
        if len(word) < 2 or word[0] not in "-+":
            return position if is_command else None
        if not word.startswith("--"):
            is_command = is_command or (word[0] == "-" and "c" in word)
            position += word[1:].count("o") + word[1:].count("O")
        position += 1
    return None


def commanded(script: str) -> tuple[str, ...]:
    """The words of the command that counts in it; none where no shell would take it."""
    try:
        return tuple(words_of(script))
    except UnreadableLine:
        return ()

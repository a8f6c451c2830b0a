"""A command in one word of a shell: ``bash -c "pip install x && vllm serve a/b"``."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from launches.command import Command
from launches.errors import UnreadableLine
from launches.line import posted

SHELLS = frozenset({"bash", "sh", "zsh", "dash", "ash", "ksh"})
_COMMANDS = {
    "su": ("-c", "--command"),
    "script": ("-c", "--command"),
    "runuser": ("-c", "--command"),
    "nix-shell": ("--run", "--command"),
    "env": ("-S", "--split-string"),
    "cmd": ("/c", "/C", "/k", "/K"),
    "pwsh": ("-c", "-Command"),
    "powershell": ("-c", "-Command"),
}
"""Other programs that are given a command in one word, and behind which."""
_TMUX = frozenset("new new-session new-window neww split-window splitw respawn-pane send-keys send".split())
"""Commands of tmux whose last word is a shell's."""
_MOST_POSITIONAL = 64
"""Words behind a script that are known in it as ``$1``, ``$2`` (ASSUMED bound)."""
_KEYS = frozenset({"Enter", "ENTER", "C-m", "KPEnter"})


def script_index(name: str, arguments: Sequence[str]) -> int | None:
    """Which word is a shell's command; None where there is none."""
    if name in SHELLS:
        return _behind_options(arguments)
    if name == "tmux" and not _TMUX.isdisjoint(arguments):
        left = [number for number, word in enumerate(arguments) if word not in _KEYS]
        return left[-1] if " " in arguments[left[-1]] else None
    if name == "eval":
        return 0 if len(arguments) == 1 else None
    behind = _COMMANDS.get(name, ())
    return next((n + 1 for n, word in enumerate(arguments[:-1]) if word in behind), None)


def _behind_options(arguments: Sequence[str]) -> int | None:
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


def known_in(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Mapping[str, str]:
    """What the shell's command finds set: the words behind it too, from ``$0`` on (POSIX.1-2024, sh).

    Args:
        name: of the program that is given a command in one word.
        arguments: its own.
        environment: what it finds set itself.
    """
    index = script_index(name, arguments) if name in SHELLS else None
    if index is None:
        return environment
    behind = arguments[index + 1 : index + 1 + _MOST_POSITIONAL]
    return {**environment, **{str(number): word for number, word in enumerate(behind)}}


def commanded(script: str, environment: Mapping[str, str]) -> Command:
    """The command that counts in it; of no words where no shell would take it.

    Args:
        script: as a shell is given it.
        environment: what that shell finds set.
    """
    return _commanded(script, tuple(environment.items()))


@lru_cache(maxsize=16)  # shells within shells are asked for again and again, three times as often at each level
def _commanded(script: str, environment: tuple[tuple[str, str], ...]) -> Command:
    try:
        return posted(script, dict(environment))
    except UnreadableLine:
        return Command(arguments=())

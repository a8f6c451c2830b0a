"""A line as it was typed or posted, into words: quotes, continued lines, pipes, and Windows' paths."""

import re
import shlex
from collections.abc import Iterator

from launches.errors import UnreadableLine

MOST_CHARACTERS = 1 << 16
_CONTINUED = re.compile(r"[ \t]*(?:\\|\^|`)[ \t]*\r?\n[ \t]*")
"""By sh, by Windows' cmd, by PowerShell."""
_PROMPT = re.compile(r"\A(?:\$|#|>|PS [^>\n]{0,200}>|[A-Z]:\\[^>\n]{0,200}>)\s+")
_DESCRIPTOR = re.compile(r"(?<=\s)[0-9](?=[<>])")
"""The 2 of ``2>&1``, which is no word."""
_WINDOWS = re.compile(r"(?:^|[\s\"'=])(?:[A-Za-z]:\\|\.{1,2}\\|[\w.-]+\\[\w.-]+)|\.exe\b")
"""A path of Windows: there a backslash is a separator, not a quote."""
_OPERATORS = frozenset("()<>|&;")
_BEFORE = frozenset(
    {"cd", "pushd", "source", ".", "set", "ulimit", "mkdir", "echo", "sleep", "unset", "conda", "module"}
)
"""What people type in the same line before the command that counts."""


def words_of(text: str) -> list[str]:
    """The words of the first command that is not only preparation; ``export A=b`` before it becomes an assignment.

    What follows an operator (``| tee``, ``> log``, ``&``) is left out.

    Raises:
        UnreadableLine: a quote is never closed, or it is too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise UnreadableLine(f"a command of {len(text)} characters is too long to be one")
    joined = _DESCRIPTOR.sub("", _PROMPT.sub("", _CONTINUED.sub(" ", text.strip())))
    assignments: list[str] = []
    for words in _commands(joined):
        if words[0] == "export":
            assignments += [word for word in words[1:] if "=" in word]
        elif words[0] not in _BEFORE or words[:2] == ["conda", "run"]:
            return [*assignments, *words]
    return assignments


def _commands(text: str) -> Iterator[list[str]]:
    """One simple command after another, without what is redirected."""
    reader = shlex.shlex(text, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    reader.commenters = ""
    if _WINDOWS.search(text):
        reader.escape = ""
    words: list[str] = []
    is_target = False
    try:
        for word in reader:
            if not word or not _OPERATORS.issuperset(word):
                if not is_target:
                    words.append(word)
                is_target = False
            elif "<" in word or ">" in word:
                is_target = True
            elif words:
                yield words
                words = []
    except ValueError as error:
        raise UnreadableLine(f"the command cannot be taken apart ({str(error).lower()}); check its quotes") from error
    if words:
        yield words

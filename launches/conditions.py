"""What a shell's test comes to, where all that it compares is known: ``[ "$BIG" = 1 ]``, ``[[ -n $X ]]``.

POSIX.1-2024, "test"; bash(1), "Conditional Expressions". Of files, patterns and what commands print nothing is told.
"""

import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

_ENDS: Mapping[str, str] = MappingProxyType({"[": "]", "[[": "]]", "test": ""})
_ALWAYS: Mapping[str, bool] = MappingProxyType({"true": True, ":": True, "false": False})
_ALIKE: Mapping[str, Callable[[str, str], bool]] = MappingProxyType(
    {"=": operator.eq, "==": operator.eq, "!=": operator.ne}
)
_COUNTED: Mapping[str, Callable[[int, int], bool]] = MappingProxyType(
    {
        "-eq": operator.eq,
        "-ne": operator.ne,
        "-gt": operator.gt,
        "-lt": operator.lt,
        "-ge": operator.ge,
        "-le": operator.le,
    }
)
_NUMBER = re.compile(r"-?\d{1,9}")
_UNKNOWN = re.compile(r"[$`*?\[\]~\\]")
"""In a word: a variable of which nothing is known, or a pattern."""
_ALONE = re.compile(r"\$(?:\{(\w{1,100})\}|(\w{1,100}))")
_ASKED = re.compile(r"\$\{?(\w+|.)")


def outcome(
    words: Sequence[str],
    written: str,
    unsure: Collection[str],
    is_empty: Callable[[str], bool] = lambda name: False,  # noqa: ARG005  # of no name
) -> bool | None:
    """Whether it holds; None where that is not known, or it is no test.

    Args:
        words: of the command, its variables replaced.
        written: the same as it stands in the script.
        unsure: names of variables that nobody knows to hold what they are replaced by.
        is_empty: whether a variable of this name is surely not set.
    """
    if len(words) == 1 and words[0] in _ALWAYS:
        return _ALWAYS[words[0]]
    if not words or words[0] not in _ENDS or "`" in written:
        return None
    if any(name in unsure or not re.match(r"[\w#]", name) for name in _ASKED.findall(written)):
        return None
    end = _ENDS[words[0]]
    if end and words[-1] != end:
        return None
    told = words[1:-1] if end else words[1:]
    if words[0] == "[[" or '"' in written:  # else it is no word at all
        told = ["" if (found := _ALONE.fullmatch(word)) and is_empty(found[1] or found[2]) else word for word in told]
    if any(_UNKNOWN.search(word) for word in told):
        return None
    if len(told) == 2 and told[0] in ("-n", "-z"):
        return bool(told[1]) == (told[0] == "-n")
    if len(told) != 3:
        return None
    one, how, two = told
    if how in _ALIKE:
        return _ALIKE[how](one, two)
    is_counted = how in _COUNTED and _NUMBER.fullmatch(one) and _NUMBER.fullmatch(two)
    return _COUNTED[how](int(one), int(two)) if is_counted else None

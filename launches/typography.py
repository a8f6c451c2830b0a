"""What pages, word processors and chats make of a command that is pasted into them, undone.

``--`` becomes a dash and quotes become curly (developer.wordpress.org, "wptexturize", and word processors alike); ends
of lines are lost or doubled; blanks do not break.
"""

import re

_BLANKS = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_NOTHING = re.compile(r"[\u200b-\u200d\u2060\ufeff]")
"""Without a width."""
_DOUBLE = re.compile(r"[“”„]([^“”„\n\"]{0,4000})[“”]")
_SINGLE = re.compile(r"(?<!\w)‘([^‘’\n']{0,4000})’")
_DASH = re.compile(r"(?<![^\s\"'`(])[–—−]{1,2}([A-Za-z][\w-]*)")
_REMARKED = re.compile(r"(?<=[ \t])\\[ \t]+#[^\n]*(?=\n)")
"""``\\  # why`` at the end of a line that goes on: a shell would end the command there."""
_DOUBLED = re.compile(r"(?<=[ \t])\\[ \t]*\n(?:[ \t]*\n)+(?=[ \t]*-)")
_LOST = re.compile(r"(?<=[ \t])\\[ \t]+(?=[^\s#])")
"""Where a line ended before all were put on one."""

_UNMARKED = re.compile(r"(?<=[^\s\\^`>|:,(\[{#])[ \t]*\n[ \t]*(?=--?[A-Za-z][\w-]*(?:[ =\t\n]|\Z))")
"""A line of options alone: a shell starts nothing whose name begins with a dash."""


def as_typed(text: str) -> str:
    """The text of a page as it was in the terminal."""
    if not text.isascii():
        text = _NOTHING.sub("", _BLANKS.sub(" ", text))
        text = _SINGLE.sub(r"'\1'", _DOUBLE.sub(r'"\1"', text))
        text = _DASH.sub(_dashed, text)
    text = _LOST.sub("", _DOUBLED.sub("\\\\\n", _REMARKED.sub("\\\\", text)))
    return _UNMARKED.sub(_joined, text)


def _joined(found: re.Match[str]) -> str:
    """On one line with what stands before it, where that has no remark."""
    before = found.string[found.string.rfind("\n", 0, found.start()) + 1 : found.start()]
    return found[0] if "#" in before else " "


def _dashed(found: re.Match[str]) -> str:
    """With one dash where llama.cpp has such a name: ``-ngl``."""
    from launches.llama_table import flags_of  # noqa: PLC0415  # which few texts need

    name = f"-{found[1]}"
    is_short = len(name) == 2 or any(name in flag.names for flag in flags_of(is_fork=True))
    return name if is_short else f"-{name}"

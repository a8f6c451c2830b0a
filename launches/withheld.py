"""What is named as not understood, without what may be a secret: a report is posted, and a token in it is lost."""

import re

from launches.told import CUT, LONG_WORD, NAME_PART, TOKEN, is_number_of_tokens, told

NAMELESS = "a line that begins with no key"
_NAME = re.compile(rf"(?i){NAME_PART}")
"""Misspelt flags are what is not understood."""
_TOKEN = re.compile(rf"{TOKEN}|://[^/@\s]+:[^/@\s]+@|{LONG_WORD}")
_VARIABLE = re.compile(r"\$\{?\w{1,60}\}?")
"""That nothing says: harmless, of any flag."""
_PARTED = re.compile(r"(-[\w.-]{0,80})([ =])(.*)", re.DOTALL)
_WITHIN = re.compile(r"(?<!\S)-[\w.-]{1,80}[ =]\S{1,400}")
"""The same among other words."""
_KEY = re.compile(r"(?:-\s+)?[\"']?([A-Za-z_][\w.-]{0,59})[\"']?\s*[:=]")


def withheld(word: str) -> str:
    """A word, or a flag with its value; the value left out where it may be a secret."""
    found = _PARTED.fullmatch(word)
    if found is not None and (_VARIABLE.fullmatch(found[3]) or is_number_of_tokens(word)):
        return word
    if found is not None and (_NAME.search(found[1]) or _TOKEN.search(found[3])):
        return f"{found[1]}{found[2]}{CUT}"
    return word if found is not None else told((_WITHIN.sub(lambda each: withheld(each[0]), word),))


def key_of(line: str) -> str:
    """What a line of settings sets, never to what."""
    found = _KEY.match(line)
    return NAMELESS if found is None else withheld(found[1])

"""Words into numbers as C++ reads them, and what an engine would refuse of them."""

import re
from dataclasses import dataclass, field

from launches.variables import is_unset
from launches.words import Given

_WHOLE = re.compile(r"\s*([+-]?\d{1,10})")
_REAL = re.compile(r"\s*([+-]?(?:\d{1,32}\.?\d{0,32}|\.\d{1,32})(?:[eE][+-]?\d{1,2})?)")
_MOST = (1 << 31) - 1


@dataclass(slots=True)
class Values:
    """A command's values, as they are asked for one after another; what is no value is remembered as a refusal."""

    given: Given
    refusals: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    is_older: bool = False
    """The build is known to be none of the newest."""
    unread: list[str] = field(default_factory=list)
    """Flags whose value is a variable that nothing says, each with it."""

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is not understood, and may move memory."""
        return (*self.given.unknown, *dict.fromkeys(self.unread), *self.given.positionals)

    def told(self, flag: str) -> str | None:
        """The value given last; a variable that nothing says is named, and counts as not given."""
        text = self.given.last(flag)
        if text is None or not is_unset(text):
            return text
        if flag != "--port":  # it moves no memory
            self.unread.append(f"{flag} {text[:60]}")
        return None

    def whole(self, flag: str, default: int, *, least: int | None = None) -> int:
        """As `std::stoi` reads it: what begins with a number is one, so that ``32k`` is 32."""
        text = self.told(flag)
        if text is None:
            return default
        found = _WHOLE.match(text)
        if found is None or abs(int(found[1])) > _MOST:
            self.refuse(f"{flag} takes a number, not {text!r}")
            return default
        value = int(found[1])
        if least is not None and value < least:
            self.refuse(f"{flag} takes {least} or more, not {value}")
            return default
        if found[0] != text.rstrip():
            self.doubts.append(f"of {flag} {text!r} only {value} is read")
        return value

    def reals(self, flag: str, separators: str) -> tuple[float, ...]:
        """A list of numbers, ``3,1`` or ``3/1``."""
        text = self.told(flag)
        if text is None:
            return ()
        numbers = []
        for part in re.split(f"[{separators}]+", text)[:256]:
            found = _REAL.match(part)
            if found is None:
                self.refuse(f"{flag} takes numbers with commas between, not {text!r}")
                return ()
            numbers.append(float(found[1]))
        return tuple(numbers)

    def one_of(self, flag: str, choices: tuple[str, ...], default: str) -> str:
        """A word of a closed list."""
        text = self.told(flag)
        if text is None:
            return default
        if text not in choices:
            self.refuse(f"{flag} takes {', '.join(choices)}, not {text!r}")
            return default
        return text

    def refuse(self, sentence: str) -> None:
        """The engine would not start so."""
        self.refusals.append(sentence)

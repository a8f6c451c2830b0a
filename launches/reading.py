"""Values of flags as numbers and choices; what the engine would not take is kept as the reason why it would refuse."""

import math
from collections.abc import Callable, Sequence

from launches.uncounted import Uncounted
from launches.variables import is_unset
from launches.words import Given

_SHOWN = 60


class Reading:
    """A command line that is taken apart, read value by value."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.refusals: list[str] = list(given.refusals)
        self.doubts: list[str] = []
        self.unread: list[str] = []
        """Flags whose value is a variable that nothing says, each with it."""

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is not understood, and may move memory."""
        return (*self.given.unknown, *dict.fromkeys(self.unread))

    @property
    def refusal(self) -> str:
        """Why it would not start; empty where nothing speaks against it."""
        return self.refusals[0] if self.refusals else ""

    def word(self, flag: str) -> str | None:
        """The value given last; None too where it says that there is none."""
        found = self.given.last(flag)
        return None if found is None or found.strip().casefold() in ("", "none", "null") else found.strip()

    def told(self, flag: str) -> str | None:
        """As ``word``, where it has to be a value; a variable that nothing says is named, and counts as not given."""
        text = self.word(flag)
        if text is None or not is_unset(text):
            return text
        self.unread.append(f"{flag} {text[:_SHOWN]}")
        return None

    def surplus(self, n_named: int) -> tuple[str, ...]:
        """Words that are no flags beyond those that have a name; variables among them are named as unknown."""
        found = self.given.positionals[n_named:]
        self.unread += [word[:_SHOWN] for word in found if is_unset(word)]
        return tuple(word for word in found if not is_unset(word))

    def whole(self, flag: str, *, minimum: int = 1, parse: Callable[[str], int] = int) -> int | None:
        """A whole number; None where it is not given, or none."""
        text = self.told(flag)
        if text is None:
            return None
        try:
            number = parse(text) if len(text) < 40 else None
        except (ValueError, OverflowError):
            number = None
        if number is None or number < minimum:
            self.refuse(flag, text, f"takes a whole number from {minimum} on")
            return None
        return number

    def fraction(
        self, flag: str, *, least: float = 0.0, most: float = math.inf, takes_least: bool = True
    ) -> float | None:
        """A number with or without a fraction."""
        text = self.told(flag)
        if text is None:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or not least <= number <= most or (number == least and not takes_least):
            shown = f"from {least:g} to {most:g}" if most < math.inf else f"from {least:g} on"
            self.refuse(flag, text, f"takes a number {shown}")
            return None
        return number

    def choice(self, flag: str, choices: Sequence[str]) -> str | None:
        """One of a closed list."""
        text = self.told(flag)
        if text is None or text in choices:
            return text
        self.refuse(flag, text, f"takes one of {', '.join(choices)}")
        return None

    def is_on(self, flag: str, *, unset: bool = False) -> bool:
        """A switch."""
        found = self.given.is_on(flag)
        return unset if found is None else found

    def refuse(self, flag: str, text: str, reason: str) -> None:
        """It would not start so."""
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        self.refusals.append(f"{flag} {reason}, not {shown!r}")

    def doubt_stored(self, method: str, source: str, engine: str, *, when: bool) -> None:
        """Of a method that names how a checkpoint is stored (``awq``), where the checkpoint's name does not say so."""
        kind = method.partition("_")[0].partition("-")[0]
        is_said = not kind or kind in source.casefold() or (kind == "awq" and "w4a16" in source.casefold())
        self.doubt(
            f"--quantization {method[:20]} is for a checkpoint stored so; {engine} would not start with another",
            when=when and not is_said and not is_unset(source),
        )

    def leave_out(self, sentence: str, *, when: bool = True) -> None:
        """Memory that it takes, or may take, and that is not counted."""
        self.doubt(Uncounted(sentence), when=when)

    def doubt(self, sentence: str, *, when: bool = True) -> None:
        """Something that is not counted, or not sure."""
        if when:
            self.doubts.append(sentence)


def address_of(reading: Reading, host: str, port: int) -> tuple[str, int]:
    """(host, port) by ``--host`` and ``--port``, else these."""
    text = reading.word("--port")
    number = None if text is None or is_unset(text) else reading.whole("--port", minimum=0)
    return reading.word("--host") or host, port if number is None else number

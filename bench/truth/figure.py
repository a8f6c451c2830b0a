"""What a replay yields: figures beside estimates, verdicts beside what happened, and what could not be replayed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from estimator.verdict import Level


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of one row at one place."""

    row: str
    """Its id."""
    engine: str
    family: str
    """The model's architecture."""
    place: str
    part: str
    """``weights``, ``KV``, ``compute``, ``total``, or what an engine answers beside bytes: ``KV tokens``."""
    measured: float
    expected: float
    low: float
    high: float
    unit: str = "MiB"
    cause: str = ""
    """What of the row makes this figure less sure, or is likely behind an error."""
    rounding: float = 0.0
    """Half of the last digit that the source printed: within it nothing can be told apart."""

    whole: float | None = None
    """What of the same would fill the device, for figures that are shares of it."""

    @property
    def error(self) -> float:
        """Relative, positive where the estimate is too high; 0 where the printed digits agree."""
        off = self.expected - self.measured
        if abs(off) <= self.rounding:
            return 0.0
        return off / max(self.measured, self.rounding, 1e-9)

    @property
    def is_in_band(self) -> bool:
        return self.low - self.rounding <= self.measured <= self.high + self.rounding

    @property
    def band(self) -> float:
        """Half the band's width, as a share of the device where that is known, and of the estimate elsewhere."""
        return (self.high - self.low) / 2 / max(self.whole or self.expected, 1e-9)


LACKING_ROOM = ("oom", "partial")
"""Outcomes that say how little room there was. One that a server refuses by its own share of the card is none."""
UNSTATED_ROOM = "room was lacking, and how much there was is not stated"
"""Such a row agrees with any verdict: others may have held the rest. One that loaded is judged on the empty card, the
most favourable case; to be said to fail there is wrong in any."""


@dataclass(frozen=True, kw_only=True)
class Happening:
    """A verdict beside what happened."""

    row: str
    engine: str
    outcome: str
    """``loaded``, ``partial`` where the engine itself left layers in RAM, ``oom``."""
    level: Level
    detail: str

    @property
    def is_wrong(self) -> bool:
        """A load that failed or was cut and was said to fit, or one that worked and was said to fail."""
        if self.outcome == "oom":
            return self.level is Level.FITS
        if self.outcome == "partial":
            return self.level in (Level.FITS, Level.FAILS)
        return self.level is Level.FAILS


@dataclass(kw_only=True)
class Replay:
    """All of one file."""

    n_rows: int = 0
    figures: list[Figure] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    """By reason: rows, or parts of rows, that were not compared."""
    sources: dict[str, str] = field(default_factory=dict)
    """Where each row was published."""

    def skip(self, reason: str) -> None:
        self.skipped[reason] += 1

    def add(self, other: "Replay") -> None:
        self.n_rows += other.n_rows
        self.figures += other.figures
        self.happenings += other.happenings
        self.skipped += other.skipped
        self.sources |= other.sources


class NotReplayable(Exception):  # it says what the row is, and is no failure of ours
    """The row does not state what a replay needs, or nothing here knows its model; the message is the reason."""


Row = Mapping[str, Any]

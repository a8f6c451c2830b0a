"""When loads that were watched began, came to rest and ended: marks for the history."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from records.record import record
from tui.recognised import Phase
from tui.widgets.engine_text import engine_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.recognised import Recognised

_MOST_MARKS = 256
"""Kept; a day of a server that loads a model every 17 minutes has so many of three kinds."""


class Turn(Enum):
    """What happened, by the sign that stands for it."""

    BEGAN = "▸"
    RESTED = "▪"
    ENDED = "◂"


@record(frozen=True, slots=True, kw_only=True)
class Mark:
    """One moment of one load."""

    taken_seconds: float
    turn: Turn
    name: str
    """The model, or the program; safe to show."""
    places: frozenset[str]
    """Labels of the devices that it is on, or that of the RAM where it is on none."""


@dataclass(slots=True)
class _Seen:
    first_seconds: float
    is_from_start: bool
    """It was not there when watching began."""
    name: str = ""
    places: frozenset[str] = frozenset()
    was_loading: bool = False
    is_told: bool = False
    """Its beginning is marked, or was not seen."""


class LoadMarks:
    """Fed with what is recognised, gives the marks of the last loads."""

    def __init__(self) -> None:
        self.marks: tuple[Mark, ...] = ()
        """The oldest first."""
        self._seen: dict[tuple[int, int], _Seen] = {}
        self._is_first = True

    def look(self, engines: Sequence[Recognised], taken_seconds: float) -> None:
        """Another reading.

        Args:
            engines: all that run now.
            taken_seconds: of the newest snapshot, by the clock of the history.
        """
        found: list[Mark] = []
        there = {(one.pid, one.started_ticks): one for one in engines}
        for key in self._seen.keys() - there.keys():
            gone = self._seen.pop(key)
            if gone.places:
                found.append(_mark(gone, Turn.ENDED, taken_seconds))
        for key, engine in there.items():
            seen = self._seen.get(key)
            if seen is None:
                seen = self._seen[key] = _Seen(first_seconds=taken_seconds, is_from_start=not self._is_first)
            found += _turns(seen, engine, taken_seconds)
        self._is_first = False
        if found:
            self.marks = tuple(sorted((*self.marks, *found), key=lambda mark: mark.taken_seconds))[-_MOST_MARKS:]

    def forget(self) -> None:
        """Nobody watches any more: what is there when it is gone on with began at no time that is known."""
        self._seen.clear()
        self._is_first = True


def _turns(seen: _Seen, engine: Recognised, taken_seconds: float) -> list[Mark]:
    """What happened to one that runs since the reading before."""
    seen.places, seen.name = _places(engine) or seen.places, engine_name(engine)
    found = []
    if seen.places and not seen.is_told:
        seen.is_told = True
        if seen.is_from_start:
            found.append(_mark(seen, Turn.BEGAN, seen.first_seconds))
    if engine.phase is Phase.LOADING and (seen.is_from_start or engine.is_growing):
        seen.was_loading = True
    if engine.phase is Phase.RESTING and seen.was_loading:
        seen.was_loading = False
        found.append(_mark(seen, Turn.RESTED, taken_seconds))
    return found


def _places(engine: Recognised) -> frozenset[str]:
    """Where its model lies: a server without one is nowhere yet."""
    if engine.predicted:
        return frozenset(engine.counted)
    return frozenset(engine.held) - {"RAM"} if engine.is_on_device else frozenset()


def _mark(seen: _Seen, turn: Turn, taken_seconds: float) -> Mark:
    return Mark(taken_seconds=taken_seconds, turn=turn, name=seen.name, places=seen.places)

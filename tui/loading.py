"""How far a launch is: a state, fed at each reading with what it holds, what it has read and what it says. Pure.

What it holds does not tell all. llama.cpp takes its buffer for weights within a second, reads the file into it for as
long as the disk takes, and takes cache and compute buffers after that (bench/real_launches.py, an H100, 2026-11-26). So
a launch goes on while it grows, while it reads, and while it says so itself; and one that has not read as much as its
weights are is not through, whatever it holds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tui.recognised import NOTICEABLE_BYTES, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probes.intake import Intake
    from tui.recognised import Predicted

_LOADED_RATIO = 0.97
"""Of the low end of the prediction: from here on a launch counts as loaded (ASSUMED)."""
RESTING_SECONDS = 20.0
"""What has neither grown nor read for so long rests; a file on a slow disk may pause for some seconds (ASSUMED)."""
STALLED_SECONDS = 60.0
"""Who is not through, and has done neither for so long, hangs (ASSUMED: a disk that sleeps is back within 15)."""
_RATE_SECONDS = 8.0
"""Over which the growth is taken."""
_KEPT_RATIO = 7 / 8
"""Of what it held, at least, from one reading to the next while it loads: buffers of a file's parts come and go, who
gives back more is at work (ASSUMED)."""
_READING_BYTES = 64 << 20
"""In ``RESTING_SECONDS``, 3 MB a second: less is a program's own business, and slower no model is loaded (ASSUMED; what
its network brings counts too)."""
_MOST_READS = 3
"""Times its weights: who takes in more than that works. ``Intake`` may count a file twice, and what else a program has
is less than its model (ASSUMED)."""
_READ_RATIO = 0.9
"""Of its weights: who has read less has not read them all (ASSUMED: what is kept converted differs by less)."""


@dataclass(slots=True)
class Loading:
    """Of one engine."""

    is_from_start: bool = False
    """It was first seen within ``RESTING_SECONDS`` of its start, or while others were watched already."""
    is_loaded: bool = False
    """It rested once, or held what was predicted and read no more: what it takes later is its work."""
    is_growing: bool = False
    """It took more since it was first seen."""
    has_given_back: bool = False
    is_surely_loading: bool = False
    """It says so, or has read less than it must."""
    grown_seconds: float = 0.0
    """When it last grew."""
    weight_bytes: int = 0
    """As they are stored; 0 where that is not known."""
    reads_itself: bool = False
    """Its own processes read them, by calls or mapped: what is not in their intake was not read."""
    phase: Phase = Phase.UNKNOWN
    _marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=64))
    """(seconds, bytes held) of the last readings."""
    _marked: frozenset[str] = frozenset()
    """The places that they are of."""
    _read_seconds: float = float("-inf")
    """When it had last read as much as counts."""
    _read_mark: tuple[float, int] | None = None
    """(seconds, bytes) from which on is counted what it reads."""
    _read_limit: int | None = None
    _has_read_all: bool = True

    @property
    def moved_seconds(self) -> float:
        """When it last grew or read."""
        return max(self.grown_seconds, self._read_seconds)

    def note_held(self, held: Mapping[str, int], now: float) -> float:
        """What is held now; gives the growth in bytes a second over the last readings, never negative.

        What it holds at a place that was not told of before is no growth: the driver may have been late.
        """
        if held.keys() != self._marked:
            self._marked = frozenset(held)
            self._marks.clear()
        n_bytes = sum(held.values())
        before = self._marks[-1][1] if self._marks else 0
        if not self._marks or n_bytes > before + NOTICEABLE_BYTES:
            self.grown_seconds = now
            self.is_growing = before > 0 and not self.has_given_back
        elif n_bytes < before * _KEPT_RATIO:
            self.is_growing, self.has_given_back = False, True
        self._marks.append((now, n_bytes))
        earlier = next(mark for mark in self._marks if now - mark[0] <= _RATE_SECONDS)
        seconds = now - earlier[0]
        return max(0.0, (n_bytes - earlier[1]) / seconds) if seconds > 0 else 0.0

    def note_intake(self, intake: Intake | None, n_processes: int, now: float) -> None:
        """What all its processes have taken in by now; None where that is not told."""
        if intake is None:
            return
        self._has_read_all = not (
            self.reads_itself and intake.is_whole and intake.n_bytes < _READ_RATIO * self.weight_bytes
        )
        if self._read_limit is None and self.weight_bytes:
            self._read_limit = intake.n_bytes + _MOST_READS * self.weight_bytes * n_processes
        if self._read_mark is None:
            self._read_mark = now, intake.n_bytes
        since, before = self._read_mark
        is_reading = intake.n_bytes - before >= _READING_BYTES
        if is_reading and (self._read_limit is None or intake.n_bytes <= self._read_limit):
            self._read_seconds = now
        if is_reading or now - since > RESTING_SECONDS:
            self._read_mark = now, intake.n_bytes

    def judge(
        self,
        counted: Mapping[str, Predicted],
        held: Mapping[str, int],
        now: float,
        *,
        says_loading: bool = False,
        says_ready: bool = False,
    ) -> Phase:
        """How far it is, by the places that its prediction counts.

        Args:
            counted: what was predicted there.
            held: by place.
            now: as of the notes.
            says_loading: by its own interface.
            says_ready: the same; an engine that answers only once it is loaded.
        """
        if says_ready:
            self._has_read_all = self.is_loaded = True
        self.is_surely_loading = not self.is_loaded and (says_loading or not self._has_read_all)
        if not any(name in held for name in counted):
            self.phase = Phase.UNKNOWN
            return self.phase
        n_bytes = sum(held[name] for name in counted if name in held)
        least = sum(one.low_bytes for one in counted.values())
        read_seconds = now - self._read_seconds
        still_seconds = min(read_seconds, now - self.grown_seconds)
        holds_all = n_bytes >= _LOADED_RATIO * least and read_seconds >= RESTING_SECONDS
        if (holds_all or still_seconds >= RESTING_SECONDS) and not self.is_surely_loading:
            self.is_loaded = True
        if self.is_loaded:
            self.phase = Phase.RESTING
        else:
            self.phase = Phase.STALLED if still_seconds >= STALLED_SECONDS else Phase.LOADING
        return self.phase

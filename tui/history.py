"""Used memory over a day, of each pool: each second of the last minutes, then ever coarser, in a few MiB.

What is kept of a span is the most that was in use in it: what a person looks for is how near it came.
"""

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from probes.snapshot import Snapshot

RESOLUTIONS = ((1.0, 900), (15.0, 720), (60.0, 1440))
"""Seconds of a span, and how many are kept: a quarter of an hour, three hours, a day. 16 bytes each: 48 KiB a pool."""
_NOTHING = -1
_MOST_DRAWN = 256
"""Charts that are remembered: one of each pool, and those of some sizes of the terminal."""


class _Ring:
    """Spans of one length, each in its place by its number, so that an old one is overwritten by a new one."""

    __slots__ = ("_capacity", "_most", "_numbers", "reach_seconds", "seconds")

    def __init__(self, seconds: float, capacity: int) -> None:
        self.seconds = seconds
        self.reach_seconds = seconds * capacity
        self._capacity = capacity
        self._numbers = array("q", [_NOTHING]) * capacity
        self._most = array("q", [0]) * capacity

    def note(self, taken_seconds: float, used_bytes: int) -> None:
        number = int(taken_seconds // self.seconds)
        place = number % self._capacity
        if self._numbers[place] == number:
            self._most[place] = max(self._most[place], used_bytes)
        elif self._numbers[place] < number:
            self._numbers[place], self._most[place] = number, used_bytes

    def between(self, first_seconds: float, last_seconds: float) -> Iterator[tuple[float, int]]:
        """Begin of each span that has something, and the most of it; the oldest first."""
        first, last = int(first_seconds // self.seconds), int(last_seconds // self.seconds)
        for number in range(max(first, last - self._capacity + 1), last + 1):
            place = number % self._capacity
            if self._numbers[place] == number:
                yield number * self.seconds, self._most[place]


class _Drawn(NamedTuple):
    """Columns as they were asked for last: of a pool, time only adds to those at the end."""

    last: int
    """The number of the last one."""
    columns: tuple[int | None, ...]
    noted_seconds: float
    """When the pool was read last by then."""


class History:
    """What each pool had in use, and when. Grows with the number of pools of a day only."""

    def __init__(self, resolutions: tuple[tuple[float, int], ...] = RESOLUTIONS) -> None:
        self._resolutions = resolutions
        self._reach_seconds = max(seconds * capacity for seconds, capacity in resolutions)
        self._rings: dict[str, tuple[_Ring, ...]] = {}
        self._last_seconds: dict[str, float] = {}
        self._first_seconds: float | None = None
        self._newest_seconds = 0.0
        self._drawn: dict[tuple[str, int, float], _Drawn] = {}
        """By pool, number of columns and their seconds."""

    def append(self, snapshot: Snapshot) -> None:
        """Note what was in use. A pool that is missing or late leaves a gap."""
        for pool in snapshot.pools:
            taken_seconds = snapshot.taken_seconds - pool.late_seconds
            # a late figure is handed on again and again
            if taken_seconds - self._last_seconds.get(pool.key, float("-inf")) <= 0.05:
                continue
            self._last_seconds[pool.key] = taken_seconds
            rings = self._rings.get(pool.key)
            if rings is None:
                rings = self._rings[pool.key] = tuple(_Ring(*resolution) for resolution in self._resolutions)
            for ring in rings:
                ring.note(taken_seconds, pool.total_bytes - pool.free_bytes)
            self._first_seconds = taken_seconds if self._first_seconds is None else self._first_seconds
            self._newest_seconds = max(self._newest_seconds, taken_seconds)
        if len(self._rings) > len(snapshot.pools):
            self._forget(self._newest_seconds - self._reach_seconds)

    def _forget(self, before_seconds: float) -> None:
        """Pools of which nothing is kept any more: each part of a GPU that is split anew is another one, of 48 KiB."""
        for key in [key for key, last_seconds in self._last_seconds.items() if last_seconds < before_seconds]:
            del self._rings[key], self._last_seconds[key]

    def columns(self, key: str, n_columns: int, column_seconds: float, now_seconds: float) -> list[int | None]:
        """The most that was in use in each span of time, the newest last; None where nothing was read.

        Spans begin at multiples of their length, so that the columns do not change while they move on.
        """
        rings = self._rings.get(key)
        if rings is None:
            return [None] * n_columns
        last = int(now_seconds // column_seconds)
        begin = first = last - n_columns + 1
        ring = self._ring(rings, column_seconds, now_seconds - first * column_seconds)
        columns: list[int | None] = [None] * n_columns
        drawn = self._drawn.get((key, n_columns, column_seconds))
        if drawn is not None and drawn.last <= last and ring.reach_seconds >= n_columns * column_seconds:
            n_new = last - drawn.last
            columns = [*drawn.columns[n_new:], *columns[:n_new]]
            begin = max(first, int((drawn.noted_seconds - ring.seconds) // column_seconds))
            columns[begin - first :] = [None] * (last - begin + 1)
        for taken_seconds, used_bytes in ring.between(begin * column_seconds, now_seconds):
            column = int(taken_seconds // column_seconds) - first
            if 0 <= column < n_columns:
                so_far = columns[column]
                columns[column] = used_bytes if so_far is None else max(so_far, used_bytes)
        if len(self._drawn) >= _MOST_DRAWN:
            self._drawn.clear()
        noted_seconds = self._last_seconds[key]
        self._drawn[key, n_columns, column_seconds] = _Drawn(last, tuple(columns), noted_seconds)
        return columns

    def _ring(self, rings: tuple[_Ring, ...], column_seconds: float, span_seconds: float) -> _Ring:
        """The finest that reaches back so far; a coarser one only where it is no coarser than a column."""
        found = rings[0]
        for ring in rings:
            if ring.seconds <= column_seconds:
                found = ring
                if ring.reach_seconds >= span_seconds:
                    break
        return found

    def span_seconds(self) -> float:
        """From the oldest reading that is kept to the newest."""
        if self._first_seconds is None:
            return 0.0
        return min(self._newest_seconds - self._first_seconds, self._reach_seconds)

    def moments(self) -> Iterator[tuple[float, dict[str, int]]]:
        """Every moment that is kept, as finely as it is, the oldest first: what was in use then, by pool."""
        newest = self._newest_seconds
        until = newest + 1
        moments: list[list[tuple[float, dict[str, int]]]] = []
        for number in range(len(self._resolutions)):
            begin = newest - self._resolutions[number][0] * self._resolutions[number][1]
            used: dict[float, dict[str, int]] = {}
            for key, rings in list(self._rings.items()):  # may be written on a thread aside
                for taken_seconds, used_bytes in rings[number].between(begin, until):
                    if taken_seconds < until:
                        used.setdefault(taken_seconds, {})[key] = used_bytes
            moments.append(sorted(used.items()))
            until = min(until, min(used, default=until))
        for part in reversed(moments):
            yield from part

"""Used memory over time, a ring of readings for each pool."""

from collections import deque

from probes.snapshot import Snapshot

CAPACITY = 3600
"""An hour at one reading a second."""


class History:
    """What each pool had in use, and when. Only grows at its end, and forgets at its beginning."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._points: dict[str, deque[tuple[float, int]]] = {}

    def append(self, snapshot: Snapshot) -> None:
        """Note what was in use. A pool that is missing or late leaves a gap."""
        for pool in snapshot.pools:
            if pool.key not in self._points:
                self._points[pool.key] = deque(maxlen=self._capacity)
            taken_seconds = snapshot.taken_seconds - pool.late_seconds
            points = self._points[pool.key]
            if not points or taken_seconds - points[-1][0] > 0.05:  # a late figure is handed on again and again
                points.append((taken_seconds, pool.total_bytes - pool.free_bytes))

    def columns(self, key: str, n_columns: int, column_seconds: float, now_seconds: float) -> list[int | None]:
        """The most that was in use in each span of time, the newest last; None where nothing was read.

        Spans begin at multiples of their length, so that the columns do not change while they move on.
        """
        columns: list[int | None] = [None] * n_columns
        last = int(now_seconds // column_seconds)
        for taken_seconds, used_bytes in reversed(self._points.get(key, ())):
            column = n_columns - 1 - (last - int(taken_seconds // column_seconds))
            if column >= n_columns:
                continue
            if column < 0:
                break
            so_far = columns[column]
            columns[column] = used_bytes if so_far is None else max(so_far, used_bytes)
        return columns

    def span_seconds(self) -> float:
        """From the oldest reading to the newest."""
        ends = [(points[0][0], points[-1][0]) for points in self._points.values() if points]
        return max(last for _, last in ends) - min(first for first, _ in ends) if ends else 0.0

"""Whether the terminal keeps up: how late it answers, and how much of what was drawn has not gone out yet.

Textual writes on a thread of its own, from a queue of at most 30 writes (``textual.drivers._writer_thread``, 8.2.8).
Once that is full, the screen stands still. But what is between here and the terminal takes much before (sshd alone 2
MiB, ``CHAN_SES_WINDOW_DEFAULT`` of OpenSSH's channels.h): at 600 bytes a second the queue told it after 128 s (our
measurement), an answer that is late does within some.
"""

import os
from collections.abc import Mapping

from tui.round_trip import RoundTrip

SLOW_WRITES = 4
"""So many waiting at several looks in a row: a terminal that keeps up has none a moment after a redraw."""
SLOW_LOOKS = 3
LATE_SECONDS = 1.0
"""Beyond the quickest answer, which is the line's own time: with a reading a second, a picture that needs longer to
arrive is never caught up with."""
LATE_ANSWERS = 2
"""In a row: one alone may stand behind a whole screen, or a hiccup."""
STUCK_SECONDS = 4.0
"""Without an answer: the next one need not be waited for."""
QUICK_SECONDS = 0.3
"""Beyond the quickest, behind the 2 to 3 KB of a reading in low bandwidth: the line takes three times what is written
without."""
REST_SECONDS, MOST_REST_SECONDS = 60.0, 3600.0
"""It has to be quick for so long before more is written again; twice as long each time that it was slow again."""


def is_remote(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal is at the other end of an SSH line."""
    return bool(environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"))


def n_waiting(driver: object) -> int:
    """Writes that the terminal has not taken; 0 where the driver has no such queue."""
    queue = getattr(getattr(driver, "_writer_thread", None), "_queue", None)
    return int(queue.qsize()) if queue is not None else 0


class Line:
    """Looks at each redraw; a terminal that answers no questions is judged by the writes that wait alone."""

    def __init__(self) -> None:
        self.is_slow = False
        """Too slow for a reading a second, or not quick for long enough since."""
        self.is_behind = False
        """The last picture has not arrived yet: another one would only stand in line behind it."""
        self._n_slow_looks = self._n_late = self._n_answers = 0
        self._rest_seconds = REST_SECONDS
        self._quick_since_seconds: float | None = None

    def look(self, n_writes: int, trip: RoundTrip | None, now_seconds: float) -> None:
        """``n_writes`` wait now; ``trip`` is None where nothing can be asked."""
        self._n_slow_looks = self._n_slow_looks + 1 if n_writes >= SLOW_WRITES else 0
        is_slow, self.is_behind = self._n_slow_looks >= SLOW_LOOKS, False
        if trip is not None and trip.quickest_seconds is not None:
            waiting_seconds = trip.waiting_seconds - trip.quickest_seconds
            if trip.n_answers != self._n_answers:
                self._n_answers = trip.n_answers
                self._take_answer(trip.last_seconds - trip.quickest_seconds, now_seconds)
            is_slow = is_slow or self._n_late >= LATE_ANSWERS or waiting_seconds > STUCK_SECONDS
            self.is_behind = waiting_seconds > LATE_SECONDS and not trip.is_due
        if is_slow:
            self._quick_since_seconds = None
            self.is_slow = True
        elif self.is_slow and self._has_rested(now_seconds):
            self.is_slow, self._quick_since_seconds = False, None
            self._rest_seconds = min(2 * self._rest_seconds, MOST_REST_SECONDS)

    def _take_answer(self, beyond_seconds: float, now_seconds: float) -> None:
        self._n_late = self._n_late + 1 if beyond_seconds > LATE_SECONDS else 0
        if beyond_seconds > QUICK_SECONDS:
            self._quick_since_seconds = None
        elif self._quick_since_seconds is None:
            self._quick_since_seconds = now_seconds

    def _has_rested(self, now_seconds: float) -> bool:
        since_seconds = self._quick_since_seconds
        return since_seconds is not None and now_seconds - since_seconds >= self._rest_seconds

"""Whether the terminal keeps up: how much of what was drawn has not gone out yet.

Textual writes on a thread of its own, from a queue of at most 30 writes (``textual.drivers._writer_thread``, 8.2.8).
Once that is full, the screen stands still: a line that is slow is noticed before.
"""

import os
from collections.abc import Mapping

SLOW_WRITES = 4
"""So many waiting at several looks in a row: a terminal that keeps up has none a moment after a redraw."""
SLOW_LOOKS = 3


def is_remote(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal is at the other end of an SSH line."""
    return bool(environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"))


def n_waiting(driver: object) -> int:
    """Writes that the terminal has not taken; 0 where the driver has no such queue."""
    queue = getattr(getattr(driver, "_writer_thread", None), "_queue", None)
    return int(queue.qsize()) if queue is not None else 0


class Line:
    """Looks at the backlog at each redraw."""

    def __init__(self) -> None:
        self._n_slow = 0

    def is_slow(self, n_writes: int) -> bool:
        """Once it has been behind for some looks; ``n_writes`` wait now."""
        self._n_slow = self._n_slow + 1 if n_writes >= SLOW_WRITES else 0
        return self._n_slow >= SLOW_LOOKS

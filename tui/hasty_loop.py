"""The screen's event loop, which looks for what comes from outside when it has nothing else to do, or now and then.

asyncio asks the system between any two steps whether a file can be read, and lets go of Python's lock meanwhile: where
another thread computes, that one has it then, and gives it back a millisecond later. The answer to a key is some 30
steps. Here no file is read on the loop: keys come from a thread, which appends them to what is to be done and wakes it.
"""

from __future__ import annotations

import asyncio
import selectors
import time

from tui.courtesy import Courtesy

MOST_SECONDS = 0.005
"""Without a look, however much there is to do."""


class HastySelector(selectors.DefaultSelector):
    """Looks at once where the loop would wait, and else seldom."""

    def __init__(self, courtesy: Courtesy | None = None) -> None:
        super().__init__()
        self._courtesy = Courtesy() if courtesy is None else courtesy
        """Told whether there is something to do."""
        self._looked_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            now_seconds = time.monotonic()
            if now_seconds - self._looked_seconds < MOST_SECONDS:
                return []
            self._looked_seconds = now_seconds
            return super().select(timeout)
        self._courtesy.is_working = False
        found = super().select(timeout)
        self._courtesy.is_working = True
        return found


def hasty_loop(courtesy: Courtesy | None = None) -> asyncio.AbstractEventLoop:
    """For a runner of asyncio's."""
    return asyncio.SelectorEventLoop(HastySelector(courtesy))

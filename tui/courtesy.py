"""Lets a key be answered before all else that this program has to do.

Python runs one thread at a time: what is computed on another, or drawn for a reading, is waited for by who has pressed
a key.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
ANSWER_SECONDS = 0.06
"""After a key: most pictures that answer one are there in 15 to 40 ms."""
MOST_SECONDS = 0.25
"""So long at most a reading is held back, while keys are pressed all the time, and what is computed for an answer that
takes longer than most: on a machine that others load."""
_STEP_SECONDS = 0.005
"""Until it is looked again whether such an answer is there."""


class Courtesy:
    """Told of each key; asked, on any thread, by who can wait."""

    def __init__(
        self,
        answer_seconds: float = ANSWER_SECONDS,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.answer_seconds = answer_seconds
        self._clock, self._sleep = clock, sleep
        self._pressed_seconds = float("-inf")
        self.is_working = False
        """Whether the thread that draws has something to do now; its loop says so."""

    def note_key(self) -> None:
        """One is to be answered now."""
        self._pressed_seconds = self._clock()

    @property
    def left_seconds(self) -> float:
        """Until the last key has been answered; 0 where it has."""
        return max(0.0, self._pressed_seconds + self.answer_seconds - self._clock())

    @property
    def silent_seconds(self) -> float:
        """Since the last key."""
        return self._clock() - self._pressed_seconds

    def wait(self) -> None:
        """Between two steps of what is computed on a thread aside: once, so that it goes on however many keys come."""
        if not (seconds := self.left_seconds):
            return
        until_seconds = self._clock() + max(seconds, MOST_SECONDS)
        self._sleep(seconds)
        while self.is_working and self._clock() < until_seconds:
            self._sleep(_STEP_SECONDS)

    def considerate(self, work: Callable[[], T]) -> Callable[[], T]:
        """The same work, for a thread aside: it begins, and goes on with each step, once the last key is answered."""

        def waiting() -> T:
            from estimator.patience import pausing  # noqa: PLC0415  # the estimator comes after the first picture

            self.wait()
            with pausing(self.wait):
                return work()

        return waiting

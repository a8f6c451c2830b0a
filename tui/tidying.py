"""When garbage is looked for: not while a key is answered, but soon after, where it left a screen."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.courtesy import Courtesy

_MOST_SECONDS = 0.25
"""Without a look, while keys are pressed all the time."""
_SETTLE_SECONDS = 0.2
"""From the answer to a key until what it left is looked for, 5 to 10 ms: another one that follows comes first ..."""
_LEFT_SECONDS = 2.0
"""... but not for longer than this. With keys all the time it always did: the peak was 103 MiB after 300 s of them, for
screens take 0.3 MiB each (bench/soak_app.py)."""


class Switch(Protocol):
    """As the module ``gc``."""

    def enable(self) -> None: ...
    def disable(self) -> None: ...


class Tidying:
    """Told of each key, on the thread that draws."""

    def __init__(
        self,
        courtesy: Courtesy,
        has_left: Callable[[], bool],
        clear: Callable[[], object],
        *,
        switch: Switch = gc,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is looked away from yet.

        Args:
            courtesy: knows how long the last key is being answered.
            has_left: whether a screen that was left is still there.
            clear: looks for garbage.
            switch: of the collector.
            clock: seconds that only go forward.
        """
        self._courtesy, self._has_left, self._clear = courtesy, has_left, clear
        self._switch, self._clock = switch, clock
        self._away_seconds: float | None = None
        """Since when nothing is looked for."""
        self._left_seconds: float | None = None
        """Since when a screen that was left is still there."""
        self._timer: asyncio.TimerHandle | None = None

    def note_key(self) -> None:
        """Look away until it has been answered: to look through what is new takes 3 to 5 ms, several times a screen."""
        if self._away_seconds is not None:
            return
        self._away_seconds = self._clock()
        self._switch.disable()
        self._call(self._courtesy.answer_seconds, self._look)

    def stop(self) -> None:
        """The app ends."""
        if self._timer is not None:
            self._timer.cancel()
        if self._away_seconds is not None:
            self._switch.enable()

    def _look(self) -> None:
        left_seconds = self._courtesy.left_seconds
        if left_seconds and self._away_seconds is not None and self._clock() - self._away_seconds < _MOST_SECONDS:
            self._call(left_seconds, self._look)
            return
        self._away_seconds = None
        self._switch.enable()
        if not self._has_left():
            self._left_seconds = None
            return
        if self._left_seconds is None:
            self._left_seconds = self._clock()
        if self._clock() - self._left_seconds >= _LEFT_SECONDS:
            self._tidy()
        else:
            self._call(_SETTLE_SECONDS, self._tidy)

    def _tidy(self) -> None:
        self._left_seconds = None
        if self._has_left():
            self._clear()

    def _call(self, seconds: float, action: Callable[[], object]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, action)

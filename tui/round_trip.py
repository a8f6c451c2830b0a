"""How long a question to the terminal takes to be answered: it stands behind a picture, which has to arrive before it.

The question is the one that Textual asks at its start, whether mode 2026 is known (DECRQM of DEC's VT510 manual:
``CSI ? 2026 $ p``, answered by ``CSI ? 2026 ; n $ y``). Terminals that don't know the question ignore it.
"""

import time
from collections.abc import Callable
from threading import Event

QUESTION = "\x1b[?2026$p"
_HEAD, _TAIL = "\x1b[?2026;", "$y"
"""Of an answer: a digit stands between them."""
_N_ANSWER = len(_HEAD) + 1 + len(_TAIL)
_HELD_SECONDS = 1.0
"""So long the rest of an answer is waited for."""
_LOST_SECONDS = 60.0
"""An answer that has not come by then may have gone to another terminal: ask again."""


class RoundTrip:
    """Asked on one thread, answered on another."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked_seconds: float | None = None
        self._is_answered = Event()
        self._is_answered.set()
        self.n_answers = 0
        self.last_seconds = 0.0
        """What the last answer took."""
        self.quickest_seconds: float | None = None
        """Of all answers: the way there and back, with the least before them. None: it was never answered."""

    @property
    def is_due(self) -> bool:
        """Whether one may be asked: none is under way, or that is lost."""
        asked_seconds = self._asked_seconds
        if asked_seconds is None:
            return True
        return self.quickest_seconds is not None and self._clock() - asked_seconds > _LOST_SECONDS

    @property
    def waiting_seconds(self) -> float:
        """For how long an answer has been waited for."""
        asked_seconds = self._asked_seconds
        return 0.0 if asked_seconds is None else self._clock() - asked_seconds

    def ask(self) -> None:
        """The question is being written."""
        self._is_answered.clear()
        self._asked_seconds = self._clock()

    def answer(self) -> None:
        """It has been answered. What nobody asked for says nothing."""
        asked_seconds, self._asked_seconds = self._asked_seconds, None
        if asked_seconds is not None:
            self.last_seconds = self._clock() - asked_seconds
            self.quickest_seconds = min(self.quickest_seconds or self.last_seconds, self.last_seconds)
            self.n_answers += 1
        self._is_answered.set()

    def settle(self, most_seconds: float) -> None:
        """Wait for an answer that is under way from a terminal that answers: whoever reads next must not get it."""
        if self.quickest_seconds is not None:
            self._is_answered.wait(most_seconds)
        self._asked_seconds = None
        self._is_answered.set()


class AnswerSieve:
    """Takes answers out of what a terminal sends, wherever they stand: between keys, or in the midst of a paste."""

    def __init__(self) -> None:
        self._held, self._held_seconds = "", 0.0

    @property
    def is_holding(self) -> bool:
        """Whether what may be the begin of an answer is kept back."""
        return bool(self._held)

    def sift(self, text: str, now_seconds: float, *, is_awaited: bool) -> tuple[str, list[int]]:
        """What is left, and what each answer says of the mode: 0 that it is not known.

        Args:
            text: what has come now; may be nothing.
            now_seconds: when.
            is_awaited: whether an answer is under way, whose begin is then kept back until the rest comes.
        """
        if not text and now_seconds < self._held_seconds + _HELD_SECONDS:
            return "", []
        is_late = not text
        text, self._held = self._held + text, ""
        answers: list[int] = []
        start = text.find(_HEAD)
        while start >= 0:
            if _is_answer(answer := text[start : start + _N_ANSWER]):
                answers.append(int(answer[len(_HEAD)]))
                text = text[:start] + text[start + _N_ANSWER :]
            else:
                start += 1
            start = text.find(_HEAD, start)
        begun = text[max(0, text.rfind("\x1b")) :]
        if is_awaited and not is_late and _begins_answer(begun):
            text, self._held, self._held_seconds = text[: -len(begun)], begun, now_seconds
        return text, answers


def _is_answer(text: str) -> bool:
    return len(text) == _N_ANSWER and text.endswith(_TAIL) and text[len(_HEAD)] in "0123456789"


def _begins_answer(text: str) -> bool:
    """An escape character alone is left to be a key."""
    if len(text) <= len(_HEAD):
        return len(text) > 1 and _HEAD.startswith(text)
    return len(text) < _N_ANSWER and _is_answer(text + f"{_HEAD}0{_TAIL}"[len(text) :])

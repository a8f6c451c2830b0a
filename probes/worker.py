"""One probe and the thread on which alone it is touched."""

from collections.abc import Callable
from dataclasses import replace
from threading import Condition, RLock, Thread
from typing import TypeVar

from probes.answer import Answer
from probes.errors import ProbeError, ProbeLost, ProbeUnavailable
from probes.probe import Probe, ProbeSource
from probes.remembered_titles import RememberedTitles
from probes.snapshot import Reading

_ABSENT_RETRY_SECONDS = 30.0
"""No such hardware: a driver is seldom installed while this runs (ASSUMED)."""
_UNAVAILABLE_RETRY_SECONDS = 5.0
_LOST_RETRY_SECONDS = 1.0
"""After a probe was lost; twice as long after each further time, up to ``_ABSENT_RETRY_SECONDS``."""

_T = TypeVar("_T")


class Table:
    """What the threads share."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.changed = Condition(self.lock)
        """Something that a sampler waits for."""
        self.waited_for: set[Worker] = set()
        """Those that were asked in this round and have not answered."""


class Worker:
    """One probe and the thread on which alone it is touched, made when it is first asked."""

    def __init__(self, source: ProbeSource, table: Table, clock: Callable[[], float]) -> None:
        self.source = source
        self.answer = Answer(probe=source.name)
        """Guarded by the lock, as are the next three."""
        self.is_stopping = False
        self.wants_all = False
        """To go on asking until nothing is missing in the answer."""
        self.thread: Thread | None = None
        self._table = table
        self._told = Condition(table.lock)
        """Of its own: each thread that wakes for nothing takes 50 µs."""
        self._clock = clock
        self._probe: Probe | None = None
        self._titles = None if source.describe_process is None else RememberedTitles(source.describe_process)
        self._is_asked = False
        self._retry_seconds = float("-inf")
        self._lost_retry_seconds = _LOST_RETRY_SECONDS

    @property
    def owes_more(self) -> bool:
        """Under the lock: whether it has not answered, or not in full."""
        reading = self.answer.reading
        return not self.answer.has_answered or (reading is not None and reading.is_partial)

    def is_due(self, now_seconds: float) -> bool:
        """Under the lock. False where the last question is still open, or it is too early to try again."""
        return self.answer.asked_seconds is None and now_seconds >= self._retry_seconds

    def asked_for_seconds(self, now_seconds: float) -> float:
        """Under the lock: for how long a question has been open; 0 where none is."""
        return 0.0 if self.answer.asked_seconds is None else now_seconds - self.answer.asked_seconds

    def is_here(self) -> bool:
        """Whether there is something to ask, as far as can be told without it; else the answer says why not.

        Called while no question is open, by whom alone puts them, and not under the lock: files are looked at.
        """
        if self.answer.reading is not None or self.source.missing is None:
            return True
        reason = _attempt(self.source.missing)
        if reason is None:
            return True
        with self._table.lock:
            if isinstance(reason, str):
                reason = ProbeUnavailable(reason, is_expected=True)
            self.answer, self._retry_seconds = self._refusal(reason)
            return False

    def ask(self, now_seconds: float) -> None:
        """Put the question, under the lock."""
        self.answer = self.answer._replace(asked_seconds=now_seconds)
        self._is_asked = True
        self._told.notify()
        if self.thread is None:
            self.thread = daemon(self.run, self.source.name)
            self.thread.start()

    def stop(self) -> None:
        """Under the lock: answer no more, and close."""
        self._is_asked = False
        self.is_stopping = True
        self._told.notify()

    def run(self) -> None:
        """Answer until told to stop."""
        while self._is_wanted():
            answer, retry_seconds = self._answer()
            with self._table.lock:
                owed_more = self.owes_more
                self.answer, self._retry_seconds = answer, retry_seconds
                self._is_asked = self._is_asked or (self.wants_all and self.owes_more)
                self._table.waited_for.discard(self)
                if owed_more or not self._table.waited_for:
                    self._table.changed.notify_all()
        self._close()

    def _is_wanted(self) -> bool:
        with self._told:
            self._told.wait_for(lambda: self._is_asked or self.is_stopping)
            is_asked, self._is_asked = self._is_asked, False
            return is_asked

    def _answer(self) -> tuple[Answer, float]:
        """What the probe says, and when it may be asked again."""
        result = _attempt(self._read)
        if not isinstance(result, ProbeError):
            self._lost_retry_seconds = _LOST_RETRY_SECONDS
            reading, read_seconds = result
            answer = Answer(probe=self.source.name, has_answered=True, reading=reading, read_seconds=read_seconds)
            return answer, self._clock()
        self._close()
        return self._refusal(result)

    def _refusal(self, error: ProbeError) -> tuple[Answer, float]:
        """An answer without a reading, and when to ask again."""
        now_seconds = self._clock()
        answer = Answer(probe=self.source.name, has_answered=True)
        if isinstance(error, ProbeUnavailable):
            if error.is_expected:
                return answer._replace(absence=str(error)), now_seconds + _ABSENT_RETRY_SECONDS
            return answer._replace(error=str(error)), now_seconds + _UNAVAILABLE_RETRY_SECONDS
        retry_seconds = now_seconds + self._lost_retry_seconds
        self._lost_retry_seconds = min(2 * self._lost_retry_seconds, _ABSENT_RETRY_SECONDS)
        return answer._replace(error=str(error)), retry_seconds

    def _read(self) -> tuple[Reading, float]:
        """A reading, and the moment to which its ages refer."""
        if self._probe is None:
            self._probe = self.source.open()
        asked_seconds = self._clock()
        reading = self._probe.sample()
        now_seconds = self._clock()
        taken_seconds = asked_seconds if reading.taken_seconds is None else reading.taken_seconds
        read_seconds = min(max(taken_seconds, asked_seconds), now_seconds)
        if self._titles is None or not reading.processes:
            return reading, read_seconds
        # Not on the sampler's thread: the command line of a process whose memory is locked can take long to read.
        return replace(reading, processes=self._titles.named(reading.processes, now_seconds)), read_seconds

    def _close(self) -> None:
        if self._probe is not None:
            _attempt(self._probe.close)
            self._probe = None


def _attempt(action: Callable[[], _T]) -> _T | ProbeError:
    """What the action gives, or why it failed: whatever the code of a vendor raises ends here, in a sentence."""
    try:
        return action()
    except ProbeError as error:
        return _alone(error)
    except Exception as error:  # noqa: BLE001 - the one place: a broken probe must hide no other, nor end its thread
        return ProbeLost(f"failed unexpectedly, please report it: {type(error).__name__}: {error}")


def _alone(error: ProbeError) -> ProbeError:
    """Without what led to it: each frame there holds its caller, and so whoever keeps the error, with all of a session.

    That is a circle of 600 objects for each failure, which lay about until Python next looked for such
    (``gc.DEBUG_SAVEALL``, on simulated GPUs whose driver was stopped again and again).
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def daemon(run: Callable[[], None], name: str) -> Thread:
    """A thread that the interpreter does not wait for: a driver's call may never return."""
    return Thread(target=run, name=f"probe {name}", daemon=True)

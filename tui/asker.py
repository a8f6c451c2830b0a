"""Asks engines on this machine what they serve: seldom, one after another, on a thread of its own.

One that hangs or lies costs its own row: it is asked the more seldom, and the others wait for it a second at most.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from threading import Condition, Thread

from probes.loopback import NoAnswer, ask
from probes.served import READERS, Served, served_by, version_by
from records.record import record

_INTERVAL_SECONDS = 10.0
_MOST_SECONDS = 320.0
"""Between two questions to one that gives no answer: each failure doubles the time, up to this."""


@record(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom to ask."""

    pid: int
    engine_name: str
    ports: tuple[int, ...]
    """The first that answers counts."""
    has_metrics: bool = True
    """Whether a question for its metrics costs it nothing."""


@dataclass(slots=True)
class _Turn:
    subject: Subject
    due_seconds: float
    wait_seconds: float = _INTERVAL_SECONDS
    served: tuple[Served, ...] = ()
    version: str | None = None
    """Empty: it does not say; None: it was not asked yet."""


class Asker:
    """Knows what each engine last said."""

    def __init__(
        self,
        *,
        ask_port: Callable[[int, str], bytes] = ask,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask_port = ask_port
        self._clock = clock
        self._changed = Condition()
        self._subjects: tuple[Subject, ...] = ()
        """All that it was told of, those that cannot be asked among them."""
        self._turns: dict[int, _Turn] = {}
        self._thread: Thread | None = None
        self._is_stopped = False

    def follow(self, subjects: tuple[Subject, ...]) -> None:
        """From now on these, and no others; the thread begins with the first."""
        with self._changed:
            if subjects == self._subjects:  # most often; and who waits is not woken for it
                return
            self._subjects = subjects
            wanted = {one.pid: one for one in subjects if one.ports and one.engine_name in READERS}
            self._turns = {
                pid: turn
                if (turn := self._turns.get(pid)) is not None and turn.subject == one
                else _Turn(subject=one, due_seconds=self._clock())
                for pid, one in wanted.items()
            }
            if self._turns and self._thread is None and not self._is_stopped:
                self._thread = Thread(target=self._run, name="asker", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def answers(self) -> Mapping[int, tuple[Served, ...]]:
        """By pid, what each last said; nothing of one that says nothing."""
        with self._changed:
            return {pid: turn.served for pid, turn in self._turns.items() if turn.served}

    def stop(self) -> None:
        """Ask nobody any more. It is not waited for."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def ask_due(self) -> bool:
        """Asks the one whose turn it is; whether there was one."""
        with self._changed:
            turn = min(self._turns.values(), key=lambda one: one.due_seconds, default=None)
            if turn is None or turn.due_seconds > self._clock():
                return False
        served = self._served(turn)
        with self._changed:
            turn.wait_seconds = _INTERVAL_SECONDS if served is not None else min(2 * turn.wait_seconds, _MOST_SECONDS)
            turn.served = served or ()
            turn.due_seconds = self._clock() + turn.wait_seconds
        return True

    def _served(self, turn: _Turn) -> tuple[Served, ...] | None:
        """None where none of its ports gives an answer."""
        subject = turn.subject
        for port in subject.ports:
            ask_it = partial(self._ask_port, port)
            try:
                served = served_by(subject.engine_name, ask_it, has_metrics=subject.has_metrics)
            except NoAnswer:
                continue
            if turn.version is None and not any(one.is_loading for one in served):
                turn.version = version_by(subject.engine_name, ask_it) or ""
            return tuple(replace(one, version=turn.version or None) for one in served)
        return None

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._is_stopped:
                    return
                due = min((one.due_seconds for one in self._turns.values()), default=None)
                wait = None if due is None else due - self._clock()
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
            self.ask_due()

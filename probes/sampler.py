"""Readings of all probes, folded into one snapshot each interval.

Each probe has a daemon thread of its own, on which it is opened, sampled and closed; one more wakes each interval, asks
them, and hands on what they say. So a driver that hangs stops neither the RAM's figures, nor the screen, nor quitting.
A probe whose hardware is missing has no thread::

    sampler thread    asks ──────────┬─ waits a little ─ take_snapshot() ─ on_snapshot()
    one per probe           sample() ┘  or much later: its last figures are shown, with their age

All state is behind one lock, and what crosses it is frozen.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Thread, current_thread

from probes.answer import take_snapshot
from probes.probe import ProbeSource
from probes.snapshot import Snapshot
from probes.worker import Table, Worker, daemon

_GRACE_SECONDS = 0.15
"""How long a snapshot waits for probes that have been asked. A person sees this as at once; most answer in 5 ms."""
_SILENT_INTERVALS = 3
"""A probe that has not answered for so many intervals is said to be silent ..."""
_SILENT_SECONDS = 2.0
"""... but not before this: a driver of 500 ms a call needs 2 s for two GPUs (measured on simulated ones)."""
_CLOSING_SECONDS = 0.3
"""How long one snapshot alone waits for drivers to be closed, before the process may end under them."""


def take_one(
    sources: Sequence[ProbeSource],
    timeout_seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
) -> Snapshot:
    """One snapshot: as soon as all have answered, or with a fault for each that has not within the time."""
    table = Table()
    workers = [Worker(source, table, clock) for source in sources]
    here = [worker for worker in workers if worker.is_here()]
    with table.lock:
        for worker in here:
            worker.ask(clock())
            worker.is_stopping = worker.wants_all = True  # once this question is answered in full
        table.changed.wait_for(lambda: not any(worker.owes_more for worker in workers), timeout_seconds)
        answers = [worker.answer for worker in workers]
        for worker in workers:
            worker.wants_all = False
    _join((worker.thread for worker in workers if worker.answer.has_answered), _CLOSING_SECONDS)
    late = f"the driver has not answered within {timeout_seconds:g} s; it was not waited for any longer"
    taken_seconds = wall_clock()
    return take_snapshot(
        (answer if answer.has_answered else answer._replace(error=late) for answer in answers),
        now_seconds=clock(),
        taken_seconds=taken_seconds,
        silent_seconds=timeout_seconds,
    )


class Sampler:
    """Takes a snapshot each interval, the first as soon as there is something to show."""

    def __init__(
        self,
        sources: Sequence[ProbeSource],
        on_snapshot: Callable[[Snapshot], None],
        interval_seconds: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing starts yet. ``on_snapshot`` is called on the sampler's thread, and must neither block nor raise."""
        self._on_snapshot = on_snapshot
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._wall_clock = wall_clock
        self._table = Table()
        self._changed = self._table.changed
        """Its lock guards what follows, and what the workers share."""
        self._workers = [Worker(source, self._table, clock) for source in sources]
        self._pending: list[Worker] = []
        self._round_seconds = 0.0
        self._is_paused = False
        self._is_stopping = False
        self._thread = daemon(self._run, "sampler")

    def start(self) -> None:
        """Start sampling; once only."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 0.3) -> bool:
        """Stop, and close the probes on their own threads; whether that was done within the time.

        A driver that hangs is left alone: its probe is closed when the call returns, or never. It is not waited for.
        """
        with self._changed:
            self._is_stopping = True
            for worker in self._workers:
                worker.stop()
            self._changed.notify_all()
            now_seconds = self._clock()
            hung = [worker.thread for worker in self._workers if worker.asked_for_seconds(now_seconds) > _GRACE_SECONDS]
            threads = [worker.thread for worker in self._workers if worker.thread not in hung]
        is_done = _join([*threads, self._thread], timeout_seconds)
        return is_done and not any(thread is not None and thread.is_alive() for thread in hung)

    @property
    def interval_seconds(self) -> float:
        return self._interval_seconds

    @interval_seconds.setter
    def interval_seconds(self, seconds: float) -> None:
        with self._changed:
            self._interval_seconds = seconds
            self._changed.notify_all()

    @property
    def is_paused(self) -> bool:
        """No probe is asked, and no snapshot handed on. One follows at once when this ends."""
        return self._is_paused

    @is_paused.setter
    def is_paused(self, is_paused: bool) -> None:
        with self._changed:
            self._is_paused = is_paused
            self._round_seconds = self._clock() - self._interval_seconds
            self._changed.notify_all()

    def _run(self) -> None:
        while self._ask_all():
            self._hand_on()
            while self._first_answer_came():
                self._hand_on()

    def _ask_all(self) -> bool:
        """Ask whoever owes no answer, and wait a little for them. False when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping or not self._is_paused)
            self._round_seconds = self._clock()
            due = [worker for worker in self._workers if worker.is_due(self._round_seconds)]
        here = [worker for worker in due if worker.is_here()]
        with self._changed:
            if self._is_stopping:
                return False
            self._table.waited_for = set(here)
            for worker in here:
                worker.ask(self._round_seconds)
            self._changed.wait_for(
                lambda: self._is_stopping or not self._table.waited_for,
                min(_GRACE_SECONDS, self._interval_seconds),
            )
            return not self._is_stopping

    def _first_answer_came(self) -> bool:
        """Wait for the next round; True at once when a probe speaks that was not in the last snapshot."""
        with self._changed:
            while not self._is_stopping:
                left_seconds = self._round_seconds + self._interval_seconds - self._clock()
                if left_seconds <= 0:
                    return False
                if not self._is_paused and any(worker.answer.has_answered for worker in self._pending):
                    return True
                self._changed.wait(left_seconds)
            return False

    def _hand_on(self) -> None:
        with self._changed:
            answers = [worker.answer for worker in self._workers]
            self._pending = [worker for worker in self._workers if not worker.answer.has_answered]
            silent_seconds = max(_SILENT_SECONDS, _SILENT_INTERVALS * self._interval_seconds)
        # In this order: were the thread held up in between, figures would be shown older than they are, never younger.
        taken_seconds, now_seconds = self._wall_clock(), self._clock()
        self._on_snapshot(
            take_snapshot(answers, now_seconds=now_seconds, taken_seconds=taken_seconds, silent_seconds=silent_seconds)
        )


def _join(threads: Iterable[Thread | None], timeout_seconds: float) -> bool:
    """Wait for all of them together no longer than this; whether all have ended."""
    deadline = time.monotonic() + timeout_seconds
    have_ended = True
    for thread in threads:
        if thread is not None and thread is not current_thread() and thread.is_alive():
            thread.join(max(0.0, deadline - time.monotonic()))
            have_ended = have_ended and not thread.is_alive()
    return have_ended

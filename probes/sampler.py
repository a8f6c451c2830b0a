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
from dataclasses import replace
from threading import Condition, RLock, Thread, current_thread
from typing import NamedTuple, TypeVar

from probes.errors import ProbeError, ProbeLost, ProbeUnavailable
from probes.probe import DescribeProcess, Probe, ProbeSource, Title
from probes.snapshot import Absence, Device, Fault, Pool, Process, Reading, Snapshot
from probes.witnesses import merged

_GRACE_SECONDS = 0.15
"""How long a snapshot waits for probes that have been asked. A person sees this as at once; most answer in 5 ms."""
_SILENT_INTERVALS = 3
"""A probe that has not answered for so many intervals is said to be silent ..."""
_SILENT_SECONDS = 2.0
"""... but not before this: a driver of 500 ms a call needs 2 s for two GPUs (measured on simulated ones)."""
_ABSENT_RETRY_SECONDS = 30.0
"""No such hardware: a driver is seldom installed while this runs (ASSUMED)."""
_UNAVAILABLE_RETRY_SECONDS = 5.0
_LOST_RETRY_SECONDS = 1.0
"""After a probe was lost; twice as long after each further time, up to ``_ABSENT_RETRY_SECONDS``."""
_CLOSING_SECONDS = 0.3
"""How long one snapshot alone waits for drivers to be closed, before the process may end under them."""
_FRESH_SECONDS = 0.001
"""A reading that has lain for less is as old as its probe says, such as the one that was waited for: to copy all its
figures each second for this is dear. With 20 ms, figures were older than shown (``bench/soak.py``)."""
_TITLE_SECONDS = 10.0
"""A process is named anew after this: servers change their title once they have loaded (setproctitle in vLLM) ..."""
_SETTLED_SECONDS = 80.0
"""... and after twice as long each time that nothing had changed, up to this (ASSUMED: titles change while loading)."""
_RENAMED = 4
"""So many of those at most in one reading, for each takes some 60 µs; a tenth of them all where there are more."""

_T = TypeVar("_T")
_Figures = TypeVar("_Figures", Pool, Device)


class Answer(NamedTuple):
    """What one probe has said last. Times are those of one monotonic clock."""

    probe: str
    has_answered: bool = False
    """Once at least, be it to say that there is nothing."""
    reading: Reading | None = None
    read_seconds: float = 0.0
    """The moment to which the ages in ``reading`` refer."""
    asked_seconds: float | None = None
    """When the question was put that is still open; None where none is."""
    error: str | None = None
    """Why there is no reading. None also where there is nothing to read, and that is no fault."""
    absence: str | None = None
    """How one can tell that there is nothing to read, where that is no fault."""


def take_snapshot(
    answers: Iterable[Answer], *, now_seconds: float, taken_seconds: float, silent_seconds: float
) -> Snapshot:
    """Fold what the probes have said into one snapshot; one that is late or broken hides no other.

    Args:
        answers: in the order in which their pools and devices shall stand.
        now_seconds: by the clock of the answers, to know their age.
        taken_seconds: since 1970.
        silent_seconds: a question that is open for longer becomes a fault.
    """
    answers = tuple(answers)
    aged = merged([_aged(answer, now_seconds) for answer in answers])
    faults = [fault for reading in aged for fault in reading.faults]
    for answer in answers:
        message = answer.error or _silence(answer, now_seconds, silent_seconds)
        if message is not None:
            faults.append(Fault(probe=answer.probe, message=message))
    pools = tuple(pool for reading in aged for pool in reading.pools)
    devices = tuple(device for reading in aged for device in reading.devices)
    return Snapshot(
        taken_seconds=taken_seconds,
        pools=pools,
        devices=devices,
        processes=tuple(process for reading in aged for process in reading.processes),
        faults=tuple(faults),
        versions=tuple(version for reading in aged for version in reading.versions),
        machine=next((reading.machine for reading in aged if reading.machine is not None), None),
        late_seconds=max(
            (*(pool.late_seconds for pool in pools), *(device.late_seconds for device in devices)), default=0.0
        ),
        absences=tuple(
            Absence(probe=answer.probe, reason=answer.absence) for answer in answers if answer.absence is not None
        ),
        pending=tuple(answer.probe for answer in answers if not answer.has_answered),
    )


def _aged(answer: Answer, now_seconds: float) -> Reading:
    """The reading with its age: as old as the probe says that each figure was, and as long as it has lain here."""
    reading = answer.reading
    if reading is None:
        return Reading()
    age_seconds = now_seconds - answer.read_seconds
    if age_seconds < _FRESH_SECONDS:
        return reading
    return replace(
        reading,
        pools=tuple(_older(pool, age_seconds) for pool in reading.pools),
        devices=tuple(_older(device, age_seconds) for device in reading.devices),
    )


def _older(figures: _Figures, age_seconds: float) -> _Figures:
    """A copy that is so much older. ``replace`` takes 9 µs for a device, and this 3."""
    copy: _Figures = object.__new__(type(figures))
    for name in figures.__slots__:
        object.__setattr__(copy, name, getattr(figures, name))
    object.__setattr__(copy, "late_seconds", figures.late_seconds + age_seconds)
    return copy


def _silence(answer: Answer, now_seconds: float, silent_seconds: float) -> str | None:
    if answer.asked_seconds is None or now_seconds - answer.asked_seconds <= silent_seconds:
        return None
    figures = "no figures yet" if answer.reading is None else "the figures are from then"
    return f"the driver has not answered for {now_seconds - answer.asked_seconds:.0f} s; {figures}"


def take_one(
    sources: Sequence[ProbeSource],
    timeout_seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
) -> Snapshot:
    """One snapshot: as soon as all have answered, or with a fault for each that has not within the time."""
    table = _Table()
    workers = [_Worker(source, table, clock) for source in sources]
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
        self._table = _Table()
        self._changed = self._table.changed
        """Its lock guards what follows, and what the workers share."""
        self._workers = [_Worker(source, self._table, clock) for source in sources]
        self._pending: list[_Worker] = []
        self._round_seconds = 0.0
        self._is_paused = False
        self._is_stopping = False
        self._thread = _daemon(self._run, "sampler")

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


class _Table:
    """What the threads share."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.changed = Condition(self.lock)
        """Something that a sampler waits for."""
        self.waited_for: set[_Worker] = set()
        """Those that were asked in this round and have not answered."""


class _Worker:
    """One probe and the thread on which alone it is touched, made when it is first asked."""

    def __init__(self, source: ProbeSource, table: _Table, clock: Callable[[], float]) -> None:
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
        self._titles = None if source.describe_process is None else _Titles(source.describe_process)
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
            self.thread = _daemon(self.run, self.source.name)
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


class _Described(NamedTuple):
    """What was found out about a process, and when it is looked at again."""

    title: Title | None
    period_seconds: float
    due_seconds: float


class _Titles:
    """Names of processes, asked anew only where a pid is new or was named long ago.

    A pid that stays listed is taken for the same process: to be another one, it would have had to end, and all the
    numbers to be used up, within one interval. That saves reading each one's start time at each sample (15 µs).
    """

    def __init__(self, describe: DescribeProcess) -> None:
        self._describe = describe
        self._known: dict[int, _Described] = {}
        self._due_seconds = float("-inf")
        """When the first of them is looked at again."""
        self._listed: tuple[Process, ...] = ()
        self._shown: tuple[Process, ...] = ()
        """The same, with their titles."""

    def named(self, processes: tuple[Process, ...], now_seconds: float) -> tuple[Process, ...]:
        # Most stay the same from one reading to the next; those that are the same objects are compared at once.
        if processes != self._listed or now_seconds >= self._due_seconds:
            self._describe_all({process.pid for process in processes if _is_nameless(process)}, now_seconds)
            # Of those that are the same objects, with the same titles, what is shown is the same as well: their
            # memory changes seldom, and another's does at each reading. A copy takes 7 µs.
            before = {id(old): shown for old, shown in zip(self._listed, self._shown, strict=True)}
            self._listed = processes
            self._shown = tuple(self._with_title(process, before.get(id(process))) for process in processes)
        return self._shown

    def _describe_all(self, pids: set[int], now_seconds: float) -> None:
        """All that are new, and of the others those that have been due longest."""
        known = {pid: described for pid, described in self._known.items() if pid in pids}
        due = sorted(
            (pid for pid in known if known[pid].due_seconds <= now_seconds), key=lambda p: known[p].due_seconds
        )
        for pid in [*(pids - known.keys()), *due[: max(_RENAMED, len(pids) // 10)]]:
            title = self._describe(pid)
            before = known.get(pid)
            is_settled = before is not None and before.title == title
            period = min(2 * before.period_seconds, _SETTLED_SECONDS) if before and is_settled else _TITLE_SECONDS
            known[pid] = _Described(title, period, now_seconds + period)
        self._known = known
        self._due_seconds = min((described.due_seconds for described in known.values()), default=float("inf"))

    def _with_title(self, process: Process, shown: Process | None) -> Process:
        title = self._known[process.pid].title if _is_nameless(process) else None
        if title is None:
            return process
        return shown if shown is not None and _is_titled(shown, process, title) else _titled(process, title)


def _is_nameless(process: Process) -> bool:
    return process.name is None and not process.is_outside


def _is_titled(shown: Process, process: Process, title: Title) -> bool:
    """Whether this is the process with this very title."""
    user = process.user if title.user is None else title.user
    container = process.container if title.container is None else title.container
    return (shown.name, shown.command, shown.user, shown.container) == (title.name, title.command, user, container)


def _titled(process: Process, title: Title) -> Process:
    return Process(  # all of it: ``replace`` takes twice as long
        pid=process.pid,
        device_key=process.device_key,
        used_bytes=process.used_bytes,
        name=title.name,
        command=title.command,
        user=process.user if title.user is None else title.user,
        container=process.container if title.container is None else title.container,
        is_outside=process.is_outside,
        shared_used_bytes=process.shared_used_bytes,
        utilization_ratio=process.utilization_ratio,
    )


def _attempt(action: Callable[[], _T]) -> _T | ProbeError:
    """What the action gives, or why it failed: whatever the code of a vendor raises ends here, in a sentence."""
    try:
        return action()
    except ProbeError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the one place: a broken probe must hide no other, nor end its thread
        return ProbeLost(f"failed unexpectedly, please report it: {type(error).__name__}: {error}")


def _daemon(run: Callable[[], None], name: str) -> Thread:
    """A thread that the interpreter does not wait for: a driver's call may never return."""
    return Thread(target=run, name=f"probe {name}", daemon=True)


def _join(threads: Iterable[Thread | None], timeout_seconds: float) -> bool:
    """Wait for all of them together no longer than this; whether all have ended."""
    deadline = time.monotonic() + timeout_seconds
    have_ended = True
    for thread in threads:
        if thread is not None and thread is not current_thread() and thread.is_alive():
            thread.join(max(0.0, deadline - time.monotonic()))
            have_ended = have_ended and not thread.is_alive()
    return have_ended

"""One thread per probe, asked each interval, and how old what they say is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from queue import Queue
from threading import Event, Thread
from threading import enumerate as all_threads
from time import monotonic
from weakref import ref

import pytest
from fake_probe import GPU, PATIENCE_SECONDS, RAM, FakeProbe

from probes.errors import ProbeLost, ProbeUnavailable
from probes.probe import Probe, ProbeSource, Title
from probes.sampler import Sampler, take_one
from probes.snapshot import Fault, Reading, Snapshot


class Ticking:
    """A clock that goes on a little each time it is read, and further when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.0001
        return self.now


@pytest.fixture
def release() -> Iterator[Event]:
    """What a hung driver waits for. Set at the end, so that its thread ends soon after its test."""
    event = Event()
    yield event
    event.set()


@pytest.fixture
def sampled() -> Iterator[Callable[..., Queue[Snapshot]]]:
    """Starts a sampler over sources, and gives the queue of its snapshots."""
    samplers: list[Sampler] = []

    def start(*sources: ProbeSource, interval_seconds: float = 0.005) -> Queue[Snapshot]:
        snapshots: Queue[Snapshot] = Queue()
        sampler = Sampler(sources, snapshots.put, interval_seconds)
        samplers.append(sampler)
        sampler.start()
        return snapshots

    yield start
    for sampler in samplers:
        sampler.stop()


def wait_for(snapshots: Queue[Snapshot], is_it: Callable[[Snapshot], bool]) -> Snapshot:
    deadline = monotonic() + PATIENCE_SECONDS
    while True:
        snapshot = snapshots.get(timeout=deadline - monotonic())
        if is_it(snapshot):
            return snapshot


# --- ages


def test_age_counts_from_when_the_probe_was_asked_not_from_when_its_processes_were_named() -> None:
    now = [0.0]

    class SlowProbe(FakeProbe):
        def sample(self) -> Reading:
            now[0] += 2.0
            return super().sample()

    def describe(_: int) -> None:
        now[0] += 4.0

    source = SlowProbe(GPU).source(describe_process=describe)
    assert take_one([source], PATIENCE_SECONDS, clock=lambda: now[0]).late_seconds == 6.0


def test_age_counts_from_the_moment_that_the_probe_names() -> None:
    now = [0.0]

    class SlowProbe(FakeProbe):
        def sample(self) -> Reading:
            now[0] += 2.0
            return replace(super().sample(), taken_seconds=1.5)

    assert take_one([SlowProbe(GPU).source()], PATIENCE_SECONDS, clock=lambda: now[0]).late_seconds == 0.5


@pytest.mark.parametrize("said", [-1e9, 1e9])
def test_no_probe_makes_a_reading_older_than_the_question_or_newer_than_its_answer(said: float) -> None:
    now = [0.0]

    class WrongProbe(FakeProbe):
        def sample(self) -> Reading:
            now[0] += 2.0
            return replace(super().sample(), taken_seconds=said)

    shown = take_one([WrongProbe(GPU).source()], PATIENCE_SECONDS, clock=lambda: now[0]).late_seconds
    assert shown == (2.0 if said < 0 else 0.0)


# --- sampling


def test_broken_probe_hides_no_other(sampled: Callable[..., Queue[Snapshot]]) -> None:
    broken = FakeProbe(ZeroDivisionError("oh"))
    snapshots = sampled(FakeProbe(RAM).source("host"), broken.source("gpu"))
    snapshot = wait_for(snapshots, lambda snapshot: not snapshot.pending)
    assert snapshot.pool("host") is not None
    assert [fault.probe for fault in snapshot.faults] == ["gpu"]
    assert "ZeroDivisionError: oh" in snapshot.faults[0].message


def test_hung_probe_leaves_the_ram_live(sampled: Callable[..., Queue[Snapshot]], release: Event) -> None:
    host = FakeProbe(RAM)
    snapshots = sampled(host.source("host"), FakeProbe(release).source("gpu"))
    snapshot = wait_for(snapshots, lambda _: host.n_samples >= 3)
    assert snapshot.pool("host") is not None
    assert snapshot.pending == ("gpu",)


def test_hung_probe_keeps_figures_that_grow_older(sampled: Callable[..., Queue[Snapshot]], release: Event) -> None:
    snapshots = sampled(FakeProbe(GPU, release).source("gpu"))
    first = wait_for(snapshots, lambda snapshot: snapshot.late_seconds > 0.01)
    then = wait_for(snapshots, lambda snapshot: snapshot.late_seconds > first.late_seconds)
    assert then.pool("gpu") is not None


def test_first_answer_is_shown_at_once_and_not_at_the_next_interval(
    sampled: Callable[..., Queue[Snapshot]], release: Event
) -> None:
    snapshots = sampled(FakeProbe(RAM).source("host"), FakeProbe(release).source("gpu"), interval_seconds=60.0)
    wait_for(snapshots, lambda snapshot: snapshot.pending == ("gpu",))
    release.set()
    wait_for(snapshots, lambda snapshot: snapshot.pool("gpu") is not None)


def test_absent_hardware_is_no_fault_and_is_not_asked_again_soon(sampled: Callable[..., Queue[Snapshot]]) -> None:
    opened = count()

    def absent() -> Probe:
        next(opened)
        raise ProbeUnavailable("no such hardware", is_expected=True)

    snapshots = sampled(FakeProbe(RAM).source("host"), ProbeSource(name="gpu", open=absent))
    seen = [wait_for(snapshots, lambda snapshot: not snapshot.pending) for _ in range(4)]
    assert not any(snapshot.faults for snapshot in seen)
    assert next(opened) == 1


def test_missing_hardware_has_no_thread_and_is_opened_when_it_comes() -> None:
    clock, missing, snapshots = Ticking(), ["no such hardware"], Queue[Snapshot]()
    gpu = FakeProbe(GPU)
    source = gpu.source("late", missing=lambda: missing[0] if missing else None)
    sampler = Sampler([FakeProbe(RAM).source("host"), source], snapshots.put, 0.001, clock=clock)
    sampler.start()
    first = wait_for(snapshots, lambda snapshot: not snapshot.pending)
    assert [absence.reason for absence in first.absences] == ["no such hardware"]
    assert not any(thread.name == "probe late" for thread in all_threads())
    missing.clear()
    clock.now += 31.0
    wait_for(snapshots, lambda snapshot: snapshot.pool("gpu") is not None)
    sampler.stop()
    assert gpu.was_closed.wait(PATIENCE_SECONDS)
    assert gpu.n_opened == gpu.n_closed == 1


def test_missing_hardware_is_looked_for_seldom() -> None:
    now, n_looked, snapshots = count(step=0.01), count(), Queue[Snapshot]()

    def missing() -> str:
        next(n_looked)
        return "no such hardware"

    source = ProbeSource(name="gpu", open=FakeProbe(GPU).open, missing=missing)
    sampler = Sampler([source], snapshots.put, 0.001, clock=lambda: float(next(now)))
    sampler.start()
    for _ in range(20):
        snapshots.get(timeout=PATIENCE_SECONDS)
    assert sampler.stop(PATIENCE_SECONDS)
    assert next(n_looked) == 1


def test_probe_that_has_figures_is_not_looked_for(sampled: Callable[..., Queue[Snapshot]]) -> None:
    n_looked = count()

    def missing() -> str | None:
        return "gone" if next(n_looked) else None

    snapshots = sampled(FakeProbe(GPU).source(missing=missing))
    for _ in range(4):
        wait_for(snapshots, lambda snapshot: snapshot.pool("gpu") is not None)
    assert next(n_looked) == 1


def test_failing_look_for_hardware_is_a_fault_of_that_probe_alone() -> None:
    def missing() -> str:
        raise ZeroDivisionError("oh")

    gpu = ProbeSource(name="gpu", open=FakeProbe(GPU).open, missing=missing)
    snapshot = take_one([FakeProbe(RAM).source("host"), gpu], PATIENCE_SECONDS)
    assert snapshot.pool("host") is not None
    assert [fault.probe for fault in snapshot.faults] == ["gpu"]
    assert "ZeroDivisionError: oh" in snapshot.faults[0].message


def test_unavailable_driver_is_a_fault_that_stays(sampled: Callable[..., Queue[Snapshot]]) -> None:
    def mismatched() -> Probe:
        raise ProbeUnavailable("restart the machine")

    snapshots = sampled(ProbeSource(name="gpu", open=mismatched))
    for _ in range(3):
        snapshot = wait_for(snapshots, lambda snapshot: not snapshot.pending)
        assert snapshot.faults == (Fault(probe="gpu", message="restart the machine"),)


def test_lost_probe_is_closed_and_opened_again(release: Event) -> None:
    now = count(step=0.5)  # by which the time to wait before the next attempt passes quickly
    probe = FakeProbe(GPU, ProbeLost("the driver was unloaded"), release)
    snapshots: Queue[Snapshot] = Queue()
    sampler = Sampler([probe.source()], snapshots.put, 0.001, clock=lambda: float(next(now)))
    sampler.start()
    unloaded = (Fault(probe="gpu", message="the driver was unloaded"),)
    wait_for(snapshots, lambda snapshot: snapshot.faults == unloaded)
    release.set()
    wait_for(snapshots, lambda snapshot: snapshot.pool("gpu") is not None)
    probe.was_closed.clear()
    sampler.stop()
    assert probe.was_closed.wait(PATIENCE_SECONDS)
    assert (probe.n_opened, probe.n_closed) == (2, 2)


def test_probe_is_touched_on_one_thread_only() -> None:
    probe = FakeProbe(GPU)
    sampler = Sampler([probe.source()], lambda _: None, 0.001)
    sampler.start()
    assert probe.was_asked.wait(PATIENCE_SECONDS)
    assert sampler.stop(PATIENCE_SECONDS)
    assert probe.n_closed == 1
    assert probe.threads == {"probe gpu"}


def test_stop_returns_promptly_while_a_probe_hangs(release: Event) -> None:
    hung = FakeProbe(release)
    sampler = Sampler([hung.source()], lambda _: None, 0.001)
    sampler.start()
    assert hung.was_asked.wait(PATIENCE_SECONDS)
    before = monotonic()
    assert not sampler.stop(timeout_seconds=0.02)
    assert monotonic() - before < 0.25


def test_stop_waits_for_no_driver_that_has_hung_for_a_while(release: Event) -> None:
    now = [0.0]
    hung = FakeProbe(release)
    sampler = Sampler([hung.source()], lambda _: None, 0.001, clock=lambda: now[0])
    sampler.start()
    assert hung.was_asked.wait(PATIENCE_SECONDS)
    now[0] = 1.0
    before = monotonic()
    assert not sampler.stop(timeout_seconds=PATIENCE_SECONDS)
    assert monotonic() - before < PATIENCE_SECONDS / 2


def test_hung_probe_is_closed_only_when_its_call_has_returned(release: Event) -> None:
    hung = FakeProbe(release)
    sampler = Sampler([hung.source()], lambda _: None, 0.001)
    sampler.start()
    assert hung.was_asked.wait(PATIENCE_SECONDS)
    sampler.stop(timeout_seconds=0.0)
    assert hung.n_closed == 0
    release.set()
    assert hung.was_closed.wait(PATIENCE_SECONDS)


def test_stop_from_within_the_callback_does_not_wait_for_itself() -> None:
    stopped = Event()

    def stop(_: Snapshot) -> None:
        sampler.stop()
        stopped.set()

    sampler = Sampler([FakeProbe(RAM).source()], stop, 0.001)
    sampler.start()
    assert stopped.wait(PATIENCE_SECONDS)


def test_stop_asks_no_probe_once_more() -> None:
    probe = FakeProbe(RAM)
    sampler = Sampler([probe.source()], lambda _: None, 0.001)
    sampler.stop()  # no thread runs yet: this is what the sampler's own finds when it wakes

    assert not sampler._ask_all()
    assert not any(worker._is_asked for worker in sampler._workers)


def test_stop_before_start_does_nothing() -> None:
    assert Sampler([FakeProbe(RAM).source()], lambda _: None).stop()


def test_paused_sampler_asks_nobody_and_goes_on_at_once() -> None:
    probe, snapshots = FakeProbe(RAM), Queue[Snapshot]()
    sampler = Sampler([probe.source()], snapshots.put, 60.0)
    sampler.is_paused = True
    sampler.start()
    assert sampler.is_paused
    assert probe.n_samples == 0
    assert snapshots.empty()
    sampler.is_paused = False
    snapshots.get(timeout=PATIENCE_SECONDS)
    sampler.stop()


def test_shorter_interval_holds_at_once() -> None:
    snapshots: Queue[Snapshot] = Queue()
    sampler = Sampler([FakeProbe(RAM).source()], snapshots.put, 60.0)
    sampler.start()
    snapshots.get(timeout=PATIENCE_SECONDS)
    sampler.interval_seconds = 0.001
    snapshots.get(timeout=PATIENCE_SECONDS)
    assert sampler.interval_seconds == 0.001
    sampler.stop()


# --- names of processes


def test_processes_are_named_by_their_source() -> None:
    source = FakeProbe(GPU).source(describe_process=lambda _: Title(name="ollama", command="ollama serve"))
    assert [process.name for process in take_one([source], PATIENCE_SECONDS).processes] == ["ollama", "known"]


def test_pids_of_another_machine_are_not_named() -> None:
    snapshot = take_one([FakeProbe(GPU).source()], PATIENCE_SECONDS)
    assert snapshot.processes[0].name is None


# --- one snapshot alone


def test_take_one_has_all_probes_and_closes_them() -> None:
    host, gpu = FakeProbe(RAM), FakeProbe(GPU)
    snapshot = take_one([host.source("host"), gpu.source("gpu")], PATIENCE_SECONDS)
    assert [pool.key for pool in snapshot.pools] == ["host", "gpu"]
    assert (host.n_closed, gpu.n_closed) == (1, 1)


def test_take_one_says_who_has_not_answered_in_time(release: Event) -> None:
    snapshot = take_one([FakeProbe(RAM).source("host"), FakeProbe(release).source("gpu")], 0.02)
    assert snapshot.pending == ("gpu",)
    assert [fault.probe for fault in snapshot.faults] == ["gpu"]
    assert "within 0.02 s" in snapshot.faults[0].message


def test_take_one_waits_for_all_that_a_slow_driver_tells_bit_by_bit() -> None:
    part = replace(GPU, is_partial=True)
    slow = FakeProbe(part, part, GPU)
    snapshot = take_one([FakeProbe(RAM).source("host"), slow.source()], PATIENCE_SECONDS)
    assert snapshot.pool("gpu") is not None
    assert (slow.n_samples, slow.n_closed) == (3, 1)


def test_take_one_shows_what_it_has_when_the_time_is_over() -> None:
    snapshot = take_one([FakeProbe(replace(GPU, is_partial=True)).source()], 0.02)
    assert snapshot.pool("gpu") is not None


def test_what_a_failing_probe_had_in_hand_is_gone_once_it_has_answered(no_collector: None) -> None:
    held: list[ref[FakeProbe]] = []

    def fails() -> Probe:
        in_hand = FakeProbe(RAM)
        held.append(ref(in_hand))
        try:
            raise RuntimeError(in_hand.n_samples)
        except RuntimeError as error:
            raise ProbeLost("gone") from error

    assert take_one([ProbeSource(name="gpu", open=fails)], PATIENCE_SECONDS).faults
    assert [one() for one in held] == [None]


def test_take_one_of_no_probes_is_empty() -> None:
    assert take_one([], 1.0).pools == ()


def test_threads_never_keep_the_process_alive(release: Event) -> None:
    take_one([FakeProbe(release).source("stuck")], 0.01)
    stuck: list[Thread] = [thread for thread in all_threads() if thread.name == "probe stuck"]
    assert stuck
    assert all(thread.daemon for thread in stuck)

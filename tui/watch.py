"""Watches for engines while the screen is open: on a thread of its own, with the newest snapshot only."""

from __future__ import annotations

import time
from importlib import import_module
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estimator.calibration import Calibration
    from probes.processes import Processes
    from probes.served import Served
    from probes.snapshot import Snapshot
    from tui.learner import Learner
    from tui.recognised import Recognised
    from tui.recogniser import Recogniser

_INTERVAL_SECONDS, _CALM_SECONDS = 1.0, 3.0
"""Between two looks: while something loads, and while nothing does."""
_REST = 40
"""One part of looking to so many of rest at least: a first look at many engines takes a second."""


def rest_seconds(look_seconds: float, *, is_calm: bool = False) -> float:
    """Until the next look, after one that took so much of a processor, and saw nothing load where it is calm."""
    return max(_CALM_SECONDS if is_calm else _INTERVAL_SECONDS, _REST * look_seconds)


_MOST_SPARED = 2
"""Looks in a row, where nothing loads, nobody came or went and no engine has said more: of 15 each takes 3 ms."""
_PARTS = (
    "estimator.reader",
    "estimator.engines.llamacpp",
    "launches.command",
    "launches.launch",
    "tui.launched",
    "tui.finding",
    "tui.asker",
)
"""Of what recognises engines, 30 ms and 4 MiB after the first picture: imported one by one, or a key would wait."""


class Glances:
    """Sees which looks would find what the last one did."""

    def __init__(self, recogniser: Recogniser, processes: Processes) -> None:
        self._recogniser, self._processes = recogniser, processes
        self._heard: Mapping[int, tuple[Served, ...]] | None = None
        """What engines had said at the last look; None before the first."""
        self._n_spared = 0

    def spare(self, snapshot: Snapshot, answers: Mapping[int, tuple[Served, ...]]) -> bool:
        """Whether this look may be spared; one follows where it is not.

        Args:
            snapshot: what devices hold now.
            answers: by pid, what engines last said.
        """
        if (
            self._n_spared < _MOST_SPARED
            and answers == self._heard
            and self._recogniser.is_settled
            and not self._recogniser.has_moved(snapshot)
            and not self._processes.has_changed()
        ):
            self._n_spared += 1
            return True
        self._n_spared, self._heard = 0, answers
        return False


class Watch:
    """Tells what was seen, each time something was."""

    def __init__(
        self,
        on_seen: Callable[[tuple[Recognised, ...]], object],
        *,
        make_learner: Callable[[], Learner] | None = None,
        calibrations: Callable[[], tuple[Calibration, ...]] = tuple,
        root: str = "",
        wait: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_seen = on_seen
        self._make_learner = make_learner
        """Called on the thread; None where no load is kept."""
        self._calibrations = calibrations
        """What was learned on this machine until now; asked on the thread."""
        self._root = root
        self._wait = wait
        """Called between two steps of what is computed for a look: who has pressed a key comes first."""
        self._clock = clock
        lock = Lock()
        self._fed, self._stopped = Condition(lock), Condition(lock)
        """Two, so that who rests is not woken by each snapshot."""
        self._newest: Snapshot | None = None
        self._is_stopped = False
        self._thread: Thread | None = None

    def feed(self, snapshot: Snapshot) -> None:
        """A newer one; with the first, the thread begins."""
        with self._fed:
            self._newest = snapshot
            if self._thread is None and not self._is_stopped:
                self._thread = Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()
            self._fed.notify_all()

    def stop(self) -> None:
        """See no more. It is not waited for: a file that is being read may lie on a network."""
        with self._stopped:
            self._is_stopped = True
            self._fed.notify_all()
            self._stopped.notify_all()

    def _run(self) -> None:
        from estimator.patience import pausing  # noqa: PLC0415  # the estimator comes after the first picture

        with pausing(self._wait):
            self._watch()

    def _watch(self) -> None:
        for name in _PARTS:
            self._wait()
            import_module(name)
        from probes.processes import open_processes  # noqa: PLC0415
        from tui.asker import Asker, Subject  # noqa: PLC0415
        from tui.recogniser import Recogniser  # noqa: PLC0415

        asker = Asker()
        processes = open_processes(self._root)
        recogniser = Recogniser(
            processes,
            clock=self._clock,
            running_seconds=processes.running_seconds,
            calibrations=self._calibrations,
        )
        learner = None if self._make_learner is None else self._make_learner()
        said: tuple[Recognised, ...] = ()
        glances = Glances(recogniser, processes)
        while (snapshot := self._next()) is not None:
            began_seconds = time.thread_time()
            answers = asker.answers()
            if glances.spare(snapshot, answers):
                self._rest(_CALM_SECONDS)
                continue
            engines = recogniser.look(snapshot, answers)
            asker.follow(
                tuple(
                    Subject(pid=one.pid, engine_name=one.interface, ports=one.ports, has_metrics=one.has_metrics)
                    for one in engines
                )
            )
            if engines != said:
                said = engines
                self._on_seen(engines)
            if learner is not None:
                learner.learn(engines, snapshot, self._clock())
            self._rest(rest_seconds(time.thread_time() - began_seconds, is_calm=recogniser.is_calm))
        asker.stop()

    def _next(self) -> Snapshot | None:
        with self._fed:
            self._fed.wait_for(lambda: self._newest is not None or self._is_stopped)
            snapshot, self._newest = self._newest, None
            return None if self._is_stopped else snapshot

    def _rest(self, seconds: float) -> None:
        with self._stopped:
            self._stopped.wait_for(lambda: self._is_stopped, seconds)

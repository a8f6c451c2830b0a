"""What is planned, judged again at each snapshot; what is dear to compute is remembered.

Nothing here is drawn: a snapshot and a plan go in, a view comes out.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tui.history import History
from tui.places import lines_of, places_of
from tui.widgets.view import View

if TYPE_CHECKING:  # the estimator is imported with the first plan, not with the first picture
    from collections.abc import Callable, Sequence

    from estimator.calibration import Calibration
    from estimator.ledger import Place
    from estimator.model import Model
    from probes.snapshot import Snapshot
    from tui.alarm import Alarm
    from tui.eviction import Eviction
    from tui.load_marks import LoadMarks
    from tui.pace import Pacing
    from tui.plan import Assessment, Plan
    from tui.recognised import Recognised
    from tui.screens.study import Study

_NOTICEABLE_BYTES = 128 << 20
"""Free memory must move by so much before advice and matrix are made anew: a cell shows 0.1 GiB."""
_PATIENCE_SECONDS = 10.0
"""Between two of them while only the memory moves."""
_URGENT_REST = 5
"""The same where what was advised is not true any more."""
_REST = 60
"""Whatever takes long is done the more seldom: one part of computing to so many of rest, while only memory moves."""


class Desk:
    """Holds the plan, and what was last said of it."""

    def __init__(
        self,
        plan: Plan | None = None,
        *,
        to_local: Callable[[float], time.struct_time],
        settings: frozenset[str] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.history = History()
        self.plan = plan
        self.model: Model | None = plan.model if plan else None
        """As it was read; other quants are derived from it."""
        self.interval_seconds = 1.0
        self.is_paused = False
        self.alarms: tuple[Alarm, ...] = ()
        self.engines: tuple[Recognised, ...] = ()
        self._marks: LoadMarks | None = None
        self.is_verdict_warned = False
        self.complaints: tuple[str, ...] = ()
        self.store_notice = ""
        self.is_ascii = self.is_thrifty = self.is_read_only = self.is_elsewhere = False
        self.calibrations: tuple[Calibration, ...] = ()
        """What was learned on this machine."""
        self.has_hidden = False
        """Whether devices that programs started from here do not see are planned for, too."""
        self.silent_seconds: float | None = None
        self.wait_for_keys: Callable[[], object] = lambda: None
        """Called on a thread that computes for this, between two steps."""
        self.trouble = ""
        """Why there is no plan, or not the one that was asked for: then none is judged until another is chosen."""
        self._settings = settings
        """What the environment says of a load that has no room, as ``places.spill_settings`` reads it."""
        self._to_local = to_local
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._places: tuple[Place, ...] = ()
        self._lines: dict[str, int] = {}
        """Until there are places: where the load lines lie, by name."""
        self._judged: tuple[Plan, tuple[Place, ...], Assessment | None, str] | None = None
        self._paced: tuple[Assessment, Pacing | None] | None = None
        self._judge_again_seconds = 0.0
        """Only the memory has moved, and the last verdict took long: not before this."""
        self._exact: tuple[Assessment, tuple[Place, ...]] | None = None
        """What the thread aside found of the plan, and of which places."""
        self._study: Study | None = None
        self._asked: Plan | None = None
        """What is being studied, or was last."""
        self._asked_seconds = 0.0

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest."""
        return self._snapshot

    @property
    def places(self) -> tuple[Place, ...]:
        """Where something could be put now."""
        return self._places

    @property
    def is_loading(self) -> bool:
        """Whether an engine takes its memory now, of which is warned by places."""
        return any(engine.phase.value == "loading" for engine in self.engines)

    def take(self, snapshot: Snapshot, *, are_places_wanted: bool = True) -> None:
        """Another snapshot has come.

        Args:
            snapshot: it.
            are_places_wanted: False where only bars and their load lines are shown: to make places of eight GPUs takes
                0.13 ms, their lines 0.02. ``finish`` makes them later.
        """
        self._snapshot = snapshot
        if self.plan is None and not are_places_wanted:
            self._lines, self._places = lines_of(snapshot, has_hidden=self.has_hidden), ()
        else:
            self._place()
        self.silent_seconds = None
        self.history.append(snapshot)

    def see(self, engines: tuple[Recognised, ...]) -> None:
        """The engines that run now; drawn with the next reading."""
        from tui.load_marks import LoadMarks  # noqa: PLC0415  # 1 ms, after the first picture

        if (
            self.plan is not None
            and self.plan.engine_name == "ollama"
            and _in_ollama(engines) != _in_ollama(self.engines)
        ):
            self._judged = self._asked = None  # what it would end to make room is another now
        self.engines = engines
        self._marks = self._marks or LoadMarks()
        if self._snapshot is not None:
            self._marks.look(engines, self._snapshot.taken_seconds)

    def look_away(self) -> None:
        """Engines are not watched for any more."""
        self.engines = ()
        if self._marks is not None:
            self._marks.forget()

    def finish(self) -> None:
        """The first picture has been drawn, or a screen is opened that plans."""
        if self._lines:
            self._place()

    def _place(self) -> None:
        if self._snapshot is not None:
            self._lines = {}
            self._places = places_of(
                self._snapshot,
                settings=self._settings,
                named=self._named,
                has_hidden=self.has_hidden,
                calibrations=self.calibrations,
            )

    def calibrate(self, calibrations: tuple[Calibration, ...]) -> None:
        """What was learned on this machine is another now."""
        if calibrations != self.calibrations:
            self.calibrations = calibrations
            self._place()
            self._asked = None

    def plan_for_hidden(self, *, has_hidden: bool) -> None:
        """Whether hidden devices are planned for from now on."""
        self.has_hidden = has_hidden
        self._place()
        self._asked = None

    @property
    def _named(self) -> tuple[str, ...]:
        """Devices that were chosen, which may be hidden ones."""
        return (self.plan.devices or ()) if self.plan is not None else ()

    def choose(self, plan: Plan | None, *, is_model_new: bool = False) -> None:
        """Another plan; quants of one model are always derived from what was read."""
        if plan is not None and (is_model_new or self.model is None):
            self.model = plan.model
        elif plan is not None and self.model is not None and plan.model.quant == self.model.quant:
            plan = replace(plan, model=self.model)
        self.plan, self.trouble = plan, ""
        if self._named or self._lines:
            self._place()
        if is_model_new or plan is None:
            self._study = None

    def view(self) -> View:
        """Everything that the screen shows now."""
        assessment, reason = self._assessed()
        found, level = self._study, assessment.verdict.level if assessment else None
        return View(
            snapshot=self._snapshot,
            history=self.history,
            places=self._places,
            lines=self._lines,
            plan=self.plan,
            assessment=assessment,
            pacing=self._pacing(assessment),
            reason=reason,
            advice=found.advice if found and found.plan is self.plan and found.level == level else None,
            cells=found.cells if found and not reason else (),
            when=self._to_local(self._snapshot.taken_seconds) if self._snapshot else None,
            interval_seconds=self.interval_seconds,
            is_paused=self.is_paused,
            engines=self.engines,
            marks=self._marks.marks if self._marks is not None else (),
            alarms=self.alarms,
            is_verdict_warned=self.is_verdict_warned,
            complaints=self.complaints,
            store_notice=self.store_notice,
            is_ascii=self.is_ascii,
            is_read_only=self.is_read_only,
            is_elsewhere=self.is_elsewhere,
            is_thrifty=self.is_thrifty,
            silent_seconds=self.silent_seconds,
        )

    def _assessed(self) -> tuple[Assessment | None, str]:
        if self.plan is None or self._snapshot is None or self.trouble:
            return None, self.trouble
        if reason := self._unknown_devices():
            return None, reason
        if self._judged is not None and self._judged[0] is self.plan:
            is_same = self._judged[1] == self._places
            if is_same or (
                self._clock() < self._judge_again_seconds and not _are_others(self._judged[1], self._places)
            ):
                return self._judged[2], self._judged[3]
        from estimator.errors import EstimatorError  # noqa: PLC0415
        from tui.plan import assess_at_once  # noqa: PLC0415

        assessment, reason = self._studied(), self._refused()
        began_seconds = time.thread_time()
        try:
            if assessment is None and not reason:
                assessment = self._sooner(self._at_once(partial(assess_at_once, self.plan)))
        except EstimatorError as error:
            reason = str(error)
        rest_seconds = _REST * (time.thread_time() - began_seconds)
        self._judge_again_seconds = self._clock() + rest_seconds - self.interval_seconds
        self._judged = (self.plan, self._places, assessment, reason)
        return assessment, reason

    def _studied(self) -> Assessment | None:
        """What was found on the thread aside, while it is of this plan and the memory has hardly moved since."""
        if self._exact is None:
            return None
        made, places = self._exact
        if made.plan is not self.plan or _has_moved(places, self._places):
            return None
        from tui.plan import judged_again  # noqa: PLC0415

        return judged_again(made, self._room_for(made))

    def _eviction(self) -> Eviction | None:
        """What Ollama would end to make room for the plan."""
        if self.plan is None or self.plan.engine_name != "ollama" or self._snapshot is None or not self.engines:
            return None
        from tui.eviction import eviction_of  # noqa: PLC0415

        return eviction_of(self._snapshot, self.engines)

    def _at_once(self, assess: Callable[[tuple[Place, ...]], Assessment]) -> Assessment:
        eviction = self._eviction()
        if eviction is None:
            return assess(self._places)
        from tui.eviction import with_room_made  # noqa: PLC0415

        return with_room_made(assess, self._places, eviction)

    def _room_for(self, made: Assessment) -> tuple[Place, ...]:
        """The places as they are now, or once that has been ended of which it was made."""
        eviction = self._eviction() if made.ended_first else None
        return self._places if eviction is None else eviction.places(self._places)

    def _refused(self) -> str:
        """Why the plan cannot be judged, as it was found on the thread aside: closed forms may not have seen it."""
        found = self._study
        if found is None or found.plan is not self.plan or _has_moved(found.places, self._places):
            return ""
        return found.reason

    def _sooner(self, rough: Assessment) -> Assessment:
        """What closed forms say now; in place of a failure, what the engine chose before, where that still has room.

        They count the experts of more layers than an engine would keep in RAM, and so fail what only spills.
        """
        from estimator.verdict import Level  # noqa: PLC0415
        from tui.plan import judged_again  # noqa: PLC0415

        if rough.verdict.level is not Level.FAILS or self._exact is None or self._exact[0].plan is not self.plan:
            return rough
        made, places = self._exact
        if made.fallback is None or _are_others(places, self._places):
            return rough
        now = judged_again(made, self._room_for(made))
        return now if now is not None and now.verdict.level is Level.SPILLS else rough

    def _pacing(self, assessment: Assessment | None) -> Pacing | None:
        """Of the verdict that is shown, once."""
        if assessment is None:
            return None
        if self._paced is None or self._paced[0] is not assessment:
            from tui.pace import pacing_of  # noqa: PLC0415

            self._paced = (assessment, pacing_of(assessment))
        return self._paced[1]

    def _unknown_devices(self) -> str:
        """Why no device can be chosen by itself now, where one may be there: the RAM alone is not what was asked."""
        if self.plan is None or self.plan.devices is not None or self._snapshot is None:
            return ""
        from estimator.errors import Unjudgeable  # noqa: PLC0415
        from tui.request import expect_devices_known  # noqa: PLC0415

        try:
            expect_devices_known(self._snapshot, has_hidden=self.has_hidden)
        except Unjudgeable as error:
            return str(error)
        return ""

    def study_due(
        self, now_seconds: float, on_exact: Callable[[Assessment, tuple[Place, ...]], object] = lambda *_: None
    ) -> Callable[[], Study | None] | None:
        """What is to be computed aside: advice and matrix are of another plan, or the memory has moved since.

        ``on_exact`` is called there with the verdict, which is found first, and the places that it is of.
        """
        plan, snapshot, places, model = self.plan, self._snapshot, self._places, self.model
        engines = self.engines
        if plan is None or snapshot is None or model is None or not self._is_study_due(plan, now_seconds):
            return None
        if self.trouble or self._unknown_devices():
            return None
        self._asked, self._asked_seconds = plan, now_seconds

        def work() -> Study | None:
            from tui.screens.study import study  # noqa: PLC0415

            return study(
                plan, model, places, snapshot, self._is_wanted(plan), engines, lambda made: on_exact(made, places)
            )

        return work

    def _is_wanted(self, plan: Plan) -> Callable[[], bool]:
        """Asked between two steps of what is computed aside, which waits there for who has pressed a key."""

        def is_wanted() -> bool:
            self.wait_for_keys()
            return self.plan is plan

        return is_wanted

    def _is_study_due(self, plan: Plan, now_seconds: float) -> bool:
        if self._asked is not plan:
            return True
        last = self._study
        if last is None or last.plan is not plan:
            return False
        waited_seconds = now_seconds - self._asked_seconds
        judged = self._judged[2] if self._judged else None
        if judged is not None and judged.verdict.level != last.level:  # what is advised is not true any more
            return waited_seconds >= _URGENT_REST * last.seconds
        patience = max(_PATIENCE_SECONDS, _REST * last.seconds)
        return waited_seconds >= patience and _has_moved(last.places, self._places)

    def refine(self, made: Assessment, places: tuple[Place, ...]) -> bool:
        """The verdict as the engine itself would choose is there; whether it is of the plan that is chosen now."""
        if made.plan is not self.plan:
            return False
        self._exact, self._judged = (made, places), None
        return True

    def accept(self, found: Study | None) -> None:
        """Advice and matrix are there."""
        if found is not None and found.plan is self.plan:
            self._study = found
            self._exact = None if found.exact is None else (found.exact, found.places)
            self._judged = None  # again, by what was found
        elif found is None or found.plan is not self.plan:
            self._asked = None


def _in_ollama(engines: Sequence[Recognised]) -> set[int]:
    return {one.pid for one in engines if one.engine_name == "ollama"}


def _are_others(before: Sequence[Place], now: Sequence[Place]) -> bool:
    """Or the same ones, of which more was learned."""
    return [(place.name, place.calibrations) for place in before] != [(place.name, place.calibrations) for place in now]


def _has_moved(before: Sequence[Place], now: Sequence[Place]) -> bool:
    if _are_others(before, now):
        return True
    return any(abs(old.free_bytes - new.free_bytes) > _NOTICEABLE_BYTES for old, new in zip(before, now, strict=True))

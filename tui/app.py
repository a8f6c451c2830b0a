"""The app: wiring only. Snapshots and keys come in, a view goes down to the screen that is shown."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType

from tui.acting import ActingApp
from tui.alarm import Alarm
from tui.courtesy import MOST_SECONDS, Courtesy
from tui.feed import SnapshotFeed
from tui.launch import run_app
from tui.messages import AsideDone, EnginesSeen, PlanChanged, SnapshotTaken
from tui.notification import notification_escape
from tui.places import spill_settings
from tui.screens.dashboard import Dashboard
from tui.screens.desk import Desk
from tui.screens.frame import Frame
from tui.sweeper import MOST_ROUNDS, Sweeper
from tui.terminal import CELLS_BY_SCRIPT, CELLS_IN_ORDER, mind_stops
from tui.tidying import Tidying
from tui.warner import Warner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from textual.screen import Screen

    from estimator.calibration import Calibration
    from estimator.errors import EstimatorError
    from estimator.ledger import Place
    from estimator.model import Model
    from probes.access import Attention
    from probes.probe import ProbeSource
    from probes.sampler import Sampler
    from probes.snapshot import Snapshot
    from tui.aside import Aside
    from tui.learner import Learner
    from tui.plan import Assessment, Plan
    from tui.plan_memory import PlanMemory
    from tui.request import Request
    from tui.screens.study import Study
    from tui.settings import Settings
    from tui.settings_file import ReadSettings
    from tui.watch import Watch

__all__ = ["PlimsollApp", "run_app"]

_SILENT_INTERVALS = 3
_STUDY_DELAY_SECONDS = 0.15
_RECALL_SECONDS = 0.05
"""After the start: the first picture comes before the load of last time."""
_PRELOAD_SECONDS = 0.5
"""After the first picture: what is opened by a key is imported."""
_SWITCH_SECONDS = 0.001
"""So long a thread that computes keeps the screen's waiting, instead of Python's 5 ms: of a key with 64 GPUs the median
was 17 to 22 ms against 20 to 26, of a letter in the list of models 95 % within 64 ms against 136 (bench/keys.py)."""
_UNHURRIED_SECONDS = 1.0
"""Without a key: what makes all threads stand still can be done."""
_KEEP_SECONDS = 2.0
"""A plan that stands for so long is kept, should the app be ended without a chance to say so."""


class PlimsollApp(ActingApp):
    """The full-screen app.

    Snapshots come from ``sources`` through a sampler of its own, from a sampler that runs already and the feed it fills
    (``tui.launch``): before the first picture as ``SnapshotTaken`` messages, and from then on past the library's queue.
    """

    CSS_PATH = "app.tcss"
    TITLE = "plimsoll"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "show('picker')", "choose a model"),
        Binding("e", "choose_engine", "engine"),
        Binding("o", "show('options')", "options of the engine"),
        Binding("c", "compare", "compare with other plans"),
        Binding("w", "show('hardware')", "the same load on other hardware"),
        Binding("y", "copy_command", "copy the command that starts it"),
        Binding("x", "show('explain')", "explain the estimate"),
        Binding("g", "show('devices')", "details of the GPUs"),
        Binding("p", "show('processes')", "processes"),
        Binding("h", "show('timeline')", "history"),
        Binding("f", "show('notices')", "what could not be read"),
        Binding("comma", "show_settings", "settings"),
        Binding("space", "toggle_pause", "pause"),
        Binding("question_mark,f1", "show('help')", "help"),
        Binding("q", "quit", "quit"),
        Binding("ctrl+z", "suspend_process", show=False),
    ]

    def __init__(  # noqa: PLR0913  # wiring is given what it wires
        self,
        sources: Sequence[ProbeSource] = (),
        *,
        model: Model | None = None,
        plan: Plan | None = None,
        request: Request | None = None,
        reading: Aside[Model] | None = None,
        snapshot: Snapshot | None = None,
        sampler: Sampler | None = None,
        feed: SnapshotFeed | None = None,
        attention: Attention | None = None,
        settings: ReadSettings | None = None,
        memory: PlanMemory | None = None,
        store: Path | None = None,
        learned: Callable[[], tuple[Calibration, ...]] = tuple,
        keep_settings: Callable[[Settings], None] | None = None,
        is_read_only: bool = False,
        is_elsewhere: bool = False,
        interval_seconds: float = 1.0,
        courtesy: Courtesy | None = None,
        clock: Callable[[], float] = time.monotonic,
        to_local: Callable[[float], time.struct_time] = time.localtime,
    ) -> None:
        if plan is None and model is not None:
            from tui.plan import default_plan  # noqa: PLC0415

            plan = default_plan(model)
        settings_here = frozenset() if attention is None else spill_settings(os.environ)
        desk = Desk(plan, to_local=to_local, settings=settings_here, clock=clock)
        desk.interval_seconds, desk.is_elsewhere = interval_seconds, is_elsewhere
        desk.has_hidden = request is not None and request.has_hidden
        self._feed = feed or SnapshotFeed()
        self._is_own_sampler = sampler is None and bool(sources)
        if self._is_own_sampler:
            from probes.sampler import Sampler  # noqa: PLC0415

            sampler = Sampler(sources, self._feed, interval_seconds)
        super().__init__(
            desk,
            courtesy,
            sampler=sampler,
            settings=settings,
            memory=memory,
            keep_settings=keep_settings,
            is_read_only=is_read_only,
        )
        self._attention = attention
        self._request, self._reading = request, reading
        self._clock = clock
        self._taken_seconds = clock()
        self._first = snapshot
        self._silence: asyncio.TimerHandle | None = None
        """Rings where no reading has come for long."""
        self._held_back: asyncio.TimerHandle | None = None
        """A reading that is drawn once the last key has been answered."""
        desk.wait_for_keys = self._courtesy.wait
        self._is_studying = False
        self._warner = Warner()
        self._sweeper = Sweeper()
        self._tidying = Tidying(self._courtesy, self._has_left, lambda: self._sweeper.clear(self._is_clear))
        self._watch: Watch | None = None
        self._is_watching = attention is not None and not is_elsewhere
        self._is_drawn = False
        """The first picture has been."""
        self._store = store
        """Where watched loads are kept; None where none is."""
        self._read_learned = learned
        self._learned: tuple[Calibration, ...] = ()
        self._looked_at: Snapshot | None = None
        self._coming: Snapshot | None = None
        """The newest that was heard: those before it do not matter any more."""
        self._asked_model: Model | None = None
        """While what was asked for on the command line is not yet the plan: a driver has not answered, say."""

    def get_default_screen(self) -> Screen[None]:
        self._obey(self.settings)
        self._dashboard = Dashboard()
        if self._first is not None:
            self._desk.take(self._first, are_places_wanted=False)
        self._dashboard.set_reactive(Frame.view, self._desk.view())
        self._dashboard.courtesy = self._courtesy
        return self._dashboard

    @property
    def is_busy(self) -> bool:
        """Whether advice and matrix are being made."""
        return self._is_studying

    def on_mount(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._hear_of_defect)
        self._write(CELLS_IN_ORDER)
        if not self.is_headless:
            mind_stops(self._write)
        self.app_resume_signal.subscribe(self, lambda _: self.screen.refresh(layout=True), immediate=True)
        if self._is_own_sampler and self._sampler is not None:
            self._sampler.start()
        self._feed.listen(self._hear)
        if self._reading is not None:
            self._desk.trouble = "reading the model …"
            self._reading.then(lambda found: self.post_message(AsideDone(lambda: self._take_model(found))))
        self._await_reading()
        self.call_after_refresh(self._finish_start)
        if self._memory is not None and self._reading is None and self._desk.plan is None:
            memory = self._memory
            self.set_timer(_RECALL_SECONDS, lambda: self._recall(memory))
        self._show()

    def _finish_start(self) -> None:
        """After the first picture, or before another screen; what is there by now stays and is not looked through."""
        if self._is_drawn:
            return
        self._is_drawn = True
        self._desk.finish()
        from tui.aside import Aside  # noqa: PLC0415

        # 20 ms, for who has learned something; where nothing was, what a load teaches meanwhile counts.
        Aside(self._read_learned).then(lambda found: self._hear_learned(found) if found else None)
        self.set_timer(_PRELOAD_SECONDS, self._preload)
        if self._is_watching:
            self._watch = self._new_watch()
        self._sweeper.begin(self._clock())
        gc.set_threshold(*gc.get_threshold()[:2], MOST_ROUNDS)
        sys.setswitchinterval(_SWITCH_SECONDS)
        gc.enable()

    def _preload(self) -> None:
        from tui.aside import Aside  # noqa: PLC0415
        from tui.preloading import preload  # noqa: PLC0415

        Aside(self._courtesy.considerate(lambda: preload(self._courtesy.wait)))

    def _new_watch(self) -> Watch:
        from tui.watch import Watch  # noqa: PLC0415  # after the first picture

        path = self._store
        return Watch(
            lambda engines: self.post_message(EnginesSeen(engines)),
            make_learner=None if path is None else lambda: self._learner(path),
            calibrations=lambda: self._desk.calibrations,
            wait=self._courtesy.wait,
        )

    def _learner(self, path: Path) -> Learner:
        """On the thread that watches."""
        from tui.learner import Learner  # noqa: PLC0415  # after the first picture
        from tui.machine_digest import machine_digest  # noqa: PLC0415

        def tell(sentence: str) -> None:
            self.post_message(AsideDone(lambda: self._take_store_notice(sentence)))

        return Learner(
            path,
            tell,
            host=machine_digest(),
            is_on=lambda: self.settings.learn,
            on_calibrations=self._hear_learned,
        )

    def _hear_learned(self, found: tuple[Calibration, ...] | EstimatorError) -> None:
        """On another thread."""
        if isinstance(found, tuple):
            self.post_message(AsideDone(lambda: self._take_learned(found)))

    def _take_learned(self, found: tuple[Calibration, ...]) -> None:
        """What is predicted from now on is corrected by it, where that is wanted."""
        if found != self._learned:
            self._learned = found
            self._desk.calibrate(found if self.settings.calibrate else ())
            self._show()

    def _obey(self, settings: Settings) -> None:
        super()._obey(settings)
        self._desk.calibrate(self._learned if settings.calibrate else ())

    def _take_store_notice(self, sentence: str) -> None:
        self._desk.store_notice = sentence
        self._show()

    def on_unmount(self) -> None:
        self._write(CELLS_BY_SCRIPT)
        for handle in (self._silence, self._held_back):
            if handle is not None:
                handle.cancel()
        self._tidying.stop()
        self._keep_plan()
        self._feed.close()
        if self._watch is not None:
            self._watch.stop()
        if self._is_own_sampler and self._sampler is not None:
            self._sampler.stop()

    def _hear(self, snapshot: Snapshot) -> None:
        """On the sampler's thread.

        Once the first picture is there past the library's queue, whose way takes a quarter of all that a reading takes
        of this thread: 0.9 of 3.8 ms.
        """
        if snapshot is self._first:
            return
        loop = self._loop
        if not self._is_drawn or loop is None:
            self.post_message(SnapshotTaken(snapshot))
            return
        self._coming = snapshot
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._take_newest, snapshot)

    def _take_newest(self, snapshot: Snapshot) -> None:
        """On the loop; not one after which another has come."""
        if snapshot is self._coming and not self._is_being_left:
            with self._context():
                self._take_reading(snapshot)

    @property
    def _is_being_left(self) -> bool:
        """Screens go one by one then, and what is called by the loop itself finds none."""
        return self._exit or not self._running

    def _hear_of_defect(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What is called by the loop itself ends the app with a defect, as the library does for any handler."""
        error = context.get("exception")
        if "handle" in context and isinstance(error, Exception) and not self._is_being_left:
            self._handle_exception(error)
        else:
            loop.default_exception_handler(context)

    # What comes in

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, (events.Key, events.Paste, events.MouseDown)) and not event.is_forwarded:
            self._courtesy.note_key()
            if self._is_drawn:  # before, nothing is looked for at all
                self._tidying.note_key()
        await super().on_event(event)

    def on_snapshot_taken(self, message: SnapshotTaken) -> None:
        if self._coming is None:  # else this one has stood in line meanwhile
            self._take_reading(message.snapshot)

    def _take_reading(self, snapshot: Snapshot) -> None:
        if self._held_back is not None:  # each is judged, and what it warns of said
            self._held_back.cancel()
            self._held_back = None
            self._show(is_reading=True)
        self._taken_seconds = self._clock()
        self._await_reading()
        are_places_wanted = self._is_drawn and (len(self.screen_stack) > 1 or self._desk.is_loading)
        self._desk.take(snapshot, are_places_wanted=are_places_wanted)
        self._look_for_engines(snapshot)
        self._plan_as_asked()
        self._show_reading(self._taken_seconds)

    def _show_reading(self, since_seconds: float) -> None:
        """Once the last key has been answered, and while others are pressed all the time, after a while."""
        self._held_back = None
        if self._is_being_left:
            return
        left_seconds = self._courtesy.left_seconds
        if left_seconds and self._clock() - since_seconds < MOST_SECONDS:
            loop = asyncio.get_running_loop()
            self._held_back = loop.call_later(left_seconds, self._show_reading, since_seconds)
            return
        self._show(is_reading=True)
        self._sweep()

    def _sweep(self) -> None:
        if self._courtesy.silent_seconds > _UNHURRIED_SECONDS:
            self._sweeper.sweep(self._is_calm, self._clock())

    def _has_left(self) -> bool:
        """Whether a screen that was left is still there: as garbage, but for what else may hold it."""
        return len(self._opened) >= len(self.screen_stack)

    def _is_clear(self) -> bool:
        """Only the dashboard is open, and none that was is still there."""
        return len(self.screen_stack) == 1 and not self._opened

    def _is_calm(self) -> bool:
        """The same, and nothing is computed."""
        return self._is_clear() and not self._is_studying

    def _look_for_engines(self, snapshot: Snapshot) -> None:
        """As long as the person wants it."""
        if not self.settings.recognise:
            self._desk.look_away()
            if self._watch is not None:
                self._watch.stop()
                self._watch = None
        elif self._is_drawn and self._is_watching:
            if self._watch is None:
                self._watch = self._new_watch()
            self._watch.feed(snapshot)

    def on_engines_seen(self, message: EnginesSeen) -> None:
        if self.settings.recognise:
            self._desk.see(message.engines)

    def on_aside_done(self, message: AsideDone) -> None:
        message.take()

    def on_plan_changed(self, message: PlanChanged) -> None:
        self._choose(message.plan, is_model_new=message.is_model_new)

    def _await_reading(self, seconds: float | None = None) -> None:
        """Only a clock can say that nothing came: put forward at each reading, it seldom rings.

        By the event loop alone; the library's timer wakes the app once a second for it, 0.2 ms each time.
        """
        if self._silence is not None:
            self._silence.cancel()
        seconds = _SILENT_INTERVALS * self._desk.interval_seconds + 1 if seconds is None else seconds
        self._silence = asyncio.get_running_loop().call_later(seconds, self._notice_silence)

    def _notice_silence(self) -> None:
        if self._is_being_left:
            return
        self._await_reading(max(1.0, self._desk.interval_seconds))
        self._sweep()
        silent_seconds = self._clock() - self._taken_seconds
        is_silent = silent_seconds > _SILENT_INTERVALS * self._desk.interval_seconds + 1
        if is_silent and not self._desk.is_paused and self._sampler is not None:
            self._desk.silent_seconds = silent_seconds
            self._show()

    def _take_model(self, found: Model | EstimatorError) -> None:
        from estimator.errors import EstimatorError  # noqa: PLC0415

        self._desk.trouble = ""
        if isinstance(found, EstimatorError):
            self._desk.trouble = str(found)
        elif self._request is not None:
            self._asked_model = found
            self._plan_as_asked()
        self._show()

    def _plan_as_asked(self) -> None:
        """Until it can be had in full, or the person chooses: a driver may be late, a device may come back."""
        if self._request is None or self._asked_model is None:
            return
        from tui.screens.asked import plan_as_asked  # noqa: PLC0415

        plan, trouble = plan_as_asked(self._request, self._asked_model, self._desk.snapshot)
        if not trouble or trouble != self._desk.trouble:
            self._desk.choose(plan, is_model_new=True)
            self._desk.trouble = trouble
            self._warner.forget_plan()
        if not trouble:
            self._asked_model = None

    # What goes down

    def _choose(self, plan: Plan, *, is_model_new: bool = False) -> None:
        self._desk.choose(plan, is_model_new=is_model_new)
        self._asked_model = None
        self._warner.forget_plan()
        self._is_plan_kept = False
        self.set_timer(_KEEP_SECONDS, self._keep_plan)
        self._show()

    def _show(self, *, is_reading: bool = False) -> None:
        view = self._desk.view()
        is_whole = view.snapshot is not None and not view.snapshot.pending  # else a GPU may be missing still
        self._raise_alarms(view.assessment.verdict.level if view.assessment and is_whole else None)
        view = replace(view, alarms=self._desk.alarms, is_verdict_warned=self._desk.is_verdict_warned)
        self._mind_the_line()
        for screen in () if is_reading and self._line.is_behind else self.screen_stack:
            if isinstance(screen, Frame):
                screen.take_view(view, is_seen=screen is self.screen)
        self._attend()
        if self._is_studying or (work := self._desk.study_due(self._clock(), self._hear_exact)) is None:
            return
        self._is_studying = True
        if view.cells:  # a key that is held down changes the plan many times: the last one counts
            self.set_timer(_STUDY_DELAY_SECONDS, lambda: self._study(work))
        else:
            self.call_after_refresh(self._study, work)

    def _study(self, work: Callable[[], Study | None]) -> None:
        """On a thread aside, after the picture."""
        from tui.aside import Aside  # noqa: PLC0415

        aside = Aside(self._courtesy.considerate(work))
        aside.then(lambda found: self.post_message(AsideDone(lambda: self._take_study(found))))

    def _hear_exact(self, made: Assessment, places: tuple[Place, ...]) -> None:
        """On the thread aside."""
        self.post_message(AsideDone(lambda: self._show() if self._desk.refine(made, places) else None))

    def _take_study(self, found: Study | EstimatorError | None) -> None:
        self._is_studying = False
        if not isinstance(found, Exception):  # else it would only fail again: not before the plan is another
            self._desk.accept(found)
        self._show()

    def _raise_alarms(self, level: int | None) -> None:
        """Warn of what is news, by the means that are set."""
        alerts = self.settings.alerts
        if alerts.verdict and self._warner.judge(level):
            said = "the load that is planned no longer fits"
            if self.screen is not self._dashboard:
                self.notify(f"{said}; escape leads back to the warning", severity="warning")
            self._ring(Alarm(kind="verdict", key="", message=said))
        snapshot = self._desk.snapshot
        if snapshot is not None and snapshot is not self._looked_at:
            self._looked_at = snapshot
            for alarm in self._warner.look(snapshot, alerts, self._desk.engines, self._desk.places):
                if self.screen is not self._dashboard:
                    self.notify(alarm.message, severity="warning", markup=False)
                self._ring(alarm)
        self._desk.is_verdict_warned, self._desk.alarms = self._warner.is_verdict_warned, self._warner.unread

    def _ring(self, alarm: Alarm) -> None:
        alerts = self.settings.alerts
        if alerts.bell:
            self.bell()
        if alerts.notification and (escape := notification_escape("plimsoll", alarm.message, os.environ)):
            self._write(escape)
        if alerts.command:
            from tui.alarm_command import run_alarm_command  # noqa: PLC0415

            run_alarm_command(alerts.command, alarm)

    def action_read_warnings(self) -> None:
        """They have been read."""
        self._warner.read()
        self._show()

    def action_toggle_pause(self) -> None:
        self._desk.is_paused = not self._desk.is_paused
        self._taken_seconds = self._clock()
        if self._sampler is not None:
            self._sampler.is_paused = self._desk.is_paused
        self._show()

"""The app: wiring only. Snapshots and keys come in, a view goes down to the screen that is shown."""

from __future__ import annotations

import gc
import os
import time
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from tui.alarms import Alarm
from tui.backlog import Line, is_remote, n_waiting
from tui.feed import SnapshotFeed
from tui.launch import run_app
from tui.messages import AsideDone, HardwarePinned, PinsChanged, PlanChanged, SettingsChanged, SnapshotTaken
from tui.notification import notification_escape
from tui.screens.dashboard import Dashboard
from tui.screens.desk import Desk
from tui.screens.frame import Frame
from tui.settings_file import ReadSettings
from tui.themes import THEMES
from tui.warner import Warner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual.app import SystemCommand
    from textual.screen import Screen

    from estimator.errors import EstimatorError
    from estimator.model import Model
    from probes.access import Attention
    from probes.probe import ProbeSource
    from probes.sampler import Sampler
    from probes.snapshot import Snapshot
    from tui.aside import Aside
    from tui.comparison import Pin
    from tui.plan import Plan
    from tui.plan_memory import PlanMemory, Recalled
    from tui.request import Request
    from tui.screens.study import Study
    from tui.settings import Settings

__all__ = ["PlimsollApp", "run_app"]

_SILENT_INTERVALS = 3
_STUDY_DELAY_SECONDS = 0.15
_THRIFTY_SECONDS = 5.0
"""Between two readings on a slow line."""
_KEEP_SECONDS = 2.0
"""A plan that stands for so long is kept, should the app be ended without a chance to say so."""


def _collect_again() -> None:
    """After the first picture; what is there by now stays, and need not be looked through."""
    gc.freeze()
    gc.enable()


class PlimsollApp(App[None]):
    """The full-screen app.

    Snapshots come from ``sources`` through a sampler of its own, from a sampler that runs already and the feed it fills
    (``tui.launch``), or, in tests, as ``SnapshotTaken`` messages.
    """

    CSS_PATH = "app.tcss"
    TITLE = "plimsoll"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("space", "toggle_pause", "pause"),
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
        keep_settings: Callable[[Settings], None] | None = None,
        is_read_only: bool = False,
        interval_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        to_local: Callable[[float], time.struct_time] = time.localtime,
    ) -> None:
        super().__init__()
        if plan is None and model is not None:
            from tui.plan import default_plan  # noqa: PLC0415

            plan = default_plan(model)
        self._desk = Desk(plan, to_local=to_local, clock=clock)
        self._interval_seconds = self._desk.interval_seconds = interval_seconds
        self._request, self._reading, self._model = request, reading, model
        self._feed = feed or SnapshotFeed()
        self._sampler = sampler
        self._attention = attention
        """Through which real probes are told what is looked at; None where they are not real."""
        self._memory = memory
        """Where the load that is planned is kept; None where it is not."""
        self._keep_settings = keep_settings
        """Writes them, and may raise OSError or ValueError; None where they last as long as the app."""
        self._is_read_only = is_read_only
        """Said on the command line, whatever the settings say."""
        found = settings or ReadSettings()
        self.settings = found.settings
        self._complaints = found.complaints
        self._line = Line()
        self._is_own_sampler = sampler is None and bool(sources)
        if self._is_own_sampler:
            from probes.sampler import Sampler  # noqa: PLC0415

            self._sampler = Sampler(sources, self._feed, interval_seconds)
        self._clock = clock
        self._taken_seconds = clock()
        self._first = snapshot
        self._is_studying = False
        self._pins: tuple[Pin, ...] = ()
        """Plans that are kept in sight."""
        self._warner = Warner()
        self._looked_at: Snapshot | None = None
        self._is_plan_kept = True
        """The plan has not changed since it was kept."""
        self._asked_model: Model | None = None
        """While what was asked for on the command line is not yet the plan: a driver has not answered, say."""

    def get_default_screen(self) -> Screen[None]:
        self._obey(self.settings)
        self._dashboard = Dashboard()
        if self._first is not None:
            self._desk.take(self._first)
        self._dashboard.set_reactive(Frame.view, self._desk.view())
        return self._dashboard

    @property
    def is_busy(self) -> bool:
        """Whether advice and matrix are being made."""
        return self._is_studying

    def on_mount(self) -> None:
        if self._is_own_sampler and self._sampler is not None:
            self._sampler.start()
        self._feed.listen(self._hear)
        if self._reading is not None:
            self._desk.trouble = "reading the model …"
            self._reading.then(lambda found: self.post_message(AsideDone(lambda: self._take_model(found))))
        self.set_interval(max(1.0, self._desk.interval_seconds), self._notice_silence)
        self.call_after_refresh(_collect_again)
        if self._memory is not None and self._reading is None and self._desk.plan is None:
            self.call_after_refresh(self._recall, self._memory)
        self._show()

    def on_unmount(self) -> None:
        self._keep_plan()
        self._feed.close()
        if self._is_own_sampler and self._sampler is not None:
            self._sampler.stop()

    def _hear(self, snapshot: Snapshot) -> None:
        """On the sampler's thread."""
        if snapshot is not self._first:
            self.post_message(SnapshotTaken(snapshot))

    # What comes in

    def on_snapshot_taken(self, message: SnapshotTaken) -> None:
        self._taken_seconds = self._clock()
        self._desk.take(message.snapshot)
        self._plan_as_asked()
        self._show()

    def on_aside_done(self, message: AsideDone) -> None:
        message.take()

    def on_settings_changed(self, message: SettingsChanged) -> None:
        self._obey(message.settings)
        self._show()
        if self._keep_settings is None:
            self.tell("kept until you leave: there is no file for settings here")
            return
        try:
            self._keep_settings(message.settings)
        except (OSError, ValueError) as error:
            self.tell(f"kept until you leave only: {error}")

    def on_plan_changed(self, message: PlanChanged) -> None:
        self._choose(message.plan, is_model_new=message.is_model_new)

    def _notice_silence(self) -> None:
        """Only a timer can say that nothing came."""
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

    # What lasts

    def _obey(self, settings: Settings) -> None:
        """Look and pace are as these say from now on."""
        self.settings = settings
        for theme in THEMES:
            if theme.name not in self.available_themes:
                self.register_theme(theme)
        complaints = self._complaints
        if settings.theme in self.available_themes:
            self.theme = settings.theme
        else:
            complaints = (*complaints, f"there is no theme {settings.theme[:40]!a}; {self.theme} is shown")
        self._desk.complaints = complaints
        self._desk.is_ascii = settings.ascii_only
        self._desk.is_read_only = settings.read_only or self._is_read_only
        self._be_thrifty(is_thrifty=settings.low_bandwidth == "on")

    def _be_thrifty(self, *, is_thrifty: bool) -> None:
        self._desk.is_thrifty = is_thrifty
        seconds = max(self._interval_seconds, _THRIFTY_SECONDS) if is_thrifty else self._interval_seconds
        if seconds != self._desk.interval_seconds:
            self._desk.interval_seconds = seconds
            if self._sampler is not None:
                self._sampler.interval_seconds = seconds

    def _mind_the_line(self) -> None:
        """Where the terminal falls behind at the end of a slow line, say less."""
        if self.settings.low_bandwidth != "auto" or self._desk.is_thrifty or not is_remote():
            return
        if self._line.is_slow(n_waiting(self._driver)):
            self._be_thrifty(is_thrifty=True)
            self.tell("the line is slow: fewer readings and no charts from now on")

    def _recall(self, memory: PlanMemory) -> None:
        """What was planned last, read on a thread aside after the first picture."""
        from tui.aside import Aside  # noqa: PLC0415

        def take(found: Recalled | EstimatorError | None) -> None:
            self.post_message(AsideDone(lambda: self._take_recalled(found)))

        Aside(memory.recall).then(take)

    def _take_recalled(self, found: Recalled | EstimatorError | None) -> None:
        if found is None or self._desk.plan is not None:
            return
        if isinstance(found, Exception):
            self.tell(f"the last load is not shown again: {found}")
            return
        self._request = found.request
        self._take_model(found.model)
        self._is_plan_kept = True

    def _keep_plan(self) -> None:
        """For the next start, if it is another than the one that is kept."""
        plan, model = self._desk.plan, self._desk.model
        if self._memory is None or self._is_plan_kept or plan is None or model is None:
            return
        self._is_plan_kept = True
        with suppress(OSError):  # a home that cannot be written to is none of the plan's business
            self._memory.keep(plan, None if plan.model.quant == model.quant else plan.model.quant)

    # What goes down

    def _choose(self, plan: Plan, *, is_model_new: bool = False) -> None:
        self._desk.choose(plan, is_model_new=is_model_new)
        self._asked_model = None
        self._warner.forget_plan()
        self._is_plan_kept = False
        self.set_timer(_KEEP_SECONDS, self._keep_plan)
        self._show()

    def _show(self) -> None:
        view = self._desk.view()
        is_whole = view.snapshot is not None and not view.snapshot.pending  # else a GPU may be missing still
        self._raise_alarms(view.assessment.verdict.level if view.assessment and is_whole else None)
        view = replace(view, alarms=self._desk.alarms, is_verdict_warned=self._desk.is_verdict_warned)
        for screen in self.screen_stack:
            if isinstance(screen, Frame):
                screen.view = view
        self._attend()
        self._mind_the_line()
        if self._is_studying or (work := self._desk.study_due(self._clock())) is None:
            return
        self._is_studying = True
        if view.cells:  # a key that is held down changes the plan many times: the last one counts
            self.set_timer(_STUDY_DELAY_SECONDS, lambda: self._study(work))
        else:
            self.call_after_refresh(self._study, work)

    def _study(self, work: Callable[[], Study | None]) -> None:
        """On a thread aside, after the picture."""
        from tui.aside import Aside  # noqa: PLC0415

        Aside(work).then(lambda found: self.post_message(AsideDone(lambda: self._take_study(found))))

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
            for alarm in self._warner.look(snapshot, alerts):
                if self.screen is not self._dashboard:
                    self.notify(alarm.message, severity="warning", markup=False)
                self._ring(alarm)
        self._desk.is_verdict_warned, self._desk.alarms = self._warner.is_verdict_warned, self._warner.unread

    def _ring(self, alarm: Alarm) -> None:
        alerts = self.settings.alerts
        if alerts.bell:
            self.bell()
        if alerts.notification and self._driver is not None:
            escape = notification_escape("plimsoll", alarm.message, os.environ)
            if escape and not self.is_headless:
                self._driver.write(escape)
        if alerts.command:
            from tui.alarm_command import run_alarm_command  # noqa: PLC0415

            run_alarm_command(alerts.command, alarm)

    def action_read_warnings(self) -> None:
        """They have been read."""
        self._warner.read()
        self._show()

    # Keys

    def action_show(self, name: str) -> None:
        """Another screen, imported only when it is asked for."""
        module = import_module(f"tui.screens.{name}")
        screen: Frame = module.open_screen()
        screen.set_reactive(Frame.view, self._desk.view())
        self.push_screen(screen)
        self._attend(screen)

    def action_show_settings(self) -> None:
        from tui.screens.preferences import Preferences  # noqa: PLC0415

        own = tuple(theme.name for theme in THEMES)
        others = sorted(name for name in self.available_themes if name not in own)
        screen = Preferences(self.settings, (*own, *others))
        screen.set_reactive(Frame.view, self._desk.view())
        self.push_screen(screen)

    def _attend(self, seen: Frame | None = None) -> None:
        """Let probes read what the screen shows that is seen, and no more."""
        if self._attention is not None:
            screen = self.screen if seen is None else seen
            self._attention.is_on_details = isinstance(screen, Frame) and screen.WANTS_DETAILS

    def action_wake_devices(self) -> None:
        """Let the probes wake what sleeps; and let it sleep again."""
        if self._attention is None:
            self.tell("nothing can be woken here: these figures are not of this machine")
            return
        self._attention.wants_awake = not self._attention.wants_awake
        self.tell(
            "devices that sleep are woken, and kept awake until w is pressed again"
            if self._attention.wants_awake
            else "devices may go to sleep again"
        )

    def action_toggle_pause(self) -> None:
        self._desk.is_paused = not self._desk.is_paused
        self._taken_seconds = self._clock()
        if self._sampler is not None:
            self._sampler.is_paused = self._desk.is_paused
        self._show()

    def action_copy_command(self) -> None:
        """The command that starts the load as planned goes to the clipboard, by OSC 52: over SSH as well."""
        view = self._desk.view()
        if view.assessment is None or view.snapshot is None:
            self.tell("there is no load to copy the command of: press m")
            return
        from tui.device_choice import said_by_hand, start_line  # noqa: PLC0415

        devices = view.snapshot.devices
        line = start_line(devices, view.assessment)
        self.copy_to_clipboard(line)
        by_hand = said_by_hand(devices, view.assessment)
        self.tell(f"copied: {line}" + (f" ({'; '.join(by_hand)})" if by_hand else ""))

    def action_compare(self) -> None:
        """Keep the plan in sight, and show it beside those kept before."""
        plan = self._desk.plan
        if plan is None:
            self.tell("first choose a model: press m")
            return
        from tui.comparison import Pin, with_pin  # noqa: PLC0415

        self._pins = with_pin(self._pins, Pin(plan=plan))
        self._show_pins()
        if len(self._pins) == 1:
            self.tell("this plan is kept: change something, and press c again to see both")

    def _show_pins(self) -> None:
        from tui.screens.compare import Compare  # noqa: PLC0415

        screen = Compare(self._pins)
        screen.set_reactive(Frame.view, self._desk.view())
        self.push_screen(screen)

    def on_pins_changed(self, message: PinsChanged) -> None:
        self._pins = message.pins

    def on_hardware_pinned(self, message: HardwarePinned) -> None:
        plan = self._desk.plan
        if plan is None:
            return
        from tui.comparison import Pin, with_pin  # noqa: PLC0415

        if not self._pins:
            self._pins = with_pin(self._pins, Pin(plan=plan))
        self._pins = with_pin(self._pins, Pin(plan=plan, hardware=message.hardware))
        self._show_pins()

    def action_step_context(self, step: int) -> None:
        from tui.screens.steps import with_context_step  # noqa: PLC0415

        self._step(lambda plan: with_context_step(plan, step))

    def action_step_quant(self, step: int) -> None:
        from tui.screens.steps import with_quant_step  # noqa: PLC0415

        self._step(lambda plan: with_quant_step(plan, self._desk.model or plan.model, step))

    def action_step_kv_type(self) -> None:
        from tui.screens.steps import with_kv_step  # noqa: PLC0415

        self._step(with_kv_step)

    def action_step_devices(self) -> None:
        from tui.screens.steps import devices_text, with_devices_step  # noqa: PLC0415

        names = [place.name for place in self._desk.view().places if place.kind != "host"]
        self._step(lambda plan: with_devices_step(plan, names))
        if self._desk.plan is not None:
            self.tell(f"devices: {devices_text(self._desk.plan)}")

    def action_choose_engine(self) -> None:
        if self._desk.plan is None:
            self.tell("first choose a model: press m")
            return
        self.action_show("engines")

    def action_apply_change(self, number: int) -> None:
        advice = self._desk.view().advice
        changes = advice.changes if advice else ()
        if number <= len(changes) and changes[number - 1].is_applicable:
            self._choose(changes[number - 1].plan)

    def _step(self, change: Callable[[Plan], Plan]) -> None:
        if self._desk.plan is None:
            self.tell("first choose a model: press m")
            return
        plan = change(self._desk.plan)
        if plan is not self._desk.plan:
            self._choose(plan)

    def tell(self, text: str) -> None:
        """A passing remark."""
        self.clear_notifications()
        self.notify(text, markup=False, timeout=3)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The same actions as the keys, by name."""
        from tui.screens.palette import commands_of  # noqa: PLC0415

        yield from commands_of(self)
        yield from super().get_system_commands(screen)

"""What outlives a moment of the app: its settings, and the load that is planned."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.widgets._toast import ToastRack

from tui.backlog import Line, is_remote, n_waiting
from tui.messages import AsideDone, SettingsChanged
from tui.settings_file import ReadSettings
from tui.terminal import has_glyphs, wants_mouse
from tui.themes import THEMES, THEMES_OF_16
from tui.widgets.line import ascii_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.driver import Driver

    from estimator.errors import EstimatorError
    from estimator.model import Model
    from probes.sampler import Sampler
    from tui.plan_memory import PlanMemory, Recalled
    from tui.request import Request
    from tui.screens.desk import Desk
    from tui.settings import Settings

_THRIFTY_SECONDS = 5.0
"""Between two readings on a slow line."""
_ASK_SECONDS = 1.9
"""Between two questions to the terminal over SSH: with every other reading, or each of a slow line; 9 bytes there, 11
back."""


class LastingApp(App[None]):
    """An app with a desk, whose look and pace follow settings, and which knows its last load again."""

    def __init__(
        self,
        desk: Desk,
        *,
        sampler: Sampler | None,
        settings: ReadSettings | None,
        memory: PlanMemory | None,
        keep_settings: Callable[[Settings], None] | None,
        is_read_only: bool,
    ) -> None:
        super().__init__()
        self._disable_tooltips = True  # there are none, and a widget for them would be styled before the first picture
        self._desk = desk
        self._sampler = sampler
        self._interval_seconds = desk.interval_seconds
        self._memory = memory
        """Where the load that is planned is kept; None where it is not."""
        self._keep_settings = keep_settings
        """Writes them, and may raise OSError or ValueError; None where they last as long as the app."""
        self._is_read_only = is_read_only
        """Said on the command line, whatever the settings say."""
        found = settings or ReadSettings()
        self.settings = found.settings
        self._dress()
        self._complaints = found.complaints
        self._line = Line()
        self._asked_seconds = 0.0
        """When the terminal was last asked to answer."""
        self._request: Request | None = None
        self._is_plan_kept = True
        """The plan has not changed since it was kept."""

    def _dress(self) -> None:
        """Take the theme on before the first style is read.

        Later, all of them would be read twice more: 25 ms of 290 to the first picture (our measurement, 2026-11-26).
        """
        for theme in THEMES_OF_16 if self.console.color_system == "standard" else THEMES:
            self.register_theme(theme)
            if theme.name == self.settings.theme and theme.dark:  # as the default is, so that no more has to change
                self.set_reactive(App.theme, theme.name)
                self.stylesheet.set_variables(self.get_css_variables())

    def get_driver_class(self) -> type[Driver]:
        """What reads keys and writes pictures: on Linux and macOS, one that sleeps in between."""
        found = super().get_driver_class()
        if found.__module__ != "textual.drivers.linux_driver":
            return found
        from tui.patient_driver import PatientDriver  # noqa: PLC0415  # not on Windows

        return PatientDriver

    def _show(self, *, is_reading: bool = False) -> None:
        """Draw what the desk says now; only another reading where the terminal is behind, that waits for the next."""
        raise NotImplementedError

    def _take_model(self, found: Model | EstimatorError) -> None:
        """A model that was asked for has been read."""
        raise NotImplementedError

    def on_settings_changed(self, message: SettingsChanged) -> None:
        if message.settings.interval_seconds != self.settings.interval_seconds:
            self._interval_seconds = message.settings.interval_seconds
        self._obey(message.settings)
        self._show()
        if self._keep_settings is None:
            self.tell("kept until you leave: there is no file for settings here")
            return
        try:
            self._keep_settings(message.settings)
        except (OSError, ValueError) as error:
            self.tell(f"kept until you leave only: {error}")

    def _obey(self, settings: Settings) -> None:
        """Look and pace are as these say from now on."""
        self.settings = settings
        complaints = self._complaints
        if settings.theme in self.available_themes:
            self.theme = settings.theme
        else:
            complaints = (*complaints, f"there is no theme {settings.theme[:40]!a}; {self.theme} is shown")
        self._desk.complaints = complaints
        self._desk.is_ascii = settings.ascii_only == "on" or (
            settings.ascii_only == "auto" and not has_glyphs(os.environ)
        )
        self._desk.is_read_only = settings.read_only or self._is_read_only
        if (use_mouse := getattr(self._driver, "use_mouse", None)) is not None:
            use_mouse(is_wanted=wants_mouse(settings.mouse, os.environ))
        is_found_slow = settings.low_bandwidth == "auto" and self._line.is_slow
        self._be_thrifty(is_thrifty=settings.low_bandwidth == "on" or is_found_slow)

    def _be_thrifty(self, *, is_thrifty: bool) -> None:
        self._desk.is_thrifty = is_thrifty
        seconds = max(self._interval_seconds, _THRIFTY_SECONDS) if is_thrifty else self._interval_seconds
        if seconds != self._desk.interval_seconds:
            self._desk.interval_seconds = seconds
            if self._sampler is not None:
                self._sampler.interval_seconds = seconds

    def _mind_the_line(self) -> None:
        """Where the terminal falls behind at the end of a slow line, say less, until it has been quick for a while."""
        if self.settings.low_bandwidth != "auto" or not is_remote():
            return
        driver, now_seconds = self._driver, time.monotonic()
        line, ask = self._line, getattr(driver, "ask_terminal", None)
        line.look(n_waiting(driver), getattr(driver, "round_trip", None), now_seconds)
        if line.is_slow != self._desk.is_thrifty:
            self._be_thrifty(is_thrifty=line.is_slow)
            self.tell(
                "the line is slow: fewer readings and no charts from now on"
                if line.is_slow
                else "the line is quick again: every reading and charts are back"
            )
        if ask is not None and now_seconds >= self._asked_seconds + _ASK_SECONDS:
            self._asked_seconds = now_seconds
            self.call_after_refresh(ask)

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

    def tell(self, text: str, seconds: float = 3.0) -> None:
        """A passing remark, in place of the one before."""
        self.clear_notifications()
        self._clear_frames()
        self.notify(text, markup=False, timeout=seconds)

    def notify(self, message: str, **options: Any) -> None:
        """In ASCII where all else is."""
        super().notify(ascii_text(message) if self._desk.is_ascii else message, **options)

    def _clear_frames(self) -> None:
        """Take away what Textual 8.2 leaves of remarks that were cleared: an empty frame of each.

        ``ToastRack.show`` takes away the remark alone, and the layout goes through its frame for ever after: 112 of
        them after a minute in which the plan was changed twice a second.
        """
        for screen in self.screen_stack:
            for rack in screen.query(ToastRack):
                rack.remove_children()

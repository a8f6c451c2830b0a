"""What keys and clicks do, as far as it is more than one screen's business."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from textual.events import ScreenSuspend

from tui.courtesy import Courtesy
from tui.lasting import LastingApp
from tui.messages import AsideDone, SettingsChanged
from tui.screens.frame import Frame
from tui.terminal import has_shell
from tui.themes import THEMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.await_remove import AwaitRemove
    from textual.dom import DOMNode
    from textual.screen import Screen
    from textual.widget import Widget

    from probes.access import Attention
    from tui.comparison import Pin
    from tui.messages import HardwarePinned, ModelsListed, PinsChanged
    from tui.model_choice import Choice
    from tui.plan import Plan
    from tui.screens.desk import Desk


_COPIED, _LEGIBLE_SECONDS = "copied", 8.0
"""A command that may have been taken by nothing is read, and copied by hand."""


class ActingApp(LastingApp):
    """Each action is also in the palette, by the name of its key's binding."""

    def __init__(self, desk: Desk, courtesy: Courtesy | None, **options: Any) -> None:
        super().__init__(desk, **options)
        self._courtesy = courtesy or Courtesy()
        self._opened: WeakSet[Frame] = WeakSet()
        """Screens over the dashboard, until nothing is left of them."""

    _attention: Attention | None = None
    """Through which real probes are told what is looked at; None where they are not real."""
    _pins: tuple[Pin, ...] = ()
    """Plans that are kept in sight."""
    _models_listed: Choice | None = None
    """How the list of models was filtered and sorted last."""

    def _choose(self, plan: Plan, *, is_model_new: bool = False) -> None:
        """Judge another plan from now on."""
        raise NotImplementedError

    def _finish_start(self) -> None:
        """Make what the first picture did without; once."""
        raise NotImplementedError

    def action_show(self, name: str) -> None:
        """Another screen, imported only when it is asked for."""
        module = import_module(f"tui.screens.{name}")
        self._open(partial(module.open_screen, self._models_listed) if name == "picker" else module.open_screen)

    def on_models_listed(self, message: ModelsListed) -> None:
        self._models_listed = message.choice

    def action_command_palette(self) -> None:
        """In place of Textual's own, whose cursor is a shade."""
        self.action_show("palette")

    def search_themes(self) -> None:
        """They are among the settings; Textual's own list of them is not imported (``tui.lean_imports``)."""
        self.action_show_settings()

    def action_choose_theme(self, name: str) -> None:
        self.post_message(SettingsChanged(replace(self.settings, theme=name)))

    def action_suspend_process(self) -> None:
        """Back to the shell, whose ``fg`` leads back."""
        if has_shell():
            super().action_suspend_process()
        else:
            self.tell("no shell waits here that could let it go on again: q quits")

    def action_save_picture(self) -> None:
        """Into the folder for downloads, or to the browser that shows this."""
        if self._desk.is_read_only and not self.is_web:
            self.tell("no file is written from here: it is read-only")
            return
        self.deliver_screenshot()

    def action_show_settings(self, key: str = "") -> None:
        """With the cursor on this one."""
        from tui.screens.preferences import Preferences  # noqa: PLC0415

        own = tuple(theme.name for theme in THEMES)
        others = sorted(name for name in self.available_themes if name not in own)
        below = next((screen for screen in self.screen_stack if isinstance(screen, Preferences)), None)
        self._open(lambda: Preferences(self.settings, (*own, *others), key))
        if below is not None and self.screen is below:  # gone back to, and what was made for the key is not seen
            below.stand_on(key)

    def _open(self, make: Callable[[], Frame]) -> None:
        """Over the screen that is seen; where it lies below that already, go back to it, so that escape ends somewhere.

        A screen that asks whether something is meant is left by its own keys alone.
        """
        if not isinstance(self.screen, Frame) or self.screen.IS_QUESTION:
            return
        screen = make()
        if any(type(below) is type(screen) for below in self.screen_stack):
            while type(self.screen) is not type(screen):
                self.pop_screen()
            self._attend()
            return
        self._finish_start()  # the dashboard would call it back once it is drawn, which may not come to pass any more
        self._desk.finish()
        screen.set_reactive(Frame.view, self._desk.view())
        screen.courtesy = self._courtesy
        self._opened.add(screen)
        self.push_screen(screen)
        self._attend(screen)

    async def _replace_screen(self, screen: Screen[Any]) -> Screen[Any]:
        """As the library's, but for painting the screen below: that paints itself once it is seen again.

        Of 200x50 a painting is 47 KB, and to leave a screen the library does it four times: here, and twice when what
        was left has gone (``_prune``).
        """
        screen.post_message(ScreenSuspend())
        if not self.is_screen_installed(screen) and all(screen not in stack for stack in self._screen_stacks.values()):
            self.capture_mouse(None)
            await screen.remove()
        return screen

    def _prune(self, *nodes: Widget, parent: DOMNode | None = None) -> AwaitRemove:
        is_screen = parent is self and all(isinstance(node, Frame) for node in nodes)
        return super()._prune(*nodes, parent=None if is_screen else parent)

    def _attend(self, seen: Frame | None = None) -> None:
        """Let probes read what the screen shows that is seen, and no more."""
        if self._attention is not None:
            screen = self.screen if seen is None else seen
            self._attention.is_on_details = isinstance(screen, Frame) and screen.WANTS_DETAILS

    def action_toggle_hidden(self) -> None:
        """Plan for devices that programs started from here do not see, as ``--all-devices`` does; and not any more."""
        if self._desk.snapshot is None or not any(device.hidden_by for device in self._desk.snapshot.devices):
            self.tell("no device is hidden from programs that are started from here")
            return
        self._desk.plan_for_hidden(has_hidden=not self._desk.has_hidden)
        self.tell(
            "hidden devices are planned for, too, until a is pressed again"
            if self._desk.has_hidden
            else "hidden devices are not planned for"
        )
        self._show()

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

    def action_copy_command(self) -> None:
        """The command that starts the load as planned goes to the clipboard: over SSH as well."""
        view = self._desk.view()
        if view.assessment is None or view.snapshot is None:
            self.tell("there is no load to copy the command of: press m")
            return
        from tui.device_choice import said_by_hand, start_line  # noqa: PLC0415

        devices = view.snapshot.devices
        line = start_line(devices, view.assessment)
        by_hand = said_by_hand(devices, view.assessment)
        said = line + (f" ({'; '.join(by_hand)})" if by_hand else "")
        self._copy(
            line, lambda outcome: self.tell(f"{outcome}: {said}", 3.0 if outcome == _COPIED else _LEGIBLE_SECONDS)
        )

    def copy_to_clipboard(self, text: str) -> None:
        """What is selected where text is typed."""
        self._copy(text, lambda _: None)

    def _copy(self, text: str, tell: Callable[[str], None]) -> None:
        """Through the terminal at once, and by programs aside; then say which of the two it was."""
        from tui.clipboard import clipboard_commands, clipboard_escape, copy_by_command  # noqa: PLC0415  # 4 ms

        self._clipboard = text
        environment = {} if self.is_web else os.environ  # in a browser, what is around this is somebody else's
        escape = clipboard_escape(text, environment)
        self._write(escape)
        if self.is_headless or not any(clipboard_commands(environment, sys.platform)):
            tell(_outcome("", is_handed=bool(escape)))
            return
        from tui.aside import Aside  # noqa: PLC0415

        def take(found: object) -> None:
            outcome = _outcome(found, is_handed=bool(escape))
            self.post_message(AsideDone(lambda: tell(outcome)))

        Aside(lambda: copy_by_command(text, environment, sys.platform)).then(take)

    def _write(self, escape: str) -> None:
        """To the terminal as it is; nowhere where there is none."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(escape)

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
            self.tell("this plan is kept: escape, change something, and c again shows both")

    def _show_pins(self) -> None:
        from tui.screens.compare import Compare  # noqa: PLC0415

        if isinstance(self.screen, Compare):
            self.pop_screen()
        pins = self._pins
        self._open(lambda: Compare(pins))

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


def _outcome(found: object, *, is_handed: bool) -> str:
    """What programs said where it is; else of a terminal, which does not say whether it took it."""
    if isinstance(found, str) and found:
        return found
    return "copied, if this terminal allows it" if is_handed else "this terminal has no clipboard"

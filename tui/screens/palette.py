"""All actions by name: those of the screen it was opened from first, then those of the app; each with its key."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.keys import format_key

from records.record import record
from tui.humanize import plain
from tui.screens.browser import Browser
from tui.screens.dashboard import Dashboard
from tui.screens.devices import Devices
from tui.screens.frame import Frame
from tui.settings import help_of
from tui.settings import keys as settings_keys
from tui.widgets.line import fit_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import App
    from textual.binding import BindingType
    from textual.screen import Screen

    from tui.widgets.line import Line

    Target = App[None] | Screen[None]

_NAMES = {"pageup": "PgUp", "pagedown": "PgDn", "enter": "enter", **{f"f{n}": f"F{n}" for n in range(1, 13)}}
_KEY_WIDTH = 14
_ONE_SETTING = "show_settings("
"""Of twenty, which are found by what is typed, and would hide the others where nothing is."""


@record(frozen=True, slots=True, kw_only=True, eq=False)
class Command:
    """One action."""

    title: str
    keys: str
    """As they stand on the keyboard; empty where it has none."""
    action: str
    target: Target
    """Whose action it is."""


def commands_of(screen: Screen[None]) -> list[Command]:
    """One for each key that does something here or from another screen, and what has no key."""
    app = screen.app
    found: dict[str, Command] = {}
    for node, binding, first in _bindings(screen):
        if not isinstance(binding, Binding) or not binding.description:
            continue
        action = binding.action.removeprefix("app.")
        if isinstance(node, Frame) and not node.offers(action):
            continue
        target = node if action == binding.action else app
        if action not in found and hasattr(target, f"action_{action.partition('(')[0]}"):
            title = binding.description[:1].upper() + binding.description[1:]
            keys = "" if first is None else first + keys_text(binding.key)
            found[action] = Command(title=title, keys=keys, action=action, target=target)
    is_read_only = isinstance(screen, Frame) and screen.view.is_read_only
    return [*found.values(), *_without_keys(app, may_save=app.is_web or not is_read_only)]


def _bindings(screen: Screen[None]) -> Iterator[tuple[Target, BindingType, str | None]]:
    """Each with whose it is, and what is pressed before it; None where no keys lead to it from here."""
    is_dashboard = isinstance(screen, Dashboard)
    for binding in type(screen).BINDINGS:
        yield screen, binding, ""
    for binding in type(screen.app).BINDINGS:
        yield screen.app, binding, ""
    for binding in () if is_dashboard else Dashboard.BINDINGS:
        yield screen.app, binding, None
    for binding in () if isinstance(screen, Devices) else Devices.BINDINGS:
        yield screen.app, binding, "g, then "


def _without_keys(app: App[None], *, may_save: bool) -> Iterator[Command]:
    for theme in ("plimsoll", "plimsoll-light", "plimsoll-contrast"):
        yield Command(title=f"Theme {theme}", keys="", action=f"choose_theme({theme!r})", target=app)
    for key in settings_keys():
        yield Command(title=f"Setting {key}: {help_of(key)}", keys="", action=f"{_ONE_SETTING}{key!r})", target=app)
    if may_save:
        yield Command(title="Save a picture of the screen (SVG)", keys="", action="save_picture", target=app)


def keys_text(keys: str) -> str:
    """``[ or ↓`` of ``left_square_bracket,down``: as they stand on the keyboard."""
    return " or ".join(_NAMES.get(key) or format_key(key) for key in keys.split(","))


class Palette(Browser):
    TITLE_TEXT = "Actions"
    HINTS: ClassVar = (("↑ ↓", "move"), ("enter", "do it"), ("esc", "back"))
    PROMPT = "type what shall be done"
    IS_TYPED_AT_ONCE = True
    AUTO_FOCUS = "#entry"

    def fill(self) -> None:
        words = self.text.casefold().split()
        stack = self.app.screen_stack
        below = stack[stack.index(self) - 1] if self in stack else stack[0]
        self._shown = [
            command
            for command in self._commands(below)
            if all(word in command.title.casefold() for word in words)
            and (words or not command.action.startswith(_ONE_SETTING))
        ]
        rows: list[Line] = [
            ((fit_text(command.keys, _KEY_WIDTH) + " ", "key"), (command.title, "text")) for command in self._shown
        ]
        head = f"{'key':<{_KEY_WIDTH}} what it does"
        self.listing.show(rows, head=((head, "dim"),), empty=(("nothing is called that", "dim"),))

    def _commands(self, below: Screen[None]) -> Iterator[Command]:
        """Of the changes that the verdict offers those that there are, by what they change."""
        advice = self.view.advice
        labels = {
            f"apply_change({number})": change.label
            for number, change in enumerate(advice.changes if advice is not None else (), 1)
            if change.is_applicable
        }
        for command in commands_of(below):
            if not command.action.startswith("apply_change("):
                yield command
            elif command.action in labels:
                yield replace(command, title=f"{command.title}: {plain(labels[command.action], 80)}")

    def choose(self, index: int) -> None:
        command = self._shown[index]
        self.dismiss()
        self.app.call_later(partial(command.target.run_action, command.action))


def open_screen() -> Palette:
    return Palette()

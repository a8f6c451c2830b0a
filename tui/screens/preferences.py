"""What can be set for good, from its declaration; a change holds at once, and is written to the settings' file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from textual.binding import Binding, BindingType

from tui.humanize import plain
from tui.messages import SettingsChanged
from tui.screens.browser import Browser
from tui.settings import Settings, help_of, keys, type_of, value_of
from tui.settings_file import settings_path, with_value
from tui.widgets.line import fit_text

if TYPE_CHECKING:
    from tui.widgets.line import Line

_KEY_WIDTH = 28
_VALUE_WIDTH = 20
_LEAST_HELP = 22
"""Columns for what a setting is, with frame and blanks; fewer hold no thought."""


class Preferences(Browser):
    TITLE_TEXT = "Settings"
    HINTS: ClassVar = (("enter", "change"), ("del", "the default"), ("esc", "back"))
    CAN_FILTER = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "choose", show=False),
        Binding("delete,backspace", "reset", show=False),
    ]

    def __init__(self, settings: Settings, themes: tuple[str, ...], at: str = "") -> None:
        super().__init__()
        self._settings = settings
        self._themes = themes
        self._at = at
        """The key that the cursor stands on at first; empty: the first one."""

    def begin(self) -> None:
        self.stand_on(self._at)

    def stand_on(self, key: str) -> None:
        """Move the cursor to this setting; where there is none of that name it stays where it is."""
        if key in keys():
            self._is_complaining = False
            self.listing.cursor = keys().index(key)
            self.fill()

    def fill(self) -> None:
        self._has_help = self.size.width - _KEY_WIDTH - _VALUE_WIDTH >= _LEAST_HELP  # it stands below in any case
        head = f"{'setting':<{_KEY_WIDTH}} {'value':<{_VALUE_WIDTH}} {'what it is' if self._has_help else ''}"
        self.listing.show([self._row(key) for key in keys()], head=((head, "dim"),))
        self.describe_again()

    def describe(self, index: int) -> None:
        key = keys()[index]
        self.about.show((f"{key}: {help_of(key)}", "text"), (f"kept in {_shown(settings_path())}", "dim"))

    def _row(self, key: str) -> Line:
        value, default = value_of(self._settings, key), value_of(Settings(), key)
        return (
            (fit_text(key, _KEY_WIDTH) + " ", "text"),
            (fit_text(plain(_text(value)), _VALUE_WIDTH) + " ", "strong" if value != default else "dim"),
            (help_of(key) if self._has_help else "", "dim"),
        )

    def choose(self, index: int) -> None:
        key = keys()[index]
        if self.view.is_read_only and key == "alerts.command":
            self.complain("no command is set from here: it is read-only")
            return
        value, choices = value_of(self._settings, key), self._choices(key)
        if choices:
            place = choices.index(value) if value in choices else -1
            self._set(key, choices[(place + 1) % len(choices)])
            return
        self.edit(index, str(value), f"{key}: {help_of(key)}")

    def _choices(self, key: str) -> tuple[Any, ...]:
        """What the key goes through; nothing where it is typed."""
        if key == "theme":
            return self._themes
        return (False, True) if type_of(key) is bool else get_args(type_of(key))

    def action_choose(self) -> None:
        self.listing.action_choose_row()

    def action_reset(self) -> None:
        key = keys()[self.listing.cursor]
        self._set(key, value_of(Settings(), key))

    def take_typed(self, index: int, text: str) -> None:
        key = keys()[index]
        try:
            value = _typed(key, text.strip())
            with_value(self._settings, key, value)
        except ValueError as error:
            self.complain(str(error))
            return
        self._set(key, value)
        self.action_go_back()

    def _set(self, key: str, value: Any) -> None:
        self._settings = with_value(self._settings, key, value)
        self.post_message(SettingsChanged(self._settings))
        self.fill()


def _typed(key: str, text: str) -> Any:
    """What was typed, as the setting takes it.

    Raises:
        ValueError: it is no number.
    """
    make = type_of(key)
    if make is str:
        return text
    try:
        return make(text)
    except ValueError:
        raise ValueError(f"{text[:40]!a} is no {'whole number' if make is int else 'number'}") from None


def _shown(path: Path) -> str:
    """With ~ for the home."""
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def _text(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value) or "none"

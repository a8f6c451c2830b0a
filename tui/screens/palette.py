"""The command palette offers the same actions as the keys, by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.binding import Binding
from textual.keys import format_key

from tui.screens.dashboard import Dashboard
from tui.screens.devices import Devices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import App

_NAMES = {"pageup": "PgUp", "pagedown": "PgDn", "enter": "enter", **{f"f{n}": f"F{n}" for n in range(1, 13)}}


def commands_of(app: App[None]) -> Iterator[SystemCommand]:
    """One for each key that does something for the app."""
    bindings = [
        binding
        for binding in (*type(app).BINDINGS, *Dashboard.BINDINGS, *Devices.BINDINGS)
        if isinstance(binding, Binding) and binding.action != "quit" and binding.description
    ]
    for binding in {binding.action: binding for binding in bindings}.values():
        if binding.action.startswith("app.") or "." not in binding.action:
            action = binding.action.removeprefix("app.")
            if hasattr(app, f"action_{action.partition('(')[0]}"):
                title = binding.description.capitalize()
                yield SystemCommand(title, f"key: {keys_text(binding.key)}", partial(app.run_action, action))


def keys_text(keys: str) -> str:
    """``[ or ↓`` of ``left_square_bracket,down``: as they stand on the keyboard."""
    return " or ".join(_NAMES.get(key) or format_key(key) for key in keys.split(","))

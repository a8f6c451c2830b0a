"""The command palette offers the same actions as the keys, by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.binding import Binding

from tui.screens.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import App


def commands_of(app: App[None]) -> Iterator[SystemCommand]:
    """One for each key that does something for the app."""
    for binding in (*Dashboard.BINDINGS, *type(app).BINDINGS):
        if not isinstance(binding, Binding) or binding.action == "quit" or not binding.description:
            continue
        if binding.action.startswith("app.") or "." not in binding.action:
            action = binding.action.removeprefix("app.")
            if hasattr(app, f"action_{action.partition('(')[0]}"):
                title = binding.description.capitalize()
                yield SystemCommand(title, f"key: {binding.key}", partial(app.run_action, action))

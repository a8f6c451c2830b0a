"""Imports the screens that a key opens before one is pressed: 0.5 to 16 ms for each, some 30 together, and 1 MiB."""

from collections.abc import Callable
from importlib import import_module

SCREENS = (
    "picker",
    "engines",
    "devices",
    "processes",
    "timeline",
    "explain",
    "compare",
    "palette",
    "preferences",
    "help",
    "notices",
)
"""Those that are opened most first. Not two that take 4 ms each, and half a MiB for what few ask for: the options of
an engine, and other hardware."""


def preload(wait: Callable[[], object]) -> None:
    """On a thread aside; ``wait`` is called between two of them."""
    for name in SCREENS:
        wait()
        import_module(f"tui.screens.{name}")

"""Imports the screens that a key opens before one is pressed: 0.5 to 16 ms for each, some 40 together, and 2 MiB."""

from collections.abc import Callable
from importlib import import_module

SCREENS = (
    "picker",
    "options",
    "engines",
    "devices",
    "processes",
    "timeline",
    "explain",
    "compare",
    "hardware",
    "palette",
    "preferences",
    "help",
    "notices",
)
"""Those that are opened most, and that take longest, first."""


def preload(wait: Callable[[], object]) -> None:
    """On a thread aside; ``wait`` is called between two of them."""
    for name in SCREENS:
        wait()
        import_module(f"tui.screens.{name}")

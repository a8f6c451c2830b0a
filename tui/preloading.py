"""Imports the screens that a key opens before one is pressed: 0.5 to 16 ms for each, some 30 together, and 1 MiB.

And reads the catalogue, which takes 20 ms when the list of models is opened, and 1.2 MiB.
"""

from collections.abc import Callable
from importlib import import_module

FIRST = (
    "estimator.ledger",
    "estimator.model",
    "estimator.mixture",
    "estimator.reader",
    "estimator.readers.catalogue",
    "estimator.speed",
    "estimator.survey",
    "tui.plan",
    "tui.pace",
    "tui.request",
    "textual.widgets._input",
)
"""What the list of models is made of: 90 modules, which at once are 40 ms in which a key would wait."""
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
    for name in (*FIRST, *(f"tui.screens.{name}" for name in SCREENS)):
        wait()
        import_module(name)
    from estimator.readers.catalogue import entries, search  # noqa: PLC0415  # there by now

    entries()
    search("")

"""What the signs of the matrix stand for here, in the lines that it does not need itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tui.humanize import plain
from tui.widgets.line import wrap
from tui.widgets.verdict import CELL_STYLES, GLYPHS, LEVEL_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.matrix import Cell
    from tui.widgets.line import Line

_SPILLS = 2
"""``Level.SPILLS``"""
_MOST_REASONS = 3
_FIGURE = re.compile(r"\d")
_WORDS = {
    "FAILS": "would not start, or run out of memory",
    "CRAWLS": "moved to the RAM by the driver, many times slower",
    "OFFLOADS": "a part of it would be left to the CPU, slower",
    "SWAPS": "swapped to disk, far too slow to work with",
    "SQUEEZES": "compressed in RAM, slow to work with",
    "KILLED": "the system would kill a process",
    "REREADS": "what RAM has no room for would be read from disk again for every token",
}
"""By ``Outcome``, for reasons with figures in them: those are of one cell alone."""


def legend_lines(cells: Sequence[Cell], width: int) -> list[Line]:
    """The signs that are there in one line, then what each of the bad ones would mean here."""
    levels = sorted({cell.level for cell in cells})
    key: Line = ()
    for level in levels:
        said = "tight, over the load line at worst" if level == _SPILLS - 1 else LEVEL_WORDS[level]
        key = (*key, (f"{GLYPHS[level]} ", CELL_STYLES[level]), (f"{said}   ", "dim"))
    lines = [key]
    for badness, text in _reasons(cells):
        first, *further = wrap(text, max(10, width - 2))
        lines.append(((f"{GLYPHS[badness]} ", CELL_STYLES[badness]), (first, "dim")))
        lines += [((f"  {line}", "dim"),) for line in further]
    return lines


def _reasons(cells: Sequence[Cell]) -> list[tuple[int, str]]:
    """Each once, the mildest first; those that most cells have, where there are many."""
    counts: dict[tuple[int, str], int] = {}
    for cell in cells:
        if cell.level >= _SPILLS and cell.outcome is not None:
            key = (int(cell.level), _words(cell))
            counts[key] = counts.get(key, 0) + 1
    return sorted(sorted(counts, key=lambda key: -counts[key])[:_MOST_REASONS])


def _words(cell: Cell) -> str:
    if cell.is_refused:
        return "the engine would refuse to start, by its own rule"
    name = cell.outcome.name if cell.outcome is not None else ""
    return _WORDS.get(name, "") if _FIGURE.search(cell.reason) or not cell.reason else plain(cell.reason, 300)

"""The one picture that must be right: used now, what the load would add, and the load line, on one bar."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.widgets.line import Line, Run

USED, FREE, LOAD_LINE, OVER = "█", "░", "┃", "»"
WEIGHTS, CACHE, COMPUTE = "▒", "▓", "▞"
"""Of the load: textures, since colour need not be there."""
LANDED = "▚"
BAND = "╌"
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SEAM = "▉"
"""The last cell of one holder, where another follows: a thin gap."""


class Part(NamedTuple):
    """One stretch of a bar."""

    n_bytes: int
    glyph: str = USED
    style: str = "used"

    @property
    def is_used(self) -> bool:
        """Whether this is there already."""
        return self.glyph == USED


def bar(
    width: int,
    *,
    total_bytes: int,
    parts: Sequence[Part],
    high_bytes: int = 0,
    line_bytes: int | None = None,
    load_style: str = "fits",
) -> Line:
    """A pool from empty to full, in so many cells; the edges of what is used and of the load in eighths of a cell.

    Args:
        width: in cells.
        total_bytes: what the width stands for.
        parts: from empty on; what is used now comes first.
        high_bytes: where the band of what is expected ends, counted from empty.
        line_bytes: where the load line lies, counted from empty.
        load_style: of the load, by the level of the verdict here.
    """
    return _drawn(width, total_bytes, tuple(parts), high_bytes, line_bytes, load_style)


@lru_cache(maxsize=64)  # in most pools nothing has moved since the last reading, and each takes 40 µs
def _drawn(
    width: int, total_bytes: int, parts: tuple[Part, ...], high_bytes: int, line_bytes: int | None, load_style: str
) -> Line:
    if width <= 0 or total_bytes <= 0:
        return ()
    merged = _merged(parts)
    cells = _Cells()
    end_bytes = 0
    for number, part in enumerate(merged):
        following = merged[number + 1] if number + 1 < len(merged) else None
        end_bytes += part.n_bytes
        _grow(cells, part, following, min(1.0, end_bytes / total_bytes) * width, width, load_style)
    has_load = any(not part.is_used for part in merged)
    if has_load:
        cells.add(BAND, load_style, min(width, round(high_bytes * width / total_bytes)) - cells.n)
    cells.add(FREE, "free", width - cells.n)
    is_over = end_bytes > total_bytes and width > 2
    if line_bytes is not None:
        cells.set(max(0, min(width - 1 - is_over, line_bytes * width // total_bytes)), LOAD_LINE, "line")
    if is_over:
        cells.set(width - 1, OVER, "bad-bold")
    return tuple(cells.runs)


def _merged(parts: tuple[Part, ...]) -> list[Part]:
    """Those that are there; of the load, neighbours of one sign as one, which shows as one where it is small."""
    merged: list[Part] = []
    for part in parts:
        if part.n_bytes <= 0:
            continue
        last = merged[-1] if merged else None
        if last is not None and not part.is_used and last[1:] == part[1:]:
            merged[-1] = part._replace(n_bytes=last.n_bytes + part.n_bytes)
        else:
            merged.append(part)
    return merged


class _Cells:
    """A line that grows to the right, in runs of one style."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.n = 0
        """How many cells there are."""

    def add(self, glyph: str, style: str, n_cells: int = 1) -> None:
        """Nothing where the number is not positive."""
        if n_cells <= 0:
            return
        self.n += n_cells
        text = glyph * n_cells
        if self.runs and self.runs[-1][1] == style:
            text = self.runs.pop()[0] + text
        self.runs.append((text, style))

    def set_last(self, glyph: str) -> None:
        text, style = self.runs[-1]
        self.runs[-1] = (text[:-1] + glyph, style)

    def set(self, x: int, glyph: str, style: str) -> None:
        """Another cell in place of one that is there."""
        runs, self.runs, self.n = self.runs, [], 0
        for text, old in runs:
            start, end = self.n, self.n + len(text)
            if not start <= x < end:
                self.add(text, old)
                self.n = end
                continue
            for part, its_style in ((text[: x - start], old), (glyph, style), (text[x - start + 1 :], old)):
                if part:
                    self.add(part, its_style)
            self.n = end


def _grow(cells: _Cells, part: Part, following: Part | None, end: float, width: int, load_style: str) -> None:
    """Append the part up to ``end``, in cells from empty; each part that is there shows, be it by an eighth."""
    if following is not None and following.is_used == part.is_used:
        n_cells = min(width, round(end))
        cells.add(part.glyph, part.style, n_cells - cells.n)
        if part.is_used and cells.n and n_cells < width:
            cells.set_last(_SEAM)
        return
    n_whole, n_eighths = divmod(round(8 * end), 8)
    if not part.is_used and n_whole <= cells.n:  # a part of a cell alone would be told from what is used by its colour
        cells.add(part.glyph, part.style, min(1, width - cells.n))
        return
    if n_whole < cells.n or (n_whole == cells.n and n_eighths == 0):
        n_whole, n_eighths = cells.n, 1
    cells.add(part.glyph, part.style, n_whole - cells.n)
    if n_eighths and n_whole < width:
        if part.is_used:
            edge = "edge-free" if following is None else f"edge-{load_style}"
        elif part.glyph in (WEIGHTS, LANDED):
            edge = "tip-bad" if part.glyph == LANDED else f"tip-{load_style}"
        else:  # a texture has no edge finer than a cell
            if n_eighths >= 4:
                cells.add(part.glyph, part.style)
            return
        cells.add(_EIGHTHS[n_eighths], edge)


def sparkline(columns: list[int | None], total_bytes: int) -> str:
    """Eight heights; a gap where nothing was read."""
    return _sparkline(tuple(columns), total_bytes)


@lru_cache(maxsize=128)  # most readings change no column, and each takes 6 µs
def _sparkline(columns: tuple[int | None, ...], total_bytes: int) -> str:
    heights = "▁▂▃▄▅▆▇█"
    return "".join(
        [" " if used is None else heights[min(7, max(0, used * 8 // max(1, total_bytes)))] for used in columns]
    )

"""Marks of loads below a chart: each in the column of its time, with its name where there is room."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tui.load_marks import Mark, Turn
from tui.places import device_label
from tui.widgets.line import cut_text, n_cells, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.widgets.line import Line
    from tui.widgets.rows import Row
    from tui.widgets.view import View

LEGENDS = (
    "▸ a load began · ▪ at rest · ◂ ended",
    "▸ began ▪ at rest ◂ ended",
)
"""The longest first."""
_LEAST_CUT = 10
"""Cells for a sign with a part of its name; fewer say nothing."""
_ORDER = (Turn.RESTED, Turn.ENDED, Turn.BEGAN)
"""Where several fall into one column, the last of these is shown."""


def marks_on(view: View, row: Row) -> tuple[Mark, ...]:
    """Those of the loads that lie on this row's memory."""
    if not view.marks or view.snapshot is None:
        return ()
    labels = {row.place, *(device_label(device, view.snapshot.devices) for device in row.devices)}
    return tuple(mark for mark in view.marks if mark.places & labels)


def mark_lines(
    marks: Sequence[Mark], n_columns: int, column_seconds: float, now_seconds: float, most_lines: int
) -> list[Line]:
    """As wide as the chart; none where no mark falls into it."""
    last = int(now_seconds // column_seconds)
    shown: dict[int, Mark] = {}
    for mark in sorted(marks, key=lambda mark: _ORDER.index(mark.turn)):
        column = int(mark.taken_seconds // column_seconds) - last + n_columns - 1
        if 0 <= column < n_columns:
            shown[column] = mark
    texts: list[list[tuple[int, Line]]] = [[] for _ in range(most_lines)]
    columns = sorted(shown)
    for column, following in pairwise([*columns, n_columns]):
        _place(texts, column, following, shown[column], n_columns)
    return [_joined(parts) for parts in texts if parts]


def _place(texts: list[list[tuple[int, Line]]], column: int, following: int, mark: Mark, n_columns: int) -> None:
    """On the first line on which its name has room, behind its sign or, at the end, before it; else cut on the last.

    There, room ends before the following sign, which could stand nowhere else; a sign without room stands alone.
    """
    ends = [_end(parts) for parts in texts]
    sign, width = (mark.turn.value, "strong"), n_cells(mark.name) + 2
    if mark.turn is not Turn.RESTED:
        for parts, end in zip(texts, ends, strict=True):
            is_last = parts is texts[-1]
            most = n_columns if following == n_columns or not is_last else following - 1
            if column >= end and column + width <= most:
                parts.append((column, (sign, (f" {mark.name}", "dim"))))
                return
            if column - width + 1 >= end and column + width > n_columns:
                parts.append((column - width + 1, ((f"{mark.name} ", "dim"), sign)))
                return
            if is_last and column >= end and most - column >= _LEAST_CUT:
                parts.append((column, (sign, (f" {cut_text(mark.name, most - column - 2)}", "dim"))))
                return
    free = next((parts for parts, end in zip(texts, ends, strict=True) if column >= end), texts[-1])
    free.append((column, (sign,)))


def _end(parts: list[tuple[int, Line]]) -> int:
    """The first cell that is free, a blank left between two names."""
    if not parts:
        return 0
    start, line = parts[-1]
    return start + width_of(line) + (len(line) > 1)


def _joined(parts: list[tuple[int, Line]]) -> Line:
    line: list[tuple[str, str]] = []
    x = 0
    for start, part in parts:
        line += [*([(" " * (start - x), "text")] if start > x else []), *part]
        x = start + width_of(part)
    return tuple(line)

"""Used memory over time as blocks, with the predicted level and the load line drawn across."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tui.humanize import duration, gib, whole_duration
from tui.widgets.line import fit, right_text
from tui.widgets.panel import Panel
from tui.widgets.rows import Row, rows_of

if TYPE_CHECKING:
    from tui.plan import Plan
    from tui.widgets.line import Line
    from tui.widgets.view import View

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_AXIS_WIDTH = 7
_LEAST_WITH_MARKS = 5
"""Lines: three of the chart, the time and the marks; so many more for each further line of marks."""
_MOST_MARK_LINES = 3
_BAD = 2
"""``Level.SPILLS``"""
_STYLES = ("fits", "tight", "bad", "bad")
"""By level."""
_COLUMN_SECONDS = (2.0, 5.0, 15.0, 60.0, 300.0, 900.0)


class HistoryPanel(Panel):
    """Of the pool where the verdict is decided; of the fullest where nothing is planned."""

    TITLE = "History"
    CLICK_ACTION = "show('timeline')"
    _place = ""
    _plan: Plan | None = None

    def _chosen(self, view: View, rows: list[Row]) -> Row:
        """The same as before while nothing worse happens elsewhere: another pool is a whole chart to write."""
        before = next((row for row in rows if row.place == self._place), None)
        if view.assessment is None:
            return before or max(rows, key=lambda row: row.filled_ratio)
        verdict = view.assessment.verdict
        if before is not None and view.plan is self._plan and max(before.level or 0, _BAD - 1) >= verdict.level:
            return before
        decided = next((row for row in rows if row.place == verdict.place), None)
        return decided or before or rows[0]

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        if view.is_thrifty:
            return [(("not drawn while the line is slow", "dim"),)]
        rows = [row for row in rows_of(view) if row.pool is not None]
        if not rows:
            return [(("no readings yet", "dim"),)]
        chosen = self._chosen(view, rows)
        self._place, self._plan = chosen.place, view.plan
        shown = _side_by_side(rows, chosen, width)
        if len(shown) < 2 or height < _LEAST_WITH_MARKS:
            self.entitle(f"History · {scale(chosen)}")
            return chart(view, chosen, width, height, column_seconds_of(view, width))
        self.entitle("History")
        n_gaps = _GAP * (len(shown) - 1)
        each = (width - n_gaps) // len(shown)
        column_seconds = column_seconds_of(view, each, _COARSER)
        charts = [
            [((f"{'':{_AXIS_WIDTH}}{scale(row)}", "dim"),), *chart(view, row, each, height - 1, column_seconds)]
            for row in shown
        ]
        return [_joined(parts, each) for parts in zip(*charts, strict=False)]


_LEAST_ROWS_APART = 4
_GAP = 2
"""Blanks between charts that lie side by side."""
_LEAST_BESIDE = 58
"""Cells of each: four minutes of it are seen where a column is five seconds."""
_COARSER = -1
"""A step: each time that several charts move on by a column, all that moved in each is written anew."""


def _side_by_side(rows: list[Row], chosen: Row, width: int) -> list[Row]:
    """All pools where each has room for a chart; else the one that matters and the RAM, where these have."""
    if len(rows) * (_LEAST_BESIDE + _GAP) <= width + _GAP:
        return rows
    two = [row for row in rows if row is chosen or row is rows[-1]]
    return two if width >= 2 * _LEAST_BESIDE + _GAP else [chosen]


@lru_cache(maxsize=64)  # of two charts: most readings change no column, and to fit each line takes 3 µs
def _joined(parts: tuple[Line, ...], each: int) -> Line:
    """Lines of charts, one beside the other."""
    line: Line = ()
    for part in parts:
        line = (*line, *fit(part, each), (" " * _GAP, "text"))
    return line[:-1]


def scale(row: Row) -> str:
    """Which pool it is, and how high its chart: ``GPU 0, 23.5 GiB high``."""
    return row.label if row.pool is None else f"{row.label}, {gib(row.pool.total_bytes)} GiB high"


def column_seconds_of(view: View, width: int, zoom: int = 0) -> float:
    """The finest that shows all there is; columns that are too fine move on, and are written anew, too often.

    Args:
        view: what is shown.
        width: of the chart with its axis.
        zoom: so many steps finer, or coarser where it is negative.
    """
    steps = [seconds for seconds in _COLUMN_SECONDS if seconds >= 2 * view.interval_seconds]
    if steps and zoom:
        now = column_seconds_of(view, width)
        place = steps.index(now) if now in steps else len(steps) - 1
        return steps[max(0, min(len(steps) - 1, place - zoom))]
    span = view.history.span_seconds()
    enough = (seconds for seconds in steps if seconds * (width - _AXIS_WIDTH) >= span)
    return next(enough, steps[-1] if steps else 2 * view.interval_seconds)


def chart(
    view: View, row: Row, width: int, height: int, column_seconds: float, *, has_ticks: bool = False
) -> list[Line]:
    """Bars from the bottom; ``┄`` the load line, ``╌`` what would be in use with the load, marks of loads below.

    ``has_ticks``: how long ago it was is said between the ends of the time as well.
    """
    if row.pool is None or view.snapshot is None or height < 2 or width <= _AXIS_WIDTH + 4:
        return []
    n_columns, n_rows = width - _AXIS_WIDTH, height - 1
    marks = _marks(view, row, n_columns, column_seconds, height)
    n_rows -= len(marks)
    total = max(row.pool.total_bytes, 1)
    used = view.history.columns(row.pool.key, n_columns, column_seconds, view.snapshot.taken_seconds)
    heights = _heights(tuple(used), 8 * n_rows, total)
    line_row = None if row.line_bytes is None else _row_of(row.line_bytes, total, n_rows)
    is_planned = row.load_bytes + row.landed_bytes > 0
    plan_bytes = row.used_bytes + row.load_bytes + row.landed_bytes
    plan_row = _row_of(plan_bytes, total, n_rows) if is_planned else None
    if row.line_bytes is not None and line_row is not None and line_row == plan_row:
        line_row, plan_row = _apart(line_row, plan_row, n_rows, is_over=plan_bytes > row.line_bytes)
    ticks = _ticks(n_columns, column_seconds) if has_ticks else ""
    lines = _drawn(heights, n_rows, total, line_row, plan_row, _STYLES[row.level or 0], column_seconds, ticks)
    return [*lines, *(((" " * _AXIS_WIDTH, "text"), *line) for line in marks)]


@lru_cache(maxsize=8)  # as below; 70 µs
def _heights(used: tuple[int | None, ...], full: int, total_bytes: int) -> str:
    """A character for each column, by its number the height; ``full`` is that of all there is."""
    return "".join(
        [chr(0 if n_bytes is None else max(0, min(full, round(n_bytes * full / total_bytes)))) for n_bytes in used]
    )


@lru_cache(maxsize=8)  # of the dashboard and of the history: most readings change no column
def _drawn(
    heights: str,
    n_rows: int,
    total_bytes: int,
    line_row: int | None,
    plan_row: int | None,
    plan_style: str,
    column_seconds: float,
    ticks: str,
) -> tuple[Line, ...]:
    """The chart and its time, from the top; a column for each character of ``heights``, in eighths of a line."""
    lines: list[Line] = []
    for level in reversed(range(n_rows)):
        fills = heights.translate(_fills(level, n_rows))
        axis, style, rule = "", "dim", ""
        if level == n_rows - 1:
            axis = gib(total_bytes)
        if level == line_row:
            axis, style, rule = "line", "line", "┄"
        if level == plan_row:
            axis, style, rule = "load", plan_style, "╌"
        head = (f"{right_text(axis, 5)} ", style if rule else "dim"), ("│", "dim")
        lines.append((*head, *_overdrawn(fills, rule, style)))
    span_seconds = len(heights) * column_seconds
    first = f"{whole_duration(span_seconds) if ticks else duration(span_seconds)} ago"
    if len(first) > len(heights) - 5:  # a part of it would say another time
        first = ""
    time = first + (ticks[len(first) :] or "─" * (len(heights) - 5 - len(first)))
    lines.append(((" " * (_AXIS_WIDTH - 1) + "└", "dim"), (f"{time[: len(heights) - 5]} now", "dim")))
    return tuple(lines)


def _ticks(n_columns: int, column_seconds: float) -> str:
    """``────┴3 min────┴2 min────``: of the whole width, without what stands at its ends."""
    span = n_columns * column_seconds
    finest = next(least for most, least in _FINEST_TICKS if span <= most)
    step = next((one for one in _TICK_SECONDS if one >= max(finest, _TICK_COLUMNS * column_seconds)), None)
    found = ["─"] * n_columns
    if step is None:
        return "".join(found)
    for number in range(1, int(span / step) + 1):
        told = f"┴{whole_duration(number * step)}"
        start = n_columns - round(number * step / column_seconds)
        if start >= _TICK_COLUMNS and start + len(told) <= n_columns - len(told):
            found[start : start + len(told)] = told
    return "".join(found)


_TICK_SECONDS = (10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_FINEST_TICKS = ((100.0, 10), (5400.0, 60), (float("inf"), 3600))
"""Up to how much there is to see, and what is said whole of it: 90 s, 3 min, 2 h."""
_TICK_COLUMNS = 16
"""At least, from one to the next."""


def _marks(view: View, row: Row, n_columns: int, column_seconds: float, height: int) -> list[Line]:
    if not view.marks or view.snapshot is None or height < _LEAST_WITH_MARKS:
        return []
    from tui.widgets.mark_line import mark_lines, marks_on  # noqa: PLC0415  # with the first load that was seen

    most_lines = min(_MOST_MARK_LINES, height // _LEAST_WITH_MARKS)
    return mark_lines(marks_on(view, row), n_columns, column_seconds, view.snapshot.taken_seconds, most_lines)


def _fills(level: int, n_rows: int) -> str:
    """What a column shows in this row, counted from the bottom, by its height in eighths; none where none is read."""
    return " " * (8 * level) + _EIGHTHS + _EIGHTHS[-1] * (8 * (n_rows - 1 - level))


def _row_of(n_bytes: int, total_bytes: int, n_rows: int) -> int:
    return max(0, min(n_rows - 1, n_bytes * n_rows // total_bytes))


def _apart(line_row: int, plan_row: int, n_rows: int, *, is_over: bool) -> tuple[int, int]:
    """Two that fall on the same row are drawn on two, in their order: the upper one moves up, if it can.

    Not in a low chart, where a row is so much memory that one beside its own would say what is not so.
    """
    if n_rows < _LEAST_ROWS_APART:
        return line_row, plan_row
    upper = min(line_row + 1, n_rows - 1)
    return (upper - 1, upper) if is_over else (upper, upper - 1)


def _overdrawn(fills: str, rule: str, style: str) -> Line:
    """A rule shows where nothing is drawn, and through what is."""
    if not rule:
        return ((fills, "used"),)
    parts: list[tuple[str, str]] = []
    for char in fills:
        run = (rule, style) if char == " " else (char, "used")
        if parts and parts[-1][1] == run[1]:
            parts[-1] = (parts[-1][0] + run[0], run[1])
        else:
            parts.append(run)
    return tuple(parts)

"""Used memory over time, of each pool, with the predicted level and the load line across it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.aside import Aside
from tui.humanize import counted, gib, plain
from tui.messages import AsideDone
from tui.screens.frame import Frame
from tui.widgets.chart import chart, column_seconds_of
from tui.widgets.headline import Headline
from tui.widgets.hints import Hints
from tui.widgets.line import fit_words, n_cells, spread
from tui.widgets.panel import Panel
from tui.widgets.rows import Row, rows_of

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from estimator.errors import EstimatorError
    from tui.widgets.line import Line
    from tui.widgets.view import View

_MOST_ZOOM = 6
_CHART_LINES = 7
"""The least for one pool: a title, five levels and the time."""


class Timeline(Panel):
    """As many pools as have room, from the first one asked for on."""

    TITLE = "History"
    first = 0
    zoom = 0
    """Steps finer than what shows all there is."""

    def move(self, n_rows: int) -> None:
        """From another pool on."""
        self.first = max(0, self.first + n_rows)
        self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-1)

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        rows = [row for row in rows_of(view) if row.pool is not None]
        if not rows:
            return [(("no readings yet", "dim"),)]
        missing = [row.label for row in rows_of(view) if row.pool is None and row.devices]
        said = f"no figures of {counted(missing)}: f says what could not be read" if missing else ""
        height -= bool(said)
        self.first = max(0, min(self.first, len(rows) - 1))
        n_charts = max(1, min(len(rows) - self.first, height // _CHART_LINES))
        shown = rows[self.first : self.first + n_charts]
        first, last = self.first + 1, self.first + n_charts
        others = f"{first if first == last else f'{first}-{last}'} of {len(rows)}, ↑ ↓" if n_charts < len(rows) else ""
        self.entitle(subtitle=_subtitle(others, width, has_marks=bool(view.marks)))
        lines: list[Line] = []
        for number, row in enumerate(shown):
            n_lines = height * (number + 1) // n_charts - height * number // n_charts
            lines.append(_title(row, width))
            drawn = chart(view, row, width, n_lines - 1, column_seconds_of(view, width, self.zoom), has_ticks=True)
            lines += drawn + [()] * (n_lines - 1 - len(drawn))
        return [*lines, ((said, "dim"),)] if said else lines


def _title(row: Row, width: int) -> Line:
    """The pool, and its figures now: the chart below has no numbers."""
    assert row.pool is not None
    load_bytes = row.load_bytes + row.landed_bytes
    load = f" + {gib(load_bytes)} load = {gib(row.used_bytes + load_bytes)}" if load_bytes else ""
    figures = f"{gib(row.used_bytes)} used{load} of {gib(row.pool.total_bytes)} GiB "
    name = fit_words(f"{row.label} {plain(row.name)}", max(8, width - n_cells(figures) - 2)).rstrip()
    return spread(((name, "strong"),), ((figures, "text"),), width)


def _subtitle(others: str, width: int, *, has_marks: bool) -> str:
    """Which pools are shown, and what the marks mean, as far as there is room."""
    said = [f"{others} for the others"] if others else [""]
    if has_marks:
        from tui.widgets.mark_line import LEGENDS  # noqa: PLC0415  # with the first load that was seen

        said = [*(f"{legend} · {text}" if text else legend for legend in LEGENDS for text in (*said, others)), *said]
    return next((text for text in said if len(text) <= width - 4), "")


class TimelineScreen(Frame):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,left,pageup", "move(-1)", show=False),
        Binding("down,right,pagedown", "move(1)", show=False),
        Binding("plus,equals_sign", "zoom(1)", show=False),
        Binding("minus", "zoom(-1)", show=False),
        Binding("s", "save", "write the history to a file"),
    ]

    def compose(self) -> ComposeResult:
        hints = Hints(
            ("↑ ↓", "other pools"),
            ("- +", "time"),
            *((("s", "save"),) if self.offers("save") else ()),
            ("┄", "line"),
            ("╌", "with the load"),
            ("esc", "back"),
        )
        yield from self.hand_down((Headline(id="headline"), Timeline(id="timeline"), hints))

    def action_move(self, n_rows: int) -> None:
        self.query_one(Timeline).move(n_rows)

    def action_zoom(self, step: int) -> None:
        timeline = self.query_one(Timeline)
        timeline.zoom = max(-_MOST_ZOOM, min(timeline.zoom + step, _MOST_ZOOM))
        timeline.redraw()

    def offers(self, action: str) -> bool:
        return action != "save" or not self.view.is_read_only

    def action_save(self) -> None:
        """Write it as a recording into the folder from which the app was started."""
        snapshot = self.view.snapshot
        if not self.offers("save"):
            self.notify("no file is written from here: it is read-only", markup=False)
            return
        if snapshot is None:
            return
        from tui.history_file import write_recording  # noqa: PLC0415

        path = Path(time.strftime("plimsoll-%Y%m%d-%H%M%S.jsonl")).absolute()
        history = self.view.history
        work = Aside(lambda: write_recording(history, snapshot, path))  # of 64 devices it takes seconds
        work.then(lambda found: self.post_message(AsideDone(lambda: self._tell_saved(found, path))))

    def on_aside_done(self, message: AsideDone) -> None:
        message.take()

    def _tell_saved(self, found: int | EstimatorError, path: Path) -> None:
        if isinstance(found, Exception):
            self.notify(f"not saved: {path}: {found}", markup=False, severity="warning")
        else:
            self.notify(f"{found} readings saved to {path}; plimsoll --replay plays them", markup=False)


def open_screen() -> TimelineScreen:
    return TimelineScreen()

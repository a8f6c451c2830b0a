"""Two to four plans side by side: what each takes on every place, and how fast it would run there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from probes.snapshot import SWAP_POOL
from tui.aside import Aside
from tui.comparison import Compared, Pin, compared
from tui.humanize import plain
from tui.messages import AsideDone, PinsChanged, PlanChanged
from tui.screens.frame import Frame
from tui.widgets.headline import Headline
from tui.widgets.hints import Hints
from tui.widgets.line import cut_text, fit, fit_text, wrap
from tui.widgets.listing import CURSOR
from tui.widgets.panel import Panel
from tui.widgets.plan_rows import bar_of, barred_names, plan_rows, signs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual import events
    from textual.app import ComposeResult

    from estimator.errors import EstimatorError
    from tui.widgets.line import Line
    from tui.widgets.view import View

_LABEL_WIDTH = 13
"""With a blank behind it, in which the cursor's sign stands."""
_WIDEST = 72
_MOST_LINES = 14
"""Of one cell: what people are told fits in, with four plans on the usual terminal."""
_MOST_NAME_LINES = 4
"""Of a name, whose beginning says enough."""


class Columns(Panel):
    TITLE = "Side by side"

    def __init__(self) -> None:
        super().__init__(id="columns")
        self.shown: tuple[Compared, ...] = ()
        self.cursor = 0
        self._column_width = 0
        self._top = 0

    def lines(self, view: View, width: int, height: int) -> list[Line]:  # noqa: ARG002  # a panel is asked so
        if not self.shown:
            return [(("nothing is pinned; press escape, then c on a plan", "dim"),)]
        n = len(self.shown)
        self._column_width = min(_WIDEST, (width - _LABEL_WIDTH) // n)
        rows = list(plan_rows(self.shown))
        close, has_bars = [row for row in rows if row[0] or row[1]], True
        lines = self._all_lines(rows, has_bars=True)
        if len(lines) > height:
            lines = self._all_lines(close, has_bars=True)
        if len(lines) > height:
            lines, has_bars = self._all_lines(close, has_bars=False), False
        self._top = max(0, min(self._top, len(lines) - height))
        n_shown = min(height, len(lines))
        lines_said = f"{self._top + 1}-{self._top + n_shown} of {len(lines)} lines, ↑ ↓"
        self.entitle(subtitle=lines_said if n_shown < len(lines) else signs_of(self.shown, width) if has_bars else "")
        return lines[self._top :]

    def _all_lines(self, rows: list[tuple[str, list[tuple[str, str]]]], *, has_bars: bool) -> list[Line]:
        """Each place with a bar above its figures, where these have room."""
        places = barred_names(self.shown) if has_bars else []
        lines: list[Line] = []
        for label, cells in rows:
            if label in places:
                lines += [self._bar_line(label), *self._row_lines("", cells)]
            else:
                lines += self._row_lines(label, cells)
        return lines

    def _bar_line(self, name: str) -> Line:
        line: Line = ((fit_text(name, _LABEL_WIDTH - 1), "dim"),)
        for one in self.shown:
            drawn = bar_of(one, name, self._column_width - 3)
            line = (*line, (" ", "text"), *fit(drawn, self._column_width - 1))
        return line

    def scroll_lines(self, n_lines: int) -> None:
        """Where there are more than the panel has room for."""
        self._top = max(0, self._top + n_lines)
        self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_lines(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_lines(-1)

    def _row_lines(self, label: str, cells: list[tuple[str, str]]) -> Iterator[Line]:
        """A row, on as many lines as its longest cell takes."""
        n_cells = self._column_width - 2
        most = _MOST_NAME_LINES if label == "model" else _MOST_LINES
        wrapped = [(_cell_lines(text, n_cells, most), style) for text, style in cells]
        for y in range(max((len(texts) for texts, _ in wrapped), default=1) or 1):
            line: Line = ((fit_text(label if y == 0 else "", _LABEL_WIDTH - 1), "dim"),)
            for number, (texts, style) in enumerate(wrapped):
                is_marked = label == "model" and number == self.cursor
                shown = fit_text(texts[y] if y < len(texts) else "", n_cells)
                sign = CURSOR if is_marked and y == 0 else " "
                line = (*line, (f"{sign}{shown}", "cursor" if is_marked else style), (" ", "text"))
            yield line

    def on_click(self, event: events.Click) -> None:
        """The column that was clicked has the cursor."""
        offset = event.get_content_offset(self)
        if offset is not None and offset.x >= _LABEL_WIDTH and self._column_width:
            self.cursor = min((offset.x - _LABEL_WIDTH) // self._column_width, len(self.shown) - 1)
            self.redraw()


def _cell_lines(text: str, n_cells: int, most: int) -> list[str]:
    """At most so many; an ellipsis says where there would be more."""
    lines = wrap(plain(text, 400), n_cells)
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], cut_text(" ".join(lines[most - 1 :]), n_cells)]


class Compare(Frame):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", show=False),
        Binding("right,tab", "move(1)", show=False),
        Binding("up", "scroll_lines(-1)", show=False),
        Binding("down", "scroll_lines(1)", show=False),
        Binding("enter", "take", "take this plan"),
        Binding("delete,backspace,d", "drop", "drop this plan"),
    ]

    def __init__(self, pins: tuple[Pin, ...]) -> None:
        super().__init__()
        self._pins = pins
        self._columns = Columns()
        self._columns.shown = tuple(Compared(pin=pin, reason="computing …") for pin in pins)
        self._columns.cursor = max(0, len(pins) - 1)

    def compose(self) -> ComposeResult:
        hints = Hints(("← →", "move"), ("enter", "take this plan"), ("del", "drop it"), ("esc", "back"))
        yield from self.hand_down((Headline(id="headline"), self._columns, hints))

    def on_mount(self) -> None:
        self._columns.shown = tuple(map(self._known, self._columns.shown))
        self._judge()

    def _known(self, one: Compared) -> Compared:
        """What the dashboard says of its plan can be read at once."""
        view, pin = self.view, one.pin
        if view.assessment is None or pin.hardware or pin.plan is not view.plan:
            return one
        swap = view.snapshot.pool(SWAP_POOL) if view.snapshot is not None else None
        return Compared(pin=pin, assessment=view.assessment, pacing=view.pacing, swap=swap)

    def _judge(self) -> None:
        """On a thread aside; the figures are of when the screen was opened."""
        pins, places, snapshot = self._pins, tuple(self.view.places), self.view.snapshot
        work = Aside(self.courtesy.considerate(lambda: compared(pins, places, snapshot)))
        work.then(lambda found: self.post_message(AsideDone(lambda: self._take(pins, found))))

    def on_aside_done(self, message: AsideDone) -> None:
        message.take()

    def _take(self, pins: tuple[Pin, ...], found: tuple[Compared, ...] | EstimatorError) -> None:
        if pins == self._pins and not isinstance(found, Exception):
            self._columns.shown = found
            self._columns.redraw()

    def action_move(self, step: int) -> None:
        self._columns.cursor = max(0, min(self._columns.cursor + step, len(self._pins) - 1))
        self._columns.redraw()

    def action_scroll_lines(self, n_lines: int) -> None:
        self._columns.scroll_lines(n_lines)

    def action_take(self) -> None:
        """Go on with the plan of this column, on this machine."""
        if self._pins:
            self.post_message(PlanChanged(self._pins[self._columns.cursor].plan, is_model_new=True))
        self.dismiss()

    def action_drop(self) -> None:
        """Keep the plan of this column in sight no longer."""
        if not self._pins:
            return
        place = self._columns.cursor
        self._pins = self._pins[:place] + self._pins[place + 1 :]
        self._columns.shown = self._columns.shown[:place] + self._columns.shown[place + 1 :]
        self._columns.cursor = max(0, min(place, len(self._pins) - 1))
        self.post_message(PinsChanged(self._pins))
        self._columns.redraw()

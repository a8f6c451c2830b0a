"""A list with a cursor: rows of runs, a head above them, and what a person types to move in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.humanize import sentence
from tui.messages import HeadClicked, RowChosen, RowMoved, RowsSeen
from tui.widgets.line import cut_text, fit, n_cells, wrap
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from textual import events

    from tui.widgets.line import Line
    from tui.widgets.view import View


CURSOR = "▸"
"""Before the row where the cursor stands: that its shade is another needs colours to be seen."""
_GUTTER = (" ", "text")
"""Before all others; it stands where other panels have their padding."""


class Listing(Panel, can_focus=True):
    """Rows are given by the screen; only those in sight are drawn."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
        Binding("enter", "choose_row", show=False),
    ]
    FOCUS_ON_CLICK = False
    """What is typed after a click goes where it went before it: a q of a name would else end the app."""

    def __init__(self, *, title: str = "", id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        if title:
            self.border_title = title
        self.head: Line = ()
        self.rows: Sequence[Line] = ()
        self.empty: Line = ()
        """What stands there without rows, on as many lines as it takes."""
        self.remark = ""
        """What is to be said of all of it, in the frame."""
        self.cursor = 0
        self.has_cursor = True
        """False for text that is only read: the keys move all of it."""
        self._top = 0

    def show(self, rows: Sequence[Line], *, head: Line = (), empty: Line = ()) -> None:
        """Other rows, of which those in sight are looked at; the cursor stays where it is, as far as there are rows."""
        self.rows, self.head, self.empty = rows, head, empty
        self.cursor = max(0, min(self.cursor, len(rows) - 1))
        self.redraw()

    def lines(self, view: View, width: int, height: int) -> list[Line]:  # noqa: ARG002  # a panel is asked so
        head = [(_GUTTER, *self.head)] if self.head else []
        if not self.rows:
            self.entitle(subtitle=self.remark)
            said = [(line, style) for text, style in self.empty for line in wrap(text, max(2, width - 1))]
            return [*head, *((_GUTTER, run) for run in said)]
        n_shown = max(1, height - len(head))
        if not self.has_cursor:
            self.cursor = self._top = max(0, min(self.cursor, len(self.rows) - n_shown))
            self._say_range(n_shown)
            return head + [(_GUTTER, *row) for row in self.rows[self._top : self._top + n_shown]]
        self._top = max(0, min(self._top, self.cursor, len(self.rows) - n_shown), self.cursor - n_shown + 1)
        self._say_range(n_shown)
        shown = [(_GUTTER, *row) for row in self.rows[self._top : self._top + n_shown]]
        marked = fit(shown[self.cursor - self._top], width)[1:]  # nothing, where there is no room for the sign
        shown[self.cursor - self._top] = ((CURSOR, "cursor"), *((text, "cursor") for text, _ in marked))
        return head + shown

    def _say_range(self, n_shown: int) -> None:
        """Which of the rows are seen, in the frame, where not all are."""
        n_rows = len(self.rows)
        lines = f"{self._top + 1}-{min(n_rows, self._top + n_shown)} of {n_rows}" if n_shown < n_rows else ""
        room = self.content_size.width - n_cells(lines) - 6  # corners, blanks, and what joins the two
        self.entitle(subtitle=sentence((cut_text(self.remark, room) if room > 3 else "", lines)))

    @property
    def in_sight(self) -> range:
        """Numbers of the rows that are drawn."""
        n_shown = max(1, self.content_size.height - bool(self.head))
        return range(self._top, min(len(self.rows), self._top + n_shown))

    def action_move(self, n_rows: int) -> None:
        cursor = max(0, min(self.cursor + n_rows, len(self.rows) - 1))
        if cursor != self.cursor:
            self.cursor = cursor
            self.redraw()
            self.post_message(RowMoved(cursor))

    def action_page(self, n_pages: int) -> None:
        self.action_move(n_pages * max(1, self.content_size.height - 2))

    def action_choose_row(self) -> None:
        if self.rows:
            self.post_message(RowChosen(self.cursor))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if self.head and offset.y == 0:
            self.post_message(HeadClicked(offset.x - 1))
        number = self._top + offset.y - bool(self.head)
        if not 0 <= number < len(self.rows) or (self.head and offset.y == 0):
            return
        if number == self.cursor:
            self.action_choose_row()
        else:
            self.action_move(number - self.cursor)

    def on_resize(self) -> None:
        self.post_message(RowsSeen())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-3)


def followed(before: Sequence[Hashable], cursor: int, now: Sequence[Hashable]) -> int:
    """Where what stood under the cursor is by now; where it is gone, the nearest of what stood around it.

    Args:
        before: what each row was, by which it is known again.
        cursor: the number of the row then.
        now: what each row is.
    """
    if not cursor < len(before) or (cursor < len(now) and now[cursor] == before[cursor]):
        return cursor
    numbers = {one: number for number, one in enumerate(now)}
    nearest_first = sorted(range(len(before)), key=lambda number: (abs(number - cursor), number < cursor))
    return next((numbers[before[number]] for number in nearest_first if before[number] in numbers), cursor)

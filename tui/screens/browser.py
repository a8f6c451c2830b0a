"""A screen with a list, a line to filter it or to type a value, and something about the row under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size

from tui.screens.frame import Frame
from tui.widgets.arrange import SMALLEST
from tui.widgets.entry import Entry
from tui.widgets.headline import Headline
from tui.widgets.hints import Hints
from tui.widgets.line import Line, ascii_text, cut_text, wrap
from tui.widgets.listing import Listing
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual import events
    from textual.app import ComposeResult
    from textual.widgets import Input

    from tui.messages import HeadClicked, RowChosen, RowMoved, RowsSeen
    from tui.widgets.view import View


class About(Panel):
    """Some lines of text about one row."""

    def __init__(self) -> None:
        super().__init__(id="about")
        self._text: list[tuple[str, str]] = []
        self.n_indent = 0
        """How long the title is with which each text begins, and how far its further lines are moved in."""

    def show(self, *paragraphs: tuple[str, str]) -> None:
        """Text and style of each; where there is none, or room for the list alone, there is no panel for it either."""
        self._text = list(paragraphs)
        is_seen = bool(paragraphs) and self.app.size.height >= SMALLEST.height
        if self.display != is_seen:
            self.display = is_seen
        self.redraw()

    def lines(self, view: View, width: int, height: int) -> list[Line]:  # noqa: ARG002  # a panel is asked so
        said = [
            (f"{'' if number else text[: self.n_indent]:<{self.n_indent}}{line}", style)
            for text, style in self._text
            for number, line in enumerate(wrap(text[self.n_indent :], max(2, width - self.n_indent)))
        ]
        if len(said) > height > 0:
            text, style = said[height - 1]
            said[height - 1] = (cut_text(f"{text} …", width), style)
        return [((text, style),) for text, style in said[:height]]


class Browser(Frame):
    """Subclasses say which rows there are, and what happens when one is chosen."""

    TITLE_TEXT: ClassVar[str] = ""
    HINTS: ClassVar[tuple[tuple[str, str], ...]] = ()
    PROMPT: ClassVar[str] = "filter"
    IS_TYPED_AT_ONCE: ClassVar[bool] = False
    CAN_FILTER: ClassVar[bool] = True
    HAS_CURSOR: ClassVar[bool] = True
    AUTO_FOCUS = "#listing"
    """From the start: else the library gives it to the line, and styles both anew where that is put right."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "type", "filter", show=False),
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
    ]

    edited: int | None = None
    """The row whose value is being typed: it stays that one, wherever the cursor goes."""
    _is_complaining = False
    """What was wrong is shown about the row, and stays until something else is done."""
    _filled_size = Size(0, 0)
    """Of the screen, for which there are rows."""

    def compose(self) -> ComposeResult:
        self.listing = Listing(title=self.TITLE_TEXT, id="listing")
        self.listing.has_cursor = self.HAS_CURSOR
        self.about = About()
        self.about.display = False
        self.entry = Entry(placeholder=self.PROMPT, id="entry", compact=True, select_on_focus=False)
        self.entry.display = self.IS_TYPED_AT_ONCE
        self.entry.cursor_blink = False
        yield from self._panels()

    def _panels(self) -> Iterator[Panel | Input]:
        yield from self.hand_down((Headline(id="headline"),))
        yield self.entry
        self.keys = Hints(*self.hints)
        yield from self.hand_down((self.listing, self.about, self.keys))

    def on_mount(self) -> None:
        """Not to be called by a subclass's own: Textual calls that of each class by itself."""
        self._fill_for(self.size)
        self.begin()

    def begin(self) -> None:
        """What follows once the list has its first rows."""

    def watch_view(self, view: View) -> None:
        super().watch_view(view)
        if self.is_mounted and hasattr(self, "listing"):
            self.fill()

    def on_resize(self, event: events.Resize) -> None:
        if hasattr(self, "listing") and event.size != self._filled_size:
            self.call_after_refresh(self._fill_for, event.size)

    def _fill_for(self, size: Size) -> None:
        self._filled_size = size
        self.fill()

    @property
    def hints(self) -> tuple[tuple[str, str], ...]:
        """Keys of the list, with what they do now."""
        return self.HINTS

    @property
    def text(self) -> str:
        """What is typed."""
        return self.entry.value.strip()

    def fill(self) -> None:
        """Give the list its rows."""
        raise NotImplementedError

    def choose(self, index: int) -> None:
        """A row was picked."""

    def take_typed(self, index: int, text: str) -> None:
        """The value of the row that was edited."""

    def describe(self, index: int) -> None:
        """The cursor stands on a row."""

    def edit(self, index: int, value: str, placeholder: str) -> None:
        """Have the value of a row typed."""
        self.edited = index
        self.entry.value = value
        self.prompt(placeholder)
        self._open_line(("enter", "take it"), ("esc", "leave it as it was"))

    def prompt(self, text: str) -> None:
        """What is to be typed."""
        self.entry.placeholder = ascii_text(text) if self.view.is_ascii else text

    def complain(self, text: str) -> None:
        """What was wrong, about the row."""
        self._is_complaining = True
        self.about.show((text, "bad-bold"))

    def describe_again(self) -> None:
        """After another reading."""
        if not self._is_complaining:
            self.describe(self.listing.cursor)

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        if self.entry.display:
            self._is_complaining = False
        if self.CAN_FILTER:
            self.listing.cursor = 0
            self.fill()
            self._dirty_widgets.add(self.listing)  # drawn together with what was typed, not in a step of its own

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        if self.edited is not None:
            self.take_typed(self.edited, message.value)
        elif self.IS_TYPED_AT_ONCE:
            self.listing.action_choose_row()
        else:
            self.listing.focus()
            self.keys.say(*self.hints)

    def on_row_chosen(self, message: RowChosen) -> None:
        message.stop()
        self._is_complaining = False
        self.choose(message.index)

    def on_head_clicked(self, message: HeadClicked) -> None:
        message.stop()
        self.sort_at(message.x)

    def sort_at(self, x: int) -> None:
        """The title of a column was clicked, at this cell of the line over the rows."""

    def on_rows_seen(self, message: RowsSeen) -> None:
        message.stop()
        self.describe_again()

    def on_row_moved(self, message: RowMoved) -> None:
        message.stop()
        self._is_complaining = False
        self.describe(message.index)

    def action_type(self) -> None:
        """Open the line to type in."""
        if self.CAN_FILTER:
            self._open_line(("↑ ↓", "move"), ("enter", "keep the filter"), ("esc", "all of them"))

    def _open_line(self, *keys: tuple[str, str]) -> None:
        """What is typed goes there, so that the keys of the list mean nothing for now."""
        self.entry.display = True
        self.entry.focus()
        self.keys.say(*keys)

    def action_move(self, n_rows: int) -> None:
        self.listing.action_move(n_rows)

    def action_page(self, n_pages: int) -> None:
        self.listing.action_page(n_pages)

    def action_go_back(self) -> None:
        """First out of the filter, then out of the screen."""
        if self.entry.display and not self.IS_TYPED_AT_ONCE:
            self.entry.value = ""
            self.entry.display = False
            self.listing.focus()
            self.keys.say(*self.hints)
            return
        super().action_go_back()

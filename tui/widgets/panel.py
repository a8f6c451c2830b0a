"""A widget that draws lines itself and repaints only the cells that have changed.

A plain ``refresh()`` of a screenful writes five times the bytes (11.5 against 2.2 kB/s, measured with eight bars at one
reading a second).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.content import Content
from textual.geometry import Offset, Region, Size, Spacing
from textual.reactive import var
from textual.strip import Strip
from textual.widget import Widget

from tui.messages import ActionChosen
from tui.palette import style_of
from tui.widgets.line import Line, ascii_line, ascii_text, changed_spans, fit, line_part, width_of
from tui.widgets.pen import Codes, codes_of
from tui.widgets.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.color import ColorSystem
    from rich.style import Style
    from textual import events


class Panel(Widget):
    """Shows the lines that ``lines()`` makes of the view."""

    ALLOW_SELECT = False
    can_focus = False

    view: var[View] = var(View, init=False)
    """What is shown now, from the screen."""

    TITLE: ClassVar[str] = ""
    CLICK_ACTION: ClassVar[str] = ""
    """What a click does where no other target is."""

    def __init__(self, *, name: str | None = None, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(name=name, id=id)
        self._lines: list[Line] = []
        self._said: list[Line] = []
        self._made_as: tuple[Size, bool] | None = None
        """What they were made of, and for which size, in ASCII or not: most are the same at the next reading."""
        self._made_size = Size(0, 0)
        """The size that the lines were made for."""
        self._outer_size = Size(0, 0)
        """The same with frame and padding: another frame repaints all, and the lines are made then."""
        self._gutter = Spacing()
        """What lies around them: frame and padding."""
        self.targets: list[tuple[int, int, int, str]] = []
        """What can be clicked: line, first cell, the cell after the last, action."""
        self._styles_by_name: dict[str, Style] = {}
        self._codes_by_name: dict[str, Codes] = {}
        self.gathered: list[tuple[Panel, list[Region]]] | None = None
        """Where changes go while all panels of a screen are given another view, to be painted together."""
        self._title, self._subtitle = self.TITLE, ""
        """In the frame: plain text, which the library would take for markup."""
        self._framed = (self.TITLE, "")
        """What stands there."""
        self._is_painted_now = False
        if self.TITLE:
            self.border_title = self.TITLE

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The lines of this view; those beyond the height are not shown."""
        raise NotImplementedError

    def is_same(self, before: View, view: View) -> bool:  # noqa: ARG002  # what most show is news at each reading
        """Whether one view says what the other does, as far as this panel goes: then nothing is made anew."""
        return False

    def watch_view(self, before: View, view: View) -> None:
        """Draw what has changed."""
        if self._made_size.area and before.is_ascii == view.is_ascii and self.is_same(before, view):
            return
        self.redraw()

    def take_view(self, view: View) -> None:
        """Another view, without the library's way to what watches it: of nine panels it takes 0.2 ms a reading."""
        before = self.view
        self.set_reactive(Panel.view, view)
        self.watch_view(before, view)

    def entitle(self, title: str = "", subtitle: str | None = None) -> None:
        """Say in the frame what is shown; what is not given stays as it is."""
        if self.view.is_ascii:
            title, subtitle = ascii_text(title), None if subtitle is None else ascii_text(subtitle)
        before = (self._title, self._subtitle)
        self._title = title or self._title
        self._subtitle = self._subtitle if subtitle is None else subtitle
        if before == (self._title, self._subtitle):
            return
        if self._is_painted_now:  # too late for the frame
            self.call_later(self._put_into_frame)
        else:
            self._put_into_frame()

    def _put_into_frame(self) -> None:
        """What is to be said there now, as far as it is another than what stands there.

        The library's way to set it repaints the whole panel: of a list of models 2 to 4 ms, for each letter that is
        typed.
        """
        title, subtitle = self._framed
        self._framed = (self._title, self._subtitle)
        if title != self._title:
            self._border_title = Content(self._title)
            self._redraw_frame(0)
        if subtitle != self._subtitle:
            self._border_subtitle = Content(self._subtitle)
            self._redraw_frame(self._outer_size.height - 1)

    def is_frame(self, y: int, height: int) -> bool:
        """Whether a line of so many, counted from the frame's first, is one of frame and padding."""
        return not self._gutter.top <= y < height - self._gutter.bottom

    def _redraw_frame(self, y: int) -> None:
        """One line of it; all where nothing has been painted yet."""
        if not self._made_size.area:
            self.refresh()
            return
        x, top = self.gutter_offset
        self.refresh(Region(-x, y - top, self._outer_size.width, 1))

    def redraw(self) -> None:
        """Make the lines anew, and repaint the cells that differ."""
        # To ask the library for the size takes 20 µs, of each panel at each reading.
        size = self._made_size if self._size == self._outer_size else self.content_size
        if size != self._made_size or size.area == 0:  # not painted yet, or about to be painted whole
            self._made_size = Size(0, 0)
            return
        before, self._lines = self._lines, self._made(size)
        changed = [
            Region(start, y, end - start, 1)
            for y, (old, new) in enumerate(zip(before, self._lines, strict=True))
            if old is not new
            for start, end in changed_spans(old, new)
        ]
        if changed and self.gathered is not None:
            self.gathered.append((self, changed))
        elif changed:
            self.refresh(*changed)

    def note_painted(self, changed: Iterable[Region]) -> None:
        """They are on the terminal already: what the library keeps of these lines is old."""
        self._styles_cache.set_dirty(*[region.translate(self.gutter_offset) for region in changed])

    @property
    def gutter_offset(self) -> Offset:
        """Where the lines begin within frame and padding."""
        return Offset(self._gutter.left, self._gutter.top)

    def _made(self, size: Size) -> list[Line]:
        self._gutter, self._outer_size = self.styles.gutter, self._size
        said = self.lines(self.view, size.width, size.height)[: size.height]
        if self.view.is_ascii:
            said = [ascii_line(line) for line in said]
        is_reused = self._made_as == (size, self.view.is_ascii)
        known = list(zip(self._said, self._lines, strict=False)) if is_reused else []
        self._said, self._made_as = said, (size, self.view.is_ascii)
        made = [
            known[y][1]
            if y < len(known) and known[y][0] == line
            else fit(line, size.width, is_ascii=self.view.is_ascii)
            for y, line in enumerate(said)
        ]
        return made + [fit((), size.width)] * (size.height - len(made))

    def on_click(self, event: events.Click) -> None:
        """Send up what was clicked."""
        offset = event.get_content_offset(self)
        for y, start, end, action in self.targets:
            if offset is not None and offset.y == y and start <= offset.x < end:
                self.choose(action)
                return
        if self.CLICK_ACTION:
            self.choose(self.CLICK_ACTION)

    def choose(self, action: str) -> None:
        """As if its key had been pressed."""
        self.post_message(ActionChosen(action))

    def notify_style_update(self) -> None:
        """Another theme, other colours."""
        self._styles_by_name.clear()
        self._codes_by_name.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """One line, from the runs that were made of the view."""
        size = self.content_size
        if size != self._made_size:
            self._is_painted_now = True
            self._made_size, self._lines = size, self._made(size)
            self._is_painted_now = False
        if y >= len(self._lines):
            return Strip.blank(self.content_size.width, self.rich_style)
        # With its width: to measure the texts, the library would remember 4096 of a day's, 2 MiB.
        line = self._lines[y]
        return Strip([Segment(text, self._style(name)) for text, name in line], width_of(line))

    def cells(
        self, y: int, start: int, end: int, size: Size, color_system: ColorSystem
    ) -> list[tuple[str, Codes]] | None:
        """What a line of the panel shows from one cell up to another, which ``render_line`` would say as well.

        Args:
            y: the line, counted from the frame's first.
            start: the first cell, counted from the frame's.
            end: the one after the last.
            size: of the panel with its frame, as it lies on the screen.
            color_system: of the terminal.

        Returns:
            None where frame or padding are a part of it, or the lines are those of another size.
        """
        gutter = self._gutter
        y, start, end = y - gutter.top, start - gutter.left, end - gutter.left
        width, height = self._made_size
        is_same_size = (size.width - gutter.width, size.height - gutter.height) == (width, height)
        if not is_same_size or not (0 <= y < height and 0 <= start < end <= width):
            return None
        codes = self._codes_by_name
        runs = []
        for text, name in line_part(self._lines[y], start, end):
            if name not in codes:
                codes[name] = codes_of(self._filtered(self._style(name)), color_system)
            runs.append((text, codes[name]))
        return runs

    def _filtered(self, style: Style) -> Style | None:
        """As the library changes it on its way to the screen: no colours where none are wanted, say."""
        segments = [Segment(" ", style)]
        for changing in self.get_line_filters():
            segments = changing.apply(segments, self.background_colors[1])
        return segments[0].style

    def _style(self, name: str) -> Style:
        style = self._styles_by_name.get(name)
        if style is None:
            variables, behind = self.app.theme_variables, self.background_colors[1]
            style = self._styles_by_name[name] = style_of(name, variables, behind)
        return style

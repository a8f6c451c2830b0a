"""The memory panel: a bar for each pool, a line of vitals under it, and what could not be read."""

from textual import events

from probes.snapshot import Fault
from tui.widgets.bar_signs import signs
from tui.widgets.line import Line
from tui.widgets.memory_table import MANY_DEVICES, MemoryTable, Standing
from tui.widgets.notices import notice_lines, notices_of
from tui.widgets.panel import Panel
from tui.widgets.rows import Row, rows_of
from tui.widgets.view import View

LIST_DEVICES = 16
"""Above it, the fullest first, in a list that scrolls under a line that sums them."""


class MemoryPanel(Panel):
    TITLE = "Memory"
    CLICK_ACTION = "show('devices')"

    def __init__(self, **options: str) -> None:
        super().__init__(**options)
        self._top = 0
        """The first row of a list that scrolls."""
        self._standing: dict[str, Standing] = {}
        """By label, what was last said of a row's memory: in most nothing has moved since, and each takes 60 µs."""

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        if view.snapshot is None:
            return [(("reading …", "dim"),)]
        rows = rows_of(view)
        notices = notices_of(view)
        n_devices = sum(len(row.devices) for row in rows)
        table = MemoryTable(rows, view, width, self._standing)
        if n_devices > LIST_DEVICES or len(rows) > height:
            return self._listed(table, rows, notices, width, height)
        self.entitle(subtitle=legend(rows, width, has_sparks=table.has_vitals and not view.is_thrifty))
        details = [table.details(row) if n_devices < MANY_DEVICES else [] for row in rows]
        n_left = height - len(rows)
        wrapped = notice_lines(notices, width, max(min(n_left, 1), n_left - sum(map(len, details))))
        n_left -= len(wrapped)
        lines: list[Line] = []
        for row, more in zip(rows, details, strict=True):
            lines.append(table.row(row, is_whole=len(more) <= n_left))
            if len(more) <= n_left:
                lines += more
                n_left -= len(more)
        return lines + wrapped

    def _listed(
        self, table: MemoryTable, rows: tuple[Row, ...], notices: list[Fault], width: int, height: int
    ) -> list[Line]:
        listed = sorted((row for row in rows if row.devices and row.place != "RAM"), key=lambda row: -row.filled_ratio)
        rest = [row for row in rows if not row.devices or row.place == "RAM"]
        wrapped = notice_lines(notices, width, 1 if height >= 5 else 0)
        fixed = ([table.sum(listed)] if listed and height >= 3 else []) + [table.row(row) for row in rest]
        fixed = fixed[: max(1, height - 1)]
        n_shown = max(0, height - len(fixed) - len(wrapped))
        self._top = max(0, min(self._top, len(listed) - n_shown))
        shown = listed[self._top : self._top + n_shown]
        said = f"{self._top + 1}-{self._top + len(shown)} of {len(listed)} devices, the fullest first"
        self.entitle(subtitle=said if len(shown) < len(listed) else legend(rows, width))
        return [table.row(row) for row in shown] + fixed + wrapped

    def scroll_rows(self, n_rows: int) -> None:
        """Move a list that is longer than the panel."""
        self._top = max(0, self._top + n_rows)
        self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-1)


def legend(rows: tuple[Row, ...], width: int, *, has_sparks: bool = False) -> str:
    """What the bars are drawn with, as far as there is room in the frame; what is used is plain without it."""
    return signs(
        {kind for row in rows if row.load_bytes for kind, _ in row.load_parts},
        width,
        has_landed=any(row.landed_bytes for row in rows),
        has_line=any(row.line_bytes is not None for row in rows),
        has_sparks=has_sparks,
    )


def n_detail_lines(rows: tuple[Row, ...], view: View, width: int) -> int:
    """How many lines there would be under the bars."""
    if sum(len(row.devices) for row in rows) >= MANY_DEVICES:
        return 0
    table = MemoryTable(rows, view, width)
    return sum(len(table.details(row)) for row in rows)

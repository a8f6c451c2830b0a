"""The first screen: memory, load and verdict side by side, and what else has room."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.css.scalar import Scalar

from tui.contexts import contexts_shown
from tui.messages import ActionChosen
from tui.screens.frame import Frame
from tui.widgets.arrange import DashboardLayout, Wants, arrange_panels, is_tiny
from tui.widgets.chart import HistoryPanel
from tui.widgets.headline import Headline
from tui.widgets.keybar import KeyBar
from tui.widgets.legend import legend_lines
from tui.widgets.load import LoadPanel
from tui.widgets.matrix import MatrixPanel, matrix_width
from tui.widgets.memory import MemoryPanel, n_detail_lines
from tui.widgets.notices import notice_lines, notices_of
from tui.widgets.processes import ProcessPanel
from tui.widgets.rows import rows_of
from tui.widgets.verdict import VerdictPanel

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from tui.widgets.banner import Banner
    from tui.widgets.view import View


_USUAL_QUANTS = 7
"""As many rows a matrix has for most models."""
_LEAST_MATRIX = 71
"""Cells of its lines, where it lies beside the processes."""
_BANNER_WIDTH = 4
"""Of its frame and its padding."""


class Dashboard(Frame):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket,down", "app.step_quant(-1)", "smaller quant"),
        Binding("right_square_bracket,up", "app.step_quant(1)", "larger quant"),
        Binding("minus,left", "app.step_context(-1)", "shorter context"),
        Binding("plus,equals_sign,right", "app.step_context(1)", "longer context"),
        Binding("d", "app.step_devices", "devices"),
        Binding("k", "app.step_kv_type", "type of the KV cache"),
        *(Binding(str(number), f"app.apply_change({number})", f"apply change {number}") for number in range(1, 5)),
        Binding("pagedown", "scroll_rows(8)", "further devices"),
        Binding("pageup", "scroll_rows(-8)", "devices before"),
        Binding("enter", "app.read_warnings", "the warning has been read"),
    ]

    def __init__(self) -> None:
        self._arrangement = DashboardLayout()
        self._has_banner = False
        """Whether there was a warning when it was last looked at."""
        self._banner: Banner | None = None
        """Mounted with the first warning."""
        super().__init__()

    @property
    def layout(self) -> DashboardLayout:
        """Where panels go; styles can only name a layout that the library knows."""
        return self._arrangement

    def compose(self) -> ComposeResult:
        self._arrangement.wants = wants_of(self.view, self.app.size.width)
        yield from self.hand_down(
            (
                Headline(id="headline"),
                MemoryPanel(id="memory"),
                LoadPanel(id="load"),
                VerdictPanel(id="verdict"),
                MatrixPanel(id="matrix"),
                ProcessPanel(id="processes"),
                HistoryPanel(id="history"),
                KeyBar(id="keybar"),
            )
        )

    def watch_view(self, view: View) -> None:
        self._want(view, self.size.width)
        super().watch_view(view)
        self._warn(view)

    def _warn(self, view: View) -> None:
        """The banner is as large as what it says."""
        has_warning = _has_warning(view)
        if not (has_warning or self._has_banner) or not self.is_mounted:
            return
        from tui.widgets.banner import IS_SHORT  # noqa: PLC0415  # where there is a warning

        self._has_banner = has_warning
        banner = self._banner or self._new_banner()
        title = "It no longer fits" if view.is_verdict_warned else banner.TITLE
        if banner.border_title != title:  # to set even the same repaints all
            banner.border_title = title
        if banner.display != has_warning:
            banner.display = has_warning
        n_lines, is_above = self._banner_lines(view)
        banner.set_class(is_above, IS_SHORT)
        if banner.styles.height != Scalar.from_number(n_lines):
            banner.styles.height = n_lines

    def _new_banner(self) -> Banner:
        from tui.widgets.banner import Banner  # noqa: PLC0415  # 1 ms with its styles, of a picture that has none

        banner = self._banner = Banner(id="banner")
        self.mount(*self.hand_down((banner,)))
        return banner

    def _banner_lines(self, view: View) -> tuple[int, bool]:
        """How high the banner is with its frame, and whether it lies above: below, it would lie over the verdict."""
        from tui.widgets.banner import SHORT_LINES, n_banner_lines  # noqa: PLC0415  # where there is a warning

        size = self.app.size
        n_lines = n_banner_lines(view, size.width - _BANNER_WIDTH) + 2
        wants = self._arrangement.wants._replace(n_banner=0)
        verdict = arrange_panels(size, wants).get("verdict")
        if verdict is not None and verdict.bottom + n_lines + 1 <= size.height:
            return n_lines, False
        return 1 if is_tiny(size) else SHORT_LINES, True

    def _want(self, view: View, width: int, *, is_resized: bool = False) -> None:
        """What is in its place keeps it on a line that turns out to be slow: to lay out anew is 22 KB.

        Charts stay, a list that has been long keeps its lines, and a banner lies over what is below until it was read.
        """
        before = self._arrangement.wants
        wants = wants_of(view, width)
        if not is_resized:
            wants = wants._replace(
                has_charts=wants.has_charts or before.has_charts,
                has_many_processes=wants.has_many_processes or before.has_many_processes,
            )
        self._arrangement.wants = wants
        if _has_warning(view) and not view.is_thrifty:
            n_banner, is_above = self._banner_lines(view)
            self._arrangement.wants = wants._replace(n_banner=n_banner, is_banner_above=is_above)
        if self._arrangement.wants != before:
            for keybar in self.query(KeyBar):  # a child's: a screen's own would find the last arrangement in its cache
                keybar.refresh(layout=True)

    def on_resize(self, event: events.Resize) -> None:
        self._want(self.view, event.size.width, is_resized=True)
        self._warn(self.view)

    def action_go_back(self) -> None:
        """There is nothing behind the dashboard but what lies over it."""
        self.post_message(ActionChosen("read_warnings"))

    def action_scroll_rows(self, n_rows: int) -> None:
        """In a long list of devices."""
        self.query_one(MemoryPanel).scroll_rows(n_rows)

    async def on_action_chosen(self, message: ActionChosen) -> None:
        """A click on what a key does as well."""
        message.stop()
        await self.run_action(f"app.{message.action}")


def _has_warning(view: View) -> bool:
    return view.is_verdict_warned or bool(view.alarms)


def wants_of(view: View, width: int) -> Wants:
    """How many lines this view has to show."""
    rows = rows_of(view)
    n_devices = sum(len(row.devices) for row in rows)
    plan, snapshot = view.plan, view.snapshot
    n_processes = len(snapshot.processes) if snapshot is not None else 0
    n_processes += sum(not engine.is_on_device for engine in view.engines)
    return Wants(
        n_rows=max(1, len(rows) + (n_devices > 16)),
        n_details=n_detail_lines(rows, view, width - 4),
        n_notices=len(notice_lines(notices_of(view), width - 4, 3)),
        has_plan=plan is not None,
        has_processes=bool(snapshot and snapshot.processes),
        n_quants=len({cell.quant for cell in view.cells}) or _USUAL_QUANTS,
        n_matrix_cells=matrix_width(len(contexts_shown(plan))) if plan is not None else 0,
        n_legend=len(legend_lines(view.cells, _LEAST_MATRIX)) if view.cells and width >= _LEAST_MATRIX else 0,
        has_many_processes=n_processes > _USUAL_QUANTS + 1,
        has_charts=not view.is_thrifty,
    )

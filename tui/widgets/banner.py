"""Over the dashboard when the verdict turns bad while the screen is open; stays until it is read or no longer true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.humanize import plain, size
from tui.widgets.line import cut_text, wrap
from tui.widgets.panel import Panel
from tui.widgets.verdict import GLYPHS, said

if TYPE_CHECKING:
    from textual import events

    from tui.widgets.line import Line
    from tui.widgets.view import View


class Banner(Panel):
    TITLE = "Warning"

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        alarms: list[Line] = [((cut_text(plain(alarm.message, 300), width), "bad-bold"),) for alarm in view.alarms]
        if view.is_verdict_warned:
            lines = [*alarms[: max(0, height - 3)], *_verdict(view, width, height - len(alarms[: max(0, height - 3)]))]
        else:
            lines = alarms[: height - 1]
        if len(alarms) > len(lines):
            lines = [*lines[:-1], ((f"and {len(alarms) - len(lines) + 1} more", "bad"),)]
        return [*lines, (("enter", "key"), (" or a click: read", "dim"))]

    def on_click(self, event: events.Click) -> None:
        """It has been read."""
        event.stop()
        self.choose("read_warnings")


def _verdict(view: View, width: int, height: int) -> list[Line]:
    """What no longer fits, why, and the figures; at most one line less than the height."""
    made = view.assessment
    if made is None or view.plan is None:
        return []
    verdict = made.verdict
    name = plain(f"{view.plan.model.name} {view.plan.model.quant}", 60)
    head = f"{GLYPHS[verdict.level]} {name}: {verdict.level.name}{said(verdict)}"
    reason = wrap(verdict.reason, width)[: max(0, height - 2)]
    margin = next(margin for margin in verdict.margins if margin.place.name == verdict.place)
    now = f"{verdict.place} has {size(margin.place.free_bytes)} free, the load needs {size(margin.load_bytes)}"
    lines: list[Line] = [((cut_text(head, width), "bad-bold"),), *(((text, "strong"),) for text in reason)]
    return [*lines, ((cut_text(now, width), "text"),)] if len(lines) < height - 1 else lines

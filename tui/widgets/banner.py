"""On the dashboard when the verdict turns bad while the screen is open; stays until it is read or no longer true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.humanize import plain, size
from tui.widgets.line import cut_text, spread, width_of, wrap
from tui.widgets.panel import Panel
from tui.widgets.verdict import GLYPHS, said

if TYPE_CHECKING:
    from textual import events

    from tui.widgets.line import Line
    from tui.widgets.view import View


MOST_LINES = 4
"""More would hide what it speaks of."""
SHORT_LINES = 2
"""Where there is no room for it below the verdict: it lies in the headline's place then."""
IS_SHORT = "-short"
"""The class of a banner that lies there."""


class Banner(Panel):
    TITLE = "Warning"

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        if self.has_class(IS_SHORT):
            return _short_lines(view, width, height)
        alarms = _alarms(view, width)
        if view.is_verdict_warned:
            shown = alarms[: max(0, height - 3)]
            if shown and len(shown) < len(alarms):
                shown[-1] = ((cut_text(f"{shown[-1][0][0]} …", width), "bad-bold"),)
            lines = [*shown, *_verdict(view, width, height - len(shown))]
        else:
            lines = alarms[: height - 1]
        if len(alarms) > len(lines):
            n_more = len(alarms) - len(lines) + 1
            lines = [*lines[:-1], ((f"and {n_more} more line{'s' if n_more > 1 else ''}", "bad"),)]
        return [*lines, (("enter", "key"), (" or a click: read", "dim"))]

    def on_click(self, event: events.Click) -> None:
        """It has been read."""
        event.stop()
        self.choose("read_warnings")


def n_banner_lines(view: View, width: int) -> int:
    """How many lines are worth giving it, without a frame."""
    return min(MOST_LINES, 1 + len(_alarms(view, width)) + 3 * view.is_verdict_warned)


def _short_lines(view: View, width: int, height: int) -> list[Line]:
    """What is worst, how many more there are, and the key; the verdict's own panel says the rest."""
    made = view.assessment
    said_first = []
    if view.is_verdict_warned and made is not None:
        said_first = [f"It no longer fits: {GLYPHS[made.verdict.level]} {made.verdict.level.name}{said(made.verdict)}"]
    first, *others = [*said_first, *(plain(alarm.message, 300) for alarm in view.alarms)] or [""]
    key: Line = ((f" {len(others)} more  " if others else " ", "bad"), ("enter", "key"), (" read ", "dim"))
    room = max(10, width - width_of(key) - 2)
    texts = wrap(f"! {first}", room) if height > 1 else [cut_text(f"! {first}", room)]
    if len(texts) > height:
        texts = [*texts[: height - 1], cut_text(f"{texts[height - 1]} …", room)]
    texts += [""] * (height - len(texts))
    lines: list[Line] = [((f" {text}", "bad-bold"),) for text in texts]
    return [*lines[:-1], spread(lines[-1], key, width)]


def _alarms(view: View, width: int) -> list[Line]:
    return [((text, "bad-bold"),) for alarm in view.alarms for text in wrap(plain(alarm.message, 300), max(10, width))]


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

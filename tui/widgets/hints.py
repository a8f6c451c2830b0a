"""The last line of a screen: its own keys."""

from tui.widgets.line import Line, width_of
from tui.widgets.panel import Panel
from tui.widgets.view import View


class Hints(Panel):
    def __init__(self, *hints: tuple[str, str]) -> None:
        super().__init__(id="hints")
        self.hints = hints

    def say(self, *hints: tuple[str, str]) -> None:
        """Others, from now on."""
        if hints != self.hints:
            self.hints = hints
            self.redraw()

    def is_same(self, before: View, view: View) -> bool:  # noqa: ARG002  # at all times
        return True

    def lines(self, view: View, width: int, height: int) -> list[Line]:  # noqa: ARG002
        shown = list(self.hints)
        for gap in (" ", ""):
            line = _line(shown, gap)
            if width_of(line) <= width:
                return [line]
        while len(shown) > 2:  # the way back stays
            del shown[-2 if shown[-1][0] == "esc" else -1]
            line = _line([*shown[:-1], ("…", ""), shown[-1]], "")
            if width_of(line) <= width:
                break
        return [line]


def _line(hints: list[tuple[str, str]], gap: str) -> Line:
    return tuple(
        run for key, label in hints for run in ((f" {key}", "key"), (f" {label}{gap}" if label else "", "dim"))
    )

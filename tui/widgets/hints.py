"""The last line of a screen: its own keys."""

from tui.widgets.line import Line
from tui.widgets.panel import Panel
from tui.widgets.view import View


class Hints(Panel):
    def __init__(self, *hints: tuple[str, str]) -> None:
        super().__init__(id="hints")
        self._hints = hints

    def lines(self, view: View, width: int, height: int) -> list[Line]:  # noqa: ARG002
        line: Line = ()
        for key, label in self._hints:
            line = (*line, (f" {key}", "key"), (f" {label} ", "dim"))
        return [line]

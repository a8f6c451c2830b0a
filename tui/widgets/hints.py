"""The last line of a screen: its own keys, which can be clicked."""

from tui.messages import KeyClicked
from tui.widgets.line import Line, width_of
from tui.widgets.panel import Panel
from tui.widgets.view import View

_KEYS = {
    "esc": "escape",
    "del": "delete",
    "/": "slash",
    "↑": "up",
    "↓": "down",
    "←": "left",
    "→": "right",
    "-": "minus",
    "+": "plus",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
}
"""As the library calls them; all others are called as they are shown."""
_NO_KEYS = frozenset("┄╌…")
"""Signs that are explained there."""


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

    def lines(self, view: View, width: int, height: int) -> list[Line]:  # noqa: ARG002  # a panel is asked so
        shown = list(self.hints)
        for gap in (" ", ""):
            line = _line(shown, gap)
            if width_of(line) <= width:
                return self._with_targets(shown, gap)
        while len(shown) > 2:  # the way back stays
            del shown[-2 if shown[-1][0] == "esc" else -1]
            line = _line([*shown[:-1], ("…", ""), shown[-1]], "")
            if width_of(line) <= width:
                break
        return self._with_targets([*shown[:-1], ("…", ""), shown[-1]], "")

    def _with_targets(self, shown: list[tuple[str, str]], gap: str) -> list[Line]:
        """Of two keys with one label the first is what lies under its own sign, the other all the rest."""
        self.targets = []
        x = 0
        for key, label in shown:
            end = x + width_of(_line([(key, label)], gap))
            names = [_KEYS.get(name, name.lower()) for name in key.split(" ") if name not in _NO_KEYS]
            if len(names) == 2:
                self.targets.append((0, x, x + 2, names[0]))
                x += 2
            if names:
                self.targets.append((0, x, end, names[-1]))
            x = end
        return [_line(shown, gap)]

    def choose(self, action: str) -> None:
        """As if that key had been pressed."""
        self.post_message(KeyClicked(action))


def _line(hints: list[tuple[str, str]], gap: str) -> Line:
    return tuple(
        run for key, label in hints for run in ((f" {key}", "key"), (f" {label}{gap}" if label else "", "dim"))
    )

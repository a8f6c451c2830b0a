"""The last line: the keys, which can be clicked."""

from tui.widgets.line import Line, width_of
from tui.widgets.panel import Panel
from tui.widgets.view import View

_KEYS = (
    # keys, label, action, the order in which they go where there is no room (the highest first)
    ("m", "model", "show('picker')", 0),
    ("[ ]", "quant", "step_quant(-1)", 2),
    ("- +", "context", "step_context(1)", 2),
    ("d", "devices", "step_devices", 5),
    ("e", "engine", "choose_engine", 5),
    ("o", "options", "show('options')", 4),
    ("g", "GPUs", "show('devices')", 8),
    ("p", "processes", "show('processes')", 6),
    ("h", "history", "show('timeline')", 7),
    ("x", "explain", "show('explain')", 3),
    ("?", "help", "show('help')", 1),
    ("q", "quit", "quit", 1),
)


class KeyBar(Panel):
    def is_same(self, before: View, view: View) -> bool:  # noqa: ARG002  # at all times
        return True

    def lines(self, view: View, width: int, height: int) -> list[Line]:  # noqa: ARG002  # the same at all times
        shown = list(_KEYS)
        while len(shown) > 2 and sum(len(key) + len(label) + 3 for key, label, _, _ in shown) > width:
            shown.remove(max(shown, key=lambda key: key[3]))
        self.targets = []
        line: Line = ()
        for key, label, action, _ in shown:
            if action == "quit":
                line = (*line, (" " * (width - width_of(line) - 8), "text"))
            x = width_of(line)
            line = (*line, (f" {key}", "key"), (f" {label} ", "dim"))
            self.targets.append((0, x, width_of(line), action))
        return [line]

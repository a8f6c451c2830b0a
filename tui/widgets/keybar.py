"""The last line: the keys, which can be clicked."""

from tui.widgets.line import Line, width_of
from tui.widgets.panel import Panel
from tui.widgets.view import View

_KEYS = (
    # keys, label, action, the order in which they go where there is no room (the highest first)
    ("m", "model", "show('picker')", 0),
    ("[ ]", "quant", "step_quant(1)", 2),
    ("- +", "context", "step_context(1)", 2),
    ("d", "devices", "step_devices", 5),
    ("e", "engine", "choose_engine", 5),
    ("o", "options", "show('options')", 4),
    ("g", "GPUs", "show('devices')", 8),
    ("p", "processes", "show('processes')", 6),
    ("h", "history", "show('timeline')", 7),
    ("x", "explain", "show('explain')", 3),
    ("c", "compare", "compare", 9),
    ("w", "what if", "show('hardware')", 10),
    ("y", "copy", "copy_command", 11),
    (",", "settings", "show_settings", 12),
    ("?", "help", "show('help')", 1),
    ("q", "quit", "quit", 1),
)
_BACKWARDS = {"quant": "step_quant(-1)", "context": "step_context(-1)"}
"""Of two keys with one label, what a click on the sign of the first does; all the rest is the other's."""
_OF_A_PLAN = frozenset({"quant", "context", "devices", "engine", "options", "explain", "compare", "what if", "copy"})
"""Labels of keys that change or explain a plan."""


class KeyBar(Panel):
    def is_same(self, before: View, view: View) -> bool:
        return (before.plan is None) == (view.plan is None)

    def lines(self, view: View, width: int, height: int) -> list[Line]:  # noqa: ARG002  # a panel is asked so
        """Where nothing is planned, those that have a meaning then."""
        shown = [key for key in _KEYS if view.plan is not None or key[1] not in _OF_A_PLAN]
        while len(shown) > 2 and sum(len(key) + len(label) + 3 for key, label, _, _ in shown) > width:
            shown.remove(max(shown, key=lambda key: key[3]))
        self.targets = []
        line: Line = ()
        for key, label, action, _ in shown:
            if action == "quit":
                line = (*line, (" " * (width - width_of(line) - 8), "text"))
            x = width_of(line)
            line = (*line, (f" {key}", "key"), (f" {label} ", "dim"))
            if label in _BACKWARDS:
                self.targets.append((0, x, x + 2, _BACKWARDS[label]))
                x += 2
            self.targets.append((0, x, width_of(line), action))
        return [line]

"""The load panel: what shall be loaded, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from tui.humanize import UNKNOWN, count, counted, plain, sentence
from tui.widgets.line import cut_text, width_of, wrap
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from tui.plan import Plan
    from tui.widgets.line import Line
    from tui.widgets.view import View

_REST = " … more: o"
TALL_LINES = 5
"""From this height on a line for each setting."""


_ACTIONS = {
    "Model": "show('picker')",
    "Quant": "step_quant(-1)",
    "Context": "step_context(1)",
    "Engine": "choose_engine",
    "Layers": "step_devices",
    "KV cache": "step_kv_type",
}
"""What a click on a line does, by its label."""


class LoadPanel(Panel):
    TITLE = "Load"
    CLICK_ACTION = "show('picker')"

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        plan = view.plan
        self.targets = []
        if plan is None:
            hint = "one is known by its name, or is a file of yours"
            return [(("no model is chosen yet", "text"),), *(((line, "dim"),) for line in wrap(hint, width))]
        name = plain(plan.model.name, 80)
        context = count(plan.workload.context_tokens) if plan.model.has_context else UNKNOWN
        native = plan.model.native_context_tokens
        if native and native != plan.workload.context_tokens:
            context = f"{context} of {count(native)}"
        engine = f"{plan.engine.NAME} · {placement_of(view)}"
        if height < TALL_LINES:
            self.targets = [(1, 0, width, "show('options')")]
            rest: Line = ((f"   {plan.model.stored_as}", "strong"), (f"   context {context}", "text"))
            return [
                ((cut_text(name, max(12, width - width_of(rest))), "strong"), *rest),
                ((_short_enough(engine, plan, width), "dim"),),
            ][:height]
        labels = [("Model", name), ("Quant", plan.model.stored_as), ("Context", context)]
        if height > TALL_LINES:
            labels += [("Engine", engine_of(view)), ("Layers", placement_of(view))]
        else:
            labels.append(("Engine", engine))
        names = [*(label for label, _ in labels), "KV cache"]
        self.targets = [(y, 0, width, _ACTIONS[label]) for y, label in enumerate(names)]
        lines: list[Line] = [((f"{label:<9}", "dim"), (text, "strong")) for label, text in labels]
        tail = sentence(cache_of(plan).split(" · ")[1:]).replace("sequence", "seq")
        lines.append((("KV cache ", "dim"), (plan.workload.kv_type, "strong"), (f" · {tail}", "text")))
        return lines


def _short_enough(engine: str, plan: Plan, width: int) -> str:
    """All of it, or as much as has room; the rest is said where the key o leads."""
    parts = [engine, *cache_of(plan).split(" · ")]
    if cell_len(sentence(parts)) > width:
        parts = [part.replace("sequence", "seq") for part in parts]
    if cell_len(sentence(parts)) <= width:
        return sentence(parts)
    while len(parts) > 1 and cell_len(sentence(parts)) > width - len(_REST):
        parts.pop()
    return sentence(parts) + _REST


def engine_of(view: View) -> str:
    """``llama.cpp``, and the devices where the placement does not say them."""
    made, plan = view.assessment, view.plan
    name = plan.engine.NAME if plan is not None else ""
    if made is None or not made.device_names or not made.estimate.summary:
        return name
    return f"{name} on {counted(made.device_names)}"


def placement_of(view: View) -> str:
    """``all layers on GPU 0``, ``9 of 49 layers to the CPU``."""
    made = view.assessment
    if made is None:
        return "not judged"
    names = made.device_names
    if not names:
        return "on the CPU"
    where = counted(names)
    how = "" if view.plan is None or view.plan.devices is not None else ", chosen by itself" if len(names) > 2 else ""
    return made.estimate.summary or f"all on {where}{how}"


def cache_of(plan: Plan) -> str:
    """``KV f16 · 1 sequence · flash attention``."""
    n = plan.workload.n_sequences
    is_flash = getattr(plan.options, "is_flash_attention", None)
    attention = "" if is_flash is None else "flash attn" if is_flash else "no flash attn"
    return sentence((f"KV {plan.workload.kv_type}", f"{n} sequence{'s' if n != 1 else ''}", attention))

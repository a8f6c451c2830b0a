"""Every quant at every context, and where the plan stands among them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from tui.humanize import UNKNOWN, gib, plain, rate, sentence, short_count
from tui.messages import PlanChanged
from tui.widgets.legend import legend_lines
from tui.widgets.line import fit_text, n_cells, right_text
from tui.widgets.panel import Panel
from tui.widgets.verdict import CELL_STYLES, GLYPHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from tui.matrix import Cell
    from tui.widgets.line import Line
    from tui.widgets.view import View

T = TypeVar("T")
_CELL_WIDTH = 9
_RATE_WIDTH = 7
_LEAST_LABEL, _WIDEST_LABEL = 9, 18
"""Of the names of quants, with a blank behind them."""


def matrix_width(n_contexts: int) -> int:
    """Cells in which all columns have room, beside names of the usual length."""
    return _LEAST_LABEL + n_contexts * _CELL_WIDTH + _RATE_WIDTH


class MatrixPanel(Panel):
    TITLE = "Quant and context, GiB"

    def is_same(self, before: View, view: View) -> bool:
        """Cells are made anew seldom; between that only what the verdict says of the plan's own may be another."""
        return (
            bool(view.cells)
            and before.cells is view.cells
            and before.plan is view.plan
            and before.pacing is view.pacing
            and before.reason == view.reason
            and _level(before) == _level(view)
        )

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        self._shown: list[list[Cell | None]] = []
        self._n_label = _LEAST_LABEL
        if view.plan is None or not view.cells:
            self.entitle(subtitle="")
        if view.plan is None:
            return [(("with a model, this shows every quant at every context", "dim"),)]
        if not view.cells:
            return [(("cannot be judged here" if view.reason else "computing …", "dim"),)]
        current = (view.plan.model.quant, view.plan.workload.context_tokens)
        by_key = {(cell.quant, cell.context_tokens): cell for cell in view.cells}
        quants = list(dict.fromkeys(cell.quant for cell in view.cells))
        contexts = sorted({cell.context_tokens for cell in view.cells})
        has_rates = any(cell.tokens_per_second is not None for cell in view.cells)
        self._n_label = n_label = max(_LEAST_LABEL, min(_WIDEST_LABEL, 1 + max(map(n_cells, quants))))
        rate_width = _RATE_WIDTH if has_rates and width >= n_label + 3 * _CELL_WIDTH + _RATE_WIDTH else 0
        all_quants, all_contexts = quants, contexts
        contexts = _around(contexts, current[1], (width - n_label - rate_width) // _CELL_WIDTH)
        quants = _around(quants, current[0], height - 1)
        said = (_some(quants, all_quants, "quants, ↑ ↓"), _some(contexts, all_contexts, "contexts, ← →"))
        self.entitle(subtitle=sentence(said))
        labels = [
            (f"{short_count(tokens):>6}".ljust(_CELL_WIDTH), "strong" if tokens == current[1] else "dim")
            for tokens in contexts
        ]
        if contexts and contexts[-1] != all_contexts[-1]:
            labels[-1] = (f"{labels[-1][0][:-1]}→", labels[-1][1])
        before = "←" if contexts and contexts[0] != all_contexts[0] else " "
        rates = {cell.quant: cell.tokens_per_second for cell in view.cells if cell.context_tokens == current[1]}
        if view.pacing is not None and current[0] in rates:  # as the verdict says it
            rates[current[0]] = view.pacing.speed.tokens_per_second
        tail: Line = (("  tok/s", "dim"),) if rate_width else ()
        head: Line = ((" " * (n_label - 1) + before, "dim"), *labels, *tail)
        lines: list[Line] = [head]
        if view.assessment is not None and (here := by_key.get(current)) is not None:  # as the verdict says it now
            by_key[current] = replace(here, level=view.assessment.verdict.level)
        for quant in quants:
            row = [by_key.get((quant, tokens)) for tokens in contexts]
            self._shown.append(row)
            cells: tuple[tuple[str, str], ...] = ()
            for cell in row:
                cells += _cell(cell, is_current=cell is not None and (cell.quant, cell.context_tokens) == current)
            style = "strong" if quant == current[0] else "dim"
            tail = ((_rate(rates.get(quant)), style),) if rate_width else ()
            lines.append(((f"{fit_text(plain(quant), n_label - 1)} ", style), *cells, *tail))
        return [*lines, *_said_below(view.cells, width, height - len(lines))]

    def on_click(self, event: events.Click) -> None:
        """The cell becomes the plan."""
        offset = event.get_content_offset(self)
        if offset is None or not 0 < offset.y <= len(self._shown):
            return
        column = (offset.x - self._n_label) // _CELL_WIDTH
        row = self._shown[offset.y - 1]
        if offset.x >= self._n_label and column < len(row) and (cell := row[column]) is not None:
            self.post_message(PlanChanged(cell.plan))


def _level(view: View) -> int | None:
    return view.assessment.verdict.level if view.assessment is not None else None


def _said_below(cells: Sequence[Cell], width: int, n_lines: int) -> list[Line]:
    """What the signs stand for, set off by a blank where there is room for that too; nothing is cut."""
    if n_lines < 1:
        return []
    lines = legend_lines(cells, width)
    if len(lines) < n_lines:
        return [(), *lines]
    return lines if len(lines) == n_lines else lines[:1]


def _some(shown: Sequence[object], there: Sequence[object], what: str) -> str:
    """``4 of 7 quants``; nothing where all are shown."""
    return f"{len(shown)} of {len(there)} {what}" if len(shown) < len(there) else ""


def _rate(tokens_per_second: float | None) -> str:
    text = UNKNOWN if tokens_per_second is None else rate(tokens_per_second)
    return right_text(text, _RATE_WIDTH)


def _cell(cell: Cell | None, *, is_current: bool) -> Line:
    if cell is None:
        return ((f"{'–':>6}   ", "dim"),)
    text = right_text(gib(cell.n_bytes), 5)
    glyph = GLYPHS[cell.level]
    style = CELL_STYLES[cell.level]
    if is_current:
        return ((f"[{text} {glyph}]", f"{style}-bold"),)
    return ((f" {text} ", "text" if cell.level < 2 else "dim"), (glyph, style), (" ", "text"))


def _around(items: list[T], current: T, n: int) -> list[T]:
    """So many of them, the current one among them."""
    if len(items) <= n or n <= 0:
        return items[: max(n, 0)]
    place = items.index(current) if current in items else 0
    first = max(0, min(place - n // 2, len(items) - n))
    return items[first : first + n]

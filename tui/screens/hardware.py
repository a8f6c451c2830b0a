"""The same load on other hardware: what known products would hold it, and any machine that is typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from estimator.errors import EstimatorError
from probes.errors import ProbeError
from tui.aside import Aside
from tui.comparison import Compared, Pin, compared
from tui.hardware import hardware_options
from tui.humanize import UNKNOWN, plain, rate, size
from tui.messages import AsideDone, HardwarePinned
from tui.screens.browser import Browser
from tui.what_if import in_words, snapshot_of
from tui.widgets.line import cut_text, fit_text, fit_words, right_text
from tui.widgets.verdict import CELL_STYLES, GLYPHS, LEVEL_WORDS, said

if TYPE_CHECKING:
    from tui.hardware import Option
    from tui.widgets.line import Line

_PROMPTS = (
    "2x RTX 4090, RAM 128GiB   ·   + RTX 3090 adds a card to this machine   ·   or part of a name",
    "2x RTX 4090, RAM 128GiB · + RTX 3090 adds a card · part of a name",
    "2x RTX 4090, RAM 128GiB · + RTX 3090 adds one · a name",
    "2x RTX 4090 · + RTX 3090 · a name",
)
"""The first that has room."""
_MAKER = re.compile(r"^(\d+x )?(?:NVIDIA|AMD|Intel) (?:GeForce )?")
_WIDE = 72
_OTHER_WIDTH = 50
"""Of all columns but the name."""
_VERDICT_CELLS = 8
"""Of the line behind the head's last word: the longest of them, its sign and the frame."""
_LEAST_TOLD = 30
"""Cells: less of by how much it fits says nothing."""


class Hardware(Browser):
    TITLE_TEXT = "The same load on other hardware"
    HINTS: ClassVar = (("↑ ↓", "move"), ("enter", "compare with this machine"), ("esc", "back"))
    PROMPT = _PROMPTS[0]
    IS_TYPED_AT_ONCE = True
    AUTO_FOCUS = "#entry"

    def __init__(self) -> None:
        super().__init__()
        self._options: tuple[Option, ...] | None = None
        self._shown: list[Option | str] = []
        self._typed: Compared | None = None
        self._error = ""

    def begin(self) -> None:
        plan = self.view.plan
        if plan is not None:
            work = Aside(self.courtesy.considerate(lambda: hardware_options(plan)))
            work.then(lambda found: self.post_message(AsideDone(lambda: self._take(found))))

    def on_aside_done(self, message: AsideDone) -> None:
        message.take()

    def _take(self, found: tuple[Option, ...] | EstimatorError) -> None:
        if isinstance(found, EstimatorError):
            self._options, self._error = (), plain(str(found), 400)
        else:
            self._options = found
        self.fill()

    def fill(self) -> None:
        self.prompt(next((text for text in _PROMPTS if len(text) <= self.size.width - 6), _PROMPTS[-1]))
        if self.view.plan is None:
            self.listing.show([], empty=(("no model is chosen; press escape, then m", "dim"),))
            return
        text = self.text.casefold()
        options = self._options or ()
        self._shown = [one for one in options if text in one.name.casefold() or text in one.form.casefold()]
        has_class = self.size.width >= _WIDE
        width = max(20, min(60, self.size.width - _OTHER_WIDTH + 16 * (not has_class)))
        head = f"{'hardware':<{width}} {'class           ' if has_class else ''}{'takes':>9} {'tok/s':>7}  verdict"
        n_told = self.size.width - len(head) - _VERDICT_CELLS
        rows = [_row(one, width, n_told, has_class=has_class) for one in self._shown if not isinstance(one, str)]
        if self.text and (described := self._described(width, has_class=has_class)) is not None:
            self._shown.insert(0, self.text)
            rows.insert(0, described)
        empty = "computing …" if self._options is None else self._error or "no known hardware of that name holds it"
        self.listing.show(rows, head=((head, "dim"),), empty=((empty, "dim"),))

    def _described(self, width: int, *, has_class: bool) -> Line | None:
        """What was typed as a machine, judged by its sketch; None where it is no machine."""
        plan = self.view.plan
        try:
            snapshot_of(self.text, self.view.snapshot)
        except ProbeError:
            return None
        if plan is None:
            return None
        if self._typed is None or self._typed.pin.hardware != self.text:
            (self._typed,) = compared([Pin(plan=plan, hardware=self.text)], self.view.places, self.view.snapshot)
        made = self._typed.assessment
        name = fit_words(plain(in_words(self.text), 200), width)
        if made is None:
            return ((f"{name} ", "strong"), (plain(self._typed.reason, 400), "tight"))
        level = made.verdict.level
        pacing = self._typed.pacing
        return (
            (f"{name} {'as typed        ' if has_class else ''}", "strong"),
            (right_text(size(made.estimate.n_bytes(made.device_names or None)), 9), "text"),
            (f" {right_text(UNKNOWN if pacing is None else rate(pacing.speed.tokens_per_second), 7)}  ", "text"),
            (f"{GLYPHS[level]} {LEVEL_WORDS[level]}", CELL_STYLES[level]),
        )

    def choose(self, index: int) -> None:
        if index >= len(self._shown) or self.view.plan is None:
            return
        chosen = self._shown[index]
        description = chosen if isinstance(chosen, str) else chosen.name
        self.post_message(HardwarePinned(description))


def _row(one: Option, width: int, n_told: int, *, has_class: bool) -> Line:
    """``n_told``: cells behind the verdict, for by how much it fits."""
    made = one.assessment
    level = made.verdict.level
    return (
        (f"{_with_its_end(one.name, width)} ", "strong"),
        (f"{one.form:<15} " if has_class else "", "dim"),
        (right_text(size(made.estimate.n_bytes(made.device_names)), 9), "text"),
        (f" {right_text(UNKNOWN if one.pacing is None else rate(one.pacing.speed.tokens_per_second), 7)}  ", "text"),
        (f"{GLYPHS[level]} {LEVEL_WORDS[level]:<8}", CELL_STYLES[level]),
        (cut_text(said(made.verdict, is_short=True).strip(), n_told) if n_told >= _LEAST_TOLD else "", "dim"),
    )


def _with_its_end(name: str, width: int) -> str:
    """Without its maker where it is too long, then cut in the middle: at its end stands the size."""
    if len(name) > width:
        name = _MAKER.sub(r"\1", name)
    if len(name) <= width:
        return fit_text(name, width)
    end = name[-6:].lstrip()
    return f"{fit_words(name, width - len(end) - 1)} {end}"


def open_screen() -> Hardware:
    return Hardware()

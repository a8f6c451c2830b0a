"""Choose what runs the model: every engine, with what it would need for this load, and the verdict here now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from estimator.engine import ENGINES, load_engine
from estimator.errors import EstimatorError
from estimator.verdict import Level
from records.record import record
from tui.aside import Aside
from tui.humanize import UNKNOWN, answer_text, count, plain, rate, sentence, size
from tui.messages import AsideDone, PlanChanged
from tui.pace import pacing_of
from tui.plan import assess
from tui.request import unread_devices
from tui.screens.browser import Browser
from tui.screens.steps import with_engine
from tui.widgets.line import cut_text, fit_text, right_text
from tui.widgets.verdict import CELL_STYLES, GLYPHS, LEVEL_WORDS, said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estimator.ledger import Place
    from tui.pace import Pacing
    from tui.plan import Assessment, Plan
    from tui.widgets.line import Line

_WITH_RATES = 72
"""From here on there is room for how fast each would run."""
_VERDICT_CELLS = 8
"""Of the line behind the head's last word: the longest of them, its sign and the frame."""
_LEAST_TOLD = 40
"""Cells: less of a reason says nothing."""


@record(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One engine, with this load."""

    name: str
    """Of its module."""
    title: str
    plan: Plan | None = None
    assessment: Assessment | None = None
    pacing: Pacing | None = None
    """How fast it would run, where it would and that is known."""
    reason: str = ""
    """Why it can't be judged."""


def candidate(plan: Plan, name: str, places: Sequence[Place]) -> Candidate:
    """The plan as this engine would run it, judged on the same devices."""
    title = load_engine(name).NAME
    try:
        changed = with_engine(plan, name)
        made = assess(changed, places)
        return Candidate(name=name, title=title, plan=changed, assessment=made, pacing=pacing_of(made))
    except EstimatorError as error:
        return Candidate(name=name, title=title, reason=str(error))


class Engines(Browser):
    TITLE_TEXT = "Engines"
    HINTS: ClassVar = (("↑ ↓", "what it would do"), ("enter", "pick"), ("esc", "back"))
    CAN_FILTER = False

    def __init__(self) -> None:
        super().__init__()
        self._candidates: list[Candidate] = []
        self._is_opened = False

    def fill(self) -> None:
        plan = self.view.plan
        if plan is None:
            self.listing.show([], empty=(("no model is chosen: press m", "dim"),))
            self.about.show()
            return
        if unread := self._unread():
            self.listing.show([], empty=((plain(unread, 600), "dim"),))
            self.about.show()
            return
        if not self._is_opened:
            self._is_opened = True
            self._candidates = [Candidate(name=name, title=load_engine(name).NAME, reason="…") for name in ENGINES]
            self.listing.cursor = ENGINES.index(plan.engine_name)
            self._judge(plan, tuple(self.view.places))
        self.listing.remark = f"{plain(plan.model.name, 40)} · {count(plan.workload.context_tokens)} tokens"
        self._quant_width = 14 if self.size.width >= 80 else 9
        has_rates = self.size.width >= _WITH_RATES
        head = f"  {'engine':<14} {'quant':<{self._quant_width}} {'on devices':>10} {'in RAM':>8}  "
        head += f"{'tok/s':>6}  verdict" if has_rates else "verdict"
        n_cells = self.size.width - len(head) - _VERDICT_CELLS
        rows = [
            _row(one, self._quant_width, has_rates=has_rates, n_cells=n_cells, is_chosen=one.name == plan.engine_name)
            for one in self._candidates
        ]
        self.listing.show(rows, head=((head, "dim"),))
        self.describe(self.listing.cursor)

    def _unread(self) -> str:
        """Why no engine can be judged: a GPU is there, or may be, and its memory is not known now."""
        is_chosen = self.view.plan is not None and self.view.plan.devices is not None
        return "" if is_chosen else unread_devices(self.view.snapshot, self.view.places)

    def _judge(self, plan: Plan, places: tuple[Place, ...]) -> None:
        """On a thread aside: an engine that is imported for the first time takes milliseconds."""
        work = Aside(self.courtesy.considerate(lambda: [candidate(plan, name, places) for name in ENGINES]))
        work.then(lambda found: self.post_message(AsideDone(lambda: self._take(found))))

    def on_aside_done(self, message: AsideDone) -> None:
        message.take()

    def _take(self, found: list[Candidate] | EstimatorError) -> None:
        if not isinstance(found, EstimatorError):
            self._candidates = found
        self.fill()

    def describe(self, index: int) -> None:
        if index >= len(self._candidates):
            return
        one = self._candidates[index]
        made = one.assessment
        if made is None:
            self.about.show((plain(one.reason, 400), "dim"))
            return
        verdict = made.verdict
        reason = plain(verdict.reason or made.estimate.summary, 400)
        answers = sentence(f"{answer.label}: {answer_text(answer)}" for answer in made.estimate.answers[:4])
        self.about.show(
            (f"{verdict.level.name}{said(verdict)}", CELL_STYLES[verdict.level]),
            *((text, style) for text, style in ((reason, "text"), (plain(answers, 600), "dim")) if text),
        )

    def choose(self, index: int) -> None:
        plan = self._candidates[index].plan
        if plan is None or self.view.plan is None:
            return
        # The memory may have moved and the devices may have been chosen anew since the list was made.
        self.post_message(PlanChanged(replace(plan, devices=self.view.plan.devices)))
        self.dismiss()


def _row(one: Candidate, quant_width: int, *, has_rates: bool, n_cells: int, is_chosen: bool) -> Line:
    """``n_cells``: what is left in the line behind the verdict."""
    mark = "▪ " if is_chosen else "  "
    made = one.assessment
    if made is None or one.plan is None:
        return ((f"{mark}{fit_text(one.title, 14)} ", "dim"), (plain(one.reason, 200), "dim"))
    devices = made.device_names
    held = size(made.estimate.n_bytes(devices)) if devices else UNKNOWN
    host = [place.name for place in made.places if place.kind == "host"]
    level = made.verdict.level
    speed = UNKNOWN if one.pacing is None else rate(one.pacing.speed.tokens_per_second)
    return (
        (f"{mark}{fit_text(one.title, 14)} ", "strong"),
        (fit_text(plain(one.plan.model.quant), quant_width) + " ", "dim"),
        (right_text(held, 10) + " ", "text"),
        (right_text(size(made.estimate.n_bytes(host)), 8) + "  ", "text"),
        *(((right_text(speed, 6) + "  ", "text"),) if has_rates else ()),
        (f"{GLYPHS[level]} {LEVEL_WORDS[level]:<8}", CELL_STYLES[level]),
        (cut_text(_in_short(made), n_cells) if n_cells >= _LEAST_TOLD else "", "dim"),
    )


def _in_short(made: Assessment) -> str:
    """Why it does not fit, or by how much it does."""
    verdict = made.verdict
    return plain(verdict.reason if verdict.level >= Level.SPILLS else said(verdict, is_short=True).strip(), 200)


def open_screen() -> Engines:
    return Engines()

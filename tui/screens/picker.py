"""Choose a model: by a name of the catalogue, with the verdict for this machine beside it, or by the path of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from estimator.errors import EstimatorError
from estimator.ledger import Kind
from estimator.reader import read_model
from estimator.readers.catalogue import Entry, entries, read, search
from estimator.survey import Surveyed, survey
from tui.aside import Aside
from tui.humanize import UNKNOWN, parameters, plain, short_count, size
from tui.messages import AsideDone, PlanChanged
from tui.plan import DEFAULT_CONTEXT_TOKENS, Plan, assess, default_plan
from tui.screens.browser import Browser
from tui.stored import near_size_for
from tui.widgets.line import fit_text, right_text
from tui.widgets.verdict import CELL_STYLES, GLYPHS, LEVEL_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estimator.ledger import Place
    from estimator.model import Model
    from estimator.verdict import Level
    from tui.widgets.line import Line
    from tui.widgets.view import View

_NOTICEABLE_BYTES = 256 << 20


class Picker(Browser):
    TITLE_TEXT = "Models"
    HINTS: ClassVar = (("↑ ↓", "move"), ("enter", "pick"), ("esc", "back"))
    PROMPT = "type a name, or the path of a model"
    IS_TYPED_AT_ONCE = True

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[Entry | str] = []
        self._judged: dict[str, tuple[int, Level] | None] = {}
        """By checkpoint: bytes of the weights, and the verdict; None where it can't be judged."""
        self._places: Sequence[Place] = ()
        self._is_judging = False
        self._error = ""
        self._path_being_read: str | None = None

    def watch_view(self, view: View) -> None:
        if _have_moved(self._places, view.places):
            self._places = view.places
            self._judged.clear()
        super().watch_view(view)

    def fill(self) -> None:
        text = self.text
        self._places = self._places or self.view.places
        known = search(text) if text else entries()
        newest = sorted(known, key=lambda entry: entry.released, reverse=True)
        found: list[Entry | str] = [*sorted(newest, key=lambda entry: _distance(entry.name, text))]
        if _is_path(text):
            found = [text]
        elif text and (not found or not {":", "/"}.isdisjoint(text)):
            found.append(text)  # the name of something that lies here: Ollama's, a repository in the local cache
        self._shown = found
        if self._error:
            self.listing.entitle(subtitle=self._error)
        else:
            self.listing.entitle(subtitle=f"reading {self._path_being_read} …" if self._path_being_read else "")
        name_width = max(16, min(40, self.size.width - 54))
        head = f"{'model':<{name_width}} {'params':>7} {'quant':<8} {'size':>9}  {'context':>7}  verdict here now"
        empty = (("no model of that name is known here; a file or a directory can be given by its path", "dim"),)
        self.listing.show([self._row(item, name_width) for item in found], head=((head, "dim"),), empty=empty)
        self._start_judging()

    def _start_judging(self) -> None:
        if self._is_judging or not self.view.places:
            return
        self._is_judging = True
        if not self._judged and _is_usual(self.view.plan):
            tokens, kv_type, places = DEFAULT_CONTEXT_TOKENS, "f16", tuple(self.view.places)
            if self.view.plan is not None:
                tokens, kv_type = self.view.plan.workload.context_tokens, self.view.plan.workload.kv_type
            work = Aside(lambda: survey(places, tokens, kv_type=kv_type))
            work.then(lambda found: self.post_message(AsideDone(lambda: self._take_survey(found))))
        else:
            self.call_after_refresh(self._judge_one)

    def _take_survey(self, found: tuple[Surveyed, ...] | EstimatorError) -> None:
        """All at once; what could not be sketched is judged one by one."""
        if not isinstance(found, EstimatorError):
            self._judged |= {one.checkpoint: (one.file_bytes, one.level) for one in found}
        self.fill()
        self.call_after_refresh(self._judge_one)

    def _row(self, item: Entry | str, name_width: int) -> Line:
        if isinstance(item, str):
            what = "read the file " if _is_path(item) else "look on this machine for "
            return ((what, "text"), (plain(item, 300), "strong"))
        judged = self._judged.get(item.checkpoint)
        verdict: Line = (("…", "dim"),)
        n_bytes: int | None = None
        if judged is not None:
            n_bytes, level = judged
            verdict = ((f"{GLYPHS[level]} {LEVEL_WORDS[level]}", CELL_STYLES[level]),)
        elif item.checkpoint in self._judged:
            verdict = (("not judged", "dim"),)
        return (
            (fit_text(plain(item.name), name_width) + " ", "strong"),
            (right_text(parameters(item.n_parameters), 7) + " ", "text"),
            (fit_text(item.default_quant, 8) + " ", "dim"),
            (right_text(size(n_bytes) if n_bytes is not None else "", 9), "text"),
            (f"  {right_text(_context(item), 7)}  ", "dim"),
            *verdict,
        )

    def _judge_one(self) -> None:
        """One model at a time, of those in sight, so that keys are answered in between."""
        if not self.is_attached:
            return
        wanted = next((item for item in self._in_sight() if item.checkpoint not in self._judged), None)
        if wanted is None or not self.view.places:
            self._is_judging = False
            return
        self._judged[wanted.checkpoint] = self._verdict_on(wanted)
        self.fill()
        self.call_later(self._judge_one)

    def describe(self, index: int) -> None:  # noqa: ARG002  # whichever it is, others may have come into sight
        self._start_judging()

    def _in_sight(self) -> list[Entry]:
        shown = [self._shown[n] for n in self.listing.in_sight if n < len(self._shown)]
        return [item for item in shown if isinstance(item, Entry)]

    def _verdict_on(self, entry: Entry) -> tuple[int, Level] | None:
        try:
            plan = self._plan_for(read(entry.checkpoint))
            made = assess(replace(plan, devices=None), self.view.places, is_quick=True)
        except EstimatorError:
            return None
        return made.estimate.n_bytes(kind=Kind.WEIGHTS), made.verdict.level

    def _plan_for(self, model: Model) -> Plan:
        """As the last plan was, as far as this model can."""
        plan, before = default_plan(model), self.view.plan
        if before is None:
            return plan
        tokens = before.workload.context_tokens
        if model.native_context_tokens:
            tokens = min(tokens, model.native_context_tokens)
        if before.engine_name != plan.engine_name and model.file_bytes is not None:
            return plan  # a file of another kind than the last: with its usual engine
        model = near_size_for(before.engine, model)
        return replace(before, model=model, workload=replace(before.workload, context_tokens=tokens))

    def choose(self, index: int) -> None:
        item = self._shown[index]
        self._error = ""
        source = item if isinstance(item, str) else item.checkpoint
        self._path_being_read = plain(source, 80)
        reading = Aside(
            lambda: read_model(str(Path(item).expanduser()) if isinstance(item, str) and _is_path(item) else source)
        )
        reading.then(lambda found: self.post_message(AsideDone(lambda: self._take(found))))
        self.fill()

    def on_aside_done(self, message: AsideDone) -> None:
        message.take()

    def _take(self, found: Model | EstimatorError) -> None:
        self._path_being_read = None
        if isinstance(found, EstimatorError):
            self._error = plain(str(found), 200)
            self.fill()
            return
        self.post_message(PlanChanged(self._plan_for(found), is_model_new=True))
        self.dismiss()


def _distance(name: str, text: str) -> int:
    """What was typed, a name that begins with it, one that holds it, any other that is found; spaces don't count."""
    name, text = ("".join(c for c in one.casefold() if c.isalnum() or c == ".") for one in (name, text))
    return 0 if name == text else 1 if name.startswith(text) else 2 if text in name else 3


def _context(entry: Entry) -> str:
    return short_count(entry.native_context_tokens) if entry.native_context_tokens else UNKNOWN


def _is_usual(plan: Plan | None) -> bool:
    """Whether a survey asks for the same: llama.cpp, as it is started without options."""
    return plan is None or (plan.engine_name == "llamacpp" and plan.options == plan.engine.Options())


def _is_path(text: str) -> bool:
    return text.startswith(("/", "~", "./", "../")) or text.casefold().endswith(".gguf") or "\\" in text


def _have_moved(before: Sequence[Place], now: Sequence[Place]) -> bool:
    if [place.name for place in before] != [place.name for place in now]:
        return True
    return any(abs(a.free_bytes - b.free_bytes) > _NOTICEABLE_BYTES for a, b in zip(before, now, strict=True))


def open_screen() -> Picker:
    return Picker()

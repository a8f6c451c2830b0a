"""Choose a model: all that are known by name and all that lie here, with the verdict for this machine beside each."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from estimator.errors import EstimatorError
from estimator.ledger import Kind
from estimator.option import for_another_model
from estimator.reader import read_model
from estimator.readers.catalogue import entries, read, search
from estimator.survey import Surveyed, survey
from estimator.verdict import Level
from tui.aside import Aside
from tui.browse import Choice, Facts, Item, chosen, facts_of, items, sorted_by, stepped
from tui.humanize import plain
from tui.messages import AsideDone, PlanChanged
from tui.pace import pacing_of
from tui.plan import DEFAULT_CONTEXT_TOKENS, Plan, assess, default_plan, rough_assessment
from tui.request import unread_devices
from tui.screens.browser import Browser
from tui.shelf import find_models
from tui.stored import near_size_for
from tui.widgets.model_rows import ModelTable, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from estimator.inventory import Inventory
    from estimator.ledger import Place
    from estimator.model import Model
    from tui.widgets.line import Line
    from tui.widgets.view import View

_NOTICEABLE_BYTES = 256 << 20
_BATCH_SECONDS = 0.1
"""Of judging on the thread aside, before what was found is shown."""
_UNKNOWN = Facts()
_REST_RATIO = 1.0
"""Of rest after each: the screen answers keys in between."""


_NONE = "none known by that name"
_FAILED = "not all could be judged, please report it"
_UNREAD = "not judged: no GPU can be read"


class Picker(Browser):
    TITLE_TEXT = "Models"
    HINTS: ClassVar = (
        ("enter", "pick"),
        ("F2", "sort"),
        ("F3", "fits"),
        ("F4", "kind"),
        ("F5", "licence"),
        ("F6", "on disk"),
        ("F7", "context"),
        ("esc", "back"),
    )
    PROMPT = "type a name, or the path of a model"
    IS_TYPED_AT_ONCE = True
    AUTO_FOCUS = "#entry"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "step('sort')", "sort by the next column", priority=True),
        Binding("f3", "step('is_fitting_only')", "only what fits now", priority=True),
        Binding("f4", "step('kind')", "the next kind", priority=True),
        Binding("f5", "step('licence')", "the next licence", priority=True),
        Binding("f6", "step('is_here_only')", "only what is on disk", priority=True),
        Binding("f7", "step('least_context_tokens')", "only with a longer context", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._items: tuple[Item, ...] = items(entries(), ())
        self._choice = Choice()
        self._shown: list[Item | str] = []
        self._facts: dict[str, Facts] = {}
        self._places: Sequence[Place] = ()
        self._n_changes = 0
        """How often the memory has moved: what was judged before counts no more."""
        self._is_judging = False
        self._can_survey = True
        """Else they are judged one by one from the start."""
        self._has_failed = False
        """One by one as well: not before a key or a reading it is tried again."""
        self._error = ""
        self._unread = ""
        """Why a verdict would be no answer: the memory of no GPU is known now."""
        self._path_being_read: str | None = None

    def on_mount(self) -> None:
        super().on_mount()
        work = Aside(self.courtesy.considerate(lambda: find_models(is_reading=False)))
        work.then(lambda found: self.post_message(AsideDone(lambda: self._take_listed(found))))

    def watch_view(self, view: View) -> None:
        if _have_moved(self._places, view.places):
            self._places = view.places
            self._n_changes += 1
            self._facts = {key: known.outdated() for key, known in self._facts.items()}
        super().watch_view(view)

    def fill(self) -> None:
        self._list()
        self._start_judging()

    def _list(self) -> None:
        text = self.text
        self._places = self._places or self.view.places
        is_chosen = self.view.plan is not None and self.view.plan.devices is not None
        self._unread = "" if is_chosen else unread_devices(self.view.snapshot, self.view.places)
        under_cursor = self._under_cursor()
        found: list[Item | str] = []
        if _is_path(text):
            found = [text]
        else:
            if not (self._unread and self._choice.is_fitting_only):
                found += chosen(self._items, self._facts, self._choice, text, _matches)
            if text and (not found or not {":", "/"}.isdisjoint(text)):
                found.append(text)  # the name of something that lies here: Ollama's, a repository in the local cache
        self._shown = found
        if under_cursor is not None:
            keys = (item.key if isinstance(item, Item) else "" for item in found)
            self.listing.cursor = next((i for i, key in enumerate(keys) if key == under_cursor), self.listing.cursor)
        reading = f"reading {self._path_being_read} …" if self._path_being_read else ""
        n_known = sum(not isinstance(one, str) for one in found)
        so_far = " so far" if self._choice.is_fitting_only and self._is_any_unjudged() else ""
        is_all = n_known == len(self._items) or _is_path(text)
        said_of_them = "" if is_all else f"{n_known} found{so_far}" if n_known else _NONE
        failed = _UNREAD if self._unread else _FAILED if self._has_failed else ""
        self.listing.remark = self._error or reading or failed or said_of_them
        self.listing.entitle(title=f"Models · {said}" if (said := self._choice.said()) else self.TITLE_TEXT)
        self._table = ModelTable(
            self.size.width, self._choice, self._facts, is_unread=bool(self._unread), has_failed=self._has_failed
        )
        self.listing.show(Rows(found, self._row), head=((self._table.head, "dim"),), empty=((self._nothing(), "dim"),))

    def _under_cursor(self) -> str | None:
        """The key of the model that was moved to: it is followed where verdicts or files that come in move its row."""
        cursor = self.listing.cursor
        item = self._shown[cursor] if 0 < cursor < len(self._shown) else None
        return item.key if isinstance(item, Item) else None

    def _nothing(self) -> str:
        if self._choice.is_fitting_only and self._unread:
            return self._unread
        if self._choice.is_fitting_only and self._is_any_unjudged():
            return "looking for what fits …" if self.view.places else "what fits is said once the memory has been read"
        if self._choice.said():
            return f"none: {self._choice.said()}; the same keys lead back"
        return "no model of that name is known here; a file or a directory can be given by its path"

    def _is_any_unjudged(self) -> bool:
        """Whether verdicts are still to come; not where judging has failed."""
        known = (self._facts.get(item.key, _UNKNOWN) for item in self._items)
        return not self._has_failed and any(one.level is None and not one.reason for one in known)

    def action_step(self, name: str) -> None:
        """Sort or filter otherwise."""
        self._choose(stepped(self._choice, name))

    def _choose(self, choice: Choice) -> None:
        """List what is wanted so, from its top."""
        self._choice = choice
        self.listing.cursor = 0
        self.fill()

    def sort_at(self, x: int) -> None:
        """By the column whose title is there; the other way round where it is that already."""
        sort = self._table.sort_at(x)
        if sort:
            self._choose(sorted_by(self._choice, sort))

    def _row(self, item: Item | str) -> Line:
        if isinstance(item, Item):
            return self._table.row(item)
        what = "read the file " if _is_path(item) else "look on this machine for "
        return ((what, "text"), (plain(item, 300), "strong"))

    # Judging, on a thread aside: at first all at once by sketches, then one by one in full

    def _start_judging(self) -> None:
        if self._is_judging or not self.view.places or not self.is_attached:
            return
        wanted = self._unjudged()
        if not wanted:
            return
        self._is_judging = True
        places, n_changes = _planned_on(self.view.places, self.view.plan), self._n_changes
        is_first = not any(known.level is not None for known in self._facts.values())
        if is_first and self._can_survey and _is_usual(self.view.plan):
            workload = self.view.plan.workload if self.view.plan is not None else None
            tokens = workload.context_tokens if workload is not None else DEFAULT_CONTEXT_TOKENS
            kv_type = workload.kv_type if workload is not None else "f16"
            self._judge_aside(lambda: _surveyed_facts(survey(places, tokens, kv_type=kv_type)), n_changes)
        else:
            plan_for, facts, wait = self._plan_for, dict(self._facts), self.courtesy.wait
            self._judge_aside(lambda: _judged(wanted, places, plan_for, facts, wait), n_changes)

    def _unjudged(self) -> list[Item]:
        """What is in sight first; then others, as far as sorting and filtering need to know of them."""
        in_sight = [self._shown[number] for number in self.listing.in_sight if number < len(self._shown)]
        wanted = {item.key: item for item in in_sight if isinstance(item, Item)}
        if self._choice.sort == "speed":  # else of those out of sight the verdict alone matters, which a sketch gives
            wanted |= {item.key: item for item in self._items if item.key not in wanted}
        elif self._choice.sort == "fit" or self._choice.is_fitting_only:
            unknown = (item for item in self._items if self._facts.get(item.key, _UNKNOWN).level is None)
            wanted |= {item.key: item for item in unknown if item.key not in wanted}
        return [item for item in wanted.values() if not self._facts.get(item.key, _UNKNOWN).is_whole]

    def _judge_aside(self, work: Callable[[], dict[str, Facts]], n_changes: int) -> None:
        judging = Aside(self.courtesy.considerate(work))
        judging.then(lambda found: self.post_message(AsideDone(lambda: self._take_facts(found, n_changes))))

    def _take_facts(self, found: dict[str, Facts] | EstimatorError, n_changes: int) -> None:
        """List them again, whatever came of it: what is filtered by verdicts has waited for these."""
        self._is_judging = False
        if isinstance(found, EstimatorError) or not found:
            self._take_failure()
            return
        self._has_failed = False
        if n_changes == self._n_changes:
            self._facts |= found
        self.fill()

    def _take_failure(self) -> None:
        """Where not all could be judged at once, one by one; where that fails as well, it is said."""
        if self._can_survey:
            self._can_survey = False
            self.fill()
        else:
            self._has_failed = True
            self._list()

    def _take_listed(self, found: Inventory | EstimatorError) -> None:
        """What is there at first; files that nobody has read yet are read after that, with rests."""
        self._take_local(found)
        if self.is_attached and not isinstance(found, EstimatorError) and found.n_unread:
            work = Aside(self.courtesy.considerate(lambda: find_models(rest_ratio=_REST_RATIO)))
            work.then(lambda read: self.post_message(AsideDone(lambda: self._take_local(read))))

    def _take_local(self, found: Inventory | EstimatorError) -> None:
        if isinstance(found, EstimatorError) or not self.is_attached:
            return
        self._items = items(entries(), found.models)
        for item in self._items:
            if item.found is not None:
                told, known = facts_of(item.found), self._facts.get(item.key, _UNKNOWN)
                self._facts[item.key] = replace(
                    told, level=known.level, tokens_per_second=known.tokens_per_second, quant=told.quant or known.quant
                )
        self.fill()

    def describe(self, index: int) -> None:  # noqa: ARG002  # whichever it is, others may have come into sight
        self._start_judging()

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
        return replace(before.with_context(tokens), model=model, options=for_another_model(before.options))

    def choose(self, index: int) -> None:
        item = self._shown[index]
        self._error = ""
        source = item if isinstance(item, str) else item.key
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


def _matches(text: str) -> set[str]:
    return {entry.checkpoint for entry in search(text)}


def _surveyed_facts(found: Sequence[Surveyed]) -> dict[str, Facts]:
    """All at once; the rest of what is shown of them comes one by one."""
    return {one.checkpoint: Facts(file_bytes=one.file_bytes, level=one.level) for one in found}


def _judged(
    wanted: Sequence[Item],
    places: Sequence[Place],
    plan_for: Callable[[Model], Plan],
    facts: dict[str, Facts],
    wait: Callable[[], object],
) -> dict[str, Facts]:
    """As many as the time allows, at least one."""
    found: dict[str, Facts] = {}
    began = time.perf_counter()
    for item in wanted:
        wait()
        found[item.key] = _facts_of(item, places, plan_for, facts.get(item.key, Facts()))
        if time.perf_counter() - began > _BATCH_SECONDS:
            break
    time.sleep(_REST_RATIO * (time.perf_counter() - began))
    return found


def _facts_of(item: Item, places: Sequence[Place], plan_for: Callable[[Model], Plan], before: Facts) -> Facts:
    if item.entry is not None and before.level == Level.FAILS:  # it has no speed, and the rest is known by name
        return replace(before, quant=item.entry.default_quant)
    try:
        model = read(item.key) if item.entry is not None else read_model(item.key)
        plan = replace(plan_for(model), devices=None)
        if before.level is None:
            made = assess(plan, places, is_quick=True, may_ask_again=False)
        else:
            made = rough_assessment(plan, places)
    except (EstimatorError, OSError) as error:
        return replace(before, reason=str(error) or "not judged")
    pacing = pacing_of(made)
    return Facts(
        file_bytes=made.estimate.n_bytes(kind=Kind.WEIGHTS) if before.file_bytes is None else before.file_bytes,
        level=made.verdict.level if before.level is None else before.level,
        quant=made.plan.model.quant,
        n_parameters=model.n_parameters,
        context_tokens=model.native_context_tokens,
        tokens_per_second=None if pacing is None else pacing.speed.tokens_per_second,
    )


def _planned_on(places: Sequence[Place], plan: Plan | None) -> tuple[Place, ...]:
    """Those that the plan names, where it does: what is picked is planned on them, too."""
    if plan is None or plan.devices is None:
        return tuple(places)
    return tuple(place for place in places if place.kind == "host" or place.name in plan.devices)


def _is_usual(plan: Plan | None) -> bool:
    """Whether a survey asks for the same: llama.cpp, as it is started without options."""
    return plan is None or (plan.engine_name == "llamacpp" and for_another_model(plan.options) == plan.engine.Options())


def _is_path(text: str) -> bool:
    return text.startswith(("/", "~", "./", "../")) or text.casefold().endswith(".gguf") or "\\" in text


def _have_moved(before: Sequence[Place], now: Sequence[Place]) -> bool:
    if [place.name for place in before] != [place.name for place in now]:
        return True
    return any(abs(a.free_bytes - b.free_bytes) > _NOTICEABLE_BYTES for a, b in zip(before, now, strict=True))


def open_screen() -> Picker:
    return Picker()

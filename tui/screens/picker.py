"""Choose a model: all that are known by name and all that lie here, with the verdict for this machine beside each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from estimator.errors import EstimatorError
from estimator.reader import read_model
from estimator.readers.catalogue import entries, search
from tui.appraisal import REST_RATIO, Appraisal, plan_like
from tui.aside import Aside
from tui.browse import Item, items
from tui.humanize import plain
from tui.messages import AsideDone, ModelsListed, PlanChanged
from tui.model_choice import REVERSED, Choice, chosen, sorted_by, stepped, turned_round
from tui.request import unread_devices
from tui.screens.browser import Browser
from tui.shelf import find_models
from tui.widgets.model_rows import ModelTable, Rows

if TYPE_CHECKING:
    from estimator.inventory import Inventory
    from estimator.model import Model
    from tui.browse import Facts
    from tui.widgets.line import Line

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
        Binding("f8", "turn_round", "turn the order round", priority=True),
    ]

    def __init__(self, choice: Choice | None = None) -> None:
        super().__init__()
        self._items: tuple[Item, ...] = items(entries(), ())
        self._choice = choice or Choice()
        self._shown: list[Item | str] = []
        self._appraisal = Appraisal()
        self._error = ""
        self._unread = ""
        """Why a verdict would be no answer: the memory of no GPU is known now."""
        self._path_being_read: str | None = None

    def begin(self) -> None:
        work = Aside(self.courtesy.considerate(lambda: find_models(is_reading=False)))
        work.then(lambda found: self.post_message(AsideDone(lambda: self._take_listed(found))))

    def fill(self) -> None:
        self._list()
        self._start_judging()

    def _list(self) -> None:
        text = self.text
        self._appraisal.see(self.view.places)
        is_chosen = self.view.plan is not None and self.view.plan.devices is not None
        self._unread = "" if is_chosen else unread_devices(self.view.snapshot, self.view.places)
        under_cursor = self._under_cursor()
        found: list[Item | str] = []
        if _is_path(text):
            found = [text]
        else:
            if not (self._unread and self._choice.is_fitting_only):
                found += chosen(self._items, self._appraisal.facts, self._choice, text, _matches)
            if text and (not found or not {":", "/"}.isdisjoint(text)):
                found.append(text)  # the name of something that lies here: Ollama's, a repository in the local cache
        self._shown = found
        if under_cursor is not None:
            keys = (item.key if isinstance(item, Item) else "" for item in found)
            self.listing.cursor = next((i for i, key in enumerate(keys) if key == under_cursor), self.listing.cursor)
        reading = f"reading {self._path_being_read} …" if self._path_being_read else ""
        n_known = sum(not isinstance(one, str) for one in found)
        so_far = " so far" if self._choice.is_fitting_only and self._appraisal.is_any_unjudged(self._items) else ""
        is_all = n_known == len(self._items) or _is_path(text)
        said_of_them = "" if is_all else f"{n_known} found{so_far}" if n_known else _NONE
        failed = _UNREAD if self._unread else _FAILED if self._appraisal.has_failed else ""
        self.listing.remark = self._error or reading or failed or said_of_them
        self.listing.entitle(title=f"Models · {said}" if (said := self._choice.said()) else self.TITLE_TEXT)
        self._table = ModelTable(
            self.size.width,
            self._choice,
            self._appraisal.facts,
            is_unread=bool(self._unread),
            has_failed=self._appraisal.has_failed,
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
        if self._choice.is_fitting_only and self._appraisal.is_any_unjudged(self._items):
            return "looking for what fits …" if self.view.places else "what fits is said once the memory has been read"
        if self._choice.said():
            return f"none: {self._choice.said()}; the same keys lead back"
        return "no model of that name is known here; a file or a directory can be given by its path"

    @property
    def hints(self) -> tuple[tuple[str, str], ...]:
        return (*self.HINTS[:-1], ("F8", "turn"), self.HINTS[-1]) if self.offers("turn_round") else self.HINTS

    def offers(self, action: str) -> bool:
        return action != "turn_round" or self._choice.sort in REVERSED

    def action_turn_round(self) -> None:
        """Sort the other way round, where the order has one."""
        if self.offers("turn_round"):
            self._choose(turned_round(self._choice))

    def action_step(self, name: str) -> None:
        """Sort or filter otherwise."""
        self._choose(stepped(self._choice, name))

    def _choose(self, choice: Choice) -> None:
        """List what is wanted so, from its top."""
        self._choice = choice
        self.keys.say(*self.hints)
        self.post_message(ModelsListed(choice))
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

    def _start_judging(self) -> None:
        if self._appraisal.is_running or not self.view.places or not self.is_attached:
            return
        wanted = self._unjudged()
        if not wanted:
            return
        n_changes = self._appraisal.n_changes
        work = self._appraisal.work(wanted, self.view.places, self.view.plan, self.courtesy.wait)
        judging = Aside(self.courtesy.considerate(work))
        judging.then(lambda found: self.post_message(AsideDone(lambda: self._take_facts(found, n_changes))))

    def _unjudged(self) -> list[Item]:
        in_sight = (self._shown[number] for number in self.listing.in_sight if number < len(self._shown))
        models = (item for item in in_sight if isinstance(item, Item))
        return self._appraisal.unjudged(models, self._items, self._choice)

    def _take_facts(self, found: dict[str, Facts] | EstimatorError, n_changes: int) -> None:
        """List them again, whatever came of it: what is filtered by verdicts has waited for these."""
        if self._appraisal.take(found, n_changes):
            self.fill()
        else:
            self._list()

    def _take_listed(self, found: Inventory | EstimatorError) -> None:
        """What is there at first; files that nobody has read yet are read after that, with rests."""
        self._take_local(found)
        if self.is_attached and not isinstance(found, EstimatorError) and found.n_unread:
            work = Aside(self.courtesy.considerate(lambda: find_models(rest_ratio=REST_RATIO)))
            work.then(lambda read: self.post_message(AsideDone(lambda: self._take_local(read))))

    def _take_local(self, found: Inventory | EstimatorError) -> None:
        if isinstance(found, EstimatorError) or not self.is_attached:
            return
        self._items = items(entries(), found.models)
        self._appraisal.see_files(self._items)
        self.fill()

    def describe(self, index: int) -> None:  # noqa: ARG002  # whichever it is, others may have come into sight
        self._start_judging()

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
        self.post_message(PlanChanged(plan_like(self.view.plan, found), is_model_new=True))
        self.dismiss()


def _matches(text: str) -> set[str]:
    return {entry.checkpoint for entry in search(text)}


def _is_path(text: str) -> bool:
    return text.startswith(("/", "~", "./", "../")) or text.casefold().endswith(".gguf") or "\\" in text


def open_screen(choice: Choice | None = None) -> Picker:
    """Filtered and sorted as it was last."""
    return Picker(choice)

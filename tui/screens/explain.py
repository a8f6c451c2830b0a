"""The ledger: where every byte goes, how sure that is, and from where it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from estimator.ledger import drawing_on
from probes.snapshot import SWAP_POOL
from tui.humanize import answer_text, counted, fine_size, plain, size
from tui.landing import landing_of
from tui.screens.browser import Browser
from tui.widgets.line import cut_text, fit_text, n_cells, right_text
from tui.widgets.place_bar import place_bar
from tui.widgets.verdict import CELL_STYLES, GLYPHS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estimator.ledger import Term
    from estimator.verdict import Margin
    from tui.landing import Landing
    from tui.plan import Assessment
    from tui.widgets.line import Line, Run


_SURE = ("exact", "derived")


class Explain(Browser):
    TITLE_TEXT = "Where every byte goes"
    HINTS: ClassVar = (
        ("↑ ↓", "formula and source"),
        ("[ ]", "quant"),
        ("- +", "context"),
        ("/", "filter"),
        ("esc", "back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "app.step_quant(-1)", show=False),
        Binding("right_square_bracket", "app.step_quant(1)", show=False),
        Binding("minus", "app.step_context(-1)", show=False),
        Binding("plus,equals_sign", "app.step_context(1)", show=False),
    ]

    def fill(self) -> None:
        made = self.view.assessment
        self._about: list[tuple[str, str]] = []
        if made is None or self.view.plan is None:
            reason = self.view.reason or "no model is chosen: press m"
            self.listing.show([], empty=((plain(reason, 600), "dim"),))
            self.about.show()
            return
        plan = self.view.plan
        what = f"{plain(plan.model.quant or '', 16)}: where every byte goes"
        self.listing.entitle(f"{cut_text(plain(plan.model.name), max(8, self.size.width - 9 - n_cells(what)))} {what}")
        wanted = self.text.casefold()
        terms = [term for term in made.estimate.terms if wanted in _searched(term)]
        self._columns = _Columns(self.size.width - 4)
        rows = [self._columns.term(term) for term in terms]
        self._about = [(term.formula, f"{_sureness(term)}{term.source}") for term in terms]
        if not wanted:
            rows.append(())
            self._about.append(("below: what each place has to hold, and where its line lies", ""))
            for margin in made.verdict.margins:
                rows.append(self._columns.margin(margin, made))
                self._about.append(_margin_text(margin))
            for name, n_bytes, said in _landed(landing_of(made), has_swap=self._has_swap):
                rows.append(self._columns.landed(name, n_bytes))
                self._about.append((f"{size(n_bytes)} {said}", made.verdict.reason))
            if made.verdict.reason:
                rows.append((("  ", "text"), (plain(made.verdict.reason, 300), "text")))
                self._about.append((made.verdict.reason, made.verdict.source or "what the engine would do"))
            for answer in made.estimate.answers:
                rows.append(((f"  {answer.label}: ", "dim"), (answer_text(answer), "strong")))
                self._about.append((f"{answer.label}: {answer_text(answer)}", answer.source))
            for note in self.view.advice.notes if self.view.advice else ():
                rows.append((("  ", "text"), (plain(note, 300), "dim")))
                self._about.append((note, "advice"))
            for doubt in made.estimate.doubts:
                rows.append((("? ", "tight-bold"), (plain(doubt, 300), "tight")))
                self._about.append((doubt, "assumed where nothing better is known"))
        self.listing.show(rows, head=((self._columns.head(), "dim"),), empty=(("nothing of that name", "dim"),))
        self.describe(self.listing.cursor)

    @property
    def _has_swap(self) -> bool:
        snapshot = self.view.snapshot
        return snapshot is not None and snapshot.pool(SWAP_POOL) is not None

    def describe(self, index: int) -> None:
        if index < len(self._about):
            formula, source = self._about[index]
            self.about.show((plain(formula, 600), "strong"), (plain(source, 600), "dim"))
        else:
            self.about.show()


def _searched(term: Term) -> str:
    return f"{term.place} {term.label} {term.kind.value} {term.basis.value} {term.source}".casefold()


def _band(low_bytes: int, high_bytes: int) -> str:
    return "" if low_bytes == high_bytes else f"{fine_size(low_bytes)} – {fine_size(high_bytes)}"


def _sureness(term: Term) -> str:
    """Beside the source, since a narrow list has no room for it."""
    band = _band(term.low_bytes, term.high_bytes)
    return f"{term.basis.value}{f', {band}' if band else ''}: "


_BAR_CELLS = 40


class _Columns:
    """Of the list at one width: those that have room whole; the text below tells the others."""

    def __init__(self, width: int) -> None:
        self._has_band = width >= 76
        self._has_formula = width >= 100
        self._has_bar = width >= 170
        self._label_width = 24 if width >= 140 else 20 if width >= 100 else 18

    def head(self) -> str:
        band = f"{'band':<23}  " if self._has_band else ""
        formula = f"{'basis':<11} formula" if self._has_formula else "basis"
        return f"{'place':<7} {'what':<{self._label_width}} {'expected':>12}  {band}{formula}"

    def term(self, term: Term) -> Line:
        basis = term.basis.value
        return (
            (fit_text(term.place, 7) + " ", "text"),
            (fit_text(plain(term.label), self._label_width) + " ", "strong"),
            (right_text(fine_size(term.n_bytes), 12) + "  ", "strong"),
            self._band(term.low_bytes, term.high_bytes),
            (fit_text(basis, 11) + " " if self._has_formula else basis, "text" if basis in _SURE else "tight"),
            (plain(term.formula, 200) if self._has_formula else "", "dim"),
        )

    def _band(self, low_bytes: int, high_bytes: int) -> Run:
        return (f"{fit_text(_band(low_bytes, high_bytes) or 'none', 23)}  " if self._has_band else "", "dim")

    def landed(self, place: str, n_bytes: int) -> Line:
        """What comes to a place since there is no room where it should be."""
        return (
            (fit_text(place, 7) + " ", "text"),
            (fit_text("spilled", self._label_width - 1), "strong"),
            (f"{GLYPHS[2]} ", CELL_STYLES[2]),
            (right_text(fine_size(n_bytes), 12) + "  ", "strong"),
        )

    def margin(self, margin: Margin, made: Assessment) -> Line:
        """What is on one place, and its line."""
        place = margin.place
        line = f"line at {fine_size(place.line_bytes)}"
        names = drawing_on(place, made.places)
        drawn = place_bar(made, place, _BAR_CELLS) if self._has_bar else ()
        sharing = counted([name for name in names if name != place.name])
        level = min(margin.level, made.verdict.level)  # what is short there may go elsewhere
        return (
            (fit_text(place.name, 7) + " ", "text"),
            (fit_text(f"sum with {sharing}" if sharing else "sum", self._label_width - 1), "strong"),
            (f"{GLYPHS[level]} ", CELL_STYLES[level]),
            (right_text(fine_size(margin.load_bytes), 12) + "  ", "strong"),
            self._band(made.estimate.low_bytes(names), margin.high_bytes),
            (f"{f'of {fine_size(place.free_bytes)} free, {line}':<44}" if self._has_formula else "", "text"),
            *drawn,
        )


def _landed(landing: Landing, *, has_swap: bool) -> Iterator[tuple[str, int, str]]:
    """Place, bytes, and what would become of them."""
    if landing.ram_bytes:
        yield "RAM", landing.ram_bytes, "have no room on the devices, and would be in RAM instead"
    if landing.swap_bytes and has_swap:
        yield "swap", landing.swap_bytes, "have no room in RAM, and would be swapped as far as there is swap space"
    if landing.disk_bytes:
        yield "disk", landing.disk_bytes, "of the model's file would be read again for every token"


def _margin_text(margin: Margin) -> tuple[str, str]:
    place = margin.place
    kept = f"{size(place.reserve_bytes)} of {place.name} should stay free for everything else"
    over = "over" if margin.headroom_bytes < 0 else "under"
    said = f"{size(abs(margin.headroom_bytes))} {over} the line at the high end of the band"
    free = f"of {fine_size(place.free_bytes)} free, line at {fine_size(place.line_bytes)}"
    return f"{place.name}: {said}, {free}", f"the line lies at what is free less the reserve: {kept}"


def open_screen() -> Explain:
    return Explain()

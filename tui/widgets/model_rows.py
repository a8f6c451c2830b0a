"""The list of models in cells: its columns, the line over them, and a row for each model once it comes into sight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

from tui.browse import Facts, Item, context_of, parameters_of
from tui.humanize import UNKNOWN, parameters, plain, rate, short_count, size
from tui.widgets.line import fit, fit_text, fit_words, n_cells, right_text
from tui.widgets.verdict import CELL_STYLES, GLYPHS, LEVEL_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tui.model_choice import Choice
    from tui.widgets.line import Line, Run

_NARROW = 76
"""Below, quant and context are left out: what the verdict is needs the room."""
_WITH_RATES = 88
_ROOMY = 140
"""From here on there is room for what some filters and one of the orders go by."""
_VERDICT_CELLS = 34
"""Of the verdict there, or of the reason why there is none."""
_NOTHING = Facts()


class Column(NamedTuple):
    """One column."""

    title: str
    sort: str
    """The order by what stands in it, of ``tui.model_choice.SORTS``; empty where there is none."""
    width: int
    """Cells, with the blanks around it."""
    n_before: int = 0
    """Blanks that stand before it."""
    n_after: int = 0
    """Blanks that stand behind it."""
    is_right: bool = False

    def cells(self, text: str) -> str:
        """The text in its place; a number that is too long for that takes the blanks as well."""
        n_free = self.width - self.n_before - self.n_after
        if self.is_right and n_cells(text) > n_free:
            return right_text(text, self.width)
        fitted = right_text(text, n_free) if self.is_right else fit_words(text, n_free)
        return f"{'':{self.n_before}}{fitted}{'':{self.n_after}}"


PARAMS = Column("params", "params", 8, n_after=1, is_right=True)
QUANT = Column("quant", "", 9, n_after=1)
SIZE = Column("size", "size", 9, is_right=True)
CONTEXT = Column("context", "context", 10, n_before=1, n_after=1, is_right=True)
RATE = Column("tok/s", "speed", 8, n_after=1, is_right=True)
RELEASED = Column("released", "release", 10, n_after=1)
KIND = Column("kind", "", 11, n_after=1)
LICENCE = Column("licence", "", 40)


def columns_for(width: int) -> tuple[Column, ...]:
    """Those for which a list on a screen of so many cells has room."""
    is_narrow, has_rates, is_roomy = width < _NARROW, width >= _WITH_RATES, width >= _ROOMY
    middle = (PARAMS, SIZE) if is_narrow else (PARAMS, QUANT, SIZE, CONTEXT, *((RATE,) if has_rates else ()))
    n_others = 61 - 27 * is_narrow + 8 * has_rates
    verdict = Column(
        "verdict" if is_narrow else "verdict here now",
        "fit",
        1 + _VERDICT_CELLS if is_roomy else max(1, width),
        n_before=2 if is_narrow else 1,
        n_after=2 if is_roomy else 0,
    )
    name = Column("model", "name", 1 + max(16, min(40, width - n_others)), n_before=2, n_after=1)
    return (name, *middle, verdict, *((RELEASED, KIND, LICENCE) if is_roomy else ()))


class ModelTable:
    """Head and rows as they are on a screen of one width."""

    def __init__(
        self,
        width: int,
        choice: Choice,
        facts: Mapping[str, Facts],
        *,
        is_unread: bool = False,
        has_failed: bool = False,
    ) -> None:
        """What is shown.

        Args:
            width: of the screen, in cells.
            choice: how the list is sorted, which is marked in the head.
            facts: by the key of the item.
            is_unread: no verdict would be an answer: the memory of no GPU is known now.
            has_failed: what is not known yet will not be.
        """
        self._columns = columns_for(width)
        self._choice, self._facts = choice, facts
        self._is_unread, self._is_final = is_unread, is_unread or has_failed

    @property
    def head(self) -> str:
        marked = self._choice.sort
        return "".join(
            column.cells(f"{column.title}{self._choice.mark if column.sort == marked else ''}")
            for column in self._columns
        ).rstrip()

    def sort_at(self, x: int) -> str:
        """By what a click on that cell of the head sorts; empty where by nothing."""
        for column in self._columns:
            x -= column.width
            if x < 0:
                return column.sort
        return ""

    def row(self, item: Item) -> Line:
        known = self._facts.get(item.key, _NOTHING)
        name, *others = self._columns
        mark = ("▪ " if item.is_here else "  ", "bad" if item.found is not None and item.found.trouble else "fits")
        cells = [run for column in others for run in self._cells(column, item, known)]
        return (mark, *_name(item, name.width - name.n_before - name.n_after), *cells)

    def _cells(self, column: Column, item: Item, known: Facts) -> Iterator[Run]:
        if column.sort == "fit":
            verdict = (" " * column.n_before, "text"), *self._verdict(known)
            yield from fit(verdict, column.width - column.n_after) if column.n_after else verdict
            yield " " * column.n_after, "text"
        else:
            yield column.cells(self._text(column, item, known)), "text" if column in (PARAMS, SIZE, RATE) else "dim"

    def _text(self, column: Column, item: Item, known: Facts) -> str:
        entry = item.entry
        if column is PARAMS:
            return parameters(n) if (n := parameters_of(item, known)) else ""
        if column is QUANT:
            return known.quant or (entry.default_quant if entry is not None else "")
        if column is SIZE:
            return size(known.file_bytes) if known.file_bytes is not None else ""
        if column is CONTEXT:
            return short_count(tokens) if (tokens := context_of(item, known)) else UNKNOWN
        if column is RATE:
            is_known = self._is_final or known.is_whole
            unknown = UNKNOWN if is_known else "…"
            is_said = not self._is_unread and known.tokens_per_second is not None
            return rate(known.tokens_per_second or 0.0) if is_said else unknown
        if entry is None:
            return ""
        return entry.released if column is RELEASED else entry.kind if column is KIND else plain(entry.licence, 40)

    def _verdict(self, known: Facts) -> Line:
        if self._is_unread:
            return (("not judged", "dim"),)
        if known.level is not None:
            return ((f"{GLYPHS[known.level]} {LEVEL_WORDS[known.level]}", CELL_STYLES[known.level]),)
        return ((plain(known.reason, 60) if known.reason else "…", "dim"),)


class Rows(Sequence["Line"]):
    """Made when they come into sight: of all 383, they are half a MiB and some milliseconds a letter."""

    def __init__(self, items: Sequence[Item | str], make: Callable[[Item | str], Line]) -> None:
        self._items, self._make = items, make

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> list[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | list[Line]:
        if isinstance(index, slice):
            return [self._make(item) for item in self._items[index]]
        return self._make(self._items[index])


def _name(item: Item, width: int) -> Line:
    """With whose store it lies in, where there is room for that."""
    name = plain(item.name)
    source = "" if item.found is None else f" · {', '.join(item.found.sources)}"
    if source and len(name) + len(source) <= width:
        return ((name, "strong"), (fit_text(source, width - len(name)) + " ", "dim"))
    return ((fit_words(name, width) + " ", "strong"),)

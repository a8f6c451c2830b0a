"""The list of models, filtered and sorted as a person wants it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from records.record import record
from tui.browse import Facts, context_of, folded_name, parameters_of
from tui.humanize import short_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tui.browse import Item

SORTS = ("match", "fit", "size", "speed", "release", "name", "params", "context")
REVERSED = {
    "size": "largest first",
    "speed": "slowest first",
    "release": "oldest first",
    "name": "from the end",
    "params": "most first",
    "context": "shortest first",
}
"""Orders that can be turned round, and what is said of them then."""
_LARGEST_FIRST = frozenset({"fit", "speed", "release", "context"})
"""Orders that begin with what is largest, newest or best, as long as they are not turned round."""
KINDS = (None, "text", "code", "reasoning", "vision", "embedding", "audio", "image", "video")
LICENCES = (None, "apache-2.0", "mit", "open", "other")
"""``open``: either of the first two."""
CONTEXTS = (0, 32768, 131072, 262144, 1048576)
"""The least that a model must have."""
_OPEN = ("apache-2.0", "mit")
_MOST_REMEMBERED = 1024
"""Days of release of which another spelling is kept."""
_NOTHING = Facts()


@record(frozen=True, slots=True, kw_only=True)
class Choice:
    """How the list is filtered and sorted."""

    sort: str = SORTS[0]
    is_reversed: bool = False
    is_fitting_only: bool = False
    is_here_only: bool = False
    kind: str | None = None
    licence: str | None = None
    least_context_tokens: int = 0

    @property
    def mark(self) -> str:
        """Behind the title of the column by which it is sorted: whether what is largest, newest or best comes first."""
        return "▼" if (self.sort in _LARGEST_FIRST) != self.is_reversed else "▲"

    def said(self) -> str:
        """In words; nothing where nothing is set."""
        parts = [
            "" if self.sort == SORTS[0] else f"by {self.sort}",
            REVERSED[self.sort] if self.is_reversed else "",
            "fits now" if self.is_fitting_only else "",
            "on disk" if self.is_here_only else "",
            self.kind or "",
            f"licence {self.licence}" if self.licence else "",
            f"context from {short_count(self.least_context_tokens)}" if self.least_context_tokens else "",
        ]
        return " · ".join(part for part in parts if part)


def sorted_by(choice: Choice, sort: str) -> Choice:
    """In that order; the other way round where it is that already, and has another way."""
    is_again = choice.sort == sort and sort in REVERSED
    return replace(choice, sort=sort, is_reversed=is_again and not choice.is_reversed)


def turned_round(choice: Choice) -> Choice:
    """The same order the other way round; the choice as it is where that has no other way."""
    return sorted_by(choice, choice.sort)


def stepped(choice: Choice, name: str) -> Choice:
    """The choice with one of its fields a step on."""
    steps: dict[str, tuple[object, ...]] = {
        "sort": SORTS,
        "is_fitting_only": (False, True),
        "is_here_only": (False, True),
        "kind": KINDS,
        "licence": LICENCES,
        "least_context_tokens": CONTEXTS,
    }
    values = steps[name]
    following = values[(values.index(getattr(choice, name)) + 1) % len(values)]
    is_reversed = choice.is_reversed and name != "sort"
    return replace(choice, is_reversed=is_reversed, **{name: following})  # type: ignore[arg-type]  # of its own steps


def chosen(
    all_items: Iterable[Item],
    facts: Mapping[str, Facts],
    choice: Choice,
    text: str,
    matches: Callable[[str], set[str]],
) -> list[Item]:
    """Those that are wanted, in order.

    Args:
        all_items: of ``items``.
        facts: by the key of the item.
        choice: filters and order.
        text: what was typed.
        matches: keys of the catalogue's models that a text means.
    """
    keys, folded = matches(text) if text else None, folded_name(text)
    found = [item for item in all_items if _is_meant(item, folded, keys) and _is_wanted(item, facts, choice)]
    if choice.sort in _VALUES:
        return _by_value(found, facts, choice)
    return sorted(found, key=lambda item: _order(item, facts.get(item.key, _NOTHING), choice.sort, folded))


def _by_value(found: list[Item], facts: Mapping[str, Facts], choice: Choice) -> list[Item]:
    """Those whose value is not known come last, whichever way it is sorted; of alike ones the newest is first."""
    value = _VALUES[choice.sort]
    before = sorted(found, key=_by_name if choice.sort == "release" else _newest_first)
    values = [(value(item, facts.get(item.key, _NOTHING)), item) for item in before]
    known = [pair for pair in values if pair[0] is not None]
    known.sort(key=lambda pair: pair[0], reverse=choice.mark == "▼")
    return [*(item for _, item in known), *(item for one, item in values if one is None)]


_VALUES: dict[str, Callable[[Item, Facts], Any]] = {
    "size": lambda _, known: known.file_bytes,
    "speed": lambda _, known: known.listed_tokens_per_second,
    "release": lambda item, _: item.entry.released or None if item.entry is not None else None,
    "name": lambda item, _: item.name.casefold(),
    "params": lambda item, known: parameters_of(item, known) or None,
    "context": context_of,
}
"""What each order goes by; None where it is not known."""


def _is_meant(item: Item, folded: str, keys: set[str] | None) -> bool:
    if keys is None:
        return True
    if item.found is not None:
        return any(folded in folded_name(name) for name in (*item.found.names, item.key))
    return item.key in keys


def _is_wanted(item: Item, facts: Mapping[str, Facts], choice: Choice) -> bool:
    known, entry = facts.get(item.key, _NOTHING), item.entry
    if choice.is_here_only and not item.is_here:
        return False
    if choice.is_fitting_only and (known.listed_level is None or known.listed_level > 1):
        return False
    if choice.kind and (entry is None or entry.kind != choice.kind):
        return False
    if choice.licence and (entry is None or not _has_licence(entry.licence, choice.licence)):
        return False
    return (context_of(item, known) or 0) >= choice.least_context_tokens


def _has_licence(licence: str, wanted: str) -> bool:
    if wanted == "open":
        return licence in _OPEN
    return licence not in _OPEN if wanted == "other" else licence == wanted


def _order(item: Item, known: Facts, sort: str, folded: str) -> tuple[object, ...]:
    """Of the orders that are no single value's."""
    if sort == "fit":  # the largest that fits before the smaller ones, and what does not fit after all of them
        level = 9 if known.listed_level is None else known.listed_level
        return level, -(known.file_bytes or 0), _newest_first(item)
    return _distance(folded_name(item.name), folded), _newest_first(item)


def _newest_first(item: Item) -> tuple[int, ...]:
    return _turned(item.entry.released if item.entry is not None else "")


def _by_name(item: Item) -> str:
    return item.name


@lru_cache(maxsize=_MOST_REMEMBERED)
def _turned(released: str) -> tuple[int, ...]:
    return tuple(-ord(char) for char in released) or (0,)


def _distance(name: str, text: str) -> int:
    """What was typed, a name that begins with it, one that holds it, any other that is found; spaces don't count."""
    return 0 if name == text else 1 if name.startswith(text) else 2 if text in name else 3

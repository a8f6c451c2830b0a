"""Models to choose from: those known by name and those found here, as filtered and sorted as a person wants them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from estimator.found_model import MODEL
from records.record import record
from tui.humanize import short_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from estimator.found_model import FoundModel
    from estimator.readers.catalogue import Entry

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
"""As long as they are not."""
KINDS = (None, "text", "code", "reasoning", "vision", "embedding", "audio", "image", "video")
LICENCES = (None, "apache-2.0", "mit", "open", "other")
"""``open``: either of the first two."""
CONTEXTS = (0, 32768, 131072, 262144, 1048576)
"""The least that a model must have."""
READ_FORMATS = frozenset({"gguf", "safetensors", "mlx", "exl"})
"""What an engine here loads."""
_OPEN = ("apache-2.0", "mit")


@record(frozen=True, slots=True, kw_only=True)
class Item:
    """One model."""

    key: str
    """What ``read_model`` takes."""
    name: str
    entry: Entry | None = None
    """What the catalogue knows of it; None of a file that was only found here."""
    is_here: bool = False
    """On this machine's disk."""
    found: FoundModel | None = None
    """What lies here, of a row of its own; None of one that the catalogue knows."""


@record(frozen=True, slots=True, kw_only=True)
class Facts:
    """What became of one model on this machine now; None where it is not known yet, or never."""

    file_bytes: int | None = None
    level: int | None = None
    last_level: int | None = None
    """Of before the memory moved: what the list goes by until it is judged again, so that it stands still meanwhile."""
    quant: str = ""
    n_parameters: int | None = None
    context_tokens: int | None = None
    tokens_per_second: float | None = None
    reason: str = ""
    """Why it can't be judged."""

    @property
    def is_whole(self) -> bool:
        """With the speed, or the reason why there is none."""
        return bool(self.reason) or (self.level is not None and bool(self.quant))

    @property
    def listed_level(self) -> int | None:
        """What filters and order go by."""
        return self.last_level if self.level is None else self.level

    def outdated(self) -> Facts:
        """The same once the memory has moved."""
        return replace(self, level=None, last_level=self.listed_level, tokens_per_second=None)


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


def items(known: Iterable[Entry], local: Iterable[FoundModel]) -> tuple[Item, ...]:
    """Of the catalogue and of this machine, each once: a file that the catalogue knows by name is marked there, too.

    Of what lies here the models alone: image parts, adapters and the like are not loaded by themselves.
    """
    here = [model for model in local if model.role == MODEL]
    names = [name for model in here if model.is_usable for name in model.names]
    folded = {_folded(name) for name in names} | {_folded(name.partition(":")[0]) for name in names if "/" in name}
    found = [
        Item(
            key=entry.checkpoint,
            name=entry.name,
            entry=entry,
            is_here=bool(folded & {_folded(name) for name in (entry.checkpoint, entry.ollama_name or "") if name}),
        )
        for entry in known
    ]
    return (*found, *(Item(key=model.key, name=model.names[0], is_here=True, found=model) for model in here))


def facts_of(found: FoundModel) -> Facts:
    """What is known of a model that lies here before it is judged."""
    told = found.facts
    reason = found.trouble or (told.note if told is not None else "")
    if not reason and found.format not in READ_FORMATS:
        reason = f"{found.format} files are not judged"
    return Facts(
        file_bytes=found.n_bytes,
        quant=told.quant if told is not None else "",
        n_parameters=told.n_parameters if told is not None else None,
        context_tokens=told.context_tokens if told is not None else None,
        reason=reason,
    )


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
    keys, folded = matches(text) if text else None, _folded(text)
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


def parameters_of(item: Item, known: Facts) -> int | None:
    """As the catalogue says, or the file."""
    return item.entry.n_parameters if item.entry is not None else known.n_parameters


def context_of(item: Item, known: Facts) -> int | None:
    """The longest that the model has."""
    return (item.entry.native_context_tokens if item.entry is not None else known.context_tokens) or None


_VALUES: dict[str, Callable[[Item, Facts], Any]] = {
    "size": lambda _, known: known.file_bytes,
    "speed": lambda _, known: known.tokens_per_second,
    "release": lambda item, _: item.entry.released or None if item.entry is not None else None,
    "name": lambda item, _: item.name.casefold(),
    "params": lambda item, known: parameters_of(item, known) or None,
    "context": context_of,
}
"""What each order goes by; None where it is not known."""


_NOTHING = Facts()
_MOST_REMEMBERED = 1024
"""Names and days of which another spelling is kept, 0.1 MiB: to spell those of 383 models anew is 1 ms a letter."""


def _is_meant(item: Item, folded: str, keys: set[str] | None) -> bool:
    if keys is None:
        return True
    if item.found is not None:
        return any(folded in _folded(name) for name in (*item.found.names, item.key))
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
    return _distance(_folded(item.name), folded), _newest_first(item)


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


@lru_cache(maxsize=_MOST_REMEMBERED)
def _folded(text: str) -> str:
    return "".join([char for char in text.casefold() if char.isalnum() or char == "."])

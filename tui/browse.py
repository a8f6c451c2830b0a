"""Models to choose from: those known by name and those found here, and what becomes of each on this machine."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from estimator.found_model import MODEL
from records.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from estimator.found_model import FoundModel
    from estimator.readers.catalogue import Entry

_MOST_REMEMBERED = 1024
"""Names and days of which another spelling is kept, 0.1 MiB: to spell those of 383 models anew is 1 ms a letter."""
READ_FORMATS = frozenset({"gguf", "safetensors", "mlx", "exl"})
"""What an engine here loads."""


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
    last_tokens_per_second: float | None = None
    """Likewise."""
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

    @property
    def listed_tokens_per_second(self) -> float | None:
        """What the order goes by: the last one as long as nothing newer is known, be it that there is none."""
        if self.tokens_per_second is None and not self.is_whole:
            return self.last_tokens_per_second
        return self.tokens_per_second

    def outdated(self) -> Facts:
        """The same once the memory has moved."""
        return replace(
            self,
            level=None,
            last_level=self.listed_level,
            tokens_per_second=None,
            last_tokens_per_second=self.listed_tokens_per_second,
        )


def items(known: Iterable[Entry], local: Iterable[FoundModel]) -> tuple[Item, ...]:
    """Of the catalogue and of this machine, each once: a file that the catalogue knows by name is marked there, too.

    Of what lies here the models alone: image parts, adapters and the like are not loaded by themselves.
    """
    here = [model for model in local if model.role == MODEL]
    names = [name for model in here if model.is_usable for name in model.names]
    folded = {folded_name(name) for name in names} | {
        folded_name(name.partition(":")[0]) for name in names if "/" in name
    }
    found = [
        Item(
            key=entry.checkpoint,
            name=entry.name,
            entry=entry,
            is_here=bool(folded & {folded_name(name) for name in (entry.checkpoint, entry.ollama_name or "") if name}),
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


def parameters_of(item: Item, known: Facts) -> int | None:
    """As the catalogue says, or the file."""
    return item.entry.n_parameters if item.entry is not None else known.n_parameters


def context_of(item: Item, known: Facts) -> int | None:
    """The longest that the model has."""
    return (item.entry.native_context_tokens if item.entry is not None else known.context_tokens) or None


@lru_cache(maxsize=_MOST_REMEMBERED)
def folded_name(text: str) -> str:
    return "".join([char for char in text.casefold() if char.isalnum() or char == "."])

"""Models known by name: what their GGUF files would hold, without a file or a network.

The data is ``estimator/catalogue/models.jsonl``, written by ``bench/import_models.py``.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from estimator.errors import AmbiguousModel, UnreadableModel
from estimator.metadata import describe
from estimator.mixture import parse_quant, requantised
from estimator.model import Model
from estimator.templates import tensors_of

CATALOGUE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "catalogue", "models.jsonl")

DEFAULT_QUANT = "Q4_K_M"
MAX_CANDIDATES = 8

# Words of a checkpoint's name that people leave out, or that a repository adds.
_NOISE = frozenset({"instruct", "chat", "it", "hf", "gguf", "meta"})
_WORDS = re.compile("[a-z0-9]+").findall


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model, before anything is computed."""

    name: str
    """As people say it: ``Qwen3 30B-A3B``."""
    checkpoint: str
    """On Hugging Face: ``Qwen/Qwen3-30B-A3B``."""
    aliases: tuple[str, ...]
    family: str
    kind: str
    """``text`` or ``vision``; of the latter only the text part is described."""
    n_parameters: int
    """As the checkpoint states, a vision tower included, layers that predict further tokens not."""
    n_active_parameters: int | None
    native_context_tokens: int
    released: str
    """Year and month."""
    licence: str
    architecture: str
    default_quant: str
    source: str
    """The address that the shape and the count are published at."""
    flags: frozenset[str]
    differences: Mapping[str, int]
    """Parameters that a GGUF conversion has more or less than stated, by reason."""
    notes: tuple[str, ...]
    """What someone who asks for this model by name should know."""
    keys: Mapping[str, Any]
    """GGUF metadata without the architecture's prefix."""

    @property
    def metadata(self) -> dict[str, object]:
        """As a GGUF file has it."""
        return {
            "general.architecture": self.architecture,
            **{f"{self.architecture}.{key}": value for key, value in self.keys.items()},
        }


@cache
def entries() -> tuple[Entry, ...]:
    """All models, by family."""
    with open(CATALOGUE, encoding="utf-8") as lines:
        return tuple(_entry(json.loads(line)) for line in lines)


def _entry(found: Mapping[str, Any]) -> Entry:
    return Entry(
        name=found["name"],
        checkpoint=found["id"],
        aliases=tuple(found.get("aliases", ())),
        family=found["family"],
        kind=found["kind"],
        n_parameters=found["parameters"],
        n_active_parameters=found.get("active"),
        native_context_tokens=found["keys"]["context_length"],
        released=found["released"],
        licence=found["licence"],
        architecture=found["architecture"],
        default_quant=found.get("quant", DEFAULT_QUANT),
        source=f"https://huggingface.co/{found['id']}",
        flags=frozenset(found.get("flags", ())),
        differences=MappingProxyType(found.get("differences", {})),
        notes=tuple(found.get("notes", ())),
        keys=MappingProxyType(found["keys"]),
    )


def search(text: str) -> list[Entry]:
    """The models that all words of the text are part of, in the catalogue's order."""
    words = [_key(word) for word in text.split()]
    return [
        names.entry
        for names in _names()
        if any(all(word in name for word in words) for name in names.own | names.further)
    ]


def find(text: str) -> Entry:
    """The one model that goes by this name, in any usual spelling, or by the beginning of it.

    Raises:
        AmbiguousModel: several do.
        UnreadableModel: none does; the message lists the nearest.
    """
    wanted = frozenset({_key(text), _key(text.rpartition("/")[2])}) - {""}
    for goes_by in (_own_name, _further_name, _beginning_of_own_name, _beginning_of_further_name):
        found = [names.entry for names in _names() if goes_by(names, wanted)]
        if len(found) == 1:
            return found[0]
        if found:
            raise _ambiguous(text, found)
    nearest = _nearest(_key(text))
    hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
    raise UnreadableModel(f"no model is called {text!r}{hint}")


def recognises(source: str) -> bool:
    """Whether a model goes by this name, or several."""
    try:
        find(source)
    except AmbiguousModel:
        return True
    except UnreadableModel:
        return False
    return True


def read(source: str, quant: str | None = None) -> Model:
    """The model of that name as llama.cpp's converter and quantizer would store it.

    Args:
        source: the name, in any usual spelling.
        quant: None takes the one that most people download.

    Raises:
        AmbiguousModel: several models go by that name.
        UnreadableModel: none does.
        UnknownQuant: no quant is called that.
    """
    entry = find(source)
    mixture = parse_quant(quant or entry.default_quant)
    tensors = tensors_of(entry.metadata, entry.flags)
    plain = describe(
        entry.metadata, tensors, name=entry.name, source="catalogue", quant="BF16", file_bytes=None, doubts=entry.notes
    )
    return requantised(plain, mixture)


def _key(text: str) -> str:
    return "".join([word for word in _WORDS(text.casefold()) if word not in _NOISE])


@dataclass(frozen=True, slots=True)
class _Names:
    entry: Entry
    own: frozenset[str]
    further: frozenset[str]


@cache
def _names() -> tuple[_Names, ...]:
    return tuple(
        _Names(entry, _spellings(entry.name, entry.checkpoint), _spellings(*entry.aliases)) for entry in entries()
    )


def _spellings(*names: str) -> frozenset[str]:
    """With and without the owner of the repository."""
    last_parts = [name.rpartition("/")[2] for name in names if "/" in name]
    return frozenset(map(_key, (*names, *last_parts)))


def _own_name(names: _Names, wanted: frozenset[str]) -> bool:
    return not names.own.isdisjoint(wanted)


def _further_name(names: _Names, wanted: frozenset[str]) -> bool:
    return not names.further.isdisjoint(wanted)


def _beginning_of_own_name(names: _Names, wanted: frozenset[str]) -> bool:
    own = (_key(names.entry.name), _key(names.entry.checkpoint.rpartition("/")[2]))  # owners make many models
    return any(name.startswith(word) for word in wanted for name in own)


def _beginning_of_further_name(names: _Names, wanted: frozenset[str]) -> bool:
    return any(name.startswith(word) for word in wanted for name in names.further)


def _ambiguous(text: str, found: list[Entry]) -> AmbiguousModel:
    names = [entry.name for entry in found]
    more = f" and {len(names) - MAX_CANDIDATES} more" if len(names) > MAX_CANDIDATES else ""
    listed = ", ".join(names[:MAX_CANDIDATES])
    return AmbiguousModel(f"{text!r} may be {listed}{more}; name one of them", names[:MAX_CANDIDATES])


def _nearest(wanted: str) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415  # 2 ms, for a typing error only

    by_spelling = {name: names.entry.name for names in _names() for name in names.own | names.further}
    close = get_close_matches(wanted, by_spelling, n=6, cutoff=0.6)
    return list(dict.fromkeys(by_spelling[name] for name in close))[:3]

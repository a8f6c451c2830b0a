"""Models known by name: what their files would hold, without a file or a network.

The data is ``estimator/catalogue/models.jsonl``, one model a line, and ``names.txt`` with the spellings of each on the
line of the same number, so that a name is found without reading 380 models. Both are written by
``bench/import_models.py``.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from sys import intern
from types import MappingProxyType
from typing import Any, NamedTuple

from estimator.errors import AmbiguousModel, UnreadableModel
from estimator.file_order import as_written
from estimator.metadata import describe
from estimator.mixture import parse_quant, requantised
from estimator.model import Model, Tensor
from estimator.patience import rest
from estimator.templates import tensors_of
from records.record import record

_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "catalogue")
CATALOGUE = os.path.join(_FOLDER, "models.jsonl")
INDEX = os.path.join(_FOLDER, "names.txt")

DEFAULT_QUANT = "Q4_K_M"
MAX_CANDIDATES = 8

# Words of a checkpoint's name that people leave out, or that a repository adds.
_NOISE = frozenset({"instruct", "chat", "it", "hf", "gguf", "meta"})
# Words that say how a repository packs a model, not which it is.
_PACKAGING = re.compile(
    r"[-_ ]?\b(128k|bf16|f16|fp16|mxfp4|experimental|safetensors|qat|abliterated|uncensored|moe)\b", re.IGNORECASE
)
# As llama-bench calls a model: the architecture, and its size by llama.cpp's own names ("qwen3moe 30B.A3B").
_DESCRIPTION = re.compile(r"([a-z][a-z0-9_-]*) ([0-9.]+|\?)([BMT])(?:\.A([0-9.]+)B)?", re.IGNORECASE)
_WORDS = re.compile(r"[a-z0-9]+(?:\.[0-9]+)*").findall


@record(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model, before anything is computed."""

    name: str
    """As people say it: ``Qwen3 30B-A3B``."""
    checkpoint: str
    """On Hugging Face: ``Qwen/Qwen3-30B-A3B``."""
    aliases: tuple[str, ...]
    """Further names: Ollama's, checkpoints of the same shape."""
    family: str
    kind: str
    """``text``, ``code``, ``reasoning``, ``vision``, ``embedding``, ``audio``, ``image`` or ``video``."""
    n_parameters: int
    """As the checkpoint states, a vision tower included, layers that predict further tokens not."""
    n_vision_parameters: int
    """Of a vision tower, whose tensors are not listed; GGUF has a file of its own for it."""
    native_context_tokens: int
    """0 where there is no context: audio, image and video."""
    released: str
    """Year and month."""
    licence: str
    architecture: str
    """llama.cpp's name for it, or the family's where it has none."""
    default_quant: str
    """What most GGUF files of it are."""
    published_quant: str
    """What its own checkpoint is stored as."""
    ollama_name: str | None
    """As Ollama's library calls it: ``qwen3:8b``; None where it is not known to be there."""
    source: str
    """The address that the shape and the count are published at."""
    flags: frozenset[str]
    differences: Mapping[str, int]
    """Parameters that a GGUF conversion has more or less than stated, by reason."""
    notes: tuple[str, ...]
    """What someone who asks for this model by name should know."""
    keys: Mapping[str, Any]
    """GGUF metadata without the architecture's prefix; empty for models that are known by their size alone."""
    parts: Mapping[str, int]
    """Parameters of the networks that such a model consists of, by name."""

    @property
    def metadata(self) -> dict[str, object]:
        """As a GGUF file has it."""
        return {
            "general.architecture": self.architecture,
            **{f"{self.architecture}.{key}": value for key, value in self.keys.items()},
        }

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """As a conversion has them before it is quantised; of models known by size alone, each network as one."""
        return _whole_parts(self.parts) if self.parts else tensors_of(self.metadata, self.flags)


@cache
def entries() -> tuple[Entry, ...]:
    """All models, by family."""
    found = tuple(_entry_after_rest(number) for number in range(len(_lines())))
    _lines.cache_clear()  # of which every one has been read: 0.2 MiB
    return found


def _entry_after_rest(number: int) -> Entry:
    rest()
    return _entry_at(number)


@cache
def _lines() -> list[str]:
    with open(CATALOGUE, encoding="utf-8") as file:
        return [line.rstrip() for line in file]


_NOTHING: Mapping[str, Any] = MappingProxyType({})


@cache
def _flags(*names: str) -> frozenset[str]:
    """One for all that have the same: of 383 models, 0.1 MiB less."""
    return frozenset(names)


def _named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Names and words that models share are there once: 0.3 MiB less."""
    return {intern(key): intern(value) if isinstance(value, str) else value for key, value in pairs}


@cache
def _entry_at(number: int) -> Entry:
    found = json.loads(_lines()[number], object_pairs_hook=_named)
    keys = found.get("keys")
    return Entry(
        name=found["name"],
        checkpoint=found["id"],
        aliases=tuple(found.get("aliases", ())),
        family=found["family"],
        kind=found["kind"],
        n_parameters=found["parameters"],
        n_vision_parameters=found.get("vision", 0),
        native_context_tokens=keys.get("context_length", 0) if keys else 0,
        released=found["released"],
        licence=found["licence"],
        architecture=found.get("architecture", found["family"]),
        default_quant=found.get("quant", DEFAULT_QUANT if keys else "BF16"),
        published_quant=found.get("published", "BF16"),
        ollama_name=found.get("ollama"),
        source=f"https://huggingface.co/{found['id']}",
        flags=_flags(*found.get("flags", ())),
        differences=MappingProxyType(found["differences"]) if "differences" in found else _NOTHING,
        notes=tuple(found.get("notes", ())),
        keys=MappingProxyType(keys) if keys else _NOTHING,
        parts=MappingProxyType(found["parts"]) if "parts" in found else _NOTHING,
    )


_ROW_WIDTH = 256  # so that every format can pack it


def _whole_parts(parts: Mapping[str, int]) -> tuple[Tensor, ...]:
    """One matrix for each network, and a vector for the rest that makes no row; named as blocks, which formats pack."""
    made = []
    for number, (name, n_parameters) in enumerate(parts.items()):
        n_rows, rest = divmod(n_parameters, _ROW_WIDTH)
        made.append(Tensor(f"blk.{number}.{name}.weight", (_ROW_WIDTH, n_rows), "BF16"))
        if rest:
            made.append(Tensor(f"blk.{number}.{name}.bias", (rest,), "F32"))
    return tuple(made)


def search(text: str) -> list[Entry]:
    """The models that all words of the text are part of, in the catalogue's order."""
    words = sorted((_undotted(_key(word)) for word in text.split()), key=len, reverse=True)
    return [_entry_at(number) for number, names in enumerate(_spellings()) if _is_meant(words, names)]


def _is_meant(words: list[str], names: str) -> bool:
    """Whether all are part of one name, the longest first, each a part of its own: no 30 lies in Qwen3 0.6B."""
    for word in words:
        if word not in names:  # of most models
            return False
    return len(words) == 1 or any(_are_apart(words, name) for name in names.split())


def _are_apart(words: list[str], name: str) -> bool:
    for word in words:
        if word not in name:
            return False
        name = name.replace(word, " ", 1)
    return True


def find(text: str) -> Entry:
    """The one model that goes by this name, in any usual spelling, or by the beginning of it.

    Raises:
        AmbiguousModel: several do.
        UnreadableModel: none does; the message lists the nearest.
    """
    spelt = (text, text.rpartition("/")[2])
    whole = {f" {key} " for name in spelt if (key := _whole_key(name))}
    wanted = {f" {key} " for name in spelt if (key := _key(name))}
    undotted = set(map(_undotted, wanted))
    tiers: tuple[Callable[[_Names], bool], ...] = (
        lambda names: any(key in names.whole for key in whole),
        lambda names: any(key in names.own for key in wanted),
        lambda names: any(key in names.further for key in wanted),
        lambda names: any(key in _undotted(names.own + names.further) for key in undotted),
        lambda names: any(key[:-1] in names.starts for key in wanted),
        lambda names: any(key[:-1] in names.further for key in wanted),
        lambda names: any(key[:-1] in _undotted(names.starts + names.further) for key in undotted),
    )
    for goes_by in tiers:
        found = [number for number, names in enumerate(_names()) if goes_by(names)]
        if len(found) == 1:
            return _entry_at(found[0])
        if found:
            raise _ambiguous(text, [_entry_at(number).name for number in found])
    unpacked = _PACKAGING.sub("", text)
    owner, _, model = text.rpartition("/")[2].partition("_")
    if unpacked != text:
        try:
            return find(unpacked)
        except AmbiguousModel:
            raise
        except UnreadableModel as error:  # the message shall name what was typed
            raise UnreadableModel(str(error).replace(repr(unpacked), repr(text))) from error
    if owner and model:  # as bartowski names repositories: openai_gpt-oss-20b
        try:
            return find(model)
        except UnreadableModel:
            pass  # as above
    nearest = _nearest(_key(text))
    hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
    raise UnreadableModel(f"no model is called {text!r}{hint}")


def find_described(description: str, n_parameters: int) -> Entry:
    """The model that llama-bench describes: ``qwen3moe 30B.A3B``, and how many parameters it counts, to three digits.

    Several may be of that size, mostly of one shape; it is the first of them.

    Raises:
        UnreadableModel: none has that architecture and so many parameters.
    """
    said = _DESCRIPTION.fullmatch(description.strip())
    if said is None:
        raise UnreadableModel(f"{description!r} is no architecture and size as llama-bench prints them")
    rounding = max(0.0006 * n_parameters, 5e6)  # "8.03 B", "596.05 M"
    for entry in entries():
        n_stored = entry.n_parameters + sum(entry.differences.values())
        if entry.architecture == said[1].casefold() and abs(n_stored - n_parameters) <= rounding:
            return entry
    raise UnreadableModel(f"no {said[1]} of {n_parameters / 1e9:.2f} billion parameters is known here")


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
    return requantised(plain_model(entry), parse_quant(quant or entry.default_quant))


def plain_model(entry: Entry) -> Model:
    """Before it is quantised."""
    if entry.parts:
        return _known_by_size(entry)
    rest()
    plain = describe(
        entry.metadata, entry.tensors, name=entry.name, source="catalogue", quant="BF16", doubts=entry.notes
    )
    rest()
    return replace(
        plain,
        tensors=as_written(plain.tensors, entry.released),
        kind=entry.kind,
        is_tied=not entry.flags.isdisjoint({"tied", "copied_head"}),
        n_projector_parameters=entry.n_vision_parameters,
    )


def _known_by_size(entry: Entry) -> Model:
    """Speech recognition, images, video: no layers that a language model's engine could place."""
    return Model(
        name=entry.name,
        architecture=entry.architecture,
        source="catalogue",
        quant="BF16",
        native_context_tokens=0,
        embedding_width=0,
        feed_forward_width=0,
        n_heads=0,
        n_kv_heads=0,
        head_width=0,
        value_head_width=0,
        vocabulary_size=0,
        layers=(),
        tensors=entry.tensors,
        kind=entry.kind,
        doubts=entry.notes,
    )


def _whole_key(text: str) -> str:
    """A spelling without what people write otherwise: case, spaces, hyphens. ``Qwen3-8B-Instruct``: qwen38binstruct."""
    return "".join(_WORDS(text.casefold()))


def _key(text: str) -> str:
    """The same without the words that people leave out."""
    return "".join([word for word in _WORDS(text.casefold()) if word not in _NOISE])


def _undotted(key: str) -> str:
    """Some write 2.5 as 25, or as 2_5."""
    return key.replace(".", "")


class _Names(NamedTuple):
    """Spellings of one model, each between spaces: as text they are there ten times sooner than as sets."""

    whole: str
    """Every word of the name, of the checkpoint with and without its owner, and of further names."""
    starts: str
    """What a beginning may be of: the name, and the checkpoint's without its owner, who makes many models."""
    owned: str
    """The checkpoint's with its owner."""
    further: str

    @property
    def own(self) -> str:
        return self.starts + self.owned


@cache
def _names() -> tuple[_Names, ...]:
    with open(INDEX, encoding="utf-8") as file:
        return tuple(_Names(*line.split("|")) for line in file.read().splitlines())


@cache
def _spellings() -> tuple[str, ...]:
    """The shorter ones of each model, between spaces: to make them of all takes as long as to look through them."""
    return tuple(_undotted(names.own + names.further) for names in _names())


def index_line(record: Mapping[str, Any]) -> str:
    """The index's line for a line of the catalogue: spellings in full, the shorter ones, those of further names."""
    starts = (record["name"], record["id"].rpartition("/")[2])
    aliases = record.get("aliases", ())
    further = (*aliases, *(name.rpartition("/")[2] for name in aliases if "/" in name))
    parts = (
        sorted({_whole_key(name) for name in (*starts, record["id"], *further)}),
        map(_key, starts),
        [_key(record["id"])],
        sorted({key for name in further if (key := _key(name))}),
    )
    return "|".join(f" {' '.join(part)} " for part in parts)


def _ambiguous(text: str, names: list[str]) -> AmbiguousModel:
    more = f" and {len(names) - MAX_CANDIDATES} more" if len(names) > MAX_CANDIDATES else ""
    listed = ", ".join(names[:MAX_CANDIDATES])
    return AmbiguousModel(f"{text!r} may be {listed}{more}; name one of them", names[:MAX_CANDIDATES])


def _nearest(wanted: str) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415  # 2 ms, for a typing error only

    by_spelling = {
        name: number for number, names in enumerate(_names()) for name in (names.own + names.further).split()
    }
    close = get_close_matches(wanted, by_spelling, n=6, cutoff=0.6)
    return list(dict.fromkeys(_entry_at(by_spelling[name]).name for name in close))[:3]

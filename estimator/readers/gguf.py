"""GGUF files, llama.cpp's format: the header of one file, or of all the parts of a split one."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from estimator.errors import UnreadableModel
from estimator.file_cursor import shown
from estimator.gguf_header import MAGIC, MAX_TENSORS, Header, SkippedArray, read_header
from estimator.metadata import describe
from estimator.model import Model, Tensor
from estimator.quant import FILE_TYPES, GUESSED_FILE_TYPE, stored_bytes

__all__ = ["Header", "SkippedArray", "read", "read_header", "recognises"]

SUFFIX = ".gguf"
MAX_PARTS = 4096
"""llama-gguf-split would count to 65,535; a terabyte in parts of 1 GB is a thousand."""
N_LISTED = 3
"""Missing parts that a message names."""

# general.type, or general.architecture, of what is no language model: `GGUFType` of gguf-py/gguf/constants.py.
NOT_MODELS: Mapping[str, str] = {
    "adapter": "a LoRA adapter",
    "mmproj": "the image or sound part (mmproj) of a model",
    "clip": "the image or sound part (mmproj) of a model",
    "imatrix": "an importance matrix for quantising",
}
FLOATS = ("F32", "F16", "BF16")
QUANT_STEMS = frozenset(
    ("Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "Q8", "IQ1", "IQ2", "IQ3", "IQ4", "TQ1", "TQ2", "MXFP4", "NVFP4", *FLOATS)
)
"""What the name of a quant begins with, up to the first underscore."""


def recognises(source: str) -> bool:
    """Whether it starts as GGUF does, or has a name that ends so."""
    if source.lower().endswith(SUFFIX):
        return True
    try:
        if not os.path.isfile(source):  # opening a pipe would wait for a writer
            return False
        with open(source, "rb", buffering=0) as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False


def read(source: str) -> Model:
    """The model in a file; given one part of a split model, the model in all its parts.

    Raises:
        UnreadableModel: no such file, damaged, not a language model's, or parts of it are missing.
    """
    stem, headers = _parts(source, read_header(source))
    metadata = dict(headers[0].metadata)
    tensors = [tensor for header in headers for tensor in header.tensors]
    _expect_model(source, metadata, tensors)
    tokens = metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, SkippedArray):
        metadata.setdefault(f"{metadata.get('general.architecture')}.vocab_size", tokens.length)
    try:
        return describe(
            metadata,
            tensors,
            name=_printable(metadata.get("general.name")) or _printable(metadata.get("general.basename")) or stem,
            source=source,
            quant=quant_label(metadata.get("general.file_type"), tensors, stem),
            file_bytes=sum(header.file_bytes for header in headers),
        )
    except UnreadableModel as error:
        raise UnreadableModel(f"{shown(source)}: {error}") from error


def _expect_model(source: str, metadata: Mapping[str, object], tensors: Sequence[Tensor]) -> None:
    for key in ("general.type", "general.architecture"):
        what = NOT_MODELS.get(str(metadata.get(key)))
        if what:
            raise UnreadableModel(f"{shown(source)}: {what}, not a model; give the model that it belongs to")
    if not tensors:
        raise UnreadableModel(f"{shown(source)}: holds no weights (a vocabulary alone, perhaps); give a whole model")


def _printable(text: object) -> str:
    """A name from the file, with nothing in it that a terminal would obey."""
    return "".join(c for c in text if c.isprintable()).strip() if isinstance(text, str) else ""


def _parts(path: str, header: Header) -> tuple[str, list[Header]]:
    """The file's name without what a converter appends, and the headers of all parts, the first one first."""
    directory, base = os.path.split(path)
    n_parts = _whole(header, "split.count", 1)
    if n_parts <= 1:
        return base[: -len(SUFFIX)] if base.lower().endswith(SUFFIX) else base, [header]
    if n_parts > MAX_PARTS:
        raise UnreadableModel(f"{shown(path)}: damaged: it claims to be one of {n_parts} parts; download it again")
    # As llama.cpp names and finds them: `llama_split_path` of src/llama.cpp, counted from 1.
    number = _whole(header, "split.no", 0)
    suffixes = [f"-{i + 1:05}-of-{n_parts:05}{SUFFIX}" for i in range(n_parts)]
    if number >= n_parts or not base.endswith(suffixes[number]):
        raise UnreadableModel(
            f"{shown(path)}: part {number + 1} of {n_parts} of a split model, found only under a name that ends in "
            f"-{number + 1:05}-of-{n_parts:05}{SUFFIX}; rename the parts"
        )
    stem = base[: -len(suffixes[number])]
    paths = [os.path.join(directory, stem + suffix) for suffix in suffixes]
    _expect_all(path, [part for part in paths if not os.path.isfile(part)], n_parts)
    return stem, _same_model(paths, header, number)


def _expect_all(path: str, missing: Sequence[str], n_parts: int) -> None:
    if missing:
        listed = ", ".join(shown(os.path.basename(part)) for part in missing[:N_LISTED])
        more = f" and {len(missing) - N_LISTED} more" if len(missing) > N_LISTED else ""
        raise UnreadableModel(
            f"{shown(path)}: {len(missing)} of {n_parts} parts are missing beside it ({listed}{more}); download them"
        )


def _same_model(paths: Sequence[str], header: Header, number: int) -> list[Header]:
    """The headers of all parts, checked to be those of one model."""
    headers: list[Header] = []
    names: set[str] = set()
    for i, path in enumerate(paths):
        part = header if i == number else read_header(path)
        if _whole(part, "split.count", 1) != len(paths) or _whole(part, "split.no", -1) != i:
            raise UnreadableModel(f"{shown(path)}: not part {i + 1} of {len(paths)} of this model; download it again")
        headers.append(part)
        n_named = len(names)
        names.update(tensor.name for tensor in part.tensors)
        if len(names) != n_named + len(part.tensors) or len(names) > MAX_TENSORS:
            raise UnreadableModel(f"{shown(path)}: has tensors that other parts have too; download all parts again")
    n_tensors = _whole(headers[0], "split.tensors.count", len(names))
    if n_tensors != len(names):
        raise UnreadableModel(
            f"{shown(paths[0])}: its parts should have {n_tensors} tensors together and have {len(names)}; download "
            "all parts again"
        )
    return headers


def _whole(header: Header, key: str, default: int) -> int:
    number = header.metadata.get(key)
    return number if type(number) is int else default


def quant_label(file_type: object, tensors: Iterable[Tensor], stem: str) -> str:
    """What to call the mixture: the file's own word for it, unless its name or its tensors know better."""
    tensors = tuple(tensors)
    stored = {tensor.type for tensor in tensors}
    named = _quant_in_name(stem)
    stated = FILE_TYPES.get(file_type & ~GUESSED_FILE_TYPE, "") if type(file_type) is int else ""
    if named.startswith("UD-"):  # mixtures of the uploader's own, which general.file_type has no number for
        return named
    if named not in FILE_TYPES.values() and not stated.startswith(named) and _is_borne_out(named, stored):
        return named
    for label in (stated, named):
        if _is_borne_out(label, stored):
            return label
    n_bytes: Counter[str] = Counter()
    for tensor in tensors:
        n_bytes[tensor.type] += stored_bytes(tensor.type, tensor.shape)
    return max(n_bytes, key=n_bytes.__getitem__)


def _quant_in_name(stem: str) -> str:
    """``Q4_K_M`` of ``Qwen3-8B-Q4_K_M``, ``UD-Q4_K_XL``, or nothing."""
    words = stem.upper().replace(".", "-").split("-")
    for i in range(len(words) - 1, -1, -1):
        if words[i].partition("_")[0] in QUANT_STEMS:
            return f"UD-{words[i]}" if i and words[i - 1] == "UD" else words[i]
    return ""


def _is_borne_out(label: str, stored: set[str]) -> bool:
    """Whether a file of that mixture could hold those types."""
    if label in FLOATS:
        return label in stored and stored <= {label, "F32"}
    return bool(label) and any(type_name.startswith(label.partition("_")[0]) for type_name in stored)

"""Reads a model from whatever names one: a file, a directory, or a name.

What was typed is taken for, in this order: a file or directory that exists; a name in Ollama's store, Hugging Face's
cache or LM Studio's folder; a name in the catalogue, the whole of one before the beginning of one. Where it may be
several, the message lists them, those on this machine first.
"""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from estimator.errors import AmbiguousModel, Unjudgeable, UnknownQuant, UnreadableModel
from estimator.magic import HEAD_BYTES, explain
from estimator.mixture import parse_quant, quant_label, requantised
from estimator.model import Model

if TYPE_CHECKING:
    from estimator.local_models import LocalModel

FILE_READERS = ("gguf", "safetensors", "hf_config")
"""Modules of ``estimator.readers`` for files and directories, in the order they are asked; each is imported when its
turn comes."""
NAME_READERS = ("catalogue",)
READERS = (*FILE_READERS, *NAME_READERS)

MAX_LISTED = 8

SUFFIXES = (".gguf", ".safetensors", ".json")
"""What the names of files end in, and no model's."""

CHECKPOINT_FILES = frozenset({"config.json", "adapter_config.json", "model_index.json"})
"""What shows that a directory is a checkpoint's, though it may be refused."""

# As llama-gguf-split names the parts of a model.
_PART = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)", re.IGNORECASE)


_HUB = re.compile(r"\A(?:https?://)?(?:hf\.co|huggingface\.co)/", re.IGNORECASE)
_QUANT_IN_NAME = (
    re.compile(r"(?P<name>[^:]+):(?P<quant>[^:/]{1,40})"),
    re.compile(
        r"(?P<name>.+?)[-_](?:quantized\.)?(?P<quant>AWQ|GPTQ-Int8|GPTQ|FP8-dynamic|FP8|W8A8|W4A16|NVFP4|MXFP4|FP4|(?:unsloth-)?bnb-[48]bit|[34568]bit)(?:-(?:Int[48]|DWQ|mlx|g\d{2,3}))*",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<name>.+?)[-_](?P<quant>(?:UD-)?I?Q\d\w*|fp16|bf16|f16)(?:-gguf)?", re.IGNORECASE),
)
"""``owner/name:Q4_K_M`` (llama.cpp's -hf), ``Qwen/Qwen3-32B-AWQ`` (the Hub), ``llama3.1:8b-instruct-q8_0`` (Ollama)."""
_MLX_BITS = re.compile(r"\dbit", re.IGNORECASE)
_SIXTEEN_BITS = re.compile(r"[-_](?:bf16|fp16|f16)(?:-gguf)?\Z", re.IGNORECASE)
"""Of a repository's name, where it says that nothing is quantised."""
_SUFFIX = re.compile(r"(?:[-_](?:GGUF|instruct|chat|text|it|qat))+\Z", re.IGNORECASE)


class Reader(Protocol):
    """A module of ``estimator.readers``."""

    def recognises(self, source: str) -> bool:
        """Whether this is for this reader to read, or to refuse."""
        ...

    def read(self, source: str) -> Model:
        """The model.

        Raises:
            UnreadableModel: it can't be read after all.
        """
        ...


def read_model(source: str, quant: str | None = None) -> Model:
    """The model of a file (GGUF, safetensors, config.json), of a directory with one in it, or of a name.

    Args:
        source: a path, or a name in any usual spelling.
        quant: what it would be under another mixture than it has; None leaves it as it is.

    Raises:
        AmbiguousModel: the name, or the directory, may mean several.
        UnreadableModel: no such file, no such name, or the file is no model.
        UnknownQuant: no quant is called that.
    """
    mixture = None if quant is None else parse_quant(quant)
    model = _model_of(source)
    if mixture is None or quant_label(mixture) == model.quant:
        return model
    other = requantised(model, mixture)
    if model.file_bytes is None:
        return other
    return replace(
        other, doubts=(*other.doubts, f"the file is {model.quant}; {other.quant} is what it would be, not what it is")
    )


def _read_file(path: str) -> Model:
    for name in FILE_READERS:
        reader: Reader = import_module(f"estimator.readers.{name}")
        if reader.recognises(path):
            return reader.read(path)
    if os.path.isdir(path):
        raise UnreadableModel(f"{path}: what describes the model in it is no file; give the model's own directory")
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise UnreadableModel(f"{path}: cannot be read ({error.strerror}); check the file") from error
    raise explain(head, path)


def _read_name(source: str) -> Model:
    for name in NAME_READERS:
        reader: Reader = import_module(f"estimator.readers.{name}")
        if reader.recognises(source):
            break
    return reader.read(source)  # the last one knows the nearest to a misspelt name


def _model_of(source: str) -> Model:
    path = _existing(source)
    if path is not None:
        return _read_file(path)
    local = None if _is_surely_path(source) else _local(source)
    if local is not None:
        is_directory = os.path.isdir(local.path)
        path = _in_directory(local.path, local.quant, must_have_one=True) if is_directory else local.path
        model = _read_file(path or local.path)
        return replace(model, name=local.name or model.name, doubts=(*model.doubts, *local.doubts))
    if _looks_like_path(source) and not _HUB.match(source):
        raise UnreadableModel(f"{source}: no such file; check the path, or give a model's name")
    # The catalogue takes these words for packaging, and would have it quantised as most people download it.
    if _SIXTEEN_BITS.search(source) and (sixteen := _named_with_quant(source)) is not None:
        return sixteen
    try:
        return _read_name(_HUB.sub("", source))
    except UnreadableModel as error:
        found = _named_with_quant(source)
        if found is not None:
            return found
        raise _with_local_names(error, source) from error


def _named_with_quant(source: str) -> Model | None:
    """A known model whose name says its quant as well, as repositories and Ollama's tags do; None where it is none."""
    text = _HUB.sub("", source)
    for found in filter(None, (pattern.fullmatch(text) for pattern in _QUANT_IN_NAME)):
        name, quant = found["name"], found["quant"]
        if _MLX_BITS.fullmatch(quant) is not None:
            quant = f"MLX-{quant}"
        elif quant.casefold() == "fp16" and ":" not in text:  # a checkpoint, in the word that people know them by
            quant = "BF16"
        try:
            mixture = parse_quant(quant)
            model = _read_name(_SUFFIX.sub("", name))
            made = model if quant_label(mixture) == model.quant else requantised(model, mixture)
        except (UnreadableModel, UnknownQuant, Unjudgeable):
            continue
        doubt = f"{source[:120]} is not here; it is taken for {made.name} at {made.quant}, by its name"
        return replace(made, doubts=(*made.doubts, doubt))
    return None


def is_quant_named(source: str) -> bool:
    """Whether a known model's name is followed by the quant of a checkpoint, whatever else the name is known for."""
    found = _QUANT_IN_NAME[1].fullmatch(_HUB.sub("", source))
    if found is None:
        return False
    try:
        return parse_quant(found["quant"]) is not None
    except UnknownQuant:
        return False


def _existing(source: str) -> str | None:
    """The file or directory with a model that is meant; None where there is nothing of that name."""
    looks_like_path = _looks_like_path(source)
    path = os.path.expanduser(source) if looks_like_path else source
    try:
        if os.path.isdir(path):
            return _in_directory(path, must_have_one=looks_like_path)
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnreadableModel(f"{source}: {reason}; check the path") from error
    if not stat.S_ISREG(mode):
        raise UnreadableModel(f"{source}: a pipe or a device, not a file; give a .gguf file")
    return path


def _local(source: str) -> "LocalModel | None":
    from estimator.local_models import find_local  # noqa: PLC0415  # 3 ms, for names only

    return find_local(source, os.environ)


def _with_local_names(error: UnreadableModel, source: str) -> UnreadableModel:
    """The error, with what is on this machine by a name like that."""
    from estimator.local_models import local_names_with  # noqa: PLC0415  # as above

    here = local_names_with(source, os.environ)[:MAX_LISTED]
    if not here:
        return error
    others = error.candidates if isinstance(error, AmbiguousModel) else ()
    listed = ", ".join((*here, *others)[:MAX_LISTED])
    return AmbiguousModel(f"{source!r} may be {listed}; name one of them", (*here, *others))


def _is_surely_path(source: str) -> bool:
    """Whether no name looks so."""
    return source.casefold().endswith(SUFFIXES) or source.startswith((".", "/", "~")) or "\\" in source


def _looks_like_path(source: str) -> bool:
    """A name may have one slash, between the owner and the model."""
    return _is_surely_path(source) or source.count("/") > 1 or source.endswith("/")


def _in_directory(directory: str, quant: str = "", *, must_have_one: bool = False) -> str | None:
    """The one GGUF model in a directory, whole or in parts, or the directory where it is a checkpoint.

    Image parts (mmproj) don't count.
    """
    try:
        everything = os.listdir(directory)
    except OSError as error:
        raise UnreadableModel(f"{directory}: cannot be listed ({error.strerror}); check who may read it") from error
    found = (name for name in everything if name.casefold().endswith(".gguf"))
    names = _first_parts(name for name in found if "mmproj" not in name.casefold())
    if quant:
        names = [name for name in names if quant.casefold() in name.casefold()] or names
    if len(names) > 1:
        more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
        raise AmbiguousModel(
            f"{directory} has several models: {', '.join(names[:MAX_LISTED])}{more}; name one of them",
            [os.path.join(directory, name) for name in names[:MAX_LISTED]],
        )
    if names:
        return os.path.join(directory, names[0])
    if any(name.endswith(".safetensors") or name in CHECKPOINT_FILES for name in everything):
        return directory
    if must_have_one:
        raise UnreadableModel(f"{directory} has no .gguf or .safetensors file in it; name a file or a model")
    return None


def _first_parts(names: Iterable[str]) -> list[str]:
    """One name per model, that of the first of its parts."""
    models: dict[str, str] = {}
    for name in sorted(names):
        models.setdefault(_PART.sub("", name), name)
    return list(models.values())

"""Reads a model from whatever names one: a file, a directory, or a name."""

import re
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Protocol

from estimator.errors import AmbiguousModel, UnreadableModel
from estimator.magic import HEAD_BYTES, explain
from estimator.mixture import parse_quant, quant_label, requantised
from estimator.model import Model

READERS = ("gguf", "catalogue")
"""Modules of ``estimator.readers``, in the order they are asked; each is imported when its turn comes."""

MAX_LISTED = 8

# As llama-gguf-split names the parts of a model.
_PART = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)", re.IGNORECASE)


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
    """The model of a GGUF file, of a directory with one in it, or of a name.

    Args:
        source: a path, or a name in any usual spelling.
        quant: what it would be under another mixture than it has; None leaves it as it is.

    Raises:
        AmbiguousModel: the name, or the directory, may mean several.
        UnreadableModel: no such file, no such name, or the file is no model.
        UnknownQuant: no quant is called that.
    """
    mixture = None if quant is None else parse_quant(quant)
    model = _read(_resolved(source))
    if mixture is None or quant_label(mixture) == model.quant:
        return model
    other = requantised(model, mixture)
    if model.file_bytes is None:
        return other
    return replace(
        other, doubts=(*other.doubts, f"the file is {model.quant}; {other.quant} is what it would be, not what it is")
    )


def _read(source: str) -> Model:
    for name in READERS:
        reader: Reader = import_module(f"estimator.readers.{name}")
        if reader.recognises(source):
            return reader.read(source)
    path = Path(source)
    if path.is_file():
        with path.open("rb") as file:
            raise explain(file.read(HEAD_BYTES), source)
    return reader.read(source)  # the last one knows names, and the nearest to a misspelt one


def _resolved(source: str) -> str:
    """The file that is meant, or the name as it was typed."""
    looks_like_path = _looks_like_path(source)
    path = Path(source).expanduser() if looks_like_path else Path(source)
    try:
        if path.is_dir():
            return _file_in(path, must_have_one=looks_like_path) or source
        exists = path.exists()
    except (OSError, ValueError) as error:
        raise UnreadableModel(f"{source}: {error}") from error
    if looks_like_path and not exists:
        raise UnreadableModel(f"{source}: no such file; check the path, or give a model's name")
    return str(path) if exists else source


def _looks_like_path(source: str) -> bool:
    """A name may have one slash, between the owner and the model."""
    return (
        source.casefold().endswith(".gguf")
        or source.startswith((".", "/", "~"))
        or "\\" in source
        or source.count("/") > 1
        or source.endswith("/")
    )


def _file_in(directory: Path, *, must_have_one: bool) -> str | None:
    """The one model in a directory, whole or in parts; image parts (mmproj) don't count."""
    models = _first_parts(path for path in directory.glob("*.[gG][gG][uU][fF]") if "mmproj" not in path.name.casefold())
    if len(models) > 1:
        names = [path.name for path in models]
        more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
        raise AmbiguousModel(
            f"{directory} has several models: {', '.join(names[:MAX_LISTED])}{more}; name one of them",
            [str(path) for path in models[:MAX_LISTED]],
        )
    if not models and must_have_one:
        raise UnreadableModel(f"{directory} has no .gguf file in it; name a file or a model")
    return str(models[0]) if models else None


def _first_parts(paths: Iterable[Path]) -> list[Path]:
    """One path per model, the first of its parts."""
    models: dict[str, Path] = {}
    for path in sorted(paths):
        models.setdefault(_PART.sub("", path.name), path)
    return list(models.values())

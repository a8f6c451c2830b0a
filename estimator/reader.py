"""Reads a model from whatever names one: a file, a directory, or a name."""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
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
    if _is_file(source):
        try:
            with open(source, "rb") as file:
                head = file.read(HEAD_BYTES)
        except OSError as error:
            raise UnreadableModel(f"{source}: cannot be read ({error.strerror}); check the file") from error
        raise explain(head, source)
    return reader.read(source)  # the last one knows names, and the nearest to a misspelt one


def _resolved(source: str) -> str:
    """The file that is meant, or the name as it was typed."""
    looks_like_path = _looks_like_path(source)
    path = os.path.expanduser(source) if looks_like_path else source
    try:
        if os.path.isdir(path):
            return _file_in(path, must_have_one=looks_like_path) or source
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise UnreadableModel(f"{source}: a pipe or a device, not a file; give a .gguf file")
    except FileNotFoundError:
        exists = False
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnreadableModel(f"{source}: {reason}; check the path") from error
    else:
        exists = True
    if looks_like_path and not exists:
        raise UnreadableModel(f"{source}: no such file; check the path, or give a model's name")
    return path if exists else source


def _is_file(path: str) -> bool:
    try:
        return os.path.isfile(path)
    except ValueError:  # a NUL in it
        return False


def _looks_like_path(source: str) -> bool:
    """A name may have one slash, between the owner and the model."""
    return (
        source.casefold().endswith(".gguf")
        or source.startswith((".", "/", "~"))
        or "\\" in source
        or source.count("/") > 1
        or source.endswith("/")
    )


def _file_in(directory: str, *, must_have_one: bool) -> str | None:
    """The one model in a directory, whole or in parts; image parts (mmproj) don't count."""
    found = (name for name in os.listdir(directory) if name.casefold().endswith(".gguf"))
    names = _first_parts(name for name in found if "mmproj" not in name.casefold())
    if len(names) > 1:
        more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
        raise AmbiguousModel(
            f"{directory} has several models: {', '.join(names[:MAX_LISTED])}{more}; name one of them",
            [os.path.join(directory, name) for name in names[:MAX_LISTED]],
        )
    if not names and must_have_one:
        raise UnreadableModel(f"{directory} has no .gguf file in it; name a file or a model")
    return os.path.join(directory, names[0]) if names else None


def _first_parts(names: Iterable[str]) -> list[str]:
    """One name per model, that of the first of its parts."""
    models: dict[str, str] = {}
    for name in sorted(names):
        models.setdefault(_PART.sub("", name), name)
    return list(models.values())

"""The model that a running engine has loaded: what its command names, what it has open, or what is called so."""

import re
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from estimator.errors import EstimatorError
from estimator.mixture import parse_quant
from estimator.model import Model
from estimator.ollama_store import name_of_blob
from estimator.readers import catalogue
from launches.launch import Launch
from probes.served import Served
from records.record import record
from tui.launched import model_of

_PART = re.compile(r"-\d{5}-of-\d{5}$")
_QUANT = re.compile(r"(.+?)[-._ ]((?:UD-)?(?:I?Q\d|TQ\d|BF16|FP?16|F32|MXFP4)[A-Za-z0-9_]*)", re.IGNORECASE)
"""A file of GGUF as people call it: the model, then the quant."""
_MOST_FILES = 4


class FoundAs(Enum):
    """By what it is known."""

    READ = "read"
    """Its own file, or a name that the engine itself would look up."""
    NAME = "name"
    """The file cannot be read here: it is taken for what its name says."""


@record(frozen=True, slots=True, kw_only=True)
class RunningModel:
    """One model, and the launch with what names it."""

    model: Model
    launch: Launch
    found_as: FoundAs = FoundAs.READ
    name: str = ""
    """As it is listed here (Ollama's); empty: as the model calls itself."""


def find_running_model(
    launch: Launch,
    *,
    files: Callable[[], tuple[str, ...] | None],
    path_of: Callable[[str], str],
    served: Served | None = None,
) -> RunningModel:
    """The first way that leads to a model.

    Raises:
        EstimatorError: none does; the message is of the command's own.
    """
    failure: EstimatorError
    try:
        source = None if launch.source is None else path_of(launch.source)
        return _read(replace(launch, source=source))
    except EstimatorError as error:
        failure = error
    opened = tuple(files() or ())[:_MOST_FILES]
    for path in opened:
        try:
            return _read(replace(launch, source=path_of(path), quant=None))
        except EstimatorError:
            continue
    for text in (launch.source, served.model if served else None, *opened):
        found = None if text is None else _by_name(text, served.quant if served and text == served.model else None)
        if found is not None:
            return RunningModel(model=found, launch=replace(launch, quant=found.quant), found_as=FoundAs.NAME)
    raise failure


def _read(launch: Launch) -> RunningModel:
    name = name_of_blob(launch.source) if launch.source and "sha256" in launch.source else ""
    return RunningModel(model=model_of(launch), launch=launch, name=name or "")


def _by_name(text: str, quant: str | None) -> Model | None:
    """A model of the catalogue, where both it and its quant are clear; None where they are not.

    Args:
        text: a path or a name.
        quant: where that is told apart from the name.
    """
    name = _PART.sub("", re.sub(r"\.gguf$", "", re.split(r"[/\\]", text)[-1], flags=re.IGNORECASE))
    found = _QUANT.fullmatch(name)
    if found is not None:
        name, quant = found[1], quant or found[2]
    if quant is None or not name:
        return None
    try:
        return catalogue.read(name, parse_quant(re.sub("^UD-", "", quant, flags=re.IGNORECASE)))
    except EstimatorError:
        return None

"""``plimsoll models``: what lies on this machine, as a table or as JSON."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from estimator.found_model import MODEL, FoundModel
from estimator.inventory import Inventory
from estimator.model_roots import HUGGING_FACE
from tui.check import complain
from tui.columns import columns
from tui.humanize import parameters, plain, sentence, short_count, size
from tui.models_flags import models_parser
from tui.shelf import find_models

SCHEMA = 1
WHOLE, UNSOUND = 0, 1
_MOST_NAME = 56
_HEAD = ("model", "params", "quant", "size", "context", "from", "")
_IS_RIGHT = (False, True, False, True, True, False, False)


def run_models(words: Sequence[str]) -> int:
    """Print the list, and return the exit status."""
    given = models_parser().parse_args(words)
    folders = [os.path.abspath(os.path.expanduser(folder)) for folder in given.folders]
    if given.is_names:
        print("\n".join(typed_names(find_models(folders, is_reading=False))))
        return WHOLE
    found = find_models(folders, is_reading=not given.is_quick)
    if given.is_json:
        import json  # noqa: PLC0415  # loaded with the cache

        print(json.dumps(inventory_json(found), indent=2))
    else:
        print("\n".join(inventory_lines(found, is_all=given.is_all)))
    for complaint in found.complaints:
        complain(complaint)
    return UNSOUND if given.is_strict and any(model.trouble for model in found.models) else WHOLE


def inventory_lines(found: Inventory, *, is_all: bool = False) -> Iterator[str]:
    """A table, and one line of what is in it."""
    shown = [model for model in found.models if is_all or model.role == MODEL]
    if not found.models:
        yield "no models found: the places looked at are those of plimsoll models --help"
        return
    rows = [_HEAD, *(_row(model) for model in shown)]
    yield from columns(rows, _IS_RIGHT)
    yield ""
    yield _sum(found, len(shown))


def _row(model: FoundModel) -> tuple[str, ...]:
    facts = model.facts
    more = f" +{len(model.names) - 1}" if len(model.names) > 1 else ""
    quant = facts.quant if facts is not None and facts.quant else ""
    role = "" if model.role == MODEL else model.role
    return (
        plain(model.names[0], _MOST_NAME - len(more)) + more,
        parameters(facts.n_parameters) if facts is not None and facts.n_parameters else "",
        plain(quant, 16) or ("" if model.format in ("gguf", "unknown") else model.format),
        size(model.n_bytes),
        short_count(facts.context_tokens) if facts is not None and facts.context_tokens else "",
        ", ".join(model.sources),
        sentence([role, _state_text(model)]),
    )


def _state_text(model: FoundModel) -> str:
    if not model.trouble:
        return ""
    return plain(model.trouble if model.is_partial else f"broken: {model.trouble}", 120)


def _sum(found: Inventory, n_shown: int) -> str:
    n_partial = sum(model.is_partial for model in found.models)
    n_broken = sum(bool(model.trouble) for model in found.models) - n_partial
    n_hidden = len(found.models) - n_shown
    return sentence(
        [
            f"{n_shown} model{'s' if n_shown != 1 else ''}",
            f"{n_hidden} of their parts (--all lists them)" if n_hidden else "",
            f"{size(found.n_bytes)} on disk",
            f"{n_broken} broken" if n_broken else "",
            f"{n_partial} unfinished" if n_partial else "",
            f"{found.n_unread} not read yet" if found.n_unread else "",
        ]
    )


def state_of(model: FoundModel) -> str:
    """``whole``, ``broken`` or ``unfinished``."""
    return "unfinished" if model.is_partial else "broken" if model.trouble else "whole"


def inventory_json(found: Inventory) -> dict[str, Any]:
    """Schema 1: sizes in bytes; null is what was not read, or no header says."""
    return {
        "schema": SCHEMA,
        "total_bytes": found.n_bytes,
        "unread": found.n_unread,
        "models": [_model_json(model) for model in found.models],
        "complaints": list(found.complaints),
    }


def _model_json(model: FoundModel) -> dict[str, Any]:
    facts = model.facts
    return {
        "names": list(model.names),
        "path": model.path,
        "load_as": model.key,
        "sources": list(model.sources),
        "role": model.role,
        "format": model.format,
        "bytes": model.n_bytes,
        "files": len(model.files),
        "quant": facts.quant or None if facts is not None else None,
        "architecture": facts.architecture or None if facts is not None else None,
        "parameters": facts.n_parameters if facts is not None else None,
        "context_tokens": facts.context_tokens if facts is not None else None,
        "state": state_of(model),
        "trouble": model.trouble or None,
        "note": facts.note or None if facts is not None else None,
    }


def typed_names(found: Inventory) -> list[str]:
    """What completion offers for a model: names and files that are here and whole, then the catalogue's."""
    from estimator.readers.catalogue import entries  # noqa: PLC0415  # 15 ms

    here = [name for model in found.models if model.is_usable for name in _typed(model)]
    known = [name for entry in entries() for name in (entry.ollama_name, entry.checkpoint) if name]
    return [name for name in dict.fromkeys((*here, *known)) if name.isprintable() and " " not in name]


def _typed(model: FoundModel) -> tuple[str, ...]:
    """Of a file its path: no name leads to it."""
    if model.key in model.names:
        return model.names
    name = model.names[0]
    is_repository = HUGGING_FACE in model.sources and name.count("/") == 1 and "@" not in name
    return (name,) if is_repository else (model.key,)

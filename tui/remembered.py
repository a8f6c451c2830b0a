"""The load that was planned last on this machine, kept so that the app opens with it. Names and numbers, nothing else.

One small JSON file in the platform's place for state, an entry a host: a home directory may be shared by many.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from estimator.engine import ENGINES, load_engine
from tui.request import AUTO, Request
from tui.settings_file import replace_file
from tui.small_file import read_small_file

if TYPE_CHECKING:
    from pathlib import Path

    from tui.plan import Plan

_MOST_BYTES = 256 * 1024
_MOST_HOSTS = 64
_MOST_TOKENS = 1 << 30


def host_name() -> str:
    """Under which this machine's entry stands."""
    return socket.gethostname()[:200] or "localhost"


def remember(plan: Plan, quant: str | None, path: Path, host: str) -> None:
    """Keep the plan; ``quant`` where it is not the file's own.

    Raises:
        OSError: it cannot be written; what was there is unharmed.
    """
    model, defaults = plan.model, plan.engine.Options()
    options = {
        each.name: value
        for each in fields(plan.options)
        if (value := getattr(plan.options, each.name)) != getattr(defaults, each.name)
    }
    found = {
        "source": model.source if os.path.exists(model.source) else model.name,
        "quant": quant,
        "context_tokens": plan.workload.context_tokens,
        "n_sequences": plan.workload.n_sequences,
        "kv_type": plan.workload.kv_type,
        "engine": plan.engine_name,
        "device": AUTO if plan.devices is None else ",".join(plan.devices) or "cpu",
        "options": options,
    }
    others = {name: entry for name, entry in _entries(path).items() if name != host}
    kept = dict(list(others.items())[-(_MOST_HOSTS - 1) :]) | {host: found}
    replace_file(path, json.dumps(kept, indent=1))


def last_request(path: Path, host: str) -> Request | None:
    """What was planned last on this machine; None where nothing was, or nothing that can be used."""
    entry = _entries(path).get(host)
    if not isinstance(entry, dict):
        return None
    name, source = entry.get("engine"), entry.get("source")
    if name not in ENGINES or not isinstance(source, str) or not source:
        return None
    engine = load_engine(name)
    kv_type = entry.get("kv_type")
    return Request(
        source=source,
        quant=_text(entry.get("quant")),
        context_tokens=_count(entry.get("context_tokens")),
        n_sequences=_count(entry.get("n_sequences")) or 1,
        kv_type=kv_type if kv_type in engine.KV_TYPES else None,
        engine_name=name,
        options=_options(engine.Options, entry.get("options")),
        device=_text(entry.get("device")) or AUTO,
    )


def _entries(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_small_file(path, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_TOKENS else None


def _options(make: Any, found: object) -> Any:
    """The engine's options; one that it does not know, or of another type, stays at its default."""
    defaults = make()
    kept = {}
    for each in fields(defaults):
        value = found.get(each.name) if isinstance(found, dict) else None
        value = tuple(value) if isinstance(value, list) else value
        if value is not None and _is_like(value, getattr(defaults, each.name), str(each.type)):
            kept[each.name] = value
    try:
        return make(**kept)
    except (TypeError, ValueError):
        return defaults


def _is_like(value: object, default: object, annotation: str) -> bool:
    if default is not None:
        return type(value) is type(default)
    return type(value).__name__ in annotation

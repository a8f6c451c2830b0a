"""JSON inside one word of a command line."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


def json_object(word: str) -> dict[str, Any] | None:
    """The object that is written so; None where it is none."""
    try:
        found = json.loads(word)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def merged(objects: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One object of several, the later ones over the earlier, level by level."""
    found: dict[str, Any] = {}
    for each in objects:
        for key, value in each.items():
            before = found.get(key)
            if isinstance(value, Mapping) and isinstance(before, Mapping):
                found[key] = merged((before, value))
            else:
                found[key] = value
    return found

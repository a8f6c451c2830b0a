"""What headers said the last time, kept in one JSON file by path, size and time of the files.

It is a cache: a damaged one is begun anew, one that can't be written is done without, and of two programs that write
at once the last one stays.
"""

import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, fields
from typing import Any

from estimator.found_model import Facts, FoundModel

SCHEMA = 1
_MOST_BYTES = 64 << 20
MOST_ENTRIES = 50_000
"""Of some 300 bytes each; those that were seen longest ago go first."""
_TEXTS = frozenset(each.name for each in fields(Facts) if each.type is str)
_MOST_TEXT = 400


class FactsCache:
    """Read once, before threads look into it; written once, after them."""

    def __init__(self, path: str | None, made_by: str = "") -> None:
        self._path = path
        self._made_by = made_by
        """The version that read the headers: another may read more out of them."""
        self._entries = _read(path, made_by)
        self._given: dict[str, Facts] = {}
        """What ``find`` gave out: it need not be written again."""

    def find(self, model: FoundModel) -> Facts | None:
        """What was read of just these files; None where they are new or have changed."""
        entry = self._entries.get(model.path)
        if not isinstance(entry, list) or len(entry) != 2 or entry[0] != stamp_of(model):
            return None
        facts = _facts(entry[1])
        if facts is not None:
            self._given[model.path] = facts
        return facts

    def keep(self, models: Iterable[FoundModel]) -> None:
        """Write what was read of these down, beside what is known of others; nothing is said where that fails."""
        read = [model for model in models if model.facts is not None]
        if self._path is None or all(self._given.get(model.path) is model.facts for model in read):
            return
        seen = {model.path: [stamp_of(model), _told(model.facts)] for model in read if model.facts is not None}
        others = {path: entry for path, entry in self._entries.items() if path not in seen}
        kept = dict(list((others | seen).items())[-MOST_ENTRIES:])
        text = json.dumps({"schema": SCHEMA, "made_by": self._made_by, "entries": kept}, separators=(",", ":"))
        with suppress(OSError):  # a home that is read-only, a disk that is full
            _replace(self._path, text)


def stamp_of(model: FoundModel) -> str:
    """Size and time of each of its files."""
    files = sorted((*model.files, *model.companions), key=lambda file: file.path)
    stamps = ",".join(f"{file.n_bytes}:{file.changed_ns}" for file in files)
    if len(stamps) <= 200:
        return stamps
    from hashlib import blake2b  # noqa: PLC0415  # 2 ms, for those of many parts

    return blake2b(stamps.encode(), digest_size=16).hexdigest()


def _read(path: str | None, made_by: str) -> dict[str, Any]:
    try:
        if path is None or not os.path.isfile(path) or os.path.getsize(path) > _MOST_BYTES:
            return {}
        with open(path, "rb") as file:
            found = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or (found.get("schema"), found.get("made_by")) != (SCHEMA, made_by):
        return {}
    entries = found.get("entries")
    return entries if isinstance(entries, dict) else {}


def _told(facts: Facts) -> dict[str, object]:
    return {name: value for name, value in asdict(facts).items() if value not in ("", None)}


def _facts(told: object) -> Facts | None:
    """None of what no version writes."""
    if not isinstance(told, dict):
        return None
    names = {each.name for each in fields(Facts)}
    for name, value in told.items():
        is_text = name in _TEXTS and isinstance(value, str) and len(value) <= _MOST_TEXT
        is_count = name not in _TEXTS and type(value) is int and value >= 0
        if name not in names or not (is_text or is_count):
            return None
    return Facts(**told)


def _replace(path: str, text: str) -> None:
    """Whole or not at all."""
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise

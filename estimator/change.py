"""A rule of an engine's memory that holds from a day on."""

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """From this day on a field has another value."""

    since: date
    field: str
    evidence: str
    _: KW_ONLY
    before: object
    after: object


def values_on(day: date, changes: Iterable[Change]) -> dict[str, Any]:
    """What holds on a day: of each field the last change before it, or what was before the first."""
    found: dict[str, Any] = {}
    for change in changes:
        if day >= change.since:
            found[change.field] = change.after
        else:
            found.setdefault(change.field, change.before)
    return found

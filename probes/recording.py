"""A snapshot as JSON and back: what ``plimsoll snapshot`` prints and ``--replay`` reads.

Schema 1 is the dataclasses of ``probes/snapshot.py`` by their field names, with ``"schema": 1`` in front; null is "not
reported". A field that a later version adds has a default, so older recordings stay readable; keys that are not known
here are passed over, so newer ones do too.

What is read is not trusted: types, signs and ranges are checked field by field. Text is kept as it is, with whatever
control characters it holds; whoever shows it has to clean it.
"""

from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, asdict, fields
from typing import Any, TypeVar

from probes.errors import ProbeError
from probes.snapshot import Absence, Details, Device, Fault, Machine, Pool, Process, Snapshot, Version

SCHEMA = 1

_MOST_COUNT = 2**63 - 1
"""More than any count or size of memory; a larger one would not pass through a float."""
_MOST_FIGURE = 253_402_300_799.0
"""The last second of the year 9999, so that every time is a date; other figures are far smaller."""
_MOST_RATE = 1e15
"""Bytes a second: all links of a B200 carry 9e11 each way."""
_MAY_BE_NEGATIVE = frozenset({"temperature_celsius"})

_T = TypeVar("_T")


class RecordingError(ProbeError):
    """Not a snapshot in a schema that is known here; the message says where it differs."""


def snapshot_to_json(snapshot: Snapshot) -> dict[str, Any]:
    """What ``json.dumps`` takes, and ``snapshot_from_json`` reads back equal in every field."""
    plain: dict[str, Any] = _listed(asdict(snapshot))
    return {"schema": SCHEMA} | plain


def snapshot_from_json(value: object) -> Snapshot:
    """The snapshot that was written.

    Raises:
        RecordingError: it is none.
    """
    if not isinstance(value, dict):
        raise RecordingError(f"a snapshot is a JSON object, not {_kind(value)}")
    if "schema" not in value:
        raise RecordingError('this is no recorded snapshot: "schema" is missing')
    if type(value["schema"]) is not int or value["schema"] != SCHEMA:
        raise RecordingError(f"its schema is {_shown(value['schema'])}; this version of Plimsoll reads schema {SCHEMA}")
    machine = value.get("machine")
    return Snapshot(
        taken_seconds=_figure(_present(value, "taken_seconds"), "taken_seconds"),
        pools=_unique(_rows(Pool, fields(Pool), value, "pools"), "pools"),
        devices=_unique(_rows(Device, fields(Device), value, "devices"), "devices"),
        processes=_rows(Process, fields(Process), value, "processes"),
        faults=_rows(Fault, fields(Fault), value, "faults"),
        versions=_rows(Version, fields(Version), value, "versions"),
        machine=None if machine is None else _row(Machine, fields(Machine), machine, "machine"),
        late_seconds=_figure(_present(value, "late_seconds"), "late_seconds"),
        # Recordings from before 0.2 have none.
        absences=_rows(Absence, fields(Absence), value, "absences") if "absences" in value else (),
        pending=tuple(_text(name, f"pending[{index}]") for index, name in enumerate(_list(value, "pending"))),
    )


def _listed(value: Any) -> Any:
    """With lists for tuples, as JSON has them."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, tuple | list) else value


def _present(value: dict[str, Any], key: str) -> object:
    if key not in value:
        raise RecordingError(f"{key} is missing")
    return value[key]


def _list(value: dict[str, Any], key: str) -> list[Any]:
    items = _present(value, key)
    if not isinstance(items, list):
        raise RecordingError(f"{key} is a list, not {_kind(items)}")
    return items


def _rows(make: Callable[..., _T], columns: Iterable[Field[Any]], value: dict[str, Any], key: str) -> tuple[_T, ...]:
    return tuple(_row(make, columns, row, f"{key}[{index}]") for index, row in enumerate(_list(value, key)))


def _row(make: Callable[..., _T], columns: Iterable[Field[Any]], row: object, where: str) -> _T:
    if not isinstance(row, dict):
        raise RecordingError(f"{where} is an object, not {_kind(row)}")
    found = {}
    for column in columns:
        if column.name in row:
            found[column.name] = _READERS[column.type](row[column.name], f"{where}.{column.name}")
        elif column.default is MISSING:
            raise RecordingError(f"{where}.{column.name} is missing")
    return make(**found)


_Keyed = TypeVar("_Keyed", Pool, Device)


def _unique(rows: tuple[_Keyed, ...], where: str) -> tuple[_Keyed, ...]:
    """The rows, of which no two have one key: a table shows each under its key."""
    keys: set[str] = set()
    for row in rows:
        if row.key in keys:
            raise RecordingError(f"{where}: two are called {_shown(row.key)}")
        keys.add(row.key)
    return rows


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise RecordingError(f"{where} is text, not {_kind(value)}")
    return value


def _count(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise RecordingError(f"{where} is a whole number, not {_kind(value)}")
    if not 0 <= value <= _MOST_COUNT:
        raise RecordingError(f"{where} is out of range")
    return value


def _figure(value: object, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise RecordingError(f"{where} is a number, not {_kind(value)}")
    name = where.rpartition(".")[2]
    least = -_MOST_FIGURE if name in _MAY_BE_NEGATIVE else 0
    most = _MOST_RATE if name.endswith("_bytes_per_second") else _MOST_FIGURE
    if not least <= value <= most:  # false for NaN too
        raise RecordingError(f"{where} is out of range")
    return float(value)


def _truth(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise RecordingError(f"{where} is true or false, not {_kind(value)}")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise RecordingError(f"{where} is a list, not {_kind(value)}")
    return tuple(_text(item, f"{where}[{index}]") for index, item in enumerate(value))


def _counts(value: object, where: str) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise RecordingError(f"{where} is a list, not {_kind(value)}")
    return tuple(_count(item, f"{where}[{index}]") for index, item in enumerate(value))


def _details(value: object, where: str) -> Details:
    return _row(Details, fields(Details), value, where)


def _optional(read: Callable[[object, str], _T]) -> Callable[[object, str], _T | None]:
    return lambda value, where: None if value is None else read(value, where)


_READERS: dict[object, Callable[[object, str], object]] = {
    str: _text,
    int: _count,
    float: _figure,
    bool: _truth,
    str | None: _optional(_text),
    int | None: _optional(_count),
    float | None: _optional(_figure),
    bool | None: _optional(_truth),
    tuple[str, ...]: _texts,
    tuple[str, ...] | None: _optional(_texts),
    tuple[int, ...]: _counts,
    Details | None: _optional(_details),
}
"""How a field of each type is read. A field of another type in the snapshot needs a line here; a test sees to it."""

_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "null" if value is None else type(value).__name__)


def _shown(value: object) -> str:
    """Something from a file in a message: short, and without control characters."""
    return ascii(value[:40]) if isinstance(value, str) else ascii(value) if _is_short(value) else _kind(value)


def _is_short(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and abs(value) < 10**9)

"""The loads that were watched on this machine, kept in one small SQLite file in the platform's place for state.

It never leaves the machine. Imports sqlite3 (6 to 8 ms with datetime): only who keeps or reads loads imports this.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tui.kept_load import NAME_LENGTH, KeptLoad, KeptPlace
from tui.store_file import StoreFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

MOST_LOADS = 2000
"""Kept at most, of all machines together; the oldest go. Some 400 bytes each."""
_MOST_PLACES = 64
_MOST_BYTES = 1 << 60
_MOST_SECONDS = 1e10
"""In the year 2286: a later time is no time, and the system's calendar may refuse it."""
_LOAD_COLUMNS = tuple(each.name for each in fields(KeptLoad) if each.name != "places")
_PLACE_COLUMNS = tuple(each.name for each in fields(KeptPlace))
_ADDRESS = ("host", "boot", "pid", "started_ticks")
_UPSERT = (
    f"INSERT INTO loads ({', '.join(_LOAD_COLUMNS)}) VALUES ({', '.join('?' * len(_LOAD_COLUMNS))}) "  # noqa: S608  # names of columns
    f"ON CONFLICT ({', '.join(_ADDRESS)}) DO UPDATE SET engine_version = "
    "CASE excluded.engine_version WHEN '' THEN engine_version ELSE excluded.engine_version END"
)
_FIND = f"SELECT id FROM loads WHERE {' AND '.join(f'{name} = ?' for name in _ADDRESS)}"  # noqa: S608  # names of columns
_PLACE = (
    f"INSERT INTO places (load_id, {', '.join(_PLACE_COLUMNS)}) "  # noqa: S608  # names of columns
    f"VALUES (?, {', '.join('?' * len(_PLACE_COLUMNS))}) ON CONFLICT (load_id, name) DO UPDATE SET "
    "held_bytes = max(held_bytes, excluded.held_bytes), peak_bytes = max(peak_bytes, excluded.peak_bytes), "
    "runtime_bytes = CASE WHEN excluded.runtime_bytes IS NULL THEN NULL ELSE runtime_bytes END"
)
_TRIM = "DELETE FROM loads WHERE id NOT IN (SELECT id FROM loads ORDER BY rested_seconds DESC, id DESC LIMIT ?)"
_ORPHANS = "DELETE FROM places WHERE load_id NOT IN (SELECT id FROM loads)"
_NEWEST = f"SELECT id, {', '.join(_LOAD_COLUMNS)} FROM loads ORDER BY rested_seconds DESC, id DESC LIMIT ?"  # noqa: S608  # names of columns
_PLACES = (
    f"SELECT load_id, {', '.join(_PLACE_COLUMNS)} FROM places WHERE load_id IN "  # noqa: S608  # names of columns
    "(SELECT id FROM loads ORDER BY rested_seconds DESC, id DESC LIMIT ?) ORDER BY load_id, rowid"
)


class Store:
    """Loads of this machine and of others that share the file."""

    def __init__(self, path: Path, *, most_loads: int = MOST_LOADS) -> None:
        self._file = StoreFile(path)
        self._most_loads = most_loads

    @property
    def notice(self) -> str:
        """What became of a damaged file, in a sentence; empty where nothing did."""
        return self._file.notice

    def keep(self, load: KeptLoad) -> None:
        """Keep it, once: who keeps the same again only raises what it held.

        Raises:
            StoreError: it is not kept; all others still are.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_UPSERT, [_storable(getattr(load, name)) for name in _LOAD_COLUMNS])
            row = connection.execute(_FIND, [_storable(getattr(load, name)) for name in _ADDRESS]).fetchone()
            for place in load.places[:_MOST_PLACES]:
                connection.execute(_PLACE, [row[0], *(_storable(getattr(place, name)) for name in _PLACE_COLUMNS)])
            connection.execute(_TRIM, [self._most_loads])
            connection.execute(_ORPHANS)

        self._file.write(work)

    def loads(self, most: int = MOST_LOADS) -> tuple[KeptLoad, ...]:
        """The newest first; rows that make no sense are left out.

        Raises:
            StoreError: the file is there and cannot be read.
        """

        def work(connection: sqlite3.Connection) -> tuple[KeptLoad, ...]:
            most_rows = min(most, MOST_LOADS)
            places: dict[object, list[Sequence[Any]]] = {}
            for number, *row in connection.execute(_PLACES, [most_rows]):
                places.setdefault(number, []).append(row)
            rows = connection.execute(_NEWEST, [most_rows]).fetchall()
            found = (_load(row, places.get(number, ())) for number, *row in rows)
            return tuple(load for load in found if load is not None)

        return self._file.read(work) or ()

    def forget(self, loads: Sequence[KeptLoad]) -> int:
        """Remove these, and say how many were there.

        Raises:
            StoreError: none is removed.
        """

        def work(connection: sqlite3.Connection) -> int:
            n_removed = 0
            for load in loads:
                address = [_storable(getattr(load, name)) for name in _ADDRESS]
                row = connection.execute(_FIND, address).fetchone()
                if row is not None:
                    connection.execute("DELETE FROM loads WHERE id = ?", row)
                    n_removed += 1
            connection.execute(_ORPHANS)
            return n_removed

        return self._file.write(work) if loads else 0

    def forget_all(self) -> int:
        """Remove all, those that make no sense as well, with what a damaged file held; say how many there were.

        Raises:
            StoreError: none is removed.
        """

        def work(connection: sqlite3.Connection) -> int:
            n_removed = connection.execute("DELETE FROM loads WHERE 1").rowcount
            connection.execute("DELETE FROM places WHERE 1")
            return n_removed

        found = self._file.write(work) if self._file.exists() else 0
        self._file.drop_aside()
        return found


def _storable(value: Any) -> Any:
    """SQLite's whole numbers have 64 bits."""
    if isinstance(value, str):
        return value[:NAME_LENGTH].encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return max(-(1 << 62), min(1 << 62, int(value)))
    return value


def _load(row: Sequence[Any], places: Sequence[Sequence[Any]]) -> KeptLoad | None:
    values = dict(zip(_LOAD_COLUMNS, row, strict=True))
    made = [_place(dict(zip(_PLACE_COLUMNS, each, strict=True))) for each in places]
    is_whole = (
        _are(
            values,
            str,
            "host",
            "boot",
            "program",
            "engine_name",
            "engine_version",
            "model_name",
            "quant",
            "architecture",
        )
        and _are(values, int, "pid", "started_ticks", "n_sequences")
        and _are(values, float, "rested_seconds", "loading_seconds")
        and all(0 <= values[name] < _MOST_SECONDS for name in ("rested_seconds", "loading_seconds"))
        and (values["context_tokens"] is None or isinstance(values["context_tokens"], int))
    )
    kept = tuple(place for place in made if place is not None)
    return KeptLoad(**values, places=kept) if is_whole and kept and len(kept) == len(made) else None


def _place(values: dict[str, Any]) -> KeptPlace | None:
    numbers = ("predicted_bytes", "low_bytes", "high_bytes", "held_bytes", "peak_bytes")
    is_whole = (
        _are(values, str, "name", "product", "vendor", "driver")
        and _are(values, int, *numbers, "takes_share")
        and all(0 <= values[name] <= _MOST_BYTES for name in numbers)
        and all(values[name] is None or _is_size(values[name]) for name in ("runtime_bytes", "calibrated_bytes"))
    )
    return KeptPlace(**values | {"takes_share": bool(values["takes_share"])}) if is_whole else None


def _is_size(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= _MOST_BYTES


def _are(values: dict[str, Any], kind: type, *names: str) -> bool:
    return all(isinstance(values[name], kind) for name in names)

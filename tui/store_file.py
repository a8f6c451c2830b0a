"""The SQLite file below the store: opened for one piece of work at a time, migrated, moved aside where it is damaged.

The journal is SQLite's oldest (DELETE), with an fsync at each commit: a home directory may lie on a network, where the
shared memory of a write-ahead log does not work (sqlite.org/wal.html, section 1), and one load in minutes is nothing to
hurry for. A killed writer leaves a journal that whoever opens the file next rolls back (sqlite.org/atomiccommit.html,
section 4).
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from tui.small_file import NO_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    _T = TypeVar("_T")

_BUSY_SECONDS = 2.0
"""For another app's transaction of some milliseconds; then the load is not kept."""
_MOST_VALUE_BYTES = 64 * 1024
"""Of one value or statement: a damaged length asks for no more memory than this."""
_STEPS = (
    (
        """CREATE TABLE loads (
            id INTEGER PRIMARY KEY, host TEXT NOT NULL, boot TEXT NOT NULL, pid INTEGER NOT NULL,
            started_ticks INTEGER NOT NULL, rested_seconds REAL NOT NULL, loading_seconds REAL NOT NULL,
            program TEXT NOT NULL, engine_name TEXT NOT NULL, engine_version TEXT NOT NULL, model_name TEXT NOT NULL,
            quant TEXT NOT NULL, context_tokens INTEGER, n_sequences INTEGER NOT NULL,
            UNIQUE (host, boot, pid, started_ticks))""",
        """CREATE TABLE places (
            load_id INTEGER NOT NULL, name TEXT NOT NULL, product TEXT NOT NULL, vendor TEXT NOT NULL,
            driver TEXT NOT NULL, predicted_bytes INTEGER NOT NULL, low_bytes INTEGER NOT NULL,
            high_bytes INTEGER NOT NULL, held_bytes INTEGER NOT NULL, peak_bytes INTEGER NOT NULL,
            takes_share INTEGER NOT NULL, PRIMARY KEY (load_id, name))""",
    ),
    (
        "ALTER TABLE loads ADD COLUMN architecture TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE places ADD COLUMN runtime_bytes INTEGER",
        "ALTER TABLE places ADD COLUMN calibrated_bytes INTEGER",
    ),
)
"""Statements that lead from each version of the schema to the next."""


class StoreError(Exception):
    """The store cannot be used now, and why: one sentence."""


class _DamagedError(Exception):
    """The bytes are no store."""


class StoreFile:
    """One file. What is damaged is moved aside once, and ``notice`` says so."""

    def __init__(self, path: Path, steps: Sequence[Sequence[str]] = _STEPS) -> None:
        self._path = path
        self._aside = path.with_name(f"{path.name}.damaged")
        self._steps = steps
        self.notice = ""

    def exists(self) -> bool:
        """False only where that is sure; what cannot be looked at says so when it is opened."""
        with suppress(OSError):
            return self._path.exists()
        return True

    def drop_aside(self) -> None:
        """Remove what was moved aside.

        Raises:
            StoreError: it is there still.
        """
        try:
            self._aside.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self._aside}: {error.strerror or error}; it is there still") from error

    def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """What ``work`` finds; None where there is no file.

        Raises:
            StoreError: it cannot be read.
        """
        return self._attempt(work, is_made=False) if self.exists() else None

    def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do ``work`` in one transaction: all of it is there afterwards, or nothing.

        Raises:
            StoreError: it could not be written; what was there is unharmed.
        """

        def in_transaction(connection: sqlite3.Connection) -> _T:
            with _transaction(connection):
                return work(connection)

        return self._attempt(in_transaction, is_made=True)

    def _attempt(self, work: Callable[[sqlite3.Connection], _T], *, is_made: bool) -> _T:
        try:
            try:
                return self._once(work, is_made=is_made)
            except _DamagedError:
                self._move_aside()
                return self._once(work, is_made=True)
        except _DamagedError as error:
            raise StoreError(f"{self._path} is damaged ({error}); nothing is learned") from error
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {_why(error)}; nothing is learned") from error
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror or error}; nothing is learned") from error

    def _once(self, work: Callable[[sqlite3.Connection], _T], *, is_made: bool) -> _T:
        if is_made:
            self._make()
        self._refuse_pipes()
        address = f"{self._path.absolute().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_VALUE_BYTES)
                connection.text_factory = lambda data: data.decode("utf-8", "replace")
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is gone from the file's free pages
                migrate(connection, self._steps, self._path)
                return work(connection)
        except UnicodeDecodeError as error:  # of a table's own description, which sqlite3 decodes itself
            raise _DamagedError("names that are no text") from error
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                raise _DamagedError(str(error)[:100]) from error
            raise

    def _refuse_pipes(self) -> None:
        """SQLite opens the file and its journal as whatever they are, and would wait for a pipe's writer."""
        for path in (str(self._path), f"{self._path}-journal"):
            with suppress(FileNotFoundError):
                if not stat.S_ISREG(os.stat(path).st_mode):
                    raise StoreError(f"{path} is {NO_FILE}; nothing is learned")

    def _make(self) -> None:
        """An empty file for this user's eyes only."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def _move_aside(self) -> None:
        """What is damaged is kept beside the new one, in place of an earlier one; its journal would harm the new."""
        os.replace(self._path, self._aside)
        with suppress(FileNotFoundError):
            os.unlink(f"{self._path}-journal")
        self.notice = f"what was learned of loads was damaged: it is kept in {self._aside}, and a new store is begun"


def migrate(connection: sqlite3.Connection, steps: Sequence[Sequence[str]], path: object) -> None:
    """Bring the schema to the newest version, in one transaction.

    Raises:
        StoreError: a newer Plimsoll made it.
    """
    if _version_of(connection, steps, path) == len(steps):
        return
    with _transaction(connection):
        for step in steps[_version_of(connection, steps, path) :]:  # another app may have done it meanwhile
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps):d}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")


def _version_of(connection: sqlite3.Connection, steps: Sequence[Sequence[str]], path: object) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version < 0:
        raise _DamagedError("no version")
    if version > len(steps):
        raise StoreError(f"{path} was made by a newer plimsoll (schema {version}); nothing is read or learned")
    return version


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Corrupt, not a database, or one whose tables are not ours (sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    primary = code & 0xFF
    return primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT) or (
        primary == sqlite3.SQLITE_ERROR and not isinstance(error, sqlite3.ProgrammingError)
    )


def _why(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    told = {
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_READONLY: "it cannot be written here",
        sqlite3.SQLITE_CANTOPEN: "it cannot be opened or made here",
        sqlite3.SQLITE_BUSY: "another program is writing to it",
        sqlite3.SQLITE_IOERR: "the disk did not take it",
    }
    return told.get(code, str(error)[:100])

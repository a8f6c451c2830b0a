"""Listing folders within bounds: a stranger's tree may be endless, unreadable, or lead back into itself."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

MOST_ENTRIES = 200_000
"""Of one place in all. The largest known library has some 100,000 files with all tokenizers and revisions (ASSUMED)."""
MOST_SECONDS = 30.0
"""Of one place. 100,000 files on this disk take 2 s (bench/inventory.py); the rest is for those on a network."""
MOST_DEPTH = 12
PASSED_BY = frozenset({".git", "__pycache__", "node_modules", "site-packages", "custom_nodes", ".venv", "venv"})
"""Folders with thousands of files and no model."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in one folder, by name; links are followed."""

    path: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    broken_links: tuple[str, ...]


class Budget:
    """How much of one place may still be looked at, and what could not be."""

    def __init__(
        self,
        n_entries: int = MOST_ENTRIES,
        seconds: float = MOST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._n_left = n_entries
        self._n_entries = n_entries
        self._seconds = seconds
        self._clock = clock
        self._end = clock() + seconds
        self._seen: set[tuple[int, int]] = set()
        self.complaints: list[str] = []
        """A sentence each."""

    @property
    def is_spent(self) -> bool:
        """Said once, where it is."""
        if self._n_left > 0 and self._clock() < self._end:
            return False
        what = f"{self._n_entries} files" if self._n_left <= 0 else f"{self._seconds:g} seconds"
        sentence = f"the rest was not looked at after {what}"
        if sentence not in self.complaints:
            self.complaints.append(sentence)
        return True

    def enters(self, path: str) -> bool:
        """Whether the folder is a new one; a link that leads back to one that was seen is not."""
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            return False
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    def listing(self, path: str) -> Listing | None:
        """What lies there, names sorted; None where it can't be listed, or nothing more may be."""
        if self.is_spent:
            return None
        files: list[str] = []
        folders: list[str] = []
        broken: list[str] = []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    self._n_left -= 1
                    if self._n_left < 0 or (self._n_left % 256 == 0 and self._clock() > self._end):
                        break
                    kind = _kind(entry)
                    {"file": files, "folder": folders, "broken": broken}.get(kind, []).append(entry.name)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.complaints.append(f"{path} cannot be listed ({reason})")
            return None
        return Listing(path, tuple(sorted(files)), tuple(sorted(folders)), tuple(sorted(broken)))


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        return "broken" if entry.is_symlink() else ""
    except OSError:  # a link that leads to itself
        return "broken"

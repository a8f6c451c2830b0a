"""One file as the disk has it: how long it is, when it changed, and which it is, whatever it is called."""

import os
import stat

from records.record import record

_BLOCK_BYTES = 512
"""Of ``st_blocks``, on every Unix (stat(2)); Windows has no such field."""


@record(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A regular file, its symbolic links followed."""

    path: str
    n_bytes: int
    """Its length."""
    held_bytes: int
    """Of the disk: less than its length where it has holes, as a download has that was laid out beforehand."""
    changed_ns: int
    identity: tuple[int, int]
    """Device and inode: the same for every link to it."""


def look_at(path: str) -> StoredFile | None:
    """What lies there; None where nothing does, or nothing regular.

    Raises:
        OSError: it may not be looked at.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    n_blocks = getattr(status, "st_blocks", None)
    return StoredFile(
        path=path,
        n_bytes=status.st_size,
        held_bytes=status.st_size if n_blocks is None else min(status.st_size, n_blocks * _BLOCK_BYTES),
        changed_ns=status.st_mtime_ns,
        identity=(status.st_dev, status.st_ino),
    )

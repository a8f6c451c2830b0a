"""A small file of one's own, read whole without waiting: what lies under its name may be a pipe that nobody writes to.

Imports nothing that a short command does not have.
"""

import errno
import os
import stat

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from pathlib import Path

NO_FILE = "no file but a folder, a pipe or a device"
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
"""Of O_NONBLOCK a regular file takes no notice; a pipe is opened at once with it, writer or none (fifo(7))."""


class TooLongError(ValueError):
    """More than such a file has."""


def read_small_file(path: "str | Path", most_bytes: int) -> bytes:
    """All of it.

    Raises:
        OSError: it is not there, may not be read, or is no file: ``strerror`` says what.
        TooLongError: it has more than ``most_bytes``.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, NO_FILE, str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)
    finally:
        os.close(descriptor)
    if len(content) > most_bytes:
        raise TooLongError(f"{path} is too long")
    return content

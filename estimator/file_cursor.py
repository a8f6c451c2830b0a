"""A file read in pieces, where no length that it states is believed before the file is long enough for it."""

import os
import stat
from io import FileIO
from struct import Struct
from types import TracebackType
from typing import Self

from estimator.errors import UnreadableModel

CHUNK_BYTES = 1 << 18
"""Read at a time. An 8 MB header takes 3 ms in pieces of 64 or 256 KiB, 7 ms in 16 KiB or 4 MiB (own measurement)."""
MAX_READ_BYTES = 96 << 20
"""Of one header in all. Llama 3's is 8 MB; twice its vocabulary, as Gemma 3 has, makes some 14 MB."""


class FileCursor:
    """The part of a file that is in memory, and the position in it.

    Not ``mmap``: a file that is cut short while it is read then ends in an error, not in SIGBUS.

    Raises:
        UnreadableModel: from every method, when the file ends before what was asked for.
    """

    __slots__ = ("_file", "_n_read", "at", "data", "n_bytes", "name", "start")

    def __init__(self, path: str) -> None:
        self.name = shown(path)
        self.n_bytes = regular_file_bytes(path, self.name)
        self.data = b""
        """In memory."""
        self.start = 0
        """Where ``data`` starts in the file."""
        self.at = 0
        """The position, counted from there."""
        self._n_read = 0
        try:
            self._file = FileIO(path)
        except OSError as error:
            raise UnreadableModel(f"{self.name}: cannot be opened ({error.strerror}); check who may read it") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def position(self) -> int:
        """In the file."""
        return self.start + self.at

    def hold(self, n_bytes: int) -> None:
        """Have that many bytes from the position on in memory, or more."""
        if self.at + n_bytes <= len(self.data):
            return
        self.expect(n_bytes)
        position, wanted = self.position, max(n_bytes, CHUNK_BYTES)
        self._n_read += wanted
        if self._n_read > MAX_READ_BYTES:
            raise UnreadableModel(
                f"{self.name}: the header does not end within {MAX_READ_BYTES >> 20} MiB, so it is damaged or no "
                "language model's; download it again"
            )
        try:
            self._file.seek(position)
            self.data = self._file.read(wanted)
        except OSError as error:
            raise UnreadableModel(f"{self.name}: reading failed ({error.strerror}); check the disk") from error
        self.start, self.at = position, 0
        if len(self.data) < n_bytes:
            self.n_bytes = position + len(self.data)
            self.expect(n_bytes)

    def expect(self, n_bytes: int) -> None:
        """Check that the file goes on for that many bytes."""
        if self.position + n_bytes > self.n_bytes:
            raise UnreadableModel(
                f"{self.name}: truncated or damaged: at byte {self.position} the header states a length that ends past "
                f"the file's {self.n_bytes} bytes; download it again"
            )

    def move(self, position: int) -> None:
        """Go on at that byte of the file, unread until something there is asked for."""
        if self.start <= position <= self.start + len(self.data):
            self.at = position - self.start
        else:
            self.data, self.start, self.at = b"", position, 0

    def skip(self, n_bytes: int) -> None:
        """Go on that many bytes further."""
        self.expect(n_bytes)
        self.move(self.position + n_bytes)

    def take(self, n_bytes: int) -> bytes:
        """The next bytes."""
        self.hold(n_bytes)
        self.at += n_bytes
        return self.data[self.at - n_bytes : self.at]

    def number(self, form: Struct) -> int:
        """The next whole number; ``form`` has one."""
        self.hold(form.size)
        (number,) = form.unpack_from(self.data, self.at)
        self.at += form.size
        assert isinstance(number, int)
        return number


def shown(path: str) -> str:
    """A path as a message may say it: nothing in it that a terminal would obey, or that cannot be encoded."""
    return "".join(c if c.isprintable() else "?" for c in path)


def regular_file_bytes(path: str, name: str) -> int:
    """Size of a file that reading cannot hang on: no pipe, no device.

    Raises:
        UnreadableModel: there is no such file, or it is something else.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise UnreadableModel(f"{name}: no such file; check the path") from error
    except OSError as error:
        raise UnreadableModel(f"{name}: cannot be looked at ({error.strerror}); check the path") from error
    except ValueError as error:  # a zero byte, or a character that the file system's encoding lacks
        raise UnreadableModel(f"{name}: not a path that can exist; check it") from error
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableModel(f"{name}: a directory; give a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableModel(f"{name}: a pipe or a device, not a file; give a regular file")
    return status.st_size

"""A small file that a command names: a stranger's word, under which a pipe may lie that nobody writes to."""

from estimator.errors import UnreadableModel
from estimator.file_cursor import regular_file_bytes


class UnreadableFile(ValueError):
    """There is none that could be read, and why: what follows its name in a sentence."""


def read_named_file(path: str, most_bytes: int, kind: str = "file") -> bytes:
    """All of it.

    Args:
        path: where it lies.
        most_bytes: of such a file.
        kind: what such a file is called.

    Raises:
        UnreadableFile: it is not there, no file but a pipe or a device, too long, or may not be read.
    """
    try:
        if regular_file_bytes(path, path) > most_bytes:
            raise UnreadableFile(f"is larger than any {kind}")
        with open(path, "rb") as file:
            return file.read(most_bytes)
    except (OSError, UnreadableModel) as error:
        raise UnreadableFile(f"cannot be read; check the {kind}") from error

"""Small JSON files from strangers, read whole but never longer, deeper or stranger than they may be."""

import json

from estimator.errors import UnreadableModel
from estimator.file_cursor import regular_file_bytes, shown


def read_json_object(path: str, max_bytes: int) -> dict[str, object]:
    """The object that a file holds.

    Raises:
        UnreadableModel: no such file, longer than ``max_bytes``, or no JSON object.
    """
    name = shown(path)
    if regular_file_bytes(path, name) > max_bytes:
        raise UnreadableModel(f"{name}: longer than the {max_bytes >> 10} KiB that such a file has; check it")
    try:
        with open(path, "rb") as file:
            text = file.read(max_bytes)
    except OSError as error:
        raise UnreadableModel(f"{name}: cannot be read ({error.strerror}); check who may read it") from error
    return parse_json_object(text, name)


def parse_json_object(text: bytes, name: str) -> dict[str, object]:
    """The object that the text is.

    Raises:
        UnreadableModel: it is none; ``name`` says whose it is.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of a million digits is a ValueError too
        raise UnreadableModel(f"{name}: damaged or no JSON at all; download it again") from error
    if not isinstance(found, dict):
        raise UnreadableModel(f"{name}: not a JSON object; check that it is the right file")
    return found

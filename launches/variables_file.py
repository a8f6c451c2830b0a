"""A file of variables that a command names: ``docker run --env-file``, ``uv run --env-file``."""

from launches.named_file import UnreadableFile, read_named_file

MOST_BYTES = 1 << 20


def variables_in(path: str) -> dict[str, str]:
    """What it sets, a line each; nothing where it cannot be read."""
    try:
        text = read_named_file(path, MOST_BYTES).decode("utf-8", "replace")
    except UnreadableFile:
        return {}
    lines = (line.strip() for line in text.splitlines())
    said = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value for name, equals, value in said if equals}

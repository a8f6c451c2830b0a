"""A path in a line that is there to be pasted into a shell."""

import os


def quoted(path: str) -> str:
    """The path as one word of the shell that this system's users type into."""
    if os.name == "nt":
        return f'"{path}"' if " " in path else path
    from shlex import quote  # noqa: PLC0415  # 1 ms, for one line of the text

    return quote(path)

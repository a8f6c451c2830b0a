"""The standard output as it is: closed, full, of an old encoding, or without colour."""

from __future__ import annotations

import codecs
import io
import os
import sys

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from typing import TextIO

_LOOK_ALIKES = {
    **dict.fromkeys("●○", "*"),
    "▲": "^",
    "◆": "!",
    "✗": "x",
    "·": "-",
    "–": "-",
    "—": "-",
    "±": "+/-",
    "≈": "~",
    "×": "x",
    "°": "",
    "…": "...",
    "\N{NO-BREAK SPACE}": " ",
}
"""What stands for a character that the output's encoding lacks (LANG=C, an old Windows console)."""


def _look_alike(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_LOOK_ALIKES.get(char, "?") for char in error.object[error.start : error.end]), error.end


def writable(stream: TextIO | None) -> TextIO:
    """The stream, made so that a character which it can't show never stops a report."""
    if stream is None:  # closed by whoever started this (``>&-``)
        return open(os.devnull, "w", encoding="utf-8")
    codecs.register_error("plimsoll", _look_alike)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="plimsoll")
    return stream


def drop_output() -> None:
    """Nothing more to write: Python would complain of what is left in the buffer when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return


def is_coloured() -> bool:
    return (
        sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
        and os.name != "nt"  # older consoles show the codes themselves
    )

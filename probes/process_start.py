"""When a process was started: with its number, what tells it from a later one that was given the same number."""

from probes.sysfs import read_bytes

_STAT_BYTES = 4096
PSUTIL_TICKS_PER_SECOND = 100
"""Of what psutil tells in seconds since 1970: whole numbers compare alike wherever they were kept."""


def parent_and_start(pid: int, root: str = "") -> tuple[int, int] | None:
    """(parent, start in ticks since the machine's), of proc_pid_stat(5); None where it is gone, or can't be seen.

    The name, which may hold anything, ends with the last closing bracket.
    """
    content = read_bytes(f"{root}/proc/{pid}/stat", _STAT_BYTES)
    if content is None:
        return None
    words = content.rpartition(b")")[2].split()
    if len(words) < 20 or not (words[1].isdigit() and words[19].isdigit()):
        return None
    return int(words[1][:10]), int(words[19][:20])


def psutil_ticks(created_seconds: float) -> int:
    """The same of a start as psutil tells it."""
    return round(created_seconds * PSUTIL_TICKS_PER_SECOND)

"""Room on disk where a path lies."""

import os


def free_bytes(path: str) -> int | None:
    """What an ordinary user may still write there; None where the system does not say."""
    if not hasattr(os, "statvfs"):  # Windows; shutil would know, and costs every start 5 ms
        return None
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize

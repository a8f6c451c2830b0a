"""A lock in a folder of one's own, by which programs take turns: held as long as its file is open (flock(2))."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WAITING_SECONDS = 10.0
"""So long another one's turn is waited for: a judgement takes a second or two (ASSUMED)."""
_RETRY_SECONDS = 0.02


@contextmanager
def turn(
    folder: str, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
) -> Iterator[bool]:
    """Whether it is held; where none can be had in time, whoever asks goes on without."""
    descriptor = _locked(folder, clock, sleep)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(folder: str, clock: Callable[[], float], sleep: Callable[[float], object]) -> int | None:
    try:
        import fcntl  # noqa: PLC0415  # Windows has none: there two at once may both be let through
    except ImportError:
        return None
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(os.path.join(folder, "lock"), flags, 0o600)
    except OSError:
        return None
    end = clock() + WAITING_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock() < end:
                sleep(_RETRY_SECONDS)
                continue
        except OSError:  # a file system that has no locks
            pass
        else:
            return descriptor
        os.close(descriptor)
        return None

"""A lock in a folder of one's own, by which programs take turns: held as long as its file is open (flock(2))."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WAITING_SECONDS = 10.0
"""So long another one's turn is waited for: a judgement takes a second or two (ASSUMED)."""
_RETRY_SECONDS = 0.02
_SILENT_SECONDS = 0.5
"""Within which another's judgement usually ends: what is waited for longer is told (ASSUMED)."""


@contextmanager
def turn(
    folder: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
    tell: Callable[[str], object] = lambda _: None,
) -> Iterator[bool]:
    """Whether it is held; where none can be had in time, whoever asks goes on without.

    Args:
        folder: that the lock is in.
        clock: seconds.
        sleep: between two tries.
        tell: is given a sentence, once, where another one's turn lasts.
    """
    descriptor = _locked(folder, clock, sleep, tell)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(
    folder: str, clock: Callable[[], float], sleep: Callable[[float], object], tell: Callable[[str], object]
) -> int | None:
    try:
        import fcntl  # noqa: PLC0415  # Windows has none: there two at once may both be let through
    except ImportError:
        return None
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        path = os.path.join(folder, "lock")
        descriptor = os.open(path, flags, 0o600)
    except OSError:
        return None
    begun = clock()
    is_told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = clock() - begun
            if waited >= _SILENT_SECONDS and not is_told:
                tell(
                    f"another launch is judged now, and this one after it, in {WAITING_SECONDS:.0f} s at most ({path})"
                )
                is_told = True
            if waited < WAITING_SECONDS:
                sleep(_RETRY_SECONDS)
                continue
        except OSError:  # a file system that has no locks
            pass
        else:
            return descriptor
        os.close(descriptor)
        return None

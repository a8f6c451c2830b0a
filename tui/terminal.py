"""The terminal that the app is on, and that may go away: an SSH line drops, a window is closed.

The system says so with SIGHUP, which ends the app; but a program started with ``nohup`` ignores it, and would go on
reading a terminal that is no more, at the price of a whole core (measured: 1.3 cores with Textual 8.2.8).
"""

import os
import time
from threading import Thread

WATCH_SECONDS = 1.0
HANGUP_STATUS = 129
"""128 and SIGHUP: what a shell reports of a program that the signal ended."""


def leave_with_terminal(descriptor: int) -> None:
    """End the process within seconds once the terminal behind this descriptor is gone.

    There is no screen left to restore, and a writer that is stuck in it could hold up any orderly way out.
    """
    if os.name == "nt" or is_gone(descriptor):
        return

    def watch() -> None:
        while not is_gone(descriptor):
            time.sleep(WATCH_SECONDS)
        os._exit(HANGUP_STATUS)

    Thread(target=watch, name="terminal", daemon=True).start()


def is_gone(descriptor: int) -> bool:
    """Whether the terminal no longer answers, as after a hang-up; so does what never was one."""
    try:
        os.get_terminal_size(descriptor)
    except OSError:
        return True
    return False

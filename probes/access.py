"""How a probe reaches the machine: files under a root, commands, libraries, environment and system.

All of it is handed in, so a probe of a machine that is not at hand can be tried on files and outputs that were recorded
there or written after documents.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from typing import Any

from records.record import record

Run = Callable[[Sequence[str]], bytes]
"""Gives what a command prints. Raises OSError where it cannot be run, fails or takes too long."""

Load = Callable[[str], Any]
"""Gives a handle to the shared library of that path, its functions as attributes. Raises OSError where it is not."""

_TIMEOUT_SECONDS = 3.0
_MOST_OUTPUT_BYTES = 16 * 1024**2
"""Far more than any of these tools prints (ASSUMED); what is longer is no answer."""


def run_command(command: Sequence[str]) -> bytes:
    """What the command prints, within the time limit.

    Raises:
        OSError: it cannot be run, fails, takes too long, or prints without end.
    """
    import subprocess  # noqa: PLC0415 - 11 ms, and only those pay whose figures come from a command

    try:
        done = subprocess.run(  # noqa: S603 - absolute paths and fixed arguments, nothing from outside
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no answer within {_TIMEOUT_SECONDS:g} s") from error
    except subprocess.CalledProcessError as error:
        raise OSError(f"ended with status {error.returncode}") from error
    if len(done.stdout) > _MOST_OUTPUT_BYTES:
        raise OSError(f"printed {len(done.stdout)} bytes, too many to be an answer")
    return done.stdout


@lru_cache(
    maxsize=16
)  # it stays loaded, and each handle is a circle of objects that grows with the calls that are made
def load_library(path: str) -> Any:
    """A handle to a shared library of the C calling convention.

    Raises:
        OSError: it is not there, or not for this processor.
    """
    import ctypes  # noqa: PLC0415 - 5 ms, and only those pay whose figures come from a library

    return ctypes.CDLL(path)


class Attention:
    """What a person looks at now, so that probes read no more than is shown. Set by the screen, read by probes.

    No dataclass, which takes 0.5 ms to make.
    """

    __slots__ = ("is_on_details", "wants_awake")

    def __init__(self, *, is_on_details: bool = False, wants_awake: bool = False) -> None:
        self.is_on_details = is_on_details
        """Clocks, links, error counters: ``Device.details``."""
        self.wants_awake = wants_awake
        """Asked for by a key: devices that sleep may be woken, and are kept awake."""


@record(frozen=True, slots=True, kw_only=True)
class Access:
    """The machine as a probe reaches it; by default the one that this runs on."""

    root: str = "/"
    """Where the file system begins."""
    system: str = sys.platform
    """``linux``, ``darwin`` or ``win32``."""
    run: Run = run_command
    load: Load = load_library
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    attention: Attention = field(default_factory=Attention)

    def path(self, path: str) -> str:
        """Where that absolute path lies under the root."""
        return f"{self.root.rstrip('/')}{path}"


REAL = Access()
"""The machine that this runs on."""

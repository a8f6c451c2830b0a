"""Puts a command in this process's place: the engine's signals, terminal and exit status are then its own (exec)."""

import os
import sys
from collections.abc import Mapping, Sequence
from errno import ENOEXEC

from launches.command import Command, assigned
from tui.check import complain

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from typing import NoReturn

NOT_STARTABLE, NOT_FOUND = 126, 127
"""As shells have it: not to be executed, not there (POSIX, XCU 2.8.2)."""


def take_place(command: Command) -> int:
    """Put the command in this process's place; its exit status is this one's. Returns only where that failed."""
    sys.stdout.flush()
    sys.stderr.flush()
    environment, words = assigned(command.arguments)
    if not words:
        complain("there is no program in this command; what stands in it only sets variables")
        return NOT_FOUND
    try:
        if os.name == "nt":
            os.environ.update(environment)
            return _as_child(words)
        _give_signals_back()
        whole = {**uncoerced(os.environ, _started_with()), **environment}
        _replaced_by(words, whole)
    except FileNotFoundError:
        complain(f"{words[0]}: no such program; check its name, or give its path")
        return NOT_FOUND
    except (OSError, ValueError) as error:
        complain(f"{words[0]}: cannot be started ({getattr(error, 'strerror', None) or error})")
        return NOT_STARTABLE


def _replaced_by(words: tuple[str, ...], environment: dict[str, str]) -> "NoReturn":
    """As execvp(3) and shells do it: what has no header that the kernel knows is a script, as a llamafile is too."""
    try:
        os.execvpe(words[0], words, environment)  # noqa: S606  # what the user typed, unchanged
    except OSError as error:
        if error.errno != ENOEXEC:
            raise
        import shutil  # noqa: PLC0415  # 5 ms, which only such a script pays

        path = shutil.which(words[0], path=environment.get("PATH")) or words[0]
        os.execve("/bin/sh", ["/bin/sh", path, *words[1:]], environment)  # noqa: S606  # as a shell does


def uncoerced(environment: Mapping[str, str], started_with: bytes) -> dict[str, str]:
    """With LC_CTYPE as it was: Python sets its own in the C locale (PEP 538), as in a container without LANG.

    Args:
        environment: of this process.
        started_with: what it was started with, each variable ended by a NUL; empty where that is not known.
    """
    if not started_with:
        return dict(environment)
    told = (entry.partition(b"=") for entry in started_with.split(b"\0"))
    before = {os.fsdecode(name): os.fsdecode(value) for name, _, value in told if name == b"LC_CTYPE"}
    return {name: value for name, value in environment.items() if name != "LC_CTYPE"} | before


def _started_with() -> bytes:
    """As the kernel keeps it (proc_pid_environ(5)); nothing where there is no such file."""
    try:
        with open("/proc/self/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _give_signals_back() -> None:
    """Python ignores these, and what is ignored stays so across exec (signal(7), "Signal disposition")."""
    import signal  # noqa: PLC0415

    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


def _as_child(words: Sequence[str]) -> int:
    """Windows has no exec that the console waits for: the engine is a child, and Ctrl-C is its to answer."""
    import signal  # noqa: PLC0415
    import subprocess  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(list(words))  # noqa: S603  # what the user typed, unchanged

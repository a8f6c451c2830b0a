"""The app on a pty that a bench is the other end of: started, resized, closed, and looked at."""

import fcntl
import os
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

from screen import HARDWARE, Terminal

ROOT = Path(__file__).parent.parent
APP = [sys.executable, "-m", "tui", "--simulate", HARDWARE]
FIRST = ["H100"]
START_SECONDS, END_SECONDS = 30.0, 5.0
"""The longest that starting and ending may take on a busy machine."""
BUSY_RATIO = 0.5
"""Of a core, over some seconds: more than this is a loop that does not wait."""
LEFT = {  # what was switched on, and what switches it off again
    "alternate screen": (b"\x1b[?1049h", b"\x1b[?1049l"),
    "cursor": (b"\x1b[?25l", b"\x1b[?25h"),
    "mouse": (b"\x1b[?1003h", b"\x1b[?1003l"),
    "mouse, SGR": (b"\x1b[?1006h", b"\x1b[?1006l"),
    "bracketed paste": (b"\x1b[?2004h", b"\x1b[?2004l"),
    "focus": (b"\x1b[?1004h", b"\x1b[?1004l"),
    "order of cells": (b"\x1b[8l", b"\x1b[8h"),
}


class BrokenError(Exception):
    """A scene does not hold, and why."""


class Stage:
    """The app on a terminal that this scene is the other end of."""

    def __init__(
        self, home: Path, command: list[str] | None = None, make: type[Terminal] = Terminal, **changes: str
    ) -> None:
        env = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "SSH_"))}
        xdg = {f"XDG_{part}_HOME": str(home / part.lower()) for part in ("CONFIG", "STATE", "CACHE")}
        env |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"} | xdg | changes
        inner = command or APP
        if "TERM" in changes:  # Terminal says its own
            inner = ["env", "-u", "COLORTERM", f"TERM={changes['TERM']}", *inner]
        self.terminal = make(inner, env)
        self._is_closed = False
        self.status: int | None = None

    def start(self, texts: list[str] | None = None) -> None:
        self.until(lambda: self.terminal.shows(texts or FIRST), START_SECONDS, f"{texts or FIRST} was not painted")

    def until(self, holds: Callable[[], bool], seconds: float, why: str) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if not self.terminal.read(0.1):
                raise BrokenError(f"the app has ended: {why}")
            if time.monotonic() > end:
                raise BrokenError(why)

    def watch(self, seconds: float) -> float:
        """Read for so long; how much of a core the app took."""
        begun, cpu = time.monotonic(), self.terminal.cpu_seconds()
        while (left := begun + seconds - time.monotonic()) > 0:
            if not self.terminal.read(left):
                raise BrokenError("the app has ended")
        return (self.terminal.cpu_seconds() - cpu) / seconds

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.terminal.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect_idle(self, seconds: float = 3.0) -> None:
        ratio = self.watch(seconds)
        if ratio > BUSY_RATIO:
            raise BrokenError(f"it takes {ratio:.0%} of a core")

    def expect_help(self) -> None:
        """A key is still answered."""
        self.terminal.painted = b""
        self.terminal.write(b"?")
        self.until(lambda: self.terminal.shows(["What shall be loaded"]), 10.0, "no key is answered any more")
        self.terminal.write(b"\x1b[27u")
        self.watch(0.3)

    def quit(self, key: str = "q") -> int:
        self.terminal.write(key.encode())
        return self.ended()

    def ended(self, seconds: float = END_SECONDS) -> int:
        """The exit status, as a shell has it, once it has ended by itself."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.terminal.read(0.02)
            if (status := self.waited()) is not None:
                while self._more():
                    pass
                return status
        raise BrokenError(f"it has not ended within {seconds:g} s")

    def _more(self) -> bool:
        before = self.terminal.n_bytes
        return self.terminal.read(0.05) and self.terminal.n_bytes > before

    def waited(self) -> int | None:
        if self.status is None:
            pid, status = os.waitpid(self.terminal.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def expect_restored(self, before: list[object] | None = None) -> None:
        for name, (on, off) in LEFT.items():
            if on in self.terminal.painted and self.terminal.painted.rfind(off) < self.terminal.painted.rfind(on):
                raise BrokenError(f"{name} is not put back")
        if before is not None and termios.tcgetattr(self.terminal.descriptor) != before:
            raise BrokenError("the terminal's modes are not put back")

    def close(self) -> None:
        """The terminal is gone, as when its window is closed."""
        os.close(self.terminal.descriptor)
        self._is_closed = True

    def end(self) -> None:
        """Whatever is left of it."""
        if not self._is_closed:
            self.close()
        if self.waited() is None:
            os.kill(self.terminal.pid, signal.SIGKILL)
            os.waitpid(self.terminal.pid, 0)

    def trickle(self, bytes_per_second: float, seconds: float) -> None:
        """Let a slow line take so much of what it has written. Questions are answered when they have arrived."""
        begun, n_taken = time.monotonic(), 0
        while (now := time.monotonic()) < begun + seconds:
            n_due = int((now - begun) * bytes_per_second) - n_taken
            if n_due and not self.terminal.read(0.0, n_due):
                raise BrokenError("the app has ended")
            n_taken += n_due
            time.sleep(0.05)

    def modes(self) -> list[object]:
        return termios.tcgetattr(self.terminal.descriptor)

"""Scenes of ``terminal.py``: what may stand between the app and its terminal. A program that is not there is told."""

import os
import select
import shutil
import subprocess
import time
from base64 import b64encode
from collections import deque
from pathlib import Path

from screen import Terminal
from stage import APP, BUSY_RATIO, END_SECONDS, FIRST, BrokenError, Stage

MODEL = "Qwen3 30B-A3B"
COPIED = b"\x1b]52;"
"""And then in base64 what begins with the engine's name; nine characters, so that it is a part of the whole."""
COPIED_TEXT = b64encode(b"llama-ser")
HELP, FORMULAS = ["What shall be loaded"], ["Where every byte goes", "where every byte goes"]
ONE_WAY_SECONDS, WATCH_SECONDS = 0.15, 30.0
KEY_SECONDS = 2 * ONE_WAY_SECONDS + 0.35
"""There and back, and what a busy machine needs to draw."""


def press(stage: Stage, key: bytes, texts: list[str], seconds: float = END_SECONDS) -> float:
    """How long it takes until these are painted."""
    stage.terminal.painted = b""
    begun = time.monotonic()
    stage.terminal.write(key)
    stage.until(lambda: stage.terminal.shows(texts), seconds, f"{key!r} does not lead to {texts}")
    return time.monotonic() - begun


def keys_and_copy(stage: Stage) -> None:
    """A key leads there, escape alone leads back, and y reaches the terminal's clipboard."""
    for _ in range(2):
        press(stage, b"?", HELP)
        press(stage, b"\x1b", FIRST)
    stage.terminal.painted = b""
    stage.terminal.write(b"y")

    def is_copied() -> bool:
        painted = stage.terminal.painted
        return COPIED in painted and COPIED_TEXT in painted[painted.index(COPIED) :]

    stage.until(is_copied, END_SECONDS, "y does not get to the terminal's clipboard")


def between(home: Path, begin: list[str], detach: bytes, again: list[str], quit_all: list[str]) -> str:
    """In a program that keeps it while nobody looks: left, and looked at again on a smaller terminal.

    Args:
        home: an empty folder.
        begin: the program that starts the app.
        detach: its keys that leave the app alone.
        again: the program that shows it again.
        quit_all: ends the program, whatever is in it.
    """
    if shutil.which(begin[0]) is None:
        return f"not tried: no {begin[0]} on the path"
    folder = home / "sockets"
    folder.mkdir(mode=0o700)
    places = {"SCREENDIR": str(folder), "TMUX_TMPDIR": str(folder), "TMUX": "", "STY": "", "DISPLAY": ""}
    first = Stage(home, ["env", "-u", "TMUX", "-u", "STY", *begin, *APP, MODEL], **places)
    try:
        first.start([*FIRST, MODEL])
        first.watch(2.0)
        keys_and_copy(first)
        first.terminal.write(detach)
        first.ended()
        first.expect_restored()
        second = Stage(home, ["env", "-u", "TMUX", "-u", "STY", *again], **places)
        second.watch(0.3)
        second.resize(24, 80)
        second.terminal.painted = b""
        second.start()
        keys_and_copy(second)
        ratio = second.watch(3.0)
        status = second.quit()
        second.expect_restored()
    finally:
        subprocess.run(quit_all, env=dict(os.environ) | places, capture_output=True, check=False)
        first.end()
    if ratio > BUSY_RATIO:
        raise BrokenError(f"it takes {ratio:.0%} of a core")
    return f"keys, escape and copy, left and seen again at 80x24, exit {status}"


def screen(home: Path, seconds: float) -> str:  # noqa: ARG001  # one shape for all
    """GNU screen."""
    name = f"plimsoll-{os.getpid()}"
    begin = ["screen", "-c", os.devnull, "-U", "-S", name]
    return between(home, begin, b"\x01d", ["screen", "-U", "-r", name], ["screen", "-S", name, "-X", "quit"])


def tmux(home: Path, seconds: float) -> str:  # noqa: ARG001  # one shape for all
    """With the settings that it has by itself."""
    own = ["tmux", "-L", f"plimsoll-{os.getpid()}"]
    begin = [*own, "-f", os.devnull, "new-session"]
    return between(home, begin, b"\x02d", [*own, "attach"], [*own, "kill-server"])


class FarTerminal(Terminal):
    """What is written on either side arrives on the other a while later."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        super().__init__(command, env)
        self._to_app, self._to_us = deque[tuple[float, bytes]](), deque[tuple[float, bytes]]()
        self._is_open = True

    def write(self, data: bytes) -> None:
        self._to_app.append((time.monotonic() + ONE_WAY_SECONDS, data))

    def read(self, seconds: float, n_bytes: int = 1 << 16) -> bool:
        end, n_before = time.monotonic() + seconds, self.n_bytes
        while True:
            self._deliver()
            left, is_over = end - time.monotonic(), not (self._is_open or self._to_us)
            if left <= 0 or is_over:
                return not is_over or self.n_bytes > n_before
            dues = [queue[0][0] for queue in (self._to_app, self._to_us) if queue]
            pause = max(0.0, min([left, *(due - time.monotonic() for due in dues)]))
            if not self._is_open:
                time.sleep(pause)
            elif select.select([self.descriptor], [], [], pause)[0]:
                self._receive(n_bytes)

    def _receive(self, n_bytes: int) -> None:
        try:
            data = os.read(self.descriptor, n_bytes)
        except OSError:  # EIO: the other side is gone
            data = b""
        self._is_open = bool(data)
        self._to_us.append((time.monotonic() + ONE_WAY_SECONDS, data))

    def _deliver(self) -> None:
        while self._to_app and self._to_app[0][0] <= time.monotonic():
            data = self._to_app.popleft()[1]
            if self._is_open:
                os.write(self.descriptor, data)
        while self._to_us and self._to_us[0][0] <= time.monotonic():
            self.take(self._to_us.popleft()[1])


def latency(home: Path, seconds: float) -> str:  # noqa: ARG001  # one shape for all
    """300 ms there and back over SSH: no key is lost, no answer of the terminal is left to the shell."""
    then = '"$@"; status=$?; IFS= read -r -t 2 -n 200 left; echo "left-${#left}-$status"'
    stage = Stage(home, ["bash", "-c", then, "sh", *APP, MODEL], FarTerminal, SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22")
    try:
        stage.start([*FIRST, MODEL])
        stage.watch(2.0)
        waits = []
        for _ in range(10):
            waits.append(press(stage, b"?", HELP))
            stage.watch(0.5)
            waits.append(press(stage, b"\x1b", FIRST))
            stage.watch(0.5)
        waits.sort()
        stage.terminal.painted = b""
        n_bytes = stage.terminal.n_bytes
        stage.watch(WATCH_SECONDS)
        rate = (stage.terminal.n_bytes - n_bytes) / WATCH_SECONDS
        if stage.terminal.shows(["line is slow"]):
            raise BrokenError("a line that only takes its time is taken for a slow one")
        stage.terminal.painted = b""
        stage.terminal.write(b"q")
        stage.until(lambda: b"left-" in stage.terminal.painted, 2 * END_SECONDS, "it has not ended")
        stage.expect_restored()
        if b"left-0-0" not in stage.terminal.painted:
            raise BrokenError(f"the shell gets what it did not ask for: {stage.terminal.painted[-200:]!r}")
    finally:
        stage.end()
    median, worst = waits[len(waits) // 2], waits[-1]
    if median > KEY_SECONDS:
        raise BrokenError(f"a key takes {median:.2f} s")
    keys = f"a key {1e3 * median:.0f} ms (median of {len(waits)}, worst {1e3 * worst:.0f})"
    return f"{keys}, {rate:.0f} bytes/s, nothing left to the shell"

"""How long a key press waits for the picture that answers it, seen from outside. Linux, standard library only.

    python bench/keys.py [--simulate HARDWARE] [--ready TEXT] [-- COMMAND ...]

Prints median, 95 % and worst, and the same less what the app and this bench waited for a processor meanwhile: what else
a busy machine does is none of the app's.

From the key's first byte to the end of the first update after it (synchronized output, which Textual apps use): reading
it, what it does, composing and writing. Pressed at changing moments between two readings, while those go on.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from screen import UPDATES, Terminal

START_SECONDS, ANSWER_SECONDS = 30.0, 2.0
N_KEYS = 40
"""Pairs of a screen opened and left."""
SCREENS = "ghxp"
NAMES = ("qwen3 30b", "llama 3.1 70b", "deepseek r1")


class Wait(NamedTuple):
    """Milliseconds of one key."""

    ms: float
    quiet_ms: float
    """Less the time for which a thread that the key goes through waited for a processor."""


def key_waits(command: list[str], ready: str, env: dict[str, str]) -> list[Wait]:
    """Of keys that open a screen, and of those that lead back."""
    terminal = _opened(command, ready, env)
    try:
        waits = []
        for number in range(N_KEYS):
            for key in (SCREENS[number % len(SCREENS)], "\x1b[27u"):  # escape as kitty's protocol has it: at once
                waits.append(_answered(terminal, key))
                _rest(terminal, 0.1 + 0.037 * (number % 11))
        return [wait for wait in waits if wait is not None]
    finally:
        terminal.end()


def letter_waits(command: list[str], ready: str, env: dict[str, str]) -> list[Wait]:
    """Of letters by which the list of models is filtered."""
    terminal = _opened(command, ready, env)
    try:
        terminal.write(b"m")
        _rest(terminal, 3.0)  # the verdicts of what is in sight are found aside
        waits = []
        for name in NAMES:
            for letter in name:
                waits.append(_answered(terminal, letter))
                _rest(terminal, 0.3)
            for _ in name:
                terminal.write(b"\x7f")
            _rest(terminal, 1.0)
        return [wait for wait in waits if wait is not None]
    finally:
        terminal.end()


def _opened(command: list[str], ready: str, env: dict[str, str]) -> Terminal:
    terminal = Terminal(command, env)
    while not terminal.shows([ready]) and time.perf_counter() - terminal.started < START_SECONDS:
        terminal.read(0.1)
    _rest(terminal, 2.0)
    return terminal


def _answered(terminal: Terminal, key: str) -> Wait | None:
    """None where nothing was drawn."""
    terminal.painted = b""
    queued, begun = _queued_seconds(terminal.pid), time.perf_counter()
    terminal.write(key.encode())
    while time.perf_counter() - begun < ANSWER_SECONDS:
        terminal.read(0.05)
        if UPDATES.search(terminal.painted):
            taken = time.perf_counter() - begun
            return Wait(taken * 1e3, max(0.0, taken - (_queued_seconds(terminal.pid) - queued)) * 1e3)
    return None


def _queued_seconds(pid: int) -> float:
    """What the threads that read, draw and write have waited for a processor, and this one (sched-stats of Linux)."""
    total = 0.0
    for task in (*Path(f"/proc/{pid}/task").iterdir(), Path(f"/proc/self/task/{os.getpid()}")):
        with suppress(OSError):  # a thread that has ended
            if task.name in (str(pid), str(os.getpid())) or "textual" in (task / "comm").read_text():
                total += int((task / "schedstat").read_text().split()[1]) / 1e9
    return total


def _rest(terminal: Terminal, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        terminal.read(left)


def said(waits: list[Wait]) -> str:
    """``31 ms, 95 % 40, worst 60; on a quiet machine 17, 95 % 22, worst 30``."""
    parts = []
    for column in (0, 1):
        ordered = sorted(wait[column] for wait in waits)
        worst = " ".join(f"{ms:.0f}" for ms in ordered[-3:])
        parts.append(
            f"{statistics.median(ordered):.0f} ms, 95 % {ordered[int(0.95 * len(ordered))]:.0f}, worst {worst}"
        )
    return f"{parts[0]}; without waiting for a processor {parts[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--simulate", help="hardware that is not here (default: what is)")
    parser.add_argument("--ready", default="GiB", help="of the first picture (default: %(default)s)")
    parser.add_argument("arguments", nargs="*", help="of the app, after --")
    given = parser.parse_args()
    command = [sys.executable, "-m", "tui", *given.arguments]
    command += ["--simulate", given.simulate] if given.simulate else []
    with tempfile.TemporaryDirectory(prefix="plimsoll-keys-") as home:
        env = dict(os.environ) | {f"XDG_{part}_HOME": f"{home}/{part}" for part in ("CONFIG", "STATE", "CACHE")}
        env |= {"HOME": home, "PYTHONPATH": str(Path(__file__).parent.parent), "LANG": "C.UTF-8"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        print("a key press:", said(key_waits(command, given.ready, env)), flush=True)
        print("a letter in the list of models:", said(letter_waits(command, given.ready, env)))


if __name__ == "__main__":
    main()

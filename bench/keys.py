"""How long a key press waits for the picture that answers it, seen from outside. Linux, standard library only.

    python bench/keys.py [--simulate HARDWARE] [--ready TEXT] [--rounds 3] [-- COMMAND ...]

Each key of the app: those that open a screen and escape that leaves it, those that change the plan, and letters by
which the list of models is filtered. Prints median, 95 % and worst, the same less what the app and this bench waited
for a processor meanwhile (what else a busy machine does is none of the app's), and which keys took longest. The first
opening of each screen, for which it is imported, is told by itself.

From the key's first byte to the end of the first update (synchronized output, which Textual apps use) whose picture
shows what was asked: the titles and nine in ten of the lines that the screen has once it is at rest, the load's new
line, or what was typed with the names of the models that it leaves. Where the picture says that the rest is being
computed, that counts as an answer, and when the rest was there is told as well. Pressed at changing moments between two
readings, while those go on.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from picture import UPDATES, Picture
from screen import Terminal

START_SECONDS = 30.0
STUDY_SECONDS = 12.0
"""After the first picture: engines are recognised, advice and matrix are made."""
REST_SECONDS = 0.35
"""After a key, in which its picture comes to rest; what comes later is news of its own."""
REMARK_SECONDS = 3.2
"""After a key whose answer is said in passing, until that has gone: else its end counts as part of the next answer."""
REMARKED = "d"
SCREENS = "ghxpmeocwf,?\x10"
CHANGES = "+-[]kkkd  "
"""Of the plan, and back again; the last two pause readings, and go on."""
ESCAPE = "\x1b[27u"
"""As kitty's protocol has it: at once."""
SAID = {ESCAPE: "escape", "\x10": "ctrl+p", " ": "space"}
NAMES = ("qwen3 30b", "llama 3.1 70b", "deepseek r1")
MODEL = "Qwen3 30B-A3B"
"""The load that is planned meanwhile; its verdict, advice and matrix are made again and again."""
MOST_LINES_RATIO = 0.9
_TITLE = re.compile("╭─ (.+?) ─")
_LABELS = re.compile("(?:Quant|Context|KV cache|devices:) .*?  ")
_NAME_CELLS = 44
"""Columns of the list of models in which its names stand."""


class Wait(NamedTuple):
    """Milliseconds of one key."""

    key: str
    is_first: bool
    """Of this key in this run of the app."""
    ms: float
    quiet_ms: float
    """Less the time for which a thread that the key goes through waited for a processor."""
    cpu_ms: float
    """Of processor time, which the app's first thread took meanwhile."""
    whole_ms: float
    """Until what the first picture said to be computed was there."""


Asked = Callable[[Picture], tuple[str, ...]]
"""What a key asks for, taken out of a picture."""


class Watched:
    """The app on a terminal, with all that it has written since it was last asked."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self._terminal = Terminal(command, env)
        self.picture = Picture(200, 50)
        self._seen: set[str] = set()
        self._unread = b""

    def open(self, ready: str, seconds: float) -> None:
        terminal = self._terminal
        while not terminal.shows([ready]) and time.perf_counter() - terminal.started < START_SECONDS:
            terminal.read(0.1)
        self._unread = terminal.painted
        self.rest(seconds)

    def end(self) -> None:
        self._terminal.end()

    def write(self, text: str) -> None:
        self._terminal.write(text.encode())

    def rest(self, seconds: float) -> None:
        """Let it write for so long."""
        for _, update in self._updates(seconds):
            self.picture.take(update)

    def press(self, key: str, asked: Asked) -> Wait | None:
        """None where nothing that was asked for has changed."""
        before = asked(self.picture)
        queued, used, begun = *_times(self._terminal.pid), time.perf_counter()
        self.write(key)
        shown = []
        for at, update in self._updates(REST_SECONDS):
            self.picture.take(update)
            shown.append((at, asked(self.picture)))
        last = shown[-1][1] if shown else before
        found = next((at for at, picture in shown if _is_answer(picture, last, before)), None)
        whole = next((at for at, picture in shown if _is_whole(picture, last)), found)
        is_first = key not in self._seen
        self._seen.add(key)
        if found is None:
            return None
        taken, quiet = found.at - begun, found.at - begun - (found.queued_seconds - queued)
        cpu_ms = (found.used_seconds - used) * 1e3
        whole_ms = (whole.at - begun) * 1e3 if whole is not None else 0.0
        return Wait(SAID.get(key, key), is_first, taken * 1e3, max(0.0, quiet) * 1e3, cpu_ms, whole_ms)

    def _updates(self, seconds: float) -> list[tuple["_Moment", bytes]]:
        terminal, found, until = self._terminal, [], time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            terminal.painted = b""
            terminal.read(left)
            if not terminal.painted:
                continue
            self._unread += terminal.painted
            at, end = time.perf_counter(), 0
            moment = _Moment(at, *_times(terminal.pid)) if UPDATES.search(self._unread) else None
            for update in UPDATES.finditer(self._unread):
                assert moment is not None
                found.append((moment, update[1]))
                end = update.end()
            self._unread = self._unread[end:]
        return found


class _Moment(NamedTuple):
    at: float
    queued_seconds: float
    used_seconds: float


def _is_answer(shown: tuple[str, ...], last: tuple[str, ...], before: tuple[str, ...]) -> bool:
    """Whether a picture shows what was asked, or says that it is being computed."""
    if last == before or shown[0] != last[0]:
        return False
    return _is_whole(shown, last) or any("computing …" in line for line in shown)


def _is_whole(shown: tuple[str, ...], last: tuple[str, ...]) -> bool:
    """Whether it shows what the last one does, of which the first part is to be equal."""
    n_wanted = sum(bool(line.strip()) for line in last[1:])
    n_there = sum(bool(line.strip()) for line in shown[1:])
    return shown[0] == last[0] and n_there >= MOST_LINES_RATIO * n_wanted


def _screen_shown(picture: Picture) -> tuple[str, ...]:
    """Titles, without what they say of the moment behind a dot, then what stands in the lines between frames."""
    lines = picture.lines
    titles = (title.partition(" · ")[0] for title in _TITLE.findall("\n".join(lines)))
    return " ".join(titles), *(line.strip(" │") for line in lines)


def _load_shown(picture: Picture) -> tuple[str, ...]:
    """The load as it is planned, and whether readings go on; then all lines."""
    lines = picture.lines
    planned = " ".join([*_LABELS.findall("\n".join(lines)), str("paused" in lines[0])])
    return planned, *(line.strip(" │") for line in lines)


def _models_shown(picture: Picture) -> tuple[str, ...]:
    return ("\n".join(line[:_NAME_CELLS].strip("│▸ ") for line in picture.lines[1:]),)


def key_waits(command: list[str], ready: str, env: dict[str, str], n_rounds: int = 3) -> list[Wait]:
    """Of keys that open a screen, of those that lead back, and of those that change the plan."""
    app = Watched([*command, MODEL], env)
    try:
        app.open(ready, STUDY_SECONDS)
        waits = []
        for _ in range(n_rounds):
            for key in SCREENS:
                for one in (key, ESCAPE):
                    waits.append(app.press(one, _screen_shown))
                    app.rest(0.037 * (len(waits) % 11))
            for key in CHANGES:
                waits.append(app.press(key, _load_shown))
                app.rest(REMARK_SECONDS if key in REMARKED else 0.037 * (len(waits) % 11))
        return [wait for wait in waits if wait is not None]
    finally:
        app.end()


def letter_waits(command: list[str], ready: str, env: dict[str, str]) -> list[Wait]:
    """Of letters by which the list of models is filtered."""
    app = Watched(command, env)
    try:
        app.open(ready, 2.0)
        app.write("m")
        app.rest(3.0)  # the verdicts of what is in sight are found aside
        waits = []
        for name in NAMES:
            waits += [app.press(letter, _models_shown) for letter in name]
            for _ in name:
                app.write("\x7f")
            app.rest(1.0)
        return [wait for wait in waits if wait is not None]
    finally:
        app.end()


def _times(pid: int) -> tuple[float, float]:
    """For how long the threads that read, draw and write have waited for a processor, and this one; and how much of
    it the app's first thread took (sched-stats of Linux)."""
    queued = used = 0.0
    for task in (*Path(f"/proc/{pid}/task").iterdir(), Path(f"/proc/self/task/{os.getpid()}")):
        with suppress(OSError):  # a thread that has ended
            if task.name in (str(pid), str(os.getpid())) or "textual" in (task / "comm").read_text():
                times = (task / "schedstat").read_text().split()
                queued += int(times[1]) / 1e9
                used += int(times[0]) / 1e9 if task.name == str(pid) else 0.0
    return queued, used


def said(waits: list[Wait]) -> str:
    """``31 ms, 95 % 40, worst 60 (e); without waiting for a processor 17, 95 % 22, worst 30 (m)``."""
    parts = []
    for column in ("ms", "quiet_ms"):
        ordered = sorted(waits, key=lambda wait: getattr(wait, column))
        figures = [getattr(wait, column) for wait in ordered]
        worst = " ".join(f"{getattr(wait, column):.0f} ({wait.key})" for wait in ordered[-4:])
        parts.append(
            f"{statistics.median(figures):.0f} ms, 95 % {figures[int(0.95 * len(figures))]:.0f}, worst {worst}"
        )
    late = sorted({wait.key for wait in waits if wait.whole_ms > wait.ms})
    whole = max((wait.whole_ms for wait in waits if wait.whole_ms > wait.ms), default=0.0)
    used = [wait.cpu_ms for wait in waits]
    parts.append(f"{statistics.median(used):.0f} ms of processor time, most {max(used):.0f}")
    if late:
        parts.append(f"what is computed aside ({' '.join(late)}) was there after at most {whole:.0f} ms")
    return f"{parts[0]}; without waiting for a processor {'; '.join(parts[1:])} ({len(waits)} presses)"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--simulate", help="hardware that is not here (default: what is)")
    parser.add_argument("--ready", default="GiB", help="of the first picture (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="through all keys (default: %(default)s)")
    parser.add_argument("--all", action="store_true", help="print each press")
    parser.add_argument("arguments", nargs="*", help="of the app, after --")
    given = parser.parse_args()
    command = [sys.executable, "-m", "tui", *given.arguments]
    command += ["--simulate", given.simulate] if given.simulate else []
    with tempfile.TemporaryDirectory(prefix="plimsoll-keys-") as home:
        env = dict(os.environ) | {f"XDG_{part}_HOME": f"{home}/{part}" for part in ("CONFIG", "STATE", "CACHE")}
        env |= {"HOME": home, "PYTHONPATH": str(Path(__file__).parent.parent), "LANG": "C.UTF-8"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        waits = key_waits(command, given.ready, env, given.rounds)
        if given.all:
            for wait in waits:
                figures = "".join(f"{ms:7.1f}" for ms in (wait.ms, wait.quiet_ms, wait.cpu_ms, wait.whole_ms))
                print(f"{wait.key:8}{figures}{' first' * wait.is_first}")
        later = [wait for wait in waits if not wait.is_first]
        print("a key press:", said(later or waits), flush=True)
        print("the first press of each key:", said([wait for wait in waits if wait.is_first]), flush=True)
        print("a letter in the list of models:", said(letter_waits(command, given.ready, env)))


if __name__ == "__main__":
    main()

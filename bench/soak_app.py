"""The app under faults: keys all the time, on a terminal of its own, while a simulated driver goes wrong in every way.

    python bench/soak_app.py LIBRARY [--seconds 600] [--pace 1] [--seed 1] [-- ARGUMENTS OF PLIMSOLL]

The same scenes as of ``soak.py``, ten readings a second. Told at the end, exit status 1 where one does not hold: the
app lives; peak memory within 10 % of that once each scene was there, and no more threads and open files than then; each
key was answered within 5 s (and how soon); q ends it within half a second while the driver hangs.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from random import Random

from fault_scenes import Scenes
from screen import Terminal
from stand_in import Size, config_path, run_again

ROOT = Path(__file__).parent.parent
HELP = ["What shall be loaded"]
ESCAPE = "\x1b[27u"
"""As terminals send it that tell keys apart; alone, its first byte may be taken for the begin of what follows."""
SCREENS, CHANGES = "phfxeom", ["+", "-", "[", "]", "d", "k", "\x1b[6~", "\x1b[5~"]
WARM_SECONDS, TOLD_EACH_SECONDS = 60.0, 60.0
"""The first at least, and until each scene has been there once: with keys in between, one lasts longer than it says."""
REST_SECONDS = 6.0
"""After the last key: a call that hangs has returned by then, and so has what was worked out aside."""
START_SECONDS, ANSWER_SECONDS, QUIT_SECONDS = 20.0, 5.0, 0.5


class EndedError(Exception):
    """The app is gone, or does not answer any more."""


class LateError(EndedError):
    """What was awaited did not come in time."""


class App:
    """Plimsoll on a terminal, and keys."""

    def __init__(self, arguments: list[str]) -> None:
        command = [sys.executable, "-m", "tui", "--interval", "0.1", *arguments]
        self.terminal = Terminal(command, dict(os.environ) | {"PYTHONPATH": str(ROOT)})
        self.answers: list[float] = []
        self.n_pressed_again = 0

    def await_text(self, texts: list[str], seconds: float) -> float:
        """How long it took until these were painted."""
        begun = time.monotonic()
        while not self.terminal.shows(texts):
            if not self.terminal.read(0.1):
                raise EndedError("the app has ended")
            if time.monotonic() > begun + seconds:
                raise LateError(f"{texts} was not painted within {seconds:g} s")
        return time.monotonic() - begun

    def press(self, key: str, then_seconds: float = 0.1) -> None:
        self.terminal.write(key.encode())
        end = time.monotonic() + then_seconds
        while (left := end - time.monotonic()) > 0:
            if not self.terminal.read(left):
                raise EndedError(f"the app has ended at the key {key!r}")

    def press_for_help(self) -> None:
        """Pressed a second time where a screen that was still opening has taken the first one."""
        self.terminal.painted = b""
        self.terminal.write(b"?")
        try:
            self.answers.append(self.await_text(HELP, ANSWER_SECONDS / 2))
        except LateError:
            self.n_pressed_again += 1
            self.press(ESCAPE, 0.5)
            self.terminal.write(b"?")
            self.answers.append(self.await_text(HELP, ANSWER_SECONDS))
        self.press(ESCAPE)

    def press_some(self, random: Random) -> None:
        for key in random.sample(SCREENS, 2):
            self.press(key)
            self.press(ESCAPE)
        for key in random.sample(CHANGES, 2):
            self.press(key)

    def quit_seconds(self) -> float:
        begun = time.monotonic()
        self.terminal.write(b"q")
        while self.terminal.read(0.05):
            if time.monotonic() > begun + ANSWER_SECONDS:
                raise EndedError("q did not end it")
        return time.monotonic() - begun

    def answers_text(self) -> str:
        ordered = sorted(1e3 * seconds for seconds in self.answers)
        return (
            f"a key is answered in: median {statistics.median(ordered):.0f} ms, "
            f"95 % {ordered[int(0.95 * len(ordered))]:.0f} ms, most {ordered[-1]:.0f} ms "
            f"({len(ordered)} keys, {self.n_pressed_again} pressed a second time)"
        )


def soak(app: App, scenes: Scenes, seconds: float) -> list[str]:
    """What does not hold."""
    random, warm = Random(2), None
    started = told = time.monotonic()
    scene_end = started + scenes.next("well")
    print(f"first picture after {app.await_text(['H100'], START_SECONDS):.2f} s")
    while (now := time.monotonic()) < started + seconds:
        if now >= scene_end:
            scene_end = now + scenes.next()
        is_warm = scenes.have_all_ended and now >= started + WARM_SECONDS
        if warm is None and (is_warm or now >= started + seconds / 2):
            warm = Size(app.terminal.pid)
            print(f"after {now - started:.0f} s: {warm}", flush=True)
        if now >= told + TOLD_EACH_SECONDS:
            told = now
            print(f"after {now - started:.0f} s: {Size(app.terminal.pid)}", flush=True)
        app.press_for_help()
        app.press_some(random)
    scenes.next("well")
    app.press(ESCAPE, REST_SECONDS)
    end = Size(app.terminal.pid)
    print(f"at the end: {end}; {sum(scenes.shown.values())} scenes")
    print(app.answers_text())
    scenes.next("hanging")
    for _ in range(3):  # back to the dashboard: in a filter, q is a letter
        app.press(ESCAPE, 0.5)
    taken = app.quit_seconds()
    print(f"q while the driver hangs: {taken:.2f} s")
    failures = warm.growth_to(end) if warm else []
    return failures if taken < QUIT_SECONDS else [*failures, f"q took {taken:.2f} s while the driver hung"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--pace", type=float, default=1.0, help="scenes are so many times shorter (default: 1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("arguments", nargs="*", help="of the app, after --")
    options = parser.parse_args()
    path = config_path()
    if path is None:
        return run_again(options.library)
    scenes = Scenes(path, options.seed, options.pace)
    app = App(options.arguments)
    try:
        failures = soak(app, scenes, options.seconds)
    except EndedError as error:
        failures = [f"{error}, in '{scenes.name}'"]
    finally:
        app.terminal.end()
    print(*(f"DOES NOT HOLD: {failure}" for failure in failures), sep="\n", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

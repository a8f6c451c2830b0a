"""What a terminal may do to the app, on a pty, one after the other: it must neither crash, hang, spin nor leave a mess.

    python bench/terminal.py [--stall 60] [NAME ...]

Each scene ends with whether it holds; exit status 1 where one does not. Linux, standard library only. The hardware is
simulated, settings and plans are nobody's.
"""

import argparse
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from between import latency, screen, tmux
from stage import APP, BUSY_RATIO, END_SECONDS, FIRST, LEFT, ROOT, START_SECONDS, BrokenError, Stage

SCREENS = "mphxofg,?wc"
RECORDED_SECONDS = 400
SLOW_BYTES_PER_SECOND, NOTICE_SECONDS, BACK_SECONDS = 600, 60.0, 90.0
TERMS = ("linux", "xterm", "unknown", "vt100", "screen-256color", "no-such-terminal")


def stalls(home: Path, seconds: float) -> str:
    """It stops reading, then goes on."""
    stage = Stage(home)
    stage.start()
    cpu, begun = stage.terminal.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    ratio = (stage.terminal.cpu_seconds() - cpu) / (time.monotonic() - begun)
    if stage.waited() is not None:
        raise BrokenError("the app has ended")
    if ratio > BUSY_RATIO:
        raise BrokenError(f"it took {ratio:.0%} of a core meanwhile")
    stage.watch(3.0)
    stage.expect_help()
    status = stage.quit()
    stage.expect_restored()
    return f"{ratio:.1%} of a core while it did not read for {seconds:g} s; then keys are answered, exit {status}"


def ends_stalled(home: Path, seconds: float) -> str:
    """It stops reading until nothing more can be written, and the app is told to end."""
    stage = Stage(home)
    before = stage.modes()
    stage.start()
    time.sleep(seconds)
    os.kill(stage.terminal.pid, signal.SIGTERM)
    said = _gone(stage, stage.terminal.pid)
    if stage.modes() != before:
        raise BrokenError("the terminal's modes are not put back")
    return f"ended {said}, modes as before"


def quits_stalled(home: Path, seconds: float) -> str:
    """It stops reading, and is closed so."""
    stage = Stage(home)
    stage.start()
    time.sleep(min(seconds, 5.0))
    pid = stage.terminal.pid
    stage.close()
    return f"ended {_gone(stage, pid)}"


def _gone(stage: Stage, pid: int, seconds: float = END_SECONDS) -> str:
    begun = time.monotonic()
    while stage.waited() is None:
        if time.monotonic() > begun + seconds:
            raise BrokenError(f"process {pid} is still there after {seconds:g} s")
        time.sleep(0.02)
    return f"after {time.monotonic() - begun:.1f} s with {stage.status}"


def resizes(home: Path, seconds: float) -> str:  # noqa: ARG001  # one shape for all
    """200 sizes in 10 s, from 1x1 to 500x200."""
    stage = Stage(home)
    stage.start()
    sizes = [(1, 1), (200, 500), (2, 3), (24, 80), (5, 200), (100, 12), (50, 200), (1, 500), (200, 1), (17, 61)]
    for number in range(200):
        stage.resize(*sizes[number % len(sizes)])
        if number % 20 == 0:
            stage.terminal.write(SCREENS[number // 20].encode())
        if number % 20 == 10:
            stage.terminal.write(b"\x1b[27u")
        stage.watch(0.05)
    stage.resize(50, 200)
    stage.terminal.write(b"\x1b[27u")
    stage.watch(2.0)
    stage.terminal.write(b"\x1b[27u")
    stage.watch(2.0)
    stage.terminal.painted = b""
    stage.resize(49, 200)
    stage.start()
    stage.expect_idle()
    stage.expect_help()
    status = stage.quit()
    stage.expect_restored()
    return f"exit {status}"


def _signals(number: signal.Signals, *, is_restored: bool = True) -> Callable[[Path, float], str]:
    def scene(home: Path, seconds: float) -> str:  # noqa: ARG001  # one shape for all
        stage = Stage(home)
        before = stage.modes()
        stage.start()
        os.kill(stage.terminal.pid, number)
        status = stage.ended()
        if is_restored:
            stage.expect_restored(before)
        return f"ended with {status}, terminal as before"

    return scene


def stops(home: Path, seconds: float) -> str:  # noqa: ARG001  # one shape for all
    """Stopped by a signal from outside, and continued."""
    command = ["sh", "-c", 'stty -g; set -m; "$@" & fg; stty -g; fg; echo at-the-shell; fg; echo back-$?', "sh", *APP]
    stage = Stage(home, ["bash", *command[1:]])
    stage.start()
    app = stage.terminal.tree()[-1]
    os.kill(app, signal.SIGTSTP)
    stage.until(lambda: stage.terminal.painted.count(LEFT["alternate screen"][1]) > 0, 5.0, "it has not stopped")
    stage.watch(0.3)
    stopped = stage.terminal.painted.partition(LEFT["alternate screen"][1])
    n_before = len(stopped[0])
    for name, (on, off) in LEFT.items():
        if on in stopped[0] and off not in b"".join(stopped):
            raise BrokenError(f"{name} is not put back while it is stopped")
    stage.watch(2.0)
    painted = stage.terminal.painted
    modes = re.findall(rb"(?:[0-9a-f]+:){8,}[0-9a-f]+", painted)
    if len(modes) > 1 and modes[0] != modes[1]:
        raise BrokenError("the terminal's modes are not put back while it is stopped")
    stage.terminal.painted = painted[n_before:]  # what was there before it was stopped does not count
    stage.until(lambda: stage.terminal.shows(FIRST), 10.0, "it is not drawn again")
    stage.expect_help()
    stage.terminal.painted = b""
    stage.terminal.write(b"\x1a")
    stage.until(lambda: b"at-the-shell" in stage.terminal.painted, 5.0, "ctrl+z does not lead to the shell")
    stage.start()
    stage.expect_help()
    stage.terminal.write(b"q")
    stage.until(lambda: b"back-0" in stage.terminal.painted, END_SECONDS, "it has not ended")
    stage.expect_restored()
    return f"{len(modes)} looks at the modes, all the same; drawn again, also after ctrl+z"


def closes(home: Path, seconds: float) -> str:  # noqa: ARG001  # one shape for all
    """The pty is closed, with and without SIGHUP ignored."""
    said = []
    for command in (APP, ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *APP]):
        stage = Stage(home, command)
        stage.start()
        pid = stage.terminal.pid
        stage.close()
        said.append(_gone(stage, pid))
    return ", ".join(said)


def terms(home: Path, seconds: float) -> str:  # noqa: ARG001  # one shape for all
    """Terminals of every name, and no UTF-8."""
    for name in TERMS:
        for locale in ("C.UTF-8", "C", "no_SUCH.LOCALE"):
            where = f"TERM={name} LANG={locale}"
            stage = Stage(home, TERM=name, LANG=locale)
            try:
                before = stage.modes()
                stage.start()
                stage.expect_help()
                status = stage.quit()
                stage.expect_restored(before)
            except BrokenError as error:
                raise BrokenError(f"{where}: {error}") from error
            finally:
                stage.end()
            if status:
                raise BrokenError(f"{where}: exit {status}")
    stage = Stage(home, TERM="dumb")
    try:
        stage.ended(START_SECONDS)
        if not stage.terminal.shows(FIRST) or b"\x1b" in stage.terminal.painted:
            raise BrokenError("TERM=dumb is given no plain report")
    finally:
        stage.end()
    return f"{len(TERMS)} names in 3 locales; a report where it is dumb"


def records(home: Path, seconds: float) -> str:  # noqa: ARG001  # one shape for all
    """``snapshot --follow`` into a file, killed in every way."""
    n_lines = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
        path = home / "recording.jsonl"
        with path.open("wb") as file:
            command = [*APP[:3], "snapshot", "--follow", "--interval", "0.1", *APP[3:]]
            env = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
            with subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE, env=env) as process:
                end = time.monotonic() + START_SECONDS
                while path.stat().st_size < 20_000 and time.monotonic() < end and process.poll() is None:
                    time.sleep(0.01)
                process.send_signal(number)
                process.wait(END_SECONDS)
        text = path.read_text()
        if not text.endswith("\n"):
            raise BrokenError(f"{number.name}: the last line is cut off: {text[-40:]!r}")
        n_lines.append(sum(1 for line in text.splitlines() if json.loads(line)))
    return f"{n_lines} lines, all whole"


def moving(home: Path) -> Path:
    """A recording of GPUs whose memory goes up and down, a reading a second."""
    command = [*APP[:3], "snapshot", "--json", *APP[3:]]
    printed = subprocess.run(command, capture_output=True, check=True, env=dict(os.environ) | {"PYTHONPATH": str(ROOT)})
    reading = json.loads(printed.stdout)
    path = home / "moving.jsonl"
    with path.open("w") as file:
        for second in range(RECORDED_SECONDS):
            for number, pool in enumerate(reading["pools"]):
                pool["used_bytes"] = int(pool["total_bytes"] * (0.5 + 0.4 * math.sin(second / (7 + number))))
                pool["free_bytes"] = pool["total_bytes"] - pool["used_bytes"]
            for number, device in enumerate(reading["devices"]):
                device["used_bytes"] = reading["pools"][number + 1]["used_bytes"]
                device["utilization_ratio"] = round(0.5 + 0.5 * math.sin(second / (3 + number)), 2)
            print(json.dumps(reading | {"taken_seconds": reading["taken_seconds"] + second}), file=file)
    return path


def slows(home: Path, seconds: float) -> str:  # noqa: ARG001  # one shape for all
    """A line over SSH that carries 600 bytes a second, and then all: noticed once each way, said, and heeded."""
    command = [*APP[:3], "--replay", str(moving(home))]
    stage = Stage(home, command, SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22")
    stage.start()
    stage.watch(5.0)
    begun, cpu = time.monotonic(), stage.terminal.cpu_seconds()
    stage.terminal.painted = b""
    while not stage.terminal.shows(["line is slow"]):
        stage.trickle(SLOW_BYTES_PER_SECOND, 0.5)
        if time.monotonic() > begun + NOTICE_SECONDS:
            raise BrokenError(f"it was not noticed within {NOTICE_SECONDS:g} s")
    noticed = time.monotonic() - begun
    stage.watch(8.0)  # what had gathered by then
    n_bytes = stage.terminal.n_bytes
    stage.terminal.painted = b""
    stage.watch(30.0)
    rate = (stage.terminal.n_bytes - n_bytes) / 30
    if stage.terminal.shows(["line is slow"]):
        raise BrokenError("it was said again")
    if rate > 1000:
        raise BrokenError(f"{rate:.0f} bytes/s once it was noticed")
    begun = time.monotonic()
    stage.until(lambda: stage.terminal.shows(["line is quick again"]), BACK_SECONDS, "it stayed so on a quick line")
    back = time.monotonic() - begun + 38
    ratio = (stage.terminal.cpu_seconds() - cpu) / (noticed + back)
    status = stage.quit()
    stage.expect_restored()
    return (
        f"said after {noticed:.0f} s, {rate:.0f} bytes/s, back after {back:.0f} s; {ratio:.1%} of a core, exit {status}"
    )


SCENES: dict[str, Callable[[Path, float], str]] = {
    "SIGHUP": _signals(signal.SIGHUP, is_restored=False),
    "SIGTERM": _signals(signal.SIGTERM),
    "SIGINT": _signals(signal.SIGINT),
    "stop": stops,
    "close": closes,
    "close-stalled": quits_stalled,
    "stall-SIGTERM": ends_stalled,
    "terms": terms,
    "record": records,
    "resize": resizes,
    "stall": stalls,
    "slow": slows,
    "screen": screen,
    "tmux": tmux,
    "ssh300": latency,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENES)} (default: all)")
    parser.add_argument("--stall", type=float, default=60.0, help="seconds without reading (default: 60)")
    given = parser.parse_args()
    n_broken = 0
    for name in given.names or SCENES:
        with tempfile.TemporaryDirectory(prefix="plimsoll-terminal-") as home:
            try:
                print(f"{name:15} holds: {SCENES[name](Path(home), given.stall)}", flush=True)
            except BrokenError as error:
                n_broken += 1
                print(f"{name:15} DOES NOT HOLD: {error}", flush=True)
    return 1 if n_broken else 0


if __name__ == "__main__":
    sys.exit(main())

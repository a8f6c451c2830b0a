"""What a terminal program costs, seen from outside: a pty of 200x50 and /proc. Linux, standard library only.

    python bench/screen.py [SECONDS] [--rounds N] [--real TEXT] [--lines N] [--no-keys]

A row for Plimsoll on simulated GPUs, for Plimsoll on a slow line, for two Textual apps (one shows a word, one draws as
many lines anew each second as Plimsoll has changed in its first run, or as ``--lines`` says), and for nvitop, gpustat,
nvtop and btop where PATH has them. All take turns, so that what else the machine does hits them alike: medians, and in
how many of a hundred the CPU was taken by others. Processor time is what a busy machine hardly changes. Then how long
a key press waits for its picture, and a letter typed into the list of models (``keys.py``); without ``--real``, on 64
GPUs.

``--first`` starts only Plimsoll and the app that shows a word, each until its first picture, and prints the ratio: of
time, and of processor time as the scheduler counts it. As people start it, by its script, where that is installed.
Each round has both, one after the other, which first by turns: the median of the rounds' own ratios is what a busy
machine changes least.

``--real`` leaves the hardware to whoever runs this, say a stand-in for the driver that nvitop and nvtop see as well;
TEXT is of the first picture, ``H100``.
"""

import argparse
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

HARDWARE = "8x H100 80GB, used 60GiB"
MANY = "64x H100 80GB, used 60GiB"
BARE_APP = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    BINDINGS = [("q", "quit", "quit")]
    def compose(self): yield Static("bare-app-is-ready")
Bare().run()
"""
DRAWING_APP = """
from rich.segment import Segment
from rich.style import Style
import sys
from textual.app import App
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget
class Lines(Widget):
    count = 0
    styles_of = [Style.parse(text) for text in ("bold white", "cyan", "yellow", "white", "green")]
    def on_mount(self): self.set_interval(1.0, self.more)
    def more(self):
        self.count += 1
        self.refresh(*(Region(0, y, self.size.width, 1) for y in range(int(sys.argv[1]))))
    def render_line(self, y):
        texts = (f"drawing-app-is-ready {y}", "#" * 70, "." * 30, f" {self.count + y:6} of 80 GiB ", "-" * 40)
        runs = [Segment(text, style) for text, style in zip(texts, self.styles_of)]
        return Strip(runs).adjust_cell_length(self.size.width)
class Drawing(App):
    BINDINGS = [("q", "quit", "quit")]
    def compose(self): yield Lines()
Drawing().run()
"""
"""Five runs of text a line, of which one has changed: about what a line of the dashboard is made of. Which lines are to
be drawn again is said to the library, as Plimsoll says it: the others cost nothing."""
COLUMNS = ("first_paint_ms", "first_cpu_ms", "cpu_pct", "bytes_per_s", "lines_per_s", "rss_mib", "quit_ms")
HEADS = ("first picture ms", "its CPU ms", "CPU % of a core", "bytes/s", "lines/s", "peak RSS MiB", "quit ms")
UPDATES = re.compile(rb"\x1b\[\?2026h(.*?)\x1b\[\?2026l", re.DOTALL)
"""What a Textual app writes at a time (synchronized output), and in it where it begins to write."""
MOVES = re.compile(rb"\x1b\[(\d+);\d+H")
ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\)|[()*+#]?[0-~])|[\x00-\x20]", re.DOTALL)
ANSWERS = {  # as xterm gives them
    rb"\x1b\[0?c": b"\x1b[?64;1;2;6;9;15;16;17;18;21;22c",
    rb"\x1b\[>0?c": b"\x1b[>41;390;0c",
    rb"\x1b\[6n": b"\x1b[1;1R",
    rb"\x1b\[\?2026\$p": b"\x1b[?2026;2$y",
    rb"\x1b\[\?2048\$p": b"\x1b[?2048;0$y",
    rb"\x1b\]11;\?(?:\x07|\x1b\\)": b"\x1b]11;rgb:0000/0000/0000\x1b\\",
}
QUIET_SECONDS, START_SECONDS, QUIT_SECONDS = float(os.environ.get("QUIET_SECONDS", "2")), 30.0, 10.0
"""Before what is steady is measured. Where engines run, Plimsoll judges them in the first half minute: QUIET_SECONDS=40
leaves that out."""
"""Start-up work is over before the watch begins; then the longest waits."""


class Terminal:
    """A program on a pty, its questions answered."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.started, self.painted, self.n_bytes = time.perf_counter(), b"", 0
        self.n_lines, self._unread = 0, b""
        """Lines of which something was written again, added up over all updates."""
        self.pid, self.descriptor = pty.fork()
        if not self.pid:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.execvpe(command[0], command, env | {"TERM": "xterm-256color", "COLORTERM": "truecolor"})
        self._unasked = b""

    def read(self, seconds: float, n_bytes: int = 1 << 16) -> bool:
        """Take in what comes within so long; False once the program has closed its terminal."""
        if not select.select([self.descriptor], [], [], max(0.0, seconds))[0]:
            return True
        try:
            data = os.read(self.descriptor, n_bytes)
        except OSError:  # EIO: the other side is gone
            return False
        self.take(data)
        return bool(data)

    def take(self, data: bytes) -> None:
        """Show what has come, and answer what is asked in it."""
        self.n_bytes += len(data)
        self.painted = (self.painted + data)[-(1 << 20) :]
        self._count_lines(data)
        self._unasked += data
        for question, answer in ANSWERS.items():
            while found := re.search(question, self._unasked):
                self.write(answer)
                self._unasked = self._unasked[: found.start()] + self._unasked[found.end() :]
        self._unasked = self._unasked[-32:]

    def _count_lines(self, data: bytes) -> None:
        self._unread += data
        end = 0
        for update in UPDATES.finditer(self._unread):
            rows = MOVES.findall(update[1])[:-1]  # the last takes the cursor home
            self.n_lines += len(set(rows))
            end = update.end()
        self._unread = self._unread[max(end, len(self._unread) - (1 << 20)) :]

    def write(self, data: bytes) -> None:
        os.write(self.descriptor, data)

    def shows(self, texts: list[str]) -> bool:
        bare = ESCAPES.sub(b"", self.painted)
        return all("".join(text.split()).encode() in bare for text in texts)

    def tree(self) -> list[int]:
        """The program and all that it started."""
        parents = {pid: int(_stat(pid)[1]) for pid in map(int, filter(str.isdigit, os.listdir("/proc")))}
        found = [self.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_seconds(self) -> float:
        """Of user and system: each process's own clock, to the microsecond, and ticks of children that have ended.

        A clock's number is made of the process's as clock_getcpuclockid(3) does; fields 16 and 17 of proc_pid_stat(5).
        """
        total = 0.0
        for pid in self.tree():
            with suppress(OSError):
                total += time.clock_gettime((~pid << 3) | 2)
            total += sum(int(ticks) for ticks in _stat(pid)[13:15]) / os.sysconf("SC_CLK_TCK")
        return total

    def peak_mib(self) -> float:
        peaks = (re.search(r"VmHWM:\s+(\d+)", _proc(pid, "status")) for pid in self.tree())
        return sum(int(peak[1]) for peak in peaks if peak) / 1024

    def end(self) -> None:
        os.close(self.descriptor)
        if os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def _proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:  # it has ended
        return ""


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may hold blanks."""
    return _proc(pid, "stat").rpartition(")")[2].split() or ["0"] * 15


def measured(
    command: list[str],
    ready: list[str],
    seconds: float,
    env: dict[str, str],
    key: str = "q",
    quiet_seconds: float = QUIET_SECONDS,
) -> dict[str, Any]:
    """Figures of one run; those that could not be taken are missing, and ``outcome`` says why."""
    terminal, found = Terminal(command, env), dict[str, Any](outcome="ok")
    try:
        while not terminal.shows(ready):
            if not terminal.read(0.1) or time.perf_counter() - terminal.started > START_SECONDS:
                return {"outcome": f"{' '.join(ready)!r} was never painted"}
        found["first_paint_ms"] = (time.perf_counter() - terminal.started) * 1e3
        found["first_cpu_ms"] = terminal.cpu_seconds() * 1e3
        for span in (quiet_seconds, seconds):
            begun, cpu, n_bytes = time.perf_counter(), terminal.cpu_seconds(), terminal.n_bytes
            n_lines = terminal.n_lines
            while (left := begun + span - time.perf_counter()) > 0:
                if not terminal.read(left):
                    return found | {"outcome": "it ended by itself"}
        taken = time.perf_counter() - begun
        found["cpu_pct"] = (terminal.cpu_seconds() - cpu) / taken * 100
        found["bytes_per_s"] = (terminal.n_bytes - n_bytes) / taken
        if terminal.n_lines:
            found["lines_per_s"] = (terminal.n_lines - n_lines) / taken
        found["rss_mib"] = terminal.peak_mib()
        begun = time.perf_counter()
        terminal.write(key.encode())
        while terminal.read(0.1):
            if time.perf_counter() - begun > QUIT_SECONDS:
                return found | {"outcome": f"{key!r} did not end it"}
        return found | {"quit_ms": (time.perf_counter() - begun) * 1e3}
    finally:
        terminal.end()


def n_changing_lines(command: list[str], ready: str, env: dict[str, str]) -> int:
    """How many lines of the screen are written again each second, once it is all there."""
    found = measured(command, [ready], 10.0, env)
    return round(found.get("lines_per_s", 0.0)) or 1


def first_picture(command: list[str], ready: str, env: dict[str, str]) -> dict[str, float]:
    """Milliseconds from the start to the first picture, and of processor time until then."""
    terminal = Terminal(command, env)
    try:
        while not terminal.shows([ready]):
            if not terminal.read(0.1) or time.perf_counter() - terminal.started > START_SECONDS:
                raise SystemExit(f"{ready!r} was never painted")
        taken = time.perf_counter() - terminal.started
        return {"first_paint_ms": taken * 1e3, "first_cpu_ms": _scheduled_seconds(terminal.pid) * 1e3}
    finally:
        terminal.end()


def _scheduled_seconds(pid: int) -> float:
    """Of all threads that live, to the nanosecond (docs.kernel.org, scheduler/sched-stats); ticks are 10 ms."""
    names = os.listdir(f"/proc/{pid}/task")
    counts = (_proc(pid, f"task/{name}/schedstat").split() for name in names)
    return sum(int(count[0]) for count in counts if count) / 1e9


def compare_first_pictures(env: dict[str, str], real_text: str | None, n_rounds: int) -> None:
    """Print medians, fastest and ratios, taken in turn."""
    script = _installed("plimsoll")
    screens = programs([script] if script else [sys.executable, "-m", "tui"])
    if real_text is not None:
        screens["plimsoll"] = ([screens["plimsoll"][0][0], *([] if script else ["-m", "tui"])], real_text)
    compared = {name: screens[name] for name in ("plimsoll", "bare Textual app")}
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in compared}
    for number in range(n_rounds + 1):
        for name in list(compared)[:: 1 if number % 2 else -1]:
            command, ready = compared[name]
            found = first_picture(command, ready, env)
            if number:  # the first one may have compiled its modules
                taken[name].append(found)
    print(f"{'':20}{'first picture ms':>18}{'fastest':>9}{'its CPU ms':>12}{'fastest':>9}   {n_rounds} runs in turn")
    columns = ("first_paint_ms", "first_cpu_ms")
    figures = {
        name: [choose([run[column] for run in runs]) for column in columns for choose in (statistics.median, min)]
        for name, runs in taken.items()
    }
    for name, (paint, least_paint, cpu, least_cpu) in figures.items():
        print(f"{name:20}{paint:>18.0f}{least_paint:>9.0f}{cpu:>12.0f}{least_cpu:>9.0f}")
    ratios = [ours / theirs for ours, theirs in zip(*figures.values(), strict=True)]
    cells = "".join(f"{ratio:>{width}.2f}" for ratio, width in zip(ratios, (18, 9, 12, 9), strict=True))
    print(f"{'ratio':20}{cells}   (at most 1.25 is aimed at)")
    pairs = list(zip(*taken.values(), strict=True))
    paint, cpu = ([ours[column] / theirs[column] for ours, theirs in pairs] for column in columns)
    print(f"{'median of ratios':20}{statistics.median(paint):>18.2f}{'':9}{statistics.median(cpu):>12.2f}")


def programs(plimsoll: list[str]) -> dict[str, tuple[list[str], str]]:
    """What is compared: each program's command, and a text of its first picture."""
    found = {
        "plimsoll": ([*plimsoll, "--simulate", HARDWARE], "H100"),
        "bare Textual app": ([sys.executable, "-c", BARE_APP], "bare-app-is-ready"),
    }
    if nvitop := _installed("nvitop"):
        found["nvitop"] = ([nvitop, "-m", "full", "--interval", "1"], "NVITOP")
    return found


def more_programs(plimsoll: list[str], real_text: str | None) -> dict[str, tuple[list[str], str]]:
    """The same on hardware that is there, where its text is given; and what is only compared here."""
    found = programs(plimsoll)
    if real_text is not None:
        found["plimsoll"] = (plimsoll, real_text)
    found[THRIFTY] = found["plimsoll"]
    found[DRAWING] = ([sys.executable, "-c", DRAWING_APP], "drawing-app-is-ready49")
    if gpustat := _installed("gpustat"):
        found["gpustat"] = ([gpustat, "--interval", "1"], real_text or "[0]")
    if nvtop := _installed("nvtop"):
        found["nvtop"] = ([nvtop, "-d", "10"], real_text or "GPU")
    if btop := _installed("btop"):
        found["btop"] = ([btop], "cpu")
    return found


def _installed(name: str) -> str | None:
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


THRIFTY, DRAWING = "plimsoll, slow line", "drawing Textual app"
RATIOS = (
    ("plimsoll", "nvitop", "cpu_pct", 0.5),
    ("plimsoll", DRAWING, "cpu_pct", 1.5),
    ("plimsoll", "bare Textual app", "first_paint_ms", 1.25),
    ("plimsoll", "bare Textual app", "first_cpu_ms", 1.25),
)
"""Of which to which, and the most that is aimed at."""


def key_waits(plimsoll: list[str], real_text: str | None, env: dict[str, str]) -> list[str]:
    import keys  # noqa: PLC0415 - which draws on this file

    command = [*plimsoll, "--simulate", MANY] if real_text is None else plimsoll
    rows = (
        ("a key press", keys.key_waits(command, real_text or "H100", env), 50),
        ("a letter in the list of models", keys.letter_waits(command, real_text or "H100", env), 30),
    )
    return [f"{name} waits {keys.said(waits)} (at most {most} is aimed at)" for name, waits, most in rows if waits]


def _homes(scratch: Path, env: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Nobody's settings and plans; and the same with a slow line. What is compiled is kept, as users have it."""
    homes = []
    env = {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for name, text in (("usual", ""), ("slow", 'low_bandwidth = "on"\n')):
        home = scratch / name
        for part in ("config/plimsoll", "config/btop", "state", "cache"):
            (home / part).mkdir(parents=True)
        (home / "config/plimsoll/config.toml").write_text(text)
        (home / "config/btop/btop.conf").write_text("update_ms = 1000\n")
        xdg = {f"XDG_{part.upper()}_HOME": str(home / part) for part in ("config", "state", "cache")}
        homes.append(
            env | {"HOME": str(home), "PYTHONPATH": str(Path(__file__).parent.parent), "LANG": "C.UTF-8"} | xdg
        )
    return homes[0], homes[1]


def _busy_ratio(before: list[int], after: list[int]) -> float:
    """How much of all processors' time went to anybody, ours included."""
    spent = [new - old for old, new in zip(before, after, strict=True)]
    return 1 - (spent[3] + spent[4]) / max(1, sum(spent[:8]))  # idle and iowait, proc_stat(5)


def _processor_ticks() -> list[int]:
    return [int(ticks) for ticks in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seconds", nargs="?", type=float, default=20.0, help="how long each is watched (default: 20)")
    parser.add_argument("--rounds", type=int, help="so often all take their turn (default: 1; of first pictures 15)")
    parser.add_argument("--first", action="store_true", help="only the first picture, beside the bare Textual app's")
    parser.add_argument("--real", metavar="TEXT", help="the hardware that is there; TEXT is of the first picture")
    parser.add_argument("--lines", type=int, help="what the drawing app draws (default: as many as Plimsoll changes)")
    parser.add_argument("--no-keys", action="store_true", help="leave out how long keys wait")
    given = parser.parse_args()
    given.rounds = given.rounds or (15 if given.first else 1)
    if given.first:
        with tempfile.TemporaryDirectory(prefix="plimsoll-screen-") as scratch:
            compare_first_pictures(_homes(Path(scratch), dict(os.environ))[0], given.real, given.rounds)
        return
    screens = more_programs([sys.executable, "-m", "tui"], given.real)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in screens}
    begun = _processor_ticks()
    with tempfile.TemporaryDirectory(prefix="plimsoll-screen-") as scratch:
        usual, slow = _homes(Path(scratch), dict(os.environ))
        n_lines = given.lines or n_changing_lines(*screens["plimsoll"], usual)
        screens[DRAWING][0].append(str(n_lines))
        for name, (command, ready) in screens.items():  # what is started for the first time is not in the cache yet
            measured(command, [ready], 0.1, slow if name == THRIFTY else usual, quiet_seconds=0.0)
        for _ in range(given.rounds):
            for name, (command, ready) in screens.items():
                runs[name].append(measured(command, [ready], given.seconds, slow if name == THRIFTY else usual))
        busy = _busy_ratio(begun, _processor_ticks())
        waits = [] if given.no_keys else key_waits([sys.executable, "-m", "tui"], given.real, usual)
    print(f"median of {given.rounds} x {given.seconds:g} s; {busy:.0%} of {os.cpu_count()} processors were busy")
    print(f"the drawing app draws {n_lines} lines a second")
    print(f"{'':20}{''.join(f'{head:>18}' for head in HEADS)}")
    for name, taken in runs.items():
        cells = [f"{_median(taken, column):>18.1f}" for column in COLUMNS]
        wrong = {str(run["outcome"]) for run in taken} - {"ok"}
        print(f"{name:20}{''.join(cells)}{'  ' + '; '.join(wrong) if wrong else ''}")
    for ours, theirs, column, most in RATIOS:
        if theirs in runs and (divisor := _median(runs[theirs], column)):
            ratio = _median(runs[ours], column) / divisor
            print(f"{column} of {ours} to {theirs}: {ratio:.2f} (at most {most:g} is aimed at)")
    for line in waits:
        print(line)


def _median(taken: list[dict[str, Any]], column: str) -> float:
    found = [run[column] for run in taken if column in run]
    return statistics.median(found) if found else float("nan")


if __name__ == "__main__":
    main()

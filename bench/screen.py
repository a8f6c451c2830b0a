"""What a terminal program costs, seen from outside: a pty of 200x50 and /proc. Linux, standard library only.

    python bench/screen.py [SECONDS]

A row for Plimsoll on simulated GPUs, for a bare Textual app, and for nvitop where it is installed.
"""

import argparse
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import termios
import time
from pathlib import Path
from typing import Any

HARDWARE = "8x H100 80GB, used 60GiB"
BARE_APP = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    BINDINGS = [("q", "quit", "quit")]
    def compose(self): yield Static("bare-app-is-ready")
Bare().run()
"""
COLUMNS = ("first_paint_ms", "cpu_pct", "bytes_per_s", "rss_mib", "quit_ms")
HEADS = ("first picture ms", "CPU % of a core", "bytes/s", "peak RSS MiB", "quit ms")
ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\)|[()*+#]?[0-~])|[\x00-\x20]", re.DOTALL)
ANSWERS = {  # as xterm gives them
    rb"\x1b\[0?c": b"\x1b[?64;1;2;6;9;15;16;17;18;21;22c",
    rb"\x1b\[>0?c": b"\x1b[>41;390;0c",
    rb"\x1b\[6n": b"\x1b[1;1R",
    rb"\x1b\[\?2026\$p": b"\x1b[?2026;2$y",
    rb"\x1b\[\?2048\$p": b"\x1b[?2048;0$y",
    rb"\x1b\]11;\?(?:\x07|\x1b\\)": b"\x1b]11;rgb:0000/0000/0000\x1b\\",
}
QUIET_SECONDS, START_SECONDS, QUIT_SECONDS = 2.0, 30.0, 10.0
"""Start-up work is over before the watch begins; then the longest waits."""


class Terminal:
    """A program on a pty, its questions answered."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.started, self.painted, self.n_bytes = time.perf_counter(), b"", 0
        self.pid, self._fd = pty.fork()
        if not self.pid:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.execvpe(command[0], command, env | {"TERM": "xterm-256color", "COLORTERM": "truecolor"})
        self._unasked = b""

    def read(self, seconds: float) -> bool:
        """Take in what comes within so long; False once the program has closed its terminal."""
        if not select.select([self._fd], [], [], max(0.0, seconds))[0]:
            return True
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # EIO: the other side is gone
            return False
        self.n_bytes += len(data)
        self.painted = (self.painted + data)[-(1 << 20) :]
        self._unasked += data
        for question, answer in ANSWERS.items():
            while found := re.search(question, self._unasked):
                self.write(answer)
                self._unasked = self._unasked[: found.start()] + self._unasked[found.end() :]
        self._unasked = self._unasked[-32:]
        return bool(data)

    def write(self, data: bytes) -> None:
        os.write(self._fd, data)

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
        """Of user and system, of children that have ended too (proc_pid_stat(5), fields 14 to 17)."""
        return sum(int(ticks) for pid in self.tree() for ticks in _stat(pid)[11:15]) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        peaks = (re.search(r"VmHWM:\s+(\d+)", _proc(pid, "status")) for pid in self.tree())
        return sum(int(peak[1]) for peak in peaks if peak) / 1024

    def end(self) -> None:
        os.close(self._fd)
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
    command: list[str], ready: list[str], seconds: float, env: dict[str, str], key: str = "q"
) -> dict[str, Any]:
    """Figures of one run; those that could not be taken are missing, and ``outcome`` says why."""
    terminal, found = Terminal(command, env), dict[str, Any](outcome="ok")
    try:
        while not terminal.shows(ready):
            if not terminal.read(0.1) or time.perf_counter() - terminal.started > START_SECONDS:
                return {"outcome": f"{' '.join(ready)!r} was never painted"}
        found["first_paint_ms"] = (time.perf_counter() - terminal.started) * 1e3
        for span in (QUIET_SECONDS, seconds):
            begun, cpu, n_bytes = time.perf_counter(), terminal.cpu_seconds(), terminal.n_bytes
            while (left := begun + span - time.perf_counter()) > 0:
                if not terminal.read(left):
                    return found | {"outcome": "it ended by itself"}
        taken = time.perf_counter() - begun
        found["cpu_pct"] = (terminal.cpu_seconds() - cpu) / taken * 100
        found["bytes_per_s"] = (terminal.n_bytes - n_bytes) / taken
        found["rss_mib"] = terminal.peak_mib()
        begun = time.perf_counter()
        terminal.write(key.encode())
        while terminal.read(0.1):
            if time.perf_counter() - begun > QUIT_SECONDS:
                return found | {"outcome": f"{key!r} did not end it"}
        return found | {"quit_ms": (time.perf_counter() - begun) * 1e3}
    finally:
        terminal.end()


def programs(plimsoll: list[str]) -> dict[str, tuple[list[str], str]]:
    """What is compared: each program's command, and a text of its first picture."""
    found = {
        "plimsoll": ([*plimsoll, "--simulate", HARDWARE], "H100"),
        "bare Textual app": ([sys.executable, "-c", BARE_APP], "bare-app-is-ready"),
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    if nvitop := shutil.which("nvitop", path=path):
        found["nvitop"] = ([nvitop, "-m", "full", "--interval", "1"], "NVITOP")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seconds", nargs="?", type=float, default=20.0, help="how long each is watched (default: 20)")
    seconds = parser.parse_args().seconds
    print(f"{'':18}{''.join(f'{head:>18}' for head in HEADS)}")
    for name, (command, ready) in programs([sys.executable, "-m", "tui"]).items():
        taken = measured(command, [ready], seconds, dict(os.environ))
        cells = [f"{taken[column]:>18.1f}" if column in taken else f"{'-':>18}" for column in COLUMNS]
        print(f"{name:18}{''.join(cells)}{'' if taken['outcome'] == 'ok' else '  ' + taken['outcome']}")

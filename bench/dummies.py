"""Processes that do nothing under any command line, for a simulated driver to name. Linux, standard library only.

A process may write over its own words (arg_start and arg_end of proc_pid_stat(5)): what it shows then are those of an
engine, and of whatever else a preset's file of command lines has.
"""

import subprocess
import sys
from collections.abc import Sequence

_PROGRAM = """
import ctypes, sys
words = bytes.fromhex(sys.stdin.readline())
begin, end = map(int, open("/proc/self/stat").read().rpartition(")")[2].split()[45:47])
ctypes.memmove(begin, words.ljust(end - begin, b"\\0"), end - begin)
print("ready", flush=True)
sys.stdin.read()
"""


class Dummies:
    """They end with this process, or when they are told to."""

    def __init__(self) -> None:
        self._processes: dict[int, subprocess.Popen[str]] = {}

    def start(self, words: Sequence[str]) -> int:
        """The number of a new process that shows these words."""
        shown = b"".join(word.encode() + b"\0" for word in words)
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _PROGRAM, "x" * len(shown)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(shown.hex() + "\n")
        process.stdin.flush()
        process.stdout.readline()
        self._processes[process.pid] = process
        return process.pid

    def end(self, pid: int) -> None:
        process = self._processes.pop(pid)
        process.kill()
        process.communicate()

    def end_all(self) -> None:
        for pid in list(self._processes):
            self.end(pid)

"""Runs a bench once more in a process whose NVIDIA library is a stand-in, and says how large a process is. Linux.

The stand-in simulates the GPUs that a file describes (FAKE_NVML_CONFIG), reads that file again whenever it is another,
and takes numbers of processes to name from a second one (FAKE_NVML_PIDS).
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

_FOLDER = "PLIMSOLL_STAND_IN"
_N_DUMMIES = 64
MOST_GROWTH = 0.10
CARD = """
[gpu 0]
name = NVIDIA H100 80GB HBM3
cc = 9.0
total = 81559MiB
reserved = 551MiB
used = procs 40MiB
"""
"""Of a file that describes GPUs: one that is empty."""


def config_path() -> Path | None:
    """The file that describes the GPUs; None in the first process."""
    folder = os.environ.get(_FOLDER)
    return Path(folder, "gpus.conf") if folder else None


def write_config(path: Path, text: str) -> None:
    """At once, so that nobody reads half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


def run_again(library: Path, text: str = "") -> int:
    """This very command, under the stand-in: the loader reads its path at the start only, and a crash shows outside."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "libnvidia-ml.so.1").symlink_to(library.resolve())
        write_config(folder / "gpus.conf", text)
        environment = {
            "LD_LIBRARY_PATH": scratch,
            "FAKE_NVML_CONFIG": str(folder / "gpus.conf"),
            "FAKE_NVML_PIDS": str(folder / "pids"),
            _FOLDER: scratch,
        }
        # Processes that do nothing, for the simulated GPUs' lists to name.
        dummies = [subprocess.Popen(["sleep", "1000000"], stdin=subprocess.DEVNULL) for _ in range(_N_DUMMIES)]
        try:
            (folder / "pids").write_text("".join(f"{dummy.pid}\n" for dummy in dummies))
            status = _waited(subprocess.Popen([sys.executable, *sys.argv], env=os.environ | environment))
        finally:
            for dummy in dummies:
                dummy.kill()
                dummy.wait()
    if status < 0:
        print(f"DOES NOT HOLD: the process was ended by signal {-status}")
    return 1 if status else 0


def _waited(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        return process.wait()


class Size:
    """Memory, threads and open files of a process."""

    def __init__(self, pid: int) -> None:
        status = Path(f"/proc/{pid}/status").read_text()
        self.peak_kib = self._field(status, "VmHWM")
        self.resident_kib = self._field(status, "VmRSS")
        self.n_threads = self._field(status, "Threads")
        self.n_files = len(os.listdir(f"/proc/{pid}/fd"))

    @staticmethod
    def _field(status: str, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
        return int(found[1]) if found else 0

    def __str__(self) -> str:
        return (
            f"peak {self.peak_kib / 1024:.1f} MiB, resident {self.resident_kib / 1024:.1f} MiB, "
            f"{self.n_threads} threads, {self.n_files} open files"
        )

    def growth_to(self, end: "Size") -> list[str]:
        """In what it has grown that it should not have."""
        found = []
        if end.peak_kib > (1 + MOST_GROWTH) * self.peak_kib:
            found.append(f"peak memory grew: from {self.peak_kib} to {end.peak_kib} KiB")
        if end.n_threads > self.n_threads:
            found.append(f"threads grew: from {self.n_threads} to {end.n_threads}")
        if end.n_files > self.n_files:
            found.append(f"open files grew: from {self.n_files} to {end.n_files}")
        return found

"""Whether of several ``plimsoll run`` at once only as many start as there is room for. Linux, on a simulated driver.

    python bench/rush.py LIBRARY [--rounds 10] [--at-once 3] [--wait]

LIBRARY is a stand-in for libnvidia-ml.so.1 (``stand_in.py``). In each round so many guards start within a moment, each
of a vLLM that takes 0.6 of the one card; what they start is a script of that name which takes nothing, so that only
what was claimed can tell one of another. One line a round; exit status 1 where not exactly one has started, or, with
``--wait``, where two ran at a time or one never did.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from stand_in import CARD, config_path, run_again, write_config

ROOT = Path(__file__).parent.parent
COMMAND = "vllm serve Qwen/Qwen2.5-7B-Instruct --gpu-memory-utilization 0.6"
ENGINE = """#!/bin/sh
date +%s.%N >> "$RUSH.started"
sleep "$RUSH_SECONDS"
date +%s.%N >> "$RUSH.ended"
"""


def play(home: Path, n_at_once: int, *, is_waiting: bool, seconds: float) -> tuple[int, bool]:
    """(how many started, whether two of them ran at a time)."""
    record = Path(tempfile.mkdtemp(dir=home)) / "run"
    environment = {
        **os.environ,
        "PATH": f"{home}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "XDG_STATE_HOME": str(home / "state"),
        "RUSH": str(record),
        "RUSH_SECONDS": str(seconds),
    }
    options = ["--wait"] if is_waiting else []
    words = [sys.executable, "-m", "tui", "run", *options, "--", *COMMAND.split()]
    guards = [
        subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(n_at_once)
    ]
    for guard in guards:
        guard.wait(120)
    started, ended = (
        sorted(map(float, path.read_text().split())) if path.exists() else []
        for path in (Path(f"{record}.started"), Path(f"{record}.ended"))
    )
    return len(started), any(start < end for start, end in zip(started[1:], ended, strict=False))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--wait", action="store_true", help="each waits for room: all start, one after another")
    options = parser.parse_args(arguments)
    path = config_path()
    if path is None:
        return run_again(options.library, CARD)
    write_config(path, CARD)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "vllm").write_text(ENGINE)
        (home / "vllm").chmod(0o755)
        seconds = 2.0 if options.wait else 15.0
        for number in range(options.rounds):
            begun = time.monotonic()
            n_started, is_together = play(home, options.at_once, is_waiting=options.wait, seconds=seconds)
            does_hold = n_started == (options.at_once if options.wait else 1) and not is_together
            failures += not does_hold
            told = f"{n_started} of {options.at_once} started{', two at a time' if is_together else ''}"
            print(f"{'holds' if does_hold else 'FAILS'}   round {number + 1}: {told}, {time.monotonic() - begun:.1f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

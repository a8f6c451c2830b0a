"""The store of watched loads: kill -9 at random moments, and what reading and writing take.

    python bench/store.py [--kills 200] [--seed 1]

A child keeps loads one after another and says the number of each once it is kept; it is killed at a random moment. Then
the file must pass SQLite's own check and hold every load that was said. Exit status 1 where it does not.
"""

import argparse
import os
import random
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tui.kept_load import KeptLoad, KeptPlace
from tui.store import MOST_LOADS, Store

_LONGEST_SECONDS = 0.1
"""Before the child is killed: some ten loads."""


def load(number: int) -> KeptLoad:
    """One that is told from others by its number."""
    place = KeptPlace(
        name="GPU 0",
        product="NVIDIA GeForce RTX 4090",
        vendor="nvidia",
        driver="580.95.05",
        predicted_bytes=5 << 30,
        low_bytes=4 << 30,
        high_bytes=6 << 30,
        held_bytes=5 << 30,
        peak_bytes=5 << 30,
    )
    return KeptLoad(
        host="bench",
        boot="bench",
        pid=number,
        started_ticks=number,
        rested_seconds=1_790_000_000.0 + number,
        loading_seconds=4.0,
        program="llama-server",
        engine_name="llamacpp",
        model_name="Qwen3 8B",
        quant="Q4_K_M",
        context_tokens=8192,
        places=(place, place_of_host()),
    )


def place_of_host() -> KeptPlace:
    """RAM, beside the device."""
    return KeptPlace(
        name="RAM",
        predicted_bytes=1 << 30,
        low_bytes=1 << 30,
        high_bytes=1 << 30,
        held_bytes=1 << 30,
        peak_bytes=1 << 30,
    )


def keep_until_killed(path: Path, first: int, told: int) -> None:
    """In the child."""
    store = Store(path)
    number = first
    while True:
        store.keep(load(number))
        os.write(told, b"%d\n" % number)
        number += 1


def kill_once(path: Path, first: int, moment_seconds: float) -> int:
    """The first number that the child had not yet said to be kept when it was killed."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            keep_until_killed(path, first, theirs)
        finally:
            os._exit(1)
    os.close(theirs)
    time.sleep(moment_seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with os.fdopen(ours, "rb") as pipe:
        said = pipe.read().split()
    return int(said[-1]) + 1 if said else first


def complaint(path: Path, n_said: int) -> str:
    """What is wrong with the file; empty where nothing is."""
    store = Store(path)
    numbers = {one.pid for one in store.loads()}
    if store.notice:
        return store.notice
    # The child may have kept one more than it said, and for that one the oldest made room.
    newest = max(numbers, default=-1)
    if newest > n_said:
        return f"load {newest} is there, and {n_said} is the last that can be"
    missing = set(range(max(0, max(newest + 1, n_said) - MOST_LOADS), n_said)) - numbers
    if missing:
        return f"{len(missing)} of {n_said} loads are lost, {min(missing)} to {max(missing)}; there is up to {newest}"
    if not path.exists():
        return ""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    return "" if found == "ok" else str(found)


def run_kills(n_kills: int, chance: random.Random) -> bool:
    """Whether nothing was lost."""
    n_journals = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "loads.sqlite3"
        n_said = 0
        for kill in range(n_kills):
            n_said = kill_once(path, n_said, chance.random() * _LONGEST_SECONDS)
            n_journals += Path(f"{path}-journal").exists()
            found = complaint(path, n_said)
            if found:
                print(f"kill {kill + 1}: {found}")
                return False
            n_said = max(n_said, 1 + max((one.pid for one in Store(path).loads(1)), default=-1))
    print(f"{n_kills} kills, {n_journals} in the midst of writing; {n_said} loads kept, none lost, every check ok")
    return True


def run_times() -> None:
    """Milliseconds of keeping one load and of reading all, with a full store."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "loads.sqlite3"
        store = Store(path)
        kept = []
        for number in range(2000):
            began = time.perf_counter()
            store.keep(load(number))
            kept.append(1000 * (time.perf_counter() - began))
        began = time.perf_counter()
        n_loads = len(store.loads())
        read = 1000 * (time.perf_counter() - began)
        size = path.stat().st_size / 1024
    print(f"keep one: median {statistics.median(kept):.1f} ms, worst {max(kept):.1f} ms")
    print(f"read {n_loads} loads: {read:.1f} ms; the file has {size:.0f} KiB")


def main() -> int:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-times", action="store_true")
    given = parser.parse_args()
    is_kept = run_kills(given.kills, random.Random(given.seed))
    if not given.no_times:
        run_times()
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())

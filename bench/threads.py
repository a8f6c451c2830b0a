"""What each thread of Plimsoll takes of a processor in a steady state, beside a Textual app. Linux, no other library.

    python bench/threads.py [SECONDS] [--quiet 40] [--lines 22] [-- ARGUMENTS]

ARGUMENTS are Plimsoll's, ``--simulate "8x H100 80GB"`` say; without any it reads the hardware that is there. Both run
at the same time, each on a pty of 200x50: what else the machine does hits them alike. The other one draws so many
lines a second. Times are those of the kernel's scheduler, to the nanosecond (docs.kernel.org, scheduler/sched-stats).
``--quiet``: seconds that go by before, since engines are judged in the first half minute.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from threading import Event, Thread

from screen import DRAWING_APP, Terminal, _homes, _proc

NAMED = """
import sys, threading
boot = threading.Thread._bootstrap_inner
def named(self):
    with open(f"/proc/self/task/{threading.get_native_id()}/comm", "w") as file:
        file.write(self.name[-15:])
    boot(self)
threading.Thread._bootstrap_inner = named
sys.argv[0] = "plimsoll"
"""
"""Each thread is called by its name for the kernel as well."""
PLIMSOLL = f"{NAMED}\nfrom tui.cli import main\nsys.exit(main())"

Spent = dict[tuple[int, str], tuple[float, int]]
"""(thread, its name) -> seconds of processor time, and how often it waited."""


def spent(pid: int) -> Spent:
    found = {}
    for task in map(int, os.listdir(f"/proc/{pid}/task")):
        times = _proc(pid, f"task/{task}/schedstat").split()
        name = "main" if task == pid else _proc(pid, f"task/{task}/comm").strip()
        status = _proc(pid, f"task/{task}/status").splitlines()
        waits = [line.split()[1] for line in status if line.startswith("voluntary_ctxt_switches")]
        if times and waits:
            found[task, name] = int(times[0]) / 1e9, int(waits[0])
    return found


def show(name: str, before: Spent, after: Spent, seconds: float) -> float:
    """Prints a row for each thread; milliseconds of a second of all together."""
    rows = []
    for thread, (processor, n_waits) in after.items():
        first = before.get(thread, (0.0, 0))
        rows.append((1e3 * (processor - first[0]) / seconds, (n_waits - first[1]) / seconds, thread[1]))
    together = sum(row[0] for row in rows)
    print(f"{name:24}{together:8.2f}{sum(row[1] for row in rows):10.1f}")
    for processor, n_waits, thread_name in sorted(rows, reverse=True):
        print(f"    {thread_name:20}{processor:8.2f}{n_waits:10.1f}")
    return together


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seconds", nargs="?", type=float, default=30.0)
    parser.add_argument("--quiet", type=float, default=40.0, help="seconds before the watch begins (default: 40)")
    parser.add_argument("--lines", type=int, default=22, help="what the other app draws each second (default: 22)")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    given = parser.parse_args(words[:end])
    with tempfile.TemporaryDirectory(prefix="plimsoll-threads-") as scratch:
        env = _homes(Path(scratch), dict(os.environ))[0]
        terminals = {
            "plimsoll": Terminal([sys.executable, "-c", PLIMSOLL, *words[end + 1 :]], env),
            "drawing Textual app": Terminal([sys.executable, "-c", NAMED + DRAWING_APP, str(given.lines)], env),
        }
        stopped = Event()

        def take_in(terminal: Terminal) -> None:
            while not stopped.is_set() and terminal.read(0.5):
                pass

        readers = [Thread(target=take_in, args=(terminal,)) for terminal in terminals.values()]
        for reader in readers:
            reader.start()
        time.sleep(given.quiet)
        begun, before = time.perf_counter(), {name: spent(terminal.pid) for name, terminal in terminals.items()}
        n_lines = terminals["plimsoll"].n_lines
        time.sleep(given.seconds)
        taken, after = time.perf_counter() - begun, {name: spent(one.pid) for name, one in terminals.items()}
        n_lines = terminals["plimsoll"].n_lines - n_lines
        stopped.set()
        for reader, terminal in zip(readers, terminals.values(), strict=True):
            reader.join()
            terminal.end()
    print(f"{'over ' + format(taken, '.0f') + ' s, each second:':24}{'CPU ms':>8}{'waits':>10}")
    together = [show(name, before[name], after[name], taken) for name in terminals]
    print(f"ratio {together[0] / together[1]:.2f}; plimsoll wrote {n_lines / taken:.1f} lines a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())

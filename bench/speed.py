"""How fast Plimsoll is: every figure that is promised, each beside a reference that ran in turn with it.

    python bench/speed.py [--runs N] [--measure MEASURE_TUI.py --fake-nvml RUN.sh [--preset NAME]] [--seconds N]

The headless commands, beside a bare interpreter and the import of Textual; then the screen, beside a Textual app that
shows one word, and nvitop where that is installed. ``bench/screen.py`` measures it, on hardware that Plimsoll simulates
itself. To run under a stand-in for the driver, so that NVML is read and nvitop sees the same GPUs, give two scripts:
MEASURE_TUI.py starts a terminal program (``--cmd``, ``--ready-text``, ``--seconds``, ``--quit-key``) and prints a JSON
object with ``outcome``, ``first_paint_ms``, ``cpu_pct``, ``bytes_per_s``, ``rss_mib`` and ``quit_ms``; RUN.sh runs a
command on simulated GPUs (``RUN.sh PRESET COMMAND ...``).
"""

import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from estimates import print_estimates
from gguf_files import vocabulary, write_gguf
from gguf_header import METADATA, tensors
from screen import COLUMNS, HARDWARE, HEADS, measured, programs
from verdicts import print_verdicts

PYTHON = sys.executable
SCRIPT = Path(PYTHON).parent / "plimsoll"
PLIMSOLL = [str(SCRIPT)] if SCRIPT.exists() else [PYTHON, "-m", "tui"]
ROOT = Path(__file__).parent.parent
N_TOKENS, N_MERGES = 128_256, 280_147
"""Llama 3's."""


def environment(cache: Path) -> dict[str, str]:
    """As users have it: compiled modules are kept. They are kept aside, so that a first run compiles all of them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONPYCACHEPREFIX": str(cache), "PYTHONPATH": str(ROOT)}


def run_ms(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """(from start to end, of processor time)."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    taken, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return taken * 1e3, processor * 1e3


def medians_ms(
    commands: dict[str, list[str]], env: dict[str, str], n_runs: int
) -> dict[str, tuple[float, float, float]]:
    """Median and fastest of each, and the median of processor time.

    All of them in turn, so that what else the machine does hits them alike.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for command in commands.values():
        run_ms(command, env)
    for _ in range(n_runs):
        for name, command in commands.items():
            times[name].append(run_ms(command, env))
    found = {}
    for name, taken in times.items():
        whole, processor = zip(*taken, strict=True)
        found[name] = (statistics.median(whole), min(whole), statistics.median(processor))
    return found


def measure_commands(scratch: Path, env: dict[str, str], n_runs: int) -> None:
    model = scratch / "llama.gguf"
    n_header_bytes = write_gguf(model, METADATA | vocabulary(N_TOKENS, N_MERGES), tensors())
    commands = {
        "python -c pass": [PYTHON, "-c", "pass"],
        "python -c 'import textual.app'": [PYTHON, "-c", "import textual.app"],
        "plimsoll --version": [*PLIMSOLL, "--version"],
        "plimsoll --help": [*PLIMSOLL, "--help"],
        "plimsoll snapshot": [*PLIMSOLL, "snapshot"],
        "plimsoll check FILE": [*PLIMSOLL, "check", str(model)],
        "plimsoll check FILE --json": [*PLIMSOLL, "check", str(model), "--json"],
        "plimsoll check NAME": [*PLIMSOLL, "check", "Qwen3 8B"],
    }
    print(f"Start to end, ms: {n_runs} runs in turn, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(f"FILE has {n_header_bytes / 1e6:.1f} MB of header: {N_TOKENS:,} tokens, {N_MERGES:,} merges")
    print(f"  {'':32}{'median':>8}{'fastest':>9}{'processor':>11}")
    found = medians_ms(commands, env, n_runs)
    for name, (median, fastest, processor) in found.items():
        print(f"  {name:32}{median:>8.0f}{fastest:>9.0f}{processor:>11.0f}")
    ratios = [
        ours / theirs
        for ours, theirs in zip(found["plimsoll check FILE"], found["python -c 'import textual.app'"], strict=True)
    ]
    print(f"  {'check FILE to the import':32}{ratios[0]:>8.2f}{ratios[1]:>9.2f}{ratios[2]:>11.2f}")


CATALOGUE_STEPS = """
import time
from estimator.ledger import Place
from estimator.readers import catalogue
from estimator.sketch import sketches
from estimator.survey import survey
places = [Place(name="GPU 0", kind="cuda", total_bytes=24 << 30, free_bytes=23 << 30, n_multiprocessors=128),
          Place(name="RAM", kind="host", total_bytes=64 << 30, free_bytes=60 << 30)]
steps = {
    "find one model by name": lambda: catalogue.find("Qwen3 8B"),
    "read it, with its tensors": lambda: catalogue.read("Qwen3 8B"),
    "list all models": catalogue.entries,
    "read all sketches": sketches,
    "verdicts on all at one quant": lambda: survey(places, 8192, "Q4_K_M"),
    "the same again": lambda: survey(places, 8192, "Q4_K_M"),
}
for name, step in steps.items():
    start = time.perf_counter()
    step()
    print(f"{name}|{(time.perf_counter() - start) * 1e3}")
"""
"""Each for the first time in its process, as a person meets it."""


def measure_catalogue(env: dict[str, str], n_runs: int) -> None:
    taken: dict[str, list[float]] = {}
    for _ in range(n_runs):
        ended = subprocess.run(
            [PYTHON, "-c", CATALOGUE_STEPS], env=env, cwd=ROOT, capture_output=True, text=True, check=True
        )
        for line in ended.stdout.splitlines():
            name, _, n_ms = line.partition("|")
            taken.setdefault(name, []).append(float(n_ms))
    print("\nThe catalogue, ms, in a process of its own each time, imports apart")
    print(f"  {'':32}{'median':>8}{'fastest':>9}")
    for name, times in taken.items():
        print(f"  {name:32}{statistics.median(times):>8.1f}{min(times):>9.1f}")


def measure_screens(
    env: dict[str, str], stand_in: tuple[Path, Path] | None, preset: str, n_runs: int, seconds: float
) -> None:
    screens = programs(PLIMSOLL)
    if stand_in is not None:
        screens["plimsoll"] = (PLIMSOLL, "H100")
    if "nvitop" not in screens:
        print("\nnvitop is not installed (pip install nvitop), so it is left out.")
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in screens}
    for number in range(n_runs + 1):
        for name, (command, ready) in screens.items():
            span = seconds if number else 1
            if stand_in is None:
                found = measured(command, [ready], span, env)
            else:
                found = measured_by(*stand_in, preset, shlex.join(command), ready, span, env)
            if found["outcome"] != "ok":
                print(f"{name}: {found['outcome']}", file=sys.stderr)
            if number:  # the first one compiled its modules
                taken[name].append(found)
    on = preset if stand_in else HARDWARE
    print(f"\nOn a terminal of 200x50, {on} (simulated), one reading a second: median of {n_runs} x {seconds:g} s")
    print(f"  {'':28}{''.join(f'{head:>18}' for head in HEADS)}")
    for name, runs in taken.items():
        cells = [[figure for run in runs if (figure := run.get(column)) is not None] for column in COLUMNS]
        shown = "".join(f"{statistics.median(cell):>18.1f}" if cell else f"{'-':>18}" for cell in cells)
        print(f"  {name:28}{shown}")


def measured_by(
    measure: Path, fake_nvml: Path, preset: str, command: str, ready: str, seconds: float, env: dict[str, str]
) -> dict[str, Any]:
    """As ``measured``, by the two scripts that were given."""
    ended = subprocess.run(
        [
            str(fake_nvml), preset, PYTHON, str(measure), "--cmd", command, "--ready-text", ready,
            "--seconds", str(seconds), "--rows", "50", "--cols", "200", "--quit-key", "q",
        ],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise SystemExit(f"{measure} failed on {command}:\n{ended.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Print every figure about speed beside its reference.")
    parser.add_argument("--runs", type=int, default=15, help="of each headless command (default: 15)")
    parser.add_argument("--measure", type=Path, help="a script that measures a terminal program from outside")
    parser.add_argument("--fake-nvml", type=Path, help="a script that runs a command on simulated GPUs")
    parser.add_argument("--preset", default="8xh100", help="the GPUs to simulate (default: 8xh100)")
    parser.add_argument("--screen-runs", type=int, default=5, help="of each screen (default: 5)")
    parser.add_argument("--seconds", type=float, default=20, help="how long each screen is watched (default: 20)")
    given = parser.parse_args()
    if bool(given.measure) != bool(given.fake_nvml):
        parser.error("--measure and --fake-nvml go together")
    with tempfile.TemporaryDirectory(prefix="plimsoll-speed-") as name:
        scratch = Path(name)
        env = environment(scratch / "compiled")
        measure_commands(scratch, env, given.runs)
        print_estimates(n_rounds=5)
        print_verdicts()
        measure_catalogue(env, given.runs)
        stand_in = None
        if given.measure and given.fake_nvml:
            stand_in = (given.measure.resolve(), given.fake_nvml.resolve())
        measure_screens(env, stand_in, given.preset, given.screen_runs, given.seconds)


if __name__ == "__main__":
    main()

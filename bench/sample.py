"""What a reading costs: of processor time, over what the driver itself takes.

    python bench/sample.py LIBRARY [--readings 60] [--interval 1] [--peers PYTHON] [--config FILE]

LIBRARY is a stand-in for libnvidia-ml.so.1 that simulates the GPUs which a file describes (``stand_in.py``). A reading
is all that is done in one interval: all probes sampled, processes named, everything folded into one snapshot. The
driver's own time is what the stand-in says of its calls (FAKE_NVML_TRACE) in a second process beside the first. Rows:
eight GPUs with forty processes, one GPU, sixty-four, no driver at all; then through the sampler, ten times a second.
PYTHON is an interpreter that has nvitop or gpustat: their collections beside ours.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from fault_scenes import clocks
from stand_in import config_path, run_again, write_config

from probes.access import Access
from probes.answer import Answer, take_snapshot
from probes.presence import MISSING
from probes.probe import ProbeSource, real_sources
from probes.sampler import Sampler
from probes.worker import Table, Worker

PROMISED, PROMISED_MS = "8 GPUs, 40 processes", 3.0
N_WARM = 5
EIGHT = clocks(8) + "".join(
    f"[gpu {gpu}]\n"
    + "".join(f"process = pid=@{9 + 4 * gpu + i} used={i + 1}GiB sm=3 name=python3\n" for i in range(4))
    for gpu in range(8)
)
PEERS = {
    "nvitop": "from nvitop import Device; devices = Device.all()\n"
    "def collect(): return [(device.as_snapshot(), [p.as_snapshot() for p in device.processes().values()])"
    " for device in devices]",
    "gpustat": "from gpustat import GPUStatCollection\ndef collect(): return GPUStatCollection.new_query()",
}
TIMED = """
import time, json, sys
n, interval = int(sys.argv[1]), float(sys.argv[2])
for _ in range(5): collect()
taken = []
for _ in range(n):
    time.sleep(interval)
    begun = time.process_time()
    collect()
    taken.append(1e3 * (time.process_time() - begun))
print(json.dumps(taken))
"""


def readings_ms(sources: tuple[ProbeSource, ...], n_readings: int, interval_seconds: float) -> list[float]:
    """Processor time of each, on one thread, at that pace: some figures are read less often, and caches grow cold."""
    workers = [Worker(source, Table(), time.monotonic) for source in sources]
    here = [worker for worker in workers if worker.is_here()]
    taken = []
    for number in range(N_WARM + n_readings):
        time.sleep(interval_seconds)
        begun = time.process_time()
        answers: list[Answer] = [worker._answer()[0] for worker in here]
        now = time.monotonic()
        take_snapshot(answers, now_seconds=now, taken_seconds=time.time(), silent_seconds=3.0)
        if number >= N_WARM:
            taken.append(1e3 * (time.process_time() - begun))
    return taken


class Driver:
    """The driver's own time of the same readings: from a process in which the stand-in writes down each call."""

    def __init__(self, n_readings: int, interval_seconds: float) -> None:
        self._n_all = n_readings + N_WARM
        self._scratch = tempfile.TemporaryDirectory()
        self._trace = Path(self._scratch.name, "trace")
        command = [sys.executable, __file__, "-", "--only-read", "--readings", str(n_readings)]
        self._process = subprocess.Popen(
            [*command, "--interval", str(interval_seconds)], env=os.environ | {"FAKE_NVML_TRACE": str(self._trace)}
        )

    def ms_and_calls(self) -> tuple[float, float]:
        """Of a reading."""
        self._process.wait()
        calls = [float(ms) for ms in re.findall(r"ms=([\d.]+)$", self._trace.read_text(), re.MULTILINE)]
        self._scratch.cleanup()
        return sum(calls) / self._n_all, len(calls) / self._n_all


def sampler_ms(n_readings: int) -> float:
    """Processor time of a reading with all that threads add to it."""
    n_taken = [0]

    def take(_: object) -> None:
        n_taken[0] += 1

    sampler = Sampler(real_sources(tell_command=" ".join), take, 0.1)
    sampler.start()
    time.sleep(1.0)
    begun, n_begun = time.process_time(), n_taken[0]
    time.sleep(n_readings * 0.1)
    taken, n_read = time.process_time() - begun, n_taken[0] - n_begun
    sampler.stop(2.0)
    return 1e3 * taken / max(1, n_read)


def peer_ms(python: str, code: str, options: argparse.Namespace) -> list[float] | str:
    command = [python, "-c", code + TIMED, str(options.readings), str(options.interval)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        return (ended.stderr.strip().splitlines() or ["failed"])[-1]
    found: list[float] = json.loads(ended.stdout)
    return found


def row(name: str, taken: list[float], driver: Driver | None = None) -> float:
    """The 95 % over the driver's own time."""
    median, most = statistics.median(taken), sorted(taken)[int(0.95 * len(taken))]
    line, own = f"{name:36}{median:9.2f}{most:9.2f}", 0.0
    if driver is not None:
        own, n_calls = driver.ms_and_calls()
        line += f"{own:9.2f}{median - own:9.2f}{most - own:9.2f}{n_calls:9.0f}"
    print(line, flush=True)
    return most - own


def measure(path: Path, options: argparse.Namespace) -> int:
    pace = options.readings, options.interval
    heads = ("median", "95 %", "driver", "median", "95 %", "calls")
    print(f"{'ms of processor time a reading':36}{''.join(f'{head:>9}' for head in heads)}")
    scenes = {PROMISED: EIGHT, "1 GPU, 1 process": clocks(1), "64 GPUs, 64 processes": clocks(64)}
    if options.config:
        scenes = {str(options.config): options.config.read_text()}
    over: dict[str, float] = {}
    for name, text in scenes.items():
        write_config(path, text)
        driver = Driver(*pace)
        over[name] = row(name, readings_ms(real_sources(tell_command=" ".join), *pace), driver)
    row("no GPU: the host alone", readings_ms(real_sources(tell_command=" ".join)[:1], *pace))
    write_config(path, next(iter(scenes.values())))
    print(f"{'the first, by the sampler, 10 a second':36}{sampler_ms(100):11.2f}")
    for name, code in PEERS.items() if options.peers else ():
        found = peer_ms(options.peers, code, options)
        if isinstance(found, str):
            print(f"{name:36} {found}")
        else:
            row(f"{name} on the first", found)
    print_absent()
    promised = over.get(PROMISED, 0.0)
    if promised > PROMISED_MS:
        print(f"DOES NOT HOLD: {promised:.2f} ms over the driver's own time at 8 GPUs, {PROMISED_MS:g} are promised")
    return int(promised > PROMISED_MS)


def print_absent() -> None:
    """What it takes to tell that a vendor is not here, at the start and then twice a minute."""
    access = Access()
    print("\nµs to tell that there may be, or that there is nothing to read")
    for name, missing in MISSING.items():
        times = []
        for _ in range(200):
            begun = time.perf_counter()
            reason = missing(access)
            times.append(1e6 * (time.perf_counter() - begun))
        print(f"  {name:12}{statistics.median(times):8.1f}  {reason or 'may be here'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("--readings", type=int, default=60)
    parser.add_argument("--interval", type=float, default=1.0, help="between two readings (default: 1)")
    parser.add_argument("--config", type=Path, help="GPUs of a file instead")
    parser.add_argument("--peers", help="an interpreter that has nvitop or gpustat")
    parser.add_argument("--only-read", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    path = config_path()
    if path is None:
        return run_again(options.library, EIGHT)
    if options.only_read:
        readings_ms(real_sources(tell_command=" ".join), options.readings, options.interval)
        return 0
    return measure(path, options)


if __name__ == "__main__":
    sys.exit(main())

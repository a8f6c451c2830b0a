"""What recognising engines costs: processor time of a look at 200 processes, 40 of them engines, and memory. Linux.

    python bench/recognise.py [--processes 200] [--engines 40] [--minutes 5] [--here | --psutil]

The processes are files under a root of the bench's own, as /proc has them: engines of several kinds with 3,000
mappings and 200 open descriptors each, which load for two minutes. The recogniser looks as often as the app's watch
lets it, by a clock that is not waited for. Told: the first look, the median of later ones, all of them over the time
that passed, and by how much this process has grown. ``--here`` looks at this machine's own processes instead.
``--psutil`` starts as many real processes that show such command lines, reads them through psutil, as on macOS and
Windows, and through /proc, and tells what each look of a reader costs and whether the same engines are recognised.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from dummies import Dummies

from probes.process_facts import ProcessReader
from probes.psutil_reader import PsutilReader
from probes.sampler import take_one
from probes.simulate import simulated_sources
from probes.snapshot import Process, Snapshot
from probes.vendors.host import psutil_library
from tui.recogniser import Recogniser
from tui.watch import rest_seconds

GIB = 1 << 30
MODELS = (
    "vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 8192 --port 80{n}",
    "python3 -m sglang.launch_server --model-path meta-llama/Llama-3.1-8B-Instruct --port 81{n}",
    "vllm serve Qwen/Qwen3-32B --tensor-parallel-size 2 --port 82{n}",
    "python3 -m mlx_lm.server --model mlx-community/Qwen3-8B-4bit --port 83{n}",
    "llama-server -m /nowhere/qwen3-8b-q4_k_m.gguf -c 8192 -ngl 99 --port 84{n}",
)
STAT = "{pid} (python3) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 {pid} 0 0\n"
MAPPING = "7f{n:010x}-7f{n:010x} r--p 00000000 08:01 {n} /opt/conda/lib/python3.12/site-packages/torch/lib/lib{n}.so\n"
STATUS = (
    "Name:\tpython3\nVmHWM:\t 3000000 kB\nVmRSS:\t 3000000 kB\n"
    "RssAnon:\t 2000000 kB\nRssFile:\t 900000 kB\nRssShmem:\t 100000 kB\n"
)
IO = "rchar: 900000000\nwchar: 5000\nsyscr: 90000\nsyscw: 50\nread_bytes: 800000000\nwrite_bytes: 4096\n"
TCP = "  sl  local_address rem_address   st\n" + "".join(
    f"{n:4}: 0100007F:{8000 + n:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 {n} 1 0 100 0\n"
    for n in range(100)
)
LOAD_SECONDS, HELD_GIB = 120.0, 14.0


def make_machine(root: Path, n_processes: int, n_engines: int) -> list[int]:
    """Numbers of the engines."""
    maps = "".join(MAPPING.format(n=n) for n in range(3_000))
    for number in range(n_processes):
        pid = 1000 + number
        folder = root / "proc" / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "net").mkdir()
        is_engine = number < n_engines
        command = MODELS[number % len(MODELS)].format(n=number) if is_engine else f"/usr/bin/worker --number {number}"
        (folder / "stat").write_text(STAT.format(pid=pid))
        (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in command.split()))
        (folder / "environ").write_bytes(b"".join(b"VARIABLE_%d=something\0" % n for n in range(60)))
        (folder / "status").write_text(STATUS)
        (folder / "io").write_text(IO)
        if is_engine:
            (folder / "maps").write_text(maps)
            (folder / "net" / "tcp").write_text(TCP)
            for n in range(200):
                (folder / "fd" / str(n)).symlink_to(f"socket:[{n}]" if n % 4 == 0 else f"/dev/shm/{n}")
    return [1000 + number for number in range(n_engines)]


def snapshot_at(seconds: float, empty: Snapshot, engines: list[int]) -> tuple[Process, ...]:
    """What each engine holds then on its device."""
    held = int(min(1.0, 0.05 + seconds / LOAD_SECONDS) * HELD_GIB * GIB)
    return tuple(
        Process(pid=pid, device_key=empty.devices[number % len(empty.devices)].key, used_bytes=held)
        for number, pid in enumerate(engines)
    )


def resident_mib(name: str = "VmRSS") -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def measure(root: str, engines: list[int], minutes: float) -> None:
    empty = take_one(simulated_sources("8x H100 80GB, used 60GiB"), 5.0)
    now = 0.0
    recogniser = Recogniser(ProcessReader(root=root), clock=lambda: now)
    before = resident_mib()
    costs: list[float] = []
    found = 0
    while now < 60 * minutes:
        snapshot = replace(empty, processes=snapshot_at(now, empty, engines)) if engines else empty
        begun = time.thread_time()
        found = len(recogniser.look(snapshot))
        costs.append(time.thread_time() - begun)
        if len(costs) <= 3:
            print(f"look {len(costs)} at {now:.0f} s: {1e3 * costs[-1]:.1f} ms, resident {resident_mib():.1f} MiB")
        now += rest_seconds(costs[-1]) + costs[-1]
    later = sorted(costs[1:])
    print(
        f"{found} engines; {len(costs)} looks in {now:.0f} s: first {1e3 * costs[0]:.0f} ms, then median "
        f"{1e3 * statistics.median(later):.1f}, 95 % {1e3 * later[int(0.95 * len(later))]:.1f}, most "
        f"{1e3 * later[-1]:.1f} ms; together {1e3 * sum(costs) / now:.1f} ms of each second, without the first "
        f"{1e3 * sum(later) / now:.1f}"
    )
    print(f"resident {before:.1f} MiB before, {resident_mib():.1f} after, peak {resident_mib('VmHWM'):.1f}")


def compare(n_processes: int, n_engines: int, n_looks: int = 61) -> bool:
    """Whether both readers lead to the same engines among real processes."""
    dummies = Dummies()
    commands = [
        (MODELS[number % len(MODELS)].format(n=number) if number < n_engines else f"/usr/bin/worker {number}").split()
        for number in range(n_processes)
    ]
    try:
        pids = {dummies.start(words) for words in commands}
        empty = take_one(simulated_sources("8x H100 80GB, used 60GiB"), 5.0)
        found = []
        for name, reader in (("/proc", ProcessReader()), ("psutil", PsutilReader(psutil_library()))):
            costs = []
            for _ in range(n_looks):
                begun = time.thread_time()
                n_seen = len(reader.all_facts())
                costs.append(1e3 * (time.thread_time() - begun))
            print(
                f"{name}: {n_seen} processes; first look {costs[0]:.1f} ms, while they are young "
                f"{statistics.median(costs[1:30]):.1f}, then {statistics.median(costs[31:]):.1f}"
            )
            recogniser = Recogniser(reader, clock=lambda: 0.0, running_seconds=lambda _: None)
            for _ in range(n_engines):
                engines = recogniser.look(empty)
            found.append(
                {
                    (
                        one.pid,
                        one.pids,
                        one.program,
                        one.model_name,
                        one.quant,
                        one.context_tokens,
                        tuple(one.predicted),
                    )
                    for one in engines
                    if one.pid in pids
                }
            )
    finally:
        dummies.end_all()
    print(f"{len(found[0])} engines by /proc, {len(found[1])} by psutil, {len(found[0] & found[1])} the same")
    return found[0] == found[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, default=200)
    parser.add_argument("--engines", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--here", action="store_true", help="this machine's own processes")
    parser.add_argument("--psutil", action="store_true", help="real processes, read through psutil and through /proc")
    options = parser.parse_args()
    if options.psutil:
        return 0 if compare(options.processes, options.engines) else 1
    if options.here:
        print(f"{len(list(filter(str.isdigit, os.listdir('/proc'))))} processes")
        measure("", [], options.minutes)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        engines = make_machine(Path(scratch), options.processes, options.engines)
        measure(scratch, engines, options.minutes)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What each call to NVIDIA's library takes on this machine, in a reading as it is shown: where a sample's time goes.

    python bench/driver_calls.py [--readings 100] [--interval 0.1] [--details] [--peers]

Needs a GPU, or a stand-in for its library. ``--details``: with clocks, links and error counters, as while somebody
looks at them. ``--peers``: the collections of nvitop and gpustat beside ours, where this interpreter has them.
"""

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from probes.access import Access, Attention
from probes.vendors.nvidia import NvidiaProbe, import_binding


class Timed:
    """A module, each of whose functions is timed."""

    def __init__(self, module: Any, taken: dict[str, list[float]]) -> None:
        self._module, self._taken = module, taken

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._module, name)
        if not name.startswith("nvml") or not callable(inner):
            return inner

        def timed(*arguments: Any) -> Any:
            begun = time.perf_counter()
            try:
                return inner(*arguments)
            finally:
                self._taken[name].append(1e6 * (time.perf_counter() - begun))

        setattr(self, name, timed)
        return timed


def most(values: list[float]) -> float:
    """The 95 %."""
    return sorted(values)[int(0.95 * (len(values) - 1))]


def paced(collect: Callable[[], object], options: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Milliseconds of wall clock and of processor time of each, the first five left out."""
    wall, processor = [], []
    for number in range(options.readings + 5):
        time.sleep(options.interval)
        begun, begun_processor = time.perf_counter(), time.process_time()
        collect()
        if number >= 5:
            wall.append(1e3 * (time.perf_counter() - begun))
            processor.append(1e3 * (time.process_time() - begun_processor))
    return wall, processor


def row(name: str, wall: list[float], processor: list[float]) -> None:
    figures = [statistics.median(wall), most(wall), statistics.median(processor), most(processor)]
    print(f"{name:24}" + "".join(f"{figure:10.2f}" for figure in figures), flush=True)


def peers() -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {}
    try:
        from nvitop import Device  # noqa: PLC0415  # a peer, which need not be here

        devices = Device.all()
        found["nvitop"] = lambda: [
            (device.as_snapshot(), [p.as_snapshot() for p in device.processes().values()]) for device in devices
        ]
    except ImportError as error:
        print(f"nvitop: {error}")
    try:
        from gpustat import GPUStatCollection  # noqa: PLC0415  # likewise

        found["gpustat"] = GPUStatCollection.new_query
    except ImportError as error:
        print(f"gpustat: {error}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--readings", type=int, default=100)
    parser.add_argument("--interval", type=float, default=0.1)
    parser.add_argument("--details", action="store_true")
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    taken: dict[str, list[float]] = defaultdict(list)
    access = Access(attention=Attention(is_on_details=options.details))
    begun = time.perf_counter()
    probe = NvidiaProbe(access, lambda access: Timed(import_binding(access), taken))
    opened = time.perf_counter()
    probe.sample()
    print(f"opened in {1e3 * (opened - begun):.0f} ms, first reading {1e3 * (time.perf_counter() - opened):.0f} ms")
    starts = {name: times[0] for name, times in taken.items()}
    taken.clear()
    wall, processor = paced(probe.sample, options)
    n_all = options.readings + 5
    print(f"{'µs a call':48}{'calls':>9}{'median':>10}{'95 %':>10}{'first':>10}   calls: a reading")
    for name, times in sorted(taken.items(), key=lambda item: -sum(item[1])):
        figures = statistics.median(times), most(times), starts.get(name, 0.0)
        print(f"{name:48}{len(times) / n_all:9.2f}" + "".join(f"{figure:10.1f}" for figure in figures))
    for name in starts.keys() - taken.keys():
        print(f"{name:48}{'once':>9}{'':20}{starts[name]:10.1f}")
    driver = sum(map(sum, taken.values())) / 1e3 / n_all
    print(
        f"{'ms a reading':24}{'median':>10}{'95 %':>10}{'processor':>10}{'95 %':>10}   of it in the driver {driver:.2f}"
    )
    row("ours", wall, processor)
    for name, collect in peers().items() if options.peers else ():
        row(name, *paced(collect, options))
    probe.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

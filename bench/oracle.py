"""Our estimates beside a real llama.cpp's own figures, without a GPU, a model or a download.

    python bench/oracle.py [--program FILE] [--model NAME ...] [--architecture NAME ...] [--all] [--every N] [--worst N]

The program is llama.cpp's ``llama-fit-params``, which reads a file's header and says what a load would allocate. The
files are written here: the header of each model of the catalogue, and a hole where its weights would be. Every model is
tried in all of ``WAYS``, on the CPU; its figures are whole MiB, rounded down, and so are ours where they are compared.
Weights are those of ``--no-repack``: what is repacked for the CPU is in none of the buffers that the program lists.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from estimator.engines import llamacpp
from estimator.errors import EstimatorError
from estimator.gguf_writer import write_header
from estimator.ledger import Kind, Place, Workload
from estimator.model import Model
from estimator.readers.catalogue import Entry, entries, find, read
from tui.verify import PROGRAM, Unverifiable, parse_figures

MIB = 1 << 20
HOST = Place(name="RAM", kind="host", total_bytes=1 << 50, free_bytes=1 << 50)
PARTS = ("weights", "KV, state", "compute")


@dataclass(frozen=True)
class Way:
    """One way to run a model."""

    context_tokens: int
    n_ubatch_tokens: int = 512
    n_sequences: int = 1
    is_flash_attention: bool = True
    kv_type: str = "f16"

    @property
    def arguments(self) -> list[str]:
        return [
            *("-c", str(self.context_tokens), "-ub", str(self.n_ubatch_tokens), "-np", str(self.n_sequences)),
            *("-fa", "on" if self.is_flash_attention else "off", "-ctk", self.kv_type, "-ctv", self.kv_type),
        ]


WAYS = (
    Way(2048),
    Way(8192, is_flash_attention=False),
    Way(8192, n_ubatch_tokens=2048),
    Way(16384, n_sequences=4),
    Way(32768, kv_type="q8_0"),
    Way(131072, n_ubatch_tokens=128),
)


@dataclass(frozen=True)
class Point:
    """One model in one way: MiB of weights, of caches and states, and of compute."""

    entry: Entry
    way: Way
    theirs: tuple[int, int, int]
    ours: tuple[float, float, float]

    def is_equal(self, part: int) -> bool:
        return int(self.ours[part]) == self.theirs[part]

    def error(self, part: int) -> float:
        """Of a part, less what the program's rounding hides."""
        theirs, ours = self.theirs[part], self.ours[part]
        return max(0.0, theirs - ours, ours - theirs - 1) / max(1, theirs)

    @property
    def total_error(self) -> float:
        return max(0.0, abs(sum(self.ours) - sum(self.theirs)) - len(PARTS)) / max(1, sum(self.theirs))


def their_figures(program: str, path: Path, way: Way) -> tuple[int, int, int]:
    """What the program says of the host.

    Raises:
        Unverifiable: it refused, or printed none.
    """
    command = [
        program,
        "-m",
        str(path),
        *way.arguments,
        "-ngl",
        "0",
        "-dev",
        "none",
        "--no-repack",
        "--fit-print",
        "on",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unverifiable(f"{PROGRAM}: {error}") from error
    if done.returncode:
        raise Unverifiable((done.stderr.strip().splitlines() or ["no word"])[-1][:160])
    _, found = parse_figures(done.stdout)[-1]
    return found.weights_bytes // MIB, found.cache_bytes // MIB, found.compute_bytes // MIB


def our_figures(model: Model, way: Way) -> tuple[float, float, float]:
    options = llamacpp.Options(
        n_gpu_layers=0,
        is_flash_attention=way.is_flash_attention,
        n_ubatch_tokens=way.n_ubatch_tokens,
        n_outputs=llamacpp.Options().n_batch_tokens,
    )
    workload = Workload(context_tokens=way.context_tokens, n_sequences=way.n_sequences, kv_type=way.kv_type)
    made = llamacpp.estimate(model, workload, options, [HOST])
    weights, cells, states, compute = (
        made.n_bytes([HOST.name], kind) / MIB for kind in (Kind.WEIGHTS, Kind.KV_CACHE, Kind.STATE, Kind.COMPUTE)
    )
    return weights, cells + states, compute


def points_of(program: str, chosen: Sequence[Entry], folder: Path, skipped: dict[str, int]) -> Iterator[Point]:
    path = folder / "header.gguf"
    for entry in chosen:
        try:
            model = read(entry.name)
            with path.open("wb") as file:
                write_header(file, entry.metadata, model.tensors)
        except (EstimatorError, TypeError) as error:
            skipped[f"no file to write: {error}"[:120]] += len(WAYS)
            continue
        for way in WAYS:
            try:
                yield Point(entry, way, their_figures(program, path, way), our_figures(model, way))
            except (Unverifiable, EstimatorError) as error:
                skipped[f"{entry.architecture}: {error}"[:160]] += 1


def chosen_entries(options: argparse.Namespace) -> list[Entry]:
    """The models named, or all, or the smallest of each architecture."""
    if options.model:
        return [find(name) for name in options.model]
    found = [entry for entry in entries() if not options.architecture or entry.architecture in options.architecture]
    if options.all:
        return found[:: options.every]
    smallest: dict[str, Entry] = {}
    for entry in found:
        kept = smallest.get(entry.architecture)
        if kept is None or entry.n_parameters < kept.n_parameters:
            smallest[entry.architecture] = entry
    return list(smallest.values())[:: options.every]


def print_row(name: str, points: Sequence[Point]) -> None:
    n = len(points)
    equal = "".join(f"{sum(point.is_equal(part) for point in points):>11}" for part in range(len(PARTS)))
    errors = sorted(point.error(2) * 100 for point in points)
    total = max(point.total_error for point in points) * 100
    print(f"{name:<20}{n:>5}{equal}{statistics.median(errors):>11.2f} %{errors[-1]:>8.2f} %{total:>8.2f} %")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", help=f"{PROGRAM}, if it is not on the path")
    parser.add_argument("--model", action="append", default=[], help="only this model of the catalogue")
    parser.add_argument("--architecture", action="append", default=[], help="only models of this architecture")
    parser.add_argument("--all", action="store_true", help="every model, not the smallest of each architecture")
    parser.add_argument("--every", type=int, default=1, help="only each so-manieth of them")
    parser.add_argument("--worst", type=int, default=0, help="list so many points with the largest errors")
    options = parser.parse_args()
    program = which(options.program or PROGRAM)
    if program is None:
        print(f"{options.program or PROGRAM} is not there; it comes with llama.cpp, and --program names it")
        return 2
    skipped: dict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory(prefix="plimsoll-") as folder:
        points = list(points_of(program, chosen_entries(options), Path(folder), skipped))
    if points:
        print(f"{'':<25}{'equal in MiB, of':>33}{'compute: median, worst':>24}{'total':>11}")
        print(f"{'architecture':<20}{'n':>5}{PARTS[0]:>11}{PARTS[1]:>11}{PARTS[2]:>11}")
        by_architecture: dict[str, list[Point]] = defaultdict(list)
        for point in points:
            by_architecture[point.entry.architecture].append(point)
        for name, group in sorted(by_architecture.items()):
            print_row(name, group)
        print_row("all", points)
    for reason, n in sorted(skipped.items(), key=lambda found: -found[1]):
        print(f"skipped: {n}, {reason}")
    for point in sorted(points, key=lambda point: -point.total_error)[: options.worst]:
        print(f"{point.total_error:.1%}", point.entry.name, point.way, point.theirs, point.ours)
    return 0 if points else 1


if __name__ == "__main__":
    sys.exit(main())

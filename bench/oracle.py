"""Our estimates beside a real llama.cpp's own figures, without a GPU, a model or a download.

    python bench/oracle.py [--program FILE | --package llama_cpp|xllamacpp] [--model NAME ...] [--architecture NAME ...]
                           [--all] [--every N] [--buffers] [--worst N]

The engine is llama.cpp's ``llama-fit-params``, which reads a file's header and says what a load would allocate, or,
where that is not on the path, llama-cpp-python (0.3.36) or xllamacpp (2026.10) of PyPI, whose log says it. The files
are written here: the header of each model of the catalogue, and a hole where its weights would be. Every model is tried
in all of ``WAYS``, on the CPU; figures are compared in whole MiB, rounded down. Weights are those of ``--no-repack``:
what is repacked for the CPU is in none of the buffers that the program lists.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Protocol

from estimator.engines import llamacpp
from estimator.errors import EstimatorError
from estimator.gguf_writer import write_header
from estimator.kv_cache import STORED_TYPES
from estimator.ledger import Kind, Place, Workload
from estimator.model import Model
from estimator.quant import TYPE_NAMES
from estimator.readers.catalogue import Entry, entries, find, read
from tui.verify import PROGRAM, Unverifiable, parse_figures

MIB = 1 << 20
HOST = Place(name="RAM", kind="host", total_bytes=1 << 50, free_bytes=1 << 50)
PARTS = ("weights", "KV, state", "compute")
BATCH_TOKENS = llamacpp.Options().n_batch_tokens
PACKAGES = ("llama_cpp", "xllamacpp")
LOADER = Path(__file__).with_name("oracle_load.py")
_TYPE_NUMBERS = {name: number for number, name in TYPE_NAMES.items()}
_WEIGHTS = re.compile(r"model buffer size = +([\d.]+) MiB")
_CACHES = re.compile(r"(?:llama_kv_cache|llama_memory_recurrent): size = +([\d.]+) MiB")
_COMPUTE = re.compile(r"compute buffer size = +([\d.]+) MiB")
MOST_SECONDS = 20
MOST_ALLOCATED_MIB = 4096
"""What xllamacpp loads takes real RAM: larger loads are left out."""


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
    theirs: tuple[int | None, int, int]
    """None: not told."""
    ours: tuple[float, float, float]

    def is_equal(self, part: int) -> bool:
        return self.theirs[part] in (None, int(self.ours[part]))

    def error(self, part: int) -> float:
        """Of a part, less what the program's rounding hides."""
        theirs, ours = self.theirs[part] or 0, self.ours[part]
        return max(0.0, theirs - ours, ours - theirs - 1) / max(1, theirs)

    @property
    def total_error(self) -> float:
        told = [(theirs, ours) for theirs, ours in zip(self.theirs, self.ours, strict=True) if theirs is not None]
        theirs, ours = sum(pair[0] for pair in told), sum(pair[1] for pair in told)
        return max(0.0, abs(ours - theirs) - len(PARTS)) / max(1, theirs)


class Oracle(Protocol):
    """A llama.cpp that can be asked."""

    @property
    def n_outputs(self) -> int | None:
        """Tokens whose logits it computes at once; None: one per sequence, as llama-server does."""

    @property
    def build(self) -> str:
        """As --build takes it; empty for the newest that was measured."""

    def figures(self, path: Path, way: Way) -> tuple[int | None, int, int]:
        """MiB of each part on the host.

        Raises:
            Unverifiable: it refused, or told none.
        """


@dataclass(frozen=True)
class FitParams:
    """``llama-fit-params``."""

    program: str
    n_outputs: int | None = BATCH_TOKENS
    build: str = ""

    def figures(self, path: Path, way: Way) -> tuple[int | None, int, int]:
        options = ["-ngl", "0", "-dev", "none", "--no-repack", "--fit-print", "on"]
        told = _told([self.program, "-m", str(path), *way.arguments, *options])
        _, found = parse_figures(told.stdout)[-1]
        return found.weights_bytes // MIB, found.cache_bytes // MIB, found.compute_bytes // MIB


@dataclass(frozen=True)
class Package:
    """One of PyPI's, in a process of its own."""

    name: str

    @property
    def n_outputs(self) -> int | None:
        return None if self.name == "xllamacpp" else BATCH_TOKENS

    @property
    def build(self) -> str:
        # xllamacpp's versions end in llama.cpp's number (2026.10.11549); llama-cpp-python's say nothing of it.
        return f"b{version(self.name).rpartition('.')[2]}" if self.name == "xllamacpp" else ""

    def figures(self, path: Path, way: Way) -> tuple[int | None, int, int]:
        asked = {
            "context_tokens": way.context_tokens,
            "n_batch_tokens": BATCH_TOKENS,
            "n_ubatch_tokens": way.n_ubatch_tokens,
            "n_sequences": way.n_sequences,
            "is_flash_attention": way.is_flash_attention,
            "kv_type": _TYPE_NUMBERS[STORED_TYPES[way.kv_type]],
        }
        told = _told([sys.executable, str(LOADER), self.name, str(path), json.dumps(asked)])
        return logged_figures(told.stdout + told.stderr)


def logged_figures(log: str) -> tuple[int | None, int, int]:
    """What a load's log says: weights and compute by buffer, caches by their own sums, which are there where none is
    allocated.

    Raises:
        Unverifiable: there are no buffers in it.
    """
    weights, caches, compute = (
        [float(mib) for mib in pattern.findall(log)] for pattern in (_WEIGHTS, _CACHES, _COMPUTE)
    )
    if not compute:
        raise Unverifiable("its log names no buffers")
    return int(sum(weights)) or None, int(sum(caches)), int(sum(compute))


def _told(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=MOST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unverifiable(f"no answer within {MOST_SECONDS} s") from None
    except OSError as error:
        raise Unverifiable(str(error)) from error
    if done.returncode:
        raise Unverifiable((done.stderr.strip().splitlines() or ["no word"])[-1][:160])
    return done


def our_figures(model: Model, way: Way, oracle: Oracle) -> tuple[float, float, float]:
    options = llamacpp.Options(
        n_gpu_layers=0,
        is_flash_attention=way.is_flash_attention,
        n_ubatch_tokens=way.n_ubatch_tokens,
        n_outputs=oracle.n_outputs,
        build=oracle.build,
    )
    workload = Workload(context_tokens=way.context_tokens, n_sequences=way.n_sequences, kv_type=way.kv_type)
    made = llamacpp.estimate(model, workload, options, [HOST])
    weights, cells, states, compute = (
        made.n_bytes([HOST.name], kind) / MIB for kind in (Kind.WEIGHTS, Kind.KV_CACHE, Kind.STATE, Kind.COMPUTE)
    )
    return weights, cells + states, compute


def points_of(oracle: Oracle, chosen: Sequence[Entry], folder: Path, skipped: dict[str, int]) -> Iterator[Point]:
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
                ours = our_figures(model, way, oracle)
                if oracle.n_outputs is None and sum(ours) > MOST_ALLOCATED_MIB:
                    raise Unverifiable(f"more than {MOST_ALLOCATED_MIB} MiB would really be allocated")
                yield Point(entry, way, oracle.figures(path, way), ours)
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


def chosen_oracle(program: str | None, package: str | None) -> Oracle | None:
    """What was named, or the first that is here."""
    found = None if package else which(program or PROGRAM)
    if found:
        return FitParams(found)
    names = () if program else (package,) if package else PACKAGES
    return next((Package(name) for name in names if find_spec(name)), None)


def print_buffers(point: Point) -> None:
    """Every part of one point, theirs and ours."""
    parts = "  ".join(
        f"{name} {'?' if theirs is None else theirs} / {ours:.2f}"
        for name, theirs, ours in zip(PARTS, point.theirs, point.ours, strict=True)
    )
    print(f"{point.entry.name}, {' '.join(point.way.arguments)}: {parts} MiB")


def print_row(name: str, points: Sequence[Point]) -> None:
    n = len(points)
    equal = "".join(f"{sum(point.is_equal(part) for point in points):>11}" for part in range(len(PARTS)))
    errors = sorted(point.error(2) * 100 for point in points)
    total = max(point.total_error for point in points) * 100
    print(f"{name:<20}{n:>5}{equal}{statistics.median(errors):>11.2f} %{errors[-1]:>8.2f} %{total:>8.2f} %")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", help=f"{PROGRAM}, if it is not on the path")
    parser.add_argument("--package", choices=PACKAGES, help="one of PyPI's, if it is installed")
    parser.add_argument("--buffers", action="store_true", help="print each buffer, theirs / ours")
    parser.add_argument("--model", action="append", default=[], help="only this model of the catalogue")
    parser.add_argument("--architecture", action="append", default=[], help="only models of this architecture")
    parser.add_argument("--all", action="store_true", help="every model, not the smallest of each architecture")
    parser.add_argument("--every", type=int, default=1, help="only each so-manieth of them")
    parser.add_argument("--worst", type=int, default=0, help="list so many points with the largest errors")
    options = parser.parse_args()
    oracle = chosen_oracle(options.program, options.package)
    if oracle is None:
        print(f"no llama.cpp is here: neither {PROGRAM} (--program FILE) nor the packages {', '.join(PACKAGES)}")
        return 2
    skipped: dict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory(prefix="plimsoll-") as folder:
        points = list(points_of(oracle, chosen_entries(options), Path(folder), skipped))
    if options.buffers:
        for point in points:
            print_buffers(point)
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

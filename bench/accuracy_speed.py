"""How far the estimated tokens per second are from published ones.

    python bench/accuracy_speed.py [--rows FILE] [--worst N] [--no-refit]

FILE holds one published figure a line (bench/data/llama_bench.jsonl where none is given): ``model`` and ``quant`` as
the catalogue knows them, ``device`` as probes/accelerators.jsonl does (or "CPU"), ``n_devices``, ``engine``,
``n_sequences`` side by side (then ``tokens_per_second`` is of all of them), ``backend``, ``n_gpu_layers``,
``n_cpu_moe_layers`` and ``is_kv_offloaded`` where not everything is on the device, ``ram_gb_s`` for those, ``test`` as
llama-bench names it (tg128, pp512), ``depth_tokens``, ``tokens_per_second``, ``build``, ``date``, ``source``. What a
row doesn't state is skipped, and counted. llama-batched-bench gives all sequences the same tokens, which choose the
same experts: mixtures are faster there than with requests that differ, as they are reckoned here.

Besides the figures as the product gives them, every class of devices is fitted anew without each of its devices in
turn, and that device's rows are compared with the fit of the others: what can be expected of a card that no row is of.
"""

import argparse
import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimator.engine import load_engine
from estimator.engines.llamacpp import Options, estimate
from estimator.errors import EstimatorError
from estimator.ledger import Estimate, Place, Workload
from estimator.model import Model
from estimator.pace import CACHE_RATIO, pace_of
from estimator.reader import read_model
from estimator.reads import reads_by_place, work_of
from estimator.speed import Speed, speed_of
from probes.accelerators import Accelerator, known_accelerators

GIB = 1 << 30
ROWS = Path(__file__).parent / "data" / "llama_bench.jsonl"
KINDS = {"CUDA": "cuda", "ROCm": "rocm", "Metal": "metal", "Vulkan": "gpu", "CPU": "host"}
QUANTS = {"4-bit": "Q4_0"}
"""MLX: 4 bits in groups of 64 with a scale and a bias, which comes to as many bytes."""
RAM_BYTES_PER_SECOND = 60e9


@dataclass(frozen=True)
class Row:
    """A published figure beside ours."""

    said: dict[str, Any]
    model: Model
    workload: Workload
    places: tuple[Place, ...]
    estimate: Estimate
    speed: Speed
    expected: float
    is_in_band: bool

    @property
    def error(self) -> float:
        """Signed: 0.1 is 10 % too fast."""
        return self.expected / float(self.said["tokens_per_second"]) - 1

    @property
    def kind(self) -> str:
        if self.said["test"].startswith("pp"):
            return "prompt"
        if self.said["device"] == "CPU":
            return "CPU alone"
        if self.said.get("n_sequences", 1) > 1:
            return "sequences side by side"
        if self.said.get("engine", "llama.cpp") not in ("llama.cpp", "MLX"):
            return "servers, one sequence"
        if self.is_spilled:
            return "spilled to the CPU"
        return "several devices" if self.said.get("n_devices", 1) > 1 else "one device"

    @property
    def is_spilled(self) -> bool:
        """Something that a token reads lies in RAM."""
        reads = reads_by_place(self.model, self.workload, self.estimate)
        return "RAM" in reads and len(reads) > 1

    @property
    def group(self) -> str:
        """The class whose figures are used."""
        if self.said["device"] == "CPU":
            return "CPU"
        if self.said.get("engine") == "MLX":
            return "MLX on Apple"
        place = self.places[0]
        if place.kind == "metal":
            return "Apple M" + place.product.split("M", 1)[1][:1]
        if place.compute_capability:
            return "NVIDIA {}.{}".format(*place.compute_capability) + (" Vulkan" if self.is_vulkan else "")
        pace = pace_of(place)
        alike = {"RX 6": "AMD RDNA 2", "RX 7": "AMD RDNA 3", "RX 90": "AMD RDNA 4", "R9700": "AMD RDNA 4"}
        found = next((name for mark, name in alike.items() if mark in place.product), None)
        vendor = "AMD RDNA 3.5" if "Ryzen" in place.product else "Intel" if "Intel" in place.product else pace.source
        return (found or vendor) + (" Vulkan" if self.is_vulkan else "")

    @property
    def is_vulkan(self) -> bool:
        return self.said["backend"] == "Vulkan"


def places_of(said: dict[str, Any], known: dict[str, Accelerator]) -> tuple[Place, ...] | None:
    ram = said.get("ram_gb_s")
    host = Place(
        name="RAM",
        kind="host",
        total_bytes=4096 * GIB,
        free_bytes=4096 * GIB,
        bandwidth_bytes_per_second=ram * 1e9 if ram else RAM_BYTES_PER_SECOND,
        is_bandwidth_assumed=not ram,
    )
    if said["device"] == "CPU":
        return (host,)
    one = known.get(said["device"])
    if one is None or one.bandwidth_gb_s is None:
        return None
    kind = KINDS[said["backend"]]
    device = Place(
        name="GPU 0",
        # Vulkan on a card of NVIDIA's reads at the pace of that card.
        kind="cuda" if one.vendor == "nvidia" else kind,
        total_bytes=4096 * GIB,
        free_bytes=4096 * GIB,
        product=one.name,
        compute_capability=capability(one),
        bandwidth_bytes_per_second=one.bandwidth_gb_s * 1e9,
        half_flops=one.half_tflops * 1e12 if one.half_tflops else None,
    )
    return (*(replace(device, name=f"GPU {n}") for n in range(said.get("n_devices", 1))), host)


def capability(one: Accelerator) -> tuple[int, int] | None:
    if one.cuda_cc is None:
        return None
    major, minor = one.cuda_cc.split(".")
    return int(major), int(minor)


def compared(
    said: dict[str, Any], known: dict[str, Accelerator], read: Callable[[str, str], Model | None]
) -> Row | str:
    """The row, or why there is none."""
    model = read(said["model"], QUANTS.get(said["quant"], said["quant"]))
    if model is None:
        return "the catalogue does not know the model"
    places = places_of(said, known)
    if places is None:
        return "no such device is known"
    n_tokens = int("".join(c for c in said["test"] if c.isdigit()))
    depth = said.get("depth_tokens", 0) + n_tokens // 2
    n_sequences = said.get("n_sequences", 1)
    workload = Workload(context_tokens=max(256, depth) * n_sequences, n_sequences=n_sequences)
    try:
        made = estimated(said, model, workload, places)
    except EstimatorError as error:
        return str(error)
    speed = speed_of(model, workload, made, places)
    if speed is None:
        return "no bandwidth"
    expected: float | None = speed.full_tokens_per_second
    if n_sequences > 1:
        expected = speed.batch.tokens_per_second if speed.batch else None
    elif said["test"].startswith("pp"):
        expected = speed.prompt_tokens_per_second
    if expected is None:
        return "the device's rate is not known"
    ratio = expected / speed.tokens_per_second
    low, high = speed.low_tokens_per_second * ratio, speed.high_tokens_per_second * ratio
    is_in_band = low <= said["tokens_per_second"] <= high
    return Row(said, model, workload, places, made, speed, expected, is_in_band)


def estimated(said: dict[str, Any], model: Model, workload: Workload, places: tuple[Place, ...]) -> Estimate:
    """By the engine of the row; what MLX loads is laid out as llama.cpp would on the same device."""
    name = said.get("engine", "llama.cpp")
    if name not in ("llama.cpp", "MLX"):
        engine = load_engine(name)
        return engine.estimate(model, replace(workload, kv_type=engine.KV_TYPES[0]), engine.Options(), places)
    options = Options(
        n_gpu_layers=said.get("n_gpu_layers", 999),
        n_cpu_moe_layers=said.get("n_cpu_moe_layers", 0),
        is_kv_offloaded=said.get("is_kv_offloaded", True),
        # What -ngl counts changed on the way; where all layers are on devices nothing depends on it.
        build=said["date"][:7] if "n_gpu_layers" in said and len(said["date"]) >= len("2023-08") else "",
    )
    return replace(estimate(model, workload, options, places), engine=name)


def figures(rows: Sequence[Row]) -> str:
    errors = sorted(abs(row.error) for row in rows)
    bias = statistics.median(row.error for row in rows)
    high = errors[math.ceil(0.95 * (len(errors) - 1))]
    in_band = sum(row.is_in_band for row in rows) / len(rows)
    return (
        f"{len(rows):5d}{len({row.said['device'] for row in rows}):8d}{statistics.median(errors):9.1%}{high:8.1%}"
        f"{errors[-1]:8.1%}{bias:+8.1%}{in_band:9.0%}"
    )


def left_out_errors(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Of each class, the errors of its devices by the fit of the others."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.kind == "one device":
            groups[row.group].append(row)
    found: dict[str, list[float]] = {}
    for name, group in groups.items():
        for device in {row.said["device"] for row in group}:
            others = [terms(row) for row in group if row.said["device"] != device]
            if not others:
                continue
            ratio, layer = fitted(others)
            for row in group:
                if row.said["device"] == device:
                    log_error = logarithm(terms(row), ratio, layer)
                    found.setdefault(name, []).append(abs(math.expm1(log_error)))
    return found


def terms(row: Row) -> tuple[float, float, float, float]:
    """(seconds at full bandwidth, layers, seconds for the cache, seconds measured)."""
    reads = reads_by_place(row.model, row.workload, row.estimate)["GPU 0"]
    bandwidth = row.places[0].bandwidth_bytes_per_second or 1.0
    pace = pace_of(row.places[0])
    return (
        reads.weight_bytes * pace.bandwidth_ratio / pace.reading_rate(row.places[0]),
        work_of(row.model).layer_units,
        reads.cache_bytes / (bandwidth * CACHE_RATIO),
        1 / row.said["tokens_per_second"],
    )


def logarithm(term: tuple[float, float, float, float], ratio: float, layer: float) -> float:
    reading, layers, cache, measured = term
    return math.log(measured / (reading / ratio + layers * layer + cache))


def fitted(others: Sequence[tuple[float, float, float, float]]) -> tuple[float, float]:
    tried = ((r / 50, micro * 5e-6) for r in range(15, 51) for micro in range(60))
    return min(tried, key=lambda pair: sum(abs(logarithm(term, *pair)) for term in others))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=ROWS, help="published figures, JSON lines")
    parser.add_argument("--worst", type=int, default=0, help="list so many of the worst rows")
    parser.add_argument("--no-refit", action="store_true", help="without the fits that leave a device out")
    given = parser.parse_args()
    known = {one.name: one for one in known_accelerators()}
    models: dict[tuple[str, str], Model | None] = {}

    def read(name: str, quant: str) -> Model | None:
        if (name, quant) not in models:
            try:
                models[name, quant] = read_model(name, quant)
            except EstimatorError:
                models[name, quant] = None
        return models[name, quant]

    said = [json.loads(line) for line in given.rows.read_text("utf-8").splitlines() if line.strip()]
    made = [compared(row, known, read) for row in said]
    rows = [row for row in made if isinstance(row, Row)]
    if not rows:
        print("nothing to compare")
        return 1
    print_figures(rows)
    if not given.no_refit:
        print_left_out(rows)
    for reason, n in Counter(reason for reason in made if isinstance(reason, str)).most_common():
        print(f"skipped: {n}, {reason}")
    for row in sorted(rows, key=lambda row: -abs(math.log(1 + row.error)))[: given.worst]:
        print(f"{row.error:+7.0%}  {json.dumps(row.said, ensure_ascii=False)}")
    return 0


def print_figures(rows: Sequence[Row]) -> None:
    generation = [row for row in rows if row.kind != "prompt"]
    print(f"{'':28}{'rows':>5}{'devices':>8}{'median':>9}{'95 %':>8}{'worst':>8}{'bias':>8}{'in band':>9}")
    print(f"{'generation':28}{figures(generation)}")
    for title, key in (("kind", lambda row: row.kind), ("since", since), ("class", lambda row: row.group)):
        print(f"by {title}")
        groups: dict[str, list[Row]] = defaultdict(list)
        for row in rows if title == "kind" else generation:
            groups[key(row)].append(row)
        for name, group in sorted(groups.items()):
            print(f"  {name:26}{figures(group)}")
    spilled = [row for row in rows if row.kind == "spilled to the CPU"]
    within = sum(1 / 1.5 <= 1 + row.error <= 1.5 for row in spilled)
    print(f"spilled rows within a factor of 1.5: {within} of {len(spilled)}")


def print_left_out(rows: Sequence[Row]) -> None:
    left_out = left_out_errors(rows)
    every = sorted(error for errors in left_out.values() for error in errors)
    if not every:
        return
    print(f"by the fit of the class's other devices: median {statistics.median(every):.1%} of {len(every)} rows")
    for name, errors in sorted(left_out.items()):
        print(f"  {name:26}{len(errors):5d}{statistics.median(errors):17.1%}{max(errors):16.1%}")


def since(row: Row) -> str:
    return f"builds of {row.said['date'][:4]}"


if __name__ == "__main__":
    raise SystemExit(main())

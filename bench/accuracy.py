"""How far the llama.cpp estimate is from what llama.cpp measured, device by device.

    python bench/accuracy.py --grid GRID.jsonl --models DIR [--model NAME ...] [--context N ...] [--worst N]

GRID.jsonl holds one measured point a line: ``kind`` "memory", ``model``, ``quant``, the run's settings (``n_ctx_req``,
``ubatch``, ``batch``, ``flash_attn``, ``kv_type``, ``parallel``, ``kv_unified``, ``ngl``, ``n_outputs_max``,
``devices_mib``, ``opts``) and ``bytes``: per buffer the bytes of model, context and compute. DIR holds the models'
files, or files with their headers only, as MODEL-QUANT.gguf. Without arguments the
points that the tests carry are replayed.
"""

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from measured import MEASURED_POINTS, measured_model, replay

from estimator.ledger import Kind
from estimator.model import Model
from estimator.reader import read_model

UNKNOWN_OPTIONS = "an option that the engine has no rule for here"


@dataclass(frozen=True)
class Row:
    """One place of one point: bytes, measured and estimated."""

    point: dict[str, Any]
    place: str
    measured: tuple[int, int, int]
    estimated: tuple[int, int, int]
    is_in_band: bool

    @property
    def total_error(self) -> float:
        return abs(sum(self.estimated) - sum(self.measured)) / max(1, sum(self.measured))

    @property
    def compute_error(self) -> float:
        return abs(self.estimated[2] - self.measured[2]) / max(1, self.measured[2])


def rows_of(
    points: Iterable[dict[str, Any]], model_of: Callable[[dict[str, Any]], Model | None]
) -> tuple[list[Row], dict[str, int]]:
    rows: list[Row] = []
    skipped: dict[str, int] = defaultdict(int)
    for point in points:
        model = model_of(point)
        if model is None:
            skipped["no file of the model"] += 1
            continue
        made = replay(point, model)
        if made is None:
            skipped[UNKNOWN_OPTIONS] += 1
            continue
        estimate, places, truth = made
        for name in places:
            buffers = (Kind.WEIGHTS, Kind.KV_CACHE, Kind.STATE, Kind.COMPUTE)
            estimated = (
                estimate.n_bytes([name], Kind.WEIGHTS),
                estimate.n_bytes([name], Kind.KV_CACHE) + estimate.n_bytes([name], Kind.STATE),
                estimate.n_bytes([name], Kind.COMPUTE),
            )
            low = sum(estimate.low_bytes([name], kind) for kind in buffers)
            high = sum(estimate.high_bytes([name], kind) for kind in buffers)
            measured = truth[name]
            rows.append(Row(point, name, measured, estimated, low <= sum(measured) <= high))
    return rows, skipped


def percent(errors: Sequence[float]) -> str:
    ordered = sorted(errors)
    high = ordered[int(0.95 * (len(ordered) - 1))]
    return f"{statistics.median(ordered) * 100:7.2f} {high * 100:7.2f} {ordered[-1] * 100:8.2f}"


def way(point: dict[str, Any]) -> str:
    n_devices = 0 if point["devices_mib"] == "none" else point["devices_mib"].count(",") + 1
    if not n_devices:
        return "CPU only"
    devices = "1 GPU" if n_devices == 1 else "2-4 GPUs"
    layers = "all layers" if point["ngl"] >= 999 else "some layers" if point["ngl"] else "no layer"
    if point.get("opts"):
        return f"{devices}, special options"
    attention = "" if point["flash_attn"] == "on" else ", no flash attention"
    outputs = "" if point["n_outputs_max"] else ", every token's logits"
    return f"{devices}, {layers}{attention}{outputs}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", type=Path, help="measured points, JSON lines")
    parser.add_argument("--models", type=Path, help="directory of MODEL-QUANT.gguf")
    parser.add_argument("--model", action="append", default=[], help="only this model")
    parser.add_argument("--context", action="append", default=[], type=int, help="only this context")
    parser.add_argument("--worst", type=int, default=0, help="list so many of the worst rows")
    options = parser.parse_args()

    read: dict[tuple[str, str], Model | None] = {}

    def model_of(point: dict[str, Any]) -> Model | None:
        key = (point["model"], point["quant"])
        if key not in read:
            if options.models is None:
                read[key] = measured_model(point["model"])
            else:
                path = options.models / f"{key[0]}-{key[1]}.gguf"
                read[key] = read_model(str(path)) if path.exists() else None
        return read[key]

    if options.grid is None:
        points = list(MEASURED_POINTS)
    else:
        with options.grid.open() as lines:
            points = [
                point for line in lines if (point := json.loads(line)).get("kind") == "memory" and "bytes" in point
            ]
    points = [
        point
        for point in points
        if (not options.model or point["model"] in options.model)
        and (not options.context or point["n_ctx_req"] in options.context)
    ]
    rows, skipped = rows_of(points, model_of)
    if not rows:
        print("nothing to replay")
        return 1
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[way(row.point)].append(row)
    n_exact_weights = sum(row.measured[0] == row.estimated[0] for row in rows)
    n_exact_caches = sum(row.measured[1] == row.estimated[1] for row in rows)
    print(f"{len(points)} points, {len(rows)} rows (a place of a point each)")
    print(
        f"weights byte for byte: {n_exact_weights} of {len(rows)}; caches and states: {n_exact_caches} of {len(rows)}"
    )
    print(f"{'':62s}{'rows':>6s}  compute: median, 95 %, worst   total: median, 95 %, worst   in band")
    for name, group in sorted(groups.items()):
        in_band = sum(row.is_in_band for row in group) / len(group) * 100
        print(
            f"{name:62s}{len(group):6d}  {percent([row.compute_error for row in group])} %"
            f"      {percent([row.total_error for row in group])} %   {in_band:5.1f} %"
        )
    for reason, n in skipped.items():
        print(f"skipped: {n}, {reason}")
    for row in sorted(rows, key=lambda row: -row.total_error)[: options.worst]:
        print(row.place, f"{row.total_error * 100:.1f} %", row.measured, row.estimated, row.point)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

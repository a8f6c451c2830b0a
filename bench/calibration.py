"""What correcting by loads of the same machine is worth: the error of whole loads on a device, before and after.

    python bench/calibration.py [FILE ...]

Without a file: nine loads of llama.cpp on one H100 (tests/test_runtime.py), as they are predicted, and as if the
driver did not tell how large the card is. FILE has rows of ``bench/real_gpu.py --json``, a file a machine, or of
published runs that state the memory in use by nvidia-smi: those of one source are taken for one machine, and a model
with so many layers on the device for a model of its own, since there are few others. Each is replayed as a kept load.
``after`` is every load as corrected by what was learned from the loads of all *other* models, by the rules of the
program, which may decide to correct nothing; ``within`` by what was learned from all. Exit status 1 where a median or a
worst case becomes worse.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from test_runtime import H100, HELD_BESIDE_MIB, HOST
from truth.figure import NotReplayable
from truth.llamacpp import setting_of

from estimator.engine import load_engine
from estimator.errors import EstimatorError
from estimator.ledger import Kind, Place, Workload
from estimator.reader import read_model
from tui.steadiness import Steady, median, steadiness

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """On one device, in bytes."""

    model: str
    predicted: int
    held: int


def on_h100(place: Place) -> Iterator[Load]:
    """What was measured there beside buffers that were equal to the log's."""
    engine = load_engine("llamacpp")
    for name, beside_mib in HELD_BESIDE_MIB.items():
        model = read_model(name, None if name.startswith("gpt-oss") else "Q4_K_M")
        made = engine.estimate(
            model, Workload(context_tokens=4096), engine.Options(n_gpu_layers=99), (place, HOST)
        )  # fmt: skip
        predicted, runtime = made.n_bytes([place.name]), made.n_bytes([place.name], Kind.RUNTIME)
        yield Load(model=name, predicted=predicted, held=predicted - runtime + beside_mib * MIB)


def in_file(path: Path) -> Mapping[str, Sequence[Load]]:
    """By machine."""
    found: dict[str, list[Load]] = {}
    for line in path.read_text().splitlines():
        row = json.loads(line) if line.strip() else {}
        if "terms" in row and "run" in row and row["run"].get("answered_bytes"):
            predicted = sum(term["bytes"] for term in row["terms"])
            load = Load(model=row["file"], predicted=predicted, held=row["run"]["answered_bytes"])
            found.setdefault(path.name, []).append(load)
        elif "observed" in row and len(row["observed"].get("nvidia_smi_used_mib") or []) == 1:
            published = load_of(row)
            if published is not None:
                found.setdefault(row["source"], []).append(published)
    return found


def load_of(row: dict[str, Any]) -> Load | None:
    """A published run on one device; None where it cannot be replayed, or where nothing is on the device."""
    run = row["run"]
    if run.get("backend") != "CUDA" or not (run.get("n_gpu_layers") or 0):
        return None
    if not row["observed"]["buffers"]:  # no log: then its layers alone tell that there is a device
        row = row | {"observed": row["observed"] | {"buffers": [{"device": "CUDA0", "role": "compute", "mib": 0.0}]}}
    try:
        setting = setting_of(row)
        made = load_engine("llamacpp").estimate(setting.model, setting.workload, setting.options, setting.places)
    except (NotReplayable, EstimatorError, KeyError):
        return None
    device = next((place.name for place in setting.places if place.kind != "host"), None)
    if device is None:
        return None
    held = int(row["observed"]["nvidia_smi_used_mib"][0] * MIB)
    return Load(
        model=f"{setting.model.name}, {run['n_gpu_layers']} layers", predicted=made.n_bytes([device]), held=held
    )


def by_model(loads: Iterable[Load]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for load in loads:
        found.setdefault(load.model, []).append(load.held - load.predicted)
    return found


def correction(loads: Iterable[Load]) -> int:
    """By the rules of the program; 0 where they say to leave it."""
    found = steadiness(by_model(loads))
    return found.n_bytes if isinstance(found, Steady) else 0


def report(name: str, loads: Sequence[Load]) -> bool:
    """Whether nothing becomes worse."""
    everything = correction(loads)
    corrections = {
        "before": [0] * len(loads),
        "within": [everything] * len(loads),
        "after": [correction(other for other in loads if other.model != load.model) for load in loads],
    }
    found = steadiness(by_model(loads))
    told = f"{found.n_bytes / MIB:+.0f} MiB" if isinstance(found, Steady) else found.reason
    print(f"{name}: {len(loads)} loads of {len(by_model(loads))} models; {told}")
    figures = {}
    for label, moved in corrections.items():
        off = [abs(load.held - load.predicted - one) for load, one in zip(loads, moved, strict=True)]
        ratios = sorted(n / load.held for n, load in zip(off, loads, strict=True))
        figures[label] = (median(off), max(off))
        middle = ratios[len(ratios) // 2]
        parts = (f"{n / MIB:6.1f} MiB {ratio:7.2%}" for n, ratio in ((median(off), middle), (max(off), ratios[-1])))
        print(f"  {label:7} median {'   worst '.join(parts)}")
    return all(
        figures[label][number] <= figures["before"][number] for label in ("within", "after") for number in (0, 1)
    )


def main() -> int:
    """Every machine that is told of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    given = parser.parse_args()
    machines = {
        "H100, driver 580": tuple(on_h100(H100)),
        "H100, its size not told": tuple(on_h100(replace(H100, n_multiprocessors=None))),
    }
    for path in given.files:
        machines |= in_file(path)
    are_no_worse = [report(name, loads) for name, loads in machines.items() if len(loads) > 1]
    return 0 if all(are_no_worse) else 1


if __name__ == "__main__":
    sys.exit(main())

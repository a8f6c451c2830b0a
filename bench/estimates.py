"""How long one estimate takes: by closed forms, simulated, simulated once more, --fit, and a matrix of many.

    python bench/estimates.py [--rounds N]

Processor time of this process, the median of N rounds; every round forgets what was simulated before.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from measured import measured_model

from estimator import compute
from estimator.engines import llamacpp
from estimator.fit import fit
from estimator.kv_cache import as_cached
from estimator.ledger import Place, Workload
from estimator.llama_load import Load
from estimator.model import Model
from tui.matrix import matrix
from tui.plan import Plan, with_quant

GIB = 1 << 30
MODELS = ("llama-3.1-8b", "gemma-3-12b", "qwen3-30b-a3b", "deepseek-v2-lite")
QUANTS = (
    "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS", "Q3_K_M", "Q3_K_S", "Q2_K", "IQ3_XXS",
)  # fmt: skip
CONTEXTS = (2048, 4096, 8192, 16384, 32768, 49152, 65536, 131072)


def places(free_gib: float) -> list[Place]:
    return [
        Place(name="GPU 0", kind="cuda", total_bytes=80 * GIB, free_bytes=int(free_gib * GIB)),
        Place(name="RAM", kind="host", total_bytes=256 * GIB, free_bytes=250 * GIB),
    ]


def forget(model: Model) -> None:
    """What was simulated, of all its quants."""
    compute.skeleton(model).stacks.clear()
    for made in (model, *(with_quant(model, quant) for quant in QUANTS)):
        for work in (compute._by_layout, as_cached):
            made.derived.pop(work.__wrapped__, None)  # type: ignore[attr-defined]  # what a decorator adds


def median_ms(work: Callable[[], object], n_rounds: int, forgotten: Model | None = None) -> float:
    taken: list[float] = []
    for _ in range(n_rounds):
        if forgotten is not None:
            forget(forgotten)
        began = time.process_time()
        work()
        taken.append((time.process_time() - began) * 1e3)
    return statistics.median(taken)


def measured_ms(model: Model, n_rounds: int) -> dict[str, float]:
    workload, options, roomy = Workload(context_tokens=8192), llamacpp.Options(), places(80)
    half = llamacpp.Options(n_gpu_layers=model.n_layers // 2)
    for quant in QUANTS:  # a matrix finds them remembered, as on the screen
        with_quant(model, quant)

    def cells(asked: llamacpp.Options, free_gib: float) -> Callable[[], object]:
        plan = Plan(model=model, workload=workload, options=asked)
        return lambda: matrix(plan, places(free_gib), CONTEXTS, QUANTS)

    def choice() -> object:
        return fit(Load(model, workload, options, places(4)))

    def estimate(asked: llamacpp.Options) -> Callable[[], object]:
        return lambda: llamacpp.estimate(model, workload, asked, roomy)

    estimate(options)()
    return {
        "closed": median_ms(lambda: llamacpp.sketch(model, workload, options, roomy), 20 * n_rounds),
        "simulated": median_ms(estimate(options), n_rounds, model),
        "again": median_ms(estimate(options), 20 * n_rounds),
        "half in RAM": median_ms(estimate(half), n_rounds, model),
        "--fit": median_ms(choice, n_rounds, model),
        "matrix": median_ms(cells(options, 80), n_rounds, model),
        "matrix, 8 GiB": median_ms(cells(options, 8), n_rounds, model),
        "matrix, half": median_ms(cells(half, 8), n_rounds, model),
    }


def print_estimates(n_rounds: int) -> None:
    print(f"\nllama.cpp's estimates, ms of processor time: median of {n_rounds} rounds")
    print(f"a matrix is {len(QUANTS)} quants x {len(CONTEXTS)} contexts; half: half of the layers stay in RAM")
    names: list[str] = []
    for name in MODELS:
        model = measured_model(name)
        if model is None:
            continue
        taken = measured_ms(model, n_rounds)
        if not names:
            names = list(taken)
            print(f"  {'':18}" + "".join(f"{title:>15}" for title in names))
        print(f"  {name:18}" + "".join(f"{taken[title]:>15.2f}" for title in names))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print how long estimates take.")
    parser.add_argument("--rounds", type=int, default=5, help="of each figure (default: 5)")
    print_estimates(parser.parse_args().rounds)

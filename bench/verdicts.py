"""How long a verdict takes on the screen's own thread: the first on a load, and one more, by engine.

    python bench/verdicts.py

Processor time of this process. Before each first verdict everything that was remembered is forgotten, so that it is
what a person meets who has just chosen the model; the worst over models and machines is shown, a key waits for it.
"""

import functools
import gc
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from estimator.engine import ENGINES, load_engine
from estimator.errors import EstimatorError
from estimator.ledger import Place, Workload
from estimator.model import Model
from estimator.reader import read_model
from probes.sampler import take_one
from probes.simulate import simulated_sources
from tui.places import places_of
from tui.plan import Plan, assess

MACHINES = ("RTX 4090", "4x RTX 3090", "8x H100 80GB", "RTX 4090, RTX 3060 12GB")
MODELS = (
    "Qwen3 8B", "Gemma 3 27B", "Llama 3.3 70B", "Qwen3 30B A3B", "gpt-oss 120b", "Qwen3 235B A22B", "DeepSeek V3",
)  # fmt: skip
N_AGAIN = 30


def machines() -> dict[str, tuple[Place, ...]]:
    return {name: places_of(take_one(simulated_sources(name), 10.0)) for name in MACHINES}


def forget(model: Model) -> None:
    """All that the estimator and the plans remember."""
    model.derived.clear()
    for found in gc.get_objects():
        if isinstance(found, functools._lru_cache_wrapper) and found.__module__.startswith(("estimator", "tui")):
            found.cache_clear()


def taken_ms(plan: Plan, places: tuple[Place, ...]) -> tuple[float, float]:
    """(the first verdict as the screen asks for it, the median of some more of the engine's estimate alone)."""
    forget(plan.model)
    began = time.process_time()
    used = assess(plan, places, is_quick=True, may_ask_again=False).places
    first = time.process_time() - began
    engine, again = plan.engine, []
    estimate = getattr(engine, "sketch", engine.estimate)
    for _ in range(N_AGAIN):
        began = time.process_time()
        estimate(plan.model, plan.workload, plan.options, used)
        again.append(time.process_time() - began)
    return first * 1e3, statistics.median(again) * 1e3


def loads(engine: Any, model: Model) -> dict[str, Any]:
    """The engine's defaults; for llama.cpp also with layers, or experts, in RAM."""
    if engine.NAME != "llama.cpp":
        return {"": engine.Options()}
    half = engine.Options(n_gpu_layers=model.n_layers // 2)
    return {"": engine.Options(), ", half in RAM": half, ", --cpu-moe": engine.Options(is_cpu_moe=True)}


def print_verdicts() -> None:
    print(f"\nVerdicts, ms of processor time: worst over {len(MODELS)} models and {'; '.join(MACHINES)}")
    print("a key may wait 50 ms for the first; one more estimate by closed forms is to take 0.2")
    print(f"  {'':14}{'first':>9}  {'of':40}{'one more: median':>18}{'worst':>8}")
    models = [read_model(name) for name in MODELS]
    there = machines()
    for name in ENGINES:
        engine = load_engine(name)
        firsts: list[tuple[float, str]] = []
        agains: list[float] = []
        for model in models:
            for machine, places in there.items():
                for said, options in loads(engine, model).items():
                    workload = Workload(context_tokens=8192, kv_type=engine.KV_TYPES[0])
                    plan = Plan(model=model, workload=workload, options=options, engine_name=name)
                    try:
                        first, again = taken_ms(plan, places)
                    except EstimatorError:  # it does not run such a model
                        continue
                    firsts.append((first, f"{model.name}{said}, {machine}"))
                    agains.append(again)
        worst, of = max(firsts)
        print(f"  {engine.NAME:14}{worst:>9.1f}  {of[:39]:40}{statistics.median(agains):>18.2f}{max(agains):>8.2f}")


if __name__ == "__main__":
    print_verdicts()

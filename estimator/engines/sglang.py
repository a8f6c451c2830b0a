"""SGLang: a fraction of the free memory for weights and cache, the rest for everything else, unchecked.

The rules are in estimator/static_pool.py, those of 0.5.23 and, for versions before 0.5, of 0.4.6.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from estimator.engine import nothing
from estimator.ledger import Estimate, Kind, Place, Workload
from estimator.model import Model
from estimator.needs import checkpoint_needs
from estimator.ranks import rounded_up, usual_tensor
from estimator.repository import repository_word
from estimator.sglang_load import Load
from estimator.sglang_options import DEFAULTS, KV_TYPES, NAME, Options

__all__ = ["DEFAULTS", "KV_TYPES", "NAME", "Options"]

KV_STEPS = ("auto", "fp8_e4m3")
QUANTS = ("BF16", "FP8", "W8A8", "AWQ", "GPTQ-Int4", "NVFP4", "bnb-4bit")
DEVICE_FLAG = ""
VENDORS = frozenset({"nvidia", "amd"})
CONVERTED_QUANT = ""
MOST_FRACTION = 0.95
"""Beyond it nothing is left for what is outside the fraction (ASSUMED)."""


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What SGLang would allocate, and whether it would start.

    Raises:
        Unjudgeable: no GPU, a cache type or a version that it does not know.
    """
    return Load(model, workload, options, places).estimate()


quick_estimate = estimate
fallback = quick_fallback = nothing
needs = checkpoint_needs


def relieved(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """The same with a split that works, or with the smallest fraction that holds one sequence.

    Where none does and it would not start at all, the engine's own fraction, if that starts. None if nothing helps, and
    where it starts as it is.
    """
    load = Load(model, workload, options, places)
    if not load.refusal() and not load.risk():
        return None
    if load.split_refusal():
        shared = replace(options, tp_size=usual_tensor(model, len(load.gpus)), pp_size=1)
        whole = Load(model, workload, shared, places)
        return None if whole.refusal() or whole.risk() else shared
    least = rounded_up(max(load.pool(rank).smallest_fraction(load.length).high_bytes for rank in load.ranks) / 1e6)
    if least <= MOST_FRACTION:
        found = replace(options, mem_fraction_static=least)
        changed = Load(model, workload, found, places)
        return None if changed.refusal() or changed.risk() else found
    if not load.refusal() or options.mem_fraction_static is None:
        return None
    usual = Load(model, workload, replace(options, mem_fraction_static=None), places)
    return None if usual.refusal() else replace(options, mem_fraction_static=usual.settings.fraction)


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:
    """The arguments of ``sglang.launch_server`` that ask for exactly this, the split spelled out."""
    del model
    n_used = len({term.place for term in made.terms if term.kind is Kind.WEIGHTS})
    tensor = options.tp_size or max(1, n_used // options.pp_size)
    said = {
        f"--mem-fraction-static {options.mem_fraction_static}": options.mem_fraction_static is not None,
        f"--tp-size {tensor}": tensor > 1,
        f"--pp-size {options.pp_size}": options.pp_size > 1,
        f"--chunked-prefill-size {options.chunked_prefill_size}": options.chunked_prefill_size is not None,
        f"{_graph_flag(options.version)} {options.cuda_graph_max_bs}": options.cuda_graph_max_bs is not None,
        "--disable-cuda-graph": options.is_graph_disabled,
        f"--max-running-requests {options.max_running_requests}": options.max_running_requests is not None,
        f"--max-total-tokens {options.max_total_tokens}": options.max_total_tokens is not None,
        f"--kv-cache-dtype {workload.kv_type}": workload.kv_type not in ("auto", "f16", "bf16"),
    }
    length = max(1, workload.context_tokens // workload.n_sequences)
    return " ".join([f"--context-length {length}"] + [flag for flag, is_said in said.items() if is_said])


def _graph_flag(version: str) -> str:
    """``--cuda-graph-max-bs`` is gone in 0.5.20; its successor has been there since 0.5.14 (srt/server_args.py)."""
    found = re.match(r"v?0\.(\d{1,3})(?:\.(\d{1,3}))?", version.strip())
    is_older = found is not None and (int(found[1]), int(found[2] or 0)) < (5, 14)
    return "--cuda-graph-max-bs" if is_older else "--cuda-graph-max-bs-decode"


def command(model: Model, arguments: str) -> str:
    """The server's line."""
    return f"python -m sglang.launch_server --model-path {repository_word(model)} {arguments}"

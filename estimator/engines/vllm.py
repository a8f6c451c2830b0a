"""vLLM: takes a share of every device whatever the model needs, and gives its cache what is left of it.

Budget, groups and refusals follow 0.33.0 (`vllm/v1/worker/gpu_worker.py: determine_available_memory`); what older
releases did otherwise is in estimator/releases.py.
"""

from collections.abc import Sequence
from dataclasses import replace

from estimator.cache_rows import ROW_TYPES
from estimator.engine import nothing
from estimator.ledger import Estimate, Kind, Place, Workload
from estimator.model import Model
from estimator.needs import checkpoint_needs
from estimator.ranks import offered_bytes, rounded_up, usual_tensor
from estimator.releases import release
from estimator.repository import repository_word
from estimator.runtime import runtime_term
from estimator.vllm_load import Load
from estimator.vllm_options import DEFAULTS, NAME, Options

__all__ = ["DEFAULTS", "NAME", "Options"]

KV_TYPES = tuple(ROW_TYPES)
KV_STEPS = ("auto", "fp8")
QUANTS = ("BF16", "FP8", "W8A8", "AWQ", "GPTQ-Int4", "NVFP4", "bnb-4bit")
DEVICE_FLAG = ""
VENDORS = frozenset({"nvidia", "amd"})
CONVERTED_QUANT = ""


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What vLLM would allocate, and whether it would start.

    Raises:
        Unjudgeable: no GPU, a cache type or a version that it does not know.
    """
    return Load(model, workload, options, places).estimate()


quick_estimate = estimate
fallback = quick_fallback = nothing
needs = checkpoint_needs


def free_context(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> int:
    """The tokens that ``--max-model-len auto`` settles on, as expected: the workload's at most."""
    return Load(model, replace(workload, n_sequences=1), replace(options, is_length_free=True), places).length


def relieved(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """The same with what makes it start: another share, fewer sequences at once, no CUDA graphs, a split that works.

    None if nothing does, and where it starts as it is.
    """
    load = Load(model, workload, options, places)
    if not load.refusal() and not load.risk():
        return None
    fewer = replace(
        options, max_num_seqs=min(load.step.n_sequences, 16), max_num_batched_tokens=min(load.step.n_tokens, 2048)
    )
    tensor = usual_tensor(model, len(load.gpus))
    shared = replace(options, tensor_parallel_size=tensor, pipeline_parallel_size=1, data_parallel_size=1)
    for tried in (options, fewer, replace(fewer, is_eager=True), *((shared,) if load.split_refusal() else ())):
        found = _with_share(model, workload, tried, places)
        if found is not None:
            return found
    return None


def _with_share(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """With a share that is free and large enough, the one asked for if it may be."""
    budget = Load(model, workload, options, places).budget
    least = rounded_up(budget.smallest_share().high_bytes / 1e6)
    most = min(_free_ratio(rank.place) for rank in budget.ranks)
    if least > most:
        return None
    found = replace(options, gpu_memory_utilization=min(max(least, budget.share_ratio), most))
    changed = Load(model, workload, found, places)
    return None if changed.refusal() or changed.risk() else found


def _free_ratio(place: Place) -> float:
    """The largest share of a device that is free now, in whole hundredths."""
    context = runtime_term(place)
    free = place.line_bytes - (context.high_bytes if context else 0)
    return max(0, free * 100 // offered_bytes(place)) / 100 if offered_bytes(place) else 0.0


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:
    """The arguments of ``vllm serve`` that ask for exactly this, share and split spelled out."""
    del model
    rules = release(options.version)
    share = options.gpu_memory_utilization or rules.utilization_ratio
    n_used = len({term.place for term in made.terms if term.kind is Kind.KV_CACHE})
    tensor = options.tensor_parallel_size or max(
        1, n_used // (options.pipeline_parallel_size * options.data_parallel_size)
    )
    length = "auto" if options.is_length_free else max(1, workload.context_tokens // workload.n_sequences)
    parts = [
        f"--max-model-len {length}",
        f"--gpu-memory-utilization {share:g}",
    ]
    said = {
        f"--tensor-parallel-size {tensor}": tensor > 1,
        f"--pipeline-parallel-size {options.pipeline_parallel_size}": options.pipeline_parallel_size > 1,
        f"--data-parallel-size {options.data_parallel_size}": options.data_parallel_size > 1,
        "--enable-expert-parallel": options.is_expert_parallel,
        f"--max-num-seqs {options.max_num_seqs}": options.max_num_seqs is not None,
        f"--max-num-batched-tokens {options.max_num_batched_tokens}": options.max_num_batched_tokens is not None,
        "--enforce-eager": options.is_eager,
        f"--kv-cache-dtype {workload.kv_type}": workload.kv_type not in ("auto", "f16", "bf16"),
        f"--block-size {options.block_size}": options.block_size is not None,
        f"--kv-cache-memory-bytes {options.kv_cache_memory_bytes}": options.kv_cache_memory_bytes is not None,
        f"--cpu-offload-gb {options.cpu_offload_gb:g}": options.cpu_offload_gb > 0,
        "--no-enable-chunked-prefill": options.is_prefill_whole,
        f"--performance-mode {options.performance_mode}": options.performance_mode != "balanced",
        "--disable-hybrid-kv-cache-manager": options.is_hybrid_manager_disabled,
        f"--dtype {options.dtype}": options.dtype != "auto",
        f"--mamba-ssm-cache-dtype {options.mamba_ssm_cache_dtype}": options.mamba_ssm_cache_dtype != "auto",
    }
    return " ".join(parts + [flag for flag, is_said in said.items() if is_said])


def command(model: Model, arguments: str) -> str:
    """The server's line."""
    return f"vllm serve {repository_word(model)} {arguments}"

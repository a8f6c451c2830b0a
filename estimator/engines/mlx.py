"""Apple's MLX by mlx-lm, as of its release 0.32.2: one device, caches that grow, prompts in chunks.

What it prints as ``Peak memory`` is the sum of all terms but those of ``Kind.RUNTIME`` (`mx.get_peak_memory`).
"""

from collections.abc import Sequence
from dataclasses import field

from estimator.engine import nothing
from estimator.errors import Unjudgeable
from estimator.ledger import Answer, Basis, Estimate, Kind, Place, Term, Workload, host_among
from estimator.mlx_cache import MlxRun
from estimator.mlx_pass import IDLE_BYTES, pass_bytes
from estimator.model import Model
from estimator.modules import has_gguf_types, layer_kinds, modules_of
from estimator.needs import mlx_needs
from estimator.runtime import host_runtime, runtime_term
from estimator.shell import quoted
from records.record import record

NAME = "MLX"
KV_TYPES = ("f16", "int8", "int4")
KV_STEPS = ("f16", "int8", "int4")
QUANTS = ("BF16", "MLX-8bit", "MLX-6bit", "MLX-5bit", "MLX-4bit", "MLX-mxfp4", "MLX-3bit")
DEVICE_FLAG = ""
VENDORS = frozenset({"apple"})
CONVERTED_QUANT = "MLX-4bit"
"""mlx-community's repositories on Hugging Face."""
RELEASE = "mlx-lm 0.32.2"

KV_BITS = {"f16": None, "bf16": None, "int8": 8, "int4": 4}
WARNED_RATIO = 0.9
"""Of the recommended working set: above it, mlx-lm warns that generation can be slow (`wired_limit`, generate.py)."""
MORE_BITS_RATIO = 1.02
"""Conversions of mixtures of experts that are known by name only may give more bits to more than their routers: that of
Gemma 4 26B-A4B has its dense feed-forwards in 8 bits, 1.9 % more (mlx-community/gemma-4-26b-a4b-it-4bit)."""
GROWING_LAYERS = 10
"""Caches that may be there twice while they grow: as many as commands are in flight."""


def _option(flag: str, text: str, *, minimum: int = 0) -> dict[str, object]:
    return {"flag": flag, "help": text, "choices": (), "minimum": minimum}


@record(frozen=True, slots=True, kw_only=True)
class Options:
    """What moves memory, by the flags of ``mlx_lm.server`` and ``mlx_lm.generate``."""

    max_tokens: int = field(
        default=512,
        metadata=_option("--max-tokens", "of the context, tokens that are generated; the rest is prompt", minimum=1),
    )
    prefill_step_size: int = field(
        default=2048, metadata=_option("--prefill-step-size", "tokens of the prompt per pass", minimum=1)
    )
    max_kv_size: int | None = field(
        default=None,
        metadata=_option("--max-kv-size", "tokens that a cache keeps; all if not given (mlx_lm.generate)", minimum=8),
    )
    quantized_kv_start: int = field(
        default=5000, metadata=_option("--quantized-kv-start", "tokens from which a quantised cache is quantised")
    )


DEFAULTS = Options()


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What it would hold at its peak, on the first device.

    Raises:
        Unjudgeable: no host, no tensors, or a KV type that it does not know.
    """
    host = host_among(places)
    if workload.kv_type not in KV_BITS:
        raise Unjudgeable(f"{NAME} knows no KV cache of type {workload.kv_type!r}; {', '.join(KV_TYPES)} are")
    device = next((place for place in places if place.kind != "host"), host)
    run = _run(workload, options)
    terms = [_weights(model, device), *_kept(model, run, device, workload.kv_type), _passing(model, run, device)]
    runtime = runtime_term(device)
    terms += [runtime] if runtime else []
    terms.append(host_runtime(host))
    n_blocks = model.n_layers - model.n_predictor_layers
    return Estimate(
        engine=NAME,
        terms=tuple(term for term in terms if term.n_bytes or term.high_bytes),
        n_layers=n_blocks + 1,
        n_gpu_layers=0 if device is host else n_blocks + 1,
        doubts=(*model.doubts, *_doubts(model, run, device, terms[0].n_bytes)),
        answers=_answers(device, terms[0].n_bytes),
        refusal=_refusal(model, run, device),
    )


quick_estimate = estimate
fallback = quick_fallback = relieved = nothing
needs = mlx_needs


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:  # noqa: ARG001  # an engine is asked so
    """The arguments of ``mlx_lm.server``, or of ``mlx_lm.generate`` where only that has them."""
    said = {
        f"--max-tokens {options.max_tokens}": True,
        f"--prefill-step-size {options.prefill_step_size}": options.prefill_step_size != DEFAULTS.prefill_step_size,
        f"--decode-concurrency {workload.n_sequences}": workload.n_sequences > 1 and options.max_kv_size is None,
        f"--max-kv-size {options.max_kv_size}": options.max_kv_size is not None,
        f"--kv-bits {KV_BITS.get(workload.kv_type)} --quantized-kv-start {options.quantized_kv_start}": bool(
            KV_BITS.get(workload.kv_type)
        ),
    }
    return " ".join(flag for flag, is_said in said.items() if is_said)


def command(model: Model, arguments: str) -> str:
    """The server's line; a model that is known by name only, or has to be converted first, stands as ``MODEL``."""
    source = quoted(model.source) if model.file_bytes is not None and model.format != "gguf" else "MODEL"
    program = "mlx_lm.generate" if "--max-kv-size" in arguments else "mlx_lm.server"
    return f"{program} --model {source} {arguments}"


def _run(workload: Workload, options: Options) -> MlxRun:
    n_sequences = max(1, workload.n_sequences)
    n_tokens = max(2, workload.context_tokens // n_sequences)
    n_new = min(options.max_tokens, n_tokens - 1)
    return MlxRun(
        n_sequences=n_sequences,
        n_prompt_tokens=n_tokens - n_new,
        n_new_tokens=n_new,
        chunk_tokens=options.prefill_step_size,
        kv_bits=KV_BITS[workload.kv_type],
        quantised_from_tokens=options.quantized_kv_start,
        most_tokens=options.max_kv_size,
    )


def _weights(model: Model, device: Place) -> Term:
    float_bytes = 2 if model.file_bytes is None else None
    modules = [module for module in modules_of(model, float_bytes) if module.name != "projector"]
    n_bytes = sum(module.n_bytes for module in modules)
    return Term(
        kind=Kind.WEIGHTS,
        label="weights",
        place=device.name,
        n_bytes=n_bytes,
        low_bytes=n_bytes,
        high_bytes=int(n_bytes * MORE_BITS_RATIO) if model.file_bytes is None and model.experts else n_bytes,
        basis=Basis.EXACT if model.file_bytes is not None else Basis.DERIVED,
        source=f"tensors of {model.source} without encoders and predictors, which mlx-lm drops (`sanitize`), {RELEASE}",
        formula=model.quant,
        read_bytes=sum(module.read_bytes for module in modules),
    )


def _kept(model: Model, run: MlxRun, device: Place, kv_type: str) -> list[Term]:
    layers = layer_kinds(model).all_counted
    cells = sum(n * run.final_bytes(layer) for layer, n in layers)
    states = sum(n * run.state_bytes(layer) for layer, n in layers)
    shown = kv_type if run.is_quantised or kv_type == "f16" else f"f16 up to {run.quantised_from_tokens}"
    # The answer may end early, and with it the cache's growth.
    least = min(cells, sum(n * run.prompt_bytes(layer) for layer, n in layers))
    return [
        Term(
            kind=kind,
            label=label,
            place=device.name,
            n_bytes=n_bytes,
            low_bytes=low,
            high_bytes=n_bytes,
            basis=Basis.DERIVED,
            source=f"mlx_lm/models/cache.py, {RELEASE}",
            formula=formula,
            read_bytes=read,
        )
        for kind, label, n_bytes, low, formula, read in (
            (
                Kind.KV_CACHE, "KV cache", cells, least,
                f"{run.n_sequences} x {run.n_tokens} tokens in steps of 256, {shown}", cells // run.n_sequences,
            ),
            (Kind.STATE, "recurrent state", states, states, "float32", 2 * states // run.n_sequences),
        )
        if n_bytes
    ]  # fmt: skip


def _passing(model: Model, run: MlxRun, device: Place) -> Term:
    """The peak over both phases, less the weights and the final cache, which are counted already."""
    layers = layer_kinds(model).all_counted
    ahead = sum(n * (run.prompt_bytes(layer) - run.final_bytes(layer)) for layer, n in layers)
    passed = pass_bytes(model, layers, run, is_cuda=device.kind == "cuda")
    one_layer = max((run.final_bytes(layer) for layer, _ in layers), default=0)
    low, expected, high = (ahead + n for n in (passed.low, passed.expected, passed.high))
    idle = min(IDLE_BYTES, passed.expected)
    n_bytes = max(expected, idle + one_layer)
    return Term(
        kind=Kind.COMPUTE,
        label="computation",
        place=device.name,
        n_bytes=n_bytes,
        low_bytes=min(n_bytes, max(0, low)),
        high_bytes=max(high, n_bytes, idle + min(GROWING_LAYERS, model.n_layers) * one_layer),
        basis=Basis.CALIBRATED,
        source="peaks that mlx-lm printed on M3 Ultra, M4 and M5 Max, 2025-09 to 2026-06 (estimator/mlx_pass.py)",
        formula=passed.formula,
    )


def _doubts(model: Model, run: MlxRun, device: Place, weight_bytes: int) -> list[str]:
    doubts = []
    if has_gguf_types(model):
        doubts.append(f"{NAME} loads no {model.quant}; its weights are taken as GGUF stores them, a conversion differs")
    if device.kind != "metal":
        doubts.append(
            "MLX's peaks are known from Apple's GPUs; on CUDA (mlx[cuda]) and processors they are assumed alike"
        )
    if device.kind == "metal" and weight_bytes > WARNED_RATIO * device.total_bytes:
        doubts.append("the weights come near the most that macOS lets the GPU wire; mlx-lm warns that it can be slow")
    if 0 < model.native_context_tokens < run.n_tokens:
        doubts.append(
            f"{run.n_tokens} tokens are beyond the {model.native_context_tokens} that the model was trained on"
        )
    return doubts


def _refusal(model: Model, run: MlxRun, device: Place) -> str:
    if device.kind in ("rocm", "gpu"):
        return "MLX runs on Apple's GPUs, on CUDA and on processors, not on this device"
    if run.is_quantised and any(run.window_of(layer) for layer in model.layers):
        return "mlx-lm cannot quantise the cache of a sliding window (RotatingKVCache.to_quantized)"
    return ""


def _answers(device: Place, weight_bytes: int) -> tuple[Answer, ...]:
    found = []
    if device.kind == "metal" and device.total_bytes:
        found.append(
            Answer(
                key="wired_ratio",
                label="weights' share of the GPU's limit",
                value=round(weight_bytes / device.total_bytes, 3),
                source=f"wired_limit, mlx_lm/generate.py, {RELEASE}; sudo sysctl iogpu.wired_limit_mb raises the limit",
            )
        )
    return tuple(found)

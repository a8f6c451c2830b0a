"""Ollama: it sizes context and batch by the memory that is there, and starts a llama-server that fits the layers.

What it decides is in estimator/ollama_launch.py, what llama-server does with it in estimator/fit.py. Context and
number of requests at a time (``num_ctx``, ``OLLAMA_NUM_PARALLEL``) are the workload's; the KV cache's type is
``OLLAMA_KV_CACHE_TYPE``.
"""

import os
from collections.abc import Sequence
from dataclasses import field, replace

from estimator.engine import ANY_VENDOR
from estimator.errors import Unjudgeable
from estimator.fit import MARGIN_BYTES, fitted
from estimator.ledger import Answer, Estimate, Kind, Place, Workload, host_among
from estimator.llama_load import Load
from estimator.llama_options import Options as LlamaOptions
from estimator.llama_terms import estimate_layout
from estimator.mixture import QUANTS as MIXTURES
from estimator.model import Model
from estimator.needs import Needs, file_bytes, mapped_needs
from estimator.ollama_launch import Launch, default_context, launch
from estimator.option import option
from estimator.packing import least, spilled_layout
from estimator.shell import quoted
from records.record import record

NAME = "Ollama"
KV_TYPES = ("f16", "q8_0", "q4_0")
KV_STEPS = KV_TYPES
QUANTS = MIXTURES
DEVICE_FLAG = ""
VENDORS = ANY_VENDOR
CONVERTED_QUANT = ""
SOURCE = "server/sched.go and llm/llama_server.go, Ollama fb3076099, 2026-08-21"
MIB = 1 << 20
FLASH_ATTENTION = {"auto": None, "on": True, "off": False}


@record(frozen=True, slots=True, kw_only=True)
class Options:
    """What a request or the server's environment may say, by Ollama's own names."""

    num_gpu: int | None = field(
        default=None,
        metadata=option("--num-gpu", "layers on the GPU; as many as fit if not given", is_of_model=True),
    )
    num_batch: int | None = field(
        default=None,
        metadata=option("--num-batch", "tokens computed in one step; by context and memory if not given", minimum=1),
    )
    main_gpu: int | None = field(default=None, metadata=option("--main-gpu", "the only device to use"))
    flash_attention: str = field(
        default="auto",
        metadata=option("--flash-attention", "OLLAMA_FLASH_ATTENTION; auto: where supported", tuple(FLASH_ATTENTION)),
    )
    gpu_overhead_mib: int = field(
        default=0, metadata=option("--gpu-overhead", "OLLAMA_GPU_OVERHEAD, in MiB; counts for the unasked context only")
    )
    is_spread: bool = field(
        default=False, metadata=option("--sched-spread", "OLLAMA_SCHED_SPREAD: all devices even where one would do")
    )
    is_mapped: bool = field(
        default=True, metadata=option("--use-mmap", "weights in RAM are the file's own pages, not a copy")
    )


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What it would allocate with every layer on the devices that it chooses, or as many as asked for.

    Raises:
        Unjudgeable: no place to put it, or a KV type that it does not know.
    """
    plan, load = _plan(model, workload, options, places)
    n_layers = load.n_all_layers if options.num_gpu is None else options.num_gpu
    made = estimate_layout(load, load.default_layout(n_layers, 0), engine=NAME)
    # By closed forms, since a matrix asks for a hundred estimates: a layer off at most; ``fallback`` has it exactly.
    settled = made if options.num_gpu is not None else _spilled(load) or made
    return replace(made, answers=_answers(plan, settled, load, places, options), doubts=_doubts(made, plan, workload))


def fallback(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate | None:
    """What its llama-server does where the devices keep less than 1 GiB: layers, or experts, stay in RAM."""
    if options.num_gpu is not None:
        return None
    plan, load = _plan(model, workload, options, places)
    found = _fitted(load)
    if found is None:
        return None
    return replace(found, answers=_answers(plan, found, load, places, options), doubts=_doubts(found, plan, workload))


def quick_fallback(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate | None:
    """About the same by closed forms, in a fraction of the time: enough to tell whether it would fit."""
    if options.num_gpu is not None:
        return None
    return _spilled(_plan(model, workload, options, places)[1])


quick_estimate = estimate


def relieved(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """The same with so few layers on the GPU that each device keeps 1 GiB; None where all of them may be there."""
    _, load = _plan(model, workload, replace(options, num_gpu=None), places)
    if not load.devices:
        return None

    def has_room(n_layers: int) -> bool:
        held = load.device_bytes(load.default_layout(n_layers, 0))
        return all(n <= place.free_bytes - MARGIN_BYTES for n, place in zip(held, load.devices, strict=True))

    n_all = load.n_all_layers
    if has_room(n_all):
        return None
    n_left = least(range(1, n_all), lambda n: has_room(n_all - n), n_all)
    return replace(options, num_gpu=n_all - n_left)


def needs(model: Model, options: Options, made: Estimate, host: str) -> Needs:
    """The file, mapped."""
    del options
    return mapped_needs(model, made.n_bytes([host], Kind.WEIGHTS))


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:
    """The environment that its server needs for this, and what is to be set once the model runs."""
    del model, made
    context, n_sequences = _requested(workload)
    set_later = {f"num_gpu {options.num_gpu}": options.num_gpu is not None}
    set_later[f"num_batch {options.num_batch}"] = options.num_batch is not None
    said = {
        f"OLLAMA_CONTEXT_LENGTH={context}": True,
        f"OLLAMA_NUM_PARALLEL={n_sequences}": n_sequences > 1,
        f"OLLAMA_KV_CACHE_TYPE={workload.kv_type}": workload.kv_type != KV_TYPES[0],
        f"OLLAMA_FLASH_ATTENTION={int(options.flash_attention == 'on')}": options.flash_attention != "auto",
        f"OLLAMA_GPU_OVERHEAD={options.gpu_overhead_mib * MIB}": options.gpu_overhead_mib > 0,
        "OLLAMA_SCHED_SPREAD=1": options.is_spread,
    }
    later = [f"/set parameter {name}" for name, is_said in set_later.items() if is_said]
    environment = " ".join(name for name, is_said in said.items() if is_said)
    return environment + (f"  # then: {', '.join(later)}" if later else "")


def command(model: Model, arguments: str) -> str:
    """The server with that environment, and the model; what has no variable stands behind as a remark."""
    environment, mark, remark = arguments.partition("  # ")
    tag = quoted(_tag(model))
    if model.source.endswith(".gguf") or model.format != "gguf":  # not from its store: it has to be made known first
        steps = f"first: echo FROM {quoted(os.path.abspath(model.source))} > Modelfile && ollama create {tag}"
        mark, remark = "  # ", f"{steps}; then: {remark}" if remark else steps
    return f"{environment} ollama serve & ollama run {tag}{mark}{remark}"


def _tag(model: Model) -> str:
    """What Ollama's library calls the model, where the catalogue knows; there a name alone means the usual quant."""
    if model.source != "catalogue":
        return model.name
    from estimator.readers import catalogue  # noqa: PLC0415  # 10 ms for a line that few ask for

    found = catalogue.find(model.name)
    is_usual = model.quant.removesuffix("_MOE") == found.default_quant.removesuffix("_MOE")
    return found.ollama_name if is_usual and found.ollama_name else model.name


def _requested(workload: Workload) -> tuple[int, int]:
    """(tokens of each request, requests at a time)."""
    n_sequences = max(1, workload.n_sequences)
    return max(1, workload.context_tokens // n_sequences), n_sequences


def _plan(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> tuple[Launch, Load]:
    if workload.kv_type not in KV_TYPES:
        raise Unjudgeable(f"Ollama knows no KV cache of type {workload.kv_type!r}; {', '.join(KV_TYPES)} are")
    if options.flash_attention not in FLASH_ATTENTION:
        raise Unjudgeable(f"flash attention is auto, on or off for Ollama, not {options.flash_attention!r}")
    host = host_among(places)
    context, n_sequences = _requested(workload)
    plan = launch(
        model,
        tuple(place for place in places if place is not host),
        context_tokens=context,
        n_sequences=n_sequences,
        n_batch_tokens=options.num_batch,
        is_flash_attention=FLASH_ATTENTION[options.flash_attention],
        is_spread=options.is_spread,
        main_device=options.main_gpu,
    )
    asked = LlamaOptions(
        n_gpu_layers=options.num_gpu,
        is_flash_attention=plan.is_flash_attention,
        n_batch_tokens=plan.n_batch_tokens,
        n_ubatch_tokens=plan.n_batch_tokens,
        # It maps no file that free RAM has no room for (SOURCE; on Linux it wants 8 GiB beside it, too).
        is_mapped=options.is_mapped and host.free_bytes >= file_bytes(model),
    )
    given = replace(
        workload, context_tokens=plan.context_tokens * plan.n_sequences, n_sequences=plan.n_sequences
    )  # fmt: skip
    return plan, Load(model, given, asked, (*plan.devices, host), brings_projector=True)


def _fitted(load: Load) -> Estimate | None:
    """What --fit makes of it; None where it changes nothing."""
    found = fitted(load)
    if found is None or found.is_default:
        return None
    made = estimate_layout(load, found.layout, engine=NAME)
    return replace(made, layers_by_device=found.layer_counts if len(load.devices) > 1 else ())


def _spilled(load: Load) -> Estimate | None:
    """About what --fit makes of it; None where it changes nothing."""
    layout = spilled_layout(load) if load.devices else None
    return None if layout is None else estimate_layout(load, layout, engine=NAME, is_simulated=False)


def processor(made: Estimate, load: Load) -> str:
    """As ``ollama ps`` has it: what llama-server logged for its buffers, by where they lie (cmd.go, `MemorySize`)."""
    kinds = (Kind.WEIGHTS, Kind.KV_CACHE, Kind.STATE, Kind.COMPUTE, Kind.OUTPUT)
    devices = tuple(place.name for place in load.devices)
    on_devices = sum(made.n_bytes(devices, kind) for kind in kinds)
    if not on_devices:
        return "100% CPU"
    if made.n_gpu_layers >= made.n_layers and not made.summary:
        return "100% GPU"
    everywhere = on_devices + sum(made.n_bytes((load.host.name,), kind) for kind in kinds)
    n_host_percent = round((everywhere - on_devices) / everywhere * 100)
    return f"{n_host_percent}%/{100 - n_host_percent}% CPU/GPU"


def _answers(plan: Launch, made: Estimate, load: Load, places: Sequence[Place], options: Options) -> tuple[Answer, ...]:
    devices = tuple(place for place in places if place.kind != "host")
    unasked = default_context(devices, options.gpu_overhead_mib * MIB)
    if load.model.native_context_tokens:
        unasked = min(unasked, load.model.native_context_tokens)
    found = [
        Answer(
            key="layers_on_gpu",
            label="layers on the GPU",
            value=f"{made.n_gpu_layers} of {made.n_layers}",
            source=SOURCE,
        ),
        Answer(key="processor", label="ollama ps would show", value=processor(made, load), source=SOURCE),
        Answer(key="num_batch", label="num_batch", value=plan.n_batch_tokens, unit="tokens", source=SOURCE),
        Answer(key="unasked_num_ctx", label="num_ctx unasked", value=unasked, unit="tokens", source=SOURCE),
    ]
    if len(plan.devices) < len(devices):
        names = ", ".join(place.name for place in plan.devices)
        found.append(Answer(key="chosen_devices", label="runs on", value=names, source=SOURCE))
    return tuple(found)


def _doubts(made: Estimate, plan: Launch, workload: Workload) -> tuple[str, ...]:
    context, n_sequences = _requested(workload)
    doubts = list(made.doubts)
    if plan.context_tokens < context:
        doubts.append(f"Ollama cuts the context to the {plan.context_tokens} tokens that the model was trained on")
    if plan.n_sequences < n_sequences:
        doubts.append("Ollama runs models of this architecture for one request at a time")
    return tuple(doubts)

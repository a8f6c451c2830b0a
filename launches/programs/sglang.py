"""SGLang: ``sglang serve``, ``sglang.launch_server``, its router and the benchmarks that load a model, as of 0.5.23.

What older releases take is understood as well (launches/tables/sglang.py).
"""

from collections.abc import Sequence
from functools import lru_cache
from types import MappingProxyType

from estimator.sglang_options import KV_TYPES, Options
from launches.checkpoint import checkpoint_source
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.installed import installed_version
from launches.json_value import json_object
from launches.launch import Launch
from launches.reading import Reading, address_of
from launches.settings_file import over_settings
from launches.tables import sglang as tables
from launches.words import ARGPARSE, Flag, Takes, table, take_apart

MODULES = MappingProxyType(
    {
        "sglang.launch_server": "serve",
        "sglang.srt.server": "serve",
        "sglang_router.launch_server": "router",
        "sglang.bench_one_batch": "bench",
        "sglang.bench_latency": "bench",
        "sglang.bench_offline_throughput": "bench",
        "sglang.bench_one_batch_server": "bench",
        "sglang.compile_deep_gemm": "compile",
    }
)
PORT = 30000
PREFILL_TOKENS = 16384
"""``--max-prefill-tokens``: what a prompt's pieces come to where they are not limited (srt/server_args.py)."""
CACHE_TYPES = MappingProxyType({name: name for name in KV_TYPES} | {"bf16": "bfloat16"})
DTYPES = ("auto", "half", "float16", "bfloat16", "float", "float32")
OTHER_CACHE_TYPES = ("fp4_e2m1", "mxfp8", "nvfp4", "int8")
QUANTISED_ON_LOADING = MappingProxyType(
    {"fp8": "FP8-dynamic", "mxfp8": "MXFP8", "bitsandbytes": "bnb-4bit", "nvfp4_online": "NVFP4"}
)
"""``--quantization`` of checkpoints that are not quantised (`QUANTIZATION_CHOICES`, srt/arg_groups/choices.py); the
others name what is stored."""
BESIDE = MappingProxyType(
    {
        "--enable-weights-cpu-backup": "the weights' copy in RAM",
        "--enable-draft-weights-cpu-backup": "the draft model's copy in RAM",
        "--enable-elastic-expert-backup": "the experts' copy in RAM",
        "--enable-lmcache": "the cache that LMCache keeps in RAM",
        "--enable-flexkv": "the cache that FlexKV keeps in RAM",
        "--enable-hisparse": "the cache that is kept in RAM",
        "--enable-dp-lm-head": "the output layer's copy on each device",
        "--quantize-and-serve": "what is held while it quantises",
    }
)
"""Switches for memory that is not counted (srt/arg_groups/fields/ of 0.5.23)."""
IN_RAM = MappingProxyType(
    {
        "--offload-group-size": "layers",
        "--ple-offload-embedding": "embeddings",
        "--enable-paged-experts": "experts",
    }
)
"""What moves weights to RAM that are counted on the devices."""
DEALT = (
    "--attn-cp-size",
    "--dcp-size",
    "--disable-hybrid-swa-memory",
    "--enable-unified-memory",
    "--int8-mamba-ckpt-size",
    "--mamba-full-memory-ratio",
    "--mamba-ssm-dtype",
    "--max-mamba-cache-size",
    "--swa-full-tokens-ratio",
)
"""What deals the cache out otherwise than is reckoned with."""
CONVERTED_AFTER_LOADING = frozenset({"FP8-dynamic", "MXFP8"})
"""Of these, `process_weights_after_loading` converts what was loaded whole (github.com/sgl-project/sglang: issue 2895,
pull requests 17945 and 36733, both open, 2026-11); NVFP4 and bitsandbytes are converted as they are read."""


def recognises(program: Program) -> bool:
    """``sglang``, or one of its modules."""
    return program.name.partition(".")[0] in ("sglang", "sglang_router")


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The model that the server, or the benchmark, would load.

    Raises:
        NoLaunch: it shows something, or makes pictures.
    """
    task = MODULES.get(program.name, "serve")
    n_before = 0 if program.name in MODULES else 1
    if n_before and (program.name != "sglang" or program.arguments[:1] != ("serve",)):
        told = " ".join((program.name, *(word for word in program.arguments[:1] if not word.startswith("-"))))
        raise NoLaunch(f"{told} loads no language model itself")
    arguments = program.arguments[n_before:]
    if any(word in ("-h", "--help", "--version") for word in arguments):
        raise NoLaunch("SGLang only shows something so")
    flags = (*_flags(task), *_router_flags(arguments))
    given = take_apart(arguments, flags, ARGPARSE, offset=program.offset + n_before)
    given = over_settings(given, "--config", command, flags, ARGPARSE)
    reading = Reading(given)
    # ``sglang serve a/b`` (cli/serve.py, `_normalize_positional_model_path`)
    is_named = n_before == 1 and tuple(arguments[:1]) == given.positionals[:1] != ()
    if reading.word("--base-url"):
        raise NoLaunch(f"{program.name} asks a server that runs already with --base-url")
    for word in reading.surplus(int(is_named))[:1]:
        reading.refusals.append(f"SGLang knows nothing of {word[:60]!r}")
    source = reading.word("--model-path") or (arguments[0] if is_named else None)
    if source is None:
        reading.refusals.insert(0, "SGLang needs --model-path")
    options = _options(reading, program, command)
    quant = _quant(reading, source or "")
    n_devices = (options.tp_size or 1) * options.pp_size
    launch = Launch(
        program="sglang serve" if program.name == "sglang" else program.name,
        engine_name="sglang",
        source=None if source is None else checkpoint_source(command, source),
        quant=quant,
        is_converted_after_loading=quant in CONVERTED_AFTER_LOADING,
        context_tokens=reading.whole("--context-length") or 0,
        is_length_bound=not _may_be_longer(reading, program),
        kv_type=_kv_type(reading),
        options=options,
        devices=_devices(reading, n_devices),
        n_devices=n_devices,
        n_machines=reading.whole("--nnodes") or 1,
        environment=program.environment,
        address=None if task == "bench" else address_of(reading, "127.0.0.1", PORT),
        doubts=tuple(_doubts(reading, task, n_devices)),
        unknown=reading.unknown,
        refusal=reading.refusal,
        spans=given.spans,
    )
    return (launch,)


@lru_cache(maxsize=3)
def _flags(task: str) -> tuple[Flag, ...]:
    return table(tables.SERVE + {"bench": tables.BENCH, "compile": tables.COMPILE}.get(task, ""))


def _router_flags(arguments: Sequence[str]) -> tuple[Flag, ...]:
    """What the router takes for itself begins so, and moves no memory of a device."""
    names = {word.partition("=")[0] for word in arguments if word.startswith("--router-")}
    return tuple(Flag(names=(name,), takes=Takes.OPTIONAL) for name in sorted(names))


def _options(reading: Reading, program: Program, command: Command) -> Options:
    pieces = reading.whole("--chunked-prefill-size", minimum=-1)
    if pieces is not None and pieces <= 0:
        pieces = reading.whole("--max-prefill-tokens") or PREFILL_TOKENS
    sizes = [int(word) for word in reading.given.every("--cuda-graph-bs-decode") if word.isdecimal()]
    sizes += [int(word) for word in reading.given.every("--cuda-graph-bs") if word.isdecimal()]
    decoding = json_object(reading.word("--cuda-graph-config") or "{}") or {}
    phase = decoding.get("decode")
    settings = phase if isinstance(phase, dict) else {}
    is_off = reading.is_on("--disable-decode-cuda-graph")
    is_off = is_off or "disabled" in (settings.get("backend"), reading.word("--cuda-graph-backend-decode"))
    most = settings.get("max_bs")
    return Options(
        mem_fraction_static=reading.fraction("--mem-fraction-static", most=1, takes_least=False),
        tp_size=reading.whole("--tensor-parallel-size") or 1,
        pp_size=reading.whole("--pipeline-parallel-size") or 1,
        chunked_prefill_size=pieces,
        cuda_graph_max_bs=most
        if isinstance(most, int) and most > 0
        else (reading.whole("--cuda-graph-max-bs-decode") or (max(sizes) if sizes else None)),
        is_graph_disabled=reading.is_on("--disable-cuda-graph") or is_off or MODULES.get(program.name) == "compile",
        max_running_requests=reading.whole("--max-running-requests"),
        max_total_tokens=reading.whole("--max-total-tokens"),
        version=installed_version(command, program, "sglang") or Options().version,
    )


def _devices(reading: Reading, n_devices: int) -> tuple[str, ...] | None:
    if reading.word("--device") == "cpu":
        return ()
    first = reading.whole("--base-gpu-id", minimum=0)
    step = reading.whole("--gpu-id-step") or 1
    if first is None and step == 1:
        return None
    return tuple(str((first or 0) + step * n) for n in range(min(n_devices, 64)))


def _kv_type(reading: Reading) -> str | None:
    found = reading.choice("--kv-cache-dtype", (*CACHE_TYPES, *OTHER_CACHE_TYPES))
    if found in OTHER_CACHE_TYPES:
        reading.doubt(f"how large a cache of type {found} is, is not known here; it is judged as if of the model's")
    return CACHE_TYPES.get(found or "")


def _quant(reading: Reading, source: str) -> str | None:
    method = (reading.word("--quantization") or "").casefold()
    torchao = reading.word("--torchao-config")
    reading.doubt(
        f"what --torchao-config {(torchao or '')[:40]} makes of the weights is not counted", when=bool(torchao)
    )
    is_stored_so = any(part in source.casefold() for part in ("fp8", "4bit", "bnb", "nvfp4", "mxfp8"))
    found = QUANTISED_ON_LOADING.get(method)
    reading.doubt_stored(method, source, "SGLang", when=found is None)
    return None if is_stored_so else found


def _doubts(reading: Reading, task: str, n_devices: int) -> list[str]:
    given = reading.given
    n_copies = reading.whole("--data-parallel-size") or 1
    has_attention_copies = reading.is_on("--enable-dp-attention") or (reading.whole("--attn-dp-size") or 1) > 1
    reading.leave_out(
        "attention is not sliced but copied (data parallel), which is not reckoned with", when=has_attention_copies
    )
    reading.doubt(
        f"{n_copies} copies of it are started, each on devices of its own; the first one is judged",
        when=n_copies > 1 and not has_attention_copies,
    )
    draft, algorithm = reading.word("--speculative-draft-model-path"), reading.word("--speculative-algorithm")
    reading.leave_out(f"the draft model {(draft or '')[:96]} and its cache are not counted", when=bool(draft))
    reading.leave_out(
        "the layers that predict several tokens at once, and their cache, are not counted",
        when=bool(algorithm) and not draft and (algorithm or "").upper() != "NGRAM",
    )
    reading.leave_out(
        "adapters (LoRA) and room for them are not counted",
        when=given.has("--lora-paths") or reading.is_on("--enable-lora"),
    )
    for flag, what in BESIDE.items():
        reading.leave_out(f"{what} ({flag}) is not counted", when=reading.is_on(flag))
    n_spare = reading.whole("--ep-num-redundant-experts", minimum=0)
    reading.leave_out(f"{n_spare} further copies of experts are not counted", when=bool(n_spare))
    reading.leave_out(
        "dense layers that are sliced less than the others (--moe-dense-tp-size) are counted as sliced",
        when=(reading.whole("--moe-dense-tp-size") or n_devices) < n_devices,
    )
    reading.leave_out(
        "weights and cache of 32 bits (--dtype) are counted as they are stored",
        when=reading.choice("--dtype", DTYPES) in ("float", "float32"),
    )
    for flag, what in IN_RAM.items():
        is_moved = given.is_on(flag) and given.last(flag) != "-1"
        reading.doubt(f"{what} that go to RAM ({flag}) are counted on the devices", when=bool(is_moved))
    for flag in DEALT:
        is_dealt = given.is_on(flag) and given.last(flag) not in ("1", "auto")
        reading.doubt(f"{flag} deals out the cache, which is not reckoned with", when=bool(is_dealt))
    reading.doubt(
        "experts that KTransformers computes in RAM (--kt-weight-path) are counted on the devices",
        when=given.has("--kt-weight-path"),
    )
    offloaded = reading.fraction("--cpu-offload-gb")
    reading.doubt(f"{offloaded or 0:g} GiB of weights that go to RAM are counted on the devices", when=bool(offloaded))
    reading.leave_out(
        "the cache that is kept in RAM (--enable-hierarchical-cache) is not counted",
        when=reading.is_on("--enable-hierarchical-cache"),
    )
    reading.leave_out(
        "the model's configuration is changed by arguments, which is not looked into", when=_is_changed(reading)
    )
    reading.doubt("a benchmark's own batches are not reckoned with", when=task == "bench")
    return reading.doubts


def _may_be_longer(reading: Reading, program: Program) -> bool:
    """Whether a longer context than the model's own is allowed, or made its own."""
    told = program.environment.get("SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN", "0").strip().casefold()
    return told in ("1", "true", "yes", "on") or bool(json_object(reading.word("--json-model-override-args") or "{}"))


def _is_changed(reading: Reading) -> bool:
    changes = json_object(reading.word("--json-model-override-args") or "{}") or {}
    return bool(set(changes) - {"architectures", "rope_scaling", "rope_parameters", "rope_theta"})

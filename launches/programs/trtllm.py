"""TensorRT-LLM: ``trtllm-serve``, ``trtllm-bench``, ``trtllm-eval`` (tensorrt_llm/commands/, bench/ of 1.2 to 1.3).

A file of ``--config`` overwrites what the command line says (`update_llm_args_with_extra_dict`), and not the other way
round.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from estimator.engines.trtllm import KV_TYPES, Options
from launches.checkpoint import checkpoint_source
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.reading import Reading, address_of
from launches.settings_file import settings_at
from launches.tables import trtllm as tables
from launches.variables import is_unset
from launches.words import Flag, Given, Manner, table, take_apart
from launches.yaml_file import UnreadableSettings, Value

CLICK = Manner(has_attached_values=True, folds_underscores=True)
"""click.palletsprojects.com, "Options": no abbreviations. Dashes are taken for underscores, as newer releases do."""
SERVE_MODULES = frozenset({"trtllm-serve", "tensorrt_llm.commands.serve"})
BENCH_MODULES = frozenset({"trtllm-bench", "tensorrt_llm.commands.bench"})
EVAL_MODULES = frozenset({"trtllm-eval", "tensorrt_llm.commands.eval"})
PROGRAMS = MappingProxyType(
    dict.fromkeys(SERVE_MODULES, "trtllm-serve")
    | dict.fromkeys(BENCH_MODULES, "trtllm-bench")
    | dict.fromkeys(EVAL_MODULES, "trtllm-eval")
)
MEASURING = ("throughput", "latency", "low_latency")
PORT = 8000
BOTH = "said both ways"
"""Key of the list of what the file and the command line say differently."""
OTHER_TASKS = ("disaggregated", "disaggregated_mpi_worker", "mm_embedding_serve", "grpc")
OVERWRITTEN = MappingProxyType(
    {
        "tensor_parallel_size": "--tensor_parallel_size",
        "pipeline_parallel_size": "--pipeline_parallel_size",
        "context_parallel_size": "--context_parallel_size",
        "max_batch_size": "--max_batch_size",
        "max_num_tokens": "--max_num_tokens",
        "max_seq_len": "--max_seq_len",
        "backend": "--backend",
    }
)
"""Keys of the file that are flags as well."""
WITHOUT_MEMORY = frozenset(
    """attention_backend attn_backend backend chat_template custom_tokenizer disable_overlap_scheduler
    enable_autotuner enable_chunked_prefill enable_iter_perf_stats gather_generation_logits generation_config
    guided_decoding_backend kv_cache_config log_level moe_config model num_postprocess_workers perf_metrics_max_requests
    postprocess_tokenizer_dir print_iter_log reasoning_parser return_perf_metrics revision sampler_type scheduler_config
    stream_interval tokenizer tokenizer_mode trust_remote_code moe_expert_parallel_size moe_cluster_parallel_size
    cuda_graph_config speculative_config enable_attention_dp use_cuda_graph enable_lm_head_tp_in_adp
    sparse_attention_config peft_cache_config lora_config cache_transceiver_config
    """.split()
)
"""Keys that are read here otherwise, or move no memory worth a word."""


def recognises(program: Program) -> bool:
    """``trtllm-serve``, ``trtllm-bench``, ``trtllm-eval``, or a module of theirs."""
    return program.name in PROGRAMS


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The model that the server, or the benchmark, would load.

    Raises:
        NoLaunch: it shows something, prepares something, or starts no model itself.
    """
    if any(word in ("-h", "--help", "--version") for word in program.arguments):
        raise NoLaunch(f"{program.name} only shows something so")
    name = PROGRAMS[program.name]
    n_before = 0
    if name == "trtllm-serve" and program.arguments[:1] and program.arguments[0] in ("serve", *OTHER_TASKS):
        if program.arguments[0] != "serve":
            raise NoLaunch(f"what trtllm-serve {program.arguments[0]} loads is not known here")
        n_before = 1
    given = take_apart(program.arguments[n_before:], _flags(name), CLICK, offset=program.offset + n_before)
    task = given.positionals[0] if given.positionals else ""
    if name == "trtllm-bench" and task not in MEASURING:
        raise NoLaunch(f"trtllm-bench {task} loads no model".replace("  ", " "))
    if name == "trtllm-eval" and not task:
        raise NoLaunch("trtllm-eval loads no model without a task, such as mmlu")
    given, file = _overwritten(given, command)
    reading = Reading(given)
    source = _source(reading, name)
    options = Options(
        kv_cache_free_gpu_memory_fraction=reading.fraction("--free_gpu_memory_fraction", most=1, takes_least=False)
        or Options().kv_cache_free_gpu_memory_fraction,
        tp_size=reading.whole("--tensor_parallel_size") or 1,
        pp_size=reading.whole("--pipeline_parallel_size") or 1,
        max_batch_size=reading.whole("--max_batch_size") or Options().max_batch_size,
        max_num_tokens=reading.whole("--max_num_tokens") or Options().max_num_tokens,
    )
    launch = Launch(
        program=name,
        engine_name="trtllm",
        source=None if source is None else checkpoint_source(command, source),
        context_tokens=reading.whole("--max_seq_len") or 0,
        kv_type=_kv_type(reading, file),
        options=options,
        n_devices=(options.tp_size or 1) * options.pp_size * (reading.whole("--context_parallel_size") or 1),
        environment=program.environment,
        address=address_of(reading, "localhost", PORT) if name == "trtllm-serve" else None,
        doubts=tuple(_doubts(reading, file, is_bench=name == "trtllm-bench")),
        unknown=reading.unknown,
        refusal=reading.refusal,
        spans=given.spans,
    )
    return (launch,)


@lru_cache(maxsize=3)
def _flags(name: str) -> tuple[Flag, ...]:
    if name == "trtllm-bench":
        return table(tables.BENCH)
    return table(tables.SERVE + tables.EVAL if name == "trtllm-eval" else tables.SERVE)


def _source(reading: Reading, name: str) -> str | None:
    if name != "trtllm-serve":
        found = reading.word("--model_path") or reading.word("--model")
        if found is None:
            reading.refusals.append(f"{name} needs --model")
        return found
    positionals = reading.given.positionals
    if not positionals:
        reading.refusals.append("trtllm-serve needs a model")
        return None
    for word in reading.surplus(1)[:1]:
        reading.refusals.append(f"trtllm-serve knows nothing of {word[:60]!r}")
    return positionals[0]


def _overwritten(given: Given, command: Command) -> tuple[Given, Mapping[str, Value]]:
    """The command line below what its file says, and the file."""
    path = given.last("--config")
    if path is None:
        return given, {}
    if is_unset(path):
        return replace(given, unknown=(*given.unknown, f"--config {path[:60]}")), {}
    try:
        settings = settings_at(command, path)
    except UnreadableSettings as error:
        return replace(given, refusals=(*given.refusals, str(error))), {}
    values = dict(given.values)
    told = {key: values[flag] for key, flag in OVERWRITTEN.items() if flag in values}
    for key, flag in OVERWRITTEN.items():
        if isinstance(settings.values.get(key), int | str):
            values[flag] = (*values.get(flag, ()), (str(settings.values[key]),))
    cache = _map(settings.values, "kv_cache_config")
    if isinstance(cache.get("free_gpu_memory_fraction"), int | float):
        flag = "--free_gpu_memory_fraction"
        values[flag] = (*values.get(flag, ()), (str(cache["free_gpu_memory_fraction"]),))
    both = [key for key, times in told.items() if key in settings.values and times[-1] != (str(settings.values[key]),)]
    others = [key for key in settings.values if key not in OVERWRITTEN and key not in WITHOUT_MEMORY]
    unknown = (*(f"{key} in {path}" for key in others), *(f"{path}: {line}" for line in settings.unread))
    given = replace(given, values=values, unknown=(*given.unknown, *unknown))
    return given, {**settings.values, BOTH: list(both)}


def _map(values: Mapping[str, Value], key: str) -> Mapping[str, Value]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _kv_type(reading: Reading, file: Mapping[str, Value]) -> str | None:
    in_file = _map(file, "kv_cache_config").get("dtype")
    found = str(in_file) if in_file is not None else reading.word("--kv_cache_dtype")
    if found is None or found in KV_TYPES:
        return found
    if found in ("float16", "half", "bf16"):
        return "bfloat16"  # as wide
    reading.refuse("the cache's dtype", found, f"is one of {', '.join(KV_TYPES)}")
    return None


def _doubts(reading: Reading, file: Mapping[str, Value], *, is_bench: bool) -> list[str]:
    cache = _map(file, "kv_cache_config")
    draft = _map(file, "speculative_config")
    model = draft.get("speculative_model_dir") or draft.get("speculative_model")
    reading.leave_out(f"the draft model {str(model)[:96]} and its cache are not counted", when=model is not None)
    reading.leave_out(
        "the layers that predict several tokens at once, and their cache, are not counted",
        when=bool(draft)
        and model is None
        and str(draft.get("decoding_type", "")).casefold() not in ("ngram", "lookahead"),
    )
    reading.doubt(
        f"the cache is limited to {cache.get('max_tokens')} tokens, which is not reckoned with",
        when=cache.get("max_tokens") is not None,
    )
    host_bytes = cache.get("host_cache_size")
    reading.leave_out(
        f"{host_bytes} bytes of RAM for the cache are not counted", when=isinstance(host_bytes, int) and host_bytes > 0
    )
    reading.leave_out(
        "attention is not sliced but copied (data parallel), which is not reckoned with",
        when=file.get("enable_attention_dp") is True or reading.is_on("--enable_attention_dp"),
    )
    reading.doubt(
        "--context_parallel_size divides the cache over devices, which is not reckoned with",
        when=(reading.whole("--context_parallel_size") or 1) > 1,
    )
    both = file.get(BOTH)
    for key in both if isinstance(both, list) else ():
        reading.doubt(f"{key} is given twice; the file's counts, which differs by release")
    backend = (reading.word("--backend") or "pytorch").casefold()
    reading.doubt(
        "a built engine has buffers of its own size; it is judged as if PyTorch ran the checkpoint",
        when=backend in ("tensorrt", "trt") or reading.given.has("--engine_dir"),
    )
    reading.doubt("a benchmark chooses its steps by its data; those of the server are reckoned with", when=is_bench)
    return reading.doubts

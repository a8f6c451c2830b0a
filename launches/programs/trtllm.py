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
    """allreduce_strategy attention_backend attention_dp_config attn_backend autotuner_enabled backend
    batch_wait_max_tokens_ratio batch_wait_timeout_iters batch_wait_timeout_ms batching_type build_config
    cache_transceiver_config chat_template checkpoint_format checkpoint_loader compile_backend cp_config
    cuda_graph_batch_sizes cuda_graph_config cuda_graph_max_batch_size cuda_graph_padding_enabled custom_tokenizer
    disable_overlap_scheduler disagg_cluster embedding_parallel_mode enable_attention_dp enable_autotuner
    enable_chunked_prefill enable_iter_perf_stats enable_iter_req_stats enable_layerwise_nvtx_marker
    enable_lm_head_tp_in_adp enable_lora enable_min_latency enable_overlap_scheduler enable_tqdm
    enable_trtllm_sampler env_overrides extended_runtime_perf_knob_config fail_fast_on_attention_window_too_large
    garbage_collection_gen0_threshold gather_generation_logits generation_config gpus_per_node
    guided_decoding_backend iter_stats_max_iterations kv_cache_config kv_cache_dtype load_format log_level
    lora_config max_beam_width max_input_len mixed_sampler model model_factory moe_backend moe_cluster_parallel_size
    moe_config moe_expert_parallel_size moe_load_balancer moe_max_num_tokens num_postprocess_workers
    nvfp4_gemm_config orchestrator_type otlp_traces_endpoint peft_cache_config perf_metrics_max_requests
    postprocess_tokenizer_dir print_iter_log pytorch_backend_config ray_worker_extension_cls reasoning_parser
    request_stats_max_iterations return_perf_metrics revision runtime sampler_type scheduler_config
    skip_tokenizer_init sparse_attention_config speculative_config stream_interval tokenizer tokenizer_mode
    tokenizer_revision tool_parser torch_compile_config torch_compile_enabled trust_remote_code use_cuda_graph
    use_torch_sampler workspace world_size""".split()
)
"""Keys that are read here otherwise, or move no memory worth a word (`BaseLlmArgs`, `TorchLlmArgs`,
llmapi/llm_args.py of 1.2; `PyTorchConfig` of 0.17 to 0.20)."""
NESTED = ("pytorch_backend_config", "build_config")
"""Maps of older releases whose keys stand at the top in newer ones."""


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
        kv_cache_max_tokens=_positive(_map(file, "kv_cache_config").get("max_tokens")),
        kv_cache_max_bytes=_positive(_map(file, "kv_cache_config").get("max_gpu_total_bytes")),
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
    settings = replace(settings, values=_raised(settings.values))
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


def _raised(values: Mapping[str, Value]) -> dict[str, Value]:
    """The same with what older releases nest at the top, and the devices of ``_autodeploy`` as a split."""
    nested = {key: value for name in NESTED for key, value in _map(values, name).items()}
    devices = {} if "world_size" not in values else {"tensor_parallel_size": values["world_size"]}
    return {**devices, **nested, **values}


def _map(values: Mapping[str, Value], key: str) -> Mapping[str, Value]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _positive(value: Value) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _kv_type(reading: Reading, file: Mapping[str, Value]) -> str | None:
    in_file = _map(file, "kv_cache_config").get("dtype", file.get("kv_cache_dtype"))
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
    balancer = file.get("moe_load_balancer") or _map(file, "moe_config").get("load_balancer")
    reading.leave_out("further copies of experts (load_balancer) are not counted", when=bool(balancer))
    reading.leave_out(
        "adapters (LoRA) and room for them are not counted",
        when=bool(file.get("lora_config") or file.get("peft_cache_config") or file.get("enable_lora")),
    )
    reading.doubt(
        "windows of the cache that a file of settings asks for (max_attention_window) are not reckoned with",
        when=cache.get("max_attention_window") is not None,
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

"""What advice prints is read again as the plan that was meant, and no words at all are read with a crash."""

from dataclasses import replace

import pytest
from command_lines import launches_of, lines_of
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.engine import load_engine
from estimator.engines import exllama, mlx, sglang, transformers, trtllm, vllm
from estimator.ledger import Estimate, Workload
from estimator.reader import read_model
from launches.command import Command
from launches.errors import LaunchError
from launches.launch import read_launches
from launches.line import words_of
from launches.tables import mlx as mlx_tables
from launches.tables import sglang as sglang_tables
from launches.tables import trtllm as trtllm_tables
from launches.tables import vllm as vllm_tables
from launches.words import Takes, table

MODEL = read_model("Qwen3 8B", "BF16")
NOTHING_YET = Estimate(engine="", terms=(), n_layers=1, n_gpu_layers=1)

counts = st.integers(1, 1 << 20)
some_counts = st.none() | counts
shares = st.integers(1, 100).map(lambda percent: percent / 100)
few = st.integers(1, 16)


def again(name, workload, options):
    """The launch that the engine's own line for this plan asks for."""
    engine = load_engine(name)
    line = engine.command(MODEL, engine.flags(MODEL, workload, options, NOTHING_YET))
    (launch,) = launches_of(line)
    assert launch.unknown == ()
    assert launch.refusal == ""
    return launch


@given(
    options=st.builds(
        vllm.Options,
        gpu_memory_utilization=shares,
        tensor_parallel_size=few,
        pipeline_parallel_size=few,
        data_parallel_size=few,
        is_expert_parallel=st.booleans(),
        max_num_seqs=some_counts,
        max_num_batched_tokens=some_counts,
        is_eager=st.booleans(),
        block_size=some_counts,
        kv_cache_memory_bytes=st.none() | st.integers(1, 1 << 40),
        cpu_offload_gb=st.integers(0, 4000).map(lambda quarters: quarters / 4),
        is_prefill_whole=st.booleans(),
        performance_mode=st.sampled_from(("balanced", "interactivity", "throughput")),
        is_hybrid_manager_disabled=st.booleans(),
        dtype=st.sampled_from(("auto", "bfloat16", "float16", "float32")),
        mamba_ssm_cache_dtype=st.sampled_from(("auto", "float16", "bfloat16", "float32")),
    ),
    kv_type=st.sampled_from(vllm.KV_TYPES),
    context=counts,
)
@settings(max_examples=30, deadline=None)
def test_vllm(options, kv_type, context):
    if None not in (options.max_num_seqs, options.max_num_batched_tokens):
        options = replace(options, max_num_seqs=min(options.max_num_seqs, options.max_num_batched_tokens))
    launch = again("vllm", Workload(context_tokens=context, kv_type=kv_type), options)
    assert launch.options == options
    assert (launch.context_tokens, launch.kv_type or "auto") == (context, kv_type)
    assert launch.n_devices == (
        options.tensor_parallel_size * options.pipeline_parallel_size * options.data_parallel_size
    )


def test_vllm_spells_out_the_share_that_it_takes_unasked():
    launch = again("vllm", Workload(context_tokens=1), vllm.Options(tensor_parallel_size=1))
    assert launch.options.gpu_memory_utilization == 0.92


@given(
    options=st.builds(
        sglang.Options,
        mem_fraction_static=st.none() | shares,
        tp_size=few,
        pp_size=few,
        chunked_prefill_size=some_counts,
        cuda_graph_max_bs=some_counts,
        is_graph_disabled=st.booleans(),
        max_running_requests=some_counts,
        max_total_tokens=some_counts,
    ),
    kv_type=st.sampled_from(sglang.KV_TYPES),
    context=counts,
)
@settings(max_examples=30, deadline=None)
def test_sglang(options, kv_type, context):
    launch = again("sglang", Workload(context_tokens=context, kv_type=kv_type), options)
    assert launch.options == options
    assert (launch.context_tokens, launch.kv_type or "auto") == (context, kv_type)


@given(
    options=st.builds(
        trtllm.Options,
        kv_cache_free_gpu_memory_fraction=shares,
        tp_size=few,
        pp_size=few,
        max_batch_size=counts,
        max_num_tokens=counts,
    ),
    kv_type=st.sampled_from(("auto", "fp8", "nvfp4")),
    context=counts,
)
@settings(max_examples=30, deadline=None)
def test_tensorrt_llm(options, kv_type, context):
    launch = again("trtllm", Workload(context_tokens=context, kv_type=kv_type), options)
    assert launch.options == options
    assert (launch.context_tokens, launch.kv_type or "auto") == (context, kv_type)


@given(
    options=st.builds(
        exllama.Options,
        chunk_size=st.integers(1, 64).map(lambda pages: 256 * pages),
        gpu_split=st.none() | st.lists(st.integers(1, 999).map(lambda n: n / 10), min_size=1, max_size=4).map(tuple),
        autosplit_reserve=counts,
    ),
    kv_type=st.sampled_from(exllama.KV_TYPES),
    n_pages=st.integers(1, 1000),
    n_sequences=few,
)
@settings(max_examples=30, deadline=None)
def test_exllama(options, kv_type, n_pages, n_sequences):
    context = n_pages * 256 * n_sequences
    launch = again("exllama", Workload(context_tokens=context, n_sequences=n_sequences, kv_type=kv_type), options)
    assert launch.options == options
    assert (launch.context_tokens, launch.n_sequences) == (context, n_sequences)
    assert (launch.kv_type or "f16") == kv_type


@given(
    options=st.builds(
        mlx.Options,
        max_tokens=counts,
        prefill_step_size=counts,
        max_kv_size=st.none() | st.integers(8, 1 << 20),
        quantized_kv_start=st.just(5000),
    ),
    kv_type=st.sampled_from(mlx.KV_TYPES),
    start=st.integers(0, 10_000),
    n_sequences=few,
)
@settings(max_examples=30, deadline=None)
def test_mlx(options, kv_type, start, n_sequences):
    if kv_type != "f16":  # only then is it said
        options = replace(options, quantized_kv_start=start)
    n_sequences = n_sequences if options.max_kv_size is None else 1
    launch = again("mlx", Workload(context_tokens=8192, n_sequences=n_sequences, kv_type=kv_type), options)
    assert (launch.options, launch.n_sequences) == (options, n_sequences)
    assert (launch.kv_type or "f16") == kv_type


@given(
    options=st.builds(
        transformers.Options,
        dtype=st.sampled_from(("auto", "bfloat16", "float32")),
        device_map=st.sampled_from(("auto", "sequential")),
        max_memory=st.none() | st.lists(st.integers(1, 999).map(lambda n: n / 10), min_size=1, max_size=4).map(tuple),
        attn_implementation=st.sampled_from(("sdpa", "flash_attention_2", "eager")),
        cache_implementation=st.sampled_from(("dynamic", "static", "offloaded")),
        max_new_tokens=counts,
        prefill_chunk_size=some_counts,
    ),
    kv_type=st.sampled_from(("f16", "int8", "int4")),
    quant=st.sampled_from(("BF16", "bnb-8bit", "bnb-4bit", "bnb-nf4")),
)
@settings(max_examples=30, deadline=None)
def test_transformers(options, kv_type, quant):
    if kv_type != "f16":  # a quantised cache grows
        options = replace(options, cache_implementation="dynamic")
    model, engine = read_model("Qwen3 8B", quant), transformers
    workload = Workload(context_tokens=8192, kv_type=kv_type)
    (launch,) = launches_of(engine.command(model, engine.flags(model, workload, options, NOTHING_YET)))
    assert (launch.source, launch.quant) == ("Qwen/Qwen3-8B", None if quant == "BF16" else quant)
    assert (launch.options, launch.kv_type or "f16", launch.unknown) == (options, kv_type, ())


FLAGS = {
    "vllm serve a/b": table(vllm_tables.SERVE),
    "vllm bench throughput": table(vllm_tables.BENCH),
    "sglang serve --model-path a/b": table(sglang_tables.SERVE),
    "trtllm-serve a/b": table(trtllm_tables.SERVE),
    "mlx_lm.server": table(mlx_tables.COMMON + mlx_tables.SERVER),
}


@pytest.mark.parametrize("start", FLAGS)
def test_a_flag_of_the_table_is_never_unknown(start):
    for flag in FLAGS[start]:
        for name in flag.names:
            if name in ("--help", "-h", "--version"):
                continue
            value = () if flag.takes is Takes.NOTHING else ("1",)
            (launch,) = read_launches(Command(arguments=(*start.split(), name, *value), directory="/nowhere"))
            assert launch.unknown == (), name


POSTED = [word for name in ("vllm", "sglang", "trtllm", "mlx", "tgi") for each in lines_of(name) for word in words_of(each["text"])]  # fmt: skip # noqa: E501
STARTS = (
    "vllm serve",
    "vllm bench latency",
    "python -m vllm.entrypoints.openai.api_server",
    "sglang serve",
    "trtllm-serve",
    "trtllm-bench",
    "mlx_lm.generate",
    "mlx_vlm.server",
    "text-generation-launcher",
    "transformers serve",
    "transformers-cli chat",
    "docker run",
    "python -c",
    "podman run vllm/vllm-openai",
)


@pytest.mark.parametrize("start", STARTS)
@given(
    words=st.lists(
        st.sampled_from(sorted(set(POSTED))) | st.text(alphabet="-.=_,:{}[]\"'$/a1é\x1b\0 ", max_size=12), max_size=10
    )
)
@settings(max_examples=12, deadline=None)
def test_any_words_are_read_without_a_crash(start, words):
    try:
        launches = read_launches(Command(arguments=(*start.split(), *words), directory="/nowhere"))
    except LaunchError:
        return
    assert all(launch.engine_name for launch in launches)

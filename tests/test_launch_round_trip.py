"""What advice prints, read again as a command line, is the plan that was meant."""

from dataclasses import replace

import pytest
from gguf_files import llama_metadata, llama_tensors, write_gguf
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.engines import llamacpp, ollama
from estimator.kv_cache import STORED_TYPES
from estimator.ledger import Estimate, Workload
from estimator.llama_options import SPLIT_MODES
from estimator.reader import read_model
from launches.command import Command
from launches.launch import read_launches
from launches.line import words_of

COUNTS = st.integers(1, 1 << 16)
TYPES = st.sampled_from(sorted(STORED_TYPES))
PATHS = st.sampled_from(["/models/a b.gguf", "draft-Q4_0.gguf", "/it's/mmproj.gguf"])
PATTERNS = st.sampled_from([r"blk\.(1[0-9]|2)\.ffn_.*=CPU", "exps=CPU", r"blk\.0\.=CUDA1,\.ffn_(up|down)_exps\.=CPU"])
OF_LLAMACPP = st.builds(
    llamacpp.Options,
    is_flash_attention=st.just(True),
    n_batch_tokens=COUNTS,
    n_ubatch_tokens=COUNTS,
    is_kv_unified=st.booleans(),
    is_kv_offloaded=st.booleans(),
    value_type=st.none() | TYPES,
    is_full_window=st.booleans(),
    n_cpu_moe_layers=st.integers(0, 99),
    is_cpu_moe=st.booleans(),
    tensor_overrides=st.none() | PATTERNS,
    tensor_split=st.none() | st.lists(st.integers(1, 99).map(float), min_size=1, max_size=4).map(tuple),
    split_mode=st.sampled_from(SPLIT_MODES),
    main_device=st.integers(0, 7),
    offloads_operations=st.booleans(),
    is_mapped=st.booleans(),
    is_repacked=st.booleans(),
    prompt_cache_mib=st.none() | st.integers(0, 1 << 16),
    n_checkpoints=st.none() | st.integers(0, 99),
    projector=st.none() | PATHS,
    draft_model=st.none() | PATHS,
    n_draft_gpu_layers=st.none() | st.integers(0, 99),
    draft_key_type=TYPES,
    draft_value_type=TYPES,
)
WORKLOADS = st.builds(Workload, context_tokens=COUNTS, n_sequences=st.integers(1, 64), kv_type=TYPES)


def read(line):
    (launch,) = read_launches(Command(arguments=tuple(words_of(line))))
    return launch


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny model.gguf"
    write_gguf(path, llama_metadata(), llama_tensors())
    return read_model(str(path))


def meant(options, workload, layers):
    """The plan, without what says nothing: a second name of the same type, and what belongs to a draft that is none."""
    if options.draft_model is None:
        options = replace(options, n_draft_gpu_layers=None, draft_key_type="f16", draft_value_type="f16")
    value_type = None if options.value_type == workload.kv_type else options.value_type
    return replace(options, n_gpu_layers=layers, value_type=value_type)


@given(options=OF_LLAMACPP, workload=WORKLOADS, n_layers=st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_what_llamacpp_is_advised_is_read_as_the_plan(model, options, workload, n_layers):
    made = Estimate(engine="llama.cpp", terms=(), n_gpu_layers=n_layers, n_layers=3)
    launch = read(llamacpp.command(model, llamacpp.flags(model, workload, options, made)))
    assert launch.options == meant(options, workload, 99 if n_layers == 3 else n_layers)
    assert (launch.context_tokens, launch.n_sequences) == (workload.context_tokens, workload.n_sequences)
    assert (launch.kv_type or "f16", launch.source) == (workload.kv_type, model.source)
    assert (launch.unknown, launch.refusal) == ((), "")


def test_a_split_by_layers_is_read_as_the_split(model):
    made = Estimate(engine="llama.cpp", terms=(), n_gpu_layers=3, n_layers=3, layers_by_device=(2, 1))
    workload = Workload(context_tokens=4096)
    launch = read(llamacpp.command(model, llamacpp.flags(model, workload, llamacpp.Options(), made)))
    assert launch.options.tensor_split == (2.0, 1.0)


def test_without_flash_attention_is_read_as_without(model):
    made = Estimate(engine="llama.cpp", terms=(), n_gpu_layers=3, n_layers=3)
    options = llamacpp.Options(is_flash_attention=False)
    line = llamacpp.command(model, llamacpp.flags(model, Workload(context_tokens=4096), options, made))
    assert read(line).options.is_flash_attention is False


@given(
    flash=st.sampled_from(sorted(ollama.FLASH_ATTENTION)),
    overhead=st.integers(0, 4096),
    is_spread=st.booleans(),
    context=COUNTS,
    n_sequences=st.integers(1, 16),
    kv_type=st.sampled_from(ollama.KV_TYPES),
)
@settings(deadline=None, max_examples=40)
def test_the_environment_that_ollama_is_advised_is_read_as_the_plan(
    model, flash, overhead, is_spread, context, n_sequences, kv_type
):
    options = ollama.Options(flash_attention=flash, gpu_overhead_mib=overhead, is_spread=is_spread)
    workload = Workload(context_tokens=context * n_sequences, n_sequences=n_sequences, kv_type=kv_type)
    made = Estimate(engine="Ollama", terms=(), n_gpu_layers=3, n_layers=3)
    launch = read(ollama.command(model, ollama.flags(model, workload, options, made)))
    assert launch.options == options
    assert (launch.context_tokens, launch.n_sequences) == (workload.context_tokens, n_sequences)
    assert (launch.program, launch.doubts) == ("ollama run", ())
    assert (launch.kv_type or "f16") == kv_type

"""vLLM's command line is read as vLLM reads it."""

import pytest
from command_lines import differences, launches_of, lines_of

from estimator.engines.vllm import Options
from launches.errors import NoLaunch

LINES = lines_of("vllm")
USUAL = Options(tensor_parallel_size=1)


def read(text, **environment):
    (launch,) = launches_of(text, **environment)
    return launch


@pytest.mark.parametrize("line", LINES, ids=[line["seen"] for line in LINES])
def test_a_posted_line_is_read_as_it_is_meant(line):
    assert list(differences(line, read(line["text"]), USUAL)) == []


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("128k", 128_000), ("32K", 32_768), ("1.5k", 1500), ("2M", 2 << 20), ("4096", 4096)],
)
def test_a_suffix_is_a_thousand_where_it_is_small_and_1024_where_it_is_not(text, tokens):
    assert read(f"vllm serve a/b --max-model-len {text}").context_tokens == tokens


@pytest.mark.parametrize("text", ["-1", "auto"])
def test_a_length_that_memory_decides_is_free(text):
    launch = read(f"vllm serve a/b --max-model-len {text}")
    assert (launch.context_tokens, launch.is_context_free) == (0, True)


def test_fewer_tokens_than_sequences_in_one_step_are_refused():
    assert "--max-num-seqs 64" in read("vllm serve a/b --max-num-seqs 64 --max-num-batched-tokens 32").refusal


def test_a_decimal_is_refused_with_a_binary_suffix():
    assert "'1.5K'" in read("vllm serve a/b --max-model-len 1.5K").refusal


@pytest.mark.parametrize(
    "flag", ["--enforce-eager", "-O0", "-O 0", "-cc.cudagraph_mode=NONE", "--compilation-config.cudagraph_mode NONE"]
)
def test_cuda_graphs_are_left_out_in_several_ways(flag):
    assert read(f"vllm serve a/b {flag}").options.is_eager


def test_the_last_of_contrary_switches_counts():
    assert not read("vllm serve a/b --enforce-eager --no-enforce-eager").options.is_eager


def test_a_switch_has_its_opposite_by_name():
    hybrid = read("vllm serve a/b --disable-hybrid-kv-cache-manager --enable-hybrid-kv-cache-manager")
    assert not hybrid.options.is_hybrid_manager_disabled


def test_a_file_of_settings_counts_below_the_command_line(tmp_path):
    (tmp_path / "c.yaml").write_text("max-model-len: 8192\nmodel: c/d\ntensor_parallel_size: 2\nenforce-eager: true\n")
    launch = read(f"vllm serve a/b --config {tmp_path}/c.yaml -tp 4")
    assert (launch.source, launch.context_tokens) == ("a/b", 8192)
    assert (launch.options.tensor_parallel_size, launch.options.is_eager) == (4, True)


def test_a_file_of_settings_may_name_the_model(tmp_path):
    (tmp_path / "c.yaml").write_text("model: c/d\nfancy-thing: 3\nspeculative-config:\n  model: e/f\n")
    launch = read(f"vllm serve --config {tmp_path}/c.yaml")
    assert (launch.source, launch.unknown) == ("c/d", ("--fancy-thing 3",))
    assert "e/f" in launch.doubts[0]


def test_a_file_of_settings_that_is_not_there_is_refused():
    assert "c.yaml" in read("vllm serve a/b --config c.yaml").refusal


def test_what_is_quantised_while_loading_is_told_from_what_is_stored_so():
    assert read("vllm serve a/b -q bitsandbytes").quant == "bnb-4bit"
    assert read("vllm serve a/b-FP8 -q fp8").quant is None
    assert read("vllm serve a/b -q gptq").quant is None


def test_a_method_for_checkpoints_that_are_stored_so_is_named_where_the_name_does_not_say_so():
    assert "--quantization awq" in read("vllm serve a/b --quantization awq").doubts[0]
    assert read("vllm serve a/b-AWQ --quantization awq_marlin").doubts == ()


def test_what_is_a_variable_is_named_and_not_refused():
    launch = read("vllm serve a/b --max-model-len $LEN --config $FILE --port $PORT --speculative-config '{\"n\": $N}'")
    assert launch.refusal == ""
    assert {word.partition(" ")[0] for word in launch.unknown} == {
        "--config",
        "--max-model-len",
        "--speculative-config",
    }


def test_a_share_above_one_is_refused():
    assert "--gpu-memory-utilization" in read("vllm serve a/b --gpu-memory-utilization 90").refusal


def test_ids_of_devices_are_told():
    assert read("vllm serve a/b --device-ids 2,3 -tp 2").devices == ("2", "3")


@pytest.mark.parametrize("text", ["vllm bench serve --model a/b", "vllm chat", "vllm --version", "vllm serve --help"])
def test_what_loads_nothing_is_said_to_load_nothing(text):
    with pytest.raises(NoLaunch):
        launches_of(text)


def test_the_release_beside_the_program_is_found(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "vllm").write_text("")
    (tmp_path / "lib" / "python3.12" / "site-packages" / "vllm-0.8.5.dist-info").mkdir(parents=True)
    assert read(f"{tmp_path}/bin/vllm serve a/b").options.version == "0.8.5"
    assert read(f"VLLM_USE_V1=0 {tmp_path}/bin/vllm serve a/b").options.version == "0.8.5 V0"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--mm-encoder-tp-mode data", "encoder's copy"),
        ("--offload-group-size 8", "layers that go to RAM"),
        ("--kv-cache-dtype-skip-layers sliding_window 0", "a cache as the model computes"),
        ("--enable-eplb --eplb-config.num_redundant_experts 32", "32 further copies"),
        ("--enable-eplb --num-redundant-experts 16", "16 further copies"),
        ("--load-format ipc_cache", "vllm preload"),
    ],
)
def test_what_is_held_otherwise_than_reckoned_is_said(flags, said):
    assert [said in doubt for doubt in read(f"vllm serve a/b {flags}").doubts] == [True]


@pytest.mark.parametrize("flags", ["--mm-encoder-tp-mode weights", "--offload-group-size 0", "--load-format auto"])
def test_what_is_as_usual_is_not_said(flags):
    assert read(f"vllm serve a/b {flags}").doubts == ()


def test_a_batch_runner_takes_steps_of_its_own():
    options = read("vllm run-batch -i a.jsonl -o b.jsonl --model a/b").options
    assert (options.max_num_batched_tokens, options.max_num_seqs) == (2048, 128)


@pytest.mark.parametrize(("flags", "n_tokens"), [("", None), ("--enable-chunked-prefill", 2048)])
def test_pieces_of_prompts_were_asked_for_before_v1(flags, n_tokens):
    line = f"docker run --gpus all vllm/vllm-openai:v0.6.4 --model a/b {flags}"
    assert read(line).options.max_num_batched_tokens == n_tokens


def test_a_snapshot_is_made_of_a_whole_engine():
    assert read("vllm snapshot create a/b --snapshot-dir s --revision c").source == "a/b"


@pytest.mark.parametrize("text", ["vllm preload --model a/b", "vllm snapshot restore s"])
def test_what_holds_weights_alone_is_not_said_to_load_nothing(text):
    with pytest.raises(NoLaunch, match="not known"):
        read(text)


def test_what_a_benchmark_of_one_pass_takes_is_known():
    assert read("vllm bench forward --model a/b --case decode=32*1@8192 --iters 5 --kv-init zeros").unknown == ()


def test_copies_that_deal_out_their_experts_share_the_model_over_machines():
    line = "vllm serve a/b --data-parallel-size 16 --data-parallel-size-local 8"
    launches = read(f"{line} --enable-expert-parallel"), read(line)
    assert [(launch.options.data_parallel_size, launch.n_machines) for launch in launches] == [(8, 2), (8, 1)]

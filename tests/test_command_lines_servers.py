"""The command lines of servers are read as each server reads them."""

import shlex

import pytest
from command_lines import differences, launches_of, lines_of, n_places

from estimator.engines import exllama, mlx, sglang, tgi, transformers, trtllm, vllm
from launches.command import Command
from launches.errors import NoLaunch, UnknownProgram
from launches.launch import read_launches
from launches.line import posted

USUAL = {
    "sglang": sglang.Options(tp_size=1),
    "trtllm": trtllm.Options(tp_size=1),
    "mlx": mlx.Options(),
    "tgi": tgi.Options(num_shard=1),
    "transformers": transformers.Options(),
    "tabbyapi": exllama.Options(),
}
"""Options where a line says nothing."""
SAID = {
    "mlx": {"context_tokens": 8192},
    "tgi": {"doubts": ["no log was held"]},
    "transformers": {"context_tokens": 8192, "n_devices": 0},
    "tabbyapi": {"n_devices": 0},
}
"""What a file says at its beginning of all its lines."""
LINES = [
    pytest.param(name, SAID.get(name, {}) | line, id=f"{name}: {line['seen']}")
    for name in USUAL
    for line in lines_of(name)
]
CONTAINED = lines_of("containers")
IN_CONTAINERS = USUAL | {"vllm": vllm.Options(tensor_parallel_size=1)}


def read(text, **environment):
    (launch,) = launches_of(text, **environment)
    return launch


@pytest.mark.parametrize(("name", "line"), LINES)
def test_a_posted_line_is_read_as_it_is_meant(name, line, tmp_path):
    (launch,) = launches_of(line["text"], line.get("files"), tmp_path)
    assert list(differences(line, launch, USUAL[name], tmp_path)) == []


@pytest.mark.parametrize("name", ["vllm", "sglang", "tgi", "trtllm", "transformers", "ollama"])
def test_there_are_as_many_lines_of_known_places_as_were_promised(name):
    assert n_places(name) >= 25


@pytest.mark.parametrize("line", CONTAINED, ids=[line["seen"] for line in CONTAINED])
def test_a_posted_container_is_read_as_it_is_meant(line):
    assert list(differences(line, read(line["text"]), IN_CONTAINERS[line["engine"]])) == []


@pytest.mark.parametrize(
    "text",
    [
        "transformers chat localhost:8000 --model-name-or-path openai/gpt-oss-20b",
        "transformers chat Qwen/Qwen2.5-0.5B-Instruct",
        "transformers download a/b",
        "sglang version",
        "python -m sglang.bench_serving --backend sglang",
        "trtllm-serve disaggregated -c c.yaml",
        "trtllm-bench --model a/b prepare-dataset",
        "mlx_lm.convert --model a/b -q",
        "text-generation-launcher --help",
        "docker ps",
    ],
)
def test_what_loads_nothing_is_said_to_load_nothing(text):
    with pytest.raises(NoLaunch):
        launches_of(text)


def test_a_container_of_something_else_is_unknown():
    with pytest.raises(UnknownProgram):
        launches_of("docker run -it ubuntu:24.04 bash")


def test_every_flag_of_tgi_has_its_variable():
    launch = read("text-generation-launcher", MODEL_ID="a/b", NUM_SHARD="2", QUANTIZE="eetq", MAX_TOTAL_TOKENS="4096")
    assert (launch.source, launch.n_devices, launch.quant, launch.context_tokens) == ("a/b", 2, "W8A8", 4096)


def test_tgi_takes_as_many_devices_as_are_listed():
    assert read("CUDA_VISIBLE_DEVICES=0,1,2 text-generation-launcher --model-id a/b").n_devices == 3
    assert "--sharded" in read("text-generation-launcher --model-id a/b --sharded true").refusal


def test_a_file_of_settings_counts_below_the_words_of_sglang(tmp_path):
    files = {"c.yaml": "model-path: a/b\ntp-size: 4\nmem-fraction-static: 0.8\ndisable-cuda-graph: true\n"}
    (launch,) = launches_of("sglang serve --config c.yaml --tp 2", files, tmp_path)
    assert (launch.source, launch.options.tp_size, launch.options.mem_fraction_static) == ("a/b", 2, 0.8)
    assert launch.options.is_graph_disabled


def test_a_file_of_settings_counts_over_the_words_of_tensorrt_llm(tmp_path):
    files = {"c.yaml": "tensor_parallel_size: 4\nmax_seq_len: 100\n"}
    (launch,) = launches_of("trtllm-serve a/b --tp_size 2 --config c.yaml", files, tmp_path)
    assert (launch.options.tp_size, launch.context_tokens) == (4, 100)
    assert "tensor_parallel_size is given twice" in launch.doubts[0]


@pytest.mark.parametrize(
    ("flags", "is_off"),
    [
        ("--disable-cuda-graph", True),
        ("--cuda-graph-backend-decode disabled", True),
        ("--cuda-graph-backend-decode full", False),
    ],
)
def test_sglang_leaves_graphs_out_in_several_ways(flags, is_off):
    assert read(f"sglang serve --model-path a/b {flags}").options.is_graph_disabled is is_off


def test_sglang_takes_a_model_as_its_first_word():
    launch = read("sglang serve a/b --tp 2")
    assert (launch.source, launch.options.tp_size, launch.refusal) == ("a/b", 2, "")


def test_the_module_of_sglang_takes_no_model_as_a_word():
    assert "'a/b'" in read("python -m sglang.launch_server --model-path a/c a/b").refusal


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--enable-lora --max-lora-rank 16", "LoRA"),
        ("--ep-num-redundant-experts 32", "32 further copies"),
        ("--enable-weights-cpu-backup", "copy in RAM"),
        ("--dtype float32", "32 bits"),
        ("--offload-group-size 4", "layers that go to RAM"),
        ("--swa-full-tokens-ratio 0.5", "--swa-full-tokens-ratio"),
        ("--tp 8 --moe-dense-tp-size 1", "--moe-dense-tp-size"),
    ],
)
def test_what_sglang_holds_otherwise_than_reckoned_is_said(flags, said):
    assert [said in doubt for doubt in read(f"sglang serve a/b {flags}").doubts] == [True]


@pytest.mark.parametrize(
    "flags", ["--dcp-size 1", "--tp 2 --moe-dense-tp-size 2", "--offload-group-size -1", "--dtype auto"]
)
def test_what_is_as_usual_in_sglang_is_not_said(flags):
    assert read(f"sglang serve a/b {flags}").doubts == ()


@pytest.mark.parametrize(
    ("tag", "context_tokens", "has_graphs"), [("1.4.0", 2048, False), ("2.0.4", 4096, True), ("3.3.5", 0, True)]
)
def test_tgi_of_a_version_has_its_defaults(tag, context_tokens, has_graphs):
    launch = read(f"docker run --gpus all ghcr.io/huggingface/text-generation-inference:{tag} --model-id a/b")
    assert (launch.context_tokens, not launch.options.is_graph_disabled) == (context_tokens, has_graphs)
    assert launch.is_context_free is (tag == "3.3.5")


def test_tgi_of_1_4_makes_graphs_where_it_is_told():
    line = (
        "docker run --gpus all ghcr.io/huggingface/text-generation-inference:1.4.5 --model-id a/b --enable-cuda-graphs"
    )
    assert not read(line).options.is_graph_disabled


def test_googles_image_of_tgi_tells_its_version_in_its_name():
    image = "us-docker.pkg.dev/x/gcr.io/huggingface-text-generation-inference-cu121.2-1.ubuntu2204.py310"
    launch = read(f"docker run --gpus all -e MODEL_ID=a/b -e NUM_SHARD=2 {image}")
    assert (launch.source, launch.n_devices, launch.context_tokens) == ("a/b", 2, 4096)


def test_tensorrt_llm_reads_what_older_releases_nest(tmp_path):
    files = {
        "c.yaml": "pytorch_backend_config:\n  kv_cache_dtype: fp8\n  use_cuda_graph: true\nbuild_config:\n"
        "  max_seq_len: 512\n"
    }
    (launch,) = launches_of("trtllm-serve a/b --extra_llm_api_options ./c.yaml", files, tmp_path)
    assert (launch.kv_type, launch.context_tokens, launch.unknown) == ("fp8", 512, ())


def test_tensorrt_llm_has_limits_of_its_cache_from_its_file(tmp_path):
    files = {"c.yaml": "kv_cache_config:\n  max_tokens: 1024\n  max_gpu_total_bytes: 2000000000\n"}
    (launch,) = launches_of("trtllm-serve a/b --config c.yaml", files, tmp_path)
    assert (launch.options.kv_cache_max_tokens, launch.options.kv_cache_max_bytes) == (1024, 2_000_000_000)


def test_a_file_that_the_text_writes_is_found_by_another_spelling_of_its_path():
    command = posted("cat > c.yml <<EOF\nmax_batch_size: 4\nEOF\ntrtllm-serve a/b --config ./c.yml")
    assert read_launches(command)[0].options.max_batch_size == 4


def test_the_first_of_several_copies_is_judged():
    launch = read("python -m sglang_router.launch_server --model-path a/b --dp-size 4 --router-policy cache_aware")
    assert (launch.n_devices, launch.unknown, len(launch.doubts)) == (1, (), 1)


def test_prompts_that_are_not_cut_are_as_long_as_one_pass_takes():
    assert read("sglang serve --model a/b --chunked-prefill-size -1").options.chunked_prefill_size == 16384


def test_devices_may_begin_behind_others():
    assert read("sglang serve --model a/b --tp 2 --base-gpu-id 4").devices == ("4", "5")


@pytest.mark.parametrize(
    ("option", "visible"),
    [
        ("--gpus all", None),
        ("--gpus 2", "0,1"),
        ("--gpus '\"device=2,3\"'", "2,3"),
        ("--gpus device=1", "1"),
        ("--device nvidia.com/gpu=3", "3"),
        ("--runtime nvidia -e NVIDIA_VISIBLE_DEVICES=1,2", "1,2"),
        ("--gpus '\"device=2,3\"' -e CUDA_VISIBLE_DEVICES=1", "3"),
    ],
)
def test_a_container_sees_the_devices_that_it_is_given(option, visible):
    launch = read(f"docker run {option} lmsysorg/sglang sglang serve --model a/b")
    assert launch.environment.get("CUDA_VISIBLE_DEVICES") == visible


def test_a_folder_of_a_container_is_found_outside_it(tmp_path):
    launch = read(f"podman run -v {tmp_path}:/models:ro vllm/vllm-openai --model /models/a")
    assert launch.source == f"{tmp_path}/a"


def test_a_span_of_a_container_stands_in_the_whole_command():
    text = "docker run --gpus all vllm/vllm-openai:v0.10.2 --model a/b --max-model-len 4096"
    spans = {span.flag: span.first for span in read(text).spans}
    assert text.split()[spans["--max-model-len"]] == "--max-model-len"


def test_what_the_shell_has_set_is_not_seen_in_a_container():
    launch = read("docker run -e A -e B=2 lmsysorg/sglang sglang serve --model a/b", A="1", C="3")
    assert {name: launch.environment.get(name) for name in "ABC"} == {"A": "1", "B": "2", "C": None}


def test_variables_come_from_a_file_too(tmp_path):
    files = {"v.env": "# remark\nMODEL_ID=a/b\n"}
    text = "docker run --env-file v.env ghcr.io/huggingface/text-generation-inference:3.3.5"
    (launch,) = launches_of(text, files, tmp_path)
    assert launch.source == "a/b"


def test_a_running_container_may_be_entered():
    assert read("docker exec -it box vllm serve a/b").source == "a/b"


@pytest.mark.parametrize(
    "text",
    [
        "bash -c 'vllm serve a/b --max-model-len 4096'",
        "sh -c 'cd /x && exec vllm serve a/b --max-model-len 4096 2>&1 | tee log'",
        "bash -euo pipefail -lc 'vllm serve a/b --max-model-len 4096'",
        """docker run --gpus all --entrypoint bash vllm/vllm-openai -c 'vllm serve a/b --max-model-len 4096'""",
        """bash -c "sh -c 'vllm serve a/b --max-model-len 4096'" """,
    ],
)
def test_a_command_in_one_word_of_a_shell_is_read(text):
    launch = read(text)
    assert (launch.source, launch.context_tokens) == ("a/b", 4096)


def test_what_a_script_sets_the_engine_sees():
    assert read("bash -c 'export CUDA_VISIBLE_DEVICES=1; vllm serve a/b'").environment["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize("text", ["bash", "bash -l", "bash -c", "bash -c ''", """bash -c "echo '" """, "sh start.sh"])
def test_a_shell_without_a_command_is_no_engine(text):
    with pytest.raises(UnknownProgram):
        read(text)


def test_shells_around_shells_come_to_an_end():
    words = ("bash", "-c", "vllm serve a/b")
    for _ in range(9):
        words = ("bash", "-c", shlex.join(words))
    with pytest.raises(UnknownProgram):
        read_launches(Command(arguments=words))

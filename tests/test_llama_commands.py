"""llama.cpp's programs and those that run it: every flag known, defaults by build, and what an engine refuses."""

import contextlib
import json
import zipfile
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.llama_options import Options
from launches.command import Command
from launches.errors import LaunchError, NoLaunch
from launches.launch import read_launches
from launches.llama_defaults import build_named, defaults_of
from launches.llama_programs import unmarked
from launches.llama_table import flags_of
from launches.words import Takes

PROGRAMS = ("llama-server", "llama-cli", "llama-bench", "koboldcpp", "llamafile", "./x.llamafile", "ollama")
WORDS = st.sampled_from(
    [
        *(name for flag in flags_of(is_fork=True) for name in flag.names),
        "-1",
        "0",
        "4096",
        "q8_0",
        "a.gguf",
        "serve",
        "on",
    ]
) | st.text(max_size=12)


def read(*words, **environment):
    return read_launches(Command(arguments=words, environment=environment))[0]


def test_every_option_of_the_estimator_is_a_flag_by_its_own_name():
    known = {flag.names[0] for flag in flags_of(is_fork=True)}
    assert {field.metadata["flag"] for field in fields(Options)} - {"", "--build"} <= known


@pytest.mark.parametrize("is_fork", [False, True])
def test_no_known_flag_is_called_unknown(is_fork):
    path = "/ik_llama.cpp/llama-server" if is_fork else "llama-server"
    meant = {name: flag for flag in reversed(flags_of(is_fork=is_fork)) for name in flag.names}
    for name, flag in meant.items():
        n_values = {Takes.ONE: 1, Takes.TWO: 2, Takes.MANY: 1}.get(flag.takes, 0)
        with contextlib.suppress(NoLaunch):
            assert read(path, "-m", "a.gguf", name, *["1"] * n_values).unknown == (), name


@given(program=st.sampled_from(PROGRAMS), words=st.lists(WORDS, max_size=12))
@settings(deadline=None, max_examples=150)
def test_any_words_are_read_or_refused_in_a_sentence(program, words):
    with contextlib.suppress(LaunchError):
        assert read_launches(Command(arguments=(program, *words)))


@pytest.mark.parametrize(
    ("path", "build", "context", "layers", "is_flash", "n_slots"),
    [
        ("main", "2024-05", 512, 0, False, 1),
        ("/opt/llama-b4000-bin-ubuntu-x64/llama-server", "b4000", 0, 0, False, 1),
        ("/opt/llama-b5269-bin-ubuntu-x64/llama-server", "b5269", 4096, 0, False, 1),
        ("/opt/llama-b6646-bin-ubuntu-x64/llama-server", "b6646", 4096, 999, True, 1),
        ("/opt/llama-b7108-bin-ubuntu-x64/llama-server", "b7108", 4096, 999, True, 4),
        ("/opt/llama-b8193-bin-ubuntu-x64/llama-server", "b8193", 0, None, True, 4),
        ("/opt/homebrew/Cellar/llama.cpp/6646/bin/llama-server", "b6646", 4096, 999, True, 1),
        ("/nix/store/x1-llama-cpp-5269/bin/llama-server", "b5269", 4096, 0, False, 1),
        ("llama-server", "", 0, None, True, 4),
    ],
)
def test_defaults_are_those_of_the_build_that_the_path_names(path, build, context, layers, is_flash, n_slots):
    found = build_named(path, path.rpartition("/")[2], is_fork=False)
    defaults = defaults_of(found)
    assert found == build
    assert (defaults.context_tokens, defaults.n_gpu_layers) == (context, layers)
    assert (defaults.is_flash_attention, defaults.n_server_sequences) == (is_flash, n_slots)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-c", "many"), "--ctx-size"),
        (("-np", "0"), "--parallel"),
        (("-ctk", "q3_K"), "--cache-type-k"),
        (("-fa", "off", "-ctv", "q8_0"), "without flash attention"),
        (("-fa", "perhaps"), "--flash-attn"),
        (("-ot", "exps"), "--override-tensor"),
        (("-sm", "column"), "--split-mode"),
        (("-ts", "a,b"), "--tensor-split"),
        (("-ngl",), "needs a value"),
    ],
)
def test_what_the_engine_would_refuse_is_refused(words, said):
    assert said in read("llama-server", "-m", "a.gguf", *words).refusal


def test_a_program_without_a_model_is_refused_and_a_server_without_one_serves_several():
    assert "no model" in read("llama-cli", "-c", "4096").refusal
    server = read("llama-server", "--models-dir", "/models")
    assert (server.source, server.refusal) == (None, "")


@pytest.mark.parametrize(
    ("environment", "field", "value"),
    [
        ({"LLAMA_ARG_N_GPU_LAYERS": "33"}, "n_gpu_layers", 33),
        ({"LLAMA_ARG_MMAP": "0"}, "is_mapped", False),
        ({"LLAMA_ARG_NO_KV_OFFLOAD": "1"}, "is_kv_offloaded", False),
        ({"LLAMA_ARG_FLASH_ATTN": "off"}, "is_flash_attention", False),
        ({"LLAMA_ARG_OVERRIDE_TENSOR": "exps=CPU"}, "tensor_overrides", "exps=CPU"),
        ({"LLAMA_ARG_CPU_MOE": "1"}, "is_cpu_moe", True),
        ({"LLAMA_ARG_CPU_MOE": "0"}, "is_cpu_moe", False),
    ],
)
def test_a_variable_says_what_no_word_does(environment, field, value):
    assert getattr(read("llama-server", "-m", "a.gguf", **environment).options, field) == value


def test_a_word_counts_before_a_variable():
    assert read("llama-server", "-m", "a", "-c", "2048", LLAMA_ARG_CTX_SIZE="8192").context_tokens == 2048


def test_config_ini_counts_below_words(tmp_path):
    folder = tmp_path / "llama.cpp"
    folder.mkdir()
    (folder / "config.ini").write_text(
        "ctx-size = 16384 ; tokens\n[*]\nno-mmap = true\nn-gpu-layers = 20\n[other]\nnp = 9\n"
    )
    launch = read("llama-server", "-m", "a.gguf", "-ngl", "10", XDG_CONFIG_HOME=str(tmp_path))
    assert launch.context_tokens == 16384
    assert (launch.options.n_gpu_layers, launch.options.is_mapped, launch.n_sequences) == (10, False, 4)


def test_a_repository_that_was_downloaded_is_its_file_and_brings_its_image_part(tmp_path):
    revision = tmp_path / "hub" / "models--ggml-org--gemma-3-4b-it-GGUF" / "snapshots" / "a1"
    revision.mkdir(parents=True)
    for name in ("gemma-3-4b-it-Q4_K_M.gguf", "gemma-3-4b-it-Q8_0.gguf", "mmproj-model-f16.gguf"):
        (revision / name).write_bytes(b"")
    home = {"HF_HOME": str(tmp_path)}
    usual = read("llama-server", "-hf", "ggml-org/gemma-3-4b-it-GGUF", **home)
    assert usual.source == str(revision / "gemma-3-4b-it-Q4_K_M.gguf")
    assert usual.options.projector == str(revision / "mmproj-model-f16.gguf")
    other = read("llama-server", "-hf", "ggml-org/gemma-3-4b-it-GGUF:Q8_0", "--no-mmproj", **home)
    assert (other.source, other.options.projector) == (str(revision / "gemma-3-4b-it-Q8_0.gguf"), None)


@pytest.mark.parametrize("flag", ["--mmap", "--no-mmap", "--no-direct-io"])
def test_a_switch_that_is_refused_is_named_as_it_was_given(flag):
    (doubt,) = [doubt for doubt in read("llama-server", "-m", "a.gguf", flag).doubts if "refused" in doubt]
    assert doubt.startswith(f"{flag} is refused")


def test_a_preset_is_the_flags_it_stands_for():
    launch = read("llama-server", "--gpt-oss-20b-default", "-np", "1")
    assert launch.source == "ggml-org/gpt-oss-20b-GGUF:MXFP4"
    assert (launch.context_tokens, launch.n_sequences, launch.options.n_batch_tokens) == (262144, 1, 32768)


def test_without_fit_automatic_layers_are_all():
    launch = read("llama-server", "-m", "a.gguf", "--fit", "off")
    assert (launch.options.n_gpu_layers, launch.is_context_free) == (999, False)


def test_llama_bench_loads_each_combination_and_not_too_many():
    launches = read_launches(Command(arguments=("llama-bench", "-m", "a,b", "-ngl", "0-99+33", "-fa", "0,1")))
    assert len(launches) == 16
    assert {launch.source for launch in launches} == {"a", "b"}
    assert {launch.options.n_gpu_layers for launch in launches} == {0, 33, 66, 99}
    many = read_launches(Command(arguments=("llama-bench", "-ngl", "0-60", "-b", "1-60", "-ub", "1-60")))
    assert len(many) == 64


def test_koboldcpp_reads_its_file_of_settings_and_nothing_else(tmp_path):
    path = tmp_path / "a.kcpps"
    stored = {"model_param": "/m/a.gguf", "contextsize": 16384, "gpulayers": 20, "quantkv": 1, "usecuda": ["1"]}
    path.write_text(json.dumps(stored | {"usemmap": True, "tensor_split": [3, 1], "sdmodel": "/m/sd"}))
    launch = read("koboldcpp", "--config", str(path), "--contextsize", "2048")
    assert (launch.source, launch.context_tokens, launch.kv_type) == ("/m/a.gguf", 16384, "q8_0")
    assert launch.options.n_gpu_layers == 20
    assert (launch.options.tensor_split, launch.options.is_mapped) == ((3.0, 1.0), True)
    assert launch.devices == ("CUDA1",)
    assert any("--sdmodel" in doubt for doubt in launch.doubts)


def test_koboldcpp_says_what_is_wrong_with_its_file(tmp_path):
    (tmp_path / "a.kcpps").write_text("{" * 100)
    assert "damaged" in read("koboldcpp", str(tmp_path / "a.kcpps")).refusal


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("-ngl=99", "-ngl 99"),
        ("--ctx-size=4096", "--ctx-size 4096"),
        ("-c8192", "-c 8192"),
        ("-ngl99", "-ngl 99"),
        ("--ngl", "-ngl"),
        ("-ctx-size", "--ctx-size"),
    ],
)
@pytest.mark.parametrize("program", ["llama-server", "llama-bench", "llamafile"])
def test_words_that_its_parser_would_not_take_are_refused_with_what_is_meant(program, word, meant):
    if program == "llama-bench" and "c" in word[:4]:
        return  # it knows no context
    (launch,) = read_launches(Command(arguments=(program, "-m", "a.gguf", word)))
    assert f"; {meant} is" in launch.refusal


def test_a_bench_may_fit_its_layers():
    (launch,) = read_launches(Command(arguments=("llama-bench", "-m", "a.gguf", "--fit-target", "512")))
    assert launch.options.n_gpu_layers is None


def test_a_llamafile_has_words_of_its_own(tmp_path):
    path = tmp_path / "Model.llamafile"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(".args", "-m\nmodel.Q4_K_M.gguf\n-c\n8192\n...\n")
        archive.writestr("model.Q4_K_M.gguf", b"GGUF")
    launch = read(str(path), "-ngl", "9")
    assert (launch.source, launch.context_tokens, launch.options.n_gpu_layers) == (str(path), 8192, 9)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", ("127.0.0.1", 11434)),
        ("0.0.0.0", ("0.0.0.0", 11434)),
        ("localhost:8000", ("localhost", 8000)),
        ("http://10.0.0.2", ("10.0.0.2", 80)),
        ("https://h:1234/x", ("h", 1234)),
        ("[::1]:9", ("::1", 9)),
        (":7000", ("127.0.0.1", 7000)),
    ],
)
def test_ollama_answers_where_its_host_says(host, address):
    assert read("ollama", "serve", OLLAMA_HOST=host).address == address


def test_ollama_run_is_told_by_the_models_own_parameters(tmp_path):
    digest = "a" * 64
    manifest = tmp_path / "manifests" / "registry.ollama.ai" / "library" / "tiny" / "latest"
    manifest.parent.mkdir(parents=True)
    kind = "application/vnd.ollama.image.params"
    manifest.write_text(json.dumps({"layers": [{"mediaType": kind, "digest": f"sha256:{digest}"}]}))
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / f"sha256-{digest}").write_text(json.dumps({"num_ctx": 16384, "num_gpu": 12, "stop": ["a"]}))
    launch = read("ollama", "run", "tiny", OLLAMA_MODELS=str(tmp_path))
    assert (launch.context_tokens, launch.options.num_gpu) == (16384, 12)


@pytest.mark.parametrize(
    "words", [("ollama", "list"), ("ollama", "run", "gpt-oss:120b-cloud"), ("llama-quantize", "a")]
)
def test_what_loads_nothing_here_is_said_to_load_nothing(words):
    with pytest.raises(NoLaunch):
        read(*words)


def test_ollamas_server_counts_not_the_command_that_asks_it():
    launch = read("ollama", "run", "qwen3:8b", OLLAMA_CONTEXT_LENGTH="8192")
    assert launch.context_tokens is None
    assert any("OLLAMA_CONTEXT_LENGTH" in doubt for doubt in launch.doubts)


@pytest.mark.parametrize(
    ("words", "context", "layers"),
    [
        (("qwen2.5-coder", "--context-length", "64000"), 64000, None),
        (("openai/gpt-oss-20b", "-y", "--gpu", "max", "-c", "16384"), 16384, 999),
        (("a/b", "--gpu", "off"), 4096, 0),
        (("a/b", "--gpu=0.5", "--ttl", "3600"), 4096, None),
        (("a/b", "--gpu=1.0", "--identifier", "x"), 4096, 999),
    ],
)
def test_lm_studio_loads_what_its_command_says(words, context, layers):
    launch = read("lms", "load", *words)
    assert (launch.source, launch.context_tokens, launch.options.n_gpu_layers) == (words[0], context, layers)
    assert (launch.unknown, launch.refusal) == ((), "")


def test_a_file_that_is_fetched_by_its_address_is_known_by_its_name():
    line = ("llama-server", "-mu", "https://example.com/a/Qwen3-8B-Q4_K_M.gguf?download=true", "-c", "8192")
    (launch,) = read_launches(Command(arguments=line, environment={"LLAMA_CACHE": "/nowhere"}))
    assert launch.source == "Qwen3-8B-Q4_K_M"


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("llama-server-ec9e0301", "llama-server"),
        ("ik-llama-server", "llama-server"),
        ("llama-cli-rocm-b6168", "llama-cli"),
        ("llama-bench-vulkan", "llama-bench"),
        ("llama-mtmd-cli-cuda12.4-x64", "llama-mtmd-cli"),
        ("llama-bench-tuner", "llama-bench-tuner"),
        ("llama-benchy", "llama-benchy"),
        ("llama-server-manager", "llama-server-manager"),
    ],
)
def test_a_program_is_known_by_what_tells_its_build_from_others(name, own):
    assert unmarked(name) == own


def test_what_the_fork_fits_by_itself_is_said():
    command = Command(arguments=("llama-bench", "-m", "a.gguf", "-mla", "3", "--fit", "1", "--fit-margin", "1024"))
    launch = read_launches(command)[0]
    assert any("--fit" in doubt for doubt in launch.doubts)
    assert launch.unknown == ()


def test_what_a_variable_says_that_nobody_knows_is_left_as_usual():
    told = ("llama-server", "-hf", "$REPO", "-ngl", "$N")
    (found,) = read_launches(Command(arguments=told))
    assert (found.source, found.options.n_gpu_layers, found.unknown) == ("$REPO", None, ("--gpu-layers $N",))


@pytest.mark.parametrize("words", ["-ctk q8_KV", "-ctv q6_0", "-sm graph", "--split-mode attn"])
@pytest.mark.parametrize("program", ["llama-server", "llama-bench"])
def test_values_that_only_the_fork_takes_tell_it(program, words):
    (launch,) = read_launches(Command(arguments=(program, "-m", "a.gguf", *words.split())))
    assert launch.options.build == "ik"


def test_a_word_that_only_looks_like_one_tells_nothing():
    (launch,) = read_launches(Command(arguments=("llama-cli", "-m", "a.gguf", "-p", "graph")))
    assert launch.options.build == ""


@pytest.mark.parametrize(("words", "target"), [("512", (512.0,)), ("512,1024", (512.0, 1024.0)), ("1/2", (1.0, 2.0))])
def test_what_fit_leaves_free_is_read(words, target):
    options = read("llama-server", "-m", "a.gguf", "-fitt", words, "-fitc", "8192").options
    assert (options.fit_target_mib, options.fit_context_tokens) == (target, 8192)


@pytest.mark.parametrize("name", ["bge-small-en", "e5-small-en", "gte-small"])
def test_a_preset_of_former_builds_is_still_known(name):
    launch = read("llama-server", f"--embd-{name}-default")
    assert launch.source is not None
    assert launch.source.endswith("-Q8_0-GGUF:Q8_0")
    assert launch.context_tokens == 512

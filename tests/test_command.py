"""What stands before the program is understood, and the program's own words are found."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launches.command import Command, program_of, shortened
from launches.wrappers import base_name

PLAIN = ("llama-server", "-m", "a.gguf")


def program(*words: str, **environment: str):
    return program_of(Command(arguments=words, environment=environment))


@pytest.mark.parametrize(
    "before",
    [
        (),
        ("env", "-u", "HOME"),
        ("nohup",),
        ("nice", "-n", "10"),
        ("ionice", "-c", "2", "-n", "7"),
        ("sudo", "-E", "-u", "me"),
        ("taskset", "-c", "0-7"),
        ("taskset", "0xff"),
        ("numactl", "--cpunodebind=0", "--membind", "0"),
        ("numactl", "-N", "0", "-m", "0"),
        ("stdbuf", "-oL"),
        ("timeout", "-k", "5", "60"),
        ("systemd-run", "--user", "--scope", "-p", "MemoryMax=8G"),
        ("nohup", "nice", "-n", "5"),
        ("uv", "run", "--with", "torch"),
        ("conda", "run", "-n", "llm"),
        ("tini", "-g", "--"),
        ("/usr/bin/tini", "-s", "--"),
        ("dumb-init",),
        ("nsys", "profile", "-o", "report", "--trace=cuda,nvtx", "-f", "true"),
        ("nsys", "profile", "-t", "cuda", "--"),
        ("gdb", "-ex", "run", "--args"),
        ("perf", "stat", "-e", "cycles"),
        ("gosu", "user"),
        ("wsl", "-d", "Ubuntu", "--"),
        ("start", "", "/b", "/wait"),
        ("start", "my title", "/affinity", "0x555"),
        ("micromamba", "run", "-n", "llm"),
        ("pixi", "run"),
        ("srun", "-N1", "--gpus-per-task", "4", "--mem", "64G"),
        ("xargs", "-I{}"),
        ("xargs", "-n", "1"),
        ("uvx", "--torch-backend", "auto"),
        ("uv", "run", "--with-requirements", "req.txt"),
        ("uv", "run", "--extra-index-url", "https://example.org/simple"),
        ("uv", "tool", "run", "--from", "x"),
        ("direnv", "exec", "."),
        ("doppler", "run", "--project", "x", "--"),
        ("flock", "-w", "5", "/run/gpu.lock"),
        ("nix", "shell", "nixpkgs#llama-cpp", "-c"),
    ],
)
def test_wrappers_are_passed_over(before):
    found = program(*before, *PLAIN)
    assert (found.name, found.arguments, found.offset) == ("llama-server", ("-m", "a.gguf"), len(before) + 1)


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("nixpkgs#llama-cpp", "llama-cli"),
        ("nixpkgs#llama-cpp-vulkan", "llama-cli"),
        (".#llama-bench-master-rdma", "llama-bench"),
        ("nixpkgs#ollama", "ollama"),
        ("github:ggml-org/llama.cpp#llama-server", "llama-server"),
        (".#packages.x86_64-linux.llama-server", "llama-server"),
    ],
)
def test_a_package_of_nix_starts_its_own_program(package, name):
    found = program("nix", "run", package, "--", "-m", "a.gguf")
    assert (found.name, found.arguments, found.offset) == (name, ("-m", "a.gguf"), 4)


@pytest.mark.parametrize("words", [("nix", "run"), ("nix", "build", "nixpkgs#ollama"), ("nix", "run", "--", "x")])
def test_nix_that_names_no_package_starts_nothing_known(words):
    assert program(*words) is None


def test_a_word_behind_an_option_that_is_not_known_may_be_its_value():
    assert program("uvx", "--newer-option", "auto", *PLAIN).may_be_value
    assert not program("uvx", "--with", "auto", *PLAIN).may_be_value


def test_assignments_before_the_program_are_its_environment():
    found = program("CUDA_VISIBLE_DEVICES=1", "env", "GGML_CUDA_ENABLE_UNIFIED_MEMORY=1", *PLAIN, HOME="/h")
    assert found.environment == {"HOME": "/h", "CUDA_VISIBLE_DEVICES": "1", "GGML_CUDA_ENABLE_UNIFIED_MEMORY": "1"}


def test_a_module_of_python_is_the_program():
    found = program(
        "/opt/venv/bin/python3.12", "-u", "-X", "dev", "-m", "vllm.entrypoints.openai.api_server", "--model", "x"
    )
    assert (found.name, found.arguments, found.is_module) == (
        "vllm.entrypoints.openai.api_server",
        ("--model", "x"),
        True,
    )


def test_a_script_of_python_is_the_program():
    assert program("python", "koboldcpp.py", "--model", "a.gguf").name == "koboldcpp.py"


@pytest.mark.parametrize("words", [(), ("A=b",), ("env",), ("python",), ("python", "-c"), ("python", "-m"), ("nohup",)])
def test_without_a_program_there_is_none(words):
    assert program(*words) is None


@pytest.mark.parametrize(
    "word", ["/usr/bin/llama-server", r"C:\tools\llama-server.exe", "./llama-server", "llama-server.EXE"]
)
def test_a_name_loses_folder_and_ending(word):
    assert base_name(word) == "llama-server"


def test_uv_as_an_engine_argument_is_no_wrapper():
    assert program("uv", "pip", "install", "vllm").name == "uv"


def test_relative_paths_begin_where_the_command_is_started():
    assert Command(arguments=(), directory="/models").path("a.gguf") == "/models/a.gguf"


@pytest.mark.skipif(os.name == "nt", reason="there it is a path of its own")
@pytest.mark.parametrize("path", ["C:\\models\\a.gguf", "D:/models/a.gguf", "\\\\share\\a.gguf"])
def test_a_path_of_windows_is_whole_elsewhere_too(path):
    assert Command(arguments=(), directory="/models").path(path) == path


def test_a_command_line_is_kept_within_bounds():
    assert len(shortened(Command(arguments=("x" * 1000,) * 5000)).arguments) < 1100


@given(st.lists(st.text(max_size=12), max_size=12))
def test_any_words_are_taken_without_a_crash(words):
    found = program_of(Command(arguments=tuple(words)))
    assert found is None or tuple(words[found.offset :]) == found.arguments

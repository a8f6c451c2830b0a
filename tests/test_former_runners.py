"""Children that Ollama started until 2026, by names and flags of their own, and what it logs of them."""

import pytest
from command_lines import launches_of

FLAGS = "--model /b/sha256-1 --ctx-size 8192 --batch-size 512 --parallel 4 --port 4"


def read(text):
    (launch,) = launches_of(text)
    return launch


@pytest.mark.parametrize(
    "program", ["ollama runner", "ollama_llama_server", "/tmp/ollama1/runners/cuda_v12/ollama_llama_server runner"]
)
def test_a_runner_is_told_by_flags_whatever_it_is_called(program):
    launch = read(f"{program} {FLAGS} --n-gpu-layers 33")
    assert (launch.engine_name, launch.source, launch.context_tokens) == ("ollama", "/b/sha256-1", 8192)
    assert (launch.n_sequences, launch.options.num_gpu, launch.options.flash_attention) == (4, 33, "off")


def test_a_runner_that_is_told_of_no_layers_has_none_on_the_gpu():
    assert read(f"ollama runner {FLAGS}").options.num_gpu == 0


def test_a_runner_that_is_told_later_may_take_any():
    assert read("ollama runner --ollama-engine --port 4").options.num_gpu is None


def test_what_its_log_says_that_it_starts_is_read():
    text = f'time=2025-03-05T06:58:54Z level=INFO msg="starting llama server" cmd="ollama runner {FLAGS}"'
    assert read(text).source == "/b/sha256-1"


def test_paths_in_its_log_are_written_with_two_backslashes():
    text = r'time=2025-05-17T00:03:31Z level=INFO msg="a" cmd="C:\\o\\ollama.exe runner --model E:\\b\\sha256-1"'
    assert read(text).source == r"E:\b\sha256-1"

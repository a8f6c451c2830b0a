"""llama-run takes its model, and what is asked, without a flag."""

import pytest
from command_lines import launches_of

from launches.errors import NoLaunch


def read(text):
    (launch,) = launches_of(text)
    return launch


def test_without_flags_it_takes_its_own_defaults():
    launch = read("llama-run some-file4.gguf Hello World")
    assert (launch.source, launch.context_tokens) == ("/nowhere/some-file4.gguf", 2048)
    assert (launch.options.n_batch_tokens, launch.options.n_gpu_layers, launch.unknown) == (2048, 999, ())


def test_a_context_is_one_batch():
    launch = read("llama-run -c 8192 --ngl 20 file://a.gguf")
    assert (launch.source, launch.context_tokens, launch.options.n_batch_tokens) == ("/nowhere/a.gguf", 8192, 8192)
    assert launch.options.n_gpu_layers == 20


@pytest.mark.parametrize("prefix", ["hf://", "huggingface://", "hf.co/"])
def test_a_repository_has_a_prefix(prefix):
    assert read(
        f"llama-run {prefix}bartowski/SmolLM-1.7B-Instruct-v0.2-GGUF/SmolLM-1.7B-Instruct-v0.2-IQ3_M.gguf"
    ).source


def test_a_bare_name_is_one_of_ollamas():
    launch = read("llama-run ollama://smollm:135m")
    assert launch.source == "smollm:135m"
    assert any("Ollama" in doubt for doubt in launch.doubts)


def test_without_a_model_nothing_is_loaded():
    with pytest.raises(NoLaunch):
        read("llama-run --help")

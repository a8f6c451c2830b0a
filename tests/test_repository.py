"""What stands for the model in a line that starts a server."""

from dataclasses import replace

import pytest

from estimator.engine import load_engine
from estimator.reader import read_model
from estimator.repository import repository_of, repository_word


def test_a_known_name_is_loaded_from_its_own_repository() -> None:
    assert repository_of(read_model("Qwen3 8B", "BF16")) == "Qwen/Qwen3-8B"
    assert repository_of(read_model("DeepSeek V3", "FP8")) == "deepseek-ai/DeepSeek-V3"


def test_whose_repository_has_another_quant_is_not_known() -> None:
    assert repository_of(read_model("Qwen3 8B", "AWQ")) == "MODEL"


def test_files_that_are_here_are_one_word_of_the_shell() -> None:
    model = replace(read_model("Qwen3 8B", "BF16"), source="/my models/a", file_bytes=1)
    assert repository_word(model) == "'/my models/a'"


@pytest.mark.parametrize("name", ["vllm", "sglang", "trtllm", "transformers"])
def test_the_line_of_an_engine_that_loads_checkpoints_can_be_pasted(name: str) -> None:
    assert "Qwen/Qwen3-8B" in load_engine(name).command(read_model("Qwen3 8B", "BF16"), "--flag")


def test_what_is_quantised_while_loading_is_loaded_from_the_unquantised_repository() -> None:
    line = load_engine("transformers").command(read_model("Qwen3 8B", "bnb-4bit"), "a=1; b=2")
    assert 'n = "Qwen/Qwen3-8B"' in line


def test_a_checkpoint_is_no_gguf_file_to_serve() -> None:
    checkpoint = replace(read_model("Qwen3 8B", "BF16"), source="models/a", file_bytes=1, format="safetensors")
    assert load_engine("llamacpp").command(checkpoint, "-c 1") == "llama-server -m MODEL.gguf -c 1"

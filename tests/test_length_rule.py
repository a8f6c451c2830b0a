"""A context beyond the model's own is no fit for engines that refuse it."""

import json

import pytest
from commands_found import find_command

from estimator.verdict import Level
from launches.command import Command
from probes.sampler import take_one
from probes.simulate import simulated_sources

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16,
    "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 32000,
    "max_position_embeddings": 8192,
}  # fmt: skip
TOLD = json.dumps({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}})
VLLM = ("vllm", "serve", "{}", "--max-model-len", "16384")
SGLANG = ("python", "-m", "sglang.launch_server", "--model-path", "{}", "--context-length", "16384")


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return str(tmp_path)


def found(words, source, **environment):
    snapshot = take_one(simulated_sources("RTX 4090, RAM 64GiB"), 5.0)
    return find_command(
        Command(arguments=tuple(word.format(source) for word in words), environment=environment), snapshot
    )


@pytest.mark.parametrize("words", [VLLM, SGLANG])
def test_more_tokens_than_the_model_was_made_for_are_refused(words, checkpoint):
    verdict = found(words, checkpoint).assessment.verdict
    assert (verdict.level, verdict.is_refused) == (Level.FAILS, True)
    assert "made for 8" in verdict.reason


@pytest.mark.parametrize("words", [VLLM, SGLANG])
def test_of_a_model_that_is_known_by_name_only_a_refusal_is_not_sure(words):
    told = (*words[:-1], "200000")
    assert found(told, "meta-llama/Llama-3.2-1B-Instruct").assessment.verdict.level is Level.TIGHT


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (VLLM, {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"}),
        ((*VLLM, "--hf-overrides", TOLD.replace("{", "{{").replace("}", "}}")), {}),
        (SGLANG, {"SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN": "true"}),
        ((*SGLANG, "--json-model-override-args", TOLD.replace("{", "{{").replace("}", "}}")), {}),
        (("llama-server", "-m", "{}", "-c", "16384"), {}),
    ],
)
def test_who_may_scale_positions_is_let_through(words, variables, checkpoint):
    source = "Llama 3.2 1B" if words[0] == "llama-server" else checkpoint
    assert found(words, source, **variables).assessment.verdict.level is Level.FITS


def test_the_models_own_length_is_what_would_fit(checkpoint):
    (line,) = (line for line in found(VLLM, checkpoint).rewrites if line)
    assert line.endswith("--max-model-len 8192")

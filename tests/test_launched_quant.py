"""A quant that the source names is the one that is judged."""

import pytest

from estimator.ledger import Kind
from estimator.verdict import Level
from launches.command import Command
from probes.sampler import take_one
from probes.simulate import simulated_sources
from tui.guard import find_command


def found(source):
    words = ("vllm", "serve", source, "--max-model-len", "2048")
    return find_command(Command(arguments=words), take_one(simulated_sources("RTX 4060, RAM 32GiB"), 5.0))


@pytest.mark.parametrize("quant", ["Q4_K_M", "q4_k_m"])
def test_a_gguf_that_vllm_is_told_by_its_quant_counts_as_that(quant):
    finding = found(f"unsloth/Qwen3-8B-GGUF:{quant}")
    assert finding.model.quant == "Q4_K_M"
    assert finding.assessment.estimate.n_bytes(kind=Kind.WEIGHTS) < 6 << 30
    assert finding.assessment.verdict.level is Level.TIGHT  # what else it keeps is not counted


def test_a_repository_without_a_quant_counts_as_it_is_published():
    finding = found("Qwen/Qwen3-8B")
    assert (finding.model.quant, finding.assessment.verdict.level) == ("BF16", Level.FAILS)


@pytest.mark.parametrize(
    ("name", "quant"),
    [("RedHatAI/Qwen3-8B-FP8-dynamic", "FP8-dynamic"), ("RedHatAI/Qwen3-8B-quantized.w4a16", "W4A16")],
)
def test_a_repositorys_own_quant_counts_though_it_is_not_among_the_usual_ones(name, quant):
    assert found(name).model.quant == quant

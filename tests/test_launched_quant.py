"""A quant that the source names is the one that is judged."""

import pytest
from commands_found import find_command

from estimator.ledger import Kind
from estimator.verdict import Level
from launches.command import Command
from probes.sampler import take_one
from probes.simulate import simulated_sources
from tui.report import finding_text


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


def reported(*words, machine="RTX 4090, RAM 64GiB"):
    finding = find_command(Command(arguments=words), take_one(simulated_sources(machine), 5.0))
    return finding, " ".join(finding_text(finding).split())


CONVERTED = ("vllm", "serve", "Qwen/Qwen3-14B", "--quantization", "fp8", "--max-model-len", "40960")


def test_the_files_of_a_load_that_is_converted_are_as_they_are_stored():
    finding, text = reported(*CONVERTED)
    assert 27 << 30 < finding.needs.disk_bytes == finding.needs.cached_bytes < 28 << 30
    assert "files 27.5 GiB, stored as BF16 ·" in text


def test_a_quant_is_named_with_the_files_that_would_have_it():
    assert "best quant that fits here AWQ, of files stored so, unconverted" in reported(*CONVERTED)[1]
    small = ("vllm", "serve", "Qwen/Qwen3-0.6B", "--quantization", "fp8", "--max-model-len", "2048")
    assert "best quant that fits here BF16, the files as they are, unconverted" in reported(*small)[1]
    tight = ("vllm", "serve", "Qwen/Qwen3-8B", "--quantization", "fp8", "--max-model-len", "2048")
    assert "FP8-dynamic, made of BF16 as now" in reported(*tight, machine="RTX 4060 Ti 16GB, RAM 64GiB")[1]


def test_of_a_load_that_is_not_converted_nothing_is_said_of_how_it_is_stored():
    finding, text = reported("vllm", "serve", "Qwen/Qwen3-0.6B", "--max-model-len", "2048")
    assert finding.stored is None
    assert "stored" not in text


def test_eight_bits_of_a_checkpoint_are_advised_with_the_flag_that_makes_them():
    finding, _ = reported("vllm", "serve", "Qwen/Qwen2.5-14B-Instruct", "--max-model-len", "8192")
    line = "vllm serve Qwen/Qwen2.5-14B-Instruct --max-model-len 8192 --quantization fp8"
    assert line in finding.rewrites

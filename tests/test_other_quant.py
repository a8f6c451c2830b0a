"""Another quant is offered as a command where a file of it lies beside, or a repository is named."""

from commands_found import find_command
from gguf_files import llama_metadata, llama_tensors, write_gguf

from estimator.model import Tensor
from launches.command import Command
from probes.sampler import take_one
from probes.simulate import simulated_sources

N_TOKENS = 36_000_000
"""Of a vocabulary whose output matrix takes gigabytes: only the header is read."""


def write_model(path, type_name):
    others = [tensor for tensor in llama_tensors() if tensor.name != "output.weight"]
    write_gguf(path, llama_metadata(), [*others, Tensor("output.weight", (256, N_TOKENS), type_name)])


def offered(*words, directory="", hardware="RTX 4090, used 15GiB, RAM 64GiB"):
    """(label, command) of each change."""
    command = Command(arguments=("llama-server", *words, "-ngl", "99", "-c", "4096"), directory=directory)
    finding = find_command(command, take_one(simulated_sources(hardware), 5.0))
    return dict(zip((change.label for change in finding.advice.changes), finding.rewrites, strict=True))


def test_of_a_repository_another_quant_is_named():
    lines = offered("-hf", "a/gemma-3-12b-it-GGUF:Q8_0", "--no-mmproj")
    (quant,) = (label for label in lines if label.startswith(("Q", "I")))
    assert lines[quant] == f"llama-server -hf a/gemma-3-12b-it-GGUF:{quant.split(',')[0]} --no-mmproj -ngl 99 -c 4096"


def test_of_a_file_another_one_beside_it_is_named_where_it_fits(tmp_path):
    write_model(tmp_path / "tiny-Q8_0.gguf", "Q8_0")
    named = offered("-m", "tiny-Q8_0.gguf", directory=str(tmp_path))
    (quant,) = (label for label in named if label.startswith(("Q", "I")))
    assert named[quant] == ""
    write_model(tmp_path / f"Tiny-{quant.split(',')[0].lower()}.gguf", "Q4_K")
    lines = offered("-m", "tiny-Q8_0.gguf", directory=str(tmp_path))
    assert lines[quant] == f"llama-server -m Tiny-{quant.split(',')[0].lower()}.gguf -ngl 99 -c 4096"


def test_a_file_that_would_not_fit_either_is_not_named(tmp_path):
    write_model(tmp_path / "tiny-Q8_0.gguf", "Q8_0")
    (quant,) = (label for label in offered("-m", "tiny-Q8_0.gguf", directory=str(tmp_path)) if label[0] in "QI")
    write_model(tmp_path / f"tiny-{quant.split(',')[0]}.gguf", "F16")
    assert offered("-m", "tiny-Q8_0.gguf", directory=str(tmp_path))[quant] == ""


def test_a_file_whose_name_is_given_apart_is_not_asked_of_another_quant():
    lines = offered("-hf", "a/gemma-3-12b-it-GGUF", "-hff", "gemma-3-12b-it-Q8_0.gguf", "--no-mmproj")
    assert not any(line for label, line in lines.items() if label.startswith(("Q", "I")))

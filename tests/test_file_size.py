"""What a GGUF file has beside its tensors, against files that are written here."""

import pytest
from gguf_files import header_bytes, vocabulary

from estimator.file_size import gguf_size
from estimator.mixture import total_bytes
from estimator.needs import file_bytes
from estimator.readers import catalogue


def test_a_header_with_a_whole_vocabulary_lies_in_the_band() -> None:
    name, n_tokens, n_merges = "Qwen3 0.6B", 151_936, 151_387
    entry = catalogue.find(name)
    model = catalogue.read(name, "Q4_K_M")
    head, n_data_bytes = header_bytes(entry.metadata | vocabulary(n_tokens, n_merges), model.tensors)

    found = gguf_size(model, total_bytes(model.tensors))

    assert found.low_bytes <= len(head) + n_data_bytes <= found.high_bytes
    assert found.n_bytes == pytest.approx(len(head) + n_data_bytes, rel=0.01)


def test_the_table_of_tensors_is_counted_exactly() -> None:
    model = catalogue.read("Qwen3 0.6B", "Q8_0")
    head, _ = header_bytes({"general.architecture": "qwen3"}, model.tensors)
    empty, _ = header_bytes({"general.architecture": "qwen3"}, ())
    without = gguf_size(model, 0).low_bytes - 4096 - 20 * model.vocabulary_size

    assert abs(len(head) - len(empty) - without) <= 32


def test_what_a_model_needs_on_disk_is_the_file_and_not_the_tensors_alone() -> None:
    model = catalogue.read("Llama 3.1 8B", "Q4_K_M")

    assert 2e6 < file_bytes(model) - total_bytes(model.tensors) < 20e6


def test_a_band_of_the_mixture_is_one_of_the_file() -> None:
    model = catalogue.read("Llama 3.1 8B", "UD-Q4_K_XL")
    found = gguf_size(model, total_bytes(model.tensors))

    assert found.low_bytes < 0.96 * found.n_bytes < 1.04 * found.n_bytes < found.high_bytes

from pathlib import Path

import pytest

from estimator.gguf_header import read_header
from estimator.gguf_writer import write_header
from estimator.model import Tensor

METADATA = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.attention.head_count_kv": (1, 2),
    "llama.is_odd": True,
    "llama.rope.scale": 0.5,
}
TENSORS = (Tensor("token_embd.weight", (64, 3), "Q4_0"), Tensor("output_norm.weight", (64,), "F32"))
DATA_BYTES = 128 + 256  # 3 rows of 36 bytes and 64 of 4, each padded to 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "header.gguf"
    with path.open("wb") as file:
        write_header(file, METADATA, TENSORS)
    return path


def test_a_written_header_is_read_back(path: Path) -> None:
    header = read_header(str(path))

    assert header.tensors == TENSORS
    assert {key: header.metadata[key] for key in METADATA} == METADATA


def test_the_file_is_as_long_as_with_its_weights(path: Path) -> None:
    assert path.stat().st_size % 32 == 0
    assert DATA_BYTES < path.stat().st_size < DATA_BYTES + 1000


def test_what_the_model_says_goes_before_what_is_added(tmp_path: Path) -> None:
    path = tmp_path / "header.gguf"
    with path.open("wb") as file:
        write_header(file, {**METADATA, "llama.attention.layer_norm_epsilon": 0.25}, TENSORS)

    assert read_header(str(path)).metadata["llama.attention.layer_norm_epsilon"] == 0.25

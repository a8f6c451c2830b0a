from pathlib import Path

import pytest
from gguf_files import llama_metadata, llama_tensors, write_gguf

from estimator.errors import UnreadableModel
from estimator.model import Tensor
from estimator.projector import Encoder, read_projector
from estimator.readers import gguf

GEMMA_3: dict[str, object] = {
    "general.architecture": "clip",
    "general.type": "mmproj",
    "general.name": "Gemma 3 4B",
    "clip.has_vision_encoder": True,
    "clip.projector_type": "gemma3",
    "clip.vision.image_size": 896,
    "clip.vision.patch_size": 14,
    "clip.vision.embedding_length": 1152,
    "clip.vision.feed_forward_length": 4304,
    "clip.vision.projection_dim": 2560,
    "clip.vision.block_count": 27,
    "clip.vision.attention.head_count": 16,
    "clip.vision.projector.scale_factor": 4,
}
TENSORS = (
    Tensor("v.patch_embd.weight", (14, 14, 3, 1152), "F16"),
    Tensor("mm.input_projection.weight", (2560, 1152), "F16"),
)


def mmproj(path: Path, **changes: object) -> str:
    write_gguf(
        path / "mmproj.gguf", GEMMA_3 | {key.replace("__", "."): value for key, value in changes.items()}, TENSORS
    )
    return str(path / "mmproj.gguf")


def test_a_projector_is_read_with_its_widths(tmp_path: Path) -> None:
    found = read_projector(mmproj(tmp_path))

    assert (found.name, found.kind, found.tensors, found.audio) == ("Gemma 3 4B", "gemma3", TENSORS, None)
    assert found.vision == Encoder(
        n_layers=27, n_heads=16, embedding_width=1152, feed_forward_width=4304, image_size=896,
        patch_size=14, merge_size=4,
    )  # fmt: skip


def test_a_file_may_see_and_hear(tmp_path: Path) -> None:
    found = read_projector(mmproj(tmp_path, clip__has_audio_encoder=True, clip__audio__block_count=32))

    assert found.vision is not None
    assert found.audio is not None
    assert found.audio.n_layers == 32


def test_a_model_is_no_projector(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf", llama_metadata(), llama_tensors())

    with pytest.raises(UnreadableModel, match="mmproj"):
        read_projector(str(tmp_path / "model.gguf"))


def test_a_projector_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="mmproj"):
        gguf.read(mmproj(tmp_path))


@pytest.mark.parametrize("value", [True, "many", [1.5]])
def test_an_absurd_number_is_refused_with_its_key(tmp_path: Path, value: object) -> None:
    path = mmproj(tmp_path, clip__vision__block_count=value)

    with pytest.raises(UnreadableModel, match="block_count"):
        read_projector(path)

from math import prod
from typing import Any

import pytest

from estimator.hub_config import parse_hub_config
from estimator.hub_tower import tower_tensors

SIGLIP = {"hidden_size": 1152, "image_size": 896, "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 14}
QWEN = {
    "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "patch_size": 16, "temporal_patch_size": 2,
    "spatial_merge_size": 2, "num_position_embeddings": 2304, "out_hidden_size": 4096,
}  # fmt: skip
QWEN_2_5 = {
    "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "patch_size": 14, "temporal_patch_size": 2,
    "spatial_merge_size": 2, "out_hidden_size": 3584,
}  # fmt: skip
PIXTRAL = {
    "model_type": "pixtral",
    "hidden_size": 1024,
    "image_size": 1540,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "patch_size": 14,
}
CLIP = {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096, "num_hidden_layers": 24, "patch_size": 14}
GLM = {
    "depth": 24, "hidden_size": 1536, "intermediate_size": 10944, "image_size": 336, "patch_size": 14,
    "temporal_patch_size": 2, "spatial_merge_size": 2, "out_hidden_size": 4096,
}  # fmt: skip
GEMMA_4 = {
    "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 16,
    "position_embedding_size": 10240,
}  # fmt: skip

# What the checkpoint has beyond the text model, counted on transformers' classes or by subtraction.
COUNTED = [
    ("gemma3", SIGLIP, 2560, 419_816_304),
    ("qwen2_5_vl", QWEN_2_5, 3584, 676_550_144),
    ("qwen3_5", QWEN, 4096, 456_010_480),
    ("qwen3_vl", QWEN | {"deepstack_visual_indexes": [8, 16, 24]}, 4096, 576_388_336),
    ("mistral3", PIXTRAL, 5120, 438_958_080),
    ("llava", CLIP, 4096, 324_487_168),
    ("glm4v_moe", GLM, 4096, 858_681_856),
    ("gemma4", GEMMA_4, 2816, 572_794_416),
]


def n_parameters(model_type: str, vision: dict[str, Any], width: int) -> int:
    values = {"model_type": model_type, "vision_config": vision, "spatial_merge_size": 2 if vision is PIXTRAL else None}
    return sum(prod(tensor.shape) for tensor in tower_tensors(parse_hub_config(values, "config.json"), width))


@pytest.mark.parametrize(("model_type", "vision", "width", "counted"), COUNTED, ids=[row[0] for row in COUNTED])
def test_an_encoder_has_the_parameters_that_were_counted(
    model_type: str, vision: dict[str, Any], width: int, counted: int
) -> None:
    assert n_parameters(model_type, vision, width) == pytest.approx(counted, rel=0.005)


def test_a_model_without_eyes_has_no_encoder() -> None:
    assert tower_tensors(parse_hub_config({"model_type": "llama"}, "config.json"), 4096) == ()

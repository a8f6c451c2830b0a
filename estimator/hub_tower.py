"""The image encoder of a model that is known by its ``config.json`` alone, reckoned from its widths.

A vision transformer: attention and a network per layer, a patch embedding, positions, and a projector into the text
model's width. Checkpoints of the same widths differ from it by norms, biases and their projector's details.
"""

from estimator.hub_config import Fields, HubConfig
from estimator.model import Tensor

DOUBT = "its image encoder is reckoned from the widths in config.json, to within some 5 % of the encoder"
N_COLOURS = 3
MAX_TOWER_LAYERS = 512

# Networks with a gate (transformers 5.24, models/*/modeling_*.py: three matrices in the vision layers' MLP).
_GATED = frozenset({"qwen2_5_vl", "pixtral", "glm4v", "glm4v_moe", "ministral3", "gemma4", "exaone4_5"})

# Their projector is one matrix.
_ONE_MATRIX = frozenset({"gemma3", "gemma3n", "gemma4", "gemma", "gemma2", "mllama"})


def tower_tensors(config: HubConfig, text_width: int) -> tuple[Tensor, ...]:
    """The encoder's tensors under the names that they have in GGUF's mmproj files; none without an encoder."""
    vision = config.vision
    if vision is None:
        return ()
    width = vision.number("embed_dim", "hidden_size", "width", default=0)
    n_layers = min(MAX_TOWER_LAYERS, vision.number("depth", "num_hidden_layers", "num_layers", "layers", default=0))
    if not width or not n_layers:
        return ()
    inner = vision.number("intermediate_size", default=0) or int(vision.ratio("mlp_ratio", 4.0) * width)
    if config.model_type.startswith("glm4v"):
        inner = vision.number("out_hidden_size", default=inner)
    is_gated = config.model_type in _GATED or vision.word("model_type") in _GATED
    tensors = [_matrix("v.patch_embd.weight", _patch_width(vision), width)]
    if n_positions := _positions(vision):
        tensors.append(_matrix("v.position_embd.weight", width, n_positions))
    for i in range(n_layers):
        tensors += [
            _matrix(f"v.blk.{i}.attn_qkv.weight", width, 3 * width),
            _matrix(f"v.blk.{i}.attn_out.weight", width, width),
            _matrix(f"v.blk.{i}.ffn_up.weight", width, inner),
            _matrix(f"v.blk.{i}.ffn_down.weight", inner, width),
        ]
        if is_gated:
            tensors.append(_matrix(f"v.blk.{i}.ffn_gate.weight", width, inner))
    return (*tensors, *_projector(config, vision, width, text_width))


def _projector(config: HubConfig, vision: Fields, width: int, text_width: int) -> list[Tensor]:
    """From the encoder's width to the text model's, some patches merged into one token."""
    if config.model_type in _ONE_MATRIX:
        return [_matrix("mm.input_projection.weight", width, text_width)]
    merged = width * (vision.number("spatial_merge_size", default=0) or _merge_size(config)) ** 2
    if config.model_type.startswith("glm4v"):
        inner = vision.number("intermediate_size", default=text_width)
        return [
            _matrix("mm.patch_merger.weight", merged, text_width),
            _matrix("mm.0.weight", text_width, text_width),
            *(_matrix(f"mm.{part}.weight", text_width, inner) for part in ("gate", "up", "down")),
        ]
    if "spatial_merge_size" not in vision.values:
        merger = [_matrix("mm.patch_merger.weight", merged, width)] if merged > width else []
        return [*merger, _matrix("mm.0.weight", width, text_width), _matrix("mm.2.weight", text_width, text_width)]
    # Qwen3-VL hands the text model what some of the encoder's layers see, too, each through a projector of its own.
    n_further = len(vision.numbers("deepstack_visual_indexes") or ())
    return [
        one
        for i in range(1 + min(n_further, MAX_TOWER_LAYERS))
        for one in (
            _matrix(f"mm.{2 * i}.weight", merged, merged),
            _matrix(f"mm.{2 * i + 1}.weight", merged, text_width),
        )
    ]


def _merge_size(config: HubConfig) -> int:
    """Of Mistral's, which state it outside the encoder's part."""
    return config.whole.number("spatial_merge_size", default=1) or 1


def _matrix(name: str, n_inputs: int, n_outputs: int) -> Tensor:
    return Tensor(name, (n_inputs, n_outputs), "BF16")


def _side(vision: Fields, name: str) -> int:
    """Pixels along one side; some files give both."""
    listed = vision.numbers(name)
    return listed[0] if listed else vision.number(name, default=0)


def _patch_width(vision: Fields) -> int:
    side = _side(vision, "patch_size") or 14
    return N_COLOURS * side * side * vision.number("temporal_patch_size", default=1)


def _positions(vision: Fields) -> int:
    if table := vision.number("position_embedding_size", default=0):  # Gemma 4: rows and columns apart
        return 2 * table
    if vision.word("model_type") == "pixtral":  # rotates instead
        return 0
    stated = vision.number("num_position_embeddings", default=0)
    image, patch = _side(vision, "image_size"), _side(vision, "patch_size")
    return stated or ((image // patch) ** 2 if image and patch else 0)

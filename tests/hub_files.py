"""Small Hugging Face checkpoints: configurations as published, and safetensors files whose weights are holes."""

import json
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

BITS = {"F32": 32, "BF16": 16, "F16": 16, "I64": 64, "I32": 32, "U32": 32, "I16": 16, "I8": 8, "U8": 8, "F8_E4M3": 8}

Stored = tuple[str, str, Sequence[int]]
"""(name, type, shape), the fastest dimension last."""

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
"""A small model's configuration."""


def llama_stored(n_layers: int = 2, type_name: str = "BF16") -> list[Stored]:
    """The tensors of `LLAMA`."""
    stored: list[Stored] = [
        ("model.embed_tokens.weight", type_name, (1000, 256)),
        ("model.norm.weight", type_name, (256,)),
        ("lm_head.weight", type_name, (1000, 256)),
    ]
    for i in range(n_layers):
        layer = f"model.layers.{i}."
        stored += [
            (f"{layer}input_layernorm.weight", type_name, (256,)),
            (f"{layer}self_attn.q_proj.weight", type_name, (256, 256)),
            (f"{layer}self_attn.k_proj.weight", type_name, (128, 256)),
            (f"{layer}self_attn.v_proj.weight", type_name, (128, 256)),
            (f"{layer}self_attn.o_proj.weight", type_name, (256, 256)),
            (f"{layer}post_attention_layernorm.weight", type_name, (256,)),
            (f"{layer}mlp.gate_proj.weight", type_name, (512, 256)),
            (f"{layer}mlp.up_proj.weight", type_name, (512, 256)),
            (f"{layer}mlp.down_proj.weight", type_name, (256, 512)),
        ]
    return stored


def header_of(stored: Sequence[Stored]) -> tuple[dict[str, object], int]:
    """(header, bytes of the weights)."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, type_name, shape in stored:
        end = at + prod(shape) * BITS[type_name] // 8
        header[name] = {"dtype": type_name, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    return header, at


def write_safetensors(path: Path, stored: Sequence[Stored]) -> Path:
    """A file that is as long as its weights, which are a hole in it."""
    header, n_bytes = header_of(stored)
    return write_raw(path, json.dumps(header).encode(), n_bytes)


def write_raw(path: Path, header: bytes, n_bytes: int) -> Path:
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + n_bytes)
    return path


def write_checkpoint(
    directory: Path, config: Mapping[str, object] | None, stored: Sequence[Stored], n_shards: int = 1
) -> Path:
    """A directory with a configuration and weights, in shards with an index where there are several."""
    directory.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (directory / "config.json").write_text(json.dumps(config))
    if n_shards == 1:
        write_safetensors(directory / "model.safetensors", stored)
        return directory
    weights = {}
    for i in range(n_shards):
        part = stored[i::n_shards]
        name = f"model-{i + 1:05}-of-{n_shards:05}.safetensors"
        write_safetensors(directory / name, part)
        weights |= dict.fromkeys((entry[0] for entry in part), name)
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    return directory

"""Writes the header of a GGUF file, with a hole where the weights would be.

llama.cpp reads sizes from the header alone where it only fits parameters to memory, so that a model known by name can
be shown to it: a file of 100 GB takes some hundred KB of disk.
"""

import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import BinaryIO

from estimator.model import Tensor
from estimator.quant import TYPE_NAMES, stored_bytes

ALIGNMENT = 32
"""Of the tensors' data, unless ``general.alignment`` says otherwise (docs/gguf.md of ggml)."""

_TYPE_NUMBERS = MappingProxyType({name: number for number, name in TYPE_NAMES.items()})
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9

# What llama.cpp refuses to load without (src/models/*.cpp, `load_arch_hparams`), and what its converter writes that a
# shape does not tell: without the architecture's prefix, for all of them and for some. The values move no memory; that
# they are there adds an operation to the graph.
_REQUIRED: Mapping[str, object] = MappingProxyType(
    {"attention.layer_norm_rms_epsilon": 1e-5, "attention.layer_norm_epsilon": 1e-5}
)
_GRANITE = MappingProxyType(
    {"logit_scale": 8.0, "residual_scale": 0.22, "embedding_scale": 12.0, "attention.scale": 0.01}
)
_SECTIONS = MappingProxyType({"rope.dimension_sections": [11, 11, 10, 0], "rope.dimension_count": 64})
_PICTURE_SECTIONS = MappingProxyType({"rope.dimension_sections": [16, 24, 24, 0]})
_SIGMOID = MappingProxyType({"expert_gating_func": 2, "expert_weights_norm": True, "expert_weights_scale": 2.5})
_INDEXED = {"attention.indexer.top_k": 2048}
_STREAMS = _INDEXED | {"hyper_connection.sinkhorn_iterations": 3, "hyper_connection.epsilon": 1e-6}
_REQUIRED_BY_ARCHITECTURE: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "afmoe": _SIGMOID,
        "cohere2": {"logit_scale": 0.25},
        "deepseek32": _INDEXED,
        "deepseek4": _STREAMS
        | {
            "rope.dimension_count": 64,
            "expert_gating_func": 4,
            "expert_shared_count": 1,
            "swiglu_clamp_exp": 7.0,
            "attention.compress_rope_freq_base": 10000.0,
            "hash_layer_count": 0,
        },
        "glm-dsa": _INDEXED,
        "glm5-next": _STREAMS,
        "gptneox": {"use_parallel_residual": True},
        "kimi-k3": {
            "attn_res.block_size": 12,
            "activation.situ_beta": 1.0,
            "activation.situ_linear_beta": 1.0,
        },
        "minicpm": {"rope.scaling.type": "longrope"},
        "minimax-01": {"residual_scale": 1.0},
        "minimax-m3": _INDEXED | {"attention.indexer.block_size": 128, "attention.indexer.local_blocks": 1},
        "hy_v3": _SIGMOID,
        "laguna": _SIGMOID,
        "muse-glimmer": {"logit_scale": 1.0, "final_logit_softcapping": 30.0},
        "command-r": {"logit_scale": 0.0625},
        "ernie4_5-moe": {"interleave_moe_layer_step": 1},
        "gemma4": {"embedding_length_per_layer_input": 0, "final_logit_softcapping": 30.0},
        "glm4moe": _SIGMOID,
        "granite": _GRANITE,
        "granitehybrid": _GRANITE,
        "granitemoe": _GRANITE,
        "lfm2moe": {"expert_gating_func": 2},
        "minimax-m2": {"expert_gating_func": 2},
        "bailingmoe2": _SIGMOID,
        "exaone-moe": _SIGMOID,
        "dots1": _SIGMOID,
        "kimi-linear": _SIGMOID,
        "step35": _SIGMOID,
        "cohere2moe": {
            "logit_scale": 0.25,
            "expert_gating_func": 2,
            "expert_weights_norm": True,
            "attention.layer_norm_rms_epsilon": None,  # its norms take the mean off: conversion/command_r.py
        },
        "deepseek2": {},
        "qwen2vl": _PICTURE_SECTIONS,
        "qwen3vl": _PICTURE_SECTIONS,
        "qwen3vlmoe": _PICTURE_SECTIONS,
        "qwen35": _SECTIONS,
        "qwen35moe": _SECTIONS,
    }
)
_UNPREFIXED: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {"apertus": {f"xielu.{name}": 0.8 for name in ("alpha_n", "alpha_p", "beta", "eps")}}
)
"""The same for keys that don't begin with the architecture's name."""
_WIDTH_OF_EXPERTS = "expert_feed_forward_length"


def write_header(file: BinaryIO, metadata: Mapping[str, object], tensors: Sequence[Tensor]) -> int:
    """Write a header that llama.cpp loads, and set the file's length; returns the length in bytes.

    Args:
        file: open for writing, empty.
        metadata: GGUF's keys; a vocabulary is left out, its size has to be among them.
        tensors: in the order of their data.
    """
    values = _loadable(metadata, tensors)
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(values))]
    parts += [_string(key) + _value(value) for key, value in values.items()]
    offset = 0
    for tensor in tensors:
        shape = tensor.shape
        parts.append(_string(tensor.name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
        parts.append(struct.pack("<IQ", _TYPE_NUMBERS[tensor.type], offset))
        offset += -(-stored_bytes(tensor.type, shape) // ALIGNMENT) * ALIGNMENT
    head = b"".join(parts)
    head += bytes(-len(head) % ALIGNMENT)
    file.write(head)
    file.truncate(len(head) + offset)
    return len(head) + offset


def _loadable(metadata: Mapping[str, object], tensors: Sequence[Tensor]) -> dict[str, object]:
    architecture = str(metadata["general.architecture"])
    added = {**_REQUIRED, **_REQUIRED_BY_ARCHITECTURE.get(architecture, {})}
    if any(tensor.name.endswith("exp_probs_b.bias") for tensor in tensors):
        added = {**_SIGMOID, **added}
    if metadata.get(f"{architecture}.expert_count") and isinstance(
        metadata.get(f"{architecture}.feed_forward_length"), int
    ):
        added[_WIDTH_OF_EXPERTS] = metadata[f"{architecture}.feed_forward_length"]
    n_types = metadata.get(f"{architecture}.token_type_count")
    return {
        **({} if n_types is None else {"tokenizer.ggml.token_type_count": n_types}),
        **{f"{architecture}.{key}": value for key, value in added.items() if value is not None},
        **_UNPREFIXED.get(architecture, {}),
        "tokenizer.ggml.model": "no_vocab",
        **metadata,
    }


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value(value: object) -> bytes:
    if not isinstance(value, list | tuple):
        return struct.pack("<I", _number(value)) + _bare(value)
    number = _number(value[0]) if value else _UINT32
    # Arrays of int32 and of uint32 both occur; llama.cpp takes either (`llama_model_loader::get_arr`).
    number = _INT32 if number == _UINT32 else number
    return struct.pack("<IIQ", _ARRAY, number, len(value)) + b"".join(map(_bare, value))


def _number(value: object) -> int:
    for kind, number in ((bool, _BOOL), (int, _UINT32), (float, _FLOAT32), (str, _STRING)):
        if isinstance(value, kind):
            return number
    raise TypeError(f"no GGUF type for {value!r}")


def _bare(value: object) -> bytes:
    if isinstance(value, str):
        return _string(value)
    code = {_BOOL: "<?", _UINT32: "<I", _FLOAT32: "<f"}[_number(value)]
    return struct.pack(code, value)

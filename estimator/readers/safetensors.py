"""Safetensors checkpoints: one file, shards with their index, or a directory; headers only, never the weights.

Beside them a ``config.json`` says what each layer does. Without one the tensors alone have to.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import gcd, prod

from estimator.checkpoint_files import SUFFIX, checkpoint_name, weight_files
from estimator.errors import UnreadableModel
from estimator.file_cursor import shown
from estimator.hub_config import CONFIG_NAME, MAX_CONFIG_BYTES, Fields, HubConfig, read_hub_config
from estimator.hub_metadata import hub_metadata
from estimator.hub_model import build, plain_tensors
from estimator.hub_quant import Packing, packing_of
from estimator.hub_tensors import model_tensors
from estimator.json_file import read_json_object
from estimator.metadata import MAX_LAYERS, describe
from estimator.model import COMPANION_PARTS, Model, Tensor
from estimator.quant import BLOCKS
from estimator.safetensors_header import SafetensorsHeader, read_safetensors_headers

QUANT_FILES = ("hf_quant_config.json", "quantize_config.json", "quant_config.json")
"""Where ModelOpt and the first GPTQ packers say what they did."""

_FLOAT_LABELS = {"F8_E4M3": "FP8", "F8_E5M2": "FP8", "I8": "INT8"}


def recognises(source: str) -> bool:
    """Whether it has a name that ends so, or is a directory with such files."""
    try:
        if os.path.isdir(source):
            return any(name.endswith(SUFFIX) for name in os.listdir(source))
    except (OSError, ValueError):
        return False
    return source.lower().endswith(SUFFIX)


def read(source: str) -> Model:
    """The model of a checkpoint.

    Raises:
        UnreadableModel: no such file, damaged, parts of it missing, or no language model's.
    """
    directory = source if _is_directory(source) else os.path.dirname(source)
    if os.path.isfile(os.path.join(directory, "adapter_config.json")):
        raise UnreadableModel(f"{shown(source)}: a LoRA adapter, not a model; give the model that it belongs to")
    if os.path.isfile(os.path.join(directory, "model_index.json")):
        raise UnreadableModel(
            f"{shown(source)}: an image or video pipeline (diffusers); give its name in the catalogue"
        )
    headers = read_safetensors_headers(weight_files(source))
    if not any(header.tensors for header in headers):
        raise UnreadableModel(f"{shown(source)}: holds no weights; give a whole model")
    if not os.path.isfile(os.path.join(directory, CONFIG_NAME)):
        return _without_config(source, headers)
    try:
        return _with_config(source, read_hub_config(directory), headers, _packing_beside(directory))
    except UnreadableModel as error:
        raise UnreadableModel(f"{shown(source)}: {error}") from error


def _is_directory(path: str) -> bool:
    try:
        return os.path.isdir(path)
    except ValueError:  # a zero byte in it
        return False


def _packing_beside(directory: str) -> Packing | None:
    """From a file of its own, where config.json says nothing."""
    for name in QUANT_FILES:
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            values = read_json_object(path, MAX_CONFIG_BYTES)
            if name == "quantize_config.json":
                values.setdefault("quant_method", "gptq")
            return packing_of(Fields(values))
    return None


def _with_config(
    source: str, config: HubConfig, headers: Sequence[SafetensorsHeader], packing_beside: Packing | None
) -> Model:
    told = hub_metadata(config)
    packing = packing_of(config.quantization) or packing_beside
    n_layers = len(told.windows)
    plain_shapes = {}
    if packing is not None and packing.method == "bitsandbytes":
        plain_shapes = {tensor.name: tensor.shape for tensor in plain_tensors(config, told)[0]}
    tensors = model_tensors(
        (tensor for header in headers for tensor in header.tensors),
        packing,
        n_layers=n_layers,
        plain_shapes=plain_shapes,
    )
    return build(
        config,
        told,
        tensors,
        name=checkpoint_name(source),
        source=source,
        quant=_label(packing, tensors),
        file_bytes=sum(header.file_bytes for header in headers),
        metadata=_with_predictors(dict(told.metadata), told.architecture, n_layers, tensors),
    )


def _with_predictors(
    metadata: dict[str, object], architecture: str, n_layers: int, tensors: Sequence[Tensor]
) -> dict[str, object]:
    """With the layers that only predict further tokens, which configurations don't count among the layers."""
    n_predictors = _n_blocks(tensors) - n_layers
    if n_predictors <= 0:
        return metadata
    for key, value in metadata.items():
        if isinstance(value, list) and len(value) == n_layers:
            metadata[key] = [*value, *[value[-1]] * n_predictors]
    metadata[f"{architecture}.block_count"] = n_layers + n_predictors
    metadata[f"{architecture}.nextn_predict_layers"] = n_predictors
    return metadata


def _n_blocks(tensors: Sequence[Tensor]) -> int:
    """One more than the highest number among the tensors' names."""
    numbers = {name[4:].partition(".")[0] for tensor in tensors if (name := tensor.name).startswith("blk.")}
    return min(MAX_LAYERS, max((int(n) for n in numbers if n.isascii() and n.isdecimal()), default=-1) + 1)


def _label(packing: Packing | None, tensors: Sequence[Tensor]) -> str:
    """The packer's name for it, or the type that most bytes are in."""
    if packing is not None:
        return packing.label
    n_bytes: Counter[str] = Counter()
    for tensor in tensors:
        block = BLOCKS[tensor.type]
        n_bytes[tensor.type] += prod(tensor.shape) * block.n_bytes // block.n_weights
    most = max(n_bytes, key=n_bytes.__getitem__)
    return _FLOAT_LABELS.get(most, most)


def _without_config(source: str, headers: Sequence[SafetensorsHeader]) -> Model:
    """What tensors alone tell: widths of keys and values, not how far layers look back nor how long the context is."""
    tensors = model_tensors(
        (tensor for header in headers for tensor in header.tensors), None, n_layers=MAX_LAYERS, plain_shapes={}
    )
    by_name = {tensor.name: tensor.shape for tensor in tensors if tensor.name.rpartition(".")[2] not in COMPANION_PARTS}
    embedding = by_name.get("token_embd.weight")
    n_layers = _n_blocks(tensors)
    if embedding is None or len(embedding) != 2 or not n_layers:
        raise UnreadableModel(f"{shown(source)}: no language model by its tensors; put its config.json beside it")
    heads = _head_counts(by_name)
    metadata: dict[str, object] = {
        "general.architecture": "unknown",
        "unknown.block_count": n_layers,
        "unknown.embedding_length": embedding[0],
        "unknown.vocab_size": embedding[1],
        "unknown.feed_forward_length": by_name.get("blk.0.ffn_up.weight", (0, 0))[-1],
        **{f"unknown.attention.{key}": value for key, value in heads.items()},
    }
    made = describe(
        metadata,
        tensors,
        name=checkpoint_name(source),
        source=source,
        quant=_label(None, tensors),
        file_bytes=sum(header.file_bytes for header in headers),
        doubts=(
            "no config.json lies beside the weights: number and width of heads are taken from the tensors' shapes",
        ),
    )
    return replace(made, format="safetensors")


def _head_counts(shapes: dict[str, tuple[int, ...]]) -> dict[str, int]:
    """Rows of the query and key matrices, by heads as wide as their norm says, or 128."""
    queries, keys = (shapes.get(f"blk.0.attn_{name}.weight", (0, 0))[-1] for name in "qk")
    norm = shapes.get("blk.0.attn_q_norm.weight", (128,))[0]
    width = gcd(queries, keys, norm if norm and queries % norm == 0 else 64)
    if not width:
        return {"head_count": 0, "head_count_kv": 0}
    return {
        "head_count": queries // width,
        "head_count_kv": keys // width,
        "key_length": width,
        "value_length": width,
    }

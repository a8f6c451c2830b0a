"""Which part of a model each device holds where servers split it: by width, by layers, by experts.

The rules are vLLM's layers (`vllm/model_executor/layers/linear.py`, `vocab_parallel_embedding.py`,
`fused_moe/layer.py` and `distributed/utils.py: get_pp_indices`, all of 0.33.0); SGLang took them over (0.5.23,
`sglang/srt/layers/`).
"""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from math import prod

from estimator.derived import of_model_by
from estimator.model import Model, Tensor
from estimator.quant import stored_bytes
from records.record import record

VOCABULARY_MULTIPLE = 64
"""DEFAULT_VOCAB_PADDING_SIZE, vocab_parallel_embedding.py: rows of the embedding and the head are padded to it."""
MXFP4_WIDTH_MULTIPLE = 256
MXFP4_INNER_MULTIPLE = 128
"""What Marlin's and TensorRT-LLM's kernels pad experts of MXFP4 to: mxfp4_round_up_hidden_size_and_intermediate_size,
vllm/model_executor/layers/fused_moe/oracle/mxfp4.py. Others pad less: gpt-oss 120B was loaded as 65.97 GiB by Marlin
(this rule: 65.9) and as 64.38 GiB by Triton (logs of 2025-08 and 2026-01)."""

HOST_TABLES = frozenset({"qwen4exp"})
"""Architectures whose per-layer embedding tables lie in pinned host memory unless told otherwise (EngramConfig,
vllm/config/engram.py, 0.33.0). Qwen3.8 Flash Next as NVFP4 was loaded as 68.7 GiB: 163.9 with its table."""

SHARED_KEYS = frozenset({"gemma4"})
"""Architectures whose layers may use keys as values: a checkpoint then has no values' matrix, and vLLM fills the place
for one with the keys' (gemma4.py: k_eq_v). Gemma 4 31B, its attention unpacked, was loaded as 31.04 GiB: 30.64 and
0.21 for ten such layers."""

FLOATS = frozenset({"F16", "BF16", "F32", "F64"})


@record(frozen=True, slots=True, kw_only=True)
class Split:
    """Over how many devices, and how."""

    tensor: int = 1
    """Each holds a slice of every layer."""
    pipeline: int = 1
    """Each holds some of the layers."""
    data: int = 1
    """Each holds all of it, but for experts that are parallel."""
    is_expert_parallel: bool = False
    """Experts are dealt out whole over tensor x data, not sliced over tensor."""

    @property
    def n_devices(self) -> int:
        """All of them."""
        return self.tensor * self.pipeline * self.data

    @property
    def n_expert_shares(self) -> int:
        """Over how many devices of one stage the experts are spread."""
        return self.tensor * (self.data if self.is_expert_parallel else 1)


class Role(Enum):
    """How a tensor is split."""

    EMBEDDING = "embedding"
    OUTPUT = "output"
    SLICED = "sliced"
    KEY_VALUE = "keys and values"
    """By heads, and no further than there are heads."""
    EXPERT = "expert"
    WHOLE = "whole"
    """Every device has all of it."""


_LAYER = re.compile(r"(?:^|\.)(?:blk|layers|h|blocks)\.(\d{1,6})\.")
_NUMBER = re.compile(r"\.\d+\.")
_TOWER = re.compile(r"^(?:v|a|mm)\.|(?:^|\.)(?:visual|vision_tower|vision_model|audio_tower|multi_modal_projector)\.")
_WHOLE = (
    "norm", "ffn_gate_inp", "mlp.gate.", "block_sparse_moe.gate.", "router", "shared_expert_gate", "exp_probs_b",
    "e_score_correction", "attn_q_a.", "attn_kv_a_mqa.", "q_a_proj", "kv_a_proj", "rope_", "layer_output_scale",
)  # fmt: skip


def role_of(name: str) -> Role:
    """By its name in a GGUF file or in a checkpoint of Hugging Face."""
    return _role_of(_NUMBER.sub(".0.", name))


@lru_cache(maxsize=4096)
def _role_of(name: str) -> Role:
    """Of all layers and experts alike."""
    if _TOWER.search(name):
        return Role.SLICED
    if (
        name.startswith(("token_embd.", "per_layer_token_embd."))
        or "embed_tokens" in name
        or name.endswith("wte.weight")
    ):
        return Role.EMBEDDING
    if name.startswith("output.") or "lm_head." in name:
        return Role.OUTPUT
    if any(word in name for word in _WHOLE):
        return Role.WHOLE
    if "_exps." in name or (".experts." in name and "shared_experts" not in name):
        return Role.EXPERT
    if "attn_k." in name or "attn_v." in name or "k_proj." in name or "v_proj." in name:
        return Role.KEY_VALUE
    return Role.SLICED


def layer_of(name: str) -> int | None:
    """The block that a tensor belongs to; None for those of none, and of towers for images and sound."""
    found = None if _TOWER.search(name) else _LAYER.search(name)
    return int(found.group(1)) if found else None


@record(frozen=True, slots=True, kw_only=True)
class Stage:
    """What each device of one pipeline stage holds of the weights."""

    layers: range
    n_bytes: int
    read_bytes: int
    """Of these, for every token of one sequence: the experts that are used, no rows that are looked up."""
    padded_bytes: int = 0
    """Of these, what fills up experts of MXFP4 for kernels that want other widths; some kernels want less."""
    host_bytes: int = 0
    """Not among these: tables that lie in host memory."""
    encoder_bytes: int = 0
    """Of these, an image or sound encoder that is known by its number of parameters alone."""
    loose_bytes: int = 0
    """Beyond these, what a checkpoint takes that leaves everything but feed-forward networks unpacked."""


def stage_layers(n_layers: int, n_stages: int) -> tuple[range, ...]:
    """Layers by stage, as even as they go; a rest goes to the last but one and those before it (`get_pp_indices`)."""
    each, rest = divmod(n_layers, n_stages)
    counts = [each] * n_stages
    for i in range(rest):
        counts[-(i + 2) if n_stages > 1 else -1] += 1
    starts = [sum(counts[:i]) for i in range(n_stages)]
    return tuple(range(start, start + count) for start, count in zip(starts, counts, strict=True))


@of_model_by(64)
def stages(model: Model, split: Split, element_bytes: int) -> tuple[Stage, ...]:
    """What each stage's devices hold; all devices of a stage hold as much.

    Args:
        model: its last ``n_predictor_layers`` are not loaded.
        split: how it is spread.
        element_bytes: of what isn't quantised: 2, or 4 with ``--dtype float32``.
    """
    table = _table(model, element_bytes)
    n_layers = model.n_layers - model.n_predictor_layers
    found = []
    parts = stage_layers(n_layers, split.pipeline)
    for number, layers in enumerate(parts):
        is_last = number == len(parts) - 1
        n_bytes, read_bytes, padded_bytes, loose_bytes = 0, 0, 0, 0
        for layer in layers:
            held = table.layers.get(layer, {})
            for role, amount in held.items():
                rank_bytes = _rank_bytes(role, amount, model, split)
                n_bytes += rank_bytes
                read_bytes += _used(rank_bytes, model) if role is Role.EXPERT else rank_bytes
            padding = _rank_bytes(Role.EXPERT, table.padding.get(layer, 0), model, split)
            n_bytes, padded_bytes = n_bytes + padding, padded_bytes + padding
            loose_bytes += table.loose.get(layer, 0) // split.tensor
        if number == 0 or (is_last and not table.output_bytes):
            n_bytes += table.embedding_bytes // split.tensor
        encoder_bytes = model.n_projector_parameters * element_bytes // split.tensor if number == 0 else 0
        if number == 0:
            n_bytes += table.other_bytes // split.tensor + encoder_bytes
        if is_last:
            n_bytes += table.output_bytes // split.tensor
            read_bytes += (table.output_bytes or table.embedding_bytes) // split.tensor
        found.append(
            Stage(
                layers=layers,
                n_bytes=n_bytes,
                read_bytes=read_bytes,
                padded_bytes=padded_bytes,
                loose_bytes=loose_bytes,
                encoder_bytes=encoder_bytes,
                host_bytes=table.host_bytes // split.tensor if number == 0 else 0,
            )
        )
    return tuple(found)


def n_rank_heads(n_kv_heads: int, tensor: int) -> int:
    """KV heads on each device: at least one, so that they repeat where there are fewer than devices."""
    return max(1, n_kv_heads // tensor)


def _rank_bytes(role: Role, n_bytes: int, model: Model, split: Split) -> int:
    if role is Role.WHOLE:
        return n_bytes
    if role is Role.EXPERT:
        return n_bytes // split.n_expert_shares
    if role is Role.KEY_VALUE and model.n_kv_heads:
        return n_bytes * n_rank_heads(model.n_kv_heads, split.tensor) // model.n_kv_heads
    return n_bytes // split.tensor


def _used(n_bytes: int, model: Model) -> int:
    experts = model.experts
    return n_bytes * experts.n_used // experts.n_experts if experts and experts.n_experts else n_bytes


@record(frozen=True, slots=True, kw_only=True)
class _Table:
    layers: Mapping[int, Mapping[Role, int]]
    padding: Mapping[int, int]
    loose: Mapping[int, int]
    host_bytes: int
    embedding_bytes: int
    output_bytes: int
    other_bytes: int


@of_model_by(64)
def _table(model: Model, element_bytes: int) -> _Table:
    """Bytes of one whole copy, by layer and role: reckoned once for a model."""
    layers: dict[int, dict[Role, int]] = {}
    padding: dict[int, int] = {}
    loose: dict[int, int] = {}
    is_by_name = model.file_bytes is None
    host_bytes = 0
    whole = {Role.EMBEDDING: 0, Role.OUTPUT: 0, Role.SLICED: 0}
    doubled = _layers_without_values(model) if model.architecture in SHARED_KEYS else frozenset()
    for tensor in model.tensors:
        role, layer = role_of(tensor.name), layer_of(tensor.name)
        if role is Role.OUTPUT and model.is_tied:
            continue  # some files carry the embedding twice; it is loaded once
        n_bytes = loaded_bytes(tensor, element_bytes)
        if is_by_name and model.quant == "MXFP4" and tensor.type != "MXFP4":
            n_bytes = prod(tensor.shape) * element_bytes  # only files of llama.cpp pack the rest to 8 bits
        if model.architecture in HOST_TABLES and tensor.name.startswith("per_layer_token_embd."):
            host_bytes += n_bytes
        elif role in (Role.EMBEDDING, Role.OUTPUT):
            whole[role] += _vocabulary_padded(n_bytes, tensor.shape)
        elif layer is None:
            whole[Role.SLICED] += n_bytes
        else:
            held = layers.setdefault(layer, {})
            n_times = 2 if role is Role.KEY_VALUE and layer in doubled else 1
            held[role] = held.get(role, 0) + n_times * n_bytes
            if model.latent and _is_latent_decoder(tensor):
                held[Role.SLICED] = held.get(Role.SLICED, 0) + prod(tensor.shape) * element_bytes
            if role is Role.EXPERT and tensor.type == "MXFP4":
                padding[layer] = padding.get(layer, 0) + _mxfp4_padding(tensor, n_bytes)
            if is_by_name and tensor.type == "NVFP4" and "ffn_" not in tensor.name:
                loose[layer] = loose.get(layer, 0) + n_times * (prod(tensor.shape) * element_bytes - n_bytes)
    return _Table(
        layers=layers,
        padding=padding,
        loose=loose,
        host_bytes=host_bytes,
        embedding_bytes=whole[Role.EMBEDDING],
        output_bytes=whole[Role.OUTPUT],
        other_bytes=whole[Role.SLICED],
    )


def _layers_without_values(model: Model) -> frozenset[int]:
    """Those that have a matrix for keys and none for values."""
    names = [tensor.name for tensor in model.tensors if role_of(tensor.name) is Role.KEY_VALUE]
    keys, values = (
        {layer_of(name) for name in names if any(part in name for part in parts)}
        for parts in (("attn_k.", "k_proj."), ("attn_v.", "v_proj."))
    )
    return frozenset(layer for layer in keys - values if layer is not None)


def loaded_bytes(tensor: Tensor, element_bytes: int) -> int:
    """As the server holds it: what isn't quantised has the model's one type, norms and routers too."""
    if tensor.type in FLOATS:
        return prod(tensor.shape) * element_bytes
    return stored_bytes(tensor.type, tensor.shape)


def _is_latent_decoder(tensor: Tensor) -> bool:
    """What multiplies latents up is kept a second time, unquantised, for decoding (`split_kv_b_proj`)."""
    is_decoder = any(word in tensor.name for word in ("attn_k_b.", "attn_v_b.", "kv_b_proj.weight"))
    return is_decoder and tensor.type not in FLOATS


def _vocabulary_padded(n_bytes: int, shape: Sequence[int]) -> int:
    n_rows = shape[1] if len(shape) > 1 else 0
    return n_bytes * padded(n_rows, VOCABULARY_MULTIPLE) // n_rows if n_rows else n_bytes


def _mxfp4_padding(tensor: Tensor, n_bytes: int) -> int:
    multiples = (MXFP4_WIDTH_MULTIPLE, MXFP4_INNER_MULTIPLE)
    grown = 1.0
    for width, multiple in zip(
        tensor.shape[:2], reversed(multiples) if "down" in tensor.name else multiples, strict=True
    ):
        grown *= padded(width, multiple) / width
    return int(n_bytes * (grown - 1))


def padded(n: int, multiple: int) -> int:
    """The next multiple."""
    return -(-n // multiple) * multiple

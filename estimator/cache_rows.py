"""Bytes that servers store per token, and per sequence, of one layer on one of the devices that slice it."""

from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

from estimator.derived import of_model_by
from estimator.errors import Unjudgeable
from estimator.model import Layer, Model
from estimator.paged_cache import LayerCache
from estimator.sharding import n_rank_heads


@dataclass(frozen=True, slots=True)
class RowType:
    """How keys and values are stored."""

    element_bytes: float
    """0: as the model computes."""
    head_bytes: int = 0
    """Beside each head's keys, and beside its values: a scale."""
    latent_row_bytes: int = 0
    """Of a whole row of latent attention, where it has a format of its own."""


ROW_TYPES = MappingProxyType(
    {
        "auto": RowType(0),
        "bfloat16": RowType(2),
        "float16": RowType(2),
        "fp8": RowType(1),
        "fp8_e4m3": RowType(1),
        "fp8_e5m2": RowType(1),
        "int8_per_token_head": RowType(1, head_bytes=4),
        "fp8_per_token_head": RowType(1, head_bytes=4),
        "nvfp4": RowType(0.5 + 1 / 16),
        "fp8_ds_mla": RowType(1, latent_row_bytes=656),
        "nvfp4_ds_mla": RowType(0.5 + 1 / 16, latent_row_bytes=352),
    }
)
"""By the name that servers give them: vllm/v1/kv_cache_interface.py (AttentionSpec), and for rows of latents
model_executor/layers/attention/mla_attention.py (MLAAttentionSpec), 0.33.0."""

SAME_AS_MODEL = frozenset({"auto", "f16", "bf16"})
"""The last two are other engines' names for it, which a plan may still carry."""

INDEXER_ROW_BYTES = 132
"""Of sparse latent attention's index: 128 values of 8 bits and a float (v1/attention/backends/mla/indexer.py). A log of
GLM-5 at 8 devices shows 100170 bytes per token: 78 x (1152 + 132) is 100152."""

FLOAT32_STATES = frozenset({"qwen35", "qwen35moe", "nemotron_h", "nemotron_h_moe"})
"""Architectures whose recurrent states are float32 unless asked otherwise: Qwen3.5's configuration says so
(`mamba_ssm_dtype`), vLLM sets it for Nemotron-H (model_executor/models/config.py). Logged block sizes agree: 784 and
1568 tokens for Qwen3.5 27B; 544 for Qwen3-Next, whose states are as wide as the model's numbers."""


def row_type(name: str, engine: str) -> RowType:
    """By its name.

    Raises:
        Unjudgeable: no such type.
    """
    found = ROW_TYPES.get("auto" if name in SAME_AS_MODEL else name)
    if found is None:
        raise Unjudgeable(f"{engine} stores no KV cache as {name!r}; {', '.join(ROW_TYPES)} are known")
    return found


def token_bytes(layer: Layer, model: Model, tensor: int, stored: RowType, element_bytes: int) -> int:
    """Keys and values of one token."""
    if not layer.key_width:
        return 0
    each = stored.element_bytes or element_bytes
    n_heads = layer.n_kv_heads
    if not n_heads:  # latent attention: one row for all heads, whole on every device
        width, index_bytes = layer.key_width + layer.value_width, 0
        if model.latent is not None:
            latent_width = model.latent.key_value_rank + model.latent.rope_width
            width, index_bytes = latent_width, INDEXER_ROW_BYTES if width > latent_width else 0
        return (stored.latent_row_bytes or ceil(width * each)) + index_bytes
    width = (layer.key_width + layer.value_width) // n_heads
    n_scales = 2 if layer.value_width else 1
    return n_rank_heads(n_heads, tensor) * (ceil(width * each) + n_scales * stored.head_bytes)


def state_bytes(layer: Layer, model: Model, tensor: int, element_bytes: int, recurrent_bytes: int | None = None) -> int:
    """The states of one sequence.

    Args:
        layer: convolutions keep the model's type, recurrences their own.
        model: its architecture decides where ``recurrent_bytes`` is None.
        tensor: devices that slice it.
        element_bytes: of the model's type.
        recurrent_bytes: of one element of a recurrence.
    """
    if recurrent_bytes is None:
        recurrent_bytes = 4 if model.architecture in FLOAT32_STATES else element_bytes
    return layer.conv_state_width // tensor * element_bytes + layer.recurrent_state_width // tensor * recurrent_bytes


@of_model_by(64)
def layer_caches(
    model: Model,
    tensor: int,
    stored: RowType,
    element_bytes: int,
    *,
    recurrent_bytes: int | None = None,
    has_windows: bool = True,
) -> tuple[tuple[int, LayerCache], ...]:
    """Number and cache of every layer that keeps something; attention and a state in one layer are two.

    Args:
        model: whose layers these are.
        tensor: devices that slice it.
        stored: how keys and values are stored.
        element_bytes: of the model's type.
        recurrent_bytes: of a recurrence's elements; None leaves it to the architecture.
        has_windows: False where the engine keeps all tokens in windowed layers too.
    """
    found = []
    for number, layer in enumerate(model.layers):
        if row := token_bytes(layer, model, tensor, stored, element_bytes):
            found.append((number, LayerCache(row, window_tokens=layer.window_tokens if has_windows else None)))
        if state := state_bytes(layer, model, tensor, element_bytes, recurrent_bytes):
            found.append((number, LayerCache(0, state_bytes=state)))
    return tuple(found)

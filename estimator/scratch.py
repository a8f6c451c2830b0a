"""Compute buffers of llama.cpp in closed form: what one step over the graph needs beside weights and caches.

The engine lays its graph out for the largest step it may ever do and takes the high-water mark (ggml/src/ggml-alloc.c,
`llama_context::graph_reserve`). One of three moments is that mark: a feed-forward block, an attention, or the logits.
Each is a count of floats that live at the same time, named below by what they hold. Checked against buffers measured
with llama.cpp of 2026-10-01 on devices with CUDA's rules (bench/accuracy.py replays such rows).
"""

from typing import NamedTuple

from estimator.derived import of_model
from estimator.kv_cache import CacheShape
from estimator.model import Model
from estimator.quant import BLOCKS
from estimator.rounding import ROUNDINGS, Rounding

F32_BYTES = 4
ROTATION_WIDTH = 64
"""Values of a quantised cache are rotated in blocks of so many (`build_attn_inp_kv`, src/llama-graph.cpp)."""


class Step(NamedTuple):
    """What a step is asked to do."""

    shape: CacheShape
    n_outputs: int
    """Tokens whose logits are computed."""
    is_flash_attention: bool
    key_type: str
    value_type: str
    keeps_values_upright: bool = False
    """Values are stored as for flash attention, which was found to have no kernel only after that (``-fa auto``)."""

    @property
    def transposes_values(self) -> bool:
        """Values are stored transposed."""
        return not self.is_flash_attention and not self.keeps_values_upright

    @property
    def is_cache_quantised(self) -> bool:
        """Types of more than one weight a block have to be expanded for the attention."""
        return BLOCKS[self.key_type].n_weights > 1 or BLOCKS[self.value_type].n_weights > 1


class Peaks(NamedTuple):
    """Bytes at each of the moments that may be the high-water mark of one device."""

    feed_forward_bytes: int
    attention_bytes: int
    head_bytes: int

    @property
    def n_bytes(self) -> int:
        """The buffer."""
        return max(self.feed_forward_bytes, self.attention_bytes, self.head_bytes)


@of_model
def window_kinds(model: Model) -> tuple[int | None, ...]:
    """One entry per kind of cache the model has: full, windowed. Nothing for a model without attention."""
    kinds: list[int | None] = []
    for layer in model.layers:
        if layer.key_width and layer.window_tokens not in kinds:
            kinds.append(layer.window_tokens)
    # A model with windows has both caches, even where no layer uses one of them (src/llama-kv-cache-iswa.cpp).
    if any(kind is not None for kind in kinds) and None not in kinds:
        kinds.append(None)
    return tuple(kinds)


@of_model
def is_encoder(model: Model) -> bool:
    """Whether nothing is remembered from step to step: all tokens of one attend to each other, for an embedding."""
    return not any(layer.key_width or layer.conv_state_width or layer.recurrent_state_width for layer in model.layers)


@of_model
def _is_gated(model: Model) -> bool:
    return any(tensor.name.endswith("ffn_gate.weight") for tensor in model.tensors)


def mask_bytes(model: Model, step: Step) -> int:
    """The attention masks: cells by tokens, one for each kind of cache; tokens by tokens where there is none."""
    build = step.shape.build
    width = 2 if step.is_flash_attention and build.is_mask_halved else F32_BYTES
    if is_encoder(model):
        return width * step.shape.n_step_tokens**2
    n_rows = -(-step.shape.n_step_tokens // build.mask_row_multiple) * build.mask_row_multiple
    return sum(width * step.shape.layer_cells(window) * n_rows for window in window_kinds(model))


def index_bytes(model: Model, step: Step, rounding: Rounding) -> int:
    """Positions and the cells that keys and values are written to, each an input of its own."""
    n_tokens = step.shape.n_step_tokens
    value_width = widest_value(model)
    value_index = 0
    if value_width:  # without flash attention values are stored transposed, and each element is addressed
        value_index = 8 * n_tokens * (value_width if step.transposes_values else 1)
    kinds = window_kinds(model)
    if not step.shape.build.has_cell_indices:
        return rounding.pad(4 * n_tokens) if kinds else 0
    total = len(kinds) * (rounding.pad(8 * n_tokens) + rounding.pad(value_index))
    if kinds:
        total += rounding.pad(4 * n_tokens)
    else:  # only states: which row is read and which is written
        total += 2 * rounding.pad(4 * step.shape.n_sequences)
    return total + _rotation_bytes(model, step) * len(kinds)


@of_model
def widest_value(model: Model) -> int:
    """Elements per cell of the widest layer's values, without its indexer's."""
    return max((layer.own_value_width for layer in model.layers), default=0)


def _rotation_bytes(model: Model, step: Step) -> int:
    """Hadamard matrices that a quantised cache is rotated with."""
    head_width = model.head_width
    is_rotated = step.is_cache_quantised and step.is_flash_attention and step.shape.build.rotates_quantised_cache
    if not is_rotated or head_width % ROTATION_WIDTH:
        return 0
    largest_power = head_width & -head_width
    values = 0 if model.latent else ROTATION_WIDTH**2
    return F32_BYTES * (largest_power**2 + values)


@of_model
def is_hybrid(model: Model) -> bool:
    """Whether layers keep a state beside, or instead of, keys and values."""
    return any(layer.conv_state_width for layer in model.layers)


@of_model
def convolved_width(model: Model) -> int:
    """Channels of the convolution before a state."""
    found = (t.shape[1] for t in model.tensors if t.name.endswith("ssm_conv1d.weight") and len(t.shape) > 1)
    return next(found, 0)


def query_width(model: Model) -> int:
    return model.n_heads * model.head_width


@of_model
def feed_forward_width(model: Model) -> int:
    """Floats per token at the peak of a feed-forward block: its matrices' results, residual and attention's slot."""
    embedding, query = model.embedding_width, query_width(model)
    dense = 3 * model.feed_forward_width + 2 * embedding + query
    if model.architecture in ("phi3", "lfm2"):  # one matrix for query, key and value, or none: no slot of its own
        return 3 * model.feed_forward_width + 2 * embedding
    if model.architecture == "gemma3n":  # four parallel residual streams and the per-layer input (256); measured, E4B
        return 3 * model.feed_forward_width + 13 * embedding + 3 * 256
    if model.architecture in ("mamba", "mamba2"):
        return _mamba_width(model)
    if model.experts is None:
        return dense
    if model.latent:
        query = model.n_heads * model.latent.value_width
        dense = 3 * model.feed_forward_width + 2 * embedding + query
    experts = model.experts
    chosen = experts.n_used * experts.feed_forward_width
    results = experts.n_used * embedding
    base = 2 * embedding + query
    if model.architecture == "qwen3next":
        base = 3 * embedding + 3 * experts.n_experts + 2 * experts.n_used + 2
    elif model.architecture == "granitehybrid":
        base = 3 * embedding + query
    width = base + 3 * chosen
    if results > 2 * chosen:  # the experts' results don't fit into the slots that gate and up have left
        width += results
    if results > 3 * chosen:  # nor does the weighted copy, since the fused reduction keeps both alive
        width += results
    return max(width, dense) if experts.n_leading_dense_layers else width


def _mamba_width(model: Model) -> int:
    """Input projection, convolution with its input, scan: all alive at once."""
    layer = next((layer for layer in model.layers if layer.conv_state_width), None)
    if layer is None:
        return 0
    projected = next((t.shape[1] for t in model.tensors if t.name.endswith("ssm_in.weight") and len(t.shape) > 1), 0)
    inner = next((t.shape[0] for t in model.tensors if t.name.endswith("ssm_out.weight")), 0)
    return 2 * model.embedding_width + projected + 2 * convolved_width(model) + 2 * inner


def _state_scan_bytes(model: Model, step: Step) -> int:
    """What the state of every sequence takes while a layer updates it: read, written, and the convolution's twice."""
    if model.architecture not in ("mamba", "mamba2"):
        return 0
    layer = model.layers[0]
    return F32_BYTES * step.shape.n_sequences * (layer.recurrent_state_width + 2 * layer.conv_state_width)


def attention_width(model: Model, step: Step) -> int:
    """Floats per token at the peak of an attention, less the scores: residual, query, result, what else is alive."""
    embedding, query = model.embedding_width, query_width(model)
    if model.latent:
        latent, heads = model.latent, model.n_heads
        full = latent.nope_width + latent.rope_width
        compressed = latent.key_value_rank + latent.rope_width
        return 2 * embedding + heads * (full + latent.nope_width + compressed + latent.key_value_rank)
    if model.architecture == "phi3":
        if not step.is_flash_attention:
            return embedding + query
        return embedding + 4 * query + 2 * model.n_kv_heads * model.head_width
    if model.architecture == "qwen3moe" and model.experts:
        experts = model.experts
        chosen = experts.n_used * experts.feed_forward_width
        if step.is_flash_attention:
            return 2 * embedding + 2 * query + 3 * chosen
        return 3 * embedding + query + 2 * chosen + 3 * experts.n_experts + 2 * experts.n_used + 2
    return 2 * embedding + 2 * query


def _head_offset(model: Model) -> int:
    """Floats per output that lie below the logits when these are allocated."""
    embedding = model.embedding_width
    if model.architecture == "gpt-oss":
        return 2 * embedding
    if model.architecture == "qwen3moe" and model.experts:
        experts = model.experts
        chosen = experts.n_used * experts.feed_forward_width
        return (
            3 * embedding + query_width(model) + 2 * chosen + 3 * experts.n_experts + 2 * experts.n_used + 2 - embedding
        )
    return embedding


def device_peaks(model: Model, step: Step, kind: str = "cuda") -> Peaks:
    """The moments of a device that holds all layers."""
    rounding = ROUNDINGS[kind]
    shape = step.shape
    step_bytes = F32_BYTES * shape.n_step_tokens
    inputs = mask_bytes(model, step) + index_bytes(model, step, rounding) + rounding.pad(F32_BYTES * step.n_outputs)
    feed_forward = step_bytes * feed_forward_width(model) + _state_scan_bytes(model, step) + inputs
    if is_encoder(model):
        return _encoder_peaks(model, step, inputs)
    attention = 0
    if window_kinds(model):
        if not step.is_flash_attention:
            widest = max(shape.layer_cells(window) for window in window_kinds(model))
            attention = step_bytes * (model.n_heads * widest + attention_width(model, step)) + inputs
        elif step.is_cache_quantised or model.latent:
            attention = step_bytes * attention_width(model, step) + expanded_cache_bytes(model, step) + inputs
    offset = _head_offset(model)
    n_offset = shape.n_step_tokens if offset > 2 * model.embedding_width else step.n_outputs
    head = F32_BYTES * (step.n_outputs * model.vocabulary_size + n_offset * offset)
    return Peaks(feed_forward_bytes=feed_forward, attention_bytes=attention, head_bytes=head)


def _encoder_peaks(model: Model, step: Step, inputs_bytes: int) -> Peaks:
    """Of an encoder, which has no logits, and whose feed-forward results never lie in the attention's slot."""
    n_tokens = step.shape.n_step_tokens
    inner = (3 if _is_gated(model) else 1) * model.feed_forward_width
    n_scores = 0 if step.is_flash_attention else model.n_heads * n_tokens
    return Peaks(
        feed_forward_bytes=F32_BYTES * n_tokens * (inner + 2 * model.embedding_width) + inputs_bytes,
        attention_bytes=F32_BYTES * n_tokens * (n_scores + attention_width(model, step)) + inputs_bytes,
        head_bytes=0,
    )


def expanded_cache_bytes(model: Model, step: Step) -> int:
    """float16 copies of a whole layer's keys and values, which the CUDA kernel needs of a quantised cache."""
    if not step.is_cache_quantised or not step.shape.build.reserves_expanded_cache:
        return 0
    return max(
        2 * step.shape.layer_cells(layer.window_tokens) * step.shape.n_streams * (layer.key_width + layer.value_width)
        for layer in model.layers
    )


def host_bytes(model: Model, step: Step) -> int:
    """The host's part: the embedded tokens, twice, and every input of the graph."""
    rounding = ROUNDINGS["host"]
    n_tokens = step.shape.n_step_tokens
    n_hidden = 2 if step.shape.build.has_embedding_input else 1
    total = n_hidden * F32_BYTES * n_tokens * model.embedding_width + mask_bytes(model, step)
    total += rounding.pad(4 * n_tokens) + rounding.pad(4 * step.n_outputs) + index_bytes(model, step, rounding)
    if model.architecture == "gemma3n":  # the per-layer input of every layer
        total += F32_BYTES * n_tokens * 256 * model.n_layers
    return total

"""Compute buffers of llama.cpp in closed form: what one step over the graph needs beside weights and caches.

The engine lays its graph out for the largest step it may ever do and takes the high-water mark (ggml/src/ggml-alloc.c,
`llama_context::graph_reserve`). One of three moments is that mark: a feed-forward block, an attention, or the logits.
Each is a count of floats that live at the same time, named below by what they hold. Checked against buffers measured
with llama.cpp of 2026-10-01 on devices with CUDA's rules (bench/accuracy.py replays such rows).
"""

from dataclasses import dataclass

from estimator.kv_cache import CacheShape, cell_bytes
from estimator.model import Model
from estimator.placement import weight_table
from estimator.quant import BLOCKS
from estimator.rounding import ROUNDINGS, Rounding

F32_BYTES = 4
ROTATION_WIDTH = 64
"""Values of a quantised cache are rotated in blocks of so many (`build_attn_inp_kv`, src/llama-graph.cpp)."""
N_PIPELINE_COPIES = 4
"""GGML_SCHED_MAX_COPIES (ggml/CMakeLists.txt)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step is asked to do."""

    shape: CacheShape
    n_outputs: int
    """Tokens whose logits are computed."""
    is_flash_attention: bool
    key_type: str
    value_type: str

    @property
    def is_cache_quantised(self) -> bool:
        """Types of more than one weight a block have to be expanded for the attention."""
        return BLOCKS[self.key_type].n_weights > 1 or BLOCKS[self.value_type].n_weights > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """Bytes at each of the moments that may be the high-water mark of one device."""

    feed_forward_bytes: int
    attention_bytes: int
    head_bytes: int

    @property
    def n_bytes(self) -> int:
        """The buffer."""
        return max(self.feed_forward_bytes, self.attention_bytes, self.head_bytes)


def _window_kinds(model: Model) -> tuple[int | None, ...]:
    """One entry per kind of cache the model has: full, windowed. Nothing for a model without attention."""
    kinds: list[int | None] = []
    for layer in model.layers:
        if layer.key_width and layer.window_tokens not in kinds:
            kinds.append(layer.window_tokens)
    # A model with windows has both caches, even where no layer uses one of them (src/llama-kv-cache-iswa.cpp).
    if any(kind is not None for kind in kinds) and None not in kinds:
        kinds.append(None)
    return tuple(kinds)


def mask_bytes(model: Model, step: Step) -> int:
    """The attention masks: cells by tokens, one for each kind of cache."""
    width = 2 if step.is_flash_attention else F32_BYTES
    return sum(width * step.shape.layer_cells(window) * step.shape.n_step_tokens for window in _window_kinds(model))


def _index_bytes(model: Model, step: Step, rounding: Rounding) -> int:
    """Positions and the cells that keys and values are written to, each an input of its own."""
    n_tokens = step.shape.n_step_tokens
    value_width = max((layer.value_width for layer in model.layers), default=0)
    value_index = 0
    if value_width:  # without flash attention values are stored transposed, and each element is addressed
        value_index = 8 * n_tokens * (1 if step.is_flash_attention else value_width)
    kinds = _window_kinds(model)
    total = len(kinds) * (rounding.pad(8 * n_tokens) + rounding.pad(value_index))
    if kinds:
        total += rounding.pad(4 * n_tokens)
    else:  # only states: which row is read and which is written
        total += 2 * rounding.pad(4 * step.shape.n_sequences)
    return total + _rotation_bytes(model, step) * len(kinds)


def _rotation_bytes(model: Model, step: Step) -> int:
    """Hadamard matrices that a quantised cache is rotated with."""
    head_width = model.head_width
    if not (step.is_cache_quantised and step.is_flash_attention) or head_width % ROTATION_WIDTH:
        return 0
    largest_power = head_width & -head_width
    values = 0 if model.latent else ROTATION_WIDTH**2
    return F32_BYTES * (largest_power**2 + values)


def _query_width(model: Model) -> int:
    return model.n_heads * model.head_width


def feed_forward_width(model: Model) -> int:
    """Floats per token at the peak of a feed-forward block: its matrices' results, residual and attention's slot."""
    embedding, query = model.embedding_width, _query_width(model)
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
    return 2 * model.embedding_width + projected + 2 * _convolved_width(model) + 2 * inner


def _state_scan_bytes(model: Model, step: Step) -> int:
    """What the state of every sequence takes while a layer updates it: read, written, and the convolution's twice."""
    if model.architecture not in ("mamba", "mamba2"):
        return 0
    layer = model.layers[0]
    return F32_BYTES * step.shape.n_sequences * (layer.recurrent_state_width + 2 * layer.conv_state_width)


def attention_width(model: Model, step: Step) -> int:
    """Floats per token at the peak of an attention, less the scores: residual, query, result, what else is alive."""
    embedding, query = model.embedding_width, _query_width(model)
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
            3 * embedding
            + _query_width(model)
            + 2 * chosen
            + 3 * experts.n_experts
            + 2 * experts.n_used
            + 2
            - embedding
        )
    return embedding


def device_peaks(model: Model, step: Step, kind: str = "cuda") -> Peaks:
    """The moments of a device that holds all layers."""
    rounding = ROUNDINGS[kind]
    shape = step.shape
    step_bytes = F32_BYTES * shape.n_step_tokens
    inputs = mask_bytes(model, step) + _index_bytes(model, step, rounding) + rounding.pad(F32_BYTES * step.n_outputs)
    feed_forward = step_bytes * feed_forward_width(model) + _state_scan_bytes(model, step) + inputs
    attention = 0
    if _window_kinds(model):
        if not step.is_flash_attention:
            widest = max(shape.layer_cells(window) for window in _window_kinds(model))
            attention = step_bytes * (model.n_heads * widest + attention_width(model, step)) + inputs
        elif step.is_cache_quantised or model.latent:
            attention = step_bytes * attention_width(model, step) + _expanded_cache_bytes(model, step) + inputs
    offset = _head_offset(model)
    n_offset = shape.n_step_tokens if offset > 2 * model.embedding_width else step.n_outputs
    head = F32_BYTES * (step.n_outputs * model.vocabulary_size + n_offset * offset)
    return Peaks(feed_forward_bytes=feed_forward, attention_bytes=attention, head_bytes=head)


def _expanded_cache_bytes(model: Model, step: Step) -> int:
    """float16 copies of a whole layer's keys and values, which the CUDA kernel needs of a quantised cache."""
    if not step.is_cache_quantised:
        return 0
    return max(
        2 * step.shape.layer_cells(layer.window_tokens) * step.shape.n_streams * (layer.key_width + layer.value_width)
        for layer in model.layers
    )


def host_bytes(model: Model, step: Step) -> int:
    """The host's part: the embedded tokens, twice, and every input of the graph."""
    rounding = ROUNDINGS["host"]
    n_tokens = step.shape.n_step_tokens
    total = 2 * F32_BYTES * n_tokens * model.embedding_width + mask_bytes(model, step)
    total += rounding.pad(4 * n_tokens) + rounding.pad(4 * step.n_outputs) + _index_bytes(model, step, rounding)
    if model.architecture == "gemma3n":  # the per-layer input of every layer
        total += F32_BYTES * n_tokens * 256 * model.n_layers
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """The compute buffer of one place, with what the closed form may be off by."""

    n_bytes: int
    low_bytes: int
    high_bytes: int
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How the layers lie, as far as the buffers depend on it."""

    layer_devices: tuple[int, ...]
    """By layer, the output layer last; negative for the host."""
    n_devices: int
    n_cpu_moe_layers: int = 0
    is_cache_offloaded: bool = True

    @property
    def has_host_work(self) -> bool:
        """Matrices lie on the host, which the first device fetches for large steps."""
        return self.n_cpu_moe_layers > 0 or any(device < 0 for device in self.layer_devices)

    @property
    def is_pipelined(self) -> bool:
        """Several devices with all the layers overlap their steps (`llama_context`, pipeline_parallel)."""
        return self.n_devices > 1 and self.is_cache_offloaded and not self.has_host_work


def buffers(model: Model, step: Step, spread: Spread) -> tuple[Buffer, ...]:
    """One buffer per device, the host's last."""
    if not spread.n_devices:
        return (_host_only_buffer(model, step),)
    made = [_device_buffer(model, step, spread, device) for device in range(spread.n_devices)]
    n_bytes = host_bytes(model, step) + _host_state_bytes(model, step, spread)
    hidden = F32_BYTES * step.shape.n_step_tokens * model.embedding_width
    formula = "embedded tokens x 2 + masks + indices"
    if spread.is_pipelined:
        n_bytes += (N_PIPELINE_COPIES - 1) * (n_bytes - hidden)
        formula = f"inputs x {N_PIPELINE_COPIES} for overlapping devices + embedded tokens"
    # Builds from mid-October 2026 on take embeddings beside tokens as input: two more of them, and their indices.
    later = 2 * hidden + 12 * step.shape.n_step_tokens
    made.append(Buffer(n_bytes=n_bytes, low_bytes=n_bytes, high_bytes=n_bytes + later, formula=formula))
    return tuple(made)


def _device_buffer(model: Model, step: Step, spread: Spread, device: int) -> Buffer:
    holds_blocks = device in spread.layer_devices[:-1]
    holds_output = spread.layer_devices[-1] == device
    serves_host = device == 0 and spread.has_host_work
    if not (holds_blocks or holds_output or serves_host):
        return Buffer(n_bytes=0, low_bytes=0, high_bytes=0, formula="holds no layer")
    peaks = device_peaks(model, step)
    hidden = F32_BYTES * step.shape.n_step_tokens * model.embedding_width
    moments = {"feed-forward": peaks.feed_forward_bytes, "attention": peaks.attention_bytes}
    if holds_output:
        moments["logits"] = peaks.head_bytes
    if serves_host:
        moments |= _fetched_moments(model, step, spread)
    extra, formula = 0, ""
    if spread.is_pipelined:
        inputs = mask_bytes(model, step) + _index_bytes(model, step, ROUNDINGS["cuda"])
        extra = (N_PIPELINE_COPIES - 1) * inputs + N_PIPELINE_COPIES * hidden * (1 if device == 0 else 2)
        formula = f" + {N_PIPELINE_COPIES} copies of inputs and of what devices hand over"
    moment = max(moments, key=lambda name: moments[name])
    n_bytes = moments[moment] + extra
    doubt = _doubt(model, step, is_fetching=serves_host, is_pipelined=spread.is_pipelined)
    return Buffer(
        n_bytes=n_bytes,
        low_bytes=int(n_bytes * (1 - doubt)),
        high_bytes=int(n_bytes * (1 + doubt)) + hidden,  # builds from mid-October 2026 on: up to one more
        formula=f"peak at {moment}, {step.shape.n_step_tokens} tokens a step{formula}",
    )


OFFLOAD_MIN_TOKENS = 32
"""From so many rows on, a device computes with matrices that lie on the host (`offload_op`, ggml-cuda.cu)."""


def _fetched_moments(model: Model, step: Step, spread: Spread) -> dict[str, int]:
    """Peaks while matrices, or a layer's keys and values, are copied from the host, whole and one after another."""
    step_bytes = F32_BYTES * step.shape.n_step_tokens
    embedding, inner = model.embedding_width, model.feed_forward_width
    inputs = mask_bytes(model, step) + _index_bytes(model, step, ROUNDINGS["cuda"])
    largest = weight_table(model, "cuda").largest_bytes
    moments: dict[str, int] = {}
    has_host_blocks = any(device < 0 for device in spread.layer_devices[:-1])
    if _is_hybrid(model):  # the states of such layers are updated where they lie, and their attention stays there too
        if has_host_blocks and "ffn_up" in largest:
            moments["matrix fetched from RAM"] = largest["ffn_up"] + step_bytes * (2 * inner + 7 * embedding)
        return moments
    experts = max((n for name, n in largest.items() if "_exps" in name), default=0)
    if experts:
        moments["experts fetched from RAM"] = experts + step_bytes * feed_forward_width(model) + inputs
    elif has_host_blocks and "ffn_up" in largest:
        moments["matrix fetched from RAM"] = largest["ffn_up"] + step_bytes * (2 * inner + 5 * embedding) + inputs
    if has_host_blocks or not spread.is_cache_offloaded:
        moments["KV cache fetched from RAM"] = (
            _largest_cache_bytes(model, step)
            + _expanded_cache_bytes(model, step)
            + step_bytes * (2 * embedding + _query_width(model))
            + inputs
        )
    if spread.layer_devices[-1] < 0 and step.n_outputs >= OFFLOAD_MIN_TOKENS:
        head = next((t for t in model.tensors if t.name == "output.weight"), None) or next(
            (t for t in model.tensors if t.name == "token_embd.weight"), None
        )
        if head is not None:
            copied = ROUNDINGS["cuda"].tensor_bytes(head.type, head.shape)
            moments["head fetched from RAM"] = copied + F32_BYTES * step.n_outputs * (model.vocabulary_size + embedding)
    return moments


def _is_hybrid(model: Model) -> bool:
    return any(layer.conv_state_width for layer in model.layers)


def _convolved_width(model: Model) -> int:
    """Channels of the convolution before a state."""
    found = (t.shape[1] for t in model.tensors if t.name.endswith("ssm_conv1d.weight") and len(t.shape) > 1)
    return next(found, 0)


def _host_state_bytes(model: Model, step: Step, spread: Spread) -> int:
    """Layers with states that lie on the host compute their convolution and scan there."""
    states = [
        layer.recurrent_state_width
        for layer, device in zip(model.layers, spread.layer_devices, strict=False)
        if layer.conv_state_width and (device < 0 or not spread.is_cache_offloaded)
    ]
    if not states:
        return 0
    convolution = 4 * step.shape.n_step_tokens * _convolved_width(model)
    return F32_BYTES * (convolution + step.shape.n_sequences * max(states))


def _largest_cache_bytes(model: Model, step: Step) -> int:
    rounding = ROUNDINGS["cuda"]
    return max(
        (cell_bytes(layer, step.shape, step.key_type, step.value_type, rounding) for layer in model.layers), default=0
    ) * (2 if model.latent else 1)  # the latent serves as key and as value, and is copied as both


def _host_only_buffer(model: Model, step: Step) -> Buffer:
    """Without a device nothing is copied, and a quantised cache is expanded block by block; the tokens lie beside."""
    hidden = F32_BYTES * step.shape.n_step_tokens * model.embedding_width
    peaks = device_peaks(model, step, "cpu")
    attention = peaks.attention_bytes - (_expanded_cache_bytes(model, step) if peaks.attention_bytes else 0)
    n_bytes = max(peaks.feed_forward_bytes, attention, peaks.head_bytes) + hidden
    doubt = max(HOST_DOUBT, _doubt(model, step))
    return Buffer(
        n_bytes=n_bytes,
        low_bytes=int(n_bytes * (1 - doubt)),
        high_bytes=int(n_bytes * (1 + doubt)) + 2 * hidden,  # builds from mid-October 2026 on: two more
        formula=f"peak of a step of {step.shape.n_step_tokens} tokens, all on the CPU",
    )


# How far the closed forms were from buffers measured with llama.cpp of 2026-10-01 on devices with CUDA's rules, as a
# share of the buffer, in 95 of 100 points of each way to run; within these bands the truth is expected.
HOST_DOUBT = 0.16
FETCHING_DOUBT = 0.35
PIPELINE_DOUBT = 0.15
PLAIN_ATTENTION_DOUBT = 0.10
MANY_OUTPUTS_DOUBT = 0.25
HYBRID_DOUBT = 0.36
LATENT_DOUBT = 0.40
"""Latent attention in any way but plain: float16 cache, flash attention, few outputs."""
QUANTISED_CACHE_DOUBT = 0.10
UNKNOWN_DOUBT = 0.60
"""An architecture whose graph was never measured."""

MEASURED_ARCHITECTURES = frozenset(
    "llama qwen2 qwen3 qwen3moe gemma2 gemma3 gpt-oss deepseek2 phi3 qwen3next falcon-h1 granitehybrid mamba2 lfm2 "
    "gemma3n".split()
)


def _doubt(model: Model, step: Step, *, is_fetching: bool = False, is_pipelined: bool = False) -> float:
    """The share of the buffer that the closed form may be off by; 0 where it was exact at every measured point."""
    has_many_outputs = step.n_outputs > step.shape.n_sequences
    is_plain = step.is_flash_attention and not step.is_cache_quantised and not has_many_outputs
    doubts = {
        UNKNOWN_DOUBT: model.architecture not in MEASURED_ARCHITECTURES,
        FETCHING_DOUBT: is_fetching,
        PIPELINE_DOUBT: is_pipelined,
        PLAIN_ATTENTION_DOUBT: not step.is_flash_attention,
        MANY_OUTPUTS_DOUBT: has_many_outputs,
        HYBRID_DOUBT: _is_hybrid(model) or model.architecture == "gemma3n",
        LATENT_DOUBT: model.latent is not None and not is_plain,
    }
    doubt = max((share for share, applies in doubts.items() if applies), default=0.0)
    return max(doubt, QUANTISED_CACHE_DOUBT) if step.is_cache_quantised else doubt

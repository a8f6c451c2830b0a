"""The compute buffer of each device and of the host, for a way to spread the layers: llama.cpp's, in closed form.

What a device needs for layers of its own is in estimator/scratch.py; here is what comes on top where layers lie on
several devices or on the host (ggml/src/ggml-backend.cpp, `ggml_backend_sched_split_graph`, as of 2026-10), and how far
it may be off.
"""

from collections.abc import Sequence
from dataclasses import replace

from estimator.kv_cache import cell_bytes, layer_kinds
from estimator.model import Model
from estimator.placement import HOST
from estimator.rounding import ROUNDINGS
from estimator.scratch import (
    F32_BYTES,
    Step,
    convolved_width,
    device_peaks,
    expanded_cache_bytes,
    feed_forward_width,
    host_bytes,
    index_bytes,
    is_hybrid,
    mask_bytes,
    query_width,
)
from estimator.weights import weight_table
from records.record import record

N_PIPELINE_COPIES = 4
"""GGML_SCHED_MAX_COPIES (ggml/CMakeLists.txt)."""


@record(frozen=True, slots=True, kw_only=True)
class Buffer:
    """The compute buffer of one place, with what the closed form may be off by."""

    n_bytes: int
    low_bytes: int
    high_bytes: int
    formula: str
    method: str = "closed form"
    is_guessed: bool = False
    """Nobody has followed the architecture's graph: the closed form of the others is taken for it."""


@record(frozen=True, slots=True, kw_only=True)
class Spread:
    """How the layers lie, as far as the buffers depend on it."""

    layer_devices: tuple[int, ...]
    """By layer, the output layer last; negative for the host."""
    n_devices: int
    n_cpu_moe_layers: int = 0
    is_cache_offloaded: bool = True
    is_measured: bool = True
    """The devices follow CUDA's rules, under which the closed forms were checked."""

    @property
    def has_host_work(self) -> bool:
        """Matrices lie on the host, which the first device fetches for large steps."""
        return self.n_cpu_moe_layers > 0 or HOST in self.layer_devices

    @property
    def is_pipelined(self) -> bool:
        """Several devices with all the layers overlap their steps (`llama_context`, pipeline_parallel)."""
        return self.n_devices > 1 and self.is_cache_offloaded and not self.has_host_work


def simulated_buffers(
    model: Model,
    step: Step,
    n_bytes: Sequence[int],
    device_doubt_ratio: float = 0.0,
    *,
    may_strand_masks: bool = False,
    n_norm_copies: int = 0,
) -> tuple[Buffer, ...]:
    """Simulated bytes, and what is left to doubt.

    Builds from mid-October 2026 on take embeddings beside tokens as input: up to one more of them on a device, and two
    more and their indices on the host.

    Args:
        model: whose.
        step: what is computed at once.
        n_bytes: of each device, the host's last.
        device_doubt_ratio: of the kernels of the devices.
        may_strand_masks: as those kernels may.
        n_norm_copies: how many of one embedding per token a real load hands over less from device to device
            (`Build.pins_norms`).
    """
    hidden = F32_BYTES * step.shape.n_step_tokens * model.embedding_width
    later_device, later_host = hidden, 2 * hidden + 12 * step.shape.n_step_tokens
    build, doubt = step.shape.build, 0.0
    if not build.is_measured:
        later_device = later_host = 0
        doubt = FORK_DOUBT if build.is_fork else 0.0 if build.has_mixed_input else OLDER_BUILD_DOUBT
    if may_strand_masks:  # Qwen 3.5's buffers on Vulkan grow by 4 bytes per token of a step and of context
        later_device += mask_bytes(model, step)
    formula = f"graph, scheduler and allocator simulated, {step.shape.n_step_tokens} tokens a step"

    def buffer(n: int, later: int, doubt: float, spared: int = 0) -> Buffer:
        return Buffer(
            n_bytes=n,
            low_bytes=max(0, int(n * (1 - doubt)) - spared),
            high_bytes=int(n * (1 + doubt)) + (later if n else 0),
            formula=formula,
            method="simulation",
        )

    *devices, host = n_bytes
    return (
        *(
            buffer(n, later_device, max(doubt, device_doubt_ratio), n_norm_copies * hidden if number else 0)
            for number, n in enumerate(devices)
        ),
        buffer(host, later_host, doubt),
    )


GUESS_RATIOS = 0.25, 6.0
"""The least and the most that a buffer of an architecture without a builder may have of the closed form's bytes. Four
that were measured without one (DeepSeek V4 Flash, GLM-5.3 Flash, Kimi K3, MiniMax 01; llama.cpp 0c1e57098 on one device
with CUDA's rules, 4 096 to 131 072 tokens, eight ways) had 0.33 to 5.6 times of it."""


def guessed(found: Sequence[Buffer]) -> tuple[Buffer, ...]:
    """The same for an architecture whose graph nobody has followed."""
    return tuple(
        replace(
            buffer,
            low_bytes=min(buffer.low_bytes, int(buffer.n_bytes * GUESS_RATIOS[0])),
            high_bytes=max(buffer.high_bytes, int(buffer.n_bytes * GUESS_RATIOS[1])),
            is_guessed=True,
        )
        for buffer in found
    )


def buffers(model: Model, step: Step, spread: Spread) -> tuple[Buffer, ...]:
    """One buffer per device, the host's last."""
    if not spread.n_devices:
        return (_host_only_buffer(model, step),)
    made = [device_buffer(model, step, spread, device) for device in range(spread.n_devices)]
    n_bytes = host_bytes(model, step) + _host_state_bytes(model, step, spread)
    hidden = F32_BYTES * step.shape.n_step_tokens * model.embedding_width
    formula = "embedded tokens x 2 + masks + indices"
    if spread.is_pipelined:
        n_bytes += (N_PIPELINE_COPIES - 1) * (n_bytes - hidden)
        formula = f"inputs x {N_PIPELINE_COPIES} for overlapping devices + embedded tokens"
    # Builds from mid-October 2026 on take embeddings beside tokens as input: two more of them, and their indices.
    later = 2 * hidden + 12 * step.shape.n_step_tokens
    sure = n_bytes // 2 if spread.has_host_work else max(0, n_bytes - HOST_ROUNDING_BYTES)
    made.append(Buffer(n_bytes=n_bytes, low_bytes=sure, high_bytes=n_bytes + later, formula=formula))
    return tuple(made)


def device_buffer(model: Model, step: Step, spread: Spread, device: int) -> Buffer:
    """The buffer of one device."""
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
        inputs = mask_bytes(model, step) + index_bytes(model, step, ROUNDINGS["cuda"])
        extra = (N_PIPELINE_COPIES - 1) * inputs + N_PIPELINE_COPIES * hidden * (1 if device == 0 else 2)
        formula = f" + {N_PIPELINE_COPIES} copies of inputs and of what devices hand over"
    moment = max(moments, key=lambda name: moments[name])
    n_bytes = moments[moment] + extra
    doubt = _doubt(model, step, is_fetching=serves_host, is_pipelined=spread.is_pipelined)
    if not spread.is_measured:
        doubt = max(doubt, UNMEASURED_DEVICE_DOUBT)
    return Buffer(
        n_bytes=n_bytes,
        low_bytes=int(n_bytes * (1 - doubt)),
        high_bytes=int(n_bytes * (1 + doubt)) + hidden,  # builds from mid-October 2026 on: up to one more
        formula=f"peak at {moment}, {step.shape.n_step_tokens} tokens a step{formula}",
    )


HOST_ROUNDING_BYTES = 64 << 10
"""By so much the rounding of the host's many small inputs may differ (own comparison with the measured points)."""
OFFLOAD_MIN_TOKENS = 32
"""From so many rows on, a device computes with matrices that lie on the host (`offload_op`, ggml-cuda.cu)."""


def _fetched_moments(model: Model, step: Step, spread: Spread) -> dict[str, int]:
    """Peaks while matrices, or a layer's keys and values, are copied from the host, whole and one after another."""
    step_bytes = F32_BYTES * step.shape.n_step_tokens
    embedding, inner = model.embedding_width, model.feed_forward_width
    inputs = mask_bytes(model, step) + index_bytes(model, step, ROUNDINGS["cuda"])
    largest = weight_table(model, "cuda").largest_bytes
    moments: dict[str, int] = {}
    has_host_blocks = HOST in spread.layer_devices[:-1]
    experts = max((n for name, n in largest.items() if "_exps" in name), default=0)
    if experts:
        moments["experts fetched from RAM"] = experts + step_bytes * feed_forward_width(model) + inputs
    if is_hybrid(model):  # the states of such layers are updated where they lie, and their attention stays there too
        if has_host_blocks and "ffn_up" in largest:
            moments["matrix fetched from RAM"] = largest["ffn_up"] + step_bytes * (2 * inner + 7 * embedding)
        return moments
    if not experts and has_host_blocks and "ffn_up" in largest:
        moments["matrix fetched from RAM"] = largest["ffn_up"] + step_bytes * (2 * inner + 5 * embedding) + inputs
    if has_host_blocks or not spread.is_cache_offloaded:
        moments["KV cache fetched from RAM"] = (
            _largest_cache_bytes(model, step)
            + expanded_cache_bytes(model, step)
            + step_bytes * (2 * embedding + query_width(model))
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


def _host_state_bytes(model: Model, step: Step, spread: Spread) -> int:
    """Layers with states that lie on the host compute their convolution and scan there."""
    states = [
        layer.recurrent_state_width
        for layer, device in zip(model.layers, spread.layer_devices, strict=False)
        if layer.conv_state_width and (device < 0 or not spread.is_cache_offloaded)
    ]
    if not states:
        return 0
    convolution = 4 * step.shape.n_step_tokens * convolved_width(model)
    return F32_BYTES * (convolution + step.shape.n_sequences * max(states))


def _largest_cache_bytes(model: Model, step: Step) -> int:
    rounding = ROUNDINGS["cuda"]
    return max(
        (cell_bytes(layer, step.shape, step.key_type, step.value_type, rounding) for layer in layer_kinds(model)[0]),
        default=0,
    ) * (2 if model.latent else 1)  # the latent serves as key and as value, and is copied as both


def _host_only_buffer(model: Model, step: Step) -> Buffer:
    """Without a device nothing is copied, and a quantised cache is expanded block by block; the tokens lie beside."""
    hidden = F32_BYTES * step.shape.n_step_tokens * model.embedding_width
    peaks = device_peaks(model, step, "cpu")
    attention = peaks.attention_bytes - (expanded_cache_bytes(model, step) if peaks.attention_bytes else 0)
    n_bytes = max(peaks.feed_forward_bytes, attention, peaks.head_bytes) + hidden
    doubt = max(HOST_DOUBT, _doubt(model, step))
    return Buffer(
        n_bytes=n_bytes,
        low_bytes=int(n_bytes * (1 - doubt)),
        high_bytes=int(n_bytes * (1 + doubt)) + 2 * hidden,  # builds from mid-October 2026 on: two more
        formula=f"peak of a step of {step.shape.n_step_tokens} tokens, all on the CPU",
    )


# How far the closed forms may be from buffers measured with llama.cpp of 2026-10-01 on devices with CUDA's rules, as a
# share of the buffer: over all measured points 95 of 100 lie within. Least sure is a load that several devices and the
# host share (78 of 100), and hybrids without flash attention on the host, whose scores lie there as well.
HOST_DOUBT = 0.16
FETCHING_DOUBT = 0.50
PIPELINE_DOUBT = 0.15
PLAIN_ATTENTION_DOUBT = 0.10
MANY_OUTPUTS_DOUBT = 0.25
HYBRID_DOUBT = 0.36
LATENT_DOUBT = 0.40
"""Latent attention in any way but plain: float16 cache, flash attention, few outputs."""
QUANTISED_CACHE_DOUBT = 0.10
FORK_DOUBT = 0.10
"""ik_llama.cpp's: all of 155 buffers in published logs of 2024-10 to 2026-05 are nearer, 139 to 0.05 %
(bench/accuracy.py)."""
OLDER_BUILD_DOUBT = 0.06
"""Of builds that were not measured: published logs of llama.cpp from 2024-05 to 2026-05 on CUDA, replayed by
bench/accuracy.py, show 5 of 100 buffers further off."""
UNMEASURED_DEVICE_DOUBT = 0.30
"""Metal's and Vulkan's buffers were not measured; their kernels ask for scratch of their own."""
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
        HYBRID_DOUBT: is_hybrid(model) or model.architecture == "gemma3n",
        LATENT_DOUBT: model.latent is not None and not is_plain,
    }
    doubt = max((share for share, applies in doubts.items() if applies), default=0.0)
    return max(doubt, QUANTISED_CACHE_DOUBT) if step.is_cache_quantised else doubt

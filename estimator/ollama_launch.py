"""What Ollama decides before it starts llama-server: context, batch, flash attention and which devices.

From 0.30 on (2026-05) Ollama runs GGUF models by a llama-server of its own for each, and leaves it to that server's
--fit how many layers go where. server/sched.go, server/routes.go and llm/llama_server.go of github.com/ollama/ollama,
fb3076099 of 2026-08-21; its llama.cpp is b10488.
"""

from collections.abc import Sequence

from estimator.ledger import Place
from estimator.model import Model
from estimator.quant import stored_bytes
from records.record import record

GIB = 1 << 30
MIB = 1 << 20
CONTEXT_TIERS = ((47 * GIB, 262_144), (23 * GIB, 32_768), (0, 4096))
"""(memory of all devices, tokens): the context where nobody asks for one; routes.go, `Serve`."""
BATCH_TIERS = ((32_768, 2048), (4096, 1024), (0, 512))
"""(more tokens of context than, tokens of a step); sched.go, `generationBatchForContext`."""
BATCH_SURCHARGE_BYTES = {2048: 2 * GIB, 1024: 768 * MIB, 512: 0}
BATCH_HEADROOM_PERCENT = {2048: 60, 1024: 75, 512: 100}
"""So much of the free memory the prediction may take for a step of this size."""
PLAIN_BATCH_TOKENS, CONSTRAINED_BATCH_TOKENS = 512, 256
"""Without flash attention on CUDA; the smaller one beyond 4096 tokens of context on a card of 8 GiB or less."""
PREDICTION_PERCENT = 80
"""A single device is chosen where the prediction takes no more of it than this."""
SINGLE_SEQUENCE = frozenset(
    "mllama qwen3vl qwen3vlmoe qwen35 qwen35moe qwen3next lfm2 lfm2moe nemotron_h nemotron_h_moe "
    "nemotron_h_omni".split()
)
"""Architectures that it runs for one request at a time, whatever OLLAMA_NUM_PARALLEL says."""


@record(frozen=True, slots=True, kw_only=True)
class Launch:
    """What it would start."""

    context_tokens: int
    """Of each request."""
    n_sequences: int
    is_flash_attention: bool
    n_batch_tokens: int
    devices: tuple[Place, ...]
    predicted_bytes: int
    """Its own guess, which is the file and a plain cache."""


def launch(  # what an Ollama is told, by request and by environment
    model: Model,
    devices: Sequence[Place],
    *,
    context_tokens: int,
    n_sequences: int,
    n_batch_tokens: int | None,
    is_flash_attention: bool | None,
    is_spread: bool,
    main_device: int | None,
) -> Launch:
    """The decisions for one model on these devices.

    Args:
        model: what is run.
        devices: without the host.
        context_tokens: of each request.
        n_sequences: requests at a time.
        n_batch_tokens: tokens of a step; by context and memory where None.
        is_flash_attention: where supported if None.
        is_spread: all devices are used even where one would do (OLLAMA_SCHED_SPREAD).
        main_device: the only one to use.
    """
    if model.architecture in SINGLE_SEQUENCE:
        n_sequences = 1
    if model.native_context_tokens:
        context_tokens = min(context_tokens, model.native_context_tokens)
    predicted = predicted_bytes(model, context_tokens * n_sequences)
    chosen = chosen_devices(devices, predicted, is_spread=is_spread, main_device=main_device)
    has_flash = all(map(supports_flash_attention, chosen)) if is_flash_attention is None else is_flash_attention
    if n_batch_tokens is None:
        n_batch_tokens = automatic_batch(
            context_tokens * n_sequences, predicted, chosen, is_flash_attention=has_flash
        )  # fmt: skip
    return Launch(
        context_tokens=context_tokens,
        n_sequences=n_sequences,
        is_flash_attention=has_flash,
        n_batch_tokens=n_batch_tokens,
        devices=chosen,
        predicted_bytes=predicted,
    )


def default_context(devices: Sequence[Place], overhead_bytes: int = 0) -> int:
    """The context that it takes unasked."""
    total = sum(max(0, place.total_bytes - overhead_bytes) for place in devices)
    return next(tokens for least, tokens in CONTEXT_TIERS if total >= least)


def predicted_bytes(model: Model, context_tokens: int) -> int:
    """The file and a float16 cache of equal layers; windows, latents and quantised caches are not looked at."""
    n_file = model.file_bytes
    if not n_file or n_file < MIB:
        n_file = sum(stored_bytes(tensor.type, tensor.shape) for tensor in model.tensors)
    counts = [layer.key_width // model.head_width for layer in model.layers if layer.key_width and model.head_width]
    n_kv_heads = max(1, min(counts, default=1))
    head_width = model.embedding_width // model.n_heads if model.n_heads else 0
    return n_file + 2 * model.n_layers * n_kv_heads * head_width * context_tokens * 2


def chosen_devices(
    devices: Sequence[Place], predicted: int, *, is_spread: bool = False, main_device: int | None = None
) -> tuple[Place, ...]:
    """One device where the prediction has room on it, else all of a kind; `selectLlamaServerPlacement`."""
    if len(devices) <= 1:
        return tuple(devices)
    if main_device is not None and 0 <= main_device < len(devices):
        return (devices[main_device],)
    if not is_spread:
        with_room = [place for place in devices if predicted <= place.free_bytes * PREDICTION_PERCENT // 100]
        if with_room:
            return (max(with_room, key=_preference),)
    kinds = dict.fromkeys(place.kind for place in devices)
    groups = [tuple(place for place in devices if place.kind == kind) for kind in kinds]
    return max(groups, key=lambda group: (any(p.draws_on is None for p in group), sum(p.free_bytes for p in group)))


def _preference(place: Place) -> tuple[bool, int]:
    """A device with memory of its own before one that shares the host's, then the freer one."""
    return place.draws_on is None, place.free_bytes


def supports_flash_attention(place: Place) -> bool:
    """`FlashAttentionSupported`, ml/device.go: of NVIDIA's from compute capability 6.0 on, but for 7.2."""
    if place.kind == "cuda" and place.compute_capability is not None:
        return place.compute_capability >= (6, 0) and place.compute_capability != (7, 2)
    return True


def automatic_batch(context_tokens: int, predicted: int, devices: Sequence[Place], *, is_flash_attention: bool) -> int:
    """Tokens of a step where nobody asks for a number; `automaticGenerationBatch`."""
    cuda = [place for place in devices if place.kind == "cuda"]
    if not is_flash_attention and cuda:
        is_small = any(min(place.free_bytes, place.total_bytes) <= 8 * GIB for place in cuda)
        return CONSTRAINED_BATCH_TOKENS if is_small and context_tokens > 4096 else PLAIN_BATCH_TOKENS
    free = sum(place.free_bytes for place in devices)
    wanted = next(n for least, n in BATCH_TIERS if context_tokens > least or least == 0)
    for _, n_tokens in BATCH_TIERS:
        if n_tokens <= wanted and (n_tokens == PLAIN_BATCH_TOKENS or _has_headroom(n_tokens, predicted, free)):
            return n_tokens
    return PLAIN_BATCH_TOKENS


def _has_headroom(n_tokens: int, predicted: int, free: int) -> bool:
    if not predicted or not free:
        return True
    threshold = free * PREDICTION_PERCENT // 100
    return (
        predicted <= free * BATCH_HEADROOM_PERCENT[n_tokens] // 100
        and predicted + BATCH_SURCHARGE_BYTES[n_tokens] <= threshold
    )

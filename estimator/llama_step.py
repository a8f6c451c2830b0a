"""The largest step that llama.cpp is asked for: the shape of its caches, how it attends, and how much it puts out."""

from dataclasses import replace

from estimator.builds import Build, build_of
from estimator.errors import Refused, Unjudgeable
from estimator.kernels import has_flash_kernel
from estimator.kv_cache import STORED_TYPES, CacheShape, cache_shape, layer_kinds
from estimator.ledger import Workload
from estimator.llama_options import Options
from estimator.model import Model
from estimator.quant import BLOCKS
from estimator.scratch import Step, is_encoder

MAX_SEQUENCES = 256
"""LLAMA_MAX_SEQ, src/llama-cparams.h."""
MOST_DRAFTED_TOKENS = 3
"""--spec-draft-n-max, common/common.h: so many drafted tokens are checked at once, each with its logits."""
WITHOUT_FLASH_ATTENTION = frozenset({"grok"})
"""llama.cpp turns it off for them, whatever was asked for (`llama_init_from_model`, src/llama-context.cpp)."""


def step_of(
    model: Model, shape: CacheShape, workload: Workload, options: Options, *, keeps_values_upright: bool
) -> Step:
    """Of a load whose ``options`` have flash attention only where it stays on.

    Args:
        model: as the file has it.
        shape: of its caches.
        workload: what the model is loaded for.
        options: how.
        keeps_values_upright: they are stored as for flash attention, which was turned off later.
    """
    n_tokens = min(shape.n_ubatch_tokens, shape.n_context_tokens)
    return Step(
        shape=shape,
        n_outputs=n_tokens if _makes_embeddings(model, options) else min(n_tokens, _n_outputs(shape, options)),
        is_flash_attention=options.is_flash_attention,
        key_type=STORED_TYPES[workload.kv_type],
        value_type=STORED_TYPES[options.value_type or workload.kv_type],
        keeps_values_upright=keeps_values_upright,
    )


def has_flash_attention(model: Model, options: Options, device_kind: str) -> bool:
    """Whether it stays on where it is asked for, as the default ``-fa auto`` does.

    It is turned off where the device that holds a layer has no kernel for its heads (`resolve` in
    src/llama-context.cpp).
    """
    if model.architecture in WITHOUT_FLASH_ATTENTION:
        return False
    if options.n_gpu_layers == 0 or not build_of(options.build).settles_attention:
        return True
    kinds, _ = layer_kinds(model)
    return all(has_flash_kernel(device_kind, model, layer) for layer in kinds)


def shape_of(workload: Workload, options: Options) -> CacheShape:
    """The shape of the caches.

    Raises:
        Unjudgeable: something that the engine does not know, or would refuse.
    """
    for kv_type in (workload.kv_type, options.value_type or workload.kv_type):
        if kv_type not in STORED_TYPES:
            raise Unjudgeable(f"llama.cpp knows no KV cache of type {kv_type!r}; {', '.join(STORED_TYPES)} are")
    # Of the keys it may be: "V cache quantization requires flash_attn" (llama_init_from_model, src/llama-context.cpp).
    value_type = options.value_type or workload.kv_type
    if BLOCKS[STORED_TYPES[value_type]].n_weights > 1 and not options.is_flash_attention:
        raise Refused(f"llama.cpp refuses a KV cache with values of type {value_type} without flash attention")
    if workload.n_sequences > MAX_SEQUENCES:
        raise Unjudgeable(f"llama.cpp takes up to {MAX_SEQUENCES} sequences, not {workload.n_sequences}")
    return cache_shape(
        workload,
        n_batch_tokens=options.n_batch_tokens,
        n_ubatch_tokens=options.n_ubatch_tokens,
        is_unified=options.is_kv_unified,
        is_full_window=options.is_full_window,
        is_flash_attention=options.is_flash_attention,
        build=_build(options),
    )


MOST_LATENT_WAYS = 3


def _build(options: Options) -> Build:
    """The build, and what its own options make of it."""
    build = build_of(options.build)
    told = {
        name: value
        for name, value in (
            ("latent_way", options.latent_way),
            ("attention_mib", options.attention_mib),
            ("fuses_experts", options.is_moe_fused or None),
        )
        if value is not None
    }
    if not told:
        return build
    if not build.is_fork:
        raise Unjudgeable("--mla-use, --attention-max-batch and --fused-moe are ik_llama.cpp's; say so with --build ik")
    if not 0 <= (options.latent_way or 0) <= MOST_LATENT_WAYS:
        raise Unjudgeable(f"ik_llama.cpp computes latent attention in ways 0 to {MOST_LATENT_WAYS}")
    return replace(build, **told)  # type: ignore[arg-type]


def _makes_embeddings(model: Model, options: Options) -> bool:
    """Whether every token is an output (`server_output_limits`, tools/server/server-context.cpp, with --embeddings)."""
    return is_encoder(model) or (model.kind == "embedding" and options.n_outputs is None)


def _n_outputs(shape: CacheShape, options: Options) -> int:
    if shape.build.reserves_all_outputs:
        return shape.n_step_tokens
    n_drafted = MOST_DRAFTED_TOKENS if options.draft_model else 0
    return options.n_outputs or shape.n_sequences * (1 + n_drafted)

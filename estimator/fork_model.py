"""A model with latent attention as ik_llama.cpp loads it: what it caches, and the matrices that it computes for that.

github.com/ikawrakow/ik_llama.cpp, `llm_prepare_mla` and `llama_kv_cache_init` in src/llama.cpp, 2025-06.
"""

from dataclasses import replace

from estimator.builds import Build
from estimator.derived import of_model, of_model_by
from estimator.model import Latent, Layer, Model, Tensor
from estimator.quant import BLOCKS

ARCHITECTURES = frozenset({"deepseek2"})


def settled(build: Build, model: Model) -> Build:
    """The way that is left to the model: only 1 where what expands the latents is missing and not computed yet."""
    if model.architecture not in ARCHITECTURES or latent_of(model) is None:
        return replace(build, latent_way=0) if build.latent_way else build
    if not build.has_key_values and "attn_kv_b" not in _matrices(model):
        return replace(build, latent_way=1)
    return build


@of_model_by(16)
def as_loaded(model: Model, build: Build, *, is_flash_attention: bool) -> Model:
    """The model with the layers' caches of that way, its latents named, and the computed matrices added."""
    latent = latent_of(model)
    if model.architecture not in ARCHITECTURES or latent is None:
        return model
    if build.latent_way:
        keeps_values = build.latent_way == 1 and not is_flash_attention
        kept = Layer(
            key_width=latent.key_value_rank + latent.rope_width,
            value_width=latent.key_value_rank if keeps_values else 0,
        )
    else:
        kept = Layer(
            key_width=model.n_heads * (latent.nope_width + latent.rope_width),
            value_width=model.n_heads * latent.value_width,
            n_kv_heads=model.n_heads,
        )
    layers = tuple(kept if layer.key_width else layer for layer in model.layers)
    return replace(model, layers=layers, latent=latent, tensors=(*model.tensors, *computed(model, latent, build)))


def latent_of(model: Model) -> Latent | None:
    """As the file says, or as its matrices show where it was converted before latents were cached."""
    if model.latent is not None:
        return model.latent
    matrices = _matrices(model)
    down, expand, norm = (matrices.get(name) for name in ("attn_kv_a_mqa", "attn_kv_b", "attn_kv_a_norm"))
    query = matrices.get("attn_q_b") or matrices.get("attn_q")
    if down is None or expand is None or norm is None or query is None or not model.n_heads:
        return None
    rank = norm.shape[0]
    rope = down.shape[1] - rank
    nope = query.shape[1] // model.n_heads - rope
    narrow = matrices.get("attn_q_a")
    return Latent(
        query_rank=narrow.shape[1] if narrow else None,
        key_value_rank=rank,
        rope_width=rope,
        nope_width=nope,
        value_width=expand.shape[1] // model.n_heads - nope,
    )


def computed(model: Model, latent: Latent, build: Build) -> tuple[Tensor, ...]:
    """Matrices that the file lacks and the way needs, in buffers of their own where the attention's weights lie."""
    found: list[Tensor] = []
    rank, n_heads = latent.key_value_rank, model.n_heads
    names = {tensor.name: tensor for tensor in model.tensors if ".attn_k" in tensor.name}
    for number in range(model.n_layers - model.n_predictor_layers):
        block = f"blk.{number}.attn_"
        expand, key = names.get(f"{block}kv_b.weight"), names.get(f"{block}k_b.weight")
        if build.latent_way and key is None and expand is not None:
            is_quantised = BLOCKS[expand.type].n_weights > 1
            key_type = "Q8_0" if is_quantised else expand.type
            found.append(Tensor(f"{block}k_b.weight", (latent.nope_width, rank, n_heads), key_type))
            found.append(Tensor(f"{block}v_b.weight", (rank, latent.value_width, n_heads), expand.type))
        if build.latent_way != 1 and expand is None and key is not None:
            is_quantised = BLOCKS[key.type].n_weights > 1
            shape = (rank, n_heads * (latent.nope_width + latent.value_width))
            found.append(Tensor(f"{block}kv_b.weight", shape, "Q8_0" if is_quantised else key.type))
    return tuple(found)


@of_model
def _matrices(model: Model) -> dict[str, Tensor]:
    """The first block's attention, by the name within the block."""
    prefix = "blk.0."
    return {
        tensor.name.removeprefix(prefix).removesuffix(".weight"): tensor
        for tensor in model.tensors
        if tensor.name.startswith(f"{prefix}attn_")
    }

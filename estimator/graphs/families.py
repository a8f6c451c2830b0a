"""Which builder writes the graph of which architecture."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple

from estimator.graph import Draft
from estimator.graphs.attention import AttentionTraits
from estimator.graphs.feed_forward import RouterTraits
from estimator.graphs.transformer import Transformer
from estimator.model import Model


def _no_variants(model: Model, layer: int) -> Hashable:
    del model, layer
    return None


class Family(NamedTuple):
    """How the graphs of an architecture are built."""

    build: Callable[[Draft], None]
    variant: Callable[[Model, int], Hashable] = _no_variants
    """What makes a layer's graph another one though its tensors and its cache are the same."""
    has_layer_inputs: bool = False
    """Every layer reads an input of its own. Devices get copies of theirs, which are there from the start, so that no
    layer may be left out where there are several."""
    has_layer_leaves: bool = False
    """Every layer has memory of its own from the start, so that none may be left out at all."""


def _on_windows(model: Model, layer: int) -> bool:
    """Layers with a sliding window are rotated, the others not (Cohere 2); all where there is none (EXAONE 4)."""
    has_windows = any(other.window_tokens for other in model.layers)
    return model.layers[layer].window_tokens is not None or not has_windows


def _on_windows_or_dense(model: Model, layer: int) -> bool:
    """As on windows, and the leading layers without experts too (Command A MoE)."""
    n_dense = model.experts.n_leading_dense_layers if model.experts else 0
    return layer < n_dense or _on_windows(model, layer)


def _three_of_four(model: Model, layer: int) -> bool:
    """Every fourth layer is not rotated (SmolLM 3, Llama 4)."""
    del model
    return (layer + 1) % 4 != 0


def _three_of_four_first(model: Model, layer: int) -> bool:
    """The first of four layers is not rotated where the others have windows (SmallThinker)."""
    has_windows = any(other.window_tokens for other in model.layers)
    return not has_windows or layer % 4 != 0


def _of_32(model: Model, layer: int) -> bool:
    """Baichuan's 7B rotates, its 13B has 40 layers and weighs scores by distance (src/models/baichuan.cpp)."""
    del layer
    return model.n_layers == 32


def _nowhere(model: Model, layer: int) -> bool:
    """No layer is rotated: places are added before the first one, or weigh upon the scores (ALiBi)."""
    del model, layer
    return False


def _is_sparse(model: Model, layer: int) -> bool:
    del model
    from estimator.graphs.gemma3n import N_SPARSE_LAYERS  # noqa: PLC0415  # as ``_deferred``

    return layer < N_SPARSE_LAYERS


def _is_windowed(model: Model, layer: int) -> bool:
    from estimator.graphs.encoder import is_windowed  # noqa: PLC0415  # as ``_deferred``

    return is_windowed(model, layer)


def _block_of(model: Model, layer: int) -> Hashable:
    from estimator.graphs.attended_residuals import block_of  # noqa: PLC0415  # as ``_deferred``

    return block_of(model, layer)


def _deferred(module: str, name: str, **traits: object) -> Callable[[Draft], None]:
    """A builder whose module is imported when a graph is built: all of them would take a start 6 ms.

    Args:
        module: of estimator.graphs.
        name: of the function there, or of the class of stacks.
        traits: of the stack.
    """

    def build(draft: Draft) -> None:
        found = getattr(import_module(f"estimator.graphs.{module}"), name)
        if isinstance(found, type):
            found(**traits).build(draft)
        else:
            found(draft)

    return build


def _build_stablelm(draft: Draft) -> None:
    is_parallel = not draft.has("blk.0.ffn_norm.weight")  # the 12B's
    Transformer(norm_operation="NORM", is_parallel=is_parallel, joins_attention=is_parallel).build(draft)


SOFTMAX = RouterTraits(is_fixed=True)
"""Softmax and normed, whatever the file says."""
UNNORMALISED = RouterTraits(is_normalised=False, is_fixed=True)
SIGMOID = RouterTraits(is_sigmoid=True, is_scaled=True)
PLAIN = Transformer()
GEMMA = AttentionTraits(scales_query=True)
UNPLACED = AttentionTraits(is_roped=_nowhere)
PLACED = Transformer(attention=UNPLACED, norm_operation="NORM", adds_positions=True)
GRANITE = Transformer(scales_embedding=True, scales_residuals=True, scales_logits=True, router=SOFTMAX)
COMMAND_R = Transformer(norm_operation="NORM", is_parallel=True, scales_logits=True)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        **{
            name: Family(build=PLAIN.build)
            for name in (
                "apertus",
                "bitnet",
                "chatglm",
                "deci",
                "deepseek2",
                "ernie4_5",
                "exaone",
                "internlm2",
                "mistral3",
                "mistral4",
                "pangu-embedded",
                "qwen",
                "qwen2",
                "qwen3",
                "xverse",
            )
        },
        **{name: Family(build=Transformer(n_positions=4).build) for name in ("paddleocr", "qwen2vl", "qwen3vl")},
        "llama": Family(build=Transformer(router=SOFTMAX).build),
        "qwen3moe": Family(build=Transformer(router=SOFTMAX).build),
        "qwen3vlmoe": Family(build=Transformer(router=SOFTMAX, n_positions=4).build),
        "qwen2moe": Family(build=Transformer(router=UNNORMALISED).build),
        "olmoe": Family(build=Transformer(router=UNNORMALISED).build),
        "ernie4_5-moe": Family(build=Transformer(router=SOFTMAX).build),
        "glm4moe": Family(build=Transformer(router=SIGMOID, feed_forward_norm="post_attention_norm").build),
        "minimax-m2": Family(build=Transformer(router=RouterTraits(is_sigmoid=True, is_fixed=True)).build),
        "glm4": Family(build=Transformer(has_post_norms=True).build),
        "seed_oss": Family(build=Transformer(feed_forward_norm="post_attention_norm").build),
        "gemma": Family(build=Transformer(attention=GEMMA, scales_embedding=True).build),
        "granite": Family(build=GRANITE.build),
        "granitemoe": Family(build=GRANITE.build),
        "command-r": Family(build=COMMAND_R.build),
        "cohere2": Family(build=replace(COMMAND_R, attention=AttentionTraits(is_roped=_on_windows)).build),
        "olmo2": Family(build=Transformer(has_post_norms=True).build),
        "exaone4": Family(
            build=Transformer(attention=AttentionTraits(is_roped=_on_windows), has_post_norms=True).build
        ),
        "smollm3": Family(
            build=Transformer(attention=AttentionTraits(is_roped=_three_of_four)).build, variant=_three_of_four
        ),
        "starcoder2": Family(build=Transformer(norm_operation="NORM").build),
        "stablelm": Family(build=_build_stablelm),
        "olmo": Family(build=Transformer(norm_operation="NORM", norms_without_weight=True).build),
        "gptneox": Family(build=Transformer(norm_operation="NORM", is_parallel=True).build),
        "gpt2": Family(build=PLACED.build),
        "starcoder": Family(build=PLACED.build),
        "bloom": Family(build=Transformer(attention=UNPLACED, norm_operation="NORM", norms_embedding=True).build),
        "phimoe": Family(build=Transformer(attention=GEMMA, adds_residual_first=True, router=SOFTMAX).build),
        "phi2": Family(
            build=Transformer(
                attention=GEMMA,
                norm_operation="NORM",
                is_parallel=True,
                parallel_sum=("attention", "feed-forward", "residual"),
            ).build
        ),
        "hunyuan-dense": Family(build=Transformer(attention=AttentionTraits(norms_after_rope=True)).build),
        "hunyuan-moe": Family(
            build=Transformer(attention=AttentionTraits(norms_after_rope=True), router=SOFTMAX).build
        ),
        "minicpm": Family(build=replace(GRANITE, scales_logits=False, scales_hidden=True).build),
        "llama4": Family(
            build=Transformer(
                attention=AttentionTraits(is_roped=_three_of_four, norms_without_weight=True),
                router=RouterTraits(is_sigmoid=True, is_normalised=False, chooses_by_logits=True, is_fixed=True),
            ).build,
            variant=_three_of_four,
        ),
        "falcon": Family(
            build=Transformer(
                norm_operation="NORM", is_parallel=True, parallel_sum=("feed-forward", "attention", "residual")
            ).build
        ),
        "mimo2": Family(build=Transformer(router=RouterTraits(is_sigmoid=True, is_fixed=True)).build),
        "afmoe": Family(
            build=Transformer(
                attention=AttentionTraits(is_roped=_three_of_four),
                router=SIGMOID,
                scales_embedding=True,
                has_post_norms=True,
                norms_before_rows=True,
            ).build,
            variant=_three_of_four,
        ),
        "step35": Family(
            build=Transformer(
                attention=AttentionTraits(factors_windows=False), router=SIGMOID, selects_after_stack=True
            ).build
        ),
        "laguna": Family(build=Transformer(router=SIGMOID).build),
        "hy_v3": Family(build=Transformer(router=SIGMOID, selects_normed=True).build),
        "muse-glimmer": Family(
            build=Transformer(
                attention=AttentionTraits(is_roped=_on_windows),
                norms_embedding=True,
                has_post_norms=True,
                norms_before_rows=True,
                scales_logits=True,
                caps_logits=True,
            ).build
        ),
        "cohere2moe": Family(
            build=Transformer(
                attention=AttentionTraits(is_roped=_on_windows_or_dense),
                router=RouterTraits(is_sigmoid=True),
                norm_operation="NORM",
                is_parallel=True,
                halves_shared=True,
                scales_logits=True,
                selects_normed=True,
            ).build,
            variant=_on_windows_or_dense,
        ),
        **{
            name: Family(build=_deferred("indexed_latent", "build"), has_layer_leaves=True)
            for name in ("deepseek32", "glm-dsa")
        },
        "kimi-linear": Family(build=_deferred("delta_attention", "build")),
        "baichuan": Family(build=Transformer(attention=AttentionTraits(is_roped=_of_32)).build),
        "refact": Family(build=Transformer(attention=UNPLACED).build),
        **{name: Family(build=Transformer(norm_operation="NORM").build) for name in ("codeshell", "orion")},
        **{
            name: Family(build=Transformer(attention=UNPLACED, norm_operation="NORM").build) for name in ("jais", "mpt")
        },
        "jais2": Family(build=Transformer(norm_operation="NORM", is_squared=True).build),
        "maincoder": Family(build=Transformer(attention=AttentionTraits(norms_after_rope=True)).build),
        "hunyuan_vl": Family(build=Transformer(attention=AttentionTraits(norms_after_rope=True), n_positions=4).build),
        "spark2_5": Family(build=PLAIN.build),
        "mellum": Family(build=Transformer(router=SOFTMAX).build),
        "bailingmoe": Family(build=Transformer(router=RouterTraits(is_normalised=False)).build),
        "dbrx": Family(
            build=Transformer(
                attention=AttentionTraits(clamps=True),
                norm_operation="NORM",
                router=SOFTMAX,
                feed_forward_norm="attn_output_norm",
            ).build
        ),
        "plamo": Family(
            build=Transformer(is_parallel=True, parallel_sum=("feed-forward", "attention", "residual")).build
        ),
        "openelm": Family(build=Transformer(adds_input_first=True).build),
        "deepseek4": Family(build=_deferred("compressed", "build"), has_layer_leaves=True),
        "kimi-k3": Family(build=_deferred("attended_residuals", "build"), variant=_block_of),
        "minimax-01": Family(build=_deferred("lightning", "build")),
        "minimax-m3": Family(build=_deferred("block_sparse", "build"), has_layer_inputs=True),
        "smallthinker": Family(build=_deferred("early_router", "build"), variant=_three_of_four_first),
        "grok": Family(build=_deferred("grok", "build")),
        "arctic": Family(build=_deferred("arctic", "build")),
        "minicpm3": Family(build=_deferred("expanded_latent", "build")),
        "deepseek2-ocr": Family(build=Transformer(router=RouterTraits(is_normalised=False)).build),
        "arcee": Family(build=Transformer(is_squared=True).build),
        "bailingmoe2": Family(build=Transformer(router=SIGMOID).build),
        "dots1": Family(build=Transformer(router=SIGMOID).build),
        "deepseek": Family(build=Transformer(router=UNNORMALISED).build),
        "exaone-moe": Family(build=Transformer(attention=AttentionTraits(is_roped=_on_windows), router=SIGMOID).build),
        "nemotron": Family(build=Transformer(norm_operation="NORM", is_squared=True).build),
        "nemotron_h": Family(build=_deferred("nemotron_h", "build")),
        "nemotron_h_moe": Family(build=_deferred("nemotron_h", "build")),
        "gemma3n": Family(build=_deferred("gemma3n", "build"), variant=_is_sparse, has_layer_inputs=True),
        "gemma4": Family(build=_deferred("gemma4", "build"), has_layer_inputs=True),
        "gemma-embedding": Family(build=_deferred("encoder", "build_gemma"), variant=_is_windowed),
        **{
            name: Family(build=_deferred("encoder", "build_bert"))
            for name in ("bert", "jina-bert-v2", "jina-bert-v3", "nomic-bert", "nomic-bert-moe")
        },
        **{name: Family(build=_deferred("encoder", "build_pre_normed")) for name in ("eurobert", "neo-bert")},
        "modern-bert": Family(build=_deferred("encoder", "build_pre_normed"), variant=_is_windowed),
        "phi3": Family(build=Transformer(attention=GEMMA, adds_residual_first=True).build),
        "qwen3next": Family(build=_deferred("delta_net", "DeltaNetStack")),
        "qwen35": Family(build=_deferred("delta_net", "DeltaNetStack", n_positions=4)),
        "qwen35moe": Family(build=_deferred("delta_net", "DeltaNetStack", n_positions=4)),
        "mamba": Family(build=_deferred("hybrid", "HybridStack")),
        "mamba2": Family(build=_deferred("hybrid", "HybridStack")),
        "jamba": Family(
            build=_deferred("hybrid", "HybridStack", attention=UNPLACED, router=UNNORMALISED, adds_residual_first=True)
        ),
        "granitehybrid": Family(build=_deferred("hybrid", "HybridStack", is_scaled=True)),
        "falcon-h1": Family(build=_deferred("hybrid", "build_falcon_h1")),
        "lfm2": Family(
            build=_deferred("hybrid", "HybridStack", adds_residual_first=True, output_norm="token_embd_norm.weight")
        ),
        "lfm2moe": Family(
            build=_deferred(
                "hybrid",
                "HybridStack",
                router=RouterTraits(is_sigmoid=True, is_fixed=True),
                adds_residual_first=True,
                output_norm="token_embd_norm.weight",
            )
        ),
        "gemma2": Family(
            build=Transformer(
                attention=AttentionTraits(scales_query=True, caps_scores=True),
                scales_embedding=True,
                has_post_norms=True,
                caps_logits=True,
            ).build
        ),
        "gemma3": Family(build=Transformer(attention=GEMMA, scales_embedding=True, has_post_norms=True).build),
        "gpt-oss": Family(
            build=Transformer(
                router=RouterTraits(is_delayed=True),
                feed_forward_norm="post_attention_norm",
                selects_after_stack=True,
            ).build
        ),
    }
)

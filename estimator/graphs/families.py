"""Which builder writes the graph of which architecture."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from estimator.graph import Draft
from estimator.graphs.attention import AttentionTraits
from estimator.graphs.delta_net import DeltaNetStack
from estimator.graphs.feed_forward import RouterTraits
from estimator.graphs.hybrid import HybridStack, build_falcon_h1
from estimator.graphs.transformer import Transformer
from estimator.model import Model


def _no_variants(model: Model, layer: int) -> Hashable:
    del model, layer
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How the graphs of an architecture are built."""

    build: Callable[[Draft], None]
    variant: Callable[[Model, int], Hashable] = _no_variants
    """What makes a layer's graph another one though its tensors and its cache are the same."""


PLAIN = Transformer()
GEMMA = AttentionTraits(scales_query=True)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "llama": Family(build=PLAIN.build),
        "qwen2": Family(build=PLAIN.build),
        "qwen3": Family(build=PLAIN.build),
        "qwen3moe": Family(build=PLAIN.build),
        "deepseek2": Family(build=PLAIN.build),
        "phi3": Family(build=Transformer(adds_residual_first=True).build),
        "qwen3next": Family(build=DeltaNetStack().build),
        "qwen35": Family(build=DeltaNetStack(n_positions=4).build),
        "qwen35moe": Family(build=DeltaNetStack(n_positions=4).build),
        "mamba2": Family(build=HybridStack().build),
        "granitehybrid": Family(build=HybridStack(is_scaled=True).build),
        "falcon-h1": Family(build=build_falcon_h1),
        "lfm2": Family(build=HybridStack(adds_residual_first=True, output_norm="token_embd_norm.weight").build),
        "lfm2moe": Family(
            build=HybridStack(
                router=RouterTraits(is_sigmoid=True), adds_residual_first=True, output_norm="token_embd_norm.weight"
            ).build
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

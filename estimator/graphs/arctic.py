"""Arctic: a dense network behind the attention, and experts that read the layer's own input beside both.

llama.cpp: src/models/arctic.cpp, as of 2026-10-01.
"""

from estimator.graph import Draft
from estimator.graphs.attention import AttentionTraits, attention
from estimator.graphs.feed_forward import RouterTraits, experts, feed_forward
from estimator.graphs.transformer import embedded, logits, output_rows

PLAIN = AttentionTraits()
ROUTER = RouterTraits(is_fixed=True)


def build(draft: Draft) -> None:
    """Write the whole graph."""
    draft.defer()
    x = embedded(draft)
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        found = attention(draft, layer, draft.norm(x, f"{block}attn_norm.weight"), PLAIN)
        found = draft.matrix("attn_out", f"{block}attn_output.weight", found)
        if layer == draft.last_layer:
            found, x = output_rows(draft, found, x)
        residual = draft.operation("ffn_inp", "ADD", found.shape, found, x)
        found = feed_forward(draft, layer, draft.norm(residual, f"{block}ffn_norm.weight"))
        dense = draft.operation("ffn_out", "ADD", found.shape, found, residual)
        found = experts(draft, layer, draft.norm(x, f"{block}ffn_norm_exps.weight"), ROUTER)
        x = draft.operation("l_out", "ADD", found.shape, found, dense)
    logits(draft, x)

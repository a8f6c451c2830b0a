"""Grok: norms before and after, and a dense network beside the experts (Grok 2).

llama.cpp: src/models/grok.cpp and the scores' tanh in `build_attn_mha` (src/llama-graph.cpp), as of 2026-10-01.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import AttentionTraits, attention
from estimator.graphs.feed_forward import RouterTraits, experts, feed_forward
from estimator.graphs.transformer import embedded, logits, output_rows

ATTENTION = AttentionTraits(caps_scores=True)
ROUTER = RouterTraits(is_fixed=True)


def build(draft: Draft) -> None:
    """Write the whole graph."""
    draft.defer()
    x = embedded(draft)
    x = draft.operation("inp_scaled", "SCALE", x.shape, x)
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        found = attention(draft, layer, draft.norm(x, f"{block}attn_norm.weight"), ATTENTION)
        found = draft.matrix("attn_out", f"{block}attn_output.weight", found)
        if layer == draft.last_layer:
            found, x = output_rows(draft, found, x)
        found = draft.norm(found, f"{block}attn_output_norm.weight")
        residual = draft.operation("ffn_inp", "ADD", found.shape, found, x)
        found = _fed_forward(draft, layer, draft.norm(residual, f"{block}ffn_norm.weight"))
        last_norm = f"{block}layer_output_norm.weight"
        found = draft.norm(found, last_norm if draft.has(last_norm) else f"{block}post_ffw_norm.weight")
        x = draft.operation("l_out", "ADD", found.shape, found, residual)
    logits(draft, x, is_scaled=True, is_capped=True)


def _fed_forward(draft: Draft, layer: int, x: Node) -> Node:
    found = experts(draft, layer, x, ROUTER)
    if not draft.has(f"blk.{layer}.ffn_up.weight"):
        return found
    both = draft.operation("ffn_both", "ADD", found.shape, feed_forward(draft, layer, x), found)
    return draft.operation("ffn_out", "SCALE", both.shape, both)

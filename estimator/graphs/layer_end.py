"""The end of a layer as most builders of mixtures write it (src/models of llama.cpp, 2026-10-01)."""

from estimator.graph import Draft, Node
from estimator.graphs.feed_forward import RouterTraits, experts, feed_forward
from estimator.graphs.transformer import output_rows


def layer_end(draft: Draft, layer: int, attended: Node, x: Node, router: RouterTraits) -> Node:
    """What attention found goes out, joins the stream, and through the experts, or a dense layer in their place.

    Args:
        draft: of the graph.
        layer: its number.
        attended: before the output matrix.
        x: the stream that the layer was given.
        router: of its experts, where it has any.
    """
    block = f"blk.{layer}."
    found = draft.matrix("attn_out", f"{block}attn_output.weight", attended)
    if layer == draft.last_layer:
        found, x = output_rows(draft, found, x)
    residual = draft.operation("ffn_inp", "ADD", found.shape, found, x)
    normed = draft.norm(residual, f"{block}ffn_norm.weight")
    if draft.has(f"{block}ffn_gate_inp.weight"):
        found = experts(draft, layer, normed, router)
    else:
        found = feed_forward(draft, layer, normed)
    return draft.operation("l_out", "ADD", found.shape, found, residual)

"""SmallThinker: experts are chosen by what comes into the layer, before its attention.

llama.cpp: src/models/smallthinker.cpp, as of 2026-10-01.
"""

from estimator.graph import Draft
from estimator.graphs.attention import AttentionTraits, attention
from estimator.graphs.families import FAMILIES
from estimator.graphs.feed_forward import RouterTraits, experts_by
from estimator.graphs.transformer import embedded, logits, output_rows

ROUTER = RouterTraits()


def build(draft: Draft) -> None:
    """Write the whole graph."""
    draft.defer()
    traits = AttentionTraits(is_roped=lambda model, layer: bool(FAMILIES["smallthinker"].variant(model, layer)))
    router = ROUTER.for_model(draft.model.experts) if draft.model.experts else ROUTER
    x = embedded(draft)
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        choice = draft.matrix("ffn_moe_logits", f"{block}ffn_gate_inp.weight", x)
        found = attention(draft, layer, draft.norm(x, f"{block}attn_norm.weight"), traits)
        found = draft.matrix("attn_out", f"{block}attn_output.weight", found)
        if layer == draft.last_layer:
            found, x = output_rows(draft, found, x)
            shape = (choice.shape[0], draft.n_outputs)
            choice = draft.operation("ffn_moe_logits", "GET_ROWS", shape, choice, draft.output_rows)
        residual = draft.operation("ffn_inp", "ADD", found.shape, found, x)
        found = experts_by(draft, layer, draft.norm(residual, f"{block}ffn_norm.weight"), choice, router)
        x = draft.operation("l_out", "ADD", found.shape, found, residual)
    logits(draft, x)

"""Nemotron-H: every layer is a state space, attention, or a feed-forward network, and nothing else.

llama.cpp: src/models/nemotron-h.cpp and nemotron-h-moe.cpp, as of 2026-10-01. What a layer is, its tensors say.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import AttentionTraits, attention
from estimator.graphs.feed_forward import RouterTraits, experts_by, feed_forward
from estimator.graphs.mamba import mamba
from estimator.graphs.state import StateRows
from estimator.graphs.transformer import embedded, logits
from estimator.model import Model

ROUTER = RouterTraits(is_sigmoid=True, is_scaled=True)


def _never(model: Model, layer: int) -> bool:
    del model, layer
    return False


ATTENTION = AttentionTraits(is_roped=_never)


def build(draft: Draft) -> None:
    """Write the whole graph."""
    draft.defer()
    rows = StateRows(draft)
    x = embedded(draft)
    draft.expand(x)
    for layer in draft.layers:
        draft.begin_layer()
        found = _mixed(draft, rows, layer, draft.norm(x, f"blk.{layer}.attn_norm.weight"))
        x = draft.operation("nemotron_h_block_out", "ADD", x.shape, found, x)
    logits(draft, x, selects_rows=True)


def _mixed(draft: Draft, rows: StateRows, layer: int, x: Node) -> Node:
    block = f"blk.{layer}."
    if draft.has(f"{block}ssm_in.weight"):
        return mamba(draft, rows, layer, x)
    if draft.has(f"{block}attn_output.weight"):
        found = attention(draft, layer, x, ATTENTION)
        return draft.matrix("attn_out", f"{block}attn_output.weight", found)
    if draft.has(f"{block}ffn_gate_inp.weight"):
        return _routed(draft, layer, x)
    return feed_forward(draft, layer, x, is_squared=True)


def _routed(draft: Draft, layer: int, x: Node) -> Node:
    """Experts that may work on a narrower copy of the hidden state, and one that all tokens use."""
    block = f"blk.{layer}."
    shape = draft.model.experts
    if shape is None:
        raise ValueError("the model has no experts")
    inner = (
        draft.matrix("latent", f"{block}ffn_latent_down.weight", x)
        if draft.has(f"{block}ffn_latent_down.weight")
        else x
    )
    scores = draft.matrix("ffn_moe_logits", f"{block}ffn_gate_inp.weight", x)
    found = experts_by(draft, layer, inner, scores, ROUTER.for_model(shape), is_squared=True)
    if draft.has(f"{block}ffn_latent_up.weight"):
        found = draft.matrix("latent", f"{block}ffn_latent_up.weight", found)
    shared = feed_forward(draft, layer, x, suffix="_shexp", name="ffn_shexp", is_squared=True)
    return draft.operation("ffn_out", "ADD", found.shape, found, shared)

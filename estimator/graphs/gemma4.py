"""Gemma 4: layers with and without a window, of different widths, experts beside a network that all tokens use.

llama.cpp: src/models/gemma4.cpp, as of 2026-10-01.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import attend, attend_again, cache_inputs, heads_of, rope_factors, rotated
from estimator.graphs.feed_forward import RouterTraits, experts_by, feed_forward
from estimator.graphs.per_layer import PerLayerInputs, owner_of
from estimator.graphs.transformer import embedded, logits

ROUTER = RouterTraits(is_fixed=True)


def build(draft: Draft) -> None:
    """Write the whole graph."""
    draft.defer()
    x = embedded(draft)
    draft.expand(x)
    x = draft.operation("inp_scaled", "SCALE", x.shape, x)
    per_layer = PerLayerInputs(draft, x) if draft.has("per_layer_token_embd.weight") else None
    for layer in draft.layers:
        draft.begin_layer()
        x = _block(draft, layer, x, per_layer)
    logits(draft, x, selects_rows=True, is_capped=True)


def _block(draft: Draft, layer: int, x: Node, per_layer: PerLayerInputs | None) -> Node:
    block = f"blk.{layer}."
    found = _attended(draft, layer, draft.norm(x, f"{block}attn_norm.weight"))
    found = draft.matrix("attn_output", f"{block}attn_output.weight", found)
    found = draft.norm(found, f"{block}post_attention_norm.weight")
    residual = draft.operation("attn_out", "ADD", x.shape, found, x)
    found = _fed_forward(draft, layer, residual)
    found = draft.norm(found, f"{block}post_ffw_norm.weight")
    found = draft.operation("pe_in", "ADD", x.shape, found, residual)
    if per_layer is not None:
        added = per_layer.multiplied(draft, layer, found)
        found = draft.operation("l_out", "ADD", x.shape, found, added)
    scale = f"{block}layer_output_scale.weight"
    return draft.operation("l_out", "MUL", x.shape, found, draft.weight(scale)) if draft.has(scale) else found


def _attended(draft: Draft, layer: int, x: Node) -> Node:
    owner = owner_of(draft, layer)
    _, n_kv_heads, width, _ = heads_of(draft, owner)
    inputs = cache_inputs(draft, owner)
    factors = rope_factors(draft, layer) if draft.model.layers[owner].window_tokens is None else ()

    def placed(part: str, found: Node) -> Node:
        found = draft.view(f"{part}cur", "RESHAPE", (width, found.shape[0] // width, draft.n_tokens), found)
        found = draft.norm(found, f"blk.{layer}.attn_{part}_norm.weight")
        return draft.operation(f"{part}cur_pos", "ROPE", found.shape, found, draft.positions, *factors)

    query = placed("q", draft.matrix("qcur", f"blk.{layer}.attn_q.weight", x))
    query = rotated(draft, query, inputs.key_rotation)
    if owner != layer:
        return attend_again(draft, owner, query)
    keys = draft.matrix("kcur", f"blk.{layer}.attn_k.weight", x)
    has_values = draft.has(f"blk.{layer}.attn_v.weight")
    value = draft.matrix("vcur", f"blk.{layer}.attn_v.weight", x) if has_values else keys
    value = draft.view("vcur", "RESHAPE", (width, n_kv_heads, draft.n_tokens), value)
    value = draft.operation("vcur_normed", "RMS_NORM", value.shape, value)
    key = rotated(draft, placed("k", keys), inputs.key_rotation)
    return attend(draft, layer, query, key, rotated(draft, value, inputs.value_rotation))


def _fed_forward(draft: Draft, layer: int, x: Node) -> Node:
    """The network; with experts beside it, each normed, and both added."""
    block = f"blk.{layer}."
    if not draft.has(f"{block}ffn_gate_inp.weight"):
        return feed_forward(draft, layer, draft.norm(x, f"{block}ffn_norm.weight"))
    normed = draft.operation("router_in", "RMS_NORM", x.shape, x)
    normed = draft.operation("router_in", "SCALE", x.shape, normed)
    normed = draft.operation("router_in", "MUL", x.shape, normed, draft.weight(f"{block}ffn_gate_inp.scale"))
    scores = draft.matrix("ffn_moe_logits", f"{block}ffn_gate_inp.weight", normed)
    routed = experts_by(draft, layer, draft.norm(x, f"{block}pre_ffw_norm_2.weight"), scores, ROUTER)
    shared = feed_forward(draft, layer, draft.norm(x, f"{block}ffn_norm.weight"))
    shared = draft.norm(shared, f"{block}post_ffw_norm_1.weight")
    routed = draft.norm(routed, f"{block}post_ffw_norm_2.weight")
    return draft.operation("ffn_moe_combined", "ADD", x.shape, shared, routed)

"""MiniMax-01: linear attention with a decay for each head, whole steps at once, and every few layers plain attention.

llama.cpp: src/models/minimax-01.cpp, as of 2026-10-01. Residuals are what was normed, scaled.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import AttentionTraits, attention
from estimator.graphs.feed_forward import RouterTraits, experts
from estimator.graphs.state import StateRows, convolution_cache, read_state, state_cache, write_state
from estimator.graphs.transformer import embedded, logits, output_rows

PLAIN = AttentionTraits()
ROUTER = RouterTraits(is_fixed=True)


def build(draft: Draft) -> None:
    """Write the whole graph."""
    draft.defer()
    rows, decays = StateRows(draft), Decays(draft)
    x = embedded(draft)
    draft.expand(x)
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        normed = draft.norm(x, f"{block}attn_norm.weight")
        if draft.has(f"{block}attn_norm_2.weight"):
            found = _linear_attention(draft, rows, decays, layer, normed)
        else:
            found = attention(draft, layer, normed, PLAIN)
            found = draft.matrix("attn_out", f"{block}attn_output.weight", found)
        if layer == draft.last_layer:
            found, normed = output_rows(draft, found, normed)
        normed = draft.operation("residual_scaled", "SCALE", normed.shape, normed)
        residual = draft.operation("ffn_inp", "ADD", found.shape, found, normed)
        normed = draft.norm(residual, f"{block}ffn_norm.weight")
        found = experts(draft, layer, normed, ROUTER)
        normed = draft.operation("residual_scaled", "SCALE", normed.shape, normed)
        x = draft.operation("l_out", "ADD", found.shape, found, normed)
    logits(draft, x)


class Decays:
    """How much a token counts for those behind it, and for the state, before a layer scales it."""

    __slots__ = ("diagonal", "keys", "queries", "slopes")

    def __init__(self, draft: Draft) -> None:
        n_heads, n_sequences = draft.model.n_heads, draft.n_sequences
        n_tokens = draft.n_tokens // n_sequences
        self.slopes = draft.input("slopes", "F32", n_heads)
        self.queries = draft.input("q_decay_exp", "F32", 1, n_heads, n_tokens, n_sequences)
        self.keys = draft.input("k_decay_exp", "F32", 1, n_heads, n_tokens, n_sequences)
        self.diagonal = draft.input("diag_decay_exp", "F32", n_tokens, n_tokens, n_heads, n_sequences)


def _linear_attention(draft: Draft, rows: StateRows, decays: Decays, layer: int, x: Node) -> Node:
    """The layer's result behind its output matrix."""
    block, n_sequences, n_heads = f"blk.{layer}.", draft.n_sequences, draft.model.n_heads
    n_tokens = draft.n_tokens // n_sequences
    inner = draft.tensors[f"{block}attn_output.weight"][1][0]
    width = inner // n_heads
    read_state(draft, rows, convolution_cache(draft, layer))  # of no width, and read all the same
    cache = state_cache(draft, layer)
    old = read_state(draft, rows, cache)
    old = draft.view("kv_old", "RESHAPE", (width, width, n_heads, n_sequences), old)
    by_sequence = draft.view("attn_norm", "RESHAPE", (x.shape[0], n_tokens, 1, n_sequences), x)
    fused = draft.matrix("qkv", f"{block}attn_qkv.weight", by_sequence)
    fused = draft.operation("qkv_silu", "UNARY", fused.shape, fused)
    fused = draft.view("qkv_silu", "RESHAPE", (3 * width, n_heads, n_tokens, n_sequences), fused)
    outside, inside = (width, n_tokens, n_heads, n_sequences), (n_tokens, width, n_heads, n_sequences)

    def part(name: str) -> Node:
        spanned = fused.n_bytes - 4 * 2 * width
        shape = (width, n_heads, n_tokens, n_sequences)
        return draft.view(name, "VIEW", shape, fused, n_bytes=spanned, is_contiguous=False)

    def turned(name: str, of: Node, shape: tuple[int, ...]) -> Node:
        return draft.view(name, "PERMUTE", shape, of, n_bytes=of.n_bytes, is_contiguous=False)

    def decay(name: str, of: Node) -> Node:
        found = draft.operation(name, "SCALE", of.shape, of)
        return draft.operation(name, "UNARY", of.shape, found)

    query, key, value = part("q"), part("k"), part("v")
    decayed = draft.operation("q_s", "MUL", query.shape, query, decay("q_decay", decays.queries))
    before = draft.operation("qkv_none_diag", "MUL_MAT", outside, old, turned("q_s", decayed, outside))
    values = draft.operation("v_trans", "CONT", inside, turned("v", value, inside))
    scores = (n_tokens, n_tokens, n_heads, n_sequences)
    weights = draft.operation("qk", "MUL_MAT", scores, turned("k", key, outside), turned("q", query, outside))
    weights = draft.operation("qk_s", "MUL", scores, weights, decay("diag_decay", decays.diagonal))
    within = draft.operation("qkv_diag", "MUL_MAT", outside, values, weights)
    found = draft.operation("qkv", "ADD", outside, before, within)
    draft.expand(found)

    slopes = draft.operation("slope_rate", "SCALE", decays.slopes.shape, decays.slopes)
    slopes = draft.operation("slopes_neg", "SCALE", slopes.shape, slopes)
    slopes = draft.operation("block_decay", "UNARY", slopes.shape, slopes)
    kept = draft.operation("kv_old_s", "MUL", old.shape, old, draft.view("decay", "RESHAPE", (1, 1, n_heads), slopes))
    decayed = draft.operation("k_decayed", "MUL", key.shape, key, decay("k_decay", decays.keys))
    keys = draft.operation("k_trans", "CONT", inside, turned("k_decayed", decayed, inside))
    new = draft.operation("kv_cur", "MUL_MAT", old.shape, keys, values)
    new = draft.operation("kv_new", "ADD", old.shape, kept, new)
    write_state(draft, cache, new)

    shape = (width, n_heads, n_tokens, n_sequences)
    found = draft.operation("qkv_permuted", "CONT", shape, turned("qkv", found, shape))
    found = draft.view("qkv_permuted", "RESHAPE", (inner, n_tokens, 1, n_sequences), found)
    normed = draft.norm(found, f"{block}attn_norm_2.weight")
    gate = draft.matrix("g", f"{block}attn_gate.weight", by_sequence)
    gate = draft.operation("g_sigm", "UNARY", gate.shape, gate)
    found = draft.operation("gated", "MUL", gate.shape, gate, normed)
    found = draft.matrix("attn_out", f"{block}attn_output.weight", found)
    return draft.view("attn_out", "RESHAPE", (x.shape[0], draft.n_tokens), found)

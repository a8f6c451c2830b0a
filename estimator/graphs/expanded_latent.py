"""Latent attention whose keys and values are expanded before they are cached (MiniCPM3).

llama.cpp: src/models/minicpm3.cpp, as of 2026-10-01.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import attend, heads_of, rope_factors
from estimator.graphs.feed_forward import feed_forward
from estimator.graphs.latent import low_rank_query
from estimator.graphs.transformer import embedded, logits, output_rows


def build(draft: Draft) -> None:
    """Write the whole graph: embedding, residuals and hidden states are scaled."""
    draft.defer()

    def scaled(name: str, x: Node) -> Node:
        return draft.operation(name, "SCALE", x.shape, x)

    x = scaled("inp_scaled", embedded(draft))
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        found = _attended(draft, layer, draft.norm(x, f"{block}attn_norm.weight"))
        found = draft.matrix("attn_out", f"{block}attn_output.weight", found)
        if layer == draft.last_layer:
            found, x = output_rows(draft, found, x)
        residual = draft.operation("ffn_inp", "ADD", found.shape, scaled("hidden_scaled", found), x)
        found = feed_forward(draft, layer, draft.norm(residual, f"{block}ffn_norm.weight"))
        x = draft.operation("l_out", "ADD", found.shape, scaled("hidden_scaled_ffn", found), residual)
    logits(draft, x, scales_hidden=True)


def _attended(draft: Draft, layer: int, x: Node) -> Node:
    block, n_tokens = f"blk.{layer}.", draft.n_tokens
    n_heads, _, key_width, value_width = heads_of(draft, layer)
    rank = draft.tensors[f"{block}attn_kv_a_norm.weight"][1][0]
    rope = draft.tensors[f"{block}attn_kv_a_mqa.weight"][1][1] - rank
    nope = key_width - rope
    factors = rope_factors(draft, layer)
    query = draft.matrix("q", f"{block}attn_q_b.weight", low_rank_query(draft, layer, x))
    query = draft.view("q", "RESHAPE", (key_width, n_heads, n_tokens), query)
    query = draft.operation("q_states", "ROPE", query.shape, query, draft.positions, *factors)
    both = draft.matrix("kv_pe", f"{block}attn_kv_a_mqa.weight", x)
    apart = draft.view("k_pe", "VIEW", (rope, 1, n_tokens), both, is_contiguous=False)
    apart = draft.operation("k_pe", "ROPE", apart.shape, apart, draft.positions, *factors)
    apart = draft.operation("k_pe", "REPEAT", (rope, n_heads, n_tokens), apart)
    compressed = draft.view("kv_compressed", "VIEW", (rank, n_tokens), both, is_contiguous=False)
    expanded = draft.matrix(
        "kv", f"{block}attn_kv_b.weight", draft.norm(compressed, f"{block}attn_kv_a_norm.weight")
    )  # fmt: skip
    keys = draft.view("k_nope", "VIEW", (nope, n_heads, n_tokens), expanded, is_contiguous=False)
    keys = draft.operation("k_states", "CONCAT", (key_width, n_heads, n_tokens), keys, apart)
    values = draft.view("v_states", "VIEW", (value_width, n_heads, n_tokens), expanded, is_contiguous=False)
    values = draft.operation("v_states", "CONT", values.shape, values)
    return attend(draft, layer, query, keys, values)

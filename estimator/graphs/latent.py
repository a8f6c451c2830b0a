"""Multi-head latent attention (DeepSeek): one narrow latent per cell serves as key and as value of every head.

llama.cpp: src/models/deepseek2.cpp and `build_attn_mha` in src/llama-graph.cpp, as of 2026-10-01.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import by_stream, cache_inputs
from estimator.quant import BLOCKS, row_bytes


def latent_attention(draft: Draft, layer: int, x: Node) -> Node:
    """DeepSeek's: one latent per cell serves all heads, as key whole, as value without its rotated part."""
    latent, inputs = draft.model.latent, cache_inputs(draft, layer)
    if latent is None:
        raise ValueError("the model has no latent attention")
    block, n_tokens, step = f"blk.{layer}.", draft.n_tokens, draft.step
    rank, rope, n_heads = latent.key_value_rank, latent.rope_width, draft.model.n_heads
    key_width = rank + rope
    query = _latent_query(draft, layer, x)
    compressed = draft.matrix("kv_cmpr_pe", f"{block}attn_kv_a_mqa.weight", x)
    kept = draft.view("kv_cmpr", "VIEW", (rank, n_tokens), compressed, is_contiguous=False)
    kept = draft.norm(kept, f"{block}attn_kv_a_norm.weight")
    kept = draft.view("Vcur", "RESHAPE", (rank, 1, n_tokens), kept)
    roped = draft.view("k_pe", "VIEW", (rope, 1, n_tokens), compressed, is_contiguous=False)
    roped = draft.operation("k_pe", "ROPE", (rope, 1, n_tokens), roped, draft.positions)
    key = draft.operation("Kcur", "CONCAT", (key_width, 1, n_tokens), kept, roped)

    cache = draft.cache(f"cache_k_l{layer}", layer, step.key_type, key_width, inputs.n_cells, draft.n_streams)
    new = draft.view("k_cur", "VIEW", (key_width, n_tokens), key)
    draft.store("cache_k", cache, new, inputs.key_index)
    attend_latent = _flash_latent if step.is_flash_attention else _plain_latent
    return attend_latent(draft, layer, query, cache, n_heads=n_heads)


def _latent_query(draft: Draft, layer: int, x: Node) -> Node:
    """Each head's query with the key's expansion absorbed, and its rotated part behind."""
    latent, block, n_tokens = draft.model.latent, f"blk.{layer}.", draft.n_tokens
    assert latent is not None
    rank, rope, nope, n_heads = latent.key_value_rank, latent.rope_width, latent.nope_width, draft.model.n_heads
    if draft.has(f"{block}attn_q_a.weight"):
        narrow = draft.matrix("q", f"{block}attn_q_a.weight", x)
        narrow = draft.norm(narrow, f"{block}attn_q_a_norm.weight")
        full = draft.matrix("q", f"{block}attn_q_b.weight", narrow)
    else:
        full = draft.matrix("q", f"{block}attn_q.weight", x)
    full = draft.view("q", "RESHAPE", (nope + rope, n_heads, n_tokens), full)
    plain = draft.view("q_nope", "VIEW", (nope, n_heads, n_tokens), full, is_contiguous=False)
    plain = draft.view("q_nope", "PERMUTE", (nope, n_tokens, n_heads), plain, is_contiguous=False)
    weight = draft.weight(f"{block}attn_k_b.weight")
    absorbed = draft.operation("q_nope_absorbed", "MUL_MAT", (rank, n_tokens, n_heads), weight, plain)
    absorbed = draft.view("q_nope_absorbed", "PERMUTE", (rank, n_heads, n_tokens), absorbed, is_contiguous=False)
    roped = draft.view("q_pe", "VIEW", (rope, n_heads, n_tokens), full, is_contiguous=False)
    roped = draft.operation("q_pe", "ROPE", (rope, n_heads, n_tokens), roped, draft.positions)
    return draft.operation("Qcur", "CONCAT", (rank + rope, n_heads, n_tokens), absorbed, roped)


def _latent_cache(draft: Draft, cache: Node, n_cells: int) -> Node:
    shape = (cache.shape[0], 1, n_cells, draft.n_streams)
    return draft.view("cache_view", "VIEW", shape, cache, n_bytes=cache.n_bytes, is_contiguous=False)


def _latent_values(draft: Draft, whole: Node, n_cells: int) -> Node:
    """The view of the cache that serves as values; it ends before the last cell's rotated part."""
    latent = draft.model.latent
    assert latent is not None
    rank, n_bytes = latent.key_value_rank, whole.n_bytes - _row_bytes(whole.type, latent.rope_width)
    shape = (rank, 1, n_cells, draft.n_streams)
    found = draft.view("v_view", "VIEW", shape, whole, n_bytes=n_bytes, is_contiguous=False)
    shape = (rank, n_cells, 1, draft.n_streams)
    return draft.view("v", "PERMUTE", shape, found, n_bytes=n_bytes, is_contiguous=False)


def _row_bytes(type_name: str, n: int) -> int:
    return row_bytes(type_name, n) if n % BLOCKS[type_name].n_weights == 0 else 0


def _flash_latent(draft: Draft, layer: int, query: Node, cache: Node, *, n_heads: int) -> Node:
    latent, inputs = draft.model.latent, cache_inputs(draft, layer)
    assert latent is not None
    rank, value_width, n_cells = latent.key_value_rank, latent.value_width, inputs.n_cells
    n_streams, per_stream = draft.n_streams, draft.n_tokens // draft.n_streams
    q = by_stream(draft, query)
    whole = _latent_cache(draft, cache, n_cells)
    turned = (cache.shape[0], n_cells, 1, n_streams)
    k = draft.view("k", "PERMUTE", turned, whole, n_bytes=cache.n_bytes, is_contiguous=False)
    v = _latent_values(draft, whole, n_cells)
    found = draft.operation(
        "fattn", "FLASH_ATTN_EXT", (rank, n_heads, per_stream, n_streams), q, k, v, draft.mask(inputs)
    )  # fmt: skip
    found = draft.view("fattn_mla", "PERMUTE", (rank, per_stream, n_heads, n_streams), found, is_contiguous=False)
    weight = draft.weight(f"blk.{layer}.attn_v_b.weight")
    found = draft.operation("fattn_mla", "MUL_MAT", (value_width, per_stream, n_heads, n_streams), weight, found)
    shape = (value_width, n_heads, per_stream, n_streams)
    found = draft.view("fattn_mla", "PERMUTE", shape, found, is_contiguous=False)
    found = draft.operation("fattn_mla", "CONT", shape, found)
    return draft.view("kqv_out", "RESHAPE", (n_heads * value_width, draft.n_tokens), found)


def _plain_latent(draft: Draft, layer: int, query: Node, cache: Node, *, n_heads: int) -> Node:
    latent, inputs = draft.model.latent, cache_inputs(draft, layer)
    assert latent is not None
    rank, value_width, n_cells = latent.key_value_rank, latent.value_width, inputs.n_cells
    n_streams, per_stream = draft.n_streams, draft.n_tokens // draft.n_streams
    whole = _latent_cache(draft, cache, n_cells)
    values = _latent_values(draft, whole, n_cells)
    shape = (n_cells, rank, 1, n_streams)
    v = draft.view("v_trans", "TRANSPOSE", shape, values, n_bytes=values.n_bytes, is_contiguous=False)
    v = draft.operation("v_cont", "CONT", shape, v, type_name=cache.type)
    turned = (cache.shape[0], n_cells, 1, n_streams)
    k = draft.view("k", "PERMUTE", turned, whole, n_bytes=cache.n_bytes, is_contiguous=False)
    scores = draft.operation(
        "kq", "MUL_MAT", (n_cells, per_stream, n_heads, n_streams), k, by_stream(draft, query)
    )  # fmt: skip
    shares = draft.operation("kq_soft_max", "SOFT_MAX", scores.shape, scores, inputs.mask)
    found = draft.operation("kqv", "MUL_MAT", (rank, per_stream, n_heads, n_streams), v, shares)
    weight = draft.weight(f"blk.{layer}.attn_v_b.weight")
    found = draft.operation("kqv_mla", "MUL_MAT", (value_width, per_stream, n_heads, n_streams), weight, found)
    found = draft.view("kqv", "PERMUTE", (value_width, n_heads, per_stream, n_streams), found, is_contiguous=False)
    return draft.operation("kqv_out", "CONT", (n_heads * value_width, draft.n_tokens), found)

"""Multi-head latent attention (DeepSeek): one narrow latent per cell serves as key and as value of every head.

llama.cpp: src/models/deepseek2.cpp and `build_attn_mha` in src/llama-graph.cpp, as of 2026-10-01.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import by_stream, cache_inputs
from estimator.model import Latent
from estimator.quant import BLOCKS, row_bytes


def latent_attention(
    draft: Draft,
    layer: int,
    x: Node,
    *,
    narrow: Node | None = None,
    mask: Node | None = None,
    is_roped: bool = True,
) -> Node:
    """The attention's result before its output matrix, per token as wide as all heads' values.

    Args:
        draft: the graph.
        layer: whose attention.
        x: tokens, normed.
        narrow: the query's low rank, where something else reads it too.
        mask: instead of the cache's own.
        is_roped: the parts of queries and keys that are not in the latent are rotated by their place.
    """
    latent, inputs = _latent(draft), cache_inputs(draft, layer)
    step, key_width = draft.step, latent.key_value_rank + latent.rope_width
    query = _latent_query(draft, layer, x, narrow, is_roped=is_roped)
    value, key = _latent_key(draft, layer, x, is_roped=is_roped)
    for part in (query, value, key):
        draft.expand(part)
    cache = draft.cache(f"cache_k_l{layer}", layer, step.key_type, key_width, inputs.n_cells, draft.n_streams)
    new = draft.view("k_cur", "VIEW", (key_width, draft.n_tokens), key)
    draft.store("cache_k", cache, new, inputs.key_index)
    attend_latent = _flash_latent if step.is_flash_attention else _plain_latent
    if mask is None:
        mask = draft.mask(inputs)
    found = attend_latent(draft, layer, query, cache, mask)
    draft.expand(found)
    return found


def _latent(draft: Draft) -> Latent:
    if draft.model.latent is None:
        raise ValueError("the model has no latent attention")
    return draft.model.latent


def low_rank_query(draft: Draft, layer: int, x: Node) -> Node:
    """The query's low rank, normed."""
    block = f"blk.{layer}."
    narrow = draft.matrix("q", f"{block}attn_q_a.weight", x)
    return draft.norm(narrow, f"{block}attn_q_a_norm.weight")


def _latent_key(draft: Draft, layer: int, x: Node, *, is_roped: bool) -> tuple[Node, Node]:
    """(the latent, the latent with the part that is not in it behind)."""
    latent, block, n_tokens = _latent(draft), f"blk.{layer}.", draft.n_tokens
    rank, rope = latent.key_value_rank, latent.rope_width
    compressed = draft.matrix("kv_cmpr_pe", f"{block}attn_kv_a_mqa.weight", x)
    kept = draft.view("kv_cmpr", "VIEW", (rank, n_tokens), compressed, is_contiguous=False)
    kept = draft.norm(kept, f"{block}attn_kv_a_norm.weight")
    kept = draft.view("Vcur", "RESHAPE", (rank, 1, n_tokens), kept)
    apart = draft.view("k_pe", "VIEW", (rope, 1, n_tokens), compressed, is_contiguous=False)
    if is_roped:
        apart = draft.operation("k_pe", "ROPE", (rope, 1, n_tokens), apart, draft.positions)
    return kept, draft.operation("Kcur", "CONCAT", (rank + rope, 1, n_tokens), kept, apart)


def _latent_query(draft: Draft, layer: int, x: Node, narrow: Node | None, *, is_roped: bool) -> Node:
    """Each head's query with the key's expansion absorbed, and the part that is not in the latent behind."""
    latent, block, n_tokens = _latent(draft), f"blk.{layer}.", draft.n_tokens
    rank, rope, nope, n_heads = latent.key_value_rank, latent.rope_width, latent.nope_width, draft.model.n_heads
    if draft.has(f"{block}attn_q_a.weight"):
        narrow = narrow or low_rank_query(draft, layer, x)
        full = draft.matrix("q", f"{block}attn_q_b.weight", narrow)
    else:
        full = draft.matrix("q", f"{block}attn_q.weight", x)
    plain = draft.view("q_nope", "VIEW", (nope, n_heads, n_tokens), full, is_contiguous=False)
    plain = draft.view("q_nope", "PERMUTE", (nope, n_tokens, n_heads), plain, is_contiguous=False)
    weight = draft.weight(f"{block}attn_k_b.weight")
    absorbed = draft.operation("q_nope_absorbed", "MUL_MAT", (rank, n_tokens, n_heads), weight, plain)
    absorbed = draft.view("q_nope_absorbed", "PERMUTE", (rank, n_heads, n_tokens), absorbed, is_contiguous=False)
    apart = draft.view("q_pe", "VIEW", (rope, n_heads, n_tokens), full, is_contiguous=False)
    if is_roped:
        apart = draft.operation("q_pe", "ROPE", (rope, n_heads, n_tokens), apart, draft.positions)
    return draft.operation("Qcur", "CONCAT", (rank + rope, n_heads, n_tokens), absorbed, apart)


def _latent_cache(draft: Draft, cache: Node, n_cells: int) -> Node:
    shape = (cache.shape[0], 1, n_cells, draft.n_streams)
    return draft.view("cache_view", "VIEW", shape, cache, n_bytes=cache.n_bytes, is_contiguous=False)


def _latent_values(draft: Draft, whole: Node, n_cells: int) -> Node:
    """The view of the cache that serves as values; it ends before the last cell's rotated part."""
    latent = _latent(draft)
    rank, n_bytes = latent.key_value_rank, whole.n_bytes - _row_bytes(whole.type, latent.rope_width)
    shape = (rank, 1, n_cells, draft.n_streams)
    found = draft.view("v_view", "VIEW", shape, whole, n_bytes=n_bytes, is_contiguous=False)
    shape = (rank, n_cells, 1, draft.n_streams)
    return draft.view("v", "PERMUTE", shape, found, n_bytes=n_bytes, is_contiguous=False)


def _row_bytes(type_name: str, n: int) -> int:
    return row_bytes(type_name, n) if n % BLOCKS[type_name].n_weights == 0 else 0


def _flash_latent(draft: Draft, layer: int, query: Node, cache: Node, mask: Node) -> Node:
    latent, n_heads = _latent(draft), draft.model.n_heads
    rank, value_width, n_cells = latent.key_value_rank, latent.value_width, cache.shape[1]
    n_streams, per_stream = draft.n_streams, draft.n_tokens // draft.n_streams
    q = by_stream(draft, query)
    whole = _latent_cache(draft, cache, n_cells)
    turned = (cache.shape[0], n_cells, 1, n_streams)
    k = draft.view("k", "PERMUTE", turned, whole, n_bytes=cache.n_bytes, is_contiguous=False)
    v = _latent_values(draft, whole, n_cells)
    found = draft.operation(
        "fattn", "FLASH_ATTN_EXT", (rank, n_heads, per_stream, n_streams), q, k, v, mask
    )  # fmt: skip
    found = draft.view("fattn_mla", "PERMUTE", (rank, per_stream, n_heads, n_streams), found, is_contiguous=False)
    weight = draft.weight(f"blk.{layer}.attn_v_b.weight")
    found = draft.operation("fattn_mla", "MUL_MAT", (value_width, per_stream, n_heads, n_streams), weight, found)
    shape = (value_width, n_heads, per_stream, n_streams)
    found = draft.view("fattn_mla", "PERMUTE", shape, found, is_contiguous=False)
    found = draft.operation("fattn_mla", "CONT", shape, found)
    return draft.view("kqv_out", "RESHAPE", (n_heads * value_width, draft.n_tokens), found)


def _plain_latent(draft: Draft, layer: int, query: Node, cache: Node, mask: Node) -> Node:
    latent, n_heads = _latent(draft), draft.model.n_heads
    rank, value_width, n_cells = latent.key_value_rank, latent.value_width, cache.shape[1]
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
    shares = draft.operation("kq_soft_max", "SOFT_MAX", scores.shape, scores, mask)
    found = draft.operation("kqv", "MUL_MAT", (rank, per_stream, n_heads, n_streams), v, shares)
    weight = draft.weight(f"blk.{layer}.attn_v_b.weight")
    found = draft.operation("kqv_mla", "MUL_MAT", (value_width, per_stream, n_heads, n_streams), weight, found)
    found = draft.view("kqv", "PERMUTE", (value_width, n_heads, per_stream, n_streams), found, is_contiguous=False)
    return draft.operation("kqv_out", "CONT", (n_heads * value_width, draft.n_tokens), found)

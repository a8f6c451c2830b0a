"""Latent attention as ik_llama.cpp computes it: whole heads, or latents that are expanded for large steps.

github.com/ikawrakow/ik_llama.cpp, `build_deepseek2` in src/llama.cpp of 2025-03 to 2025-10 and in
src/llama-build-context.cpp since (its pulls 188, 235, 246, 260, 273 and 1211). ``-mla`` chooses the way, ``-amb`` how
many heads are computed at once.
"""

from estimator.fork_model import latent_of
from estimator.graph import Draft, Node
from estimator.graphs.attention import attend, cache_inputs
from estimator.model import Latent

LARGE_STEP_TOKENS = 128
"""From so many on, latents are expanded (`pp_opt`)."""
MIB = 1 << 20


def fork_latent_attention(draft: Draft, layer: int, x: Node) -> Node:
    """The attention's result before its output matrix."""
    latent = _latent(draft)
    if not draft.build.latent_way:
        return whole_heads(draft, layer, x)
    block, n_tokens, rank, rope = f"blk.{layer}.", draft.n_tokens, latent.key_value_rank, latent.rope_width
    plain, roped = _query(draft, layer, x, latent)
    key_rope, compressed = _compressed(draft, layer, x, latent)
    cache = draft.cache(
        f"cache_k_l{layer}", layer, draft.step.key_type, rank + rope, cache_inputs(draft, layer).n_cells
    )
    if _keeps_values(draft):
        _store_values(draft, layer, compressed, latent)
    turned = draft.view("k_rope_turned", "PERMUTE", (rope, n_tokens), key_rope, is_contiguous=False)
    both = draft.operation("kvr", "CONCAT", (rank + rope, n_tokens), turned, compressed)
    draft.write("kv_cache_view", "CPY", cache, both, cache)
    is_expanded = draft.build.latent_way > 1 and draft.step.is_flash_attention and n_tokens >= LARGE_STEP_TOKENS
    if is_expanded and draft.has_devices and not draft.build.expands_by_heads:
        found = _expanded_whole(draft, layer, cache, plain, roped, latent)
    elif is_expanded:
        found = _expanded(draft, layer, cache, plain, roped, latent)
    else:
        found = _absorbed(draft, layer, cache, plain, roped, latent)
        weight = draft.weight(f"{block}attn_v_b.weight")
        shape = (latent.value_width, n_tokens, draft.model.n_heads)
        found = draft.operation("kqv", "MUL_MAT", shape, weight, found)
        shape = (latent.value_width, draft.model.n_heads, n_tokens)
        found = draft.view("kqv_perm", "PERMUTE", shape, found, is_contiguous=False)
        found = draft.operation("kqv_perm", "CONT", shape, found)
        found = draft.view("kqv_2d", "VIEW", (latent.value_width * draft.model.n_heads, n_tokens), found)
    draft.expand(found)
    return found


def heads_at_once(n_heads: int, n_mib: int, limit_mib: int, *, halves: bool) -> int:
    """How many heads are expanded together where all of them need ``n_mib``; ``halves``: as before pull 1211."""
    if not limit_mib or n_mib <= limit_mib:
        return n_heads
    if halves:
        n = n_heads
        while n % 2 == 0 and n_mib > limit_mib:
            n, n_mib = n // 2, n_mib // 2
        return n
    for n_turns in range(2, n_heads):
        if n_heads % n_turns == 0 and n_mib // (n_heads // n_turns) <= limit_mib:
            return n_heads // n_turns
    return 1


def _latent(draft: Draft) -> Latent:
    latent = latent_of(draft.model)
    if latent is None:
        raise ValueError("the model has no latent attention")
    return latent


def _keeps_values(draft: Draft) -> bool:
    return draft.build.latent_way == 1 and not draft.step.is_flash_attention


def _query(draft: Draft, layer: int, x: Node, latent: Latent) -> tuple[Node, Node]:
    """(each head's part without a place, its rotated part)."""
    block, n_tokens, n_heads = f"blk.{layer}.", draft.n_tokens, draft.model.n_heads
    if draft.has(f"{block}attn_q_a.weight"):
        narrow = draft.norm(draft.matrix("q", f"{block}attn_q_a.weight", x), f"{block}attn_q_a_norm.weight")
        full = draft.matrix("q", f"{block}attn_q_b.weight", narrow)
    else:
        full = draft.matrix("q", f"{block}attn_q.weight", x)
    plain, roped = (
        draft.view(name, "VIEW", (width, n_heads, n_tokens), full, is_contiguous=False)
        for name, width in (("q_nope", latent.nope_width), ("q_rope", latent.rope_width))
    )
    roped = _contiguous(draft, roped)
    return plain, draft.operation("q_rope", "ROPE", roped.shape, roped, draft.positions)


def _compressed(draft: Draft, layer: int, x: Node, latent: Latent) -> tuple[Node, Node]:
    """(the rotated part that all heads' keys share, the latent)."""
    block, n_tokens = f"blk.{layer}.", draft.n_tokens
    both = draft.matrix("kv_rope_compressed", f"{block}attn_kv_a_mqa.weight", x)
    roped = draft.view("k_rope", "VIEW", (latent.rope_width, 1, n_tokens), both, is_contiguous=False)
    roped = _contiguous(draft, roped)
    roped = draft.operation("k_rope", "ROPE", roped.shape, roped, draft.positions)
    compressed = draft.view("kv_compressed", "VIEW", (latent.key_value_rank, n_tokens), both, is_contiguous=False)
    compressed = _contiguous(draft, compressed)
    return roped, draft.norm(compressed, f"{block}attn_kv_a_norm.weight")


def _contiguous(draft: Draft, x: Node) -> Node:
    """llama.cpp copied what it was to rotate or norm; ik_llama.cpp does not."""
    return x if draft.build.is_fork else draft.operation(x.name, "CONT", x.shape, x)


def _store_values(draft: Draft, layer: int, compressed: Node, latent: Latent) -> None:
    n_cells = cache_inputs(draft, layer).n_cells
    values = draft.cache(f"cache_v_l{layer}", layer, draft.step.value_type, latent.key_value_rank, n_cells)
    shape = (draft.n_tokens, latent.key_value_rank)
    column = draft.view("kv_compressed_trans", "TRANSPOSE", shape, compressed, is_contiguous=False)
    draft.write("kv_cache_trans_view", "CPY", values, column, values)


def _expanded(draft: Draft, layer: int, cache: Node, plain: Node, roped: Node, latent: Latent) -> Node:
    """Keys and values of the whole context as heads, some heads at once, each with flash attention of its own.

    They are float16, but on a host alone, which takes them as they are cached. Builds before pull 1211 compute the
    keys and values of all heads before any attention, so that all of them are there together.
    """
    block, n_heads, n_tokens = f"blk.{layer}.", draft.model.n_heads, draft.n_tokens
    inputs, rank, rope = cache_inputs(draft, layer), latent.key_value_rank, latent.rope_width
    n_cells, nope, value_width = inputs.n_cells, latent.nope_width, latent.value_width
    width = nope + value_width
    n_mib = width * n_heads * n_cells * 4 // MIB
    in_turn = draft.build.finishes_heads_in_turn
    n = heads_at_once(n_heads, n_mib, draft.build.attention_mib, halves=not in_turn)
    kept_type = "F16" if draft.has_devices else cache.type
    latents = draft.view("kv_cache_nope", "VIEW", (rank, n_cells), cache, n_bytes=cache.n_bytes, is_contiguous=False)
    key_rope = draft.view(
        "kv_cache_rope", "VIEW", (rope, n_cells, 1), cache, n_bytes=cache.n_bytes, is_contiguous=False
    )
    if cache.type != kept_type:
        key_rope = draft.operation("kv_cache_rope_f16", "CPY", key_rope.shape, key_rope, type_name=kept_type)
    key_rope = draft.operation("k_rope", "REPEAT", (rope, n_cells, n), key_rope, type_name=kept_type)
    query = draft.operation("q_concat", "CONCAT", (nope + rope, n_heads, n_tokens), roped, plain)
    query = draft.view("q_concat", "PERMUTE", (nope + rope, n_tokens, n_heads), query, is_contiguous=False)
    draft.expand(query)
    weight = draft.weight(f"{block}attn_kv_b.weight")
    found: Node | None = None
    for _ in range(n_heads // n):
        some = draft.view("wkv_b", "VIEW", (rank, width * n), weight)
        expanded = draft.operation("kv_f32", "MUL_MAT", (width * n, n_cells), some, latents)
        values = draft.view("v_f32", "VIEW", (value_width, n_cells, n), expanded, is_contiguous=False)
        keys = draft.view("k_nope_f32", "VIEW", (nope, n_cells, n), expanded, is_contiguous=False)
        values = draft.operation("v", "CPY", values.shape, values, type_name=kept_type)
        keys = draft.operation("k_nope", "CPY", keys.shape, keys, type_name=kept_type)
        draft.expand(keys)
        draft.expand(values)
        keys = draft.operation("k", "CONCAT", (nope + rope, n_cells, n), key_rope, keys, type_name=kept_type)
        draft.expand(keys)
        part = draft.view("q_iter", "VIEW", (nope + rope, n_tokens, n), query, is_contiguous=False)
        shape = (value_width, n, n_tokens)
        part = draft.operation("kqv", "FLASH_ATTN_EXT", shape, part, keys, values, draft.mask(inputs))
        part = draft.view("kqv", "RESHAPE", (value_width * n, n_tokens), part)
        if found is not None:
            part = draft.operation("kqv", "CONCAT", (found.shape[0] + part.shape[0], n_tokens), found, part)
        found = part
        if in_turn:
            draft.expand(found)
    assert found is not None
    return found


def _expanded_whole(draft: Draft, layer: int, cache: Node, plain: Node, roped: Node, latent: Latent) -> Node:
    """The same before pull 260, where there are devices: all heads at once, as float32 before they are float16."""
    n_heads, n_tokens, inputs = draft.model.n_heads, draft.n_tokens, cache_inputs(draft, layer)
    rank, rope, nope, value_width = latent.key_value_rank, latent.rope_width, latent.nope_width, latent.value_width
    n_cells = inputs.n_cells
    whole = draft.view("kv_cache_view", "VIEW", (rank + rope, n_cells), cache, n_bytes=cache.n_bytes)
    whole = draft.operation("kv_cache_view_f32", "CPY", whole.shape, whole)
    latents = draft.view("kv_cache_nope", "VIEW", (rank, n_cells), whole, is_contiguous=False)
    key_rope = draft.view("kv_cache_rope", "VIEW", (rope, 1, n_cells), whole, is_contiguous=False)
    expanded = draft.matrix("kv_f32", f"blk.{layer}.attn_kv_b.weight", latents)
    keys = draft.view("k_nope_f32", "VIEW", (nope, n_cells, n_heads), expanded, is_contiguous=False)
    key_rope = draft.operation("k_rope_f32", "REPEAT", (rope, n_heads, n_cells), key_rope)
    key_rope = draft.view("k_rope_f32", "PERMUTE", (rope, n_cells, n_heads), key_rope, is_contiguous=False)
    keys = draft.operation("k_f32", "CONCAT", (nope + rope, n_cells, n_heads), keys, key_rope)
    keys = draft.operation("k", "CPY", keys.shape, keys, type_name=cache.type)
    values = draft.view("v_f32", "VIEW", (value_width, n_cells, n_heads), expanded, is_contiguous=False)
    values = draft.operation("v", "CPY", values.shape, values, type_name=cache.type)
    query = draft.operation("q_concat", "CONCAT", (nope + rope, n_heads, n_tokens), plain, roped)
    query = draft.view("q_concat", "PERMUTE", (nope + rope, n_tokens, n_heads), query, is_contiguous=False)
    draft.expand(query)
    shape = (value_width, n_heads, n_tokens)
    found = draft.operation("kqv", "FLASH_ATTN_EXT", shape, query, keys, values, draft.mask(inputs))
    return draft.view("kqv", "RESHAPE", (value_width * n_heads, n_tokens), found)


def _absorbed(draft: Draft, layer: int, cache: Node, plain: Node, roped: Node, latent: Latent) -> Node:
    """Attention over the latents themselves, per head as wide as they are."""
    block, n_heads, n_tokens = f"blk.{layer}.", draft.model.n_heads, draft.n_tokens
    inputs, rank, width = cache_inputs(draft, layer), latent.key_value_rank, latent.key_value_rank + latent.rope_width
    n_cells, n_bytes = inputs.n_cells, cache.n_bytes
    weight = draft.weight(f"{block}attn_k_b.weight")
    plain = draft.view("q_nope_perm", "PERMUTE", (latent.nope_width, n_tokens, n_heads), plain, is_contiguous=False)
    absorbed = draft.operation("q_nope2", "MUL_MAT", (rank, n_tokens, n_heads), weight, plain)
    roped = draft.view("q_rope_perm", "PERMUTE", (latent.rope_width, n_tokens, n_heads), roped, is_contiguous=False)
    query = draft.operation("q", "CONCAT", (width, n_tokens, n_heads), roped, absorbed)
    keys = draft.view("kv_cache", "VIEW", (width, n_cells), cache, n_bytes=n_bytes)
    values = draft.view("kv_cache_lora", "VIEW", (rank, n_cells), cache, n_bytes=n_bytes, is_contiguous=False)
    if draft.step.is_flash_attention and draft.build.latent_way != 2:
        shape = (rank, n_heads, n_tokens)
        found = draft.operation("kqv_compressed", "FLASH_ATTN_EXT", shape, query, keys, values, draft.mask(inputs))
        return draft.view("kqv_perm", "PERMUTE", (rank, n_tokens, n_heads), found, is_contiguous=False)
    if _keeps_values(draft):
        kept = draft.cache(f"cache_v_l{layer}", layer, draft.step.value_type, rank, n_cells)
        values = draft.view("kv_cache_trans", "VIEW", (n_cells, rank), kept, n_bytes=kept.n_bytes)
    else:
        turned = draft.view(
            "kv_cache_trans", "TRANSPOSE", (n_cells, rank), values, n_bytes=n_bytes, is_contiguous=False
        )
        values = draft.operation("kv_cache_trans", "CONT", (n_cells, rank), turned, type_name=cache.type)
    return _scored(draft, query, keys, values, draft.mask(inputs), n_cells=n_cells)


def _scored(draft: Draft, query: Node, keys: Node, values: Node, mask: Node, *, n_cells: int) -> Node:
    """Scores as a matrix, of all heads or of some at once."""
    width, n_tokens, n_heads = query.shape
    rank, limit_mib = values.shape[1], draft.build.attention_mib
    n_mib = n_cells * n_tokens * n_heads * 4 // MIB
    n_steps = 1 if limit_mib <= 0 or limit_mib >= n_mib else min(-(-n_mib // limit_mib), n_heads)
    n_each = -(-n_heads // n_steps)
    found: Node | None = None
    for first in range(0, n_heads, n_each):
        n = min(n_each, n_heads - first)
        part = query if n == n_heads else draft.view("q_i", "VIEW", (width, n_tokens, n), query)
        scores = draft.operation("kq", "MUL_MAT", (n_cells, n_tokens, n), keys, part)
        scores = draft.operation("kq_soft_max", "SOFT_MAX", scores.shape, scores, mask)
        some = draft.operation("kqv_compressed", "MUL_MAT", (rank, n_tokens, n), values, scores)
        if found is not None:
            some = draft.operation("kqv_compressed", "CONCAT", (rank, n_tokens, first + n), found, some)
        found = some
        if n < n_heads:
            draft.expand(found)
    assert found is not None
    return found


def whole_heads(draft: Draft, layer: int, x: Node) -> Node:
    """Keys and values of each head, cached as such: llama.cpp's only way until 2025-04."""
    latent = _latent(draft)
    block, n_heads, n_tokens = f"blk.{layer}.", draft.model.n_heads, draft.n_tokens
    nope, value_width, key_width = latent.nope_width, latent.value_width, latent.nope_width + latent.rope_width
    plain, roped = _query(draft, layer, x, latent)
    key_rope, compressed = _compressed(draft, layer, x, latent)
    both = draft.matrix("kv", f"{block}attn_kv_b.weight", compressed)
    keys, values = (
        draft.view(name, "VIEW", (width, n_heads, n_tokens), both, is_contiguous=False)
        for name, width in (("k_nope", nope), ("v_states", value_width))
    )
    values = draft.operation("v_states", "CONT", values.shape, values)
    query = draft.operation("q_states", "CONCAT", (key_width, n_heads, n_tokens), plain, roped)
    key_rope = draft.operation("k_rope", "REPEAT", roped.shape, key_rope)
    keys = draft.operation("k_states", "CONCAT", query.shape, keys, key_rope)
    return attend(draft, layer, query, keys, values)

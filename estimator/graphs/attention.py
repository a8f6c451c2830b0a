"""Attention over a cache of keys and values: separate or fused projections, rotation, flash or plain.

llama.cpp: `build_qkv`, `build_attn`, `build_attn_mha` in src/llama-graph.cpp and `get_k`, `cpy_k` in
src/llama-kv-cache.cpp, as of 2026-10-01.
"""

from dataclasses import dataclass
from math import prod

from estimator.graph import CacheInputs, Draft, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionTraits:
    """What an architecture's attention does that its tensors don't tell."""

    scales_query: bool = False
    """The query is scaled by an operation of its own."""
    caps_scores: bool = False
    """Scores go through a scaled tanh (Gemma 2)."""


def attention(draft: Draft, layer: int, x: Node, traits: AttentionTraits) -> Node:
    """The attention's result before its output matrix, per token as wide as all heads."""
    if draft.has(f"blk.{layer}.attn_qkv.weight"):
        query, key, value = _fused_projections(draft, layer, x)
    else:
        query, key, value = _projections(draft, layer, x, traits)
    return attend(draft, layer, query, key, value, caps_scores=traits.caps_scores)


def cache_inputs(draft: Draft, layer: int) -> CacheInputs:
    """The inputs of the cache that this layer keeps its cells in."""
    return draft.caches[draft.model.layers[layer].window_tokens]


def rope_factors(draft: Draft, layer: int) -> tuple[Node, ...]:
    """The frequencies' factors, of which every device that holds a layer has a copy."""
    if not draft.has("rope_freqs.weight"):
        return ()
    return (draft.weight("rope_freqs.weight", device=draft.layout.layer_devices[layer]),)


def _heads(draft: Draft, layer: int) -> tuple[int, int, int, int]:
    """(query heads, KV heads, key width, value width per head) of this layer."""
    kept = draft.model.layers[layer]
    key_width = draft.model.head_width
    n_kv_heads = max(1, kept.key_width // key_width)
    return draft.model.n_heads, n_kv_heads, key_width, kept.value_width // n_kv_heads


def _projections(draft: Draft, layer: int, x: Node, traits: AttentionTraits) -> tuple[Node, Node, Node]:
    n_heads, n_kv_heads, key_width, value_width = _heads(draft, layer)
    inputs = cache_inputs(draft, layer)

    def projected(part: str, n: int, width: int, *, is_roped: bool) -> Node:
        found = draft.matrix(f"{part}cur", f"blk.{layer}.attn_{part}.weight", x)
        found = draft.biased(found, f"blk.{layer}.attn_{part}.bias")
        found = draft.view(f"{part}cur", "RESHAPE", (width, n, draft.n_tokens), found)
        if draft.has(f"blk.{layer}.attn_{part}_norm.weight"):
            found = draft.norm(found, f"blk.{layer}.attn_{part}_norm.weight")
        if is_roped:
            found = draft.operation(
                f"{part}cur", "ROPE", found.shape, found, draft.positions, *rope_factors(draft, layer)
            )
        return found

    def query_of() -> Node:
        found = projected("q", n_heads, key_width, is_roped=True)
        if traits.scales_query:
            found = draft.operation("Qcur_scaled", "SCALE", found.shape, found)
        return rotated(draft, found, inputs.key_rotation)

    def key_of() -> Node:
        return rotated(draft, projected("k", n_kv_heads, key_width, is_roped=True), inputs.key_rotation)

    def value_of() -> Node:
        return rotated(draft, projected("v", n_kv_heads, value_width, is_roped=False), inputs.value_rotation)

    # The order in which a graph is expanded is the order in which it is executed: a cache with windows asks for the
    # keys first (`build_attn` for llm_graph_input_attn_kv_iswa), the plain one for the values.
    query = query_of()
    if draft.has_windows or not draft.build.computes_values_first:
        key = key_of()
        return query, key, value_of()
    value = value_of()
    return query, key_of(), value


def _fused_projections(draft: Draft, layer: int, x: Node) -> tuple[Node, Node, Node]:
    """One matrix for all three (Phi-3): its result stays alive while they are views into it."""
    n_heads, n_kv_heads, key_width, value_width = _heads(draft, layer)
    inputs = cache_inputs(draft, layer)
    fused = draft.matrix("wqkv", f"blk.{layer}.attn_qkv.weight", x)

    def part(name: str, n: int, width: int) -> Node:
        spanned = 4 * ((draft.n_tokens - 1) * fused.shape[0] + n * width)
        return draft.view(
            name, "VIEW", (width, n, draft.n_tokens), fused, n_bytes=spanned, is_contiguous=False
        )  # fmt: skip

    query = part("Qcur", n_heads, key_width)
    query = draft.operation("Qcur", "ROPE", query.shape, query, draft.positions)
    query = draft.operation("Qcur", "SCALE", query.shape, query)
    query = rotated(draft, query, inputs.key_rotation)
    value = part("Vcur", n_kv_heads, value_width)
    if inputs.value_rotation is not None:
        value = rotated(draft, draft.operation("Vcur_cont", "CONT", value.shape, value), inputs.value_rotation)
    key = part("Kcur", n_kv_heads, key_width)
    key = draft.operation("Kcur", "ROPE", key.shape, key, draft.positions)
    return query, rotated(draft, key, inputs.key_rotation), value


def rotated(draft: Draft, x: Node, rotation: Node | None) -> Node:
    """Multiplied by a Hadamard matrix, block by block, where the cache is quantised."""
    if rotation is None:
        return x
    width = rotation.shape[0]
    n_rows = prod(x.shape) // width
    blocks = draft.view("rot_in", "RESHAPE", (width, n_rows), x)
    blocks = draft.operation("rot", "MUL_MAT", (width, n_rows), rotation, blocks)
    return draft.view("rot_out", "RESHAPE", x.shape, blocks)


def attend(draft: Draft, layer: int, query: Node, key: Node, value: Node, *, caps_scores: bool = False) -> Node:
    """Write keys and values into the layer's cache, and attend to all of it."""
    kept, inputs, step = draft.model.layers[layer], cache_inputs(draft, layer), draft.step
    n_cells, n_streams = inputs.n_cells, draft.n_streams
    for part in (query, key, value) if draft.has_windows else (query, value, key):
        draft.expand(part)
    keys = draft.cache(f"cache_k_l{layer}", layer, step.key_type, kept.key_width, n_cells, n_streams)
    values = draft.cache(f"cache_v_l{layer}", layer, step.value_type, kept.value_width, n_cells, n_streams)
    new_keys = draft.view("k_cur", "VIEW", (kept.key_width, draft.n_tokens), key)
    draft.store("cache_k", keys, new_keys, inputs.key_index)
    new_values = draft.view("v_cur", "VIEW", (kept.value_width, draft.n_tokens), value, n_bytes=value.n_bytes)
    attend_cached = _flash_attention if step.is_flash_attention else _plain_attention
    return attend_cached(draft, layer, query, keys, values, new_values, caps_scores=caps_scores)


def by_stream(draft: Draft, query: Node) -> Node:
    """The query's tokens, one stream after another, heads outside."""
    width, n_heads, _ = query.shape
    per_stream = draft.n_tokens // draft.n_streams
    split = draft.view("q_stream", "VIEW", (width, n_heads, per_stream, draft.n_streams), query)
    return draft.view("q", "PERMUTE", (width, per_stream, n_heads, draft.n_streams), split, is_contiguous=False)


def cached(draft: Draft, cache: Node, width: int, n_heads: int, n_cells: int) -> Node:
    """A cache as attention reads it: heads outside, cells inside."""
    shape = (width, n_heads, n_cells, draft.n_streams)
    whole = draft.view("cache_view", "VIEW", shape, cache, n_bytes=cache.n_bytes, is_contiguous=False)
    turned = (width, n_cells, n_heads, draft.n_streams)
    return draft.view("cache_turned", "PERMUTE", turned, whole, n_bytes=cache.n_bytes, is_contiguous=False)


def _flash_attention(
    draft: Draft, layer: int, query: Node, keys: Node, values: Node, new_values: Node, *, caps_scores: bool
) -> Node:
    del caps_scores  # the kernel does it
    inputs = cache_inputs(draft, layer)
    n_heads, n_kv_heads, key_width, value_width = _heads(draft, layer)
    draft.store("cache_v", values, new_values, inputs.value_index)
    q = by_stream(draft, query)
    k = cached(draft, keys, key_width, n_kv_heads, inputs.n_cells)
    v = cached(draft, values, value_width, n_kv_heads, inputs.n_cells)
    per_stream = draft.n_tokens // draft.n_streams
    found = draft.operation(
        "fattn", "FLASH_ATTN_EXT", (value_width, n_heads, per_stream, draft.n_streams),
        q, k, v, draft.mask(inputs), *_sinks(draft, layer),
    )  # fmt: skip
    width = n_heads * value_width
    found = draft.view("kqv_out", "RESHAPE", (width, draft.n_tokens), found)
    draft.expand(found)
    if inputs.value_rotation is not None:
        found = rotated(draft, found, inputs.value_rotation)
    return found


def _sinks(draft: Draft, layer: int) -> tuple[Node, ...]:
    name = f"blk.{layer}.attn_sinks.weight"
    return (draft.weight(name),) if draft.has(name) else ()


def _plain_attention(
    draft: Draft, layer: int, query: Node, keys: Node, values: Node, new_values: Node, *, caps_scores: bool
) -> Node:
    """Scores as a matrix; values are stored transposed, so each of their elements is written by an index of its own."""
    inputs = cache_inputs(draft, layer)
    n_heads, n_kv_heads, key_width, value_width = _heads(draft, layer)
    n_cells, n_streams, per_stream = inputs.n_cells, draft.n_streams, draft.n_tokens // draft.n_streams
    in_column = (1, new_values.shape[0] * draft.n_tokens)
    column = draft.view("v_cur", "RESHAPE", in_column, new_values, n_bytes=new_values.n_bytes)
    elements = (1, values.shape[0] * n_cells * n_streams)
    flat = draft.view("cache_v_flat", "RESHAPE", elements, values, n_bytes=values.n_bytes)
    draft.store("cache_v", flat, column, inputs.value_index)
    v = draft.view(
        "cache_view", "VIEW", (n_cells, n_kv_heads, value_width, n_streams), values,
        n_bytes=values.n_bytes, is_contiguous=False,
    )  # fmt: skip
    v = draft.view(
        "v", "PERMUTE", (n_cells, value_width, n_kv_heads, n_streams), v, n_bytes=values.n_bytes, is_contiguous=False
    )
    k = cached(draft, keys, key_width, n_kv_heads, n_cells)
    scores = draft.operation(
        "kq", "MUL_MAT", (n_cells, per_stream, n_heads, n_streams), k, by_stream(draft, query)
    )  # fmt: skip
    if caps_scores:
        for name, op in (("kq_scaled_1", "SCALE"), ("kq_tanh", "UNARY"), ("kq_scaled_2", "SCALE")):
            scores = draft.operation(name, op, scores.shape, scores)
    shares = draft.operation(
        "kq_soft_max", "SOFT_MAX", scores.shape, scores, inputs.mask, *_sinks(draft, layer)
    )  # fmt: skip
    found = draft.operation("kqv", "MUL_MAT", (value_width, per_stream, n_heads, n_streams), v, shares)
    found = draft.view("kqv", "PERMUTE", (value_width, n_heads, per_stream, n_streams), found, is_contiguous=False)
    found = draft.operation("kqv_out", "CONT", (n_heads * value_width, draft.n_tokens), found)
    draft.expand(found)
    return found

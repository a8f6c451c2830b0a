"""Attention over a cache of keys and values: separate or fused projections, rotation, flash or plain.

llama.cpp: `build_qkv`, `build_attn`, `build_attn_mha` in src/llama-graph.cpp and `get_k`, `cpy_k` in
src/llama-kv-cache.cpp, as of 2026-10-01.
"""

from collections.abc import Callable
from math import prod

from estimator.graph import CacheInputs, Draft, Node, stored
from estimator.model import Model
from records.record import record


def every_layer(model: Model, layer: int) -> bool:
    """Layers are alike."""
    del model, layer
    return True


@record(frozen=True, slots=True, kw_only=True)
class AttentionTraits:
    """What an architecture's attention does that its tensors don't tell."""

    scales_query: bool = False
    """The query is scaled by an operation of its own."""
    caps_scores: bool = False
    """Scores go through a scaled tanh (Gemma 2)."""
    clamps: bool = False
    """What comes out of the fused projection is clamped (DBRX)."""
    is_roped: Callable[[Model, int], bool] = every_layer
    """Whether a layer's queries and keys are rotated by their place."""
    factors_windows: bool = True
    """Layers with a sliding window have their frequencies' factors too (Step 3.5: only the full ones)."""
    norms_after_rope: bool = False
    """Queries and keys are normed once they are rotated (Hunyuan)."""
    norms_without_weight: bool = False
    """Rotated queries and keys are normed by nothing but their length, and queries that are not are scaled by their
    place (Llama 4)."""


def attention(draft: Draft, layer: int, x: Node, traits: AttentionTraits) -> Node:
    """The attention's result before its output matrix, per token as wide as all heads."""
    if draft.has(f"blk.{layer}.attn_qkv.weight"):
        query, key, value = _fused_projections(draft, layer, x, traits)
    else:
        query, key, value = projections(draft, layer, x, traits)
    return attend(draft, layer, query, key, value, caps_scores=traits.caps_scores)


def gated(draft: Draft, layer: int, x: Node, found: Node) -> Node:
    """The attention's result times a gate that reads the layer's input; as it is where the model has none.

    The gate is one number per head (Step 3.5), or per element (Trinity).
    """
    weight = f"blk.{layer}.attn_gate.weight"
    if not draft.has(weight):
        return found
    n_gates = draft.tensors[weight][1][1]
    width = found.shape[0]
    if n_gates < width:
        found = draft.view("attn_heads", "RESHAPE", (width // n_gates, n_gates, draft.n_tokens), found)
    gate = draft.matrix("attn_gate", weight, x)
    gate = draft.operation("attn_gate_act", "UNARY", gate.shape, gate)
    if n_gates < width:
        gate = draft.view("attn_gate_heads", "RESHAPE", (1, n_gates, draft.n_tokens), gate)
    found = draft.operation("attn_gated", "MUL", found.shape, found, gate)
    return found if n_gates == width else draft.view("attn_gated", "RESHAPE", (width, draft.n_tokens), found)


def cache_inputs(draft: Draft, layer: int) -> CacheInputs:
    """The inputs of the cache that this layer keeps its cells in."""
    return draft.caches[draft.model.layers[layer].window_tokens]


def rope_factors(draft: Draft, layer: int) -> tuple[Node, ...]:
    """The frequencies' factors, of which every device that holds a layer has a copy.

    Of the two sets for short and for long contexts (Phi-3) one is read; they are of one size.
    """
    for name in ("rope_freqs.weight", "rope_factors_long.weight"):
        if draft.has(name):
            return (draft.weight(name, device=draft.layout.layer_devices[layer]),)
    return ()


def heads_of(draft: Draft, layer: int) -> tuple[int, int, int, int]:
    """(query heads, KV heads, key width, value width per head) of this layer."""
    model, kept = draft.model, draft.model.layers[layer]
    n_kv_heads = kept.n_kv_heads or max(1, kept.own_key_width // model.head_width)
    key_width, value_width = kept.own_key_width // n_kv_heads, kept.own_value_width // n_kv_heads
    query = draft.tensors.get(f"blk.{layer}.attn_q.weight")
    output = draft.tensors.get(f"blk.{layer}.attn_output.weight")
    if output is not None and value_width:
        n_heads = output[1][0] // value_width
    else:
        n_heads = model.n_heads if query is None else query[1][1] // key_width
    return n_heads, n_kv_heads, key_width, value_width


def projections(draft: Draft, layer: int, x: Node, traits: AttentionTraits) -> tuple[Node, Node, Node]:
    """(queries, keys, values) by a matrix each, placed, and rotated where the cache is quantised."""
    n_heads, n_kv_heads, key_width, value_width = heads_of(draft, layer)
    inputs = cache_inputs(draft, layer)

    def projected(part: str, n: int, width: int) -> Node:
        found = draft.matrix(f"{part}cur", f"blk.{layer}.attn_{part}.weight", x)
        found = draft.biased(found, f"blk.{layer}.attn_{part}.bias")
        norm = f"blk.{layer}.attn_{part}_norm.weight"
        is_normed_whole = n > 1 and draft.has(norm) and draft.tensors[norm][1] == (n * width,)
        if is_normed_whole:  # all heads together (OLMo 2)
            found = draft.norm(found, norm)
        found = draft.view(f"{part}cur", "RESHAPE", (width, n, draft.n_tokens), found)
        return _placed(draft, layer, part, found, traits, has_norm=not is_normed_whole and draft.has(norm))

    def query_of() -> Node:
        found = _scaled_query(draft, layer, projected("q", n_heads, key_width), traits)
        return rotated(draft, found, inputs.key_rotation)

    def key_of() -> Node:
        return rotated(draft, projected("k", n_kv_heads, key_width), inputs.key_rotation)

    def value_of() -> Node:
        return rotated(draft, projected("v", n_kv_heads, value_width), inputs.value_rotation)

    # The order in which a graph is expanded is the order in which it is executed: a cache with windows asks for the
    # keys first (`build_attn` for llm_graph_input_attn_kv_iswa), the plain one for the values.
    query = query_of()
    if draft.has_windows or not draft.build.computes_values_first:
        key = key_of()
        return query, key, value_of()
    value = value_of()
    return query, key_of(), value


def _placed(draft: Draft, layer: int, part: str, found: Node, traits: AttentionTraits, *, has_norm: bool) -> Node:
    """Normed and rotated, in the architecture's order; values are not rotated."""
    norm = f"blk.{layer}.attn_{part}_norm.weight"
    if has_norm and not traits.norms_after_rope:
        found = draft.norm(found, norm)
    if part == "v":
        return found
    is_roped = traits.is_roped(draft.model, layer)
    if is_roped:
        has_factors = traits.factors_windows or draft.model.layers[layer].window_tokens is None
        factors = rope_factors(draft, layer) if has_factors else ()
        found = draft.operation(f"{part}cur", "ROPE", found.shape, found, draft.positions, *factors)
    if traits.norms_without_weight and is_roped:
        found = draft.operation(f"{part}cur_normed", "RMS_NORM", found.shape, found)
    if has_norm and traits.norms_after_rope:
        found = draft.norm(found, norm)
    return found


def _scaled_query(draft: Draft, layer: int, query: Node, traits: AttentionTraits) -> Node:
    if traits.norms_without_weight and not traits.is_roped(draft.model, layer):
        return draft.operation("Qcur_scaled", "MUL", query.shape, query, draft.attention_scales)
    if traits.scales_query:
        return draft.operation("Qcur_scaled", "SCALE", query.shape, query)
    return query


def _fused_projections(draft: Draft, layer: int, x: Node, traits: AttentionTraits) -> tuple[Node, Node, Node]:
    """One matrix for all three (Phi-3): its result stays alive while they are views into it."""
    n_heads, n_kv_heads, key_width, value_width = heads_of(draft, layer)
    inputs = cache_inputs(draft, layer)
    fused = draft.matrix("wqkv", f"blk.{layer}.attn_qkv.weight", x)
    fused = draft.biased(fused, f"blk.{layer}.attn_qkv.bias")
    if traits.clamps:
        fused = draft.operation("wqkv_clamped", "CLAMP", fused.shape, fused)

    def part(name: str, n: int, width: int) -> Node:
        spanned = 4 * ((draft.n_tokens - 1) * fused.shape[0] + n * width)
        found = draft.view(
            f"{name}cur", "VIEW", (width, n, draft.n_tokens), fused, n_bytes=spanned, is_contiguous=False
        )
        return _placed(draft, layer, name, found, traits, has_norm=draft.has(f"blk.{layer}.attn_{name}_norm.weight"))

    query = _scaled_query(draft, layer, part("q", n_heads, key_width), traits)
    query = rotated(draft, query, inputs.key_rotation)
    value = rotated(draft, part("v", n_kv_heads, value_width), inputs.value_rotation)
    return query, rotated(draft, part("k", n_kv_heads, key_width), inputs.key_rotation), value


def rotated(draft: Draft, x: Node, rotation: Node | None) -> Node:
    """Multiplied by a Hadamard matrix, block by block, where the cache is quantised."""
    if rotation is None:
        return x
    width = rotation.shape[0]
    n_rows = prod(x.shape) // width
    if x.layout is None:  # part of a fused projection
        blocks = draft.operation("rot_in", "CONT", (width, n_rows), x)
    else:
        blocks = draft.view("rot_in", "RESHAPE", (width, n_rows), x)
    blocks = draft.operation("rot", "MUL_MAT", (width, n_rows), rotation, blocks)
    return draft.view("rot_out", "RESHAPE", x.shape, blocks)


def attend(draft: Draft, layer: int, query: Node, key: Node, value: Node, *, caps_scores: bool = False) -> Node:
    """Write keys and values into the layer's cache, and attend to all of it."""
    keys, values = remember(draft, layer, query, key, value)
    if draft.step.is_flash_attention:
        return _flash_attention(draft, layer, query, keys, values)
    return _plain_attention(draft, layer, query, keys, values, caps_scores=caps_scores)


def remember(draft: Draft, layer: int, query: Node, key: Node, value: Node) -> tuple[Node, Node]:
    """The layer's caches of keys and of values, with the new ones written."""
    kept, inputs = draft.model.layers[layer], cache_inputs(draft, layer)
    for part in (query, key, value) if draft.has_windows else (query, value, key):
        draft.expand(part)
    keys, values = _caches(draft, layer)
    new_keys = draft.view("k_cur", "VIEW", (kept.own_key_width, draft.n_tokens), key, n_bytes=key.n_bytes)
    draft.store("cache_k", keys, new_keys, inputs.key_index)
    by_token = (kept.own_value_width, draft.n_tokens)
    if value.layout is None and draft.step.transposes_values:  # part of a fused projection
        new_values = draft.operation("v_cont", "CONT", by_token, value)
    else:
        new_values = draft.view("v_cur", "VIEW", by_token, value, n_bytes=value.n_bytes)
    if not draft.step.transposes_values:
        draft.store("cache_v", values, new_values, inputs.value_index)
        return keys, values
    if kept.own_value_width < values.shape[0]:
        new_values = draft.operation("v_padded", "PAD", (values.shape[0], draft.n_tokens), new_values)
    in_column = (1, new_values.shape[0] * draft.n_tokens)
    column = draft.view("v_cur", "RESHAPE", in_column, new_values, n_bytes=new_values.n_bytes)
    flat = draft.view("cache_v_flat", "RESHAPE", (1, prod(values.shape)), values, n_bytes=values.n_bytes)
    draft.store("cache_v", flat, column, inputs.value_index)
    return keys, values


def attend_again(draft: Draft, owner: int, query: Node) -> Node:
    """Attend to what another layer keeps."""
    draft.expand(query)
    keys, values = _caches(draft, owner)
    if draft.step.is_flash_attention:
        return _flash_attention(draft, owner, query, keys, values)
    return _plain_attention(draft, owner, query, keys, values)


def _caches(draft: Draft, layer: int) -> tuple[Node, Node]:
    """Keys and values of a layer; transposed values are as wide as in the widest layer."""
    kept, step, n_cells = draft.model.layers[layer], draft.step, cache_inputs(draft, layer).n_cells
    value_width = kept.own_value_width
    if step.transposes_values:
        value_width = max(other.own_value_width for other in draft.model.layers)
    keys = draft.cache(f"cache_k_l{layer}", layer, step.key_type, kept.own_key_width, n_cells, draft.n_streams)
    return keys, draft.cache(f"cache_v_l{layer}", layer, step.value_type, value_width, n_cells, draft.n_streams)


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


def _flash_attention(draft: Draft, layer: int, query: Node, keys: Node, values: Node) -> Node:
    inputs = cache_inputs(draft, layer)
    _, n_kv_heads, key_width, value_width = heads_of(draft, layer)
    n_heads = query.shape[1]
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


def _turned_values(draft: Draft, values: Node, n_cells: int, n_heads: int, width: int) -> Node:
    """The cache of values with cells inside: it is stored so, or turned now."""
    n_streams = draft.n_streams
    shape = (n_cells, width, n_heads, n_streams)
    if not draft.step.transposes_values:
        v = cached(draft, values, width, n_heads, n_cells)
        v = draft.view("v_trans", "TRANSPOSE", shape, v, n_bytes=values.n_bytes, is_contiguous=False)
        return draft.operation("v_cont", "CONT", shape, v, type_name=values.type)
    # What a narrower layer does not use of its last stream is not part of the view.
    spanned = values.n_bytes - stored(values.type, (n_cells * (values.shape[0] - n_heads * width),))
    v = draft.view(
        "cache_view", "VIEW", (n_cells, n_heads, width, n_streams), values, n_bytes=spanned, is_contiguous=False
    )
    return draft.view("v", "PERMUTE", shape, v, n_bytes=spanned, is_contiguous=False)


def _sinks(draft: Draft, layer: int) -> tuple[Node, ...]:
    name = f"blk.{layer}.attn_sinks.weight"
    return (draft.weight(name),) if draft.has(name) else ()


def _plain_attention(
    draft: Draft, layer: int, query: Node, keys: Node, values: Node, *, caps_scores: bool = False
) -> Node:
    """Scores as a matrix; values are stored transposed, so each of their elements is written by an index of its own."""
    inputs = cache_inputs(draft, layer)
    _, n_kv_heads, key_width, value_width = heads_of(draft, layer)
    n_heads = query.shape[1]
    n_cells, n_streams, per_stream = inputs.n_cells, draft.n_streams, draft.n_tokens // draft.n_streams
    v = _turned_values(draft, values, n_cells, n_kv_heads, value_width)
    k = cached(draft, keys, key_width, n_kv_heads, n_cells)
    scores = draft.operation(
        "kq", "MUL_MAT", (n_cells, per_stream, n_heads, n_streams), k, by_stream(draft, query)
    )  # fmt: skip
    if caps_scores and draft.build.is_fork:
        scores = draft.operation("kq_softcap", "SOFTCAP", scores.shape, scores)
    elif caps_scores:
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

"""DeepSeek V4: keys that are values too, of which the latest are kept whole and earlier ones once for 4 or 128 tokens.

llama.cpp: src/models/deepseek4.cpp and src/llama-kv-cache-dsv4.cpp, as of 2026-10-01. Where 4 tokens are compressed to
one key, stretches overlap, and an indexer chooses among the keys.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import by_stream, rotated
from estimator.graphs.compressor import Compressor, key_rotation
from estimator.graphs.feed_forward import RouterTraits, experts
from estimator.graphs.indexed_latent import opened_mask
from estimator.graphs.latent import low_rank_query
from estimator.graphs.mixed_streams import first_streams, last_stream, mixed
from estimator.graphs.transformer import embedded, logits
from estimator.model import Compression

ROUTER = RouterTraits(is_root=True, is_scaled=True, is_fixed=True)


def build(draft: Draft) -> None:
    """Write the whole graph."""
    draft.defer()
    attention = CompressedAttention(draft)
    streams = first_streams(draft, embedded(draft))
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        part = mixed(draft, f"{block}hc_attn_", streams)
        found = attention.attended(draft, layer, draft.norm(part.x, f"{block}attn_norm.weight"))
        streams = part.joined(draft, found)
        part = mixed(draft, f"{block}hc_ffn_", streams)
        for node in (streams, part.post, part.combination):
            draft.expand(node)
        found = experts(draft, layer, draft.norm(part.x, f"{block}ffn_norm.weight"), ROUTER)
        streams = part.joined(draft, found)
    logits(draft, last_stream(draft, streams))


def compression_of(draft: Draft, layer: int) -> Compression:
    """How this layer keeps its keys."""
    found = draft.model.layers[layer].compression
    if found is None:
        raise ValueError("a layer does not say how it compresses")
    return found


class CompressedAttention:
    """The inputs of the latest tokens' cache, and what compresses to the two others and to the indexer's."""

    __slots__ = ("_by_ratio", "_indexer", "_key_index", "_key_rotation", "_mask", "_rotation")

    def __init__(self, draft: Draft) -> None:
        per_stream, step = draft.n_tokens // draft.n_streams, draft.step
        window = compression_of(draft, 0).window_tokens
        self._key_rotation = key_rotation(draft, "raw", compression_of(draft, 0))
        mask_type = "F16" if step.is_flash_attention else "F32"
        shape = (step.shape.layer_cells(window), per_stream, 1, draft.n_streams)
        self._mask = draft.input("raw_kq_mask", mask_type, *shape)
        self._key_index = draft.input("raw_k_idxs", "I64", draft.n_tokens)
        kinds = {layer.compression for layer in draft.model.layers if layer.compression and layer.compression.ratio}
        self._by_ratio = {kind.ratio: Compressor(draft, f"attn_{kind.ratio}", kind, mask_type) for kind in kinds}
        self._indexer: Compressor | None = None
        self._rotation: Node | None = None
        for kind in kinds:
            if kind.index_width:
                self._indexer = Compressor(draft, "lid", kind, "F16")
                self._rotation = draft.input("lid_k_rot", "F32", kind.index_width, kind.index_width)

    def attended(self, draft: Draft, layer: int, x: Node) -> Node:
        """The attention's result behind its output matrices."""
        block, n_tokens, kind = f"blk.{layer}.", draft.n_tokens, compression_of(draft, layer)
        n_heads, width = draft.model.n_heads, kind.width
        narrow = low_rank_query(draft, layer, x)
        query = draft.matrix("q", f"{block}attn_q_b.weight", narrow)
        query = draft.view("q", "RESHAPE", (width, n_heads, n_tokens), query)
        query = draft.operation("q_norm", "RMS_NORM", query.shape, query)
        query = draft.operation("q", "ROPE", query.shape, query, draft.positions)
        key = draft.norm(draft.matrix("kv", f"{block}attn_kv.weight", x), f"{block}attn_kv_a_norm.weight")
        key = draft.view("kv", "RESHAPE", (width, 1, n_tokens), key)
        key = draft.operation("kv", "ROPE", key.shape, key, draft.positions)
        query, key = rotated(draft, query, self._key_rotation), rotated(draft, key, self._key_rotation)
        compressor = self._by_ratio.get(kind.ratio)
        if compressor is not None:
            compressor.remember(draft, layer, x, "attn_compressor", rotation=compressor.rotation)
        if kind.index_width and self._indexer is not None:
            self._indexer.remember(draft, layer, x, "indexer_compressor", rotation=self._rotation)
        draft.expand(query)
        cells, n_streams = self._mask.shape[0], draft.n_streams
        cache = draft.cache(f"cache_k_l{layer}", layer, draft.step.key_type, width, cells, n_streams)
        draft.store("cache_k", cache, draft.view("k_cur", "VIEW", (width, n_tokens), key), self._key_index)
        keys = draft.view("raw_k", "VIEW", (width, 1, cells, n_streams), cache, n_bytes=cache.n_bytes)
        mask = self._mask
        if compressor is not None:
            kept = compressor.kept(draft, layer)
            all_keys = (width, 1, cells + kept.shape[2], n_streams)
            keys = draft.operation("k_all", "CONCAT", all_keys, keys, kept, type_name=cache.type)
            other = compressor.mask
            if kind.index_width:
                chosen = self._chosen(draft, layer, x, narrow)
                other = opened_mask(draft, other, chosen, zeros_type=other.type)
            shape = (cells + other.shape[0], *mask.shape[1:])
            mask = draft.operation("mask_all", "CONCAT", shape, mask, other, type_name=mask.type)
        found = rotated(draft, _attended(draft, layer, query, keys, mask), self._key_rotation)
        return _output(draft, block, found, n_heads, width)

    def _chosen(self, draft: Draft, layer: int, x: Node, narrow: Node) -> Node:
        """The numbers of the compressed keys to attend to."""
        block, n_tokens, n_streams = f"blk.{layer}.indexer.", draft.n_tokens, draft.n_streams
        indexer, rotation = self._indexer, self._rotation
        assert indexer is not None
        assert rotation is not None
        width, per_stream = rotation.shape[0], n_tokens // n_streams
        query = draft.matrix("lid_q", f"{block}attn_q_b.weight", narrow)
        n_heads = query.shape[0] // width
        query = draft.view("lid_q", "RESHAPE", (width, n_heads, n_tokens), query)
        query = draft.operation("lid_q", "ROPE", query.shape, query, draft.positions)
        query = draft.view("lid_q", "RESHAPE", (width, n_heads * n_tokens), query)
        query = draft.operation("lid_q", "MUL_MAT", query.shape, rotation, query)
        query = draft.view("lid_q", "RESHAPE", (width, n_heads, n_tokens), query)
        query = draft.view("lid_q", "VIEW", (width, n_heads, per_stream, n_streams), query)
        keys = indexer.kept(draft, layer)
        weights = draft.matrix("lid_weights", f"{block}proj.weight", x)
        weights = draft.operation("lid_weights", "SCALE", weights.shape, weights)
        weights = draft.view("lid_weights", "VIEW", (n_heads, per_stream, 1, n_streams), weights)
        shape = (keys.shape[2], per_stream, 1, n_streams)
        scores = draft.operation("lid_score", "LIGHTNING_INDEXER", shape, query, keys, weights, indexer.mask)
        shape = (min(keys.shape[2], draft.model.n_indexed_tokens), *shape[1:])
        best = draft.operation("top_k", "TOP_K", shape, scores, type_name="I32")
        return draft.operation("top_k", "CONT", shape, best, type_name="I32")


def _attended(draft: Draft, layer: int, query: Node, keys: Node, mask: Node) -> Node:
    """Over keys that are values too, (width, 1, cells, streams)."""
    width, _, n_cells, n_streams = keys.shape
    n_heads, per_stream = query.shape[1], draft.n_tokens // n_streams
    sinks = draft.weight(f"blk.{layer}.attn_sinks.weight")
    turned = (width, n_cells, 1, n_streams)
    q = by_stream(draft, query)
    k, v = (draft.view(name, "PERMUTE", turned, keys, n_bytes=keys.n_bytes) for name in ("k", "v"))
    flat = (width * n_heads, draft.n_tokens)
    if draft.step.is_flash_attention:
        found = draft.operation(
            "fattn", "FLASH_ATTN_EXT", (width, n_heads, per_stream, n_streams), q, k, v, mask, sinks
        )  # fmt: skip
        found = draft.view("kqv_out", "RESHAPE", flat, found)
    else:
        shape = (n_cells, width, 1, n_streams)
        v = draft.view("v_trans", "TRANSPOSE", shape, v, n_bytes=keys.n_bytes, is_contiguous=False)
        v = draft.operation("v_cont", "CONT", shape, v, type_name=keys.type)
        scores = draft.operation("kq", "MUL_MAT", (n_cells, per_stream, n_heads, n_streams), k, q)
        shares = draft.operation("kq_soft_max", "SOFT_MAX", scores.shape, scores, mask, sinks)
        found = draft.operation("kqv", "MUL_MAT", (width, per_stream, n_heads, n_streams), v, shares)
        found = draft.view("kqv", "PERMUTE", (width, n_heads, per_stream, n_streams), found, is_contiguous=False)
        found = draft.operation("kqv_out", "CONT", flat, found)
    draft.expand(found)
    return found


def _output(draft: Draft, block: str, found: Node, n_heads: int, width: int) -> Node:
    """Rotated back, and through a matrix of its own for each group of heads before the common one."""
    n_tokens = draft.n_tokens
    inner, narrow, n_groups = draft.tensors[f"{block}attn_output_a.weight"][1]
    found = draft.view("attn_heads", "RESHAPE", (width, n_heads, n_tokens), found)
    found = draft.operation("attn_derope", "ROPE_BACK", found.shape, found, draft.positions)
    found = draft.view("attn_groups", "RESHAPE", (inner, n_groups, n_tokens), found)
    found = draft.view("attn_groups", "PERMUTE", (inner, n_tokens, n_groups), found, is_contiguous=False)
    weight = draft.weight(f"{block}attn_output_a.weight")
    found = draft.operation("attn_wo_a", "MUL_MAT", (narrow, n_tokens, n_groups), weight, found)
    found = draft.view("attn_wo_a", "PERMUTE", (narrow, n_groups, n_tokens), found, is_contiguous=False)
    found = draft.operation("attn_wo_a", "CONT", (narrow * n_groups, n_tokens), found)
    return draft.matrix("attn_out", f"{block}attn_output_b.weight", found)

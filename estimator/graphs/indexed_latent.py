"""Latent attention to the tokens that an indexer chose (DeepSeek V3.2, GLM-5).

llama.cpp: src/models/deepseek32.cpp, glm-dsa.cpp and `build_attn` for llm_graph_input_attn_k_dsa in
src/llama-graph.cpp, as of 2026-10-01, with the fused operator that CPU and CUDA have. The indexer scores all cells with
narrow keys, which it caches for itself; the mask lets the best ones through. A layer without an indexer (GLM-5.2) uses
what the last one chose.
"""

from estimator.graph import CacheInputs, Draft, Node
from estimator.graphs.attention import cache_inputs
from estimator.graphs.feed_forward import RouterTraits
from estimator.graphs.latent import latent_attention, low_rank_query
from estimator.graphs.layer_end import layer_end
from estimator.graphs.transformer import embedded, logits

ROUTER = RouterTraits(is_sigmoid=True, is_scaled=True)


def build(draft: Draft) -> None:
    """Write the whole graph."""
    draft.defer()
    indexer = Indexer(draft)
    x = embedded(draft)
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        normed = draft.norm(x, f"{block}attn_norm.weight")
        narrow = low_rank_query(draft, layer, normed)
        chosen = indexer.chosen(draft, layer, normed, narrow)
        mask = masked(draft, cache_inputs(draft, layer), chosen)
        found = latent_attention(draft, layer, normed, narrow=narrow, mask=mask)
        x = layer_end(draft, layer, found, x, ROUTER)
    logits(draft, x)


class Indexer:
    """The inputs of its cache, and what it chose last."""

    __slots__ = ("_chosen", "_key_index", "_mask", "_n_cells", "_rotation", "_width")

    def __init__(self, draft: Draft) -> None:
        plain = draft.caches[None]
        self._width = draft.tensors["blk.0.indexer.attn_k.weight"][1][1]
        self._n_cells = plain.n_cells
        self._mask = draft.input("lid_kq_mask", "F16", *plain.mask.shape)
        self._key_index = draft.input("lid_k_idxs", "I64", draft.n_tokens)
        rotated_width = self._width & -self._width
        self._rotation = draft.input("lid_k_rot", "F32", rotated_width, rotated_width)
        self._chosen: Node | None = None

    def chosen(self, draft: Draft, layer: int, x: Node, narrow: Node) -> Node:
        """The numbers of the cells to attend to: (cells, tokens of a stream, 1, streams)."""
        if draft.has(f"blk.{layer}.indexer.attn_k.weight"):
            self._chosen = self._scored(draft, layer, x, narrow)
        if self._chosen is None:
            raise ValueError("the first layer has no indexer")
        return self._chosen

    def _scored(self, draft: Draft, layer: int, x: Node, narrow: Node) -> Node:
        block, n_streams = f"blk.{layer}.indexer.", draft.n_streams
        per_stream, width = draft.n_tokens // n_streams, self._width
        n_heads = draft.tensors[f"{block}proj.weight"][1][1]
        query = draft.matrix("indexer_q", f"{block}attn_q_b.weight", narrow)
        query = draft.view("indexer_q", "RESHAPE", (width, n_heads, draft.n_tokens), query)
        query = self._placed(draft, "indexer_q", query)
        cache = self._cached(draft, layer, x)
        weights = draft.matrix("indexer_weights", f"{block}proj.weight", x)
        query = draft.view("indexer_q", "VIEW", (width, n_heads, per_stream, n_streams), query)
        weights = draft.view("indexer_weights", "VIEW", (n_heads, per_stream, 1, n_streams), weights)
        weights = draft.operation("indexer_weights", "SCALE", weights.shape, weights)
        shape = (width, 1, self._n_cells, n_streams)
        keys = draft.view("indexer_k", "VIEW", shape, cache, n_bytes=cache.n_bytes)
        shape = (self._n_cells, per_stream, 1, n_streams)
        scores = draft.operation("indexer_score", "LIGHTNING_INDEXER", shape, query, keys, weights, self._mask)
        shape = (min(self._n_cells, draft.model.n_indexed_tokens), per_stream, 1, n_streams)
        best = draft.operation("top_k", "TOP_K", shape, scores, type_name="I32")
        return draft.operation("top_k", "CONT", shape, best, type_name="I32")

    def _placed(self, draft: Draft, name: str, x: Node) -> Node:
        """Rotated by its place, and by a Hadamard matrix."""
        x = draft.operation(name, "ROPE", x.shape, x, draft.positions)
        return draft.operation(name, "MUL_MAT", x.shape, self._rotation, x)

    def _cached(self, draft: Draft, layer: int, x: Node) -> Node:
        block, width, n_tokens = f"blk.{layer}.indexer.", self._width, draft.n_tokens
        key = draft.matrix("indexer_k", f"{block}attn_k.weight", x)
        key = draft.operation("norm", "NORM", key.shape, key)
        key = draft.operation("norm_w", "MUL", key.shape, key, draft.weight(f"{block}k_norm.weight"))
        key = draft.biased(key, f"{block}k_norm.bias")
        key = draft.view("indexer_k", "RESHAPE", (width, 1, n_tokens), key)
        key = self._placed(draft, "indexer_k", key)
        cache = draft.cache(f"cache_lid_l{layer}", layer, draft.step.key_type, width, self._n_cells, draft.n_streams)
        draft.store("cache_lid", cache, draft.view("indexer_k", "VIEW", (width, n_tokens), key), self._key_index)
        return cache


def masked(draft: Draft, inputs: CacheInputs, chosen: Node) -> Node:
    """The cache's mask with all cells shut but the chosen ones."""
    return opened_mask(draft, draft.mask(inputs), chosen)


def opened_mask(draft: Draft, mask: Node, chosen: Node, *, zeros_type: str = "F32") -> Node:
    """A mask with all cells shut but the chosen ones."""
    n_cells, per_stream, _, n_streams = mask.shape
    n_chosen = chosen.shape[0]
    shut = draft.operation("mask_all", "FILL", mask.shape, mask, type_name=mask.type)
    rows = draft.view("mask_all", "VIEW", (1, n_cells, per_stream, n_streams), shut)
    places = draft.view("top_k", "VIEW", (n_chosen, per_stream, n_streams), chosen)
    zeros = draft.leaf("zeros", zeros_type, 1, n_chosen, per_stream, n_streams)
    zeros = draft.operation("zeros", "FILL", zeros.shape, zeros, type_name=zeros_type)
    opened = draft.overwrite("mask_top_k", "SET_ROWS", rows, zeros, places, rows)
    opened = draft.view("mask_top_k", "VIEW", mask.shape, opened)
    return draft.operation("mask_top_k", "ADD", mask.shape, opened, mask, type_name=mask.type)

"""Attention to blocks of cells that an indexer chose, each group of heads its own (MiniMax M3).

llama.cpp: src/models/minimax-m3.cpp, as of 2026-10-01. It needs flash attention and a cache that sequences don't share;
otherwise all layers attend to everything. Buffers are reserved while the cache is empty, when there are two blocks.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import (
    AttentionTraits,
    attention,
    cache_inputs,
    heads_of,
    projections,
    remember,
    rotated,
)
from estimator.graphs.feed_forward import RouterTraits
from estimator.graphs.layer_end import layer_end
from estimator.graphs.transformer import embedded, logits

PLAIN = AttentionTraits()
ROUTER = RouterTraits(is_sigmoid=True, is_scaled=True)
BLOCK_TOKENS = 128
"""`sparse_block_size` of config.json, ``attention.indexer.block_size`` of a file."""
N_POSITIONS = 256
"""Of an empty cache (`llama_kv_cache_msa_context::get_n_pos`, src/llama-kv-cache-msa.cpp)."""
N_BLOCKS = N_POSITIONS // BLOCK_TOKENS


def build(draft: Draft) -> None:
    """Write the whole graph."""
    draft.defer()
    blocks = Blocks(draft)
    has_streams = draft.n_sequences in (1, draft.n_streams)
    x = embedded(draft)
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        normed = draft.norm(x, f"{block}attn_norm.weight")
        is_sparse = draft.has(f"{block}indexer.k_proj.weight") and draft.step.is_flash_attention and has_streams
        found = blocks.attended(draft, layer, normed) if is_sparse else attention(draft, layer, normed, PLAIN)
        x = layer_end(draft, layer, found, x, ROUTER)
    logits(draft, x)


class Blocks:
    """The inputs that say which cell belongs to which block, and the mask as float32."""

    __slots__ = ("_bias", "_block_of_cell", "_key_index", "_mask", "_mask_of_positions", "_slots")

    def __init__(self, draft: Draft) -> None:
        n_tokens, n_streams, n_cells = draft.n_tokens, draft.n_streams, draft.caches[None].n_cells
        self._key_index = draft.input("idx_k_idxs", "I64", n_tokens)
        self._bias = draft.input("msa_bias", "F32", N_BLOCKS, n_tokens)
        self._mask_of_positions = draft.input("msa_pos_mask", "F32", N_POSITIONS, n_tokens)
        self._slots = draft.input("msa_pos_slot", "I32", N_POSITIONS, n_streams)
        self._block_of_cell = draft.input("msa_cell_blk", "I32", n_cells, n_streams)
        self._mask: Node | None = None

    def attended(self, draft: Draft, layer: int, x: Node) -> Node:
        """The attention's result before its output matrix, per token as wide as all heads."""
        inputs = cache_inputs(draft, layer)
        query, key, value = projections(draft, layer, x, PLAIN)
        asked, index_cache = self._indexed(draft, layer, x)
        for part in (query, key, value):
            draft.expand(part)
        keys, values = remember(draft, layer, query, key, value)
        found: Node | None = None
        for _ in range(draft.n_streams):
            mask = self._opened(draft, asked, index_cache)
            one = self._of_stream(draft, layer, (query, keys, values), mask)
            if found is not None:
                one = draft.operation("kqv_out", "CONCAT", (one.shape[0], found.shape[1] + one.shape[1]), found, one)
            found = one
        assert found is not None
        return rotated(draft, found, inputs.value_rotation)

    def _indexed(self, draft: Draft, layer: int, x: Node) -> tuple[Node, Node]:
        """(the indexer's queries, its cache with the new keys)."""
        block, n_tokens, step = f"blk.{layer}.indexer.", draft.n_tokens, draft.step
        width = draft.model.layers[layer].index_key_width

        def projected(part: str) -> Node:
            found = draft.matrix(f"i{part}", f"{block}{part}_proj.weight", x)
            found = draft.view(f"i{part}", "RESHAPE", (width, found.shape[0] // width, n_tokens), found)
            found = draft.norm(found, f"{block}{part}_norm.weight")
            return draft.operation(f"i{part}", "ROPE", found.shape, found, draft.positions)

        asked, key = projected("q"), projected("k")
        n_cells = draft.caches[None].n_cells
        cache = draft.cache(f"cache_idx_l{layer}", layer, step.key_type, width, n_cells, draft.n_streams)
        draft.store("cache_idx", cache, draft.view("ik", "VIEW", (width, n_tokens), key), self._key_index)
        return asked, cache

    def _opened(self, draft: Draft, asked: Node, cache: Node) -> Node:
        """The mask of one stream, in which the blocks that are not chosen are shut: one for each group of heads."""
        n_groups, n_tokens, n_cells = asked.shape[1], draft.n_tokens // draft.n_streams, cache.shape[1]
        bias = draft.view("bias", "VIEW", (N_BLOCKS, 1, n_tokens), self._bias)
        chosen = self._chosen(draft, asked, cache, bias)
        flat = (1, N_BLOCKS, n_groups * n_tokens)
        shut = draft.operation("ninf", "SCALE", bias.shape, bias)
        shut = draft.operation("ninf", "CPY", bias.shape, shut, type_name="F16")
        shut = draft.operation("ninf", "REPEAT", (N_BLOCKS, n_groups, n_tokens), shut, type_name="F16")
        zeros = draft.operation("zero", "CPY", chosen.shape, chosen)
        zeros = draft.operation("zero", "SCALE", zeros.shape, zeros)
        zeros = draft.view("zero", "RESHAPE", flat, zeros)
        places = draft.view("idx", "RESHAPE", (N_BLOCKS, n_groups * n_tokens), chosen)
        rows = draft.view("ninf", "RESHAPE", flat, shut)
        opened = draft.overwrite("block_mask", "SET_ROWS", rows, zeros, places, rows)
        opened = draft.view("block_mask", "RESHAPE", (N_BLOCKS, n_groups, n_tokens), opened)
        by_group = (N_BLOCKS, n_tokens, n_groups)
        opened = draft.view("block_mask", "PERMUTE", by_group, opened, is_contiguous=False)
        opened = draft.operation("block_mask", "CONT", by_group, opened, type_name="F16")
        opened = draft.view("block_mask", "RESHAPE", (N_BLOCKS, n_tokens * n_groups), opened)
        turned = (n_tokens * n_groups, N_BLOCKS)
        opened = draft.view("block_mask", "TRANSPOSE", turned, opened, is_contiguous=False)
        opened = draft.operation("block_mask", "CONT", turned, opened, type_name="F16")
        numbers = draft.view("cell_blk", "VIEW", (n_cells,), self._block_of_cell)
        by_cell = draft.operation("cell_mask", "GET_ROWS", (n_tokens * n_groups, n_cells), opened, numbers)
        turned = (n_cells, n_tokens * n_groups)
        by_cell = draft.view("cell_mask", "TRANSPOSE", turned, by_cell, is_contiguous=False)
        by_cell = draft.operation("cell_mask", "CONT", turned, by_cell)
        by_cell = draft.view("cell_mask", "RESHAPE", (n_cells, n_tokens, n_groups), by_cell)
        mask = draft.view("mask_f32", "VIEW", (n_cells, n_tokens), self._whole_mask(draft))
        by_cell = draft.overwrite("cell_mask", "ADD", by_cell, by_cell, mask)
        shape = (n_cells, n_tokens, 1, n_groups)
        by_cell = draft.view("cell_mask", "RESHAPE", shape, by_cell)
        return draft.operation("msa_mask", "CPY", shape, by_cell, type_name="F16")

    def _chosen(self, draft: Draft, asked: Node, cache: Node, bias: Node) -> Node:
        """The best blocks of each group of heads, by their best position."""
        width, n_groups, _ = asked.shape
        n_tokens, n_cells = draft.n_tokens // draft.n_streams, cache.shape[1]
        whole = (width, 1, n_cells, draft.n_streams)
        keys = draft.view("ik_kv", "VIEW", whole, cache, n_bytes=cache.n_bytes)
        keys = draft.view("ik_s", "VIEW", (width, n_cells), keys)
        slots = draft.view("slots", "VIEW", (N_POSITIONS,), self._slots)
        keys = draft.operation("ikp", "GET_ROWS", (width, N_POSITIONS), keys, slots)
        asked = draft.view("iq_s", "VIEW", (width, n_groups, n_tokens), asked)
        asked = draft.view("iq_s", "RESHAPE", (width, n_groups * n_tokens), asked)
        scores = draft.operation("sc", "MUL_MAT", (N_POSITIONS, n_groups * n_tokens), keys, asked)
        scores = draft.view("sc", "RESHAPE", (N_POSITIONS, n_groups, n_tokens), scores)
        mask = draft.view("pos_mask", "VIEW", (N_POSITIONS, 1, n_tokens), self._mask_of_positions)
        scores = draft.overwrite("sc", "ADD", scores, scores, mask)
        shape = (N_BLOCKS, n_groups, n_tokens)
        best = draft.operation("bs", "POOL_2D", shape, scores)
        best = draft.operation("bsf", "ADD", shape, best, bias)
        return draft.operation("idx", "TOP_K", shape, best, type_name="I32")

    def _whole_mask(self, draft: Draft) -> Node:
        if self._mask is None:
            mask = draft.caches[None].mask
            self._mask = draft.operation("mask_f32", "CPY", mask.shape, mask)
        return self._mask

    def _of_stream(self, draft: Draft, layer: int, parts: tuple[Node, Node, Node], mask: Node) -> Node:
        """Flash attention of one stream, groups of heads outside."""
        query, keys, values = parts
        n_heads, n_groups, width, _ = heads_of(draft, layer)
        n_tokens, n_cells, n_each = draft.n_tokens // draft.n_streams, keys.shape[1], n_heads // n_groups
        q = draft.view("q_s", "VIEW", (width, n_heads, n_tokens), query)
        q = draft.view("q_s", "RESHAPE", (width, n_each, n_groups, n_tokens), q)
        q = draft.view("q_s", "PERMUTE", (width, n_tokens, n_each, n_groups), q, is_contiguous=False)

        def cached(name: str, cache: Node) -> Node:
            found = draft.view(name, "VIEW", (width, n_groups, n_cells, draft.n_streams), cache, n_bytes=cache.n_bytes)
            found = draft.view(name, "VIEW", (width, n_groups, n_cells), found)
            shape = (width, n_cells, 1, n_groups)
            return draft.view(name, "PERMUTE", shape, found, n_bytes=found.n_bytes, is_contiguous=False)

        k, v = cached("k_s", keys), cached("v_s", values)
        found = draft.operation("msa_fattn", "FLASH_ATTN_EXT", (width, n_each, n_tokens, n_groups), q, k, v, mask)
        shape = (width, n_each, n_groups, n_tokens)
        found = draft.view("msa_fattn", "PERMUTE", shape, found, is_contiguous=False)
        found = draft.operation("msa_fattn", "CONT", shape, found)
        return draft.view("kqv_out", "RESHAPE", (width * n_heads, n_tokens), found)

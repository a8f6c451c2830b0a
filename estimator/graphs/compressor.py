"""What makes one key of several tokens' (DeepSeek V4): the tokens that wait for it, and the weighing of them.

llama.cpp: `build_hca_compressed_kv_from_state` and `build_overlap_compressed_kv_from_state` in
src/models/deepseek4.cpp, `dsv4_build_reserve_comp_plan` in src/llama-kv-cache-dsv4.cpp, as of 2026-10-01.
"""

from estimator.graph import Draft, Node
from estimator.kv_cache import compressed_cells
from estimator.model import Compression
from estimator.quant import BLOCKS


def key_rotation(draft: Draft, tag: str, kind: Compression) -> Node | None:
    """The Hadamard matrix that keys are multiplied by where the cache is quantised."""
    if BLOCKS[draft.step.key_type].n_weights == 1:
        return None
    width = kind.width & -kind.width
    return draft.input(f"{tag}_k_rot", "F32", width, width)


class Compressor:
    """The inputs of one kind of compressed keys: attention's, by ratio, or the indexer's."""

    __slots__ = (
        "_is_overlapping", "_n_blocks", "_n_cells", "_n_waiting", "_persist_from", "_persist_to", "_places",
        "_positions", "_ratio", "_reads", "_tag", "_width", "_writes", "mask", "rotation",
    )  # fmt: skip

    def __init__(self, draft: Draft, tag: str, kind: Compression, mask_type: str) -> None:
        n_tokens, n_streams = draft.n_tokens, draft.n_streams
        self._tag, self._ratio, self._is_overlapping = tag, kind.ratio, kind.is_overlapping
        self._width = kind.index_width if tag == "lid" else kind.width
        self.rotation = key_rotation(draft, tag, kind)
        self._n_cells = compressed_cells(kind, draft.step.shape)
        self._n_blocks = n_tokens // kind.ratio + draft.n_sequences
        n_read = kind.ratio * self._n_blocks * (2 if kind.is_overlapping else 1)
        self._n_waiting = kind.n_waiting * draft.n_sequences
        n_persisting = min(n_tokens, self._n_waiting)
        self._places = draft.input(f"{tag}_state_pos", "I32", n_tokens)
        self._persist_from = draft.input(f"{tag}_persist_src", "I32", n_persisting)
        self._persist_to = draft.input(f"{tag}_persist_dst", "I32", n_persisting)
        self._reads = draft.input(f"{tag}_state_read", "I32", n_read)
        self._writes = draft.input(f"{tag}_state_write", "I64", self._n_blocks)
        self._positions = draft.input(f"{tag}_write_pos", "I32", self._n_blocks)
        self.mask = draft.input(f"{tag}_kq_mask", mask_type, self._n_cells, n_tokens // n_streams, 1, n_streams)

    def kept(self, draft: Draft, layer: int) -> Node:
        """The compressed keys as attention reads them: (width, 1, cells, streams)."""
        shape = (self._width, 1, self._n_cells, draft.n_streams)
        cache = self._cache(draft, layer)
        whole = draft.view("comp_cache", "VIEW", shape, cache, n_bytes=cache.n_bytes)
        return draft.view("comp_k", "VIEW", shape, whole, n_bytes=cache.n_bytes)

    def remember(self, draft: Draft, layer: int, x: Node, weights: str, *, rotation: Node | None = None) -> None:
        """Write the step's compressed keys, and the tokens that wait for the next."""
        name, width = f"blk.{layer}.{weights}", self._width
        new = draft.matrix("state_kv", f"{name}_kv.weight", x)
        score = draft.matrix("state_score", f"{name}_gate.weight", x)
        ape = draft.weight(f"{name}_ape.weight")
        score = draft.operation(
            "state_score", "ADD", score.shape, score,
            draft.operation("ape", "GET_ROWS", score.shape, ape, self._places),
        )  # fmt: skip
        states = [self._state(draft, layer, part) for part in ("kv", "score")]
        values, scores = (
            self._gathered(draft, state, part) for state, part in zip(states, (new, score), strict=True)
        )  # fmt: skip
        shares = draft.operation("weights", "SOFT_MAX", scores.shape, scores)
        found = draft.operation("comp", "MUL", values.shape, values, shares)
        found = draft.operation("comp", "SUM_ROWS", (1, width, self._n_blocks), found)
        turned = (width, 1, self._n_blocks)
        found = draft.operation("comp", "CONT", turned, draft.view("comp", "PERMUTE", turned, found))
        found = draft.norm(found, f"{name}_norm.weight")
        found = draft.operation("comp", "ROPE", turned, found, self._positions)
        if rotation is not None:
            found = draft.view("comp_rot", "RESHAPE", (width, self._n_blocks), found)
            found = draft.operation("comp_rot", "MUL_MAT", found.shape, rotation, found)
            found = draft.view("comp_rot", "RESHAPE", turned, found)
        cells = draft.view("comp_cur", "VIEW", (width, self._n_blocks), found)
        draft.store("cache_comp", self._cache(draft, layer), cells, self._writes)
        for state, part in zip(states, (new, score), strict=True):
            shape = (part.shape[0], self._persist_from.shape[0])
            rows = draft.operation("persist", "GET_ROWS", shape, part, self._persist_from)
            target = draft.view("state", "VIEW", state.shape, state)
            draft.write("state_persisted", "SET_ROWS", target, rows, self._persist_to, target)

    def _cache(self, draft: Draft, layer: int) -> Node:
        name = f"cache_{self._tag}_l{layer}"
        return draft.cache(name, layer, draft.step.key_type, self._width, self._n_cells, draft.n_streams)

    def _state(self, draft: Draft, layer: int, part: str) -> Node:
        width = self._width * (2 if self._is_overlapping else 1)
        return draft.cache(f"{self._tag}_state_{part}_l{layer}", layer, "F32", width, self._n_waiting)

    def _gathered(self, draft: Draft, state: Node, new: Node) -> Node:
        """Of each compressed key the tokens that go into it, innermost: (tokens, width, keys)."""
        width, n_rows = state.shape
        waiting = draft.view("state", "VIEW", state.shape, draft.view("state", "VIEW", state.shape, state))
        rows = draft.operation("state_all", "CONCAT", (width, n_rows + draft.n_tokens), waiting, new)
        if not self._is_overlapping:
            found = draft.operation("state_rows", "GET_ROWS", (width, self._reads.shape[0]), rows, self._reads)
            found = draft.view("state_rows", "RESHAPE", (width, self._ratio, self._n_blocks), found)
            return self._turned(draft, found)
        nothing = draft.view("zero_row", "VIEW", (width,), rows)
        nothing = draft.operation("zero_row", "SCALE", (width,), nothing)
        nothing = draft.view("zero_row", "RESHAPE", (width, 1), nothing)
        rows = draft.operation("state_all", "CONCAT", (width, rows.shape[1] + 1), rows, nothing)
        found = draft.operation("state_rows", "GET_ROWS", (width, self._reads.shape[0]), rows, self._reads)
        n_read = self._ratio * self._n_blocks
        halves = []
        for _ in range(2):
            spanned = 4 * ((n_read - 1) * width + self._width)
            half = draft.view(
                "half", "VIEW", (self._width, n_read), found, n_bytes=spanned, is_contiguous=False
            )  # fmt: skip
            half = draft.operation("half", "CONT", half.shape, half)
            halves.append(draft.view("half", "RESHAPE", (self._width, self._ratio, self._n_blocks), half))
        shape = (self._width, 2 * self._ratio, self._n_blocks)
        return self._turned(draft, draft.operation("both", "CONCAT", shape, *halves))

    def _turned(self, draft: Draft, x: Node) -> Node:
        width, n, n_blocks = x.shape
        turned = draft.view("turned", "PERMUTE", (n, width, n_blocks), x, is_contiguous=False)
        return draft.operation("turned", "CONT", (n, width, n_blocks), turned)

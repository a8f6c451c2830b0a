"""Gated short convolutions (LFM2): three projections, of which two are multiplied before and one after.

llama.cpp: `build_shortconv_block` in src/models/lfm2.cpp, as of 2026-10-01.
"""

from estimator.graph import Draft, Node
from estimator.graphs.state import StateRows, convolution_input


def short_convolution(draft: Draft, rows: StateRows, layer: int, x: Node) -> Node:
    """The layer's result, per token as wide as the embedding."""
    block, n_sequences = f"blk.{layer}.", draft.n_sequences
    shape = (x.shape[0], draft.n_tokens // n_sequences, n_sequences)
    projected: list[Node] = []

    def part() -> Node:
        whole = projected[0]
        spanned = whole.n_bytes - 4 * 2 * shape[0]
        return draft.view("bcx", "VIEW", shape, whole, n_bytes=spanned, is_contiguous=False)

    def gated() -> Node:
        by_sequence = draft.view("operator_norm", "RESHAPE", shape, x)
        projected.append(draft.matrix("in_proj", f"{block}shortconv.in_proj.weight", by_sequence))
        return draft.operation("bx", "MUL", shape, part(), part())

    kernel = f"{block}shortconv.conv.weight"
    joined = convolution_input(draft, rows, layer, gated, kernel=kernel)
    gate = part()
    found = draft.operation("conv", "SSM_CONV", shape, joined, draft.weight(kernel))
    found = draft.operation("gated", "MUL", shape, gate, found)
    found = draft.matrix("out_proj", f"{block}shortconv.out_proj.weight", found)
    return draft.view("out_proj", "RESHAPE", (found.shape[0], draft.n_tokens), found)

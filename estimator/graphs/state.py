"""What recurrent layers remember between steps: a convolution's last inputs and a state, one row per sequence.

llama.cpp: `build_rs` in src/llama-graph.cpp and src/llama-memory-recurrent.cpp, as of 2026-10-01. A step reads the rows
of its sequences; the rows of all the others are copied, and there are none in the step that buffers are reserved for.
"""

from collections.abc import Callable

from estimator.graph import Draft, Node


class StateRows:
    """Which row belongs to which sequence: an input that all recurrent layers read."""

    __slots__ = ("_others", "_own", "_rows")

    def __init__(self, draft: Draft) -> None:
        self._rows = draft.input("rs_s_copy", "I32", draft.n_sequences)
        self._own: Node | None = None
        self._others: Node | None = None

    def own(self, draft: Draft) -> Node:
        """Of the sequences in the step; written into the graph where the first layer asks for it."""
        if self._own is None:
            self._own = draft.view("rs_own", "VIEW", (draft.n_sequences,), self._rows)
        return self._own

    def others(self, draft: Draft) -> Node:
        """Of all other sequences: none."""
        if self._others is None:
            self._others = draft.view("rs_others", "VIEW", (0,), self._rows)
        return self._others


def convolution_cache(draft: Draft, layer: int) -> Node:
    """The last inputs of the layer's convolution, for each sequence."""
    width = draft.model.layers[layer].conv_state_width
    return draft.cache(f"cache_r_l{layer}", layer, "F32", width, draft.n_sequences)


def state_cache(draft: Draft, layer: int) -> Node:
    """The layer's state, for each sequence."""
    width = draft.model.layers[layer].recurrent_state_width
    return draft.cache(f"cache_s_l{layer}", layer, "F32", width, draft.n_sequences)


def cleared(draft: Draft, cache: Node) -> Node:
    """The cache as rows, the row of a sequence that begins set to zero."""
    width = cache.shape[0]
    rows = draft.view("rs_rows", "RESHAPE", (width, draft.n_sequences), cache)
    first = draft.view("rs_zero", "VIEW", (width,), rows)
    draft.write("rs_zeroed", "SCALE", first, first)
    return rows


def others_copied(draft: Draft, rows: StateRows, cache: Node, found: Node) -> None:
    """Move the rows of the sequences that are not in the step."""
    width = cache.shape[0]
    kept = draft.operation("rs_extra", "GET_ROWS", (width, 0), found, rows.others(draft))
    target = draft.view("rs_extra_target", "VIEW", (width, 0), cache)
    draft.write("rs_extra_copied", "CPY", target, kept, target)


def read_state(draft: Draft, rows: StateRows, cache: Node) -> Node:
    """The step's rows of a cache: (width, sequences)."""
    found = cleared(draft, cache)
    state = draft.operation("rs", "GET_ROWS", (cache.shape[0], draft.n_sequences), found, rows.own(draft))
    draft.expand(state)
    others_copied(draft, rows, cache, found)
    return state


def write_state(draft: Draft, cache: Node, state: Node) -> None:
    """Put the step's rows back."""
    target = draft.view("rs_target", "VIEW", cache.shape, cache)
    draft.write("rs_written", "CPY", target, state, target)


def convolution_input(
    draft: Draft, rows: StateRows, layer: int, new: Callable[[], Node], *, kernel: str | None = None
) -> Node:
    """The last inputs and the new ones in a row, per channel; the newest become the next step's last ones.

    Args:
        draft: the graph.
        rows: of the states.
        layer: whose convolution.
        new: writes the new inputs, (channels, tokens of a sequence, sequences); the state is read before that.
        kernel: the name of the convolution's weight, if it is not the usual one.
    """
    cache = convolution_cache(draft, layer)
    found = read_state(draft, rows, cache)
    n_channels = draft.tensors[kernel or f"blk.{layer}.ssm_conv1d.weight"][1][1]
    n_kept = cache.shape[0] // n_channels
    last = draft.view("conv_states", "RESHAPE", (n_kept, n_channels, draft.n_sequences), found)
    x = new()
    n_tokens = x.shape[1]
    turned = draft.view("conv_x", "TRANSPOSE", (n_tokens, n_channels, draft.n_sequences), x, is_contiguous=False)
    joined = draft.operation("conv_input", "CONCAT", (n_kept + n_tokens, *last.shape[1:]), last, turned)
    newest = draft.view(
        "conv_last", "VIEW", last.shape, joined, n_bytes=joined.n_bytes - 4 * n_tokens, is_contiguous=False
    )
    write_state(draft, cache, newest)
    return joined

"""State-space layers (Mamba-2): a short convolution, a scan over the tokens, a gate and a grouped norm.

llama.cpp: `build_mamba2_layer` in src/models/mamba-base.cpp, as of 2026-10-01. To be written with nodes that wait
(``Draft.defer``): the states are read before the layer in front is finished.
"""

from estimator.graph import Draft, Node
from estimator.graphs.state import StateRows, cleared, convolution_input, others_copied, state_cache, write_state


def mamba(draft: Draft, rows: StateRows, layer: int, x: Node) -> Node:
    """The layer's result, per token as wide as the embedding."""
    block, n_sequences = f"blk.{layer}.", draft.n_sequences
    n_tokens = draft.n_tokens // n_sequences
    inner = draft.tensors[f"{block}ssm_out.weight"][1][0]
    n_heads = draft.tensors[f"{block}ssm_dt.bias"][1][0]
    n_channels = draft.tensors[f"{block}ssm_conv1d.weight"][1][1]
    n_states = draft.model.layers[layer].recurrent_state_width // inner
    n_groups = (n_channels - inner) // (2 * n_states)
    width = inner // n_heads
    mixed: list[Node] = []

    def channels() -> Node:
        found = draft.matrix("zxBCdt", f"{block}ssm_in.weight", x)
        mixed.append(draft.view("zxBCdt", "RESHAPE", (found.shape[0], n_tokens, n_sequences), found))
        return part_of(draft, mixed[0], (n_channels, n_tokens, n_sequences))

    joined = convolution_input(draft, rows, layer, channels)
    cache = state_cache(draft, layer)
    state = cleared(draft, cache)
    shape = (n_channels, n_tokens, n_sequences)
    found = draft.operation("conv", "SSM_CONV", shape, joined, draft.weight(f"{block}ssm_conv1d.weight"))
    found = draft.biased(found, f"{block}ssm_conv1d.bias")
    found = draft.operation("conv_silu", "UNARY", shape, found)
    heads = part_of(draft, found, (width, n_heads, n_tokens, n_sequences))
    step = draft.operation(
        "dt", "CONT", (n_heads, n_tokens, n_sequences), part_of(draft, mixed[0], (n_heads, n_tokens, n_sequences))
    )
    step = draft.biased(step, f"{block}ssm_dt.bias")
    groups = (n_states, n_groups, n_tokens, n_sequences)
    turned = draft.view("state", "RESHAPE", (n_states, width, n_heads, n_sequences), state)
    n_all = inner * draft.n_tokens + cache.shape[0] * n_sequences  # the new states behind the tokens' results
    scanned = draft.operation(
        "scan", "SSM_SCAN", (n_all,), turned, heads, step, draft.weight(f"{block}ssm_a"),
        part_of(draft, found, groups), part_of(draft, found, groups), rows.own(draft),
    )  # fmt: skip
    draft.expand(scanned)
    others_copied(draft, rows, cache, state)
    write_state(draft, cache, draft.view("new_state", "VIEW", cache.shape, scanned))
    return _output(draft, block, mixed[0], heads, draft.view("y", "VIEW", heads.shape, scanned))


def part_of(draft: Draft, whole: Node, shape: tuple[int, ...]) -> Node:
    """Some of each token's elements, as a view with gaps."""
    n_elements = 1
    for extent in shape[:-2]:
        n_elements *= extent
    spanned = whole.n_bytes - 4 * (whole.shape[0] - n_elements)
    return draft.view("part", "VIEW", shape, whole, n_bytes=spanned, is_contiguous=False)


def _output(draft: Draft, block: str, mixed: Node, heads: Node, scanned: Node) -> Node:
    gate = draft.operation("z", "CONT", heads.shape, part_of(draft, mixed, heads.shape))
    skipped = draft.operation("x_d", "MUL", heads.shape, heads, draft.weight(f"{block}ssm_d"))
    found = draft.operation("y_add_d", "ADD", heads.shape, scanned, skipped)
    found = draft.operation("gated", "GLU", heads.shape, gate, found)
    inner = heads.shape[0] * heads.shape[1]
    if draft.has(f"{block}ssm_norm.weight"):
        grouped = draft.tensors[f"{block}ssm_norm.weight"][1][0]
        shape = (grouped, inner // grouped, *heads.shape[2:])
        found = draft.norm(draft.view("grouped", "RESHAPE", shape, found), f"{block}ssm_norm.weight")
    found = draft.view("y", "RESHAPE", (inner, draft.n_tokens), found)
    return draft.matrix("mamba_out", f"{block}ssm_out.weight", found)

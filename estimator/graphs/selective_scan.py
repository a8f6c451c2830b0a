"""Selective state spaces of the first kind (Mamba, Jamba): every channel is a head of its own.

llama.cpp: `build_mamba_layer` in src/models/mamba-base.cpp, as of 2026-10-01. To be written with nodes that wait
(``Draft.defer``), as in estimator/graphs/mamba.py.
"""

from estimator.graph import Draft, Node
from estimator.graphs.mamba import part_of
from estimator.graphs.state import StateRows, cleared, convolution_input, others_copied, state_cache, write_state


def selective_scan(draft: Draft, rows: StateRows, layer: int, x: Node) -> Node:
    """The layer's result, per token as wide as the embedding."""
    block, n_sequences = f"blk.{layer}.", draft.n_sequences
    n_tokens = draft.n_tokens // n_sequences
    inner = draft.tensors[f"{block}ssm_out.weight"][1][0]
    n_states = draft.model.layers[layer].recurrent_state_width // inner
    shape = (inner, n_tokens, n_sequences)
    mixed: list[Node] = []

    def channels() -> Node:
        by_sequence = draft.view("cur", "RESHAPE", (x.shape[0], n_tokens, n_sequences), x)
        mixed.append(draft.matrix("xz", f"{block}ssm_in.weight", by_sequence))
        return part_of(draft, mixed[0], shape)

    joined = convolution_input(draft, rows, layer, channels)
    cache = state_cache(draft, layer)
    state = cleared(draft, cache)
    found = draft.operation("conv", "SSM_CONV", shape, joined, draft.weight(f"{block}ssm_conv1d.weight"))
    found = draft.biased(found, f"{block}ssm_conv1d.bias")
    found = draft.operation("conv_silu", "UNARY", shape, found)
    turned = draft.view("state", "RESHAPE", (n_states, 1, inner, n_sequences), state)
    heads = draft.view("x", "RESHAPE", (1, *shape), found)
    step, *groups = _selected(draft, block, found, n_states)
    n_all = inner * draft.n_tokens + cache.shape[0] * n_sequences  # the new states behind the tokens' results
    scanned = draft.operation(
        "scan", "SSM_SCAN", (n_all,), turned, heads, step, draft.weight(f"{block}ssm_a"), *groups, rows.own(draft)
    )
    draft.expand(scanned)
    others_copied(draft, rows, cache, state)
    write_state(draft, cache, draft.view("new_state", "VIEW", cache.shape, scanned))
    gate = draft.operation("z", "CONT", shape, part_of(draft, mixed[0], shape))
    skipped = draft.operation("x_d", "MUL", shape, found, draft.weight(f"{block}ssm_d"))
    found = draft.operation("y_add_d", "ADD", shape, draft.view("y", "VIEW", shape, scanned), skipped)
    found = draft.matrix("mamba_out", f"{block}ssm_out.weight", draft.operation("gated", "GLU", shape, gate, found))
    return draft.view("mamba_out", "RESHAPE", (found.shape[0], draft.n_tokens), found)


def _selected(draft: Draft, block: str, x: Node, n_states: int) -> list[Node]:
    """The step's width per channel, and what goes into and comes out of the state; all from one projection."""
    tail = x.shape[1:]
    projected = draft.matrix("x_db", f"{block}ssm_x.weight", x)
    rank = draft.tensors[f"{block}ssm_dt.weight"][1][0]
    step = part_of(draft, projected, (rank, *tail))
    groups = [part_of(draft, projected, (n_states, 1, *tail)) for _ in range(2)]
    if draft.has(f"{block}ssm_dt_norm.weight"):  # Jamba
        step = draft.norm(step, f"{block}ssm_dt_norm.weight")
        groups = [draft.norm(group, f"{block}ssm_{name}_norm.weight") for group, name in zip(groups, "bc", strict=True)]
    else:
        step = draft.operation("dt", "CONT", step.shape, step)
    step = draft.matrix("dt", f"{block}ssm_dt.weight", step)
    return [draft.biased(step, f"{block}ssm_dt.bias"), *groups]

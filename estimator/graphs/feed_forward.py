"""Feed-forward networks: one, a fused one, or a choice of experts.

llama.cpp: `build_ffn` and `build_moe_ffn` in src/llama-graph.cpp, as of 2026-10-01.
"""

from dataclasses import dataclass

from estimator.graph import Draft, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterTraits:
    """How the experts are weighted, where the tensors don't tell."""

    is_sigmoid: bool = False
    """Probabilities by sigmoid, not by softmax."""
    is_normalised: bool = True
    """The chosen experts' weights are divided by their sum."""
    is_delayed: bool = False
    """Softmax over the chosen experts only (gpt-oss)."""


def feed_forward(draft: Draft, layer: int, x: Node, *, suffix: str = "", name: str = "ffn") -> Node:
    """Gate and up, or both in one matrix, and down. ``suffix``: ``_shexp`` for the experts that every token uses."""
    block = f"blk.{layer}.ffn_"
    up = f"{block}up{suffix}.weight"
    width = draft.tensors[f"{block}down{suffix}.weight"][1][0]
    if draft.has(f"{block}gate{suffix}.weight"):
        gate = f"{block}gate{suffix}.weight"
        if draft.build.has_gated_unit:
            gated, wide = draft.matrix(f"{name}_gate", gate, x), draft.matrix(f"{name}_up", up, x)
        else:
            wide, gated = draft.matrix(f"{name}_up", up, x), draft.matrix(f"{name}_gate", gate, x)
        inner = gated_unit(draft, name, gated, wide)
    else:
        wide = draft.biased(draft.matrix(f"{name}_up", up, x), f"{block}up{suffix}.bias")
        if wide.shape[0] == 2 * width:
            inner = draft.operation(f"{name}_glu", "GLU", (width, *wide.shape[1:]), wide)
        else:
            inner = draft.operation(f"{name}_act", "UNARY", wide.shape, wide)
    found = draft.matrix(f"{name}_out", f"{block}down{suffix}.weight", inner)
    return draft.biased(found, f"{block}down{suffix}.bias")


def gated_unit(draft: Draft, name: str, gate: Node, up: Node) -> Node:
    """The gate's activation times the other half; older builds did it in two steps, each over what it read."""
    if draft.build.has_gated_unit:
        return draft.operation(f"{name}_glu", "GLU", up.shape, gate, up)
    activated = draft.operation(f"{name}_act", "UNARY", gate.shape, gate)
    return draft.operation(f"{name}_par", "MUL", up.shape, activated, up)


def experts(draft: Draft, layer: int, x: Node, traits: RouterTraits) -> Node:
    """The chosen experts' results, weighted and summed; with the shared experts' added where there are some."""
    found = _routed(draft, layer, x, traits)
    if draft.has(f"blk.{layer}.ffn_up_shexp.weight"):
        shared = feed_forward(draft, layer, x, suffix="_shexp", name="ffn_shexp")
        if draft.has(f"blk.{layer}.ffn_gate_inp_shexp.weight"):
            shared = _gated_share(draft, layer, x, shared)
        found = draft.operation("ffn_out", "ADD", found.shape, found, shared)
    return found


def _gated_share(draft: Draft, layer: int, x: Node, shared: Node) -> Node:
    """How much of the shared experts' result each token takes (Qwen2-MoE and its successors)."""
    gate = f"blk.{layer}.ffn_gate_inp_shexp.weight"
    share = draft.operation("shared_expert_gate", "MUL_MAT", (1, x.shape[1]), draft.weight(gate), x)
    share = draft.operation("shared_expert_gate_sigmoid", "UNARY", share.shape, share)
    return draft.operation("ffn_shexp_gated", "MUL", shared.shape, shared, share)


def _routed(draft: Draft, layer: int, x: Node, traits: RouterTraits) -> Node:
    shape = draft.model.experts
    if shape is None:
        raise ValueError("the model has no experts")
    block, n_used, (width, n_rows) = f"blk.{layer}.", shape.n_used, x.shape
    chosen, weights = _router(draft, layer, x, traits)
    draft.expand(weights)
    each = draft.view("ffn_moe_in", "RESHAPE", (width, 1, n_rows), x)

    def through(part: str, inputs: Node) -> Node:
        matrix = draft.weight(f"{block}ffn_{part}_exps.weight")
        found = draft.operation(
            f"ffn_moe_{part}", "MUL_MAT_ID", (matrix.shape[1], n_used, n_rows), matrix, inputs, chosen
        )
        bias = f"{block}ffn_{part}_exps.bias"
        if draft.has(bias):
            found = draft.operation(f"ffn_moe_{part}_biased", "ADD_ID", found.shape, found, draft.weight(bias), chosen)
        return found

    gate = through("gate", each)
    up = through("up", each)
    inner = gated_unit(draft, "ffn_moe", gate, up)
    down = through("down", inner)
    weighted = draft.operation("ffn_moe_weighted", "MUL", down.shape, down, weights)
    draft.expand(weighted)
    spanned = 4 * ((n_rows - 1) * n_used + 1) * width
    parts = [
        draft.view("ffn_moe_part", "VIEW", (width, n_rows), weighted, n_bytes=spanned, is_contiguous=False)
        for _ in range(n_used)
    ]
    for part in parts:
        draft.expand(part)
    total = parts[0]
    for number, part in enumerate(parts[1:], start=2):
        name = "ffn_moe_out" if number == n_used else "ffn_moe_sum"
        total = draft.operation(name, "ADD", (width, n_rows), total, part)
    draft.expand(total)
    return total


def _router(draft: Draft, layer: int, x: Node, traits: RouterTraits) -> tuple[Node, Node]:
    """(indices of the chosen experts, their weights)."""
    shape = draft.model.experts
    assert shape is not None
    block, n_experts, n_used, n_rows = f"blk.{layer}.", shape.n_experts, shape.n_used, x.shape[1]
    logits = draft.matrix("ffn_moe_logits", f"{block}ffn_gate_inp.weight", x)
    bias = f"{block}ffn_gate_inp.bias"
    if traits.is_delayed:
        probabilities = draft.operation("ffn_moe_probs", "ADD", logits.shape, logits, draft.weight(bias))
    else:
        op = "UNARY" if traits.is_sigmoid else "SOFT_MAX"
        probabilities = draft.operation("ffn_moe_probs", op, logits.shape, draft.biased(logits, bias))
    by_expert = draft.view("ffn_moe_probs_reshaped", "RESHAPE", (1, n_experts, n_rows), probabilities)
    selection = probabilities
    if draft.has(f"{block}exp_probs_b.bias"):
        correction = draft.weight(f"{block}exp_probs_b.bias")
        selection = draft.operation("ffn_moe_probs_biased", "ADD", probabilities.shape, probabilities, correction)
    sorted_ = draft.operation("ffn_moe_argsort", "ARGSORT", selection.shape, selection, type_name="I32")
    spanned = 4 * ((n_rows - 1) * n_experts + n_used)
    chosen = draft.view("ffn_moe_topk", "VIEW", (n_used, n_rows), sorted_, n_bytes=spanned, is_contiguous=False)
    weights = draft.operation("ffn_moe_weights", "GET_ROWS", (1, n_used, n_rows), by_expert, chosen)
    if not (traits.is_normalised or traits.is_delayed):
        return chosen, weights
    flat = draft.view("ffn_moe_weights_flat", "RESHAPE", (n_used, n_rows), weights)
    if traits.is_delayed:
        flat = draft.operation("ffn_moe_weights_softmax", "SOFT_MAX", flat.shape, flat)
    else:
        total = draft.operation("ffn_moe_weights_sum", "SUM_ROWS", (1, n_rows), flat)
        total = draft.operation("ffn_moe_weights_sum_clamped", "CLAMP", total.shape, total)
        flat = draft.operation("ffn_moe_weights_norm", "DIV", flat.shape, flat, total)
    return chosen, draft.view("ffn_moe_weights_norm_flat", "RESHAPE", (1, n_used, n_rows), flat)

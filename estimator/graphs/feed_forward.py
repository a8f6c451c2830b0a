"""Feed-forward networks: one, a fused one, or a choice of experts.

llama.cpp: `build_ffn` and `build_moe_ffn` in src/llama-graph.cpp, as of 2026-10-01.
"""

from dataclasses import replace

from estimator.graph import Draft, Node
from estimator.model import Experts
from records.record import record


@record(frozen=True, slots=True, kw_only=True)
class RouterTraits:
    """How the experts are weighted, where neither the file nor the tensors tell."""

    is_sigmoid: bool = False
    """Probabilities by sigmoid, not by softmax."""
    is_normalised: bool = True
    """The chosen experts' weights are divided by their sum."""
    is_scaled: bool = False
    """The weights are multiplied by a constant."""
    is_root: bool = False
    """Probabilities by the root of a softplus (DeepSeek V4)."""
    is_delayed: bool = False
    """Softmax over the chosen experts only (gpt-oss)."""
    chooses_by_logits: bool = False
    """Experts are chosen before the sigmoid, and weighted before they compute (Llama 4)."""
    is_fixed: bool = False
    """The architecture decides, whatever the file says."""

    def for_model(self, found: Experts) -> "RouterTraits":
        """With what the model's file says."""
        if self.is_fixed or self.is_delayed:
            return self
        return replace(
            self,
            is_sigmoid=self.is_sigmoid if found.is_sigmoid is None else found.is_sigmoid,
            is_normalised=self.is_normalised if found.is_normalised is None else found.is_normalised,
            is_scaled=self.is_scaled if found.is_scaled is None else found.is_scaled,
        )


def feed_forward(
    draft: Draft, layer: int, x: Node, *, suffix: str = "", name: str = "ffn", is_squared: bool = False
) -> Node:
    """Gate and up, or both in one matrix, and down.

    Args:
        draft: the graph.
        layer: whose network.
        x: tokens, normed.
        suffix: ``_shexp`` for the experts that every token uses.
        name: of the nodes.
        is_squared: without a gate, what is positive is squared (Nemotron).
    """
    block = f"blk.{layer}.ffn_"
    up = f"{block}up{suffix}.weight"
    width = draft.tensors[f"{block}down{suffix}.weight"][1][0]
    if draft.has(f"{block}gate{suffix}.weight"):

        def through(part: str) -> Node:
            found = draft.matrix(f"{name}_{part}", f"{block}{part}{suffix}.weight", x)
            return draft.biased(found, f"{block}{part}{suffix}.bias")

        if draft.build.has_gated_unit and not draft.build.computes_up_first:
            gated, wide = through("gate"), through("up")
        else:
            wide, gated = through("up"), through("gate")
        inner = gated_unit(draft, name, gated, wide)
    else:
        wide = draft.biased(draft.matrix(f"{name}_up", up, x), f"{block}up{suffix}.bias")
        if wide.shape[0] == 2 * width:
            inner = draft.operation(f"{name}_glu", "GLU", (width, *wide.shape[1:]), wide)
        else:
            inner = _activated(draft, f"{name}_act", wide, is_squared=is_squared)
    inner_norm = f"{block}sub_norm.weight"  # BitNet
    if draft.has(inner_norm):
        inner = draft.norm(inner, inner_norm)
    found = draft.matrix(f"{name}_out", f"{block}down{suffix}.weight", inner)
    return draft.biased(found, f"{block}down{suffix}.bias")


def gated_unit(draft: Draft, name: str, gate: Node, up: Node) -> Node:
    """The gate's activation times the other half; older builds did it in two steps, each over what it read."""
    if draft.is_situ:
        return _situ(draft, name, gate, up)
    if draft.build.has_gated_unit:
        return draft.operation(f"{name}_glu", "GLU", up.shape, gate, up)
    activated = draft.operation(f"{name}_act", "UNARY", gate.shape, gate)
    return draft.operation(f"{name}_par", "MUL", up.shape, activated, up)


def _situ(draft: Draft, name: str, gate: Node, up: Node) -> Node:
    """Kimi K3's: llama.cpp writes it as single operations (`LLM_FFN_SITU`)."""

    def bounded(x: Node) -> Node:
        for op in ("SCALE", "UNARY", "SCALE"):
            x = draft.operation(f"{name}_bounded", op, x.shape, x)
        return x

    activated = bounded(gate)
    sigmoid = draft.operation(f"{name}_sigmoid", "UNARY", gate.shape, gate)
    activated = draft.operation(f"{name}_act", "MUL", gate.shape, activated, sigmoid)
    return draft.operation(f"{name}_situ", "MUL", up.shape, activated, bounded(up))


def _activated(draft: Draft, name: str, x: Node, *, is_squared: bool) -> Node:
    found = draft.operation(name, "UNARY", x.shape, x)
    return draft.operation(name, "SQR", x.shape, found) if is_squared else found


def experts(draft: Draft, layer: int, x: Node, traits: RouterTraits, *, is_squared: bool = False) -> Node:
    """The chosen experts' results, weighted and summed; with the shared experts' added where there are some."""
    shape = draft.model.experts
    if shape is None:
        raise ValueError("the model has no experts")
    found = _routed(draft, layer, x, traits.for_model(shape), is_squared=is_squared)
    if draft.has(f"blk.{layer}.ffn_up_shexp.weight"):
        shared = feed_forward(draft, layer, x, suffix="_shexp", name="ffn_shexp", is_squared=is_squared)
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


def experts_by(
    draft: Draft, layer: int, x: Node, logits: Node, traits: RouterTraits, *, is_squared: bool = False
) -> Node:
    """The chosen experts' results where the router reads something else than they do."""
    return _chosen(draft, layer, x, logits, traits, is_squared=is_squared)


def _routed(draft: Draft, layer: int, x: Node, traits: RouterTraits, *, is_squared: bool) -> Node:
    logits = draft.matrix("ffn_moe_logits", f"blk.{layer}.ffn_gate_inp.weight", x)
    return _chosen(draft, layer, x, logits, traits, is_squared=is_squared)


def _chosen(draft: Draft, layer: int, x: Node, logits: Node, traits: RouterTraits, *, is_squared: bool) -> Node:
    shape = draft.model.experts
    assert shape is not None
    n_used, (width, n_rows) = shape.n_used, x.shape
    chosen, weights = _router(draft, layer, logits, traits)
    if not draft.build.is_fork:
        draft.expand(weights)
    each = draft.view("ffn_moe_in", "RESHAPE", (width, 1, n_rows), x)
    if traits.chooses_by_logits:
        each = draft.operation("ffn_moe_repeated", "REPEAT", (width, n_used, n_rows), each)
        each = draft.operation("ffn_moe_weighted_in", "MUL", each.shape, each, weights)
    down = _through_experts(draft, layer, each, chosen, is_squared=is_squared)
    if not traits.chooses_by_logits:
        down = draft.operation("ffn_moe_weighted", "MUL", down.shape, down, weights)
    if not draft.build.is_fork:
        draft.expand(down)
    return _summed(draft, down)


def _through_experts(draft: Draft, layer: int, x: Node, chosen: Node, *, is_squared: bool) -> Node:
    block = f"blk.{layer}.ffn_"
    n_used, n_rows = chosen.shape

    def through(part: str, inputs: Node) -> Node:
        matrix = draft.weight(f"{block}{part}_exps.weight")
        found = draft.operation(
            f"ffn_moe_{part}", "MUL_MAT_ID", (matrix.shape[1], n_used, n_rows), matrix, inputs, chosen
        )
        bias = f"{block}{part}_exps.bias"
        if draft.has(bias):
            found = draft.operation(f"ffn_moe_{part}_biased", "ADD_ID", found.shape, found, draft.weight(bias), chosen)
        scale = f"{block}{part}_exps.scale"
        return _scaled_by_expert(draft, found, draft.weight(scale), chosen) if draft.has(scale) else found

    if draft.has(f"{block}gate_up_exps.weight"):
        both = through("gate_up", x)
        width = both.shape[0] // 2
        spanned = both.n_bytes - 4 * width
        gate, up = (
            draft.view(f"ffn_moe_{part}", "VIEW", (width, n_used, n_rows), both, n_bytes=spanned, is_contiguous=False)
            for part in ("gate", "up")
        )
        inner = gated_unit(draft, "ffn_moe", gate, up)
    elif _is_joined(draft, block):
        gate_matrix, up_matrix = draft.weight(f"{block}gate_exps.weight"), draft.weight(f"{block}up_exps.weight")
        shape = (up_matrix.shape[1], n_used, n_rows)
        inner = draft.operation("ffn_moe_gate_par", "MOE_UP_GATE", shape, up_matrix, gate_matrix, x, chosen)
    elif draft.has(f"{block}gate_exps.weight"):
        if draft.build.computes_up_first:
            up = through("up", x)
            gate = through("gate", x)
        else:
            gate = through("gate", x)
            up = through("up", x)
        inner = gated_unit(draft, "ffn_moe", gate, up)
    else:
        inner = _activated(draft, "ffn_moe_act", through("up", x), is_squared=is_squared)
    return through("down", inner)


def _is_joined(draft: Draft, block: str) -> bool:
    """Gate and up are one operation where they are of one type (`ggml_moe_up_gate` of ik_llama.cpp)."""
    gate, up = (f"{block}{part}_exps" for part in ("gate", "up"))
    if not draft.build.fuses_experts or not draft.has(f"{gate}.weight") or draft.has(f"{gate}.bias"):
        return False
    return draft.tensors[f"{gate}.weight"] == draft.tensors[f"{up}.weight"]


def _scaled_by_expert(draft: Draft, found: Node, scale: Node, chosen: Node) -> Node:
    """Times a number for each expert (`build_lora_mm_id`)."""
    n_used, n_rows = chosen.shape
    n_experts = scale.shape[0]
    each = draft.view("expert_scale", "RESHAPE", (1, n_experts), scale)
    each = draft.operation("expert_scale", "REPEAT", (1, n_experts, n_rows), each)
    each = draft.operation("expert_scale", "GET_ROWS", (1, n_used, n_rows), each, chosen)
    return draft.operation("ffn_moe_scaled", "MUL", found.shape, found, each)


def _summed(draft: Draft, each: Node) -> Node:
    """The experts' results of a token, one after another onto the first."""
    width, n_used, n_rows = each.shape
    spanned = 4 * ((n_rows - 1) * n_used + 1) * width
    if draft.build.sums_experts_at_once and n_used > 2:
        first = draft.view("ffn_moe_part", "VIEW", (width, n_rows), each, n_bytes=spanned, is_contiguous=False)
        return draft.operation("ffn_moe_out", "MULTI_ADD", (width, n_rows), first)
    parts = [
        draft.view("ffn_moe_part", "VIEW", (width, n_rows), each, n_bytes=spanned, is_contiguous=False)
        for _ in range(n_used)
    ]
    for part in parts:
        draft.expand(part)
    total = parts[0]
    for number, part in enumerate(parts[1:], start=2):
        name = "ffn_moe_out" if number == n_used else "ffn_moe_sum"
        total = draft.operation(name, "ADD", (width, n_rows), total, part)
        draft.expand(total)
    return draft.operation("ffn_moe_out", "CONT", (width, n_rows), total) if n_used == 1 else total


def _router(draft: Draft, layer: int, logits: Node, traits: RouterTraits) -> tuple[Node, Node]:
    """(indices of the chosen experts, their weights)."""
    shape = draft.model.experts
    assert shape is not None
    block, n_experts, n_used, n_rows = f"blk.{layer}.", shape.n_experts, shape.n_used, logits.shape[1]
    bias = f"{block}ffn_gate_inp.bias"
    if traits.is_delayed:
        probabilities = draft.operation("ffn_moe_probs", "ADD", logits.shape, logits, draft.weight(bias))
    elif traits.is_root:
        logits = draft.operation("ffn_moe_softplus", "UNARY", logits.shape, logits)
        probabilities = draft.operation("ffn_moe_probs", "SQRT", logits.shape, logits)
    else:
        op = "UNARY" if traits.is_sigmoid else "SOFT_MAX"
        probabilities = draft.operation("ffn_moe_probs", op, logits.shape, draft.biased(logits, bias))
    by_expert = draft.view("ffn_moe_probs_reshaped", "RESHAPE", (1, n_experts, n_rows), probabilities)
    selection = logits if traits.chooses_by_logits else probabilities
    corrections = f"{block}exp_probs_b.bias", f"{block}exp_probs_b"  # HunYuan 3 names it without a suffix
    if found := [name for name in corrections if draft.has(name)]:
        correction = draft.weight(found[0])
        selection = draft.operation("ffn_moe_probs_biased", "ADD", probabilities.shape, probabilities, correction)
    if shape.n_groups > 1:
        selection = _best_groups(draft, selection, shape)
    sorted_ = draft.operation("ffn_moe_argsort", "ARGSORT", selection.shape, selection, type_name="I32")
    spanned = 4 * ((n_rows - 1) * n_experts + n_used)
    chosen = draft.view("ffn_moe_topk", "VIEW", (n_used, n_rows), sorted_, n_bytes=spanned, is_contiguous=False)
    weights = draft.operation("ffn_moe_weights", "GET_ROWS", (1, n_used, n_rows), by_expert, chosen)
    if traits.is_delayed:
        flat = draft.view("ffn_moe_weights_flat", "RESHAPE", (n_used, n_rows), weights)
        flat = draft.operation("ffn_moe_weights_softmax", "SOFT_MAX", flat.shape, flat)
        weights = draft.view("ffn_moe_weights_norm_flat", "RESHAPE", weights.shape, flat)
    elif traits.is_normalised:
        flat = draft.view("ffn_moe_weights_flat", "RESHAPE", (n_used, n_rows), weights)
        total = draft.operation("ffn_moe_weights_sum", "SUM_ROWS", (1, n_rows), flat)
        total = draft.operation("ffn_moe_weights_sum_clamped", "CLAMP", total.shape, total)
        flat = draft.operation("ffn_moe_weights_norm", "DIV", flat.shape, flat, total)
        weights = draft.view("ffn_moe_weights_norm_flat", "RESHAPE", weights.shape, flat)
    if traits.is_scaled:
        weights = draft.operation("ffn_moe_weights_scaled", "SCALE", weights.shape, weights)
    return chosen, weights


def _best_groups(draft: Draft, selection: Node, shape: Experts) -> Node:
    """The probabilities of the experts in the best groups, by their two best; the others' are minus infinity."""
    n_experts, n_rows = selection.shape
    n_groups, n_used = shape.n_groups, shape.n_used_groups
    n_each = n_experts // n_groups
    grouped = draft.view("groups", "RESHAPE", (n_each, n_groups, n_rows), selection)
    apart = draft.view("groups_apart", "RESHAPE", (1, n_each, n_groups, n_rows), grouped)
    best = draft.operation("groups_sorted", "ARGSORT", grouped.shape, grouped, type_name="I32")
    spanned = best.n_bytes - 4 * (n_each - 2)
    best = draft.view("groups_best", "VIEW", (2, n_groups, n_rows), best, n_bytes=spanned, is_contiguous=False)
    scores = draft.operation("group_scores", "GET_ROWS", (1, 2, n_groups, n_rows), apart, best)
    scores = draft.view("group_scores", "RESHAPE", (2, n_groups, n_rows), scores)
    scores = draft.operation("group_scores", "SUM_ROWS", (1, n_groups, n_rows), scores)
    scores = draft.view("group_scores", "RESHAPE", (n_groups, n_rows), scores)
    order = draft.operation("group_order", "ARGSORT", scores.shape, scores, type_name="I32")
    spanned = order.n_bytes - 4 * (n_groups - n_used)
    chosen = draft.view("group_topk", "VIEW", (n_used, n_rows), order, n_bytes=spanned, is_contiguous=False)
    kept = draft.operation("groups_kept", "GET_ROWS", (n_each, n_used, n_rows), grouped, chosen)
    nothing = draft.operation("groups_none", "FILL", grouped.shape, grouped)
    masked = draft.write("groups_masked", "SET_ROWS", nothing, kept, chosen, nothing)
    return draft.view("ffn_moe_probs_masked", "RESHAPE", selection.shape, masked)

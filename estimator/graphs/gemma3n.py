"""Gemma 3n: several predictions of the hidden state side by side, a low-rank branch, and sparse first layers.

llama.cpp: src/models/gemma3n.cpp, as of 2026-10-01.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import attend, attend_again, cache_inputs, heads_of, rotated
from estimator.graphs.per_layer import PerLayerInputs, owner_of
from estimator.graphs.transformer import embedded, logits

N_SPARSE_LAYERS = 10
"""`n_layer_sparsity`: so many first layers keep the largest activations only."""


def build(draft: Draft) -> None:
    """Write the whole graph."""
    draft.defer()
    x = embedded(draft)
    draft.expand(x)
    x = draft.operation("inp_scaled", "SCALE", x.shape, x)
    per_layer = PerLayerInputs(draft, x)
    stacked = _stacked(draft, x)
    for layer in draft.layers:
        draft.begin_layer()
        stacked = _block(draft, layer, stacked, per_layer)
    found = _merged(draft, stacked)
    found = draft.operation("rows", "GET_ROWS", (found.shape[0], draft.n_outputs), found, draft.output_rows)
    logits(draft, found, is_capped=True)


def _stacked(draft: Draft, x: Node) -> Node:
    """The embedding, and its projections of the same magnitude behind it."""
    width, n_tokens = x.shape
    n_others = draft.tensors["altup_proj.weight"][1][2]
    repeated = draft.operation("repeated", "REPEAT", (width, n_tokens, n_others), x)
    added = draft.operation("altup_added", "MUL_MAT", repeated.shape, draft.weight("altup_proj.weight"), repeated)
    added = _with_magnitude_of(draft, added, x)
    return draft.operation("inp_stacked", "CONCAT", (width, n_tokens, n_others + 1), x, added)


def _with_magnitude_of(draft: Draft, x: Node, target: Node) -> Node:
    wanted, own = _magnitude(draft, target), _magnitude(draft, x)
    found = draft.operation("magnified", "MUL", x.shape, x, wanted)
    return draft.operation("magnified", "DIV", x.shape, found, own)


def _magnitude(draft: Draft, x: Node) -> Node:
    squares = draft.operation("squares", "SQR", x.shape, x)
    total = draft.operation("magnitude", "SUM_ROWS", (1, *x.shape[1:]), squares)
    return draft.operation("magnitude", "SQRT", total.shape, total)


def _slice(draft: Draft, x: Node) -> Node:
    """One of the predictions."""
    return draft.view("slice", "VIEW", x.shape[:2], x)


def _block(draft: Draft, layer: int, stacked: Node, per_layer: PerLayerInputs) -> Node:
    block = f"blk.{layer}."
    predictions = _predicted(draft, layer, stacked)
    active = _slice(draft, predictions)
    normed = draft.norm(active, f"{block}attn_norm.weight")
    branch = _branch(draft, layer, normed)
    found = _attended(draft, layer, normed)
    found = draft.matrix("attn_output", f"{block}attn_output.weight", found)
    found = draft.norm(found, f"{block}post_attention_norm.weight")
    found = draft.operation("attn_gated", "ADD", active.shape, found, active)
    joined = draft.operation("attn_laurel", "ADD", active.shape, found, branch)
    joined = draft.operation("attn_laurel", "SCALE", active.shape, joined)
    found = _fed_forward(draft, layer, draft.norm(joined, f"{block}ffn_norm.weight"))
    found = draft.norm(found, f"{block}post_ffw_norm.weight")
    found = draft.operation("attn_ffw_laurel_gated", "ADD", active.shape, found, joined)
    corrected = _corrected(draft, layer, predictions, found)
    scale = draft.weight(f"{block}altup_correct_scale.weight")
    first = draft.operation("first_prediction", "MUL", active.shape, _slice(draft, corrected), scale)
    first = per_layer.multiplied(draft, layer, first)
    width, n_tokens, n = corrected.shape
    kept = _slice(draft, corrected)
    rest = draft.view("slice_rest", "VIEW", (width, n_tokens, n - 1), corrected)
    rest = draft.operation("rest", "ADD", rest.shape, rest, first)
    return draft.operation("l_out", "CONCAT", corrected.shape, kept, rest)


def _modalities(draft: Draft, layer: int, x: Node) -> Node:
    found = draft.norm(x, f"blk.{layer}.altup_router_norm.weight")
    found = draft.operation("router_inputs", "SCALE", x.shape, found)
    found = draft.matrix("modalities", f"blk.{layer}.altup_router.weight", found)
    return draft.operation("modalities", "UNARY", found.shape, found)


def _predicted(draft: Draft, layer: int, stacked: Node) -> Node:
    width, n_tokens, n = stacked.shape
    modalities = _modalities(draft, layer, _slice(draft, stacked))
    coefficients = draft.matrix("all_coefs", f"blk.{layer}.altup_predict_coef.weight", modalities)
    coefficients = draft.view("all_coefs", "RESHAPE", (n, n, n_tokens), coefficients)
    turned = draft.view("turned", "PERMUTE", (n, width, n_tokens), stacked, is_contiguous=False)
    turned = draft.operation("turned", "CONT", (n, width, n_tokens), turned)
    found = draft.operation("predictions", "MUL_MAT", (width, n, n_tokens), turned, coefficients)
    found = draft.view("predictions", "PERMUTE", stacked.shape, found, is_contiguous=False)
    found = draft.operation("predictions", "CONT", stacked.shape, found)
    return draft.operation("predictions", "ADD", stacked.shape, found, stacked)


def _corrected(draft: Draft, layer: int, predictions: Node, activated: Node) -> Node:
    n_tokens, n = predictions.shape[1:]
    modalities = _modalities(draft, layer, activated)
    innovation = draft.operation("innovation", "SUB", activated.shape, activated, _slice(draft, predictions))
    coefficients = draft.matrix("correct_coefs", f"blk.{layer}.altup_correct_coef.weight", modalities)
    coefficients = draft.operation("correct_coefs", "SCALE", coefficients.shape, coefficients)
    turned = draft.view("correct_coefs", "TRANSPOSE", (n_tokens, n), coefficients, is_contiguous=False)
    turned = draft.operation("correct_coefs", "CONT", (1, n_tokens, n), turned)
    repeated = draft.operation("innovations", "REPEAT", predictions.shape, innovation)
    found = draft.operation("corrected", "MUL", predictions.shape, repeated, turned)
    return draft.operation("corrected", "ADD", predictions.shape, found, predictions)


def _branch(draft: Draft, layer: int, x: Node) -> Node:
    """Two narrow matrices beside the attention."""
    found = draft.matrix("laurel", f"blk.{layer}.laurel_l.weight", x)
    found = draft.matrix("laurel", f"blk.{layer}.laurel_r.weight", found)
    found = draft.norm(found, f"blk.{layer}.laurel_post_norm.weight")
    return draft.operation("laurel_out", "ADD", x.shape, found, x)


def _attended(draft: Draft, layer: int, x: Node) -> Node:
    owner = owner_of(draft, layer)
    _, _, width, _ = heads_of(draft, owner)
    inputs = cache_inputs(draft, owner)

    def projected(part: str) -> Node:
        found = draft.matrix(f"{part}cur", f"blk.{layer}.attn_{part}.weight", x)
        return draft.view(f"{part}cur", "RESHAPE", (width, found.shape[0] // width, draft.n_tokens), found)

    def placed(part: str) -> Node:
        found = draft.norm(projected(part), f"blk.{layer}.attn_{part}_norm.weight")
        found = draft.operation(f"{part}cur_pos", "ROPE", found.shape, found, draft.positions)
        return rotated(draft, found, inputs.key_rotation)

    query = placed("q")
    if owner != layer:
        return attend_again(draft, owner, query)
    value = projected("v")
    value = draft.operation("vcur_normed", "RMS_NORM", value.shape, value)
    return attend(draft, layer, query, placed("k"), rotated(draft, value, inputs.value_rotation))


def _fed_forward(draft: Draft, layer: int, x: Node) -> Node:
    up = draft.matrix("up_proj", f"blk.{layer}.ffn_up.weight", x)
    gate = draft.matrix("gate_proj", f"blk.{layer}.ffn_gate.weight", x)
    if layer < N_SPARSE_LAYERS:
        gate = _largest(draft, gate)
    gate = draft.operation("gate_act", "UNARY", gate.shape, gate)
    found = draft.operation("ffn_gated", "MUL", up.shape, up, gate)
    return draft.matrix("ffn_out", f"blk.{layer}.ffn_down.weight", found)


def _largest(draft: Draft, x: Node) -> Node:
    """What lies above the mean by so many standard deviations; the rest is zero."""
    narrow = (1, *x.shape[1:])
    mean = draft.operation("mean", "MEAN", narrow, x)
    spread = draft.operation("spread", "SUB", x.shape, x, mean)
    spread = draft.operation("spread", "SQR", x.shape, spread)
    spread = draft.operation("spread", "SUM_ROWS", narrow, spread)
    for name, op in (("variance", "SCALE"), ("deviation", "SQRT"), ("deviation", "SCALE")):
        spread = draft.operation(name, op, narrow, spread)
    cutoff = draft.operation("cutoff", "ADD", narrow, mean, spread)
    found = draft.operation("above", "SUB", x.shape, x, cutoff)
    return draft.operation("above", "UNARY", x.shape, found)


def _merged(draft: Draft, stacked: Node) -> Node:
    """The mean of all predictions."""
    width, n_tokens, n = stacked.shape
    others = draft.view("others", "VIEW", (width, n_tokens, n - 1), stacked)
    weight = draft.weight("altup_unembd_proj.weight")
    others = draft.operation("altup_unembd", "MUL_MAT", others.shape, weight, others)
    others = _with_magnitude_of(draft, others, _slice(draft, stacked))
    found = _slice(draft, stacked)
    for _ in range(n - 1):
        found = draft.operation("merged", "ADD", found.shape, found, _slice(draft, others))
    return draft.operation("unembd_merged", "SCALE", found.shape, found)

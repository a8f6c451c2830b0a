"""Kimi K3: what each part of a layer reads is a weighing of the residual stream and of earlier states of it.

llama.cpp: src/models/kimi-k3.cpp, as of 2026-10-01. Every few layers begin a residual stream anew, and bank the last.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import gated
from estimator.graphs.delta_attention import delta_attention
from estimator.graphs.feed_forward import RouterTraits, experts_by, feed_forward
from estimator.graphs.latent import latent_attention
from estimator.graphs.state import StateRows
from estimator.graphs.transformer import embedded, logits
from estimator.model import Model

ROUTER = RouterTraits(is_sigmoid=True, is_scaled=True)
BLOCK_LAYERS = 12
"""So many layers share a residual stream: ``attn_res.block_size`` of Kimi K3's files."""


def block_of(model: Model, layer: int) -> tuple[int, bool]:
    """(how many streams are banked, whether the layer begins a new one)."""
    del model
    return layer // BLOCK_LAYERS, layer % BLOCK_LAYERS == 0


def build(draft: Draft) -> None:
    """Write the whole graph."""
    draft.defer()
    draft.is_situ = True
    rows, banked = StateRows(draft), Banked()
    stream = embedded(draft)
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        x = banked.mixed(draft, stream, f"{block}attn_res_score.weight")
        is_first = layer % BLOCK_LAYERS == 0
        if is_first:
            banked.push(draft, stream)
        normed = draft.norm(x, f"{block}attn_norm.weight")
        draft.expand(normed)
        if draft.has(f"{block}ssm_a"):
            found = delta_attention(draft, rows, layer, normed)
        else:
            found = gated(draft, layer, normed, latent_attention(draft, layer, normed, is_roped=False))
        found = draft.matrix("attn_out", f"{block}attn_output.weight", found)
        stream = found if is_first else draft.operation("prefix_sum", "ADD", found.shape, stream, found)
        x = banked.mixed(draft, stream, f"{block}ffn_res_score.weight")
        found = _fed_forward(draft, layer, draft.norm(x, f"{block}ffn_norm.weight"))
        stream = draft.operation("l_out", "ADD", found.shape, stream, found)
    last = banked.mixed(draft, stream, "output_res_score.weight")
    logits(draft, draft.operation("rows", "GET_ROWS", (last.shape[0], draft.n_outputs), last, draft.output_rows))


class Banked:
    """Earlier states of the residual stream: (width, states, tokens)."""

    __slots__ = ("_states",)

    def __init__(self) -> None:
        self._states: Node | None = None

    def push(self, draft: Draft, stream: Node) -> None:
        """Bank one more."""
        width, n_tokens = stream.shape
        new = draft.view("banked", "RESHAPE", (width, 1, n_tokens), stream)
        if self._states is not None:
            shape = (width, self._states.shape[1] + 1, n_tokens)
            new = draft.operation("banked", "CONCAT", shape, self._states, new)
        self._states = new

    def mixed(self, draft: Draft, stream: Node, weight: str) -> Node:
        """The weighed sum of all states and the stream; the stream itself while nothing is banked."""
        states = self._states
        if states is None:
            return stream
        _, n_states, n_tokens = states.shape

        def scored(x: Node) -> Node:
            found = draft.operation("res_norm", "RMS_NORM", x.shape, x)
            found = draft.operation("res_score", "MUL", found.shape, found, draft.weight(weight))
            return draft.operation("res_score", "SUM_ROWS", (1, *x.shape[1:]), found)

        scores = draft.view("res_score", "RESHAPE", (n_states, n_tokens), scored(states))
        scores = draft.operation("res_scores", "CONCAT", (n_states + 1, n_tokens), scores, scored(stream))
        shares = draft.operation("res_probs", "SOFT_MAX", scores.shape, scores)

        def share(n: int) -> Node:
            spanned = shares.n_bytes - 4 * (n_states + 1 - n)
            found = draft.view("res_share", "VIEW", (n, n_tokens), shares, n_bytes=spanned, is_contiguous=False)
            return draft.operation("res_share", "CONT", (n, n_tokens), found)

        found = draft.operation("res_mix", "DSV4_HC_PRE", stream.shape, states, share(n_states))
        own = draft.operation("res_own", "MUL", stream.shape, stream, share(1))
        return draft.operation("res_mix", "ADD", stream.shape, found, own)


def _fed_forward(draft: Draft, layer: int, x: Node) -> Node:
    """A dense network, or experts that work in a narrower width, beside the shared one."""
    block, experts = f"blk.{layer}.", draft.model.experts
    if not draft.has(f"{block}ffn_gate_inp.weight") or experts is None:
        return feed_forward(draft, layer, x)
    narrow = f"{block}ffn_routed_down.weight"
    routed = draft.matrix("ffn_routed", narrow, x) if draft.has(narrow) else x
    choice = draft.matrix("ffn_moe_logits", f"{block}ffn_gate_inp.weight", x)
    found = experts_by(draft, layer, routed, choice, ROUTER.for_model(experts))
    if draft.has(f"{block}ffn_routed_norm.weight"):
        found = draft.norm(found, f"{block}ffn_routed_norm.weight")
    if draft.has(f"{block}ffn_routed_up.weight"):
        found = draft.matrix("ffn_moe_up", f"{block}ffn_routed_up.weight", found)
    if not draft.has(f"{block}ffn_up_shexp.weight"):
        return found
    shared = feed_forward(draft, layer, x, suffix="_shexp", name="ffn_shexp")
    return draft.operation("ffn_out", "ADD", found.shape, found, shared)

"""Gated delta nets among layers of gated attention: Qwen3-Next, Qwen3.5 and its mixtures of experts.

llama.cpp: src/models/delta-net-base.cpp, qwen3next.cpp, qwen35.cpp and qwen35moe.cpp, as of 2026-10-01, with the fused
operator that all backends of its own have.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import attend, cache_inputs, rotated
from estimator.graphs.feed_forward import RouterTraits, experts, feed_forward
from estimator.graphs.state import StateRows, convolution_input, read_state, state_cache, write_state
from estimator.graphs.transformer import embedded, logits
from records.record import record

PLAIN_ROUTER = RouterTraits()


@record(frozen=True, slots=True, kw_only=True)
class DeltaNetStack:
    """What the architectures don't have in common."""

    n_positions: int = 1
    """Numbers per token that say where it stands (4 where pictures have rows and columns)."""

    def build(self, draft: Draft) -> None:
        """Write the whole graph."""
        draft.positions = draft.input("inp_pos", "I32", draft.n_tokens * self.n_positions)
        rows = StateRows(draft)
        x = embedded(draft)
        for layer in draft.layers:
            draft.begin_layer()
            x = self._block(draft, rows, layer, x)
        # The normed hidden states of all tokens are handed out, for layers that predict further ones.
        logits(draft, x, selects_rows=True)

    def _block(self, draft: Draft, rows: StateRows, layer: int, x: Node) -> Node:
        block = f"blk.{layer}."
        normed = draft.norm(x, f"{block}attn_norm.weight")
        mixed = delta_net if draft.has(f"{block}ssm_out.weight") else _gated_attention_of
        found = mixed(draft, rows, layer, normed)
        residual = draft.operation("attn_residual", "ADD", x.shape, found, x)
        normed = draft.norm(residual, f"{block}post_attention_norm.weight")
        if draft.has(f"{block}ffn_gate_inp.weight"):
            found = experts(draft, layer, normed, PLAIN_ROUTER)
        else:
            found = feed_forward(draft, layer, normed)
        return draft.operation("l_out", "ADD", x.shape, found, residual)


def _gated_attention_of(draft: Draft, rows: StateRows, layer: int, x: Node) -> Node:
    del rows
    return gated_attention(draft, layer, x)


def gated_attention(draft: Draft, layer: int, x: Node) -> Node:
    """Attention whose query matrix makes a gate beside each head's query."""
    block, n_tokens, inputs = f"blk.{layer}.", draft.n_tokens, cache_inputs(draft, layer)
    width, n_heads = draft.model.head_width, draft.model.n_heads
    full = draft.matrix("Qcur_full", f"{block}attn_q.weight", x)
    spanned = full.n_bytes - 4 * width
    shape = (width, n_heads, n_tokens)

    def normed(part: str, found: Node) -> Node:
        found = draft.norm(found, f"{block}attn_{part}_norm.weight")
        return draft.operation(f"{part}cur", "ROPE", found.shape, found, draft.positions)

    def projected(part: str) -> Node:
        found = draft.matrix(f"{part}cur", f"{block}attn_{part}.weight", x)
        return draft.view(f"{part}cur", "RESHAPE", (width, found.shape[0] // width, n_tokens), found)

    query = draft.view("Qcur", "VIEW", shape, full, n_bytes=spanned, is_contiguous=False)
    query = rotated(draft, normed("q", query), inputs.key_rotation)
    value = rotated(draft, projected("v"), inputs.value_rotation)
    key = rotated(draft, normed("k", projected("k")), inputs.key_rotation)
    found = attend(draft, layer, query, key, value)
    gate = draft.view("gate", "VIEW", shape, full, n_bytes=spanned, is_contiguous=False)
    gate = draft.operation("gate", "CONT", (width * n_heads, n_tokens), gate)
    gate = draft.operation("gate_sigmoid", "UNARY", gate.shape, gate)
    found = draft.operation("attn_gated", "MUL", found.shape, found, gate)
    return draft.matrix("attn_output", f"{block}attn_output.weight", found)


def delta_net(draft: Draft, rows: StateRows, layer: int, x: Node) -> Node:
    """A linear attention: its state is a matrix per value head, which every token corrects."""
    block, n_sequences = f"blk.{layer}.", draft.n_sequences
    n_tokens = draft.n_tokens // n_sequences
    width = draft.tensors[f"{block}ssm_norm.weight"][1][0]
    n_heads = draft.tensors[f"{block}ssm_dt.bias"][1][0]
    inner = width * n_heads
    n_channels = draft.tensors[f"{block}ssm_conv1d.weight"][1][1]
    n_key_heads = (n_channels - inner) // (2 * width)

    joined = convolution_input(draft, rows, layer, lambda: _mixed(draft, block, x))
    cache = state_cache(draft, layer)
    state = read_state(draft, rows, cache)
    shape = (n_channels, n_tokens, n_sequences)
    found = draft.operation("conv_output", "SSM_CONV", shape, joined, draft.weight(f"{block}ssm_conv1d.weight"))
    found = draft.operation("conv_output_silu", "UNARY", shape, found)

    def part(name: str, n: int) -> Node:
        spanned = found.n_bytes - 4 * (n_channels - n * width)
        shape = (width, n, n_tokens, n_sequences)
        return draft.view(name, "VIEW", shape, found, n_bytes=spanned, is_contiguous=False)

    def unit(name: str) -> Node:
        scaled = draft.operation(name, "RMS_NORM", (width, n_key_heads, n_tokens, n_sequences), part(name, n_key_heads))
        scaled = draft.operation(name, "SCALE", scaled.shape, scaled)
        return _repeated(draft, scaled, n_heads) if draft.has(f"{block}ssm_ba.weight") else scaled

    query, key = unit("q_conv"), unit("k_conv")
    value = part("v_conv", n_heads)
    decay_and_rate = _joint_decay_and_rate if draft.has(f"{block}ssm_ba.weight") else _decay_and_rate
    gate, rate = decay_and_rate(draft, block, x, n_heads)
    state = draft.view("state", "RESHAPE", (width, width, n_heads, n_sequences), state)
    n_rows = draft.n_tokens + width * n_sequences  # the new states behind the tokens' results
    both = draft.operation("gdn", "GATED_DELTA_NET", (inner, n_rows), query, key, value, gate, rate, state)
    write_state(draft, cache, draft.view("new_state", "VIEW", state.shape, both))
    return _gated_output(draft, block, x, draft.view("output", "VIEW", (width, n_heads, n_tokens, n_sequences), both))


def _mixed(draft: Draft, block: str, x: Node) -> Node:
    found = draft.matrix("qkv_mixed", f"{block}attn_qkv.weight", x)
    shape = (found.shape[0], draft.n_tokens // draft.n_sequences, draft.n_sequences)
    return draft.view("qkv_mixed", "RESHAPE", shape, found)


def _decay_and_rate(draft: Draft, block: str, x: Node, n_heads: int) -> tuple[Node, Node]:
    """How much each head forgets, and how much it learns, token by token."""
    n_sequences = draft.n_sequences
    n_tokens = draft.n_tokens // n_sequences
    flat, deep = (n_heads, n_tokens, n_sequences), (1, n_heads, n_tokens, n_sequences)
    alpha = draft.matrix("alpha", f"{block}ssm_alpha.weight", x)
    alpha = draft.view("alpha", "RESHAPE", flat, alpha)
    alpha = draft.biased(alpha, f"{block}ssm_dt.bias")
    alpha = draft.operation("a_softplus", "UNARY", flat, alpha)
    gate = draft.operation("gate", "MUL", flat, alpha, draft.weight(f"{block}ssm_a"))
    gate = draft.view("gate", "RESHAPE", deep, gate)
    rate = draft.matrix("beta", f"{block}ssm_beta.weight", x)
    rate = draft.view("beta", "RESHAPE", deep, rate)
    return gate, draft.operation("beta_sigmoid", "UNARY", deep, rate)


def _repeated(draft: Draft, x: Node, n_heads: int) -> Node:
    """A key head's vector once for each of its value heads (Qwen3-Next)."""
    width, n_key_heads, n_tokens, n_sequences = x.shape
    if n_heads == n_key_heads:
        return x
    all_tokens = n_tokens * n_sequences
    apart = draft.view("repeated", "RESHAPE", (width, 1, n_key_heads, all_tokens), x)
    found = draft.operation("repeated", "REPEAT", (width, n_heads // n_key_heads, n_key_heads, all_tokens), apart)
    return draft.view("repeated", "RESHAPE", (width, n_heads, n_tokens, n_sequences), found)


def _joint_decay_and_rate(draft: Draft, block: str, x: Node, n_heads: int) -> tuple[Node, Node]:
    """The same out of one matrix, which has both for each key head in turn (Qwen3-Next)."""
    n_sequences = draft.n_sequences
    n_tokens = draft.n_tokens // n_sequences
    n_channels = draft.tensors[f"{block}ssm_conv1d.weight"][1][1]
    width = draft.tensors[f"{block}ssm_norm.weight"][1][0]
    n_key_heads = (n_channels - width * n_heads) // (2 * width)
    n_each = n_heads // n_key_heads
    both = draft.matrix("mixed_ba", f"{block}ssm_ba.weight", x)
    both = draft.view("mixed_ba", "RESHAPE", (2 * n_each, n_key_heads, n_tokens, n_sequences), both)
    half = (n_each, n_key_heads, n_tokens, n_sequences)
    spanned = both.n_bytes - 4 * n_each
    flat, deep = (n_heads, n_tokens, n_sequences), (1, n_heads, n_tokens, n_sequences)
    alpha = draft.view("a", "VIEW", half, both, n_bytes=spanned, is_contiguous=False)
    alpha = draft.operation("a", "CONT", flat, alpha)
    alpha = draft.biased(alpha, f"{block}ssm_dt.bias")
    alpha = draft.operation("a_softplus", "UNARY", flat, alpha)
    gate = draft.operation("gate", "MUL", flat, alpha, draft.weight(f"{block}ssm_a"))
    gate = draft.view("gate", "RESHAPE", deep, gate)
    rate = draft.view("b", "VIEW", half, both, n_bytes=spanned, is_contiguous=False)
    rate = draft.operation("b", "CONT", half, rate)
    rate = draft.operation("b_sigmoid", "UNARY", half, rate)
    return gate, draft.view("beta", "RESHAPE", deep, rate)


def _gated_output(draft: Draft, block: str, x: Node, found: Node) -> Node:
    normed = draft.norm(found, f"{block}ssm_norm.weight")
    gate = draft.matrix("z", f"{block}attn_gate.weight", x)
    gate = draft.view("z", "RESHAPE", found.shape, gate)
    gate = draft.operation("z_silu", "UNARY", found.shape, gate)
    found = draft.operation("gated", "MUL", found.shape, normed, gate)
    width, n_heads, n_tokens, n_sequences = found.shape
    found = draft.view("final_output", "RESHAPE", (width * n_heads, n_tokens, n_sequences), found)
    found = draft.matrix("linear_attn_out", f"{block}ssm_out.weight", found)
    return draft.view("linear_attn_out", "RESHAPE", (found.shape[0], draft.n_tokens), found)

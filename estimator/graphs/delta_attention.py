"""Kimi's delta attention: a gated delta net with a decay for each channel, among layers of latent attention.

llama.cpp: src/models/kimi-linear.cpp and delta-net-base.cpp, as of 2026-10-01, with the fused operator that all
backends of its own have. To be written with nodes that wait (``Draft.defer``).
"""

from estimator.graph import Draft, Node
from estimator.graphs.feed_forward import RouterTraits
from estimator.graphs.latent import latent_attention
from estimator.graphs.layer_end import layer_end
from estimator.graphs.state import StateRows, convolution_cache, read_state, state_cache, write_state
from estimator.graphs.transformer import embedded, logits

ROUTER = RouterTraits(is_sigmoid=True, is_scaled=True)


def build(draft: Draft) -> None:
    """Write the whole graph: latents are not rotated, only the delta nets know of places."""
    draft.defer()
    rows = StateRows(draft)
    x = embedded(draft)
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        normed = draft.norm(x, f"{block}attn_norm.weight")
        draft.expand(normed)
        if draft.has(f"{block}ssm_a"):
            found = delta_attention(draft, rows, layer, normed)
        else:
            found = latent_attention(draft, layer, normed, is_roped=False)
        x = layer_end(draft, layer, found, x, ROUTER)
    logits(draft, x)


def delta_attention(draft: Draft, rows: StateRows, layer: int, x: Node) -> Node:
    """The layer's result before its output matrix, per token as wide as all heads."""
    block, n_sequences = f"blk.{layer}.", draft.n_sequences
    n_tokens = draft.n_tokens // n_sequences
    width = draft.tensors[f"{block}ssm_norm.weight"][1][0]
    inner = draft.tensors[f"{block}attn_output.weight"][1][0]
    n_heads = inner // width
    heads = (width, n_heads, n_tokens, n_sequences)
    cache = convolution_cache(draft, layer)
    kept = read_state(draft, rows, cache)
    joined = {name: _convolution_input(draft, block, name, x, kept, cache) for name in ("q", "k", "v")}
    decay = _decay(draft, block, x, heads)
    rate = draft.matrix("beta", f"{block}ssm_beta.weight", x)
    rate = draft.view("beta", "RESHAPE", (1, n_heads, n_tokens, n_sequences), rate)
    rate = draft.operation("beta_sigmoid", "UNARY", rate.shape, rate)
    states = state_cache(draft, layer)
    state = read_state(draft, rows, states)
    state = draft.view("state", "RESHAPE", (width, width, n_heads, n_sequences), state)
    query, key, value = (_convolved(draft, block, name, joined[name], heads) for name in ("q", "k", "v"))
    query, key = _unit(draft, query), _unit(draft, key)
    n_rows = draft.n_tokens + width * n_sequences  # the new states behind the tokens' results
    both = draft.operation("gdn", "GATED_DELTA_NET", (inner, n_rows), query, key, value, decay, rate, state)
    write_state(draft, states, draft.view("new_state", "VIEW", state.shape, both))
    found = draft.operation("attn_output", "CONT", heads, draft.view("output", "VIEW", heads, both))
    return _gated(draft, block, x, found)


def _convolution_input(draft: Draft, block: str, name: str, x: Node, kept: Node, cache: Node) -> Node:
    """The last inputs of one of the three convolutions and the new ones, per channel; the newest are written back."""
    n_sequences, inner = draft.n_sequences, draft.tensors[f"{block}attn_{name}.weight"][1][1]
    n_tokens, n_kept = draft.n_tokens // n_sequences, cache.shape[0] // inner // 3
    part = (n_kept, inner, n_sequences)
    spanned = kept.n_bytes - 4 * 2 * n_kept * inner  # without the other two of the last sequence
    last = draft.view("conv_state", "VIEW", part, kept, n_bytes=spanned, is_contiguous=False)
    new = draft.matrix(f"{name}_proj", f"{block}attn_{name}.weight", x)
    new = draft.view(f"{name}_proj", "RESHAPE", (inner, n_tokens, n_sequences), new)
    new = draft.view(f"{name}_proj", "TRANSPOSE", (n_tokens, inner, n_sequences), new, is_contiguous=False)
    joined = draft.operation("conv_input", "CONCAT", (n_kept + n_tokens, inner, n_sequences), last, new)
    spanned = joined.n_bytes - 4 * n_tokens
    newest = draft.view("conv_last", "VIEW", part, joined, n_bytes=spanned, is_contiguous=False)
    target = draft.view("conv_target", "VIEW", part, cache, is_contiguous=False)
    draft.write("conv_written", "CPY", target, newest, target)
    return joined


def _convolved(draft: Draft, block: str, name: str, joined: Node, heads: tuple[int, ...]) -> Node:
    kernel = draft.weight(f"{block}ssm_conv1d_{name}.weight")
    n_kernel, inner = kernel.shape[0], joined.shape[1]
    kernel = draft.view("conv_kernel", "RESHAPE", (n_kernel, inner), kernel)
    found = draft.operation("conv", "SSM_CONV", (inner, *heads[2:]), joined, kernel)
    found = draft.view("conv", "RESHAPE", (inner, draft.n_tokens), found)
    found = draft.operation("conv_silu", "UNARY", found.shape, found)
    return draft.view("conv", "RESHAPE", heads, found)


def _unit(draft: Draft, x: Node) -> Node:
    found = draft.operation("unit", "RMS_NORM", x.shape, x)
    return draft.operation("unit", "SCALE", found.shape, found)


def _decay(draft: Draft, block: str, x: Node, heads: tuple[int, ...]) -> Node:
    """How much each channel forgets, through a low rank."""
    width, n_heads, *_ = heads
    narrow = draft.matrix("f_a", f"{block}ssm_f_a.weight", x)
    found = draft.matrix("f_b", f"{block}ssm_f_b.weight", narrow)
    found = draft.biased(found, f"{block}ssm_dt.bias")
    found = draft.operation("softplus", "UNARY", found.shape, found)
    found = draft.view("g1", "RESHAPE", (width, n_heads, draft.n_tokens), found)
    rates = draft.view("a", "RESHAPE", (1, n_heads), draft.weight(f"{block}ssm_a"))
    found = draft.operation("g1", "MUL", found.shape, found, rates)
    return draft.view("g1", "RESHAPE", heads, found)


def _gated(draft: Draft, block: str, x: Node, found: Node) -> Node:
    """Normed by head, and times a gate that comes through a low rank, or through one matrix (Kimi K3)."""
    width, n_heads = found.shape[:2]
    flat = (width, n_heads, draft.n_tokens)
    normed = draft.norm(draft.view("attn_output", "RESHAPE", flat, found), f"{block}ssm_norm.weight")
    if draft.has(f"{block}ssm_g.weight"):
        gate = draft.matrix("g", f"{block}ssm_g.weight", x)
    else:
        gate = draft.matrix("g_b", f"{block}ssm_g_b.weight", draft.matrix("g_a", f"{block}ssm_g_a.weight", x))
    gate = draft.view("g2", "RESHAPE", flat, gate)
    gate = draft.operation("g2_sigmoid", "UNARY", flat, gate)
    found = draft.operation("gated", "MUL", flat, normed, gate)
    return draft.operation("gated", "CONT", (width * n_heads, draft.n_tokens), found)

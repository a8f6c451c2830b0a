"""Hyper-connections (DeepSeek V4): four residual streams, mixed to one before each part of a layer and fed by it after.

llama.cpp: `build_hc_pre`, `build_hc_post` and `build_hc_head` in src/models/deepseek4.cpp, as of 2026-10-01, with the
fused operators that CPU and CUDA have. To be written with nodes that wait (``Draft.defer``).
"""

from estimator.graph import Draft, Node
from records.record import record


@record(frozen=True, slots=True, kw_only=True)
class Mixed:
    """What a part of a layer reads, and how its result goes back into the streams."""

    x: Node
    """One stream: (width, tokens)."""
    streams: Node
    post: Node
    combination: Node

    def joined(self, draft: Draft, found: Node) -> Node:
        """The streams with a part's result in them."""
        sources = found, self.streams, self.post, self.combination
        return draft.operation("hc_post", "DSV4_HC_POST", self.streams.shape, *sources)


def first_streams(draft: Draft, x: Node) -> Node:
    """The embedding, once for each stream: (width, streams, tokens)."""
    width, n_tokens = x.shape
    n_streams = draft.tensors["output_hc_base.weight"][1][0]
    x = draft.view("embd", "RESHAPE", (width, 1, n_tokens), x)
    return draft.operation("hc_init", "REPEAT", (width, n_streams, n_tokens), x)


def mixed(draft: Draft, name: str, streams: Node) -> Mixed:
    """Before a part of a layer; ``name`` is that of its weights: ``blk.0.hc_attn_``."""
    width, n_streams, n_tokens = streams.shape
    flat = draft.view("hc_flat", "RESHAPE", (width * n_streams, n_tokens), streams)
    flat = draft.operation("hc_norm", "RMS_NORM", flat.shape, flat)
    mixes = draft.matrix("hc_mixes", f"{name}fn.weight", flat)
    scale, base = draft.weight(f"{name}scale.weight"), draft.weight(f"{name}base.weight")

    def weighed(part: str) -> Node:
        spanned = mixes.n_bytes - 4 * (mixes.shape[0] - n_streams)
        found = draft.view(part, "VIEW", (n_streams, n_tokens), mixes, n_bytes=spanned, is_contiguous=False)
        found = draft.operation(part, "MUL", found.shape, found, draft.view("hc_scale", "VIEW", (1,), scale))
        found = draft.operation(part, "ADD", found.shape, found, draft.view("hc_base", "VIEW", (n_streams,), base))
        found = draft.operation(part, "UNARY", found.shape, found)
        return draft.operation(part, "SCALE", found.shape, found)

    shape = (n_streams, n_streams, n_tokens)
    return Mixed(
        x=draft.operation("hc_x", "DSV4_HC_PRE", (width, n_tokens), streams, weighed("hc_pre")),
        streams=streams,
        post=weighed("hc_post"),
        combination=draft.operation("hc_comb", "DSV4_HC_COMB", shape, mixes, scale, base),
    )


def last_stream(draft: Draft, streams: Node) -> Node:
    """One stream of the last ones, for the output rows: (width, outputs)."""
    width, n_streams, n_tokens = streams.shape
    n_outputs = draft.n_outputs
    flat = draft.view("hc_flat", "RESHAPE", (width * n_streams, n_tokens), streams)
    flat = draft.operation("hc_rows", "GET_ROWS", (width * n_streams, n_outputs), flat, draft.output_rows)
    streams = draft.view("hc_last", "RESHAPE", (width, n_streams, n_outputs), flat)
    flat = draft.view("hc_flat", "RESHAPE", (width * n_streams, n_outputs), streams)
    flat = draft.operation("hc_norm", "RMS_NORM", flat.shape, flat)
    shares = draft.matrix("hc_head_mixes", "output_hc_fn.weight", flat)
    for op, name in (("MUL", "scale"), ("ADD", "base")):
        shares = draft.operation("hc_head", op, shares.shape, shares, draft.weight(f"output_hc_{name}.weight"))
    shares = draft.operation("hc_head", "UNARY", shares.shape, shares)
    shares = draft.operation("hc_head", "SCALE", shares.shape, shares)
    found: Node | None = None
    for _ in range(n_streams):
        spanned = streams.n_bytes - 4 * width * (n_streams - 1)
        one = draft.view("hc_one", "VIEW", (width, n_outputs), streams, n_bytes=spanned, is_contiguous=False)
        spanned = shares.n_bytes - 4 * (n_streams - 1)
        share = draft.view("hc_share", "VIEW", (1, n_outputs), shares, n_bytes=spanned, is_contiguous=False)
        one = draft.operation("hc_one", "MUL", one.shape, one, share)
        found = one if found is None else draft.operation("hc_head", "ADD", one.shape, found, one)
    assert found is not None
    return found

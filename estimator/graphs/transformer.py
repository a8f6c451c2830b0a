"""A stack of attention and feed-forward blocks between an embedding and a head, as most models have it.

llama.cpp: src/models/llama.cpp, qwen2.cpp, qwen3.cpp, qwen3moe.cpp, gemma2.cpp, gemma3.cpp, phi3.cpp,
openai-moe-iswa.cpp and deepseek2.cpp, as of 2026-10-01. They differ in a few habits, which are the traits below.
"""

from dataclasses import dataclass

from estimator.graph import Draft, Node
from estimator.graphs.attention import AttentionTraits, attention
from estimator.graphs.feed_forward import RouterTraits, experts, feed_forward
from estimator.graphs.latent import latent_attention

PLAIN_ATTENTION = AttentionTraits()
PLAIN_ROUTER = RouterTraits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformer:
    """What an architecture does that its tensors don't tell."""

    attention: AttentionTraits = PLAIN_ATTENTION
    router: RouterTraits = PLAIN_ROUTER
    scales_embedding: bool = False
    feed_forward_norm: str = "ffn_norm"
    has_post_norms: bool = False
    """Attention and feed-forward results are normed before they are added (Gemma)."""
    selects_after_stack: bool = False
    """The output rows are chosen after the last layer, not within it."""
    adds_residual_first: bool = False
    """The sum's first term is the residual, whose memory it may then take over."""
    caps_logits: bool = False

    def build(self, draft: Draft) -> None:
        """Write the whole graph."""
        x = embedded(draft)
        if self.scales_embedding:
            x = draft.operation("inp_scaled", "SCALE", x.shape, x)
        for layer in draft.layers:
            draft.begin_layer()
            x = self._block(draft, layer, x)
        if self._selects_late(draft):
            x.is_output = True  # kept as the hidden state that is handed out
            x = draft.operation("result_rows", "GET_ROWS", (x.shape[0], draft.n_outputs), x, draft.output_rows)
        logits(draft, x, is_capped=self.caps_logits)

    def _block(self, draft: Draft, layer: int, x: Node) -> Node:
        block = f"blk.{layer}."
        normed = draft.norm(x, f"{block}attn_norm.weight")
        if draft.model.latent:
            found = latent_attention(draft, layer, normed)
        else:
            found = attention(draft, layer, normed, self.attention)
        found = draft.matrix("attn_out", f"{block}attn_output.weight", found)
        found = draft.biased(found, f"{block}attn_output.bias")
        if layer == draft.last_layer and not self._selects_late(draft):
            found, x = output_rows(draft, found, x)
        if self.has_post_norms:
            found = draft.norm(found, f"{block}post_attention_norm.weight")
        residual = draft.operation("ffn_inp", "ADD", x.shape, found, x)
        normed = draft.norm(residual, f"{block}{self.feed_forward_norm}.weight")
        if draft.has(f"{block}ffn_gate_inp.weight"):
            found = experts(draft, layer, normed, self._router(draft, layer))
        else:
            found = feed_forward(draft, layer, normed)
        if self.has_post_norms:
            found = draft.norm(found, f"{block}post_ffw_norm.weight")
        terms = (residual, found) if self.adds_residual_first else (found, residual)
        return draft.operation("l_out", "ADD", x.shape, *terms)

    def _selects_late(self, draft: Draft) -> bool:
        return self.selects_after_stack and draft.build.selects_rows_last

    def _router(self, draft: Draft, layer: int) -> RouterTraits:
        """DeepSeek's: with a correction of the probabilities they are sigmoids and normed (V3), else neither (V2)."""
        if not draft.model.latent:
            return self.router
        is_corrected = draft.has(f"blk.{layer}.exp_probs_b.bias")
        return RouterTraits(is_sigmoid=is_corrected, is_normalised=is_corrected)


def embedded(draft: Draft) -> Node:
    """The tokens' rows of the embedding, as every graph begins (`build_inp_embd`)."""
    width, n_tokens = draft.model.embedding_width, draft.n_tokens
    embedding = draft.weight("token_embd.weight")
    found = draft.operation("embd", "GET_ROWS", (width, n_tokens), embedding, draft.tokens)
    if draft.has_mixed_input:
        tokens = draft.input("inp_mixed_tokens", "I32", n_tokens)
        slots = draft.input("inp_mixed_slots", "I64", n_tokens)
        given = draft.input("inp_mixed_embd", "F32", width, n_tokens)
        rows = draft.operation("mixed_tokens", "GET_ROWS", (width, n_tokens), embedding, tokens)
        copied = draft.operation("mixed_embd", "DUP", (width, n_tokens), given)
        draft.write("mixed", "SET_ROWS", copied, rows, slots, copied)
    return found


def output_rows(draft: Draft, found: Node, residual: Node) -> tuple[Node, Node]:
    """Only the rows whose logits are wanted go on; the last layer's feed-forward network is as narrow as that."""
    shape = (draft.model.embedding_width, draft.n_outputs)
    chosen = draft.operation("attn_out_rows", "GET_ROWS", shape, found, draft.output_rows)
    return chosen, draft.operation("residual_rows", "GET_ROWS", shape, residual, draft.output_rows)


def logits(
    draft: Draft,
    x: Node,
    *,
    is_capped: bool = False,
    is_scaled: bool = False,
    norm: str = "output_norm.weight",
    selects_rows: bool = False,
) -> None:
    """The last norm and the head; a tied embedding serves as the head on the output layer's device.

    Args:
        draft: the graph.
        x: the last layer's result.
        is_capped: logits go through a scaled tanh.
        is_scaled: logits are scaled.
        norm: the last norm's weight.
        selects_rows: all tokens are normed and handed out, and the output rows chosen after that.
    """
    normed = draft.norm(x, norm)
    normed.is_output = True
    if selects_rows:
        normed = draft.operation("result_norm", "GET_ROWS", (x.shape[0], draft.n_outputs), normed, draft.output_rows)
        normed.is_output = True
    output_device = draft.layout.layer_devices[-1]
    if draft.has("output.weight"):
        found = draft.matrix("result_output", "output.weight", normed)
    else:
        found = draft.matrix("result_output", "token_embd.weight", normed, device=output_device)
    if is_scaled:
        found = draft.operation("logits_scaled", "SCALE", found.shape, found)
    if is_capped:
        for name, op in (("logits_scaled_1", "SCALE"), ("logits_tanh", "UNARY"), ("logits_scaled_2", "SCALE")):
            found = draft.operation(name, op, found.shape, found)
    found.is_output = True
    draft.expand(found)

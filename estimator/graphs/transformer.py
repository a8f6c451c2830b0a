"""A stack of attention and feed-forward blocks between an embedding and a head, as most models have it.

llama.cpp: src/models/llama.cpp, qwen2.cpp, qwen3.cpp, qwen3moe.cpp, gemma2.cpp, gemma3.cpp, phi3.cpp,
openai-moe-iswa.cpp and deepseek2.cpp, as of 2026-10-01. They differ in a few habits, which are the traits below.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import AttentionTraits, attention, gated
from estimator.graphs.feed_forward import RouterTraits, experts, feed_forward
from estimator.graphs.fork_latent import fork_latent_attention, whole_heads
from estimator.graphs.latent import latent_attention
from estimator.weights import UNCOPIED_HEADS
from records.record import record

PLAIN_ATTENTION = AttentionTraits()
PLAIN_ROUTER = RouterTraits()


@record(frozen=True, slots=True, kw_only=True)
class Transformer:
    """What an architecture does that its tensors don't tell."""

    attention: AttentionTraits = PLAIN_ATTENTION
    router: RouterTraits = PLAIN_ROUTER
    norm_operation: str = "RMS_NORM"
    """``NORM`` where the mean is taken off too."""
    n_positions: int = 1
    """Numbers per token that say where it stands (4 where pictures have rows and columns)."""
    scales_embedding: bool = False
    scales_residuals: bool = False
    """What is added is scaled before (Granite)."""
    scales_logits: bool = False
    scales_hidden: bool = False
    """The last norm's result is scaled before the head (MiniCPM)."""
    is_squared: bool = False
    """Feed-forward networks without a gate square what is positive (Nemotron)."""
    is_parallel: bool = False
    """Attention and feed-forward network read the same normed input, and both are added (Command R)."""
    parallel_sum: tuple[str, str, str] = ("feed-forward", "residual", "attention")
    """The order in which a parallel block's terms are added."""
    joins_attention: bool = False
    """The attention's result and the residual are added before the network's joins them (StableLM 2 12B)."""
    feed_forward_norm: str = "ffn_norm"
    has_post_norms: bool = False
    """Attention and feed-forward results are normed before they are added (Gemma)."""
    norms_before_rows: bool = False
    """The attention's result is normed before the output rows are chosen (Trinity)."""
    selects_after_stack: bool = False
    """The output rows are chosen after the last layer, not within it."""
    selects_normed: bool = False
    """They are chosen after the last norm: the normed states of all tokens are handed out, for predictors (MTP)."""
    halves_shared: bool = False
    """The sum of the chosen and the shared experts' results is halved (Command A MoE)."""
    adds_residual_first: bool = False
    """The sum's first term is the residual, whose memory it may then take over."""
    adds_input_first: bool = False
    """That of the attention's result alone begins with the layer's input (OpenELM)."""
    norms_without_weight: bool = False
    """Norms have neither weight nor bias (OLMo)."""
    adds_positions: bool = False
    """Each place has a vector of its own, which is added to the token's (GPT-2)."""
    norms_embedding: bool = False
    """By nothing but its length where there is no weight for it (Muse)."""
    caps_logits: bool = False

    def build(self, draft: Draft) -> None:
        """Write the whole graph."""
        draft.norm_operation = self.norm_operation
        draft.positions = draft.input("inp_pos", "I32", draft.n_tokens * self.n_positions)
        if self.is_parallel or _is_forks_own(draft) or _has_whole_heads(draft):
            draft.defer()  # a parallel block's output matrix waits until the feed-forward network is done
        x = embedded(draft)
        if self.scales_embedding:
            x = draft.operation("inp_scaled", "SCALE", x.shape, x)
        if self.adds_positions:
            places = draft.operation("pos", "GET_ROWS", x.shape, draft.weight("position_embd.weight"), draft.positions)
            x = draft.operation("inp_placed", "ADD", x.shape, x, places)
        if self.norms_embedding:
            x = embedding_norm(draft, x)
        for layer in draft.layers:
            draft.begin_layer()
            x = (self._parallel_block if self.is_parallel else self._block)(draft, layer, x)
        if self._selects_after_stack(draft):
            x.is_output = True  # kept as the hidden state that is handed out
            x = draft.operation("result_rows", "GET_ROWS", (x.shape[0], draft.n_outputs), x, draft.output_rows)
        logits(
            draft,
            x,
            is_capped=self.caps_logits,
            is_scaled=self.scales_logits,
            scales_hidden=self.scales_hidden,
            selects_rows=self.selects_normed,
        )

    def _block(self, draft: Draft, layer: int, x: Node) -> Node:
        block = f"blk.{layer}."
        if not draft.has(f"{block}attn_output.weight"):
            return self._block_without_attention(draft, layer, x)
        normed = self._normed(draft, x, f"{block}attn_norm.weight")
        found = self._attended(draft, layer, normed)
        if self.norms_before_rows:
            found = draft.norm(found, f"{block}post_attention_norm.weight")
        if layer == draft.last_layer and not self._selects_late(draft):
            found, x = output_rows(draft, found, x)
        if self.has_post_norms and not self.norms_before_rows:
            found = draft.norm(found, f"{block}post_attention_norm.weight")
        terms = (x, found) if self.adds_input_first else (found, x)
        residual = self._sum(draft, "ffn_inp", *terms)
        found = self._fed_forward(
            draft, layer, self._normed(draft, residual, f"{block}{self.feed_forward_norm}.weight")
        )
        if self.has_post_norms:
            found = draft.norm(found, f"{block}post_ffw_norm.weight")
        terms = (residual, found) if self.adds_residual_first else (found, residual)
        return self._sum(draft, "l_out", *terms)

    def _block_without_attention(self, draft: Draft, layer: int, x: Node) -> Node:
        """A feed-forward network alone, or nothing: what a search for the best architecture left (Nemotron Super)."""
        if layer == draft.last_layer:
            shape = (x.shape[0], draft.n_outputs)
            x = draft.operation("residual_rows", "GET_ROWS", shape, x, draft.output_rows)
        if not draft.has(f"blk.{layer}.ffn_norm.weight"):
            return x
        found = self._fed_forward(draft, layer, draft.norm(x, f"blk.{layer}.ffn_norm.weight"))
        return self._sum(draft, "l_out", found, x)

    def _normed(self, draft: Draft, x: Node, weight: str) -> Node:
        return draft.norm(x, weight) if self.norms_without_weight or draft.has(weight) else x

    def _parallel_block(self, draft: Draft, layer: int, x: Node) -> Node:
        normed = draft.norm(x, f"blk.{layer}.attn_norm.weight")
        other = f"blk.{layer}.attn_norm_2.weight"  # Falcon 40B: the attention has a norm of its own
        attended = self._attended(draft, layer, draft.norm(x, other) if draft.has(other) else normed)
        if layer == draft.last_layer and not self._selects_late(draft):
            shape = (normed.shape[0], draft.n_outputs)
            attended, x = output_rows(draft, attended, x)
            normed = draft.operation("normed_rows", "GET_ROWS", shape, normed, draft.output_rows)
        if draft.has(f"blk.{layer}.ffn_norm.weight"):  # GPT-NeoX: so has the feed-forward network
            normed = draft.norm(x, f"blk.{layer}.ffn_norm.weight")
        found = self._fed_forward(draft, layer, normed)
        if self.joins_attention:
            joined = draft.operation("ffn_inp", "ADD", found.shape, attended, x)
            return draft.operation("l_out", "ADD", found.shape, found, joined)
        terms = {"feed-forward": found, "residual": x, "attention": attended}
        first, second, third = (terms[name] for name in self.parallel_sum)
        total = draft.operation("ffn_sum", "ADD", found.shape, first, second)
        return draft.operation("l_out", "ADD", found.shape, total, third)

    def _attended(self, draft: Draft, layer: int, x: Node) -> Node:
        if _is_forks_own(draft):
            found = fork_latent_attention(draft, layer, x)
        elif _has_whole_heads(draft):
            found = whole_heads(draft, layer, x)
        elif draft.model.latent is not None:
            found = latent_attention(draft, layer, x)
        else:
            found = gated(draft, layer, x, attention(draft, layer, x, self.attention))
            found = self._inner_normed(draft, layer, found)
        found = draft.matrix("attn_out", f"blk.{layer}.attn_output.weight", found)
        return draft.biased(found, f"blk.{layer}.attn_output.bias")

    def _inner_normed(self, draft: Draft, layer: int, found: Node) -> Node:
        """BitNet's is normed before its output matrix."""
        weight = f"blk.{layer}.attn_sub_norm.weight"
        return draft.norm(found, weight) if draft.has(weight) else found

    def _fed_forward(self, draft: Draft, layer: int, x: Node) -> Node:
        if draft.has(f"blk.{layer}.ffn_gate_inp.weight"):
            found = experts(draft, layer, x, self._router(draft, layer), is_squared=self.is_squared)
            if self.halves_shared and draft.has(f"blk.{layer}.ffn_up_shexp.weight"):
                found = draft.operation("ffn_out_halved", "SCALE", found.shape, found)
            return found
        return feed_forward(draft, layer, x, is_squared=self.is_squared)

    def _sum(self, draft: Draft, name: str, found: Node, other: Node) -> Node:
        if self.scales_residuals:
            found = draft.operation("scaled", "SCALE", found.shape, found)
        return draft.operation(name, "ADD", found.shape, found, other)

    def _selects_late(self, draft: Draft) -> bool:
        return self.selects_normed or self._selects_after_stack(draft)

    def _selects_after_stack(self, draft: Draft) -> bool:
        return self.selects_after_stack and draft.build.selects_rows_last

    def _router(self, draft: Draft, layer: int) -> RouterTraits:
        """DeepSeek's: with a correction of the probabilities they are sigmoids and normed (V3), else neither (V2)."""
        if not draft.model.latent and not _has_whole_heads(draft):
            return self.router
        is_corrected = draft.has(f"blk.{layer}.exp_probs_b.bias")
        return RouterTraits(is_sigmoid=is_corrected, is_normalised=is_corrected, is_scaled=self.router.is_scaled)


def _has_whole_heads(draft: Draft) -> bool:
    """Converted before latents were cached (2025-04)."""
    return draft.model.latent is None and draft.has("blk.0.attn_kv_b.weight")


def _is_forks_own(draft: Draft) -> bool:
    return draft.build.is_fork and draft.model.latent is not None


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


def embedding_norm(draft: Draft, x: Node) -> Node:
    """With weights that lie with the first layer (`LLM_TENSOR_TOKEN_EMBD_NORM` in src/llama-arch.cpp), or none."""
    first = draft.layout.layer_devices[0]
    x = draft.operation("norm", draft.norm_operation, x.shape, x)
    if not draft.has("token_embd_norm.weight"):
        return x
    x = draft.operation("norm", "MUL", x.shape, x, draft.weight("token_embd_norm.weight", device=first))
    if not draft.has("token_embd_norm.bias"):
        return x
    return draft.operation("inp_norm", "ADD", x.shape, x, draft.weight("token_embd_norm.bias", device=first))


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
    scales_hidden: bool = False,
    norm: str = "output_norm.weight",
    selects_rows: bool = False,
) -> None:
    """The last norm and the head; a tied embedding serves as the head on the output layer's device.

    Args:
        draft: the graph.
        x: the last layer's result.
        is_capped: logits go through a scaled tanh.
        is_scaled: logits are scaled.
        scales_hidden: what the head reads is scaled.
        norm: the last norm's weight.
        selects_rows: all tokens are normed and handed out, and the output rows chosen after that.
    """
    normed = draft.norm(x, norm)
    normed.is_output = True
    if selects_rows:
        normed = draft.operation("result_norm", "GET_ROWS", (x.shape[0], draft.n_outputs), normed, draft.output_rows)
        normed.is_output = True
    if scales_hidden:
        normed = draft.operation("lmhead_scaling", "SCALE", normed.shape, normed)
    output_device = draft.layout.layer_devices[-1]
    if draft.has("output.weight"):
        found = draft.matrix("result_output", "output.weight", normed)
    elif draft.model.architecture in UNCOPIED_HEADS:
        found = draft.matrix("result_output", "token_embd.weight", normed)
    else:
        found = draft.matrix("result_output", "token_embd.weight", normed, device=output_device)
    found = draft.biased(found, "output.bias")
    if is_scaled:
        found = draft.operation("logits_scaled", "SCALE", found.shape, found)
    if is_capped and draft.build.is_fork:
        found = draft.operation("logits_capped", "SOFTCAP", found.shape, found)
    elif is_capped:
        for name, op in (("logits_scaled_1", "SCALE"), ("logits_tanh", "UNARY"), ("logits_scaled_2", "SCALE")):
            found = draft.operation(name, op, found.shape, found)
    found.is_output = True
    draft.expand(found)

"""Stacks whose layers are state spaces or short convolutions, attention, or feed-forward networks, in any order.

llama.cpp: src/models/mamba.cpp, mamba2.cpp, jamba.cpp, granite-hybrid.cpp, falcon-h1.cpp and lfm2.cpp, as of
2026-10-01. What a layer is, its tensors say.
"""

from estimator.graph import Draft, Node
from estimator.graphs.attention import AttentionTraits, attention
from estimator.graphs.feed_forward import RouterTraits, experts, feed_forward
from estimator.graphs.mamba import mamba
from estimator.graphs.selective_scan import selective_scan
from estimator.graphs.short_convolution import short_convolution
from estimator.graphs.state import StateRows
from estimator.graphs.transformer import embedded, logits, output_rows
from records.record import record

PLAIN_ATTENTION = AttentionTraits()
PLAIN_ROUTER = RouterTraits()


@record(frozen=True, slots=True, kw_only=True)
class HybridStack:
    """What an architecture does that its tensors don't tell."""

    attention: AttentionTraits = PLAIN_ATTENTION
    router: RouterTraits = PLAIN_ROUTER
    is_scaled: bool = False
    """Embedding, residuals and logits are scaled (Granite)."""
    adds_residual_first: bool = False
    """The sum's first term is the residual."""
    output_norm: str = "output_norm.weight"

    def build(self, draft: Draft) -> None:
        """Write the whole graph."""
        draft.defer()
        rows = StateRows(draft)
        x = embedded(draft)
        if self.is_scaled:
            x = draft.operation("inp_scaled", "SCALE", x.shape, x)
        draft.expand(x)
        for layer in draft.layers:
            draft.begin_layer()
            x = self._block(draft, rows, layer, x)
        logits(draft, x, norm=self.output_norm, is_scaled=self.is_scaled)

    def _block(self, draft: Draft, rows: StateRows, layer: int, x: Node) -> Node:
        block = f"blk.{layer}."
        normed = draft.norm(x, f"{block}attn_norm.weight")
        found = self._mixed(draft, rows, layer, normed)
        if layer == draft.last_layer:
            found, x = output_rows(draft, found, x)
        residual = self._sum(draft, "ffn_inp", found, x)
        if not draft.has(f"{block}ffn_norm.weight"):
            return residual
        normed = draft.norm(residual, f"{block}ffn_norm.weight")
        if draft.has(f"{block}ffn_gate_inp.weight"):
            found = experts(draft, layer, normed, self.router)
        else:
            found = feed_forward(draft, layer, normed)
        return self._sum(draft, "l_out", found, residual)

    def _mixed(self, draft: Draft, rows: StateRows, layer: int, x: Node) -> Node:
        block = f"blk.{layer}."
        if draft.has(f"{block}ssm_in.weight"):
            scan = selective_scan if draft.has(f"{block}ssm_x.weight") else mamba
            return scan(draft, rows, layer, x)
        if draft.has(f"{block}shortconv.in_proj.weight"):
            return short_convolution(draft, rows, layer, x)
        found = attention(draft, layer, x, self.attention)
        return draft.matrix("attn_out", f"{block}attn_output.weight", found)

    def _sum(self, draft: Draft, name: str, found: Node, residual: Node) -> Node:
        if self.is_scaled:
            found = draft.operation("scaled", "SCALE", found.shape, found)
        terms = (residual, found) if self.adds_residual_first else (found, residual)
        return draft.operation(name, "ADD", residual.shape, *terms)


def build_falcon_h1(draft: Draft) -> None:
    """Every layer attends and scans the same input side by side, and adds both."""
    draft.defer()
    rows = StateRows(draft)
    x = embedded(draft)
    draft.expand(x)
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        attended = attention(draft, layer, draft.norm(x, f"{block}attn_norm.weight"), PLAIN_ATTENTION)
        attended = draft.matrix("attn_out", f"{block}attn_output.weight", attended)
        scanned = mamba(draft, rows, layer, draft.norm(x, f"{block}attn_norm.weight"))
        found = draft.operation("layer_out", "ADD", x.shape, attended, scanned)
        residual = draft.operation("ffn_inp", "ADD", x.shape, found, x)
        if layer == draft.last_layer:
            shape = (x.shape[0], draft.n_outputs)
            residual = draft.operation("ffn_inp_rows", "GET_ROWS", shape, residual, draft.output_rows)
        found = feed_forward(draft, layer, draft.norm(residual, f"{block}ffn_norm"))
        x = draft.operation("l_out", "ADD", residual.shape, found, residual)
    logits(draft, x)

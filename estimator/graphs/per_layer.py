"""An embedding of its own for every layer, joined with what the first embedding says (Gemma 3n and 4).

llama.cpp: `build_inp_per_layer` and `project_per_layer_inputs` in src/models/gemma3n.cpp and gemma4.cpp, as of
2026-10-01. To be written with nodes that wait (``Draft.defer``).
"""

from estimator.graph import Draft, Node


class PerLayerInputs:
    """What each layer adds to its result, of all layers together."""

    __slots__ = ("_joined", "_width")

    def __init__(self, draft: Draft, x: Node) -> None:
        """Look up the tokens' rows now, and join them with ``x``, the scaled embedding, when a layer asks for them."""
        all_widths = draft.tensors["per_layer_token_embd.weight"][1][0]
        n_tokens, n_layers = draft.n_tokens, draft.model.n_layers - draft.model.n_predictor_layers
        self._width = all_widths // n_layers
        shape = (self._width, n_layers, n_tokens)
        tokens = draft.input("inp_per_layer_tokens", "I32", n_tokens)
        weight = draft.weight("per_layer_token_embd.weight")
        rows = draft.operation("per_layer_rows", "GET_ROWS", (all_widths, n_tokens), weight, tokens)
        rows = draft.view("per_layer_rows", "RESHAPE", shape, rows)
        rows = draft.operation("inp_per_layer_selected", "SCALE", shape, rows)
        draft.expand(rows)
        projected = draft.matrix("per_layer_proj", "per_layer_model_proj.weight", x)
        projected = draft.operation("per_layer_proj", "SCALE", projected.shape, projected)
        projected = draft.view("per_layer_proj", "RESHAPE", shape, projected)
        projected = draft.norm(projected, "per_layer_proj_norm.weight")
        joined = draft.operation("inp_per_layer", "ADD", shape, projected, rows)
        joined = draft.operation("inp_per_layer", "SCALE", shape, joined)
        turned = (self._width, n_tokens, n_layers)
        joined = draft.view("inp_per_layer", "PERMUTE", turned, joined, is_contiguous=False)
        self._joined = draft.operation("inp_per_layer", "CONT", turned, joined)

    def multiplied(self, draft: Draft, layer: int, x: Node) -> Node:
        """A layer's own input times its gate, ``x`` through the gate's matrix, and back to the embedding's width."""
        block = f"blk.{layer}."
        gate = draft.matrix("per_layer_gate", f"{block}inp_gate.weight", x)
        gate = draft.operation("per_layer_gate", "UNARY", gate.shape, gate)
        own = draft.view("inp_this_layer", "VIEW", (self._width, draft.n_tokens), self._joined)
        found = draft.operation("per_layer_gated", "MUL", gate.shape, gate, own)
        found = draft.matrix("per_layer_out", f"{block}proj.weight", found)
        return draft.norm(found, f"{block}post_norm.weight")


def owner_of(draft: Draft, layer: int) -> int:
    """The layer whose keys and values this one attends to: itself, or the last of its kind that keeps some."""
    layers = draft.model.layers
    if layers[layer].key_width:
        return layer
    kind = layers[layer].window_tokens is None
    return max(i for i in range(layer) if layers[i].key_width and (layers[i].window_tokens is None) == kind)

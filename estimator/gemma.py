"""What Gemma 3n and Gemma 4 have beside an ordinary block: per-layer embeddings, parallel streams, two networks.

Names, shapes and types as in ``estimator.blocks``.
"""

from estimator.blocks import Sheet, dense, experts, head_widths, is_windowed

N_ALTUP_INPUTS = 4  # conversion/gemma.py, Gemma3NModel: altup_num_inputs of both published models
LAUREL_RANK = 64  # ibid., laurel_rank


def _per_layer_embeddings(sheet: Sheet) -> None:
    narrow = sheet.number("embedding_length_per_layer_input", 0)
    if not narrow:
        return
    sheet.matrix("per_layer_token_embd.weight", narrow * sheet.n_layers, sheet.number("vocab_size"))
    sheet.matrix("per_layer_model_proj.weight", sheet.width, narrow * sheet.n_layers)
    sheet.exact("per_layer_proj_norm.weight", narrow)


def gemma3n_whole(sheet: Sheet) -> None:
    _per_layer_embeddings(sheet)
    for name in ("altup_proj", "altup_unembd_proj"):
        sheet.matrix(f"{name}.weight", sheet.width, sheet.width, N_ALTUP_INPUTS - 1)


def gemma3n_extras(sheet: Sheet, layer: int) -> None:
    block, width, n = f"blk.{layer}.", sheet.width, N_ALTUP_INPUTS
    narrow = sheet.number("embedding_length_per_layer_input")
    sheet.matrix(f"{block}inp_gate.weight", width, narrow)
    sheet.matrix(f"{block}proj.weight", narrow, width)
    sheet.exact(f"{block}post_norm.weight", width)
    sheet.exact(f"{block}altup_correct_coef.weight", n, n)
    sheet.exact(f"{block}altup_correct_scale.weight", width)
    sheet.exact(f"{block}altup_predict_coef.weight", n, n * n)
    sheet.matrix(f"{block}altup_router.weight", width, n)
    sheet.exact(f"{block}altup_router_norm.weight", width)
    sheet.matrix(f"{block}laurel_l.weight", width, LAUREL_RANK)
    sheet.matrix(f"{block}laurel_r.weight", LAUREL_RANK, width)
    sheet.exact(f"{block}laurel_post_norm.weight", width)


def gemma4_extras(sheet: Sheet, layer: int) -> None:
    """A dense network always, experts beside it in the larger model, per-layer embeddings in the smaller."""
    block, width = f"blk.{layer}.", sheet.width
    dense(sheet, layer)
    sheet.exact(f"{block}layer_output_scale.weight", 1)
    if n_experts := sheet.number("expert_count", 0):
        experts(sheet, layer)
        sheet.exact(f"{block}ffn_gate_inp.scale", width)
        sheet.exact(f"{block}ffn_down_exps.scale", n_experts)
        for name in ("pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"):
            sheet.exact(f"{block}{name}.weight", width)
    if narrow := sheet.number("embedding_length_per_layer_input", 0):
        sheet.matrix(f"{block}inp_gate.weight", width, narrow)
        sheet.matrix(f"{block}proj.weight", narrow, width)
        sheet.exact(f"{block}post_norm.weight", width)


def gemma4_whole(sheet: Sheet) -> None:
    _per_layer_embeddings(sheet)
    full = next(layer for layer in range(sheet.n_layers) if not is_windowed(sheet, layer))
    sheet.exact("rope_freqs.weight", head_widths(sheet, full)[0] // 2)

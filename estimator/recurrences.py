"""The parts that remember a state instead of keys and values, as the tensors that a GGUF conversion has.

Names, shapes and types as in ``estimator.blocks``: those of llama.cpp's loader and converter as of 2026-10.
"""

from estimator.blocks import Sheet


def mamba(sheet: Sheet, layer: int) -> None:
    """Mamba-2."""
    block = f"blk.{layer}."
    inner, n_heads = sheet.number("ssm.inner_size"), sheet.number("ssm.time_step_rank")
    n_groups, kernel = sheet.number("ssm.group_count"), sheet.number("ssm.conv_kernel")
    convolved = inner + 2 * n_groups * sheet.number("ssm.state_size")
    sheet.matrix(f"{block}ssm_in.weight", sheet.width, inner + convolved + n_heads)
    sheet.exact(f"{block}ssm_conv1d.weight", kernel, convolved)
    sheet.exact(f"{block}ssm_conv1d.bias", convolved)
    sheet.exact(f"{block}ssm_dt.bias", n_heads)
    sheet.exact(f"{block}ssm_a", 1, n_heads)
    sheet.exact(f"{block}ssm_d", 1, n_heads)
    if "no_ssm_norm" not in sheet.flags:
        sheet.exact(f"{block}ssm_norm.weight", inner // n_groups, n_groups)
    sheet.matrix(f"{block}ssm_out.weight", inner, sheet.width)


def first_mamba(sheet: Sheet, layer: int) -> None:
    """Mamba-1; Jamba normalises the three parts of its step."""
    block = f"blk.{layer}."
    inner, state = sheet.number("ssm.inner_size"), sheet.number("ssm.state_size")
    rank = sheet.number("ssm.time_step_rank")
    sheet.matrix(f"{block}ssm_in.weight", sheet.width, 2 * inner)
    sheet.exact(f"{block}ssm_conv1d.weight", sheet.number("ssm.conv_kernel"), inner)
    sheet.exact(f"{block}ssm_conv1d.bias", inner)
    sheet.matrix(f"{block}ssm_x.weight", inner, rank + 2 * state)
    if "ssm_step_norms" in sheet.flags:
        for name, width in (("ssm_dt_norm", rank), ("ssm_b_norm", state), ("ssm_c_norm", state)):
            sheet.exact(f"{block}{name}.weight", width)
    sheet.matrix(f"{block}ssm_dt.weight", rank, inner)
    sheet.exact(f"{block}ssm_dt.bias", inner)
    sheet.exact(f"{block}ssm_a", state, inner)
    sheet.exact(f"{block}ssm_d", inner)
    sheet.matrix(f"{block}ssm_out.weight", inner, sheet.width)


def gated_delta_net(sheet: Sheet, layer: int) -> None:
    """Linear attention of Qwen3-Next and Qwen3.5; the latter stores the two gates apart."""
    block = f"blk.{layer}."
    state, n_value_heads = sheet.number("ssm.state_size"), sheet.number("ssm.time_step_rank")
    keys, values = state * sheet.number("ssm.group_count"), state * n_value_heads
    sheet.matrix(f"{block}attn_qkv.weight", sheet.width, 2 * keys + values)
    sheet.matrix(f"{block}attn_gate.weight", sheet.width, values)
    sheet.exact(f"{block}ssm_conv1d.weight", sheet.number("ssm.conv_kernel"), 2 * keys + values)
    sheet.exact(f"{block}ssm_dt.bias", n_value_heads)
    sheet.exact(f"{block}ssm_a", n_value_heads)
    if sheet.architecture == "qwen3next":
        sheet.matrix(f"{block}ssm_ba.weight", sheet.width, 2 * n_value_heads)
    else:
        sheet.matrix(f"{block}ssm_beta.weight", sheet.width, n_value_heads)
        sheet.matrix(f"{block}ssm_alpha.weight", sheet.width, n_value_heads)
    sheet.exact(f"{block}ssm_norm.weight", state)
    sheet.matrix(f"{block}ssm_out.weight", values, sheet.width)


def delta_attention(sheet: Sheet, layer: int) -> None:
    """Kimi's: a gated delta net with a decay for each channel, and three short convolutions."""
    block = f"blk.{layer}."
    n_heads, narrow = sheet.layer_number("attention.head_count", layer), sheet.number("kda.head_dim")
    inner = n_heads * narrow
    for name in ("q", "k", "v"):
        sheet.exact(f"{block}ssm_conv1d_{name}.weight", sheet.number("ssm.conv_kernel"), 1, inner)
    for name in ("q", "k", "v"):
        sheet.matrix(f"{block}attn_{name}.weight", sheet.width, inner)
    for gate in ("f",) if "wide_delta_gate" in sheet.flags else ("f", "g"):
        sheet.matrix(f"{block}ssm_{gate}_a.weight", sheet.width, narrow)
        sheet.matrix(f"{block}ssm_{gate}_b.weight", narrow, inner)
    if "wide_delta_gate" in sheet.flags:
        sheet.matrix(f"{block}ssm_g.weight", sheet.width, inner)
    sheet.matrix(f"{block}ssm_beta.weight", sheet.width, n_heads)
    sheet.exact(f"{block}ssm_a", *((1, n_heads) if sheet.architecture == "kimi-linear" else (n_heads,)))
    sheet.exact(f"{block}ssm_dt.bias", inner)
    sheet.exact(f"{block}ssm_norm.weight", narrow)
    sheet.matrix(f"{block}attn_output.weight", inner, sheet.width)


def lightning_attention(sheet: Sheet, layer: int) -> None:
    """MiniMax-01's linear attention."""
    block = f"blk.{layer}."
    inner = sheet.number("attention.head_count") * sheet.number("attention.key_length")
    sheet.exact(f"{block}attn_norm_2.weight", inner)
    sheet.matrix(f"{block}attn_qkv.weight", sheet.width, 3 * inner)
    sheet.matrix(f"{block}attn_gate.weight", sheet.width, inner)
    sheet.matrix(f"{block}attn_output.weight", inner, sheet.width)


def short_convolution(sheet: Sheet, layer: int) -> None:
    """LFM2's."""
    block = f"blk.{layer}.shortconv."
    sheet.exact(f"{block}conv.weight", sheet.number("shortconv.l_cache"), sheet.width)
    sheet.matrix(f"{block}in_proj.weight", sheet.width, 3 * sheet.width)
    sheet.matrix(f"{block}out_proj.weight", sheet.width, sheet.width)

"""Newer parts: indexers that choose what to attend to, compressed attention, and residual streams that are mixed.

Names, shapes and types as in ``estimator.blocks``: those of llama.cpp's loader and converter as of 2026-10.
"""

from estimator.blocks import Sheet, attention, latent_attention


def indexed_latent_attention(sheet: Sheet, layer: int) -> None:
    """Latent attention with an indexer of its own (DeepSeek V3.2, GLM-5); GLM-5.3's pools its keys."""
    latent_attention(sheet, layer)
    if not sheet.layer_number("attention.indexer.types", layer, 1):  # it uses the indexer of an earlier layer
        return
    n_heads, width = sheet.number("attention.indexer.head_count"), sheet.number("attention.indexer.key_length")
    block, n_pooled = f"blk.{layer}.", sheet.number("attention.indexer.kpool", 0)
    put = sheet.exact if n_pooled else sheet.matrix  # conversion/glm.py, tensor_force_quant: the small ones stay exact
    sheet.exact(f"{block}indexer.k_norm.weight", width)
    sheet.exact(f"{block}indexer.k_norm.bias", width)
    sheet.exact(f"{block}indexer.proj.weight", sheet.width, n_heads)
    put(f"{block}indexer.attn_k.weight", sheet.width, width)
    put(f"{block}indexer.attn_q_b.weight", sheet.number("attention.q_lora_rank"), n_heads * width)
    if n_pooled:
        sheet.exact(f"{block}indexer_compressor_gate.weight", sheet.width, width)
        sheet.exact(f"{block}indexer_compressor_ape.weight", width, n_pooled)


def indexed_attention(sheet: Sheet, layer: int) -> None:
    """Attention with an indexer in all but the leading dense layers (MiniMax M3, Qwen3.8 Flash)."""
    attention(sheet, layer)
    if layer < sheet.number("leading_dense_block_count", 0):
        return
    block, width = f"blk.{layer}.indexer.", sheet.number("attention.indexer.key_length")
    sheet.exact(f"{block}q_proj.weight", sheet.width, sheet.number("attention.indexer.head_count") * width)
    sheet.exact(f"{block}k_proj.weight", sheet.width, width)
    sheet.exact(f"{block}q_norm.weight", width)
    sheet.exact(f"{block}k_norm.weight", width)


def compressed_attention(sheet: Sheet, layer: int) -> None:
    """DeepSeek V4's: keys are values, shared by all heads, and older ones are compressed by 4 or by 128."""
    block, width = f"blk.{layer}.", sheet.number("attention.key_length")
    n_heads, rank = sheet.number("attention.head_count"), sheet.number("attention.q_lora_rank")
    n_groups, narrow = sheet.number("attention.output_group_count"), sheet.number("attention.output_lora_rank")
    sheet.exact(f"{block}attn_sinks.weight", n_heads)
    sheet.matrix(f"{block}attn_q_a.weight", sheet.width, rank)
    sheet.exact(f"{block}attn_q_a_norm.weight", rank)
    sheet.matrix(f"{block}attn_q_b.weight", rank, n_heads * width)
    sheet.matrix(f"{block}attn_kv.weight", sheet.width, width)
    sheet.exact(f"{block}attn_kv_a_norm.weight", width)
    sheet.matrix(f"{block}attn_output_a.weight", n_heads * width // n_groups, narrow, n_groups)
    sheet.matrix(f"{block}attn_output_b.weight", n_groups * narrow, sheet.width)
    ratio = sheet.layer_number("attention.compress_ratios", layer)
    if ratio:
        _compressor(sheet, f"{block}attn_compressor", width, ratio)
    if ratio == OVERLAPPING_RATIO:
        n_indexers, narrow = sheet.number("attention.indexer.head_count"), sheet.number("attention.indexer.key_length")
        sheet.exact(f"{block}indexer.proj.weight", sheet.width, n_indexers)
        sheet.matrix(f"{block}indexer.attn_q_b.weight", rank, n_indexers * narrow)
        _compressor(sheet, f"{block}indexer_compressor", narrow, ratio)


OVERLAPPING_RATIO = 4
"""Layers that compress by so much look at overlapping stretches, and have an indexer (src/models/deepseek4.cpp)."""


def _compressor(sheet: Sheet, name: str, width: int, ratio: int) -> None:
    wide = width * (2 if ratio == OVERLAPPING_RATIO else 1)
    sheet.matrix(f"{name}_kv.weight", sheet.width, wide)
    sheet.matrix(f"{name}_gate.weight", sheet.width, wide)
    sheet.exact(f"{name}_ape.weight", wide, ratio)
    sheet.exact(f"{name}_norm.weight", width)


def mixed_streams(sheet: Sheet, layer: int) -> None:
    """Hyper-connections: several residual streams, mixed anew before attention and before the network."""
    n_streams = sheet.number("hyper_connection.count")
    n_mixed = (2 + n_streams) * n_streams
    for place in ("attn", "ffn"):
        name = f"blk.{layer}.hc_{place}_"
        sheet.exact(f"{name}fn.weight", n_streams * sheet.width, n_mixed)
        sheet.exact(f"{name}base.weight", n_mixed)
        sheet.exact(f"{name}scale.weight", 3)


def mixed_streams_head(sheet: Sheet) -> None:
    """Of the last streams."""
    n_streams = sheet.number("hyper_connection.count")
    sheet.exact("output_hc_fn.weight", n_streams * sheet.width, n_streams)
    sheet.exact("output_hc_base.weight", n_streams)
    sheet.exact("output_hc_scale.weight", 1)


def low_rank_streams(sheet: Sheet, layer: int) -> None:
    """Qwen3.8 Flash mixes its streams through a low rank; one layer also reads the table of n-grams."""
    n_streams, rank = sheet.number("hyper_connection.count"), sheet.number("hyper_connection.low_rank")
    wide = n_streams * sheet.width
    for place in ("attn", "ffn"):
        name = f"blk.{layer}.hc_{place}_"
        sheet.exact(f"{name}norm.weight", sheet.width, n_streams)
        sheet.matrix(f"{name}down.weight", wide, rank)
        sheet.matrix(f"{name}up.weight", rank, wide)
        sheet.matrix(f"{name}inject.weight", wide, n_streams)
    if layer == sheet.number("ple.layer"):
        block = f"blk.{layer}.ple_"
        sheet.matrix(f"{block}key.weight", sheet.width, wide)
        sheet.matrix(f"{block}value.weight", sheet.width, sheet.width)
        for name in ("norm_key", "norm_query", "norm_conv"):
            sheet.exact(f"{block}{name}.weight", sheet.width, n_streams)
        sheet.exact(f"{block}conv1d.weight", sheet.number("ple.conv_kernel"), wide)


def low_rank_streams_head(sheet: Sheet) -> None:
    """Of the last streams, in place of the last norm; and the table of n-grams."""
    n_streams, rank = sheet.number("hyper_connection.count"), sheet.number("hyper_connection.low_rank")
    wide = n_streams * sheet.width
    sheet.exact("output_hc_norm.weight", sheet.width, n_streams)
    sheet.matrix("output_hc_down.weight", wide, rank)
    sheet.matrix("output_hc_up.weight", rank, wide)
    sheet.matrix("per_layer_token_embd.weight", sheet.number("ple.head_dim"), sheet.number("ple.rows"))


def residual_scores(sheet: Sheet, layer: int) -> None:
    """Kimi K3 weighs the results of earlier blocks."""
    sheet.exact(f"blk.{layer}.attn_res_score.weight", sheet.width)
    sheet.exact(f"blk.{layer}.ffn_res_score.weight", sheet.width)


def cross_attention(sheet: Sheet, layer: int) -> None:
    """Llama 3.2 Vision: attention to the image's tokens, as Ollama's conversion stores it."""
    block = f"blk.{layer}.cross_attn_"
    n_heads, n_kv_heads = sheet.number("attention.head_count"), sheet.number("attention.head_count_kv")
    width = sheet.width // n_heads
    sheet.matrix(f"{block}q_proj.weight", sheet.width, n_heads * width)
    sheet.matrix(f"{block}k_proj.weight", sheet.width, n_kv_heads * width)
    sheet.matrix(f"{block}v_proj.weight", sheet.width, n_kv_heads * width)
    sheet.matrix(f"{block}o_proj.weight", n_heads * width, sheet.width)
    sheet.exact(f"{block}q_norm.weight", width)
    sheet.exact(f"{block}k_norm.weight", width)
    sheet.exact(f"{block}attn_gate", 1)
    sheet.exact(f"{block}mlp_gate", 1)

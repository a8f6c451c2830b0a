"""The parts that transformer blocks are made of, as tensors a GGUF conversion has before it is quantised.

Names and shapes are those that llama.cpp's loader asks for (src/models/*.cpp, `load_arch_tensors`), types those that
its converter writes (conversion/base.py, `prepare_tensors`): float32 for vectors, norms, routers and convolutions,
bfloat16 for the rest; as of 2026-10.
"""

from collections.abc import Mapping, Sequence

from estimator.errors import UnreadableModel
from estimator.model import Tensor


class Sheet:
    """The list of tensors being written, and the numbers it is written from."""

    def __init__(self, metadata: Mapping[str, object], flags: frozenset[str]) -> None:
        self.metadata = metadata
        self.architecture = str(metadata["general.architecture"])
        self.flags = flags
        self.tensors: list[Tensor] = []
        self.n_layers = self.number("block_count")
        self.width = self.number("embedding_length")

    def number(self, key: str, default: int | None = None) -> int:
        """A number that holds for all layers.

        Raises:
            UnreadableModel: it is missing and has no default.
        """
        found = self.metadata.get(f"{self.architecture}.{key}", default)
        if not isinstance(found, int):
            raise UnreadableModel(f"{self.architecture}.{key} is not one number, so the tensors can't be listed")
        return found

    def layer_number(self, key: str, layer: int, default: int | None = None) -> int:
        """A number that may differ between layers."""
        found = self.metadata.get(f"{self.architecture}.{key}")
        if isinstance(found, Sequence) and not isinstance(found, str):
            return int(found[layer])
        return self.number(key, default)

    def matrix(self, name: str, *shape: int, type_name: str = "BF16") -> None:
        self.tensors.append(Tensor(name, shape, type_name))

    def exact(self, name: str, *shape: int) -> None:
        """Kept in float32, as vectors and delicate small matrices are."""
        self.tensors.append(Tensor(name, shape, "F32"))

    def norm(self, name: str, width: int) -> None:
        self.exact(f"{name}.weight", width)
        if "norm_bias" in self.flags:
            self.exact(f"{name}.bias", width)


def head_widths(sheet: Sheet, layer: int) -> tuple[int, int]:
    """(key, value) elements of one head; Gemma 4 has narrower heads where a window slides."""
    default = sheet.width // max(1, sheet.layer_number("attention.head_count", layer))
    suffix = (
        "_swa"
        if is_windowed(sheet, layer) and f"{sheet.architecture}.attention.key_length_swa" in sheet.metadata
        else ""
    )
    key = sheet.number(f"attention.key_length{suffix}", default)
    return key, sheet.number(f"attention.value_length{suffix}", key)


def is_windowed(sheet: Sheet, layer: int) -> bool:
    """Whether the model's own list says that this layer has a sliding window."""
    pattern = sheet.metadata.get(f"{sheet.architecture}.attention.sliding_window_pattern")
    return isinstance(pattern, Sequence) and bool(pattern[layer])


def attention(sheet: Sheet, layer: int) -> None:
    """Queries, keys, values and output, in one matrix each."""
    block, flags = f"blk.{layer}.", sheet.flags
    key_width, value_width = head_widths(sheet, layer)
    n_heads = sheet.layer_number("attention.head_count", layer)
    n_kv_heads = sheet.layer_number("attention.head_count_kv", layer, n_heads)
    queries, keys, values = n_heads * key_width, n_kv_heads * key_width, n_kv_heads * value_width
    outputs = n_heads * value_width
    sheet.matrix(f"{block}attn_q.weight", sheet.width, queries * (2 if "gated_query" in flags else 1))
    sheet.matrix(f"{block}attn_k.weight", sheet.width, keys)
    if "values_are_keys" not in flags or is_windowed(sheet, layer):
        sheet.matrix(f"{block}attn_v.weight", sheet.width, values)
    sheet.matrix(f"{block}attn_output.weight", outputs, sheet.width)
    if "qkv_bias" in flags:
        sheet.exact(f"{block}attn_q.bias", queries)
        sheet.exact(f"{block}attn_k.bias", keys)
        sheet.exact(f"{block}attn_v.bias", values)
    if "output_bias" in flags:
        sheet.exact(f"{block}attn_output.bias", sheet.width)
    if "sinks" in flags or ("windowed_sinks" in flags and is_windowed(sheet, layer)):
        sheet.exact(f"{block}attn_sinks.weight", n_heads)
    if gate := flags & {"head_gate", "wide_gate"}:
        sheet.matrix(f"{block}attn_gate.weight", sheet.width, n_heads if "head_gate" in gate else outputs)
    _query_key_norms(sheet, block, (key_width, n_heads, n_kv_heads))


def _query_key_norms(sheet: Sheet, block: str, widths: tuple[int, int, int]) -> None:
    key_width, n_heads, n_kv_heads = widths
    if "qk_norm" in sheet.flags:
        sheet.exact(f"{block}attn_q_norm.weight", key_width)
        sheet.exact(f"{block}attn_k_norm.weight", key_width)
    if "wide_qk_norm" in sheet.flags:
        sheet.exact(f"{block}attn_q_norm.weight", n_heads * key_width)
        sheet.exact(f"{block}attn_k_norm.weight", n_kv_heads * key_width)
    if "per_head_qk_norm" in sheet.flags:
        sheet.exact(f"{block}attn_q_norm.weight", key_width, n_heads)
        sheet.exact(f"{block}attn_k_norm.weight", key_width, n_kv_heads)


def fused_attention(sheet: Sheet, layer: int) -> None:
    """Queries, keys and values in one matrix (Phi-3, Falcon, GPT-2)."""
    block = f"blk.{layer}."
    key_width, _ = head_widths(sheet, layer)
    n_heads = sheet.number("attention.head_count")
    n_kv_heads = sheet.number("attention.head_count_kv", n_heads)
    n_rows = (n_heads + 2 * n_kv_heads) * key_width
    sheet.matrix(f"{block}attn_qkv.weight", sheet.width, n_rows)
    sheet.matrix(f"{block}attn_output.weight", n_heads * key_width, sheet.width)
    if "qkv_bias" in sheet.flags:
        sheet.exact(f"{block}attn_qkv.bias", n_rows)
    if "output_bias" in sheet.flags:
        sheet.exact(f"{block}attn_output.bias", sheet.width)
    _query_key_norms(sheet, block, (key_width, n_heads, n_kv_heads))


def latent_attention(sheet: Sheet, layer: int) -> None:
    """DeepSeek's: keys and values come from one narrow latent; the second half is stored transposed, per head."""
    block = f"blk.{layer}."
    n_heads, rank = sheet.layer_number("attention.head_count", layer), sheet.number("attention.kv_lora_rank")
    rope, full_key = sheet.number("rope.dimension_count"), sheet.number("attention.key_length_mla")
    value, query_rank = sheet.number("attention.value_length_mla"), sheet.number("attention.q_lora_rank", 0)
    if query_rank:
        sheet.matrix(f"{block}attn_q_a.weight", sheet.width, query_rank)
        sheet.exact(f"{block}attn_q_a_norm.weight", query_rank)
        sheet.matrix(f"{block}attn_q_b.weight", query_rank, n_heads * full_key)
    else:
        sheet.matrix(f"{block}attn_q.weight", sheet.width, n_heads * full_key)
    sheet.matrix(f"{block}attn_kv_a_mqa.weight", sheet.width, rank + rope)
    sheet.exact(f"{block}attn_kv_a_norm.weight", rank)
    if "whole_key_values" in sheet.flags:
        sheet.matrix(f"{block}attn_kv_b.weight", rank, n_heads * (full_key - rope + value))
    if "whole_key_values" not in sheet.flags or "both_key_values" in sheet.flags:
        sheet.matrix(f"{block}attn_k_b.weight", full_key - rope, rank, n_heads)
        sheet.matrix(f"{block}attn_v_b.weight", rank, value, n_heads)
    if "wide_gate" in sheet.flags:
        sheet.matrix(f"{block}attn_gate.weight", sheet.width, n_heads * value)
    sheet.matrix(f"{block}attn_output.weight", n_heads * value, sheet.width)


def feed_forward(sheet: Sheet, layer: int) -> None:
    """Experts in the layers that have them, otherwise one dense network."""
    step = sheet.number("interleave_moe_layer_step", 1)
    is_dense = layer < sheet.number("leading_dense_block_count", 0) or (layer + 1) % step != 0
    if sheet.number("expert_count", 0) and not is_dense:
        experts(sheet, layer)
    else:
        dense(sheet, layer)


def dense(sheet: Sheet, layer: int) -> None:
    """Gate, up and down; without a gate in older networks, gate and up in one matrix in Phi-3 and GLM-4."""
    block, inner = f"blk.{layer}.", sheet.layer_number("feed_forward_length", layer)
    if "fused_gate" in sheet.flags:
        sheet.matrix(f"{block}ffn_up.weight", sheet.width, 2 * inner)
    else:
        if "ungated" not in sheet.flags:
            sheet.matrix(f"{block}ffn_gate.weight", sheet.width, inner)
        sheet.matrix(f"{block}ffn_up.weight", sheet.width, inner)
    sheet.matrix(f"{block}ffn_down.weight", inner, sheet.width)
    if "feed_forward_bias" in sheet.flags:
        sheet.exact(f"{block}ffn_up.bias", inner)
    if sheet.flags & {"feed_forward_bias", "down_bias"}:
        sheet.exact(f"{block}ffn_down.bias", sheet.width)


def experts(sheet: Sheet, layer: int) -> None:
    """The router, the experts' matrices stacked, and the shared expert where there is one."""
    block, flags = f"blk.{layer}.", sheet.flags
    n_experts = sheet.number("expert_count")
    n_routes = n_experts + sheet.number("expert_zero_count", 0)
    inner = sheet.number("expert_feed_forward_length", 0) or sheet.number("feed_forward_length")
    width = _narrowed(sheet, block)
    # gpt-oss is published with its experts as MXFP4, and conversions keep them so.
    stored = "MXFP4" if sheet.architecture == "gpt-oss" else "BF16"
    sheet.exact(f"{block}ffn_gate_inp.weight", sheet.width, n_routes)
    if "fused_experts" in flags:
        sheet.matrix(f"{block}ffn_gate_up_exps.weight", width, 2 * inner, n_experts)
    else:
        if "ungated" not in flags:
            sheet.matrix(f"{block}ffn_gate_exps.weight", width, inner, n_experts, type_name=stored)
        sheet.matrix(f"{block}ffn_up_exps.weight", width, inner, n_experts, type_name=stored)
    sheet.matrix(f"{block}ffn_down_exps.weight", inner, width, n_experts, type_name=stored)
    if "router_bias" in flags:
        sheet.exact(f"{block}exp_probs_b{'' if sheet.architecture == 'hy_v3' else '.bias'}", n_routes)
    if "expert_bias" in flags:
        sheet.exact(f"{block}ffn_gate_inp.bias", n_experts)
        sheet.exact(f"{block}ffn_gate_exps.bias", inner, n_experts)
        sheet.exact(f"{block}ffn_up_exps.bias", inner, n_experts)
        sheet.exact(f"{block}ffn_down_exps.bias", sheet.width, n_experts)
    shared = sheet.number("expert_shared_feed_forward_length", inner * sheet.number("expert_shared_count", 0))
    if shared:
        _shared_expert(sheet, layer, shared)


def _narrowed(sheet: Sheet, block: str) -> int:
    """The width that experts work in: the model's own, or a narrower one with a matrix down to it and one up."""
    for key, name in (("moe_latent_size", "ffn_latent"), ("expert_latent_length", "ffn_routed")):
        if narrow := sheet.number(key, 0):
            sheet.matrix(f"{block}{name}_down.weight", sheet.width, narrow)
            sheet.matrix(f"{block}{name}_up.weight", narrow, sheet.width)
            if name == "ffn_routed":
                sheet.exact(f"{block}{name}_norm.weight", narrow)
            return narrow
    return sheet.width


def _shared_expert(sheet: Sheet, layer: int, inner: int) -> None:
    block = f"blk.{layer}."
    if "shared_gate" in sheet.flags:
        sheet.exact(f"{block}ffn_gate_inp_shexp.weight", sheet.width)
    if "ungated" not in sheet.flags:
        sheet.matrix(f"{block}ffn_gate_shexp.weight", sheet.width, inner)
    sheet.matrix(f"{block}ffn_up_shexp.weight", sheet.width, inner)
    sheet.matrix(f"{block}ffn_down_shexp.weight", inner, sheet.width)


def predictor(sheet: Sheet, layer: int) -> None:
    """What a layer that predicts further tokens (MTP) has beside an ordinary one.

    Most checkpoints give it copies of the embedding and the output matrix; a lean one uses the model's own.
    """
    block = f"blk.{layer}.nextn."
    sheet.matrix(f"{block}eh_proj.weight", 2 * sheet.width, sheet.width)
    if "lean_predictor" not in sheet.flags:
        sheet.matrix(f"{block}embed_tokens.weight", sheet.width, sheet.number("vocab_size"))
        sheet.matrix(f"{block}shared_head_head.weight", sheet.width, sheet.number("vocab_size"))
    for name in ("enorm", "hnorm", "shared_head_norm"):
        sheet.exact(f"{block}{name}.weight", sheet.width)

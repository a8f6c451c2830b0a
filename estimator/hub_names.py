"""From the names that Hugging Face checkpoints give their tensors to GGUF's, which the rest of Plimsoll goes by.

After llama.cpp's gguf-py/gguf/tensor_mapping.py (2026-10). A name without an entry keeps its own words behind GGUF's
``blk.N.``, so that it still counts for its layer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

_LAYER = re.compile(
    r"(?P<before>(?:[a-z_]+\.)*?)(?:layers|h|blocks|block|encoder\.layer)\.(?P<layer>\d{1,4})\.(?P<rest>.+)"
)
_EXPERT = re.compile(r"(?P<before>.*\bexperts)\.(?P<expert>\d{1,5})\.(?P<rest>.+)")

_EXPERT_NUMBER = re.compile(r"\.experts\.\d{1,5}\.")

_VISION = (
    "vision_tower",
    "vision_model",
    "visual",
    "vision_encoder",
    "vit",
    "vpm",
    "embed_vision",
    "vision_embedder",
    "sam_model",
    "embed_tokens_extend",
)
_AUDIO = ("audio_tower", "audio_encoder", "audio_model", "embed_audio", "sound_encoder")
_PROJECTOR = ("multi_modal_projector", "mm_projector", "connector", "resampler", "aligner", "mlp1", "patch_merger")

# Of tensors outside the layers, without the parts that only say "model".
_WHOLE: Mapping[str, str] = MappingProxyType(
    {
        "embed_tokens": "token_embd", "wte": "token_embd", "word_embeddings": "token_embd", "embeddings": "token_embd",
        "embed_in": "token_embd", "tok_embeddings": "token_embd", "embedding": "token_embd", "embed_out": "output",
        "lm_head": "output", "output": "output", "norm": "output_norm", "norm_f": "output_norm",
        "ln_f": "output_norm", "final_layernorm": "output_norm", "final_layer_norm": "output_norm",
        "embedding_norm": "token_embd_norm", "wpe": "position_embd", "embed_positions": "position_embd",
        "embed_tokens_per_layer": "per_layer_token_embd", "per_layer_model_projection": "per_layer_model_proj",
        "per_layer_projection_norm": "per_layer_proj_norm",
    }
)  # fmt: skip

# Of modules in a layer. Where several families share a word (post_attention_layernorm), bytes don't depend on it.
_IN_LAYER: Mapping[str, str] = MappingProxyType(
    {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "self_attn.qkv_proj": "attn_qkv", "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm", "self_attn.q_layernorm": "attn_q_norm", "self_attn.out_proj": "attn_output",
        "self_attn.k_layernorm": "attn_k_norm", "self_attn.q_a_proj": "attn_q_a", "self_attn.q_b_proj": "attn_q_b",
        "self_attn.q_a_layernorm": "attn_q_a_norm", "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
        "self_attn.kv_a_layernorm": "attn_kv_a_norm", "self_attn.kv_b_proj": "attn_kv_b",
        "self_attn.sinks": "attn_sinks", "self_attn.dense": "attn_output", "self_attention.dense": "attn_output",
        "self_attention.query_key_value": "attn_qkv", "attention.query_key_value": "attn_qkv",
        "attention.dense": "attn_output", "attention.wqkv": "attn_qkv", "attention.wo": "attn_output",
        "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mixer.q_proj": "attn_q", "mixer.k_proj": "attn_k",
        "mixer.v_proj": "attn_v", "mixer.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "mlp.gate_up_proj": "ffn_up", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down",
        "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down", "mlp.dense_h_to_4h": "ffn_up",
        "mlp.dense_4h_to_h": "ffn_down", "feed_forward.w1": "ffn_gate", "feed_forward.w2": "ffn_down",
        "feed_forward.w3": "ffn_up", "feed_forward.gate_proj": "ffn_gate", "feed_forward.up_proj": "ffn_up",
        "feed_forward.down_proj": "ffn_down", "mixer.up_proj": "ffn_up", "mixer.down_proj": "ffn_down",
        "mlp.gate.e_score_correction_bias": "exp_probs_b.bias",
        "block_sparse_moe.e_score_correction_bias": "exp_probs_b.bias",
        "mlp.gate": "ffn_gate_inp", "mlp.router": "ffn_gate_inp", "mlp.router.layer": "ffn_gate_inp",
        "block_sparse_moe.gate": "ffn_gate_inp", "block_sparse_moe.router.layer": "ffn_gate_inp",
        "feed_forward.router": "ffn_gate_inp", "feed_forward.gate": "ffn_gate_inp", "mixer.gate": "ffn_gate_inp",
        "router.proj": "ffn_gate_inp", "mlp.gate.wg": "ffn_gate_inp", "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
        "shared_mlp.input_linear": "ffn_gate_shexp", "shared_mlp.output_linear": "ffn_down_shexp",
        "block_sparse_moe.input_linear": "ffn_gate_up_exps", "block_sparse_moe.output_linear": "ffn_down_exps",
        "linear_attn.in_proj_qkvz": "attn_qkv", "linear_attn.in_proj_qkv": "attn_qkv",
        "linear_attn.in_proj_z": "attn_gate", "linear_attn.in_proj_ba": "ssm_ba", "linear_attn.in_proj_b": "ssm_beta",
        "linear_attn.in_proj_a": "ssm_alpha", "linear_attn.conv1d": "ssm_conv1d", "linear_attn.norm": "ssm_norm",
        "linear_attn.out_proj": "ssm_out", "linear_attn.A_log": "ssm_a", "linear_attn.dt_bias": "ssm_dt",
        "mamba.in_proj": "ssm_in", "mamba.out_proj": "ssm_out", "mamba.conv1d": "ssm_conv1d", "mamba.A_log": "ssm_a",
        "mamba.D": "ssm_d", "mamba.dt_bias": "ssm_dt", "mamba.norm": "ssm_norm", "mamba.x_proj": "ssm_x",
        "mamba.dt_proj": "ssm_dt", "mixer.in_proj": "ssm_in", "mixer.out_proj": "ssm_out",
        "mixer.conv1d": "ssm_conv1d", "mixer.A_log": "ssm_a", "mixer.D": "ssm_d", "mixer.dt_bias": "ssm_dt",
        "mixer.norm": "ssm_norm", "mixer.x_proj": "ssm_x", "mixer.dt_proj": "ssm_dt",
        "conv.in_proj": "shortconv.in_proj", "conv.out_proj": "shortconv.out_proj", "conv.conv": "shortconv.conv",
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "operator_norm": "attn_norm",
        "ffn_norm": "ffn_norm", "pre_feedforward_layernorm": "ffn_norm", "norm": "attn_norm", "ln_1": "attn_norm",
        "post_feedforward_layernorm": "post_ffw_norm", "ln_2": "ffn_norm", "pre_ff_layernorm": "ffn_norm",
        "eh_proj": "nextn.eh_proj", "embed_tokens": "nextn.embed_tokens", "shared_head.head": "nextn.shared_head_head",
        "shared_head.norm": "nextn.shared_head_norm", "enorm": "nextn.enorm", "hnorm": "nextn.hnorm",
    }
)  # fmt: skip

# Of one expert's module, and of matrices that hold all experts.
_EXPERT_PARTS: Mapping[str, str] = MappingProxyType(
    {
        "gate_proj": "ffn_gate_exps", "w1": "ffn_gate_exps", "linear": "ffn_gate_exps", "up_proj": "ffn_up_exps",
        "w3": "ffn_up_exps", "linear_v": "ffn_up_exps", "down_proj": "ffn_down_exps", "w2": "ffn_down_exps",
        "linear_1": "ffn_down_exps", "gate_up_proj": "ffn_gate_up_exps",
    }
)  # fmt: skip
_SHARED = re.compile(r"(?:mlp|feed_forward|mixer|block_sparse_moe)\.shared_experts?\.(gate|up|down)_proj")
_SHARED_MLP = re.compile(r"(?:mlp|feed_forward)\.shared_mlp\.(gate|up|down)_proj")


@dataclass(frozen=True, slots=True)
class GgufName:
    """A checkpoint's tensor under GGUF's name."""

    module: str
    """``blk.3.attn_q``, ``token_embd``, ``v.…``."""
    part: str
    """``weight``, ``bias``, or what a packing calls its own (``qweight``, ``weight_scale`` …)."""
    is_expert: bool = False
    """One of several under the same name, which belong into one tensor."""


# How packings name their parts; the longest first, so that none hides another.
_PARTS = (
    "weight_scale_inv", "weight_zero_point", "weight_global_scale", "input_global_scale", "weight_scale_2",
    "weight_packed", "weight_scale", "weight_shape", "weight_g_idx", "input_scale", "activation_scale", "qweight",
    "qzeros", "g_idx", "q_weight", "q_scale_max", "q_scale", "q_groups", "q_group_map", "q_invperm", "q_perm",
    "trellis", "suh", "svh", "mcg", "mul1", "scales", "biases", "SCB", "weight_format", "k_scale", "v_scale",
    "weight", "bias",
)  # fmt: skip
_BNB = re.compile(r"(.+)\.weight\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.[a-z0-9_]+)")
# gpt-oss: mlp.experts.gate_up_proj_blocks, and of modules whose matrices have no last part.
_FUSED = re.compile(r"(.+\bexperts)\.(gate_up_proj|gate_proj|up_proj|down_proj)(?:_(blocks|scales|bias|scale_inv))?")


def gguf_name(name: str, *, n_layers: int) -> GgufName:
    """The tensor's place; predictors (MTP), which follow the layers or stand apart, count from ``n_layers`` on."""
    # Of DeepSeek V3's 92,000 names all but 1,700 differ in the number of the expert only.
    return _gguf_name(_EXPERT_NUMBER.sub(".experts.0.", name, count=1), n_layers)


@lru_cache(maxsize=1 << 13)
def _gguf_name(name: str, n_layers: int) -> GgufName:
    module, part = _module_and_part(name)
    tower = _tower(module)
    if tower:
        return GgufName(tower, part)
    found = _LAYER.fullmatch(module)
    if found is None:
        last = module.rpartition(".")[2]
        if ".mtp." in f".{module}":
            return GgufName(f"blk.{n_layers}.nextn.{last}", part)
        return GgufName(_WHOLE.get(last, module), part)
    layer = int(found["layer"])
    if "mtp" in found["before"].split("."):
        layer += n_layers
    inside, is_expert = _in_layer(found["rest"])
    return GgufName(f"blk.{layer}.{inside}", part, is_expert)


def _module_and_part(name: str) -> tuple[str, str]:
    packed = _BNB.fullmatch(name)
    if packed is not None:
        return packed[1], packed[2]
    fused = _FUSED.fullmatch(name)
    if fused is not None:
        return f"{fused[1]}.{fused[2]}", fused[3] or "weight"
    for part in _PARTS:
        if name.endswith(f".{part}"):
            return name[: -len(part) - 1], part
    return name, ""


def _tower(module: str) -> str:
    words = module.split(".")[:4]
    if words[:2] == ["model", "encoder"]:  # Whisper: what it hears with; its layers are the decoder's
        return "a." + module.removeprefix("model.encoder.")
    for i, word in enumerate(words):
        rest = ".".join(module.split(".")[i + 1 :])
        if word in _PROJECTOR:
            return f"mm.{rest}" if rest else f"mm.{word}"
        if word in _VISION:
            return f"v.{rest}" if rest else f"v.{word}"
        if word in _AUDIO:
            return f"a.{rest}" if rest else f"a.{word}"
    return ""


def _in_layer(rest: str) -> tuple[str, bool]:
    one = _EXPERT.fullmatch(rest)
    if one is not None:
        return _EXPERT_PARTS.get(one["rest"], f"{one['before']}.{one['rest']}"), True
    before, _, last = rest.rpartition(".")
    if before.endswith("experts") and "shared" not in before and last in _EXPERT_PARTS:
        return _EXPERT_PARTS[last], False
    if before.endswith("switch_mlp") and last in _EXPERT_PARTS:  # mlx-lm stacks experts
        return _EXPERT_PARTS[last], False
    for pattern in (_SHARED, _SHARED_MLP):
        shared = pattern.fullmatch(rest)
        if shared is not None:
            return f"ffn_{shared[1]}_shexp", False
    return _IN_LAYER.get(rest, rest), False


def hub_module(gguf_module: str) -> str:
    """The usual module name in a checkpoint of GGUF's ``blk.3.attn_q``; lists of what is not packed go by it."""
    if gguf_module == "output":
        return "lm_head"
    if gguf_module == "token_embd":
        return "model.embed_tokens"
    if not gguf_module.startswith("blk."):
        return gguf_module
    _, layer, inside = gguf_module.split(".", 2)
    return f"model.layers.{layer}.{_OUT_OF_LAYER.get(inside, inside)}"


_OUT_OF_LAYER: Mapping[str, str] = MappingProxyType(
    {inside: outside for outside, inside in reversed(list(_IN_LAYER.items()))}
    | {f"ffn_{part}_exps": f"mlp.experts.0.{part}_proj" for part in ("gate", "up", "down")}
    | {f"ffn_{part}_shexp": f"mlp.shared_expert.{part}_proj" for part in ("gate", "up", "down")}
)

"""What single families of Hugging Face models have beyond the fields that all share, in GGUF's terms.

Fields by transformers 5.24 (models/*/configuration_*.py) and by the repositories that bring code of their own; GGUF's
keys as llama.cpp's converter writes them (conversion/*.py, `set_gguf_parameters`, as of 2026-10).
"""

from collections.abc import Callable, Mapping
from math import ceil
from types import MappingProxyType

from estimator.errors import UnreadableModel
from estimator.hub_config import Fields, HubConfig
from estimator.hub_windows import NONE, WINDOWED

Keys = dict[str, object]
"""GGUF's metadata without the architecture's prefix."""


def _gated_delta_net(config: HubConfig, keys: Keys, kinds: tuple[str, ...]) -> Keys:
    text = config.text
    n_value_heads = text.number("linear_num_value_heads")
    return {
        "full_attention_interval": text.number("full_attention_interval", default=0) or _period(kinds),
        "attention.recurrent_layers": [kind == NONE for kind in kinds],
        "ssm.conv_kernel": text.number("linear_conv_kernel_dim", default=4),
        "ssm.inner_size": n_value_heads * text.number("linear_value_head_dim"),
        "ssm.state_size": text.number("linear_key_head_dim"),
        "ssm.time_step_rank": n_value_heads,
        "ssm.group_count": text.number("linear_num_key_heads"),
        # Of a mixture of experts without a dense layer the field is there and means nothing.
        **({"feed_forward_length": 0} if "expert_count" in keys else {}),
    }


def _period(kinds: tuple[str, ...]) -> int:
    return next((i + 1 for i, kind in enumerate(kinds) if kind != NONE), 4)


def _granite_hybrid(config: HubConfig, keys: Keys, kinds: tuple[str, ...]) -> Keys:
    """Granite 4: without experts the shared network is the only one; without Mamba it is an ordinary Granite."""
    text = config.text
    found: Keys = {}
    if not keys.get("expert_count"):
        shared = text.number("shared_intermediate_size", default=0)
        found["feed_forward_length"] = shared or keys["feed_forward_length"]
    if NONE not in kinds:
        is_moe = bool(keys.get("expert_count"))
        return found | {"architecture": "granitemoe" if is_moe else "granite"}
    return found | _mamba2(text, keys)


def _mamba2(text: Fields, keys: Keys) -> Keys:
    width = keys["embedding_length"]
    assert isinstance(width, int)
    n_heads = text.number("mamba_n_heads", "mamba_num_heads", "num_heads") or 1
    inner = text.number("mamba_d_ssm", default=0) or n_heads * text.number(
        "mamba_d_head", "mamba_head_dim", "head_dim", default=text.number("mamba_expand", default=2) * width // n_heads
    )
    return {
        "ssm.conv_kernel": text.number("mamba_d_conv", "conv_kernel", default=4),
        "ssm.inner_size": inner,
        "ssm.state_size": text.number("mamba_d_state", "ssm_state_size", "state_size"),
        "ssm.time_step_rank": n_heads,
        "ssm.group_count": text.number("mamba_n_groups", "n_groups", default=1),
    }


def _falcon_h1(config: HubConfig, keys: Keys, _: tuple[str, ...]) -> Keys:
    return _mamba2(config.text, keys)


def _pure_mamba2(config: HubConfig, keys: Keys, _: tuple[str, ...]) -> Keys:
    return _mamba2(config.text, keys) | {
        "feed_forward_length": 0,
        "context_length": keys["context_length"] or 1 << 20,  # what the converter writes
    }


def _mamba1(config: HubConfig, keys: Keys, _: tuple[str, ...]) -> Keys:
    text = config.text
    width = keys["embedding_length"]
    assert isinstance(width, int)
    prefix = "mamba_" if config.model_type == "jamba" else ""
    inner = text.number("d_inner", default=text.number(f"{prefix}expand", "expand", default=2) * width)
    found: Keys = {
        "ssm.conv_kernel": text.number("mamba_d_conv", "conv_kernel", "d_conv", default=4),
        "ssm.inner_size": inner,
        "ssm.state_size": text.number("mamba_d_state", "state_size", "d_state", default=16),
        "ssm.time_step_rank": text.number("mamba_dt_rank", "time_step_rank", "dt_rank", default=ceil(width / 16)),
        "ssm.group_count": 0,
    }
    if config.model_type == "jamba":
        found["interleave_moe_layer_step"] = text.number("expert_layer_period", default=2)
    else:
        found |= {"feed_forward_length": 0, "context_length": keys["context_length"] or 1 << 20}
    return found


def _nemotron_h(config: HubConfig, keys: Keys, _: tuple[str, ...]) -> Keys:
    text = config.text
    names = text.words("layers_block_type")
    pattern = text.word("hybrid_override_pattern") or "".join(
        {"mlp": "-", "moe": "E", "attention": "*", "full_attention": "*"}.get(name, "M") for name in names or ()
    )
    has_experts = "E" in pattern
    inner = keys["feed_forward_length"]
    if has_experts:
        inner = keys.get("expert_feed_forward_length", inner)
    n_kv_heads = text.number("num_key_value_heads")
    n_layers = keys["block_count"]
    assert isinstance(n_layers, int)
    if len(pattern) < n_layers:
        raise UnreadableModel("config.json's hybrid_override_pattern does not name every layer")
    pattern = pattern[:n_layers]
    return _mamba2(text, keys) | {
        "architecture": "nemotron_h_moe" if has_experts else "nemotron_h",
        "attention.head_count_kv": [n_kv_heads if letter == "*" else 0 for letter in pattern],
        "feed_forward_length": [inner if letter in "-E" else 0 for letter in pattern],
        **({} if has_experts else {"expert_count": 0}),
    }


def _lfm2(config: HubConfig, _: Keys, __: tuple[str, ...]) -> Keys:
    """The feed-forward width is cut by a third and rounded up where the file says so (transformers, Lfm2MLP)."""
    text = config.text
    inner = text.number("block_ff_dim", "intermediate_size")
    if text.is_set("block_auto_adjust_ff_dim", default=config.model_type == "lfm2"):
        multiple = text.number("block_multiple_of", default=256) or 1
        inner = int(text.ratio("block_ffn_dim_multiplier", 1.0) * int(2 * inner / 3))
        inner = -(-inner // multiple) * multiple
    return {"shortconv.l_cache": text.number("conv_L_cache", default=3), "feed_forward_length": inner}


def _gemma3n(config: HubConfig, _: Keys, __: tuple[str, ...]) -> Keys:
    return {
        "embedding_length_per_layer_input": config.text.number("hidden_size_per_layer_input", default=256),
        "attention.shared_kv_layers": config.text.number("num_kv_shared_layers", default=15),
    }


def _gemma4(config: HubConfig, keys: Keys, kinds: tuple[str, ...]) -> Keys:
    """Full layers have wider heads, and fewer of them in the larger models; the last layers share earlier caches."""
    text = config.text
    n_layers, inner = keys["block_count"], keys["feed_forward_length"]
    head_width, n_kv_heads = keys.get("attention.key_length", 0), text.number("num_key_value_heads", default=1)
    assert isinstance(n_layers, int)
    assert isinstance(inner, int)
    full_width = text.number("global_head_dim", default=512)
    n_full = text.number("num_global_key_value_heads", default=n_kv_heads)
    n_shared = min(text.number("num_kv_shared_layers", default=0), n_layers)
    found: Keys = {
        "attention.head_count_kv": [n_kv_heads if kind == WINDOWED else n_full for kind in kinds],
        "attention.key_length": full_width,
        "attention.value_length": full_width,
        "attention.key_length_swa": head_width,
        "attention.value_length_swa": head_width,
        "attention.shared_kv_layers": n_shared,
    }
    if narrow := text.number("hidden_size_per_layer_input", default=0):
        found["embedding_length_per_layer_input"] = narrow
    if text.is_set("use_double_wide_mlp"):
        found["feed_forward_length"] = [inner if i < n_layers - n_shared else 2 * inner for i in range(n_layers)]
    if not text.is_set("enable_moe_block"):
        found["expert_count"] = 0
    return found


def _llama4(config: HubConfig, keys: Keys, _: tuple[str, ...]) -> Keys:
    """A shared expert as wide as the others; dense layers between, where a step says so, are wider."""
    text = config.text
    inner = keys["feed_forward_length"]
    step = text.number("interleave_moe_layer_step", default=1)
    found: Keys = {
        "interleave_moe_layer_step": step,
        "expert_shared_feed_forward_length": inner,
        "expert_feed_forward_length": inner,
        "attention.chunk_size": text.number("attention_chunk_size", default=8192),
    }
    if step > 1:
        found["feed_forward_length"] = text.number("intermediate_size_mlp", default=16384)
    return found


def _mllama(config: HubConfig, _: Keys, __: tuple[str, ...]) -> Keys:
    """Layers that attend to the image keep nothing of the text; the embedding has rows for the image's tokens."""
    listed = config.text.numbers("cross_attention_layers") or (3, 8, 13, 18, 23, 28, 33, 38)
    return {"attention.cross_attention_layers": list(listed), "vocab_extra_rows": 8}


def _kimi_linear(config: HubConfig, _: Keys, __: tuple[str, ...]) -> Keys:
    linear = config.text.part(("linear_attn_config",)) or config.text
    return {
        "kda.head_dim": linear.number("head_dim", "linear_head_dim"),
        "ssm.conv_kernel": linear.number("short_conv_kernel_size", "linear_conv_kernel_dim", default=4),
    }


def _mimo(config: HubConfig, keys: Keys, kinds: tuple[str, ...]) -> Keys:
    """Windowed layers have other numbers of heads."""
    text = config.text
    n_heads = keys["attention.head_count"]
    n_windowed_heads = text.number("swa_num_attention_heads", default=text.number("num_attention_heads"))
    n_kv_heads = keys["attention.head_count_kv"]
    n_windowed_kv_heads = text.number("swa_num_key_value_heads", default=text.number("num_key_value_heads"))
    return {
        "attention.head_count": [n_windowed_heads if kind == WINDOWED else n_heads for kind in kinds],
        "attention.head_count_kv": [n_windowed_kv_heads if kind == WINDOWED else n_kv_heads for kind in kinds],
    }


def _step(config: HubConfig, keys: Keys, kinds: tuple[str, ...]) -> Keys:
    """Windowed layers have other numbers of heads."""
    other = config.text.part(("attention_other_setting",))
    if other is None:
        return {}
    n_heads, n_kv_heads = keys["attention.head_count"], keys["attention.head_count_kv"]
    n_windowed_heads, n_windowed_kv_heads = other.number("num_attention_heads"), other.number("num_attention_groups")
    return {
        "attention.head_count": [n_windowed_heads if kind == WINDOWED else n_heads for kind in kinds],
        "attention.head_count_kv": [n_windowed_kv_heads if kind == WINDOWED else n_kv_heads for kind in kinds],
    }


def _laguna(config: HubConfig, keys: Keys, _: tuple[str, ...]) -> Keys:
    listed = config.text.numbers("num_attention_heads_per_layer")
    return {"attention.head_count": list(listed)} if listed and len(listed) == keys["block_count"] else {}


def _longcat(config: HubConfig, _: Keys, __: tuple[str, ...]) -> Keys:
    return {"expert_zero_count": config.text.number("zero_expert_num", default=0)}


def _minimax_m1(config: HubConfig, _: Keys, kinds: tuple[str, ...]) -> Keys:
    return {
        "full_attention_interval": _period(kinds),
        "attention.head_count_kv": config.text.number("num_key_value_heads"),
    }


def _deci(config: HubConfig, keys: Keys, _: tuple[str, ...]) -> Keys:
    """NVIDIA's pruned Llamas: each layer says how many heads share keys, and how wide its network is."""
    blocks = config.text.values.get("block_configs")
    n_layers, n_heads, width = keys["block_count"], keys["attention.head_count"], keys["embedding_length"]
    assert isinstance(n_layers, int)
    assert isinstance(n_heads, int)
    assert isinstance(width, int)
    if not isinstance(blocks, list) or len(blocks) < n_layers:
        raise UnreadableModel("config.json's block_configs do not describe every layer")
    n_kv_heads, inner = [], []
    for block in blocks[:n_layers]:
        fields = Fields(block if isinstance(block, dict) else {})
        attention, network = fields.part(("attention",)) or Fields({}), fields.part(("ffn",)) or Fields({})
        n_sharing = attention.number("n_heads_in_group", default=0)
        n_kv_heads.append(n_heads // n_sharing if n_sharing and not attention.is_set("no_op") else 0)
        # As the repository's own code rounds it (modeling_decilm.py, `_ffn_mult_to_intermediate_size`).
        wanted = int(2 * network.ratio("ffn_mult", 0.0) * width / 3)
        inner.append(0 if network.is_set("no_op") else -(-wanted // 256) * 256)
    return {"attention.head_count_kv": n_kv_heads, "feed_forward_length": inner}


def _bert(config: HubConfig, keys: Keys, _: tuple[str, ...]) -> Keys:
    found: Keys = {"attention.causal": False, "token_type_count": config.text.number("type_vocab_size", default=2)}
    if config.text.word("position_embedding_type") == "alibi":
        found["architecture"] = "jina-bert-v2"
    if keys.get("expert_count"):
        found["interleave_moe_layer_step"] = config.text.number("moe_every_n_layers", default=2) or 1
    return found


def _glm4_moe(config: HubConfig, _: Keys, __: tuple[str, ...]) -> Keys:
    return {"leading_dense_block_count": config.text.number("first_k_dense_replace", default=1)}


FAMILIES: Mapping[str, Callable[[HubConfig, Keys, tuple[str, ...]], Keys]] = MappingProxyType(
    {
        "qwen3_next": _gated_delta_net,
        "qwen3_5": _gated_delta_net,
        "qwen3_5_moe": _gated_delta_net,
        "granitemoehybrid": _granite_hybrid,
        "bamba": _granite_hybrid,
        "falcon_h1": _falcon_h1,
        "mamba2": _pure_mamba2,
        "mamba": _mamba1,
        "falcon_mamba": _mamba1,
        "jamba": _mamba1,
        "nemotron_h": _nemotron_h,
        "lfm2": _lfm2,
        "lfm2_moe": _lfm2,
        "gemma3n": _gemma3n,
        "gemma4": _gemma4,
        "gemma4_unified": _gemma4,
        "llama4": _llama4,
        "glm4_moe": _glm4_moe,
        "mllama": _mllama,
        "kimi_linear": _kimi_linear,
        "mimo_v2_flash": _mimo,
        "step3p5": _step,
        "step3p7": _step,
        "laguna": _laguna,
        "longcat_flash": _longcat,
        "nemotron-nas": _deci,
        "minimax_m1": _minimax_m1,
        "minimax_text_01": _minimax_m1,
        "bert": _bert,
        "xlm-roberta": _bert,
        "nomic_bert": _bert,
    }
)
"""What a model type has beyond the common fields."""

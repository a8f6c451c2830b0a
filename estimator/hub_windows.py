"""Which layers of a Hugging Face model attend to everything, to a window, or not at all.

The rules are those of transformers 5.24 (models/*/configuration_*.py: how each class fills ``layer_types``); vLLM and
SGLang read the same fields.
"""

from collections.abc import Callable

from estimator.hub_config import HubConfig

FULL, WINDOWED, NONE = "full", "windowed", "none"

_KINDS = {
    "full_attention": FULL,
    "attention": FULL,
    "full": FULL,
    "global": FULL,
    "sliding_attention": WINDOWED,
    "chunked_attention": WINDOWED,
    "sliding": WINDOWED,
    "local": WINDOWED,
    "linear_attention": NONE,
    "mamba": NONE,
    "mamba2": NONE,
    "conv": NONE,
    "mlp": NONE,
    "moe": NONE,
    "recurrent": NONE,
}


def window_tokens(config: HubConfig) -> int:
    """How far a windowed layer looks back; 0 where the model has none."""
    text = config.text
    if config.model_type == "llama4":
        return text.number("attention_chunk_size", default=0)
    if not text.is_set("use_sliding_window", default=True):
        return 0
    return text.number("sliding_window", "sliding_window_size", default=0)


def layer_kinds(config: HubConfig, n_layers: int) -> tuple[str, ...]:
    """For each layer, what it attends to."""
    listed = config.text.words("layer_types") or config.text.words("layers_block_type")
    if listed is not None and len(listed) >= n_layers:
        kinds = tuple(_KINDS.get(word, FULL) for word in listed[:n_layers])
    else:
        rule = _RULES.get(config.model_type, _every_layer)
        kinds = tuple(rule(config, i) for i in range(n_layers))
    if not window_tokens(config):
        return tuple(FULL if kind is WINDOWED else kind for kind in kinds)
    return kinds


def _every_layer(config: HubConfig, _: int) -> str:
    """Mistral's first models: a window in all layers, where the file has one."""
    return WINDOWED if config.model_type in _WINDOWED_THROUGHOUT else FULL


_WINDOWED_THROUGHOUT = frozenset({"mistral", "mixtral", "phi3", "phi3_v", "starcoder2", "phimoe", "minimax"})


def _period(default: int, *names: str) -> Callable[[HubConfig, int], str]:
    """The last layer of each period is full."""

    def rule(config: HubConfig, layer: int) -> str:
        found = config.text.values.get("sliding_window_pattern") or config.text.values.get("_sliding_window_pattern")
        if isinstance(found, str):  # EXAONE 4: LLLG
            return WINDOWED if found and found[layer % len(found)] == "L" else FULL
        period = config.text.number("sliding_window_pattern", "_sliding_window_pattern", *names, default=default)
        return FULL if period and (layer + 1) % period == 0 else WINDOWED

    return rule


def _alternating(_: HubConfig, layer: int) -> str:
    return WINDOWED if layer % 2 == 0 else FULL


def _upper_layers(config: HubConfig, layer: int) -> str:
    """Qwen: from ``max_window_layers`` on, where the window is used at all."""
    if not config.text.is_set("use_sliding_window"):
        return FULL
    return WINDOWED if layer >= config.text.number("max_window_layers", default=28) else FULL


def _llama4(config: HubConfig, layer: int) -> str:
    listed = config.text.numbers("no_rope_layers")
    if listed and layer < len(listed):
        return WINDOWED if listed[layer] else FULL
    return FULL if (layer + 1) % config.text.number("no_rope_layer_interval", default=4) == 0 else WINDOWED


def _every_fourth(config: HubConfig, layer: int) -> str:
    return FULL if (layer + 1) % (config.text.number("full_attention_interval", default=4) or 4) == 0 else NONE


def _listed_indices(config: HubConfig, layer: int) -> str:
    indices = config.text.numbers("attn_layer_indices") or config.text.numbers("full_attn_idxs") or ()
    return FULL if layer in indices else NONE


def _nemotron_h(config: HubConfig, layer: int) -> str:
    pattern = config.text.word("hybrid_override_pattern")
    return FULL if layer < len(pattern) and pattern[layer] == "*" else NONE


def _jamba(config: HubConfig, layer: int) -> str:
    period = config.text.number("attn_layer_period", default=8) or 8
    return FULL if layer % period == config.text.number("attn_layer_offset", default=4) else NONE


def _kimi_linear(config: HubConfig, layer: int) -> str:
    linear = config.text.part(("linear_attn_config",))
    full = linear.numbers("full_attn_layers") if linear else None  # counted from 1
    return FULL if full is None or layer + 1 in full else NONE


def _mimo(config: HubConfig, layer: int) -> str:
    marks = config.text.numbers("hybrid_layer_pattern") or ()
    return WINDOWED if layer < len(marks) and marks[layer] else FULL


def _minimax_m1(config: HubConfig, layer: int) -> str:
    marks = config.text.numbers("attn_type_list") or ()
    return NONE if layer < len(marks) and not marks[layer] else FULL


def _first_of_four(_: HubConfig, layer: int) -> str:
    return FULL if layer % 4 == 0 else WINDOWED


def _never(_: HubConfig, __: int) -> str:
    return NONE


_RULES: dict[str, Callable[[HubConfig, int], str]] = {
    "gemma2": _alternating,
    "gpt_oss": _alternating,
    "gemma3": _period(6),
    "gemma3n": _period(5),
    "gemma4": _period(6),
    "cohere2": _period(4),
    "olmo3": _period(4),
    "exaone4": _period(4),
    "exaone_moe": _period(4),
    "afmoe": _period(4, "global_attn_every_n_layers"),
    "mimo_v2_flash": _mimo,
    "cohere2_moe": _first_of_four,
    "minimax_m1": _minimax_m1,
    "minimax_text_01": _minimax_m1,
    "qwen2": _upper_layers,
    "qwen3": _upper_layers,
    "qwen2_moe": _upper_layers,
    "qwen3_moe": _upper_layers,
    "qwen2_vl": _upper_layers,
    "qwen2_5_vl": _upper_layers,
    "llama4": _llama4,
    "qwen3_next": _every_fourth,
    "qwen3_5": _every_fourth,
    "qwen3_5_moe": _every_fourth,
    "bamba": _listed_indices,
    "lfm2": _listed_indices,
    "lfm2_moe": _listed_indices,
    "nemotron_h": _nemotron_h,
    "jamba": _jamba,
    "kimi_linear": _kimi_linear,
    "mamba": _never,
    "mamba2": _never,
    "falcon_mamba": _never,
}

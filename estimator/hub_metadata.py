"""From a Hugging Face ``config.json`` to GGUF's metadata, so that layers, caches and tensors follow one set of rules.

What llama.cpp's converter makes of each field (conversion/*.py, `set_gguf_parameters`, as of 2026-10); fields by the
names of transformers 5.24 and of the repositories that bring code of their own.
"""

from collections.abc import Mapping
from types import MappingProxyType

from estimator.errors import UnreadableModel
from estimator.hub_config import Fields, HubConfig
from estimator.hub_families import FAMILIES, Keys
from estimator.hub_windows import FULL, NONE, WINDOWED, layer_kinds, window_tokens
from estimator.metadata import MAX_LAYERS
from records.record import record

ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {
        "cohere": "command-r", "cohere2": "cohere2", "cohere2_moe": "cohere2moe", "falcon_h1": "falcon-h1",
        "gemma": "gemma", "gemma2": "gemma2", "gemma3": "gemma3", "gemma3n": "gemma3n", "gemma4": "gemma4",
        "gemma4_unified": "gemma4", "glm4": "glm4", "glm4v": "glm4", "glm4_moe": "glm4moe", "glm4v_moe": "glm4moe",
        "gpt_oss": "gpt-oss", "granite": "granite", "granitemoe": "granitemoe", "granitemoehybrid": "granitehybrid",
        "bamba": "granitehybrid", "hunyuan_v1_dense": "hunyuan-dense", "hunyuan_v1_moe": "hunyuan-moe",
        "lfm2": "lfm2", "lfm2_moe": "lfm2moe", "llama": "llama", "llama4": "llama4", "minimax_m2": "minimax-m2",
        "ministral3": "mistral3", "mistral": "llama", "mixtral": "llama", "mllama": "mllama", "nemotron": "nemotron",
        "nemotron_h": "nemotron_h", "olmo2": "olmo2", "olmo3": "olmo2", "olmoe": "olmoe", "phi": "phi2",
        "phi3": "phi3", "phi3_v": "phi3", "phi4mm": "phi3", "phimoe": "phimoe", "qwen2": "qwen2",
        "qwen2_moe": "qwen2moe", "qwen2_vl": "qwen2vl", "qwen2_5_vl": "qwen2vl", "qwen3": "qwen3",
        "qwen3_moe": "qwen3moe", "qwen3_next": "qwen3next", "qwen3_5": "qwen35", "qwen3_5_moe": "qwen35moe",
        "qwen3_vl": "qwen3vl", "qwen3_vl_moe": "qwen3vlmoe", "qwen3_omni_moe": "qwen3moe", "seed_oss": "seed_oss",
        "smollm3": "smollm3", "stablelm": "stablelm", "starcoder2": "starcoder2", "exaone": "exaone",
        "exaone4": "exaone4", "exaone_moe": "exaone-moe", "ernie4_5": "ernie4_5", "ernie4_5_moe": "ernie4_5-moe",
        "falcon": "falcon", "falcon_mamba": "mamba", "mamba": "mamba", "mamba2": "mamba2", "jamba": "jamba",
        "internlm2": "internlm2", "internlm3": "llama", "minicpm": "minicpm", "mimo": "qwen2", "gpt2": "gpt2",
        "gpt_neox": "gptneox", "gptj": "gptj", "bloom": "bloom", "dbrx": "dbrx", "olmo": "olmo", "arcee": "arcee",
        "apertus": "apertus", "dots1": "dots1", "bailing_moe": "bailingmoe2", "bailing_moe_v2": "bailingmoe2",
        "afmoe": "afmoe", "bitnet": "bitnet", "deepseek": "deepseek", "deepseek_v2": "deepseek2",
        "deepseek_v3": "deepseek2", "kimi_k2": "deepseek2", "glm4_moe_lite": "deepseek2", "kimi_linear": "kimi-linear",
        "mimo_v2_flash": "mimo2", "step3p5": "step35", "step3p7": "step35",
        "glm": "chatglm", "minicpmv": "qwen2", "deepseek_v32": "deepseek32", "glm_moe_dsa": "glm-dsa",
        "kimi_k25": "deepseek2", "opt": "opt", "gpt_bigcode": "starcoder", "bert": "bert", "xlm-roberta": "bert",
        "nomic_bert": "nomic-bert", "laguna": "laguna", "hy_v3": "hy-v3", "muse_glimmer": "muse-glimmer",
        "longcat_flash": "longcat-flash", "nemotron-nas": "deci",
        "minimax_m1": "minimax-01", "minimax_text_01": "minimax-01",
    }
)  # fmt: skip
"""``model_type`` -> GGUF's name: the classes that llama.cpp's converter registers (conversion/*.py)."""

LATENT = frozenset({"longcat-flash", "deepseek2", "deepseek32", "glm-dsa", "kimi-linear", "minicpm3"})
"""Of these, what has latent attention by nature."""


@record(frozen=True, slots=True, kw_only=True)
class HubMetadata:
    """A configuration in GGUF's terms."""

    metadata: Mapping[str, object]
    flags: frozenset[str]
    """For ``estimator.templates.tensors_of``."""
    windows: tuple[int | None, ...]
    """By layer, as servers heed them; llama.cpp ignores those of some architectures."""
    doubts: tuple[str, ...]
    is_known: bool
    """Whether its layers follow rules that are known here; otherwise all of them count as full attention."""

    @property
    def architecture(self) -> str:
        return str(self.metadata["general.architecture"])


def hub_metadata(config: HubConfig) -> HubMetadata:
    """The model's metadata.

    Raises:
        UnreadableModel: a number that every model has is missing or absurd.
    """
    text = config.text
    n_layers = _n_layers(config)
    is_known = config.model_type in ARCHITECTURES
    kinds = layer_kinds(config, n_layers) if is_known else (FULL,) * n_layers
    keys: Keys = {
        "block_count": n_layers,
        "context_length": native_context_tokens(config),
        "embedding_length": text.number("hidden_size", "n_embd", "d_model", "dim"),
        "vocab_size": text.number("vocab_size", "padded_vocab_size"),
    }
    keys["feed_forward_length"] = _feed_forward(text, keys)
    keys |= _attention(config, keys, kinds)
    keys |= _experts(text)
    window = window_tokens(config)
    if window and WINDOWED in kinds:
        keys["attention.sliding_window"] = window
        keys["attention.sliding_window_pattern"] = [kind == WINDOWED for kind in kinds]
    architecture = ARCHITECTURES.get(config.model_type, config.model_type)
    doubts = _doubts(config)
    if "attention.kv_lora_rank" in keys and architecture not in LATENT:
        if not is_known:
            doubts += (
                f"the architecture {config.model_type!r} is not known here: it is taken as DeepSeek's, all layers "
                "with full attention, an upper bound of its cache",
            )
        architecture = "deepseek2"  # Mistral Large 3, and whoever builds on DeepSeek next
    family = FAMILIES.get(config.model_type)
    if family is not None:
        keys |= family(config, keys, kinds)
        architecture = str(keys.pop("architecture", architecture))
    return HubMetadata(
        metadata={"general.architecture": architecture, **{f"{architecture}.{name}": keys[name] for name in keys}},
        flags=_flags(config, architecture),
        windows=tuple(window if kind == WINDOWED else None for kind in kinds),
        doubts=doubts,
        is_known=is_known,
    )


def _n_layers(config: HubConfig) -> int:
    text = config.text
    listed = text.words("layers_block_type") or ()
    pattern = text.word("hybrid_override_pattern")
    n_layers = text.number(
        "decoder_layers", "num_hidden_layers", "n_layer", "num_layers", "n_layers", default=len(listed or pattern)
    )
    if config.model_type == "longcat_flash":
        n_layers *= 2  # each of its layers is two blocks with one mixture of experts between them
    if not 0 < n_layers <= MAX_LAYERS:
        raise UnreadableModel(f"config.json's num_hidden_layers is {n_layers}, which no model has")
    return n_layers


def native_context_tokens(config: HubConfig) -> int:
    """As long as the model was made for, scaling of positions included.

    vLLM, config/model.py, `_get_and_verify_max_len`: a factor counts but for the kinds that state the longer context;
    yarn's counts from the length before; Gemma 3 states the longer one beside a factor.
    """
    text = config.text
    stated = text.number(
        "max_position_embeddings", "max_target_positions", "n_positions", "n_ctx", "max_sequence_length",
        "model_max_length", "seq_length", "max_seq_len", default=0,
    )  # fmt: skip
    scaling = text.part(("rope_scaling", "rope_parameters"))
    if scaling is None:
        return stated
    kind = scaling.word("rope_type", "type")
    factor = scaling.ratio("factor", 1.0)
    if kind == "yarn":
        original = scaling.number("original_max_position_embeddings", default=0)
        return max(stated, int(original * factor)) if original else stated
    is_before = kind in ("linear", "dynamic") and config.model_type != "gemma3"
    return int(stated * factor) if is_before else stated


def _feed_forward(text: Fields, keys: Keys) -> object:
    listed = text.numbers("intermediate_size")
    if listed:
        return max(listed)
    width = keys["embedding_length"]
    assert isinstance(width, int)
    return text.number(
        "decoder_ffn_dim", "intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "ff_dim", default=4 * width
    )


def _attention(config: HubConfig, keys: Keys, kinds: tuple[str, ...]) -> Keys:
    text = config.text
    n_heads = text.number("decoder_attention_heads", "num_attention_heads", "n_head", "n_heads", default=0)
    if not n_heads or all(kind == NONE for kind in kinds):
        return {"attention.head_count": 0, "attention.head_count_kv": 0}
    if rank := text.number("kv_lora_rank", default=0):
        return _latent(text, n_heads, rank, kinds)
    width = keys["embedding_length"]
    assert isinstance(width, int)
    n_kv_heads = text.number(
        "num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num", "num_attention_groups",
        default=n_heads,
    )  # fmt: skip
    if text.is_set("multi_query") and not text.is_set("new_decoder_architecture"):
        n_kv_heads = 1  # Falcon 7B, StarCoder
    head_width = text.number("head_dim", "attention_head_dim", "kv_channels", default=width // n_heads)
    found: Keys = {
        "attention.head_count": n_heads,
        "attention.head_count_kv": n_kv_heads,
        "attention.key_length": head_width,
        "attention.value_length": text.number("v_head_dim", default=head_width),
    }
    # These go by a period or a list of their own, and have one number of KV heads.
    if NONE in kinds and config.model_type not in ("qwen3_next", "qwen3_5", "qwen3_5_moe"):
        found["attention.head_count_kv"] = [0 if kind == NONE else n_kv_heads for kind in kinds]
    return found


def _latent(text: Fields, n_heads: int, rank: int, kinds: tuple[str, ...]) -> Keys:
    rope = text.number("qk_rope_head_dim")
    keys: Keys = {
        "attention.head_count": n_heads,
        "attention.head_count_kv": [int(kind != NONE) for kind in kinds] if NONE in kinds else 1,
        "attention.kv_lora_rank": rank,
        "attention.key_length": rank + rope,
        "attention.value_length": rank,
        "attention.key_length_mla": text.number("qk_nope_head_dim") + rope,
        "attention.value_length_mla": text.number("v_head_dim"),
        "rope.dimension_count": rope,
    }
    if query_rank := text.number("q_lora_rank", default=0):
        keys["attention.q_lora_rank"] = query_rank
    if n_indexers := text.number("index_n_heads", default=0):
        keys["attention.indexer.head_count"] = n_indexers
        keys["attention.indexer.key_length"] = text.number("index_head_dim", default=128)
    return keys


def _experts(text: Fields) -> Keys:
    n_experts = text.number(
        "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_routed_experts", default=0
    )
    if not n_experts:
        return {}
    keys: Keys = {
        "expert_count": n_experts,
        "expert_used_count": text.number(
            "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "top_k_experts", "moe_top_k",
            default=0,
        ),
    }  # fmt: skip
    inner = text.number("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size", default=0)
    if inner:
        keys["expert_feed_forward_length"] = inner
    n_shared = text.number(
        "n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert", default=0
    )
    shared = text.number(
        "shared_expert_intermediate_size", "shared_intermediate_size", "moe_shared_expert_intermediate_size",
        default=n_shared * inner,
    )  # fmt: skip
    if shared:
        keys["expert_shared_feed_forward_length"] = shared
        keys["expert_shared_count"] = n_shared or 1
    if latent := text.number("moe_latent_size", default=0):  # Nemotron 3 Super: experts in a narrower space
        keys["expert_latent_length"] = latent
    if n_dense := _leading_dense(text):
        keys["leading_dense_block_count"] = n_dense
    return keys


def _leading_dense(text: Fields) -> int:
    kinds = text.words("mlp_layer_types")
    if kinds:
        return next((i for i, kind in enumerate(kinds) if kind != "dense"), len(kinds))
    marks = text.numbers("moe_layer_freq")
    if marks:
        return next((i for i, mark in enumerate(marks) if mark), len(marks))
    return text.number("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index", default=0)


_NORMED_HEADS = frozenset(
    {
        "qwen3",
        "qwen3_moe",
        "qwen3_vl",
        "qwen3_vl_moe",
        "gemma3",
        "lfm2",
        "lfm2_moe",
        "exaone_moe",
        "afmoe",
        "laguna",
        "hy_v3",
        "step3p5",
        "step3p7",
    }
)
_ROUTER_BIASED = frozenset(
    {"deepseek_v3", "kimi_k2", "glm4_moe", "glm4v_moe", "glm4_moe_lite", "minimax_m2", "lfm2_moe", "ernie4_5_moe",
     "nemotron_h", "dots1", "deepseek_v32", "glm_moe_dsa", "kimi_k25", "kimi_linear", "mimo_v2_flash", "step3p5",
     "step3p7", "afmoe", "exaone_moe", "laguna", "hy_v3"}
)  # fmt: skip
"""Routers with a correction for each expert (``e_score_correction_bias``)."""


def _flags(config: HubConfig, architecture: str) -> frozenset[str]:
    text, model_type = config.text, config.model_type
    classes = config.whole.words("architectures")
    said = {
        # Embedding models have no output matrix at all.
        "tied": config.is_tied or (architecture == "llama" and (classes or ("",))[0].endswith("Model")),
        "qkv_bias": text.is_set("attention_bias", default=model_type in ("qwen2", "qwen2_moe", "mimo"))
        or text.is_set("qkv_bias")
        or model_type in ("opt", "gpt2", "gpt_bigcode", "bert", "xlm-roberta", "phimoe", "glm"),
        "qk_norm": model_type in _NORMED_HEADS or (model_type == "glm4_moe" and text.is_set("use_qk_norm")),
        "per_head_qk_norm": architecture == "command-r" and text.is_set("use_qk_norm"),
        "values_are_keys": text.is_set("attention_k_eq_v"),
        "router_bias": model_type in _ROUTER_BIASED or text.word("topk_method") == "noaux_tc",
        "no_ssm_norm": architecture == "falcon-h1" and not text.is_set("mamba_rms_norm"),
    }
    return frozenset(flag for flag, is_so in said.items() if is_so)


def _doubts(config: HubConfig) -> tuple[str, ...]:
    if config.model_type not in ARCHITECTURES:
        return ()  # `describe` says that the architecture is not known
    listed = config.text.words("layer_types")
    if listed is not None and config.text.number("num_hidden_layers", default=len(listed)) > len(listed):
        return ("config.json's layer_types names fewer layers than there are; the family's usual order is taken",)
    return ()

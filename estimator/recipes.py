"""How the blocks of each architecture are put together.

One recipe per architecture of llama.cpp (src/models/*.cpp, `load_arch_tensors`, as of 2026-10), and of three that only
servers run (``opt``, ``longcat-flash``, ``mllama``), whose tensors get names of the same kind.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from estimator.blocks import (
    Sheet,
    attention,
    dense,
    experts,
    feed_forward,
    fused_attention,
    latent_attention,
)
from estimator.gemma import gemma3n_extras, gemma3n_whole, gemma4_extras, gemma4_whole
from estimator.recurrences import (
    delta_attention,
    first_mamba,
    gated_delta_net,
    lightning_attention,
    mamba,
    short_convolution,
)
from estimator.sparse import (
    compressed_attention,
    cross_attention,
    indexed_attention,
    indexed_latent_attention,
    low_rank_streams,
    low_rank_streams_head,
    mixed_streams,
    mixed_streams_head,
    residual_scores,
)
from records.record import record

Part = Callable[[Sheet, int], None]


@record(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one architecture's blocks are put together."""

    parts: tuple[Part, ...]
    norms: tuple[str, ...] = ("attn_norm", "ffn_norm")
    """Of every block, each as wide as the embedding."""
    flags: frozenset[str] = frozenset()
    """What all models of the architecture have in common; a model's own flags are added."""
    output_norm: str = "output_norm"
    """Empty where nothing is normed after the last block."""
    whole: Callable[[Sheet], None] | None = None
    """Tensors that belong to no block."""


def _with_parts(full: Part, other: Part) -> Part:
    """Hybrids that give a layer without attention no KV heads."""

    def part(sheet: Sheet, layer: int) -> None:
        has_attention = sheet.layer_number("attention.head_count_kv", layer) > 0
        (full if has_attention else other)(sheet, layer)

    return part


def _periodic(full: Part, other: Part) -> Part:
    """Hybrids with one attention in each period."""

    def part(sheet: Sheet, layer: int) -> None:
        has_attention = (layer + 1) % sheet.number("full_attention_interval", 4) == 0
        (full if has_attention else other)(sheet, layer)

    return part


def _nemotron_h_layer(sheet: Sheet, layer: int) -> None:
    """Each layer is one thing only: attention, a feed-forward network, or Mamba."""
    if sheet.layer_number("attention.head_count_kv", layer) > 0:
        attention(sheet, layer)
    elif sheet.layer_number("feed_forward_length", layer) > 0:
        (experts if sheet.number("expert_count", 0) else dense)(sheet, layer)
    else:
        mamba(sheet, layer)


def _falcon_h1_norm(sheet: Sheet, layer: int) -> None:
    sheet.exact(f"blk.{layer}.ffn_norm", sheet.width)  # stored without a suffix


def _second_norm(sheet: Sheet, layer: int) -> None:
    """The larger Falcons norm the network's input apart."""
    if "two_norms" in sheet.flags:
        sheet.norm(f"blk.{layer}.attn_norm_2", sheet.width)


def _own_norm(sheet: Sheet, layer: int) -> None:
    """The smaller StableLMs have one before the network, the larger one runs it beside the attention."""
    if "per_head_qk_norm" not in sheet.flags:
        sheet.norm(f"blk.{layer}.ffn_norm", sheet.width)


def _inner_norms(sheet: Sheet, layer: int) -> None:
    """BitNet's, before the last matrix of attention and network."""
    sheet.exact(f"blk.{layer}.attn_sub_norm.weight", sheet.width)
    sheet.exact(f"blk.{layer}.ffn_sub_norm.weight", sheet.number("feed_forward_length"))


def _deci_layer(sheet: Sheet, layer: int) -> None:
    """Attention, and its norm, only where the search for the best architecture left it."""
    if sheet.layer_number("attention.head_count_kv", layer) > 0:
        sheet.norm(f"blk.{layer}.attn_norm", sheet.width)
        attention(sheet, layer)
    dense(sheet, layer)


def _longcat_half(sheet: Sheet, layer: int) -> None:
    """Two attentions and two dense networks make one layer, whose first half also has the experts."""
    latent_attention(sheet, layer)
    dense(sheet, layer)
    if layer % 2 == 0:
        experts(sheet, layer)


def _mllama_layer(sheet: Sheet, layer: int) -> None:
    is_cross = layer % 5 == 3  # config.json, cross_attention_layers: 3, 8, 13 ...
    (cross_attention if is_cross else attention)(sheet, layer)
    dense(sheet, layer)


def _positions(sheet: Sheet) -> None:
    """A learned row for each place in the context; OPT has two more than places."""
    rows = sheet.number("context_length") + (2 if sheet.architecture == "opt" else 0)
    sheet.exact("position_embd.weight", sheet.width, rows)


def _token_norm(sheet: Sheet) -> None:
    sheet.norm("token_embd_norm", sheet.width)


def _encoder_inputs(sheet: Sheet) -> None:
    _token_norm(sheet)
    sheet.exact("token_types.weight", sheet.width, sheet.number("token_type_count"))
    if sheet.architecture == "bert":
        _positions(sheet)


_PLAIN = (attention, feed_forward)
_FOUR_NORMS = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
_LATE_NORM = ("attn_norm", "post_attention_norm")
_ENCODER_NORMS = ("attn_output_norm", "layer_output_norm")
_NONE: tuple[str, ...] = ()


def _recipe(*parts: Part, norms: tuple[str, ...] = ("attn_norm", "ffn_norm"), flags: str = "") -> Recipe:
    return Recipe(parts=parts, norms=norms, flags=frozenset(flags.split()))


_OLD_FLAGS = "norm_bias ungated qkv_bias output_bias feed_forward_bias"

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        **dict.fromkeys(
            "llama mistral3 smollm3 granite granitemoe llama4 gemma ernie4_5 ernie4_5-moe internlm2 exaone minicpm "
            "deepseek".split(),
            _recipe(*_PLAIN),
        ),
        **dict.fromkeys(("qwen2", "qwen2vl"), _recipe(*_PLAIN, flags="qkv_bias")),
        "qwen2moe": _recipe(*_PLAIN, flags="qkv_bias shared_gate"),
        **dict.fromkeys(
            "qwen3 qwen3moe qwen3vl qwen3vlmoe hunyuan-dense hunyuan-moe".split(), _recipe(*_PLAIN, flags="qk_norm")
        ),
        **dict.fromkeys(("dots1", "exaone-moe", "hy_v3"), _recipe(*_PLAIN, flags="qk_norm router_bias")),
        **dict.fromkeys(
            ("qwen3next", "qwen35moe"),
            _recipe(
                _periodic(attention, gated_delta_net),
                feed_forward,
                norms=_LATE_NORM,
                flags="qk_norm gated_query shared_gate",
            ),
        ),
        "qwen35": _recipe(
            _periodic(attention, gated_delta_net), feed_forward, norms=_LATE_NORM, flags="qk_norm gated_query"
        ),
        "qwen4exp": Recipe(
            parts=(_periodic(indexed_attention, gated_delta_net), low_rank_streams, feed_forward),
            norms=_NONE,
            flags=frozenset({"qk_norm", "gated_query", "shared_gate"}),
            output_norm="",
            whole=low_rank_streams_head,
        ),
        "gemma2": _recipe(*_PLAIN, norms=_FOUR_NORMS),
        **dict.fromkeys(("gemma3", "gemma-embedding"), _recipe(*_PLAIN, norms=_FOUR_NORMS, flags="qk_norm")),
        "gemma3n": Recipe(
            parts=(attention, dense, gemma3n_extras),
            norms=_FOUR_NORMS,
            flags=frozenset({"qk_norm"}),
            whole=gemma3n_whole,
        ),
        "gemma4": Recipe(
            parts=(attention, gemma4_extras),
            norms=_FOUR_NORMS,
            flags=frozenset({"qk_norm", "fused_experts"}),
            whole=gemma4_whole,
        ),
        "gpt-oss": _recipe(*_PLAIN, norms=_LATE_NORM, flags="qkv_bias output_bias sinks expert_bias"),
        **dict.fromkeys(("deepseek2", "mistral4"), _recipe(latent_attention, feed_forward)),
        **dict.fromkeys(("deepseek32", "glm-dsa"), _recipe(indexed_latent_attention, feed_forward)),
        "deepseek4": Recipe(
            parts=(compressed_attention, mixed_streams, feed_forward),
            flags=frozenset({"router_bias"}),
            whole=mixed_streams_head,
        ),
        "glm5-next": _recipe(
            _with_parts(indexed_latent_attention, delta_attention), mixed_streams, feed_forward, flags="router_bias"
        ),
        "phi2": _recipe(*_PLAIN, norms=("attn_norm",), flags=f"{_OLD_FLAGS} head_bias"),
        "phi3": _recipe(fused_attention, feed_forward, flags="fused_gate"),
        "phimoe": _recipe(*_PLAIN, flags="norm_bias qkv_bias output_bias head_bias"),
        "chatglm": _recipe(fused_attention, feed_forward, flags="fused_gate qkv_bias"),
        "glm4": _recipe(*_PLAIN, norms=_FOUR_NORMS, flags="fused_gate"),
        "glm4moe": _recipe(*_PLAIN, norms=_LATE_NORM, flags="router_bias"),
        "bailingmoe2": _recipe(fused_attention, feed_forward, flags="qk_norm router_bias"),
        "seed_oss": _recipe(*_PLAIN, norms=_LATE_NORM, flags="qkv_bias"),
        "minimax-m2": _recipe(*_PLAIN, flags="wide_qk_norm router_bias"),
        "minimax-m3": _recipe(indexed_attention, feed_forward, flags="qk_norm router_bias"),
        "minimax-01": _recipe(_periodic(attention, lightning_attention), feed_forward),
        "mimo2": _recipe(*_PLAIN, flags="windowed_sinks router_bias"),
        "step35": _recipe(*_PLAIN, flags="qk_norm head_gate router_bias"),
        "laguna": _recipe(*_PLAIN, flags="qk_norm head_gate router_bias"),
        "afmoe": _recipe(*_PLAIN, norms=_FOUR_NORMS, flags="qk_norm wide_gate router_bias"),
        "muse-glimmer": _recipe(*_PLAIN, norms=_FOUR_NORMS, flags="qk_norm wide_gate"),
        "olmo": Recipe(parts=_PLAIN, norms=_NONE, output_norm=""),
        "olmoe": _recipe(*_PLAIN, flags="wide_qk_norm"),
        "olmo2": _recipe(*_PLAIN, norms=("post_attention_norm", "post_ffw_norm"), flags="wide_qk_norm"),
        "exaone4": _recipe(*_PLAIN, norms=("post_attention_norm", "post_ffw_norm"), flags="qk_norm"),
        **dict.fromkeys(("command-r", "cohere2", "cohere2moe"), _recipe(*_PLAIN, norms=("attn_norm",))),
        "apertus": _recipe(*_PLAIN, flags="qk_norm ungated"),
        "arcee": _recipe(*_PLAIN, flags="ungated"),
        "bitnet": _recipe(attention, _inner_norms, feed_forward),
        "nemotron": _recipe(*_PLAIN, flags="norm_bias ungated"),
        "deci": _recipe(_deci_layer, norms=("ffn_norm",)),
        "stablelm": _recipe(attention, _own_norm, feed_forward, norms=("attn_norm",), flags="norm_bias"),
        "starcoder2": _recipe(*_PLAIN, flags=_OLD_FLAGS),
        "falcon": _recipe(fused_attention, _second_norm, feed_forward, norms=("attn_norm",), flags="norm_bias ungated"),
        "gptneox": _recipe(fused_attention, feed_forward, flags=_OLD_FLAGS),
        "bloom": Recipe(parts=(fused_attention, feed_forward), flags=frozenset(_OLD_FLAGS.split()), whole=_token_norm),
        **dict.fromkeys(
            ("gpt2", "starcoder"),
            Recipe(parts=(fused_attention, feed_forward), flags=frozenset(_OLD_FLAGS.split()), whole=_positions),
        ),
        "opt": Recipe(parts=_PLAIN, flags=frozenset(_OLD_FLAGS.split()), whole=_positions),
        "bert": Recipe(
            parts=_PLAIN,
            norms=_ENCODER_NORMS,
            flags=frozenset(_OLD_FLAGS.split()),
            output_norm="",
            whole=_encoder_inputs,
        ),
        "nomic-bert": Recipe(
            parts=(fused_attention, feed_forward),
            norms=_ENCODER_NORMS,
            flags=frozenset({"norm_bias"}),
            output_norm="",
            whole=_encoder_inputs,
        ),
        "jina-bert-v2": Recipe(
            parts=_PLAIN,
            norms=_ENCODER_NORMS,
            flags=frozenset({"norm_bias", "qkv_bias", "output_bias", "down_bias"}),
            output_norm="",
            whole=_encoder_inputs,
        ),
        "mamba": _recipe(first_mamba, norms=("attn_norm",)),
        "mamba2": _recipe(mamba, norms=("attn_norm",)),
        "jamba": _recipe(_with_parts(attention, first_mamba), feed_forward, flags="ssm_step_norms"),
        "falcon-h1": _recipe(_falcon_h1_norm, mamba, attention, dense, norms=("attn_norm",)),
        "granitehybrid": _recipe(_with_parts(attention, mamba), feed_forward),
        **dict.fromkeys(
            ("nemotron_h", "nemotron_h_moe"), _recipe(_nemotron_h_layer, norms=("attn_norm",), flags="ungated")
        ),
        **dict.fromkeys(
            ("lfm2", "lfm2moe"),
            Recipe(
                parts=(_with_parts(attention, short_convolution), feed_forward),
                flags=frozenset({"qk_norm"}),
                output_norm="token_embd_norm",
            ),
        ),
        "kimi-linear": _recipe(_with_parts(latent_attention, delta_attention), feed_forward, flags="router_bias"),
        "kimi-k3": Recipe(
            parts=(_with_parts(latent_attention, delta_attention), residual_scores, feed_forward),
            flags=frozenset({"router_bias", "wide_gate", "wide_delta_gate"}),
            whole=lambda sheet: sheet.exact("output_res_score.weight", sheet.width),
        ),
        "longcat-flash": _recipe(_longcat_half, flags="router_bias"),
        "mllama": _recipe(_mllama_layer),
    }
)

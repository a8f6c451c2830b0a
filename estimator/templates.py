"""The tensors that a GGUF conversion of a model has, by architecture, from GGUF-style metadata.

One recipe per architecture of llama.cpp (src/models/*.cpp, `load_arch_tensors`, as of 2026-10). What metadata does not
say, such as tied embeddings, comes as flags.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from estimator.blocks import (
    Sheet,
    attention,
    dense,
    experts,
    feed_forward,
    fused_attention,
    gated_delta_net,
    head_widths,
    is_windowed,
    latent_attention,
    mamba,
    predictor,
    short_convolution,
)
from estimator.errors import UnreadableModel
from estimator.model import Tensor

Part = Callable[[Sheet, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one architecture's blocks are put together."""

    parts: tuple[Part, ...]
    norms: tuple[str, ...] = ("attn_norm", "ffn_norm")
    """Of every block, each as wide as the embedding."""
    flags: frozenset[str] = frozenset()
    """What all models of the architecture have in common; a model's own flags are added."""
    output_norm: str = "output_norm"
    whole: Callable[[Sheet], None] | None = None
    """Tensors that belong to no block."""


def tensors_of(metadata: Mapping[str, object], flags: frozenset[str] = frozenset()) -> tuple[Tensor, ...]:
    """The tensors before quantisation: BF16 and F32 (gpt-oss' experts: MXFP4).

    Args:
        metadata: GGUF's keys, ``vocab_size`` among them.
        flags: ``tied``, ``rope_freqs``, ``long_rope``, ``qkv_bias``, ``qk_norm``, ``per_head_qk_norm``,
            ``router_bias``, ``no_ssm_norm``, ``values_are_keys``, ``lean_predictor``.

    Raises:
        UnreadableModel: no recipe for this architecture, or a number that it needs is missing.
    """
    architecture = metadata.get("general.architecture")
    recipe = RECIPES.get(str(architecture))
    if recipe is None:
        raise UnreadableModel(
            f"the tensors of the architecture {architecture!r} are not known here; give a file instead"
        )
    sheet = Sheet(metadata, recipe.flags | flags)
    _embeddings(sheet, recipe)
    n_predictors = sheet.number("nextn_predict_layers", 0)
    for layer in range(sheet.n_layers):
        for name in recipe.norms:
            sheet.norm(f"blk.{layer}.{name}", sheet.width)
        for part in recipe.parts:
            part(sheet, layer)
        if layer >= sheet.n_layers - n_predictors:
            predictor(sheet, layer)
    return tuple(sheet.tensors)


def _embeddings(sheet: Sheet, recipe: Recipe) -> None:
    vocabulary_size = sheet.number("vocab_size")
    sheet.matrix("token_embd.weight", sheet.width, vocabulary_size)
    sheet.norm(recipe.output_norm, sheet.width)
    if "tied" not in sheet.flags:
        sheet.matrix("output.weight", sheet.width, vocabulary_size)
    if sheet.flags & {"rope_freqs", "long_rope"}:
        half = sheet.number("rope.dimension_count", head_widths(sheet, sheet.n_layers - 1)[0]) // 2
        for name in ("rope_freqs",) if "rope_freqs" in sheet.flags else ("rope_factors_long", "rope_factors_short"):
            sheet.exact(f"{name}.weight", half)
    if recipe.whole is not None:
        recipe.whole(sheet)


def _attention_or(other: Part) -> Part:
    """Hybrids that give a layer without attention no KV heads."""

    def part(sheet: Sheet, layer: int) -> None:
        has_attention = sheet.layer_number("attention.head_count_kv", layer) > 0
        (attention if has_attention else other)(sheet, layer)

    return part


def _every_fourth_attention(sheet: Sheet, layer: int) -> None:
    has_attention = (layer + 1) % sheet.number("full_attention_interval", 4) == 0
    (attention if has_attention else gated_delta_net)(sheet, layer)


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


N_ALTUP_INPUTS = 4  # conversion/gemma.py, Gemma3NModel: altup_num_inputs of both published models
LAUREL_RANK = 64  # ibid., laurel_rank


def _per_layer_embeddings(sheet: Sheet) -> None:
    narrow = sheet.number("embedding_length_per_layer_input", 0)
    if not narrow:
        return
    sheet.matrix("per_layer_token_embd.weight", narrow * sheet.n_layers, sheet.number("vocab_size"))
    sheet.matrix("per_layer_model_proj.weight", sheet.width, narrow * sheet.n_layers)
    sheet.exact("per_layer_proj_norm.weight", narrow)


def _gemma3n_whole(sheet: Sheet) -> None:
    _per_layer_embeddings(sheet)
    for name in ("altup_proj", "altup_unembd_proj"):
        sheet.matrix(f"{name}.weight", sheet.width, sheet.width, N_ALTUP_INPUTS - 1)


def _gemma3n_extras(sheet: Sheet, layer: int) -> None:
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


def _gemma4_extras(sheet: Sheet, layer: int) -> None:
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


def _gemma4_whole(sheet: Sheet) -> None:
    _per_layer_embeddings(sheet)
    full = next(layer for layer in range(sheet.n_layers) if not is_windowed(sheet, layer))
    sheet.exact("rope_freqs.weight", head_widths(sheet, full)[0] // 2)


_PLAIN = (attention, feed_forward)
_FOUR_NORMS = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
_LATE_NORM = ("attn_norm", "post_attention_norm")

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        **dict.fromkeys(
            ("llama", "mistral3", "smollm3", "granite", "granitemoe", "llama4", "gemma", "ernie4_5", "ernie4_5-moe"),
            Recipe(parts=_PLAIN),
        ),
        "qwen2": Recipe(parts=_PLAIN, flags=frozenset({"qkv_bias"})),
        "qwen2moe": Recipe(parts=_PLAIN, flags=frozenset({"qkv_bias", "shared_gate"})),
        **dict.fromkeys(("qwen3", "qwen3moe", "hunyuan-dense"), Recipe(parts=_PLAIN, flags=frozenset({"qk_norm"}))),
        "qwen3next": Recipe(
            parts=(_every_fourth_attention, feed_forward),
            norms=_LATE_NORM,
            flags=frozenset({"qk_norm", "gated_query", "shared_gate"}),
        ),
        "qwen35": Recipe(
            parts=(_every_fourth_attention, feed_forward),
            norms=_LATE_NORM,
            flags=frozenset({"qk_norm", "gated_query"}),
        ),
        "qwen35moe": Recipe(
            parts=(_every_fourth_attention, feed_forward),
            norms=_LATE_NORM,
            flags=frozenset({"qk_norm", "gated_query", "shared_gate"}),
        ),
        "gemma2": Recipe(parts=_PLAIN, norms=_FOUR_NORMS),
        "gemma3": Recipe(parts=_PLAIN, norms=_FOUR_NORMS, flags=frozenset({"qk_norm"})),
        "gemma3n": Recipe(
            parts=(attention, dense, _gemma3n_extras),
            norms=_FOUR_NORMS,
            flags=frozenset({"qk_norm"}),
            whole=_gemma3n_whole,
        ),
        "gemma4": Recipe(
            parts=(attention, _gemma4_extras),
            norms=_FOUR_NORMS,
            flags=frozenset({"qk_norm", "fused_experts"}),
            whole=_gemma4_whole,
        ),
        "gpt-oss": Recipe(
            parts=_PLAIN,
            norms=_LATE_NORM,
            flags=frozenset({"qkv_bias", "output_bias", "sinks", "expert_bias"}),
        ),
        "deepseek2": Recipe(parts=(latent_attention, feed_forward)),
        "phi3": Recipe(parts=(fused_attention, feed_forward), flags=frozenset({"fused_gate"})),
        "glm4": Recipe(parts=_PLAIN, norms=_FOUR_NORMS, flags=frozenset({"fused_gate"})),
        "glm4moe": Recipe(parts=_PLAIN, norms=_LATE_NORM, flags=frozenset({"qkv_bias", "router_bias"})),
        "seed_oss": Recipe(parts=_PLAIN, norms=_LATE_NORM, flags=frozenset({"qkv_bias"})),
        "minimax-m2": Recipe(parts=_PLAIN, flags=frozenset({"wide_qk_norm", "router_bias"})),
        "olmoe": Recipe(parts=_PLAIN, flags=frozenset({"wide_qk_norm"})),
        "olmo2": Recipe(
            parts=_PLAIN, norms=("post_attention_norm", "post_ffw_norm"), flags=frozenset({"wide_qk_norm"})
        ),
        "exaone4": Recipe(parts=_PLAIN, norms=("post_attention_norm", "post_ffw_norm"), flags=frozenset({"qk_norm"})),
        **dict.fromkeys(("command-r", "cohere2"), Recipe(parts=_PLAIN, norms=("attn_norm",))),
        "starcoder2": Recipe(
            parts=_PLAIN,
            flags=frozenset({"qkv_bias", "output_bias", "norm_bias", "ungated", "feed_forward_bias"}),
        ),
        "mamba2": Recipe(parts=(mamba,), norms=("attn_norm",)),
        "falcon-h1": Recipe(parts=(_falcon_h1_norm, mamba, attention, dense), norms=("attn_norm",)),
        "granitehybrid": Recipe(parts=(_attention_or(mamba), feed_forward)),
        **dict.fromkeys(
            ("nemotron_h", "nemotron_h_moe"),
            Recipe(parts=(_nemotron_h_layer,), norms=("attn_norm",), flags=frozenset({"ungated"})),
        ),
        **dict.fromkeys(
            ("lfm2", "lfm2moe"),
            Recipe(
                parts=(_attention_or(short_convolution), feed_forward),
                flags=frozenset({"qk_norm"}),
                output_norm="token_embd_norm",
            ),
        ),
    }
)

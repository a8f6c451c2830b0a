"""The rules by which llama.cpp's quantizer gives a tensor its type: by its role, its place and the kind of model.

From src/llama-quant.cpp (`tensor_get_category`, `tensor_allows_quantization`, `llama_tensor_get_type_impl`,
`tensor_type_fallback`) as of 2026-10. ``estimator.mixture`` applies them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from types import MappingProxyType

from estimator.model import Tensor
from estimator.quant import BLOCKS
from records.record import record

DEFAULT_TYPES = MappingProxyType(
    {
        quant: quant
        for quant in ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q1_0", "Q2_0", "Q2_K", "Q6_K")
    }
    | {quant: quant for quant in ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS")}
    | {"Q2_K_S": "Q2_K", "Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K", "Q3_K_L": "Q3_K", "Q4_K_S": "Q4_K", "Q4_K_M": "Q4_K"}
    | {"Q5_K_S": "Q5_K", "Q5_K_M": "Q5_K", "IQ2_S": "IQ2_XS", "IQ2_M": "IQ2_S", "IQ3_XS": "IQ3_S", "IQ3_M": "IQ3_S"}
    | {"TQ1_0": "TQ1_0", "TQ2_0": "TQ2_0", "MXFP4_MOE": "MXFP4"}
)
"""Every mixture, and the type of the tensors that no rule sets apart."""


@record(frozen=True, slots=True, kw_only=True)
class MixtureShape:
    """What the rules ask of a model beside its tensors."""

    architecture: str
    n_layers: int
    """Blocks, those that predict further tokens included."""
    n_heads: int
    """Of the first layer, as the next."""
    n_kv_heads: int
    """0 where the first layer has no attention; 1 with latent attention."""
    n_experts: int = 0
    n_predictor_layers: int = 0

    @property
    def is_grouped(self) -> bool:
        """Whether at least 4 heads share one KV head, which makes the value tensor cheap to keep well."""
        return self.n_kv_heads > 0 and self.n_heads // self.n_kv_heads >= 4

    @property
    def is_70b(self) -> bool:
        """What llama.cpp classes as LLM_TYPE_70B (src/models/*.cpp, `load_arch_hparams`)."""
        n_layers = self.n_layers - self.n_predictor_layers
        if self.architecture == "llama":
            return n_layers == 80 and self.n_heads != self.n_kv_heads and self.n_experts != 8
        return (n_layers == 80 and self.architecture in {"qwen2", "deci", "olmo"}) or (
            n_layers == 68 and self.architecture == "jais2"
        )


class Role(Enum):
    """What a tensor does, as far as the rules tell tensors apart."""

    OUTPUT = auto()
    EMBEDDING = auto()
    VALUE = auto()
    """Fused query-key-value and the latent's second half count as values."""
    KEY = auto()
    QUERY = auto()
    ATTENTION_OUTPUT = auto()
    UP = auto()
    GATE = auto()
    DOWN = auto()
    OTHER = auto()


# The first that is part of the name decides; expert and shared-expert tensors match their dense namesakes.
_ROLES_BY_PART = (
    ("attn_qkv.weight", Role.VALUE),
    ("attn_kv_b.weight", Role.VALUE),
    ("attn_v.weight", Role.VALUE),
    ("attn_k.weight", Role.KEY),
    ("attn_q.weight", Role.QUERY),
    ("attn_output.weight", Role.ATTENTION_OUTPUT),
    ("ffn_up", Role.UP),
    ("ffn_gate", Role.GATE),
    ("ffn_down", Role.DOWN),
)

_KEPT_PARTS = (
    "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj",
    "ssm_conv1d", "shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight", "attn_rel_b.weight",
    ".position_embd", ".patch_embd", ".patch_merger", ".rel_pos", "time_mix_first.weight", "time_mix_w0.weight",
    "time_mix_w1.weight", "time_mix_w2.weight", "time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight",
    "time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight", "time_mix_g1.weight", "time_mix_g2.weight",
    "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight",
)  # fmt: skip
"""Small or delicate matrices that no mixture touches."""


_GLM5_NEXT_KEPT_PARTS = (
    "hc_", "indexer.attn_q_b", "indexer.attn_k", "indexer.proj", "indexer_compressor_gate", "indexer_compressor_ape",
    "ssm_f_a.weight", "ssm_f_b.weight", "ssm_g_a.weight", "ssm_g_b.weight", "ssm_beta.weight", "attn_kv_a_mqa.weight",
    "attn_k_b.weight", "attn_v_b.weight",
)  # fmt: skip
"""Further ones of GLM-5.3, whose queries are never stored in less than 8 bits (ibid., LLM_ARCH_GLM5_NEXT)."""


def is_kept_in_eight_bits(suffix: str, architecture: str) -> bool:
    """Whatever the mixture."""
    return architecture == "glm5-next" and suffix.startswith(("attn_q_a", "attn_q_b", "nextn.eh_proj"))


@lru_cache(maxsize=4096)  # A model has some 20 names per block, the same in each.
def role_of(suffix: str, architecture: str = "") -> Role | None:
    """Of a name without its ``blk.N.``; None for what stays as it is."""
    kept = _KEPT_PARTS if architecture != "glm5-next" else _KEPT_PARTS + _GLM5_NEXT_KEPT_PARTS
    if not suffix.endswith("weight") or any(part in suffix for part in kept):
        return None
    if suffix in {"position_embd.weight", "token_types.weight"}:
        return None
    if suffix == "output.weight":
        return Role.OUTPUT
    if suffix in {"token_embd.weight", "per_layer_token_embd.weight"}:
        return Role.EMBEDDING
    return next((role for part, role in _ROLES_BY_PART if part in suffix), Role.OTHER)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in the model a tensor stands; for most roles that decides."""

    index: int
    """Among the tensors of its role, in file order; the layer's number for feed-forward tensors with experts."""
    count: int
    shape: MixtureShape
    has_imatrix: bool


Rule = Callable[[Spot], str | None]
"""None: the mixture's default type."""


def _always(type_name: str) -> Rule:
    return lambda _: type_name


def _first(divisor: int, then: str, otherwise: str | None = None) -> Rule:
    """``then`` for the first 1/divisor of the layers."""
    return lambda spot: then if spot.index < spot.count // divisor else otherwise


def _leading(n: int, then: str, otherwise: str | None = None) -> Rule:
    return lambda spot: then if spot.index < n else otherwise


def _grouped(then: str, otherwise: str | None = None) -> Rule:
    return lambda spot: then if spot.shape.is_grouped else otherwise


def _is_sensitive(spot: Spot) -> bool:
    """First and last eighth, and every third between (`use_more_bits`)."""
    eighth = spot.count // 8
    return spot.index < eighth or spot.index >= 7 * spot.count // 8 or (spot.index - eighth) % 3 == 2


def _sensitive(then: str, otherwise: str | None = None) -> Rule:
    return lambda spot: then if _is_sensitive(spot) else otherwise


def _with_imatrix(rule: Rule) -> Rule:
    return lambda spot: rule(spot) if spot.has_imatrix else None


def _without_imatrix(rule: Rule) -> Rule:
    return lambda spot: None if spot.has_imatrix else rule(spot)


def _iq3_xxs_value(spot: Spot) -> str:
    if spot.shape.is_grouped:
        return "Q4_K"
    return "IQ3_XXS" if spot.has_imatrix else "IQ3_S"


def _iq3_m_down(spot: Spot) -> str | None:
    is_kept_well = spot.index < spot.count // 8 or (spot.shape.n_experts == 8 and _is_sensitive(spot))
    return "Q4_K" if is_kept_well else None


def _iq3_xs_middle(spot: Spot) -> str | None:
    return "IQ3_XXS" if spot.count // 8 <= spot.index < 7 * spot.count // 8 else None


def _falcon_q3_k_m_down(spot: Spot) -> str:
    if spot.index < spot.count // 16:
        return "Q5_K"
    return "Q4_K" if _is_sensitive(spot) else "Q3_K"


def _falcon_q4_k_m_down(spot: Spot) -> str:
    if spot.index < spot.count // 16:
        return "Q6_K"
    return "Q5_K" if _is_sensitive(spot) else "Q4_K"


_VALUE: Mapping[str, Rule] = {
    "Q2_K": _grouped("Q4_K", "Q3_K"),
    "Q2_K_S": _grouped("Q4_K"),
    "IQ3_XXS": _iq3_xxs_value,
    "IQ3_XS": _grouped("Q4_K"),
    "IQ3_S": _grouped("Q4_K"),
    "IQ3_M": _always("Q4_K"),
    "Q3_K_M": _leading(2, "Q5_K", "Q4_K"),
    "Q3_K_L": _always("Q5_K"),
    "IQ4_NL": _grouped("Q5_K"),
    "IQ4_XS": _grouped("Q5_K"),
    "Q4_K_S": _leading(4, "Q5_K"),
    "Q4_K_M": _sensitive("Q6_K"),
    "Q5_K_M": _sensitive("Q6_K"),
}
_KEY_OR_QUERY: Mapping[str, Rule] = {"IQ3_XS": _always("IQ3_XXS"), "IQ3_XXS": _always("IQ2_S")}
_ATTENTION_OUTPUT: Mapping[str, Rule] = {
    "Q2_K": _always("Q3_K"),
    "IQ3_XXS": _always("IQ3_S"),
    "Q3_K_M": _always("Q4_K"),
    "Q3_K_L": _always("Q5_K"),
    "IQ3_M": _always("Q4_K"),
    "IQ1_S": _always("IQ2_XXS"),
    "IQ1_M": _always("IQ2_XXS"),
    "IQ2_S": _always("IQ3_S"),
    "IQ2_M": _always("IQ3_S"),
}
_DOWN: Mapping[str, Rule] = {
    "Q2_K": _always("Q3_K"),
    "Q2_K_S": _first(8, "Q4_K"),
    "IQ3_XXS": _without_imatrix(_first(8, "Q4_K", "Q3_K")),
    "Q3_K_M": _first(16, "Q5_K", "Q4_K"),
    "Q3_K_L": _always("Q5_K"),
    "IQ3_M": _iq3_m_down,
    "IQ4_NL": _without_imatrix(_first(8, "Q5_K")),
    "IQ4_XS": _without_imatrix(_first(8, "Q5_K")),
    "Q4_K_S": _first(8, "Q5_K"),
    "Q4_K_M": _sensitive("Q6_K"),
    "Q5_K_M": _sensitive("Q6_K"),
    "Q4_0": _with_imatrix(_first(8, "Q4_1")),
    "Q5_0": _with_imatrix(_first(8, "Q5_1")),
    "IQ1_S": _first(8, "Q2_K"),
    "IQ1_M": _first(8, "Q2_K"),
    "IQ2_XXS": _first(8, "Q2_K"),
    "IQ2_XS": _first(8, "Q2_K"),
    "IQ2_S": _first(8, "IQ3_S"),
    "IQ2_M": _first(8, "IQ3_S"),
}
_UP_OR_GATE: Mapping[str, Rule] = {"IQ3_XS": _iq3_xs_middle}
_EMBEDDING: Mapping[str, Rule] = {
    "IQ1_S": _always("Q2_K"),
    "IQ1_M": _always("Q2_K"),
    "IQ2_XXS": _always("Q2_K"),
    "IQ2_XS": _always("Q2_K"),
    "IQ2_S": _always("IQ3_S"),
    "IQ2_M": _always("IQ3_S"),
    "IQ3_XXS": _always("IQ3_S"),
    "TQ1_0": _always("Q4_K"),
    "TQ2_0": _always("Q4_K"),
    "Q2_0": _always("Q4_K"),
}

_FALCON_DOWN: Mapping[str, Rule] = {
    **_DOWN,
    "Q3_K_M": _falcon_q3_k_m_down,
    "Q3_K_L": _always("Q4_K"),
    "Q4_K_M": _falcon_q4_k_m_down,
    "Q4_K_S": _always("Q4_K"),
}
_FALCON_ATTENTION_OUTPUT: Mapping[str, Rule] = {
    **{quant: rule for quant, rule in _ATTENTION_OUTPUT.items() if quant.startswith(("IQ1", "IQ2"))},
    "Q3_K_L": _always("Q4_K"),
}

IMATRIX_SENSITIVE = frozenset({"Q4_0", "Q5_0", "IQ3_XXS", "IQ4_NL", "IQ4_XS"})
"""Mixtures whose rules ask whether an importance matrix was given; uploaders differ in that."""

LOW_BITS = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"})
_FIVE_BIT_OUTPUT = LOW_BITS | {"IQ3_XXS"}
# With exactly 8 experts (Mixtral) attention is a small share of the file, so it is kept better.
_EIGHT_EXPERT_OUTPUT = LOW_BITS | {
    "Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M", "IQ3_XXS", "IQ3_XS", "IQ3_S", "IQ3_M", "IQ4_NL", "IQ4_XS",
}  # fmt: skip

_FALLBACKS: Mapping[str, str] = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_0", "Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
"""For rows that are no whole number of blocks."""


def _low_bit_value(quant: str, shape: MixtureShape) -> str:
    if shape.is_grouped or shape.n_experts >= 4:
        return "Q4_K"
    return "IQ3_S" if quant in {"IQ2_S", "IQ2_M"} else "Q2_K"


def _value_rule(quant: str, shape: MixtureShape) -> Rule:
    if quant in LOW_BITS:
        return _always(_low_bit_value(quant, shape))
    if shape.n_experts == 8:
        return _always("Q8_0")
    default = DEFAULT_TYPES[quant]
    rule = _VALUE.get(quant, _always(default))
    if not shape.is_70b:
        return rule

    def lifted(spot: Spot) -> str:
        chosen = rule(spot) or default
        return "Q5_K" if chosen in {"Q3_K", "Q4_K"} else chosen

    return lifted


def _key_rule(quant: str, shape: MixtureShape) -> Rule | None:
    if shape.n_experts == 8:
        return _always("Q4_K" if quant in LOW_BITS else "Q8_0")
    return _KEY_OR_QUERY.get(quant)


def _attention_output_rule(quant: str, shape: MixtureShape) -> Rule | None:
    if shape.architecture == "falcon" and quant not in LOW_BITS:
        return _FALCON_ATTENTION_OUTPUT.get(quant)
    if shape.n_experts == 8:
        return _always("Q5_K") if quant in _EIGHT_EXPERT_OUTPUT else None
    return _ATTENTION_OUTPUT.get(quant)


def rules_for(quant: str, shape: MixtureShape) -> dict[Role, Rule | None]:
    """The rule of each role under this quant for this kind of model; None leaves the default."""
    down = _FALCON_DOWN if shape.architecture == "falcon" else _DOWN
    return {
        Role.EMBEDDING: _EMBEDDING.get(quant),
        Role.VALUE: _value_rule(quant, shape),
        Role.KEY: _key_rule(quant, shape),
        Role.QUERY: _KEY_OR_QUERY.get(quant),
        Role.ATTENTION_OUTPUT: _attention_output_rule(quant, shape),
        Role.UP: _UP_OR_GATE.get(quant),
        Role.GATE: _UP_OR_GATE.get(quant),
        Role.DOWN: down.get(quant),
    }


def output_type(quant: str, tensor: Tensor, shape: MixtureShape) -> str:
    """Of the output matrix, or of the embedding that serves as one."""
    default = DEFAULT_TYPES[quant]
    if quant == "MXFP4_MOE" or shape.architecture == "falcon" or tensor.shape[0] % _block_elements(default):
        return "Q8_0"
    if quant in _FIVE_BIT_OUTPUT:
        return "Q5_K"
    return "Q8_0" if default == "Q8_0" else "Q6_K"


def _block_elements(type_name: str) -> int:
    return BLOCKS[type_name][0]


def fitted(type_name: str, row_width: int) -> str:
    """The type, or the one that stands in for it where a row does not divide into its blocks."""
    if row_width % _block_elements(type_name) == 0:
        return type_name
    type_name = _FALLBACKS.get(type_name, type_name)
    return type_name if row_width % _block_elements(type_name) == 0 else "F16"

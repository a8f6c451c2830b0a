"""Which stored type each tensor gets under a named quant: the mixtures of llama.cpp's quantizer.

The rules are in ``estimator.mixture_rules``. Files whose maker chose types by hand ("UD", "_XL") say theirs themselves.
"""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from estimator.errors import UnknownQuant
from estimator.handmade import HANDMADE, parse_handmade
from estimator.mixture_rules import (
    DEFAULT_TYPES,
    IMATRIX_SENSITIVE,
    LOW_BITS,
    MixtureShape,
    Role,
    Spot,
    fitted,
    is_kept_in_eight_bits,
    output_type,
    role_of,
    rules_for,
)
from estimator.model import COMPANION_PARTS, PROJECTOR_PREFIXES, Layer, Model, Tensor
from estimator.patience import rest
from estimator.quant import BLOCKS, stored_bytes

__all__ = [
    "DEFAULT_TYPES",
    "QUANTS",
    "MixtureShape",
    "mixture",
    "mixture_shape",
    "parse_quant",
    "quant_label",
    "requantised",
    "total_bytes",
]

QUANTS = (
    "F32", "BF16", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS", "Q3_K_M", "Q2_K",
)  # fmt: skip
"""The quants that models are offered in by name, best first."""

LABELS = MappingProxyType({"MXFP4_MOE": "MXFP4"})
"""Mixtures that are called otherwise than the quantizer calls them."""

UNQUANTISED = frozenset({"F32", "F16", "BF16"})

EIGHT_BIT_TYPES = frozenset({"I8", "F8_E4M3", "F8_E5M2"})
"""What servers store single weights in, with scales in another tensor."""

_SPELLINGS = MappingProxyType(
    {quant.replace("_", ""): quant for quant in DEFAULT_TYPES}
    | {f"{bits}K": f"{bits}_K_M" for bits in ("Q3", "Q4", "Q5")}
    # As llama-bench and llama-server print them: "Q4_K - Medium".
    | {
        f"{bits}K{size}": f"{bits}_K_{size[0]}"
        for bits in ("Q3", "Q4", "Q5")
        for size in ("SMALL", "MEDIUM", "LARGE")
        if f"{bits}_K_{size[0]}" in DEFAULT_TYPES
    }
    | {"FP32": "F32", "FP16": "F16", "BFLOAT16": "BF16", "FLOAT16": "F16", "FLOAT32": "F32", "Q8": "Q8_0", "Q6": "Q6_K"}
    | {"MXFP4": "MXFP4_MOE", "Q2KMEDIUM": "Q2_K", "Q2KSMALL": "Q2_K_S"}
)


def parse_quant(text: str) -> str:
    """The mixture meant: ``q4-k-m``, ``Q4KM`` and ``Q4_K - Medium`` are all ``Q4_K_M``; or a server's format.

    Raises:
        UnknownQuant: neither is called that; the message lists near ones.
    """
    wanted = "".join(c for c in text.upper() if c.isalnum())
    found = _SPELLINGS.get(wanted) or parse_handmade(text) or _repacked(wanted)
    if found is None:
        from estimator.formats import parse_format  # noqa: PLC0415  # 3 ms, for names that no mixture has

        stored_as = parse_format(text)
        if stored_as is not None:
            return stored_as.name
        near = [quant for quant in DEFAULT_TYPES if wanted and quant.replace("_", "").startswith(wanted)]
        if not near:
            from difflib import get_close_matches  # noqa: PLC0415  # 2 ms, for a typing error only

            near = [_SPELLINGS[key] for key in get_close_matches(wanted, _SPELLINGS, n=4, cutoff=0.5)]
        listed = ", ".join(dict.fromkeys(near or QUANTS))
        raise UnknownQuant(f"no quant is called {text!r}; near ones: {listed}")
    return found


def _repacked(wanted: str) -> str | None:
    """ik_llama.cpp's files whose rows are interleaved: the same bytes in another order."""
    return next((_SPELLINGS.get(wanted.removesuffix(end)) for end in ("R4", "R8", "R16") if wanted.endswith(end)), None)


def quant_label(quant: str) -> str:
    """What people call that mixture."""
    return LABELS.get(quant, quant)


def _is_matrix(shape: Sequence[int]) -> bool:
    return len(shape) >= 2 and any(width > 1 for width in shape[1:])


def _layer_and_suffix(name: str) -> tuple[int, str]:
    """(-1, name) for what belongs to no block; those come first in a file."""
    if not name.startswith("blk."):
        return -1, name
    layer, dot, suffix = name[4:].partition(".")
    return (int(layer), suffix) if dot and layer.isdecimal() and layer.isascii() and len(layer) < 8 else (-1, name)


def mixture(
    quant: str, tensors: Sequence[Tensor], shape: MixtureShape, *, has_imatrix: bool = False
) -> tuple[Tensor, ...]:
    """The tensors with the types they get; those that are quantised already (gpt-oss' experts) stay as they are.

    Args:
        quant: a key of ``DEFAULT_TYPES``, such as ``parse_quant`` returns.
        tensors: those of a conversion, before it is quantised, or of a file.
        shape: of the model that they belong to.
        has_imatrix: an importance matrix was given; some rules then need fewer bits.
    """
    rest()
    default = DEFAULT_TYPES[quant]
    places = [_layer_and_suffix(tensor.name) for tensor in tensors]
    roles = [
        role_of(suffix, shape.architecture) if tensor.type in UNQUANTISED and _is_matrix(tensor.shape) else None
        for tensor, (_, suffix) in zip(tensors, places, strict=True)
    ]
    rest()
    if default in UNQUANTISED:
        types = [default if role else tensor.type for tensor, role in zip(tensors, roles, strict=True)]
    elif quant == "MXFP4_MOE":
        types = [_mxfp4_type(tensor, role) for tensor, role in zip(tensors, roles, strict=True)]
    else:
        types = _ruled_types(quant, tensors, shape, places, roles, has_imatrix=has_imatrix)
    rest()
    return tuple(
        tensor if tensor.type == type_name else Tensor(tensor.name, tensor.shape, type_name)
        for tensor, type_name in zip(tensors, types, strict=True)
    )


def _mxfp4_type(tensor: Tensor, role: Role | None) -> str:
    if role is None:
        return tensor.type
    is_experts = len(tensor.shape) > 2 and tensor.shape[2] > 1
    is_output = role in {Role.OUTPUT, Role.EMBEDDING}
    return fitted("MXFP4" if is_experts and not is_output else "Q8_0", tensor.shape[0])


def _ruled_types(
    quant: str,
    tensors: Sequence[Tensor],
    shape: MixtureShape,
    places: Sequence[tuple[int, str]],
    roles: Sequence[Role | None],
    *,
    has_imatrix: bool,
) -> list[str]:
    default = DEFAULT_TYPES[quant]
    rules = rules_for(quant, shape)
    is_tied = all(tensor.name != "output.weight" for tensor in tensors)
    counts = dict.fromkeys(Role, shape.n_layers)
    counts[Role.VALUE] = roles.count(Role.VALUE)
    seen = dict.fromkeys(Role, 0)
    goes_by_layer = shape.n_experts > 1 and quant not in LOW_BITS
    types = [tensor.type for tensor in tensors]
    for i in sorted(range(len(tensors)), key=places.__getitem__):
        role, tensor = roles[i], tensors[i]
        if role is None:
            continue
        if is_kept_in_eight_bits(places[i][1], shape.architecture):
            types[i] = fitted("Q8_0", tensor.shape[0])
            continue
        if role is Role.OUTPUT or (is_tied and role is Role.EMBEDDING):
            types[i] = fitted(output_type(quant, tensor, shape), tensor.shape[0])
            continue
        chosen = default
        rule = rules.get(role)
        if rule is not None:
            is_by_layer = goes_by_layer and role is not Role.VALUE
            index = places[i][0] if is_by_layer else seen[role]
            chosen = rule(Spot(index, counts[role], shape, has_imatrix)) or default
            seen[role] += 1
        types[i] = fitted(chosen, tensor.shape[0])
    return types


def mixture_shape(model: Model) -> MixtureShape:
    """What the rules ask of this model."""
    first = model.layers[0] if model.layers else Layer()
    # The hybrids below give one number of KV heads for all layers; others give none for a layer without attention.
    counts_every_layer = model.architecture in {"qwen3next", "qwen35", "qwen35moe", "qwen4exp", "minimax-01"}
    has_attention = first.key_width > 0 or counts_every_layer
    n_kv_heads = 1 if model.latent else model.n_kv_heads
    return MixtureShape(
        architecture=model.architecture,
        n_layers=model.n_layers,
        n_heads=model.n_heads,
        n_kv_heads=n_kv_heads if has_attention else 0,
        n_experts=model.experts.n_experts if model.experts else 0,
        n_predictor_layers=model.n_predictor_layers,
    )


def requantised(model: Model, quant: str) -> Model:
    """The same model under another mixture or a server's format; what is quantised is taken as if from bfloat16.

    gpt-oss' experts stay as they are: they were published as MXFP4, and files of every quant keep them (gpt-oss 20B as
    Q4_K_M is 10.81 GiB, with its experts quantised anew it would be 14.71).
    """
    plain = unquantised(model)
    band = (1.0, 1.0)
    files = "gguf"
    if quant in UNQUANTISED and model.format != "gguf":  # a checkpoint that a packer started from
        files = "safetensors"
        tensors = tuple(Tensor(t.name, t.shape, quant) if t.type in UNQUANTISED else t for t in plain)
    elif quant in DEFAULT_TYPES or quant in HANDMADE:
        language = [_converted(tensor) for tensor in plain if not tensor.name.startswith(PROJECTOR_PREFIXES)]
        tensors, band = _mixed(quant, language, mixture_shape(model))
    else:
        from estimator.formats import format_named  # noqa: PLC0415  # as above
        from estimator.packed_tensors import stored, stored_band  # noqa: PLC0415  # as above

        stored_as = format_named(quant)
        files = stored_as.files
        tensors, band = stored(plain, stored_as), stored_band(plain, stored_as)
    return replace(
        model, quant=quant_label(quant), tensors=tensors, file_bytes=None, size_band_ratio=band, format=files
    )


def _mixed(quant: str, plain: Sequence[Tensor], shape: MixtureShape) -> tuple[tuple[Tensor, ...], tuple[float, float]]:
    """The tensors, and the least and the most that such a file may have of their bytes."""
    own = HANDMADE.get(quant)
    if own is not None:
        base = mixture(own.base, plain, shape, has_imatrix=_is_made_with_imatrix(own.base))
        return own.changed(base, shape.n_layers), (own.low_ratio, own.high_ratio)
    has_imatrix = _is_made_with_imatrix(quant)
    tensors = mixture(quant, plain, shape, has_imatrix=has_imatrix)
    if quant not in IMATRIX_SENSITIVE:
        return tensors, (1.0, 1.0)
    other = total_bytes(mixture(quant, plain, shape, has_imatrix=not has_imatrix)) / total_bytes(tensors)
    return tensors, (min(1.0, other), max(1.0, other))


def total_bytes(tensors: Sequence[Tensor]) -> int:
    """As stored, without what a device rounds up."""
    return sum(stored_bytes(tensor.type, tensor.shape) for tensor in tensors)


def _is_made_with_imatrix(quant: str) -> bool:
    """The quantizer demands an importance matrix for the smallest IQ quants; most files of all are made with one.

    Mistral Small 3.2 24B as IQ3_XXS is published with 8.6 GiB: 8.64 with a matrix, 9.03 without; as IQ4_XS with 11.9
    GiB: 11.88 and 12.00 (bartowski, menloresearch/model-catalog, model_catalog.json).
    """
    return quant.startswith("IQ")


def unquantised(model: Model) -> tuple[Tensor, ...]:
    """Its tensors as they were before any quantiser, but for gpt-oss' experts."""
    return tuple(
        _unquantised(tensor, model.architecture)
        for tensor in model.tensors
        if tensor.name.rpartition(".")[2] not in COMPANION_PARTS
    )


def _converted(tensor: Tensor) -> Tensor:
    """llama.cpp's converter writes vectors, routers and convolutions as float32 (conversion/base.py)."""
    is_exact = len(tensor.shape) < 2 or tensor.name.endswith(("ffn_gate_inp.weight", "conv1d.weight", "conv.weight"))
    return Tensor(tensor.name, tensor.shape, "F32") if is_exact and tensor.type in UNQUANTISED else tensor


def _unquantised(tensor: Tensor, architecture: str) -> Tensor:
    is_quantised = BLOCKS[tensor.type].n_weights > 1 or tensor.type in EIGHT_BIT_TYPES
    if not is_quantised or (architecture == "gpt-oss" and tensor.type == "MXFP4"):
        return tensor
    return Tensor(tensor.name, tensor.shape, "BF16")

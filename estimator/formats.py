"""The formats that servers load, by name: which tensors each packs, into what, and with which scales beside them.

What a format leaves alone (embedding, output, norms, routers, vision tower) stays as it is. Bytes per weight and the
lists of what stays are those of the quantisers: vLLM 0.33 (model_executor/layers/quantization), AutoAWQ and GPTQModel
(qweight, qzeros, scales, g_idx), compressed-tensors, bitsandbytes (functional.py, `quantize_4bit`), mlx-lm
(utils.py, `quantize_model`), exllamav3 (modules/quant/exl3.py); read 2026-11.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from types import MappingProxyType

from estimator.model import Tensor
from estimator.quant import stored_bytes

GROUP = 128
"""Weights per scale of AWQ, GPTQ and W4A16 where nothing else is said: the default of all their quantisers."""
MLX_GROUP = 64
"""mlx-lm, `quantize_model`."""
HEAD_BITS = 6
"""Of EXL2's and EXL3's output matrix: the default of both converters (convert.py, ``--head_bits``)."""
ABSMAX_GROUP = 64
"""bitsandbytes, `quantize_4bit`, ``blocksize``."""
NESTED_GROUP = 256
"""Scales of bitsandbytes that share one of their own with double quantisation, ibid."""

# Parts of names that no format packs: routers, convolutions, gates of a few columns, norms, lookup tables.
_KEPT = (
    "norm", "ffn_gate_inp", "conv1d", "shortconv.conv", "ssm_ba", "ssm_alpha", "ssm_beta", "ssm_a", "ssm_d", "altup",
    "nextn.", "token_embd", "position_embd", "exp_probs", "attn_sinks", "attn_rel_b",
)  # fmt: skip
_FLOATS = frozenset({"F32", "F16", "BF16"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A small tensor beside each packed one."""

    part: str
    """The last part of its name, one of ``estimator.model.COMPANION_PARTS``."""
    type: str
    row_group: int | None = None
    """Weights of a row that share an element; None: the whole row."""
    column_group: int | None = 1
    """Rows that share an element; None: all of them."""

    def beside(self, tensor: Tensor) -> Tensor:
        """The companion of a packed tensor."""
        n_inputs, n_outputs, *rest = tensor.shape
        columns = -(-n_outputs // (self.column_group or n_outputs))
        rows = -(-n_inputs // (self.row_group or n_inputs))
        return Tensor(f"{tensor.name.removesuffix('.weight')}.{self.part}", (columns, rows, *rest), self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How one named format stores a model."""

    name: str
    type: str
    """A key of ``estimator.quant.BLOCKS`` for what is packed."""
    companions: tuple[Companion, ...] = ()
    row_multiple: int = 1
    """A matrix whose rows are no multiple of it stays as it is."""
    plain_type: str = "BF16"
    """Of what is not packed."""
    packs_embedding: bool = False
    output_type: str | None = None
    """Of the output matrix; None: not packed."""
    router_bits: int | None = None
    """MLX packs routers, to more bits than the rest."""
    keeps_latent_attention: bool = False
    bits_in_hundredths: int | None = None
    """Per weight. A mean over matrices of whole numbers of bits each (EXL); None: ``type`` everywhere."""

    @property
    def files(self) -> str:
        """As ``Model.format``: which engines' files these are."""
        return {"MLX": "mlx", "EXL": "exl"}.get(self.name[:3], "safetensors")


def parse_format(text: str) -> Format | None:
    """The format meant, in any usual spelling; None where no format is called that.

    ``fp8``, ``awq``, ``GPTQ-Int8``, ``gptq-int4-g32``, ``w4a16``, ``NVFP4``, ``bnb-4bit``, ``MLX-4bit``, ``4.0bpw`` ...
    """
    wanted = "".join(c for c in text.upper() if c.isalnum() or c == ".")
    simple = _SPELLINGS.get(wanted.replace(".", ""))
    if simple is not None:
        return _FIXED[simple]
    for pattern, made in _PATTERNS:
        found = pattern.fullmatch(wanted)
        if found is not None:
            return made(found)
    return None


@lru_cache(maxsize=64)
def format_named(name: str) -> Format:
    """The format of a canonical name, such as ``parse_format`` gives.

    Raises:
        KeyError: no format has it.
    """
    found = parse_format(name)
    if found is None:
        raise KeyError(name)
    return found


def stored(tensors: Sequence[Tensor], stored_as: Format) -> tuple[Tensor, ...]:
    """The tensors as this format stores them, companions after what they belong to.

    Args:
        tensors: unquantised ones, under GGUF's names; what is packed already stays.
        stored_as: the format.
    """
    mean = _Mean(stored_as.bits_in_hundredths) if stored_as.bits_in_hundredths is not None else None
    made: list[Tensor] = []
    for tensor in tensors:
        type_name = _type_in(tensor, stored_as)
        if type_name is None:
            made.append(_plain(tensor, stored_as.plain_type))
            continue
        if mean is not None and tensor.name != "output.weight":
            type_name = mean.type_of(tensor)
        packed = Tensor(tensor.name, tensor.shape, type_name)
        made.append(packed)
        made.extend(companion.beside(packed) for companion in stored_as.companions)
    return tuple(made)


class _Mean:
    """Gives each matrix a whole number of bits so that the mean over all that came comes nearest to what is wanted.

    How exllamav3's converter allocates (conversion/allocation.py): it, too, cannot store a fraction of a bit.
    """

    def __init__(self, hundredths: int) -> None:
        self._hundredths = hundredths
        self._owed = 0
        """Hundredths of a bit."""

    def type_of(self, tensor: Tensor) -> str:
        n_weights = prod(tensor.shape)
        self._owed += self._hundredths * n_weights
        bits = min(8, max(1, (self._owed + 50 * n_weights) // (100 * n_weights)))
        self._owed -= 100 * bits * n_weights
        return _bits_type(bits)


def _type_in(tensor: Tensor, stored_as: Format) -> str | None:
    """What this tensor is packed into; None where it is not."""
    if len(tensor.shape) < 2 or tensor.type not in _FLOATS or tensor.shape[0] % stored_as.row_multiple:
        return None
    if tensor.name == "output.weight":
        return stored_as.output_type
    if tensor.name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return stored_as.type if stored_as.packs_embedding else None
    if stored_as.router_bits is not None and tensor.name.endswith("ffn_gate_inp.weight"):
        return _bits_type(stored_as.router_bits)
    return stored_as.type if is_linear(tensor.name) and not _is_kept_latent(tensor.name, stored_as) else None


def stored_band(tensors: Sequence[Tensor], stored_as: Format) -> tuple[float, float]:
    """The least and the most of ``stored``'s bytes that files of this format have.

    Makers of AWQ, GPTQ and W4A16 files of hybrids disagree whether layers with a state are packed or left as they were:
    llm-compressor's examples leave them (examples/quantization_w4a4_fp4/qwen3_next_example.py and others: ``ignore``
    has ``re:.*linear_attn.*``), Qwen's own do not all. What NVFP4 leaves differs more, and engines say so themselves.
    """
    if stored_as.name.partition("-")[0] not in ("AWQ", "GPTQ", "W4A16"):
        return 1.0, 1.0
    stateful = {tensor.name.split(".")[1] for tensor in tensors if ".ssm_" in tensor.name}
    kept = frozenset(
        tensor.name
        for tensor in tensors
        if ".ssm_" in tensor.name or (tensor.name.endswith(_LINEAR_ATTENTION) and tensor.name.split(".")[1] in stateful)
    )
    if not kept:
        return 1.0, 1.0
    total = _n_bytes(stored(tensors, stored_as))
    rest = stored([tensor for tensor in tensors if tensor.name not in kept], stored_as)
    return 1.0, (_n_bytes(rest) + _n_bytes([tensor for tensor in tensors if tensor.name in kept])) / total


_LINEAR_ATTENTION = (".attn_qkv.weight", ".attn_gate.weight")


def _n_bytes(tensors: Sequence[Tensor]) -> int:
    return sum(stored_bytes(tensor.type, tensor.shape) for tensor in tensors)


def is_linear(name: str) -> bool:
    """Whether quantisers take it for one of a block's linear layers."""
    return name.startswith("blk.") and name.endswith(".weight") and not any(part in name for part in _KEPT)


def _is_kept_latent(name: str, stored_as: Format) -> bool:
    return stored_as.keeps_latent_attention and any(
        part in name for part in ("attn_kv_a", "attn_k_b", "attn_v_b", "attn_q_a", "attn_q_b")
    )


def _plain(tensor: Tensor, type_name: str) -> Tensor:
    """Servers load vectors in the model's own type; states and corrections of routers stay float32."""
    if tensor.type not in _FLOATS or ".ssm_" in tensor.name or "exp_probs" in tensor.name:
        return tensor
    return Tensor(tensor.name, tensor.shape, type_name)


def _bits_type(bits: int) -> str:
    return "I8" if bits == 8 else f"INT{bits}"


_SCALES = Companion(part="scales", type="F16", row_group=GROUP)


def _grouped(name: str, bits: int, group: int | None, *, has_zeros: bool, is_reordered: bool = False) -> Format:
    """AWQ, GPTQ, W4A16: a scale per group, zeros packed as densely as the weights, an index where groups are mixed."""
    companions = [replace(_SCALES, row_group=group)]
    if has_zeros:
        companions.append(Companion(part="zeros", type=_bits_type(bits), row_group=group))
    if is_reordered:
        companions.append(Companion(part="group_index", type="I32", row_group=1, column_group=None))
    multiple = group or 32
    return Format(
        name=name, type=_bits_type(bits), companions=tuple(companions), row_multiple=multiple, plain_type="F16"
    )


def _mlx(bits: int, group: int) -> Format:
    """A scale and a bias per group; every matrix with fitting rows is packed, embedding and output included."""
    return Format(
        name=f"MLX-{bits}bit" + (f"-g{group}" if group != MLX_GROUP else ""),
        type=_bits_type(bits),
        companions=(
            Companion(part="scales", type="BF16", row_group=group),
            Companion(part="zeros", type="BF16", row_group=group),
        ),
        row_multiple=group,
        packs_embedding=True,
        output_type=_bits_type(bits),
        # mlx-lm, `quant_predicate` of its mixtures of experts (qwen3_moe.py, deepseek_v3.py): 8 bits.
        router_bits=8,
    )


def _mlx_float(name: str, type_name: str, multiple: int) -> Format:
    return Format(
        name=name, type=type_name, row_multiple=multiple, packs_embedding=True, output_type=type_name, router_bits=8
    )


def _exl(version: str, hundredths: int, head_bits: int) -> Format:
    """Rows are permuted or rotated: a half for every row and column."""
    shown = f"{hundredths / 100:.2f}".removesuffix("0")
    return Format(
        name=f"EXL{version}-{shown}bpw" + (f"-h{head_bits}" if head_bits != HEAD_BITS else ""),
        type=_bits_type(max(1, hundredths // 100)),
        companions=(
            Companion(part="scales", type="F16"),
            Companion(part="zeros", type="F16", row_group=1, column_group=None),
        ),
        row_multiple=32,
        plain_type="F16",
        output_type=_bits_type(head_bits),
        bits_in_hundredths=hundredths,
    )


_CHANNEL_SCALES = (Companion(part="scales", type="F32"),)
_BLOCK_SCALES = (Companion(part="scales", type="F32", row_group=128, column_group=128),)
_ONE_SCALE = (Companion(part="scales", type="F32", column_group=None),)

_FIXED: Mapping[str, Format] = MappingProxyType(
    {
        one.name: one
        for one in (
            Format(name="FP8", type="F8_E4M3", companions=_BLOCK_SCALES),
            Format(name="FP8-dynamic", type="F8_E4M3", companions=_CHANNEL_SCALES),
            Format(name="FP8-tensor", type="F8_E4M3", companions=_ONE_SCALE),
            Format(name="W8A8", type="I8", companions=_CHANNEL_SCALES),
            # NVIDIA's DeepSeek checkpoints leave latent attention as it was: SGLang loaded R1 FP4 with 94.5 GiB on each
            # of four cards; it is 90.0 without predictors so, and 88.5 if that were packed too.
            Format(name="NVFP4", type="NVFP4", companions=_ONE_SCALE, row_multiple=64, keeps_latent_attention=True),
            Format(name="MXFP8", type="MXFP8", row_multiple=32),
            Format(
                name="bnb-4bit",
                type="NF4",
                companions=(
                    Companion(part="scales", type="U8", row_group=ABSMAX_GROUP),
                    Companion(part="nested_scales", type="F32", row_group=ABSMAX_GROUP, column_group=NESTED_GROUP),
                ),
                row_multiple=ABSMAX_GROUP,
            ),
            Format(
                name="bnb-nf4",
                type="NF4",
                companions=(Companion(part="scales", type="F32", row_group=ABSMAX_GROUP),),
                row_multiple=ABSMAX_GROUP,
            ),
            Format(name="bnb-8bit", type="I8", companions=_CHANNEL_SCALES),
            _mlx_float("MLX-mxfp4", "MXFP4", 32),
            _mlx_float("MLX-nvfp4", "NVFP4", 64),
            _mlx_float("MLX-mxfp8", "MXFP8", 32),
        )
    }
)

_SPELLINGS: Mapping[str, str] = MappingProxyType(
    {"".join(c for c in name.upper() if c.isalnum()): name for name in _FIXED}
    | dict.fromkeys(("F8", "FLOAT8", "FP8BLOCK", "FP8E4M3", "F8E4M3", "W8A8FP8", "FP8W8A8"), "FP8")
    | dict.fromkeys(("FP8CHANNEL", "FP8DYN"), "FP8-dynamic")
    | dict.fromkeys(("FP8STATIC", "FP8PERTENSOR"), "FP8-tensor")
    | dict.fromkeys(("INT8", "W8A8INT8", "INT8W8A8", "QUANTIZEDW8A8", "SMOOTHQUANT"), "W8A8")
    | dict.fromkeys(("FP4", "NVFP4A16", "MODELOPTFP4", "W4A4"), "NVFP4")
    | dict.fromkeys(("BNB", "BNB4", "BITSANDBYTES", "BITSANDBYTES4BIT", "NF4DQ", "UNSLOTHBNB4BIT"), "bnb-4bit")
    | dict.fromkeys(("NF4", "BITSANDBYTESNF4"), "bnb-nf4")
    | dict.fromkeys(("BNB8", "BNBINT8", "LLMINT8", "BITSANDBYTES8BIT"), "bnb-8bit")
)


def _of_awq(found: re.Match[str]) -> Format:
    group = int(found["group"] or GROUP)
    return _grouped("AWQ" + (f"-g{group}" if group != GROUP else ""), 4, group, has_zeros=True)


def _of_gptq(found: re.Match[str]) -> Format:
    bits, group = int(found["bits"] or 4), int(found["group"] or GROUP)
    is_reordered = bool(found["order"])
    name = f"GPTQ-Int{bits}" + (f"-g{group}" if group != GROUP else "") + ("-actorder" if is_reordered else "")
    return _grouped(name, bits, group, has_zeros=True, is_reordered=is_reordered)


def _of_w4a16(found: re.Match[str]) -> Format:
    bits, group = int(found["bits"]), int(found["group"] or GROUP)
    has_zeros = bool(found["asymmetric"])
    name = f"W{bits}A16" + (f"-g{group}" if group != GROUP else "") + ("-asym" if has_zeros else "")
    return _grouped(name, bits, group, has_zeros=has_zeros)


def _of_mlx(found: re.Match[str]) -> Format:
    return _mlx(int(found["bits"]), int(found["group"] or MLX_GROUP))


def _of_exl(found: re.Match[str]) -> Format:
    hundredths = round(100 * float(found["bits"]))
    return _exl(found["version"] or "3", min(800, max(100, hundredths)), int(found["head"] or HEAD_BITS))


_PATTERNS = (
    (re.compile(r"AWQ(?:INT)?4?(?:BIT)?(?:G?(?P<group>32|64|128)G?)?"), _of_awq),
    (
        re.compile(r"GPTQ(?:INT|W)?(?P<bits>[2348])?(?:BIT|BITS)?(?:G?(?P<group>32|64|128)G?)?(?P<order>ACTORDER)?"),
        _of_gptq,
    ),
    (
        re.compile(
            r"(?:COMPRESSEDTENSORS|QUANTIZED|INT[48])?W(?P<bits>[48])A16(?:G?(?P<group>32|64|128)G?)?(?P<asymmetric>ASYM)?"
        ),
        _of_w4a16,
    ),
    (re.compile(r"MLX(?:INT|Q)?(?P<bits>[234568])(?:BIT|BITS)?(?:G?(?P<group>32|64|128)G?)?"), _of_mlx),
    (
        re.compile(
            r"(?:EXL(?P<version>[23]))?(?P<bits>\d(?:\.\d{1,2})?)BPW(?:H(?P<head>[1-8]))?",
        ),
        _of_exl,
    ),
)

FORMATS = (
    "FP8", "W8A8", "AWQ", "GPTQ-Int4", "GPTQ-Int8", "W4A16", "NVFP4", "bnb-4bit", "bnb-8bit", "MLX-8bit", "MLX-6bit",
    "MLX-4bit", "EXL3-4.0bpw",
)  # fmt: skip
"""Names to offer someone whose quant is not known."""

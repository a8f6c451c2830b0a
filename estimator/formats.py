"""The formats that servers load, by the names that people call them: FP8, AWQ, GPTQ-Int8, NVFP4, MLX-4bit, 4.0bpw ...

Bytes per weight and what stays unpacked are those of the quantisers: vLLM 0.33 (model_executor/layers/quantization),
AutoAWQ and GPTQModel (qweight, qzeros, scales, g_idx), compressed-tensors, bitsandbytes (functional.py,
`quantize_4bit`), mlx-lm (utils.py, `quantize_model`), exllamav3 (modules/quant/exl3.py); as of 2026-11.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from estimator.packed_tensors import Companion, Format, bits_type

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


_SCALES = Companion(part="scales", type="F16", row_group=GROUP)


def _grouped(name: str, bits: int, group: int | None, *, has_zeros: bool, is_reordered: bool = False) -> Format:
    """AWQ, GPTQ, W4A16: a scale per group, zeros packed as densely as the weights, an index where groups are mixed."""
    companions = [replace(_SCALES, row_group=group)]
    if has_zeros:
        companions.append(Companion(part="zeros", type=bits_type(bits), row_group=group))
    if is_reordered:
        companions.append(Companion(part="group_index", type="I32", row_group=1, column_group=None))
    multiple = group or 32
    return Format(
        name=name, type=bits_type(bits), companions=tuple(companions), row_multiple=multiple, plain_type="F16"
    )


def _mlx(bits: int, group: int) -> Format:
    """A scale and a bias per group; every matrix with fitting rows is packed, embedding and output included."""
    return Format(
        name=f"MLX-{bits}bit" + (f"-g{group}" if group != MLX_GROUP else ""),
        type=bits_type(bits),
        companions=(
            Companion(part="scales", type="BF16", row_group=group),
            Companion(part="zeros", type="BF16", row_group=group),
        ),
        row_multiple=group,
        packs_embedding=True,
        output_type=bits_type(bits),
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
        type=bits_type(max(1, hundredths // 100)),
        companions=(
            Companion(part="scales", type="F16"),
            Companion(part="zeros", type="F16", row_group=1, column_group=None),
        ),
        row_multiple=32,
        plain_type="F16",
        output_type=bits_type(head_bits),
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

"""The tensors of a checkpoint as a model has them: under GGUF's names, packed matrices in their true shapes.

A packed matrix is one tensor of its own width and height, in a type of few bits; scales, zeros and indices stand
beside it with their own types. Together they take exactly the bytes of the files. Layouts of the packers: GPTQ and AWQ
(qweight along the row, or along the column), compressed-tensors (weight_packed), NVIDIA's ModelOpt (uint8), MLX
(uint32), bitsandbytes (one column of bytes), EXL3 (tiles of 16 by 16), gpt-oss (blocks and scales).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from estimator.hub_names import GgufName, gguf_name
from estimator.hub_quant import Packing
from estimator.model import Tensor
from estimator.quant import BLOCKS
from estimator.safetensors_header import StoredTensor

# What packers call their parts -> what we call them.
_PARTS: Mapping[str, str] = {
    "weight_scale_inv": "scales", "weight_scale": "scales", "scales": "scales", "absmax": "scales", "SCB": "scales",
    "q_scale": "scales", "scale_inv": "scales", "weight_scale_2": "nested_scales",
    "weight_global_scale": "nested_scales", "nested_absmax": "nested_scales", "q_scale_max": "nested_scales",
    "qzeros": "zeros", "weight_zero_point": "zeros", "biases": "zeros", "g_idx": "group_index",
    "weight_g_idx": "group_index", "q_perm": "group_index", "q_invperm": "group_index", "q_groups": "group_index",
    "q_group_map": "group_index", "input_scale": "input_scales", "input_global_scale": "input_scales",
    "activation_scale": "input_scales", "weight_shape": "packed_shape", "weight_format": "packed_shape",
    "suh": "row_signs", "svh": "column_signs", "mcg": "codebook", "mul1": "codebook", "k_scale": "cache_scales",
    "v_scale": "cache_scales",
}  # fmt: skip
_PACKED = frozenset({"qweight", "weight_packed", "q_weight", "trellis", "blocks"})

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Found:
    """A stored tensor with its place."""

    name: GgufName
    type: str
    shape: tuple[int, ...]
    """The fastest first."""


def model_tensors(
    stored: Iterable[StoredTensor], packing: Packing | None, *, n_layers: int, plain_shapes: Shapes
) -> tuple[Tensor, ...]:
    """The model's tensors; experts of one matrix are stacked into one.

    Args:
        stored: those of all files.
        packing: what the configuration says of it.
        n_layers: without those that predict further tokens.
        plain_shapes: by GGUF name, what unpacked tensors would have; bitsandbytes stores no shape.
    """
    found = [
        _Found(gguf_name(one.name, n_layers=n_layers), one.type, tuple(reversed(one.shape)) or (1,))
        for one in stored
        if one.n_elements  # an empty one takes nothing, and has no row to speak of
    ]
    groups = _scale_rows(found)
    counts: Counter[tuple[str, tuple[int, ...], str, bool]] = Counter()
    for one in found:
        if one.name.part == "scales" and one.type == "U8" and _has_blocks(one.name.module, groups):
            continue  # counted with its blocks
        part, shape, type_name = _logical(one, packing, groups, plain_shapes)
        name = f"{one.name.module}.{part}" if part else one.name.module
        counts[name, shape, type_name, one.name.is_expert] += 1
    tensors: list[Tensor] = []
    for (name, shape, type_name, is_expert), n in counts.items():
        if is_expert:
            tensors.append(Tensor(name, (*shape, n), type_name))
        else:
            tensors.extend([Tensor(name, shape, type_name)] * n)
    return tuple(tensors)


def _scale_rows(found: Sequence[_Found]) -> dict[tuple[str, str], int]:
    """By module: elements of a row of its scales, and whether it has blocks."""
    rows: dict[tuple[str, str], int] = {}
    for one in found:
        if one.name.part in ("scales", "blocks"):
            rows[one.name.module, one.name.part] = one.shape[0]
    return rows


def _has_blocks(module: str, groups: Mapping[tuple[str, str], int]) -> bool:
    return (module, "blocks") in groups


def _logical(
    one: _Found, packing: Packing | None, groups: Mapping[tuple[str, str], int], plain_shapes: Shapes
) -> tuple[str, tuple[int, ...], str]:
    """(part, shape, type) as the model has it; as stored where the layout is not known."""
    part = one.name.part
    if part.startswith("quant_state"):
        return "quant_state", one.shape, one.type
    if part not in _PACKED and (part != "weight" or one.type not in ("U8", "U32", "I32")):
        return _PARTS.get(part, part), one.shape, one.type
    unpacked = _unpacked(one, packing, groups, plain_shapes)
    if unpacked is None:
        return "weight", one.shape, one.type
    shape, type_name = unpacked
    block = BLOCKS[type_name]
    stored_bytes = prod(one.shape) * BLOCKS[one.type].n_bytes
    if part == "blocks":
        stored_bytes += stored_bytes // 16
    is_same = not shape[0] % block.n_weights and prod(shape) * block.n_bytes == stored_bytes * block.n_weights
    return ("weight", shape, type_name) if is_same else ("weight", one.shape, one.type)


def _unpacked(
    one: _Found, packing: Packing | None, groups: Mapping[tuple[str, str], int], plain_shapes: Shapes
) -> tuple[tuple[int, ...], str] | None:
    """(shape, type) of a packed matrix, the row first."""
    part, shape = one.name.part, one.shape
    if part == "blocks" and len(shape) >= 3:  # (bytes of a block, blocks of a row, rows, experts)
        return (shape[1] * 32, *shape[2:]), "MXFP4"
    if (
        part == "trellis" and len(shape) == 3 and 0 < shape[0] // 16 <= 8
    ):  # (16 words for each bit, tiles across, tiles down)
        return (shape[2] * 16, shape[1] * 16), _bits_type(shape[0] // 16)
    if packing is None or len(shape) < 2:
        return None
    bits = packing.bits
    if part == "weight":
        return _unpacked_weight(one, packing, groups, plain_shapes)
    if not 0 < bits <= 8:
        return None
    if one.type == "U8":  # two to a byte
        return (shape[0] * 2, *shape[1:]), "F4"
    if part == "qweight" and packing.method == "awq":
        return (shape[1], shape[0] * 32 // bits, *shape[2:]), _bits_type(bits)
    if part == "qweight":
        return (shape[1] * 32 // bits, shape[0], *shape[2:]), _bits_type(bits)
    return (shape[0] * 32 // bits, *shape[1:]), _bits_type(bits)


def _unpacked_weight(
    one: _Found, packing: Packing, groups: Mapping[tuple[str, str], int], plain_shapes: Shapes
) -> tuple[tuple[int, ...], str] | None:
    shape = one.shape
    if packing.method == "mlx" and one.type == "U32":
        bits = _mlx_bits(shape[0], groups.get((one.name.module, "scales"), 0), packing)
        return ((shape[0] * 32 // bits, *shape[1:]), _bits_type(bits)) if bits else None
    if packing.method == "bitsandbytes" and one.type == "U8":
        plain = plain_shapes.get(f"{one.name.module}.weight")
        return (plain, "NF4") if plain is not None else ((prod(shape) * 2,), "NF4")
    if packing.bits == 4 and one.type == "U8":
        return (shape[0] * 2, *shape[1:]), "F4"
    return None


def _mlx_bits(n_words: int, n_groups: int, packing: Packing) -> int:
    """Of one matrix: mixtures keep some at more bits than the rest, and say so layer by layer; the shapes tell too."""
    for group in (packing.group, 32, 64, 128) if n_groups else ():
        bits, rest = divmod(n_words * 32, n_groups * group) if group else (0, 1)
        if not rest and bits in (2, 3, 4, 5, 6, 8):
            return bits
    return packing.bits


def _bits_type(bits: int) -> str:
    return "I8" if bits == 8 else f"INT{bits}"

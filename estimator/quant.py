"""How weights are stored: whole blocks of some weights in some bytes, per type, and never "bits per weight".

ggml's blocks are the structs of ggml/src/ggml-common.h, written as the structs' own sums; ids are `enum ggml_type` of
ggml/include/ggml.h; mixtures are `enum llama_ftype` of include/llama.h. All as of llama.cpp 0c1e57098, 2026-10-01.
Safetensors' types are those of its own table (safetensors/src/tensor.rs, `Dtype`, 0.6); what servers pack into them has
its scales in tensors of their own.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from estimator.errors import Unjudgeable, UnknownQuant


class Block(NamedTuple):
    """The unit that a row is stored in; a row is a whole number of them."""

    n_weights: int
    n_bytes: int


GGML_BLOCKS: Mapping[str, Block] = {
    "F64": Block(1, 8),
    "F32": Block(1, 4),
    "F16": Block(1, 2),
    "BF16": Block(1, 2),
    "I8": Block(1, 1),
    "I16": Block(1, 2),
    "I32": Block(1, 4),
    "I64": Block(1, 8),
    # Sums run: scale, minimum, then what each type packs its weights into. A scale is a half (2) but for Q8_K's float.
    "Q1_0": Block(128, 2 + 128 // 8),
    "Q2_0": Block(64, 2 + 64 // 4),
    "Q4_0": Block(32, 2 + 32 // 2),
    "Q4_1": Block(32, 2 + 2 + 32 // 2),
    "Q5_0": Block(32, 2 + 32 // 8 + 32 // 2),
    "Q5_1": Block(32, 2 + 2 + 32 // 8 + 32 // 2),
    "Q8_0": Block(32, 2 + 32),
    "Q8_1": Block(32, 2 + 2 + 32),
    # Super-blocks of 256: the scales of sub-blocks are packed as well (12 bytes where 6 bits each).
    "Q2_K": Block(256, 2 + 2 + 256 // 16 + 256 // 4),
    "Q3_K": Block(256, 2 + 256 // 8 + 256 // 4 + 12),
    "Q4_K": Block(256, 2 + 2 + 256 // 2 + 12),
    "Q5_K": Block(256, 2 + 2 + 256 // 8 + 256 // 2 + 12),
    "Q6_K": Block(256, 2 + 256 // 2 + 256 // 4 + 256 // 16),
    "Q8_K": Block(256, 4 + 256 + 2 * 256 // 16),
    # Code books: 8 weights per 8-bit (or longer) index, plus signs.
    "IQ1_S": Block(256, 2 + 256 // 8 + 256 // 16),
    "IQ1_M": Block(256, 256 // 8 + 256 // 16 + 256 // 32),
    "IQ2_XXS": Block(256, 2 + 2 * 256 // 8),
    "IQ2_XS": Block(256, 2 + 2 * 256 // 8 + 256 // 32),
    "IQ2_S": Block(256, 2 + 256 // 4 + 256 // 16),
    "IQ3_XXS": Block(256, 2 + 3 * 256 // 8),
    "IQ3_S": Block(256, 2 + 13 * 256 // 32 + 256 // 64),
    "IQ4_NL": Block(32, 2 + 32 // 2),
    "IQ4_XS": Block(256, 2 + 2 + 256 // 64 + 256 // 2),
    # Ternary: five weights in a byte, the last sixteen of a block four in a byte; or four in every byte.
    "TQ1_0": Block(256, 2 + (256 - 4 * 256 // 64) // 5 + 256 // 64),
    "TQ2_0": Block(256, 2 + 256 // 4),
    # Microscaling: one 8-bit scale per 32 weights; NVFP4 has one per 16.
    "MXFP4": Block(32, 1 + 32 // 2),
    "NVFP4": Block(64, 64 // 16 + 64 // 2),
}
"""The types of ggml, which GGUF files hold."""

SERVER_BLOCKS: Mapping[str, Block] = {
    # Of safetensors alone.
    "BOOL": Block(1, 1),
    "U8": Block(1, 1),
    "U16": Block(1, 2),
    "U32": Block(1, 4),
    "U64": Block(1, 8),
    "C64": Block(1, 8),
    "F8_E4M3": Block(1, 1),
    "F8_E5M2": Block(1, 1),
    "F8_E8M0": Block(1, 1),
    "F4": Block(2, 1),
    # Whole numbers of few bits, packed into 32-bit words that lie along the row (GPTQ, AWQ, compressed-tensors, MLX,
    # EXL3); 3, 5, 6 and 7 bits fill whole words with 32 weights only.
    "INT1": Block(32, 4),
    "INT2": Block(16, 4),
    "INT3": Block(32, 3 * 4),
    "INT4": Block(8, 4),
    "INT5": Block(32, 5 * 4),
    "INT6": Block(32, 6 * 4),
    "INT7": Block(32, 7 * 4),
    # bitsandbytes' table of 16 values; two to a byte, over the whole matrix.
    "NF4": Block(2, 1),
    # Microscaling's 8-bit floats: an 8-bit exponent (E8M0) for 32 of them.
    "MXFP8": Block(32, 1 + 32),
}
"""Further types of safetensors, and what servers pack into them."""

BLOCKS: Mapping[str, Block] = {**GGML_BLOCKS, **SERVER_BLOCKS}
"""Every type that a tensor may have."""

TYPE_NAMES: Mapping[int, str] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    6: "Q5_0",
    7: "Q5_1",
    8: "Q8_0",
    9: "Q8_1",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    29: "IQ1_M",
    30: "BF16",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
    40: "NVFP4",
    41: "Q1_0",
    42: "Q2_0",
}

REMOVED_TYPES: Mapping[int, str] = {
    4: "Q4_2",
    5: "Q4_3",
    31: "Q4_0_4_4",
    32: "Q4_0_4_8",
    33: "Q4_0_8_8",
    36: "IQ4_NL_4_4",
    37: "IQ4_NL_4_8",
    38: "IQ4_NL_8_8",
}
"""Ids that ggml once gave and no longer reads."""

FILE_TYPES: Mapping[int, str] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
    41: "Q2_0",
}
"""``general.file_type``, without the bit that says it was guessed."""

GUESSED_FILE_TYPE = 1024
"""The bit that marks a ``general.file_type`` as guessed from the tensors: `LLAMA_FTYPE_GUESSED`."""


def row_bytes(type_name: str, n_weights: int) -> int:
    """Bytes of one row.

    Raises:
        UnknownQuant: no such type.
        Unjudgeable: the row is not a whole number of the type's blocks, so that it cannot be stored in it.
    """
    block = BLOCKS.get(type_name)
    if block is None:
        raise UnknownQuant(f"{type_name!r} is not a stored type; known are {', '.join(BLOCKS)}")
    n_blocks, rest = divmod(n_weights, block.n_weights)
    if rest:
        raise Unjudgeable(
            f"a row of {n_weights} weights cannot be stored as {type_name}, whose blocks hold {block.n_weights}; "
            "choose a type with smaller blocks"
        )
    return n_blocks * block.n_bytes


def stored_bytes(type_name: str, shape: Sequence[int]) -> int:
    """Bytes of a tensor without padding; rows run along ``shape[0]``.

    Raises:
        UnknownQuant: no such type.
        Unjudgeable: a row is not a whole number of the type's blocks.
    """
    total = row_bytes(type_name, shape[0]) if shape else row_bytes(type_name, 1)
    for width in shape[1:]:
        total *= width
    return total

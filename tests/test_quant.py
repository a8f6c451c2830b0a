import pytest

from estimator.errors import Unjudgeable, UnknownQuant
from estimator.quant import FILE_TYPES, GGML_BLOCKS, REMOVED_TYPES, TYPE_NAMES, row_bytes, stored_bytes

# (weights, bytes) of a block as libggml reports them: ggml_blck_size and ggml_type_size, llama.cpp 0c1e57098.
REPORTED = {
    "F32": (1, 4),
    "F16": (1, 2),
    "BF16": (1, 2),
    "Q4_0": (32, 18),
    "Q4_1": (32, 20),
    "Q5_0": (32, 22),
    "Q5_1": (32, 24),
    "Q8_0": (32, 34),
    "Q8_1": (32, 36),
    "Q2_K": (256, 84),
    "Q3_K": (256, 110),
    "Q4_K": (256, 144),
    "Q5_K": (256, 176),
    "Q6_K": (256, 210),
    "Q8_K": (256, 292),
    "IQ1_S": (256, 50),
    "IQ1_M": (256, 56),
    "IQ2_XXS": (256, 66),
    "IQ2_XS": (256, 74),
    "IQ2_S": (256, 82),
    "IQ3_XXS": (256, 98),
    "IQ3_S": (256, 110),
    "IQ4_NL": (32, 18),
    "IQ4_XS": (256, 136),
    "TQ1_0": (256, 54),
    "TQ2_0": (256, 66),
    "MXFP4": (32, 17),
    "NVFP4": (64, 36),
    "Q1_0": (128, 18),
    "Q2_0": (64, 18),
    "I8": (1, 1),
    "I16": (1, 2),
    "I32": (1, 4),
    "I64": (1, 8),
    "F64": (1, 8),
}


def test_every_block_is_what_libggml_reports():
    assert dict(GGML_BLOCKS) == REPORTED


def test_every_stored_type_has_one_id_and_a_block():
    assert sorted(TYPE_NAMES.values()) == sorted(GGML_BLOCKS)


def test_ids_have_no_gap_but_the_removed_types():
    assert sorted([*TYPE_NAMES, *REMOVED_TYPES]) == list(range(43))


def test_file_types_are_named_once_each():
    assert len(set(FILE_TYPES.values())) == len(FILE_TYPES)


def test_row_is_whole_blocks():
    assert row_bytes("Q4_K", 4096) == 16 * 144


def test_tensor_is_rows_times_the_other_dimensions():
    assert stored_bytes("MXFP4", (2880, 5760, 32)) == 2880 // 32 * 17 * 5760 * 32


def test_one_dimension_is_one_row():
    assert stored_bytes("F32", (4096,)) == 16384


def test_no_dimension_is_one_weight():
    assert stored_bytes("F16", ()) == 2


def test_row_of_broken_blocks_is_refused_with_both_numbers():
    with pytest.raises(Unjudgeable, match=r"2880 .* 256"):
        row_bytes("Q4_K", 2880)


def test_unknown_type_is_refused_by_name():
    with pytest.raises(UnknownQuant, match="Q9_X"):
        row_bytes("Q9_X", 32)

"""Which published sizes can be compared with what a name and a quant say; rows made up here."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))

from truth import sizes


def size_row(quant: str = "Q4_K - Medium", size_gib: float = 4.58, **more: Any) -> dict[str, Any]:
    return {
        "model": "Llama 3.1 8B", "quant": quant, "params": 8_030_000_000, "source": "https://example.org/log",
        "kind": "llama-bench table", "size_gib": size_gib, **more,
    }  # fmt: skip


def reasons(*rows: dict[str, Any], logs: tuple[dict[str, Any], ...] = ()) -> str:
    return "; ".join(sizes.replay(rows, logs).skipped)


def test_a_size_as_printed_counts_as_exact() -> None:
    (figure,) = sizes.replay([size_row()]).figures
    assert (figure.part, figure.error) == ("file size", 0.0)


@pytest.mark.parametrize(
    "place", [{"file": "Llama-Q4_K_L.gguf"}, {"source": "https://example.org/results/UD-Q4_K_XL_run.md"}]
)
def test_a_name_that_says_another_quant_than_the_label_leaves_the_row_out(place: dict[str, str]) -> None:
    assert reasons(size_row(**place)) in (
        "the file's name says another quant than its label",
        "a mixture of the uploader's own",
    )


def test_a_name_that_says_the_label_keeps_the_row() -> None:
    assert not reasons(size_row(file="/models/Q8_0/Llama-3.1-8B-Q4_K_M-00001-of-00002.gguf"))


def test_a_mixture_by_hand_is_compared_apart() -> None:
    (figure,) = sizes.replay([size_row(quant="UD-Q4_K_XL", size_gib=4.6)]).figures
    assert figure.part == "file size, a mixture by hand"


def log_of(**types: int) -> dict[str, Any]:
    return {"source": "https://example.org/log", "file": {"size_gib": 4.58, "tensor_types": types}}


@pytest.mark.parametrize(
    ("types", "is_left_out"),
    [({"f32": 66, "q4_K": 193, "q6_K": 33}, False), ({"f32": 66, "q4_K": 193, "q8_0": 33}, True)],
)
def test_types_in_a_log_that_the_mixture_has_not_leave_the_row_out(types: dict[str, int], is_left_out: bool) -> None:
    assert ("its log lists types" in reasons(size_row(), logs=(log_of(**types),))) is is_left_out


def test_rows_that_contradict_each_other_are_left_out_together() -> None:
    made = sizes.replay([size_row(), size_row(size_gib=4.9)])
    assert (len(made.figures), sum(made.skipped.values())) == (0, 2)


def test_a_repository_that_says_elsewhere_what_a_table_is_of_is_heard() -> None:
    (source, label), _ = next(item for item in sizes._stated_files().items() if "UD-" in item[1])
    assert reasons(size_row(quant=label, source=source)) == "a mixture of the uploader's own"

"""The replay of published figures, on rows made up here."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))

from truth import llamacpp, sizes
from truth.figure import Figure, Happening

from estimator.verdict import Level


def log_row(**run: Any) -> dict[str, Any]:
    """A model of two layers with 512 cells of 2 x 64 halves each: 0.25 MiB a layer."""
    return {
        "id": "x-1",
        "source": "made up",
        "engine": "llama.cpp",
        "date": "2026-10",
        "model": {
            "name": "tiny",
            "arch": "llama",
            "hparams": {
                "n_layer": 2, "n_embd": 256, "n_head": 4, "n_head_kv": 2, "n_ff": 512, "n_vocab": 1024,
                "head_dim_k": 64, "head_dim_v": 64, "n_ctx_train": 2048,
            },
        },
        "file": {"ftype": "F16", "tensor_types": {"f32": 5, "f16": 16}},
        "run": {"n_ctx": 512, "layers_offloaded": "3/3", "flash_attn": True, "devices": [], **run},
        "observed": {
            "outcome": "loaded",
            "buffers": [
                {"device": "CUDA0", "role": "model", "mib": 3.0},
                {"device": "CUDA0", "role": "kv", "mib": 0.5},
            ],
        },
    }  # fmt: skip


def figures_of(row: dict[str, Any]) -> dict[str, Figure]:
    return {figure.part: figure for figure in llamacpp.replay([row]).figures}


def test_a_cache_as_logged_counts_as_exact() -> None:
    assert figures_of(log_row())["KV"].error == 0.0


def test_weights_are_compared_where_a_mixture_has_just_the_logged_types() -> None:
    assert figures_of(log_row())["weights"].expected > 0


def test_weights_are_left_out_where_no_mixture_has_the_logged_types() -> None:
    row = log_row()
    row["file"]["tensor_types"] = {"f32": 5, "f16": 15, "q8_0": 1}
    assert "weights" not in figures_of(row)


def test_a_row_without_a_context_is_left_out_and_counted() -> None:
    made = llamacpp.replay([log_row(n_ctx=None)])
    assert (made.figures, made.skipped["no context is stated"]) == ([], 1)


def test_pinned_and_mapped_buffers_count_as_the_host() -> None:
    assert [llamacpp.place_name(name) for name in ("CUDA_Host", "CPU_Mapped", "CUDA0")] == ["host", "host", "CUDA0"]


@pytest.mark.parametrize(("size", "rounding"), [(4.58, 0.005), (11.3, 0.05), (70.0, 0.5)])
def test_a_size_is_as_exact_as_it_was_printed(size: float, rounding: float) -> None:
    assert sizes.printed_rounding(size) == pytest.approx(rounding)


@pytest.mark.parametrize(
    ("outcome", "level", "is_wrong"),
    [
        ("oom", Level.FITS, True),
        ("oom", Level.TIGHT, False),
        ("loaded", Level.FAILS, True),
        ("loaded", Level.TIGHT, False),
    ],
)
def test_a_verdict_is_wrong_where_it_misleads(outcome: str, level: Level, is_wrong: bool) -> None:
    happening = Happening(row="x", engine="x", outcome=outcome, level=level, detail="")
    assert happening.is_wrong is is_wrong


def lifted_row(date: str) -> dict[str, Any]:
    """Two devices, and a mixture that gives some layers more bits."""
    row = log_row(layers_offloaded="9/9", tensor_split="1,1")
    row["date"] = date
    row["model"]["hparams"] |= {"n_layer": 8, "n_embd": 512, "n_ff": 1024, "n_head": 8}
    row["file"] = {"ftype": "Q4_K - Medium", "tensor_types": {"f32": 17, "q4_K": 49, "q6_K": 9}}
    row["observed"]["buffers"] = [
        {"device": device, "role": role, "mib": 3.0}
        for device in ("CUDA0", "CUDA1")
        for role in ("model", "kv", "compute")
    ]
    return row


@pytest.mark.parametrize(("date", "places"), [("2024-05", {"CUDA0+CUDA1"}), ("2026-05", {"CUDA0", "CUDA1"})])
def test_before_the_quantizer_went_by_layers_only_the_sum_of_devices_is_known(date: str, places: set[str]) -> None:
    made = llamacpp.replay([lifted_row(date)])
    assert {figure.place for figure in made.figures if figure.part == "weights"} == places


def test_the_order_in_a_file_of_a_model_that_nobody_knows_is_not_known() -> None:
    row = log_row(n_gpu_layers=3)
    row["model"]["name"] = "somebody's own"
    row["observed"]["buffers"] = [{"device": "Metal_Mapped", "role": "model", "mib": 3.0}]
    made = llamacpp.replay([row])
    assert any("how the tensors lie" in reason for reason in made.skipped)


@pytest.mark.parametrize(
    ("outcome", "free_mib", "n_judged"),
    [("oom", None, 0), ("oom", 20_000, 1), ("loaded", None, 1), ("loaded", 20_000, 1)],
)
def test_an_outcome_for_want_of_room_is_judged_only_where_the_room_is_stated(
    outcome: str, free_mib: int | None, n_judged: int
) -> None:
    row = log_row(devices=[{"name": "CUDA0", "desc": "NVIDIA GeForce RTX 3090", "free_mib": free_mib}])
    row["observed"]["outcome"] = outcome
    assert len(llamacpp.replay([row]).happenings) == n_judged

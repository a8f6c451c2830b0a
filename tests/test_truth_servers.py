"""The replay of servers' published figures, on rows made up here."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))

from truth import servers


def row(observed: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Llama 3.1 8B on a card of 80 GB, whose cache is 40 GiB."""
    run = {"tensor_parallel": 1, "max_model_len": 8192, "gpu_memory_utilization": 0.9, "gpu_total_gib": 79.25}
    given = {"engine": "vllm", "engine_version": "0.11.0", "note": None, "kv_check": "ok", **changed}
    return {
        "id": "x-1",
        "source": "made up",
        "date": None,
        "scope": "per-gpu",
        "model": {"name": "Llama 3.1 8B", "arch": "LlamaForCausalLM", "dtype_or_quant": given.pop("quant", "bf16")},
        "run": {**run, **given.pop("run", {})},
        "observed": {"outcome": "ok", **observed},
        **given,
    }


CACHE = {"kv_cache_gib": 40.0, "kv_tokens": 327680}


def parts(replayed: dict[str, Any]) -> set[str]:
    return {figure.part for figure in servers.replay([replayed]).figures}


def test_bytes_of_a_token_are_reckoned_from_the_printed_cache() -> None:
    figure = next(one for one in servers.replay([row(CACHE)]).figures if one.part == "KV per token")
    assert (figure.expected, figure.error) == (131072.0, 0.0)


def test_a_cache_is_compared_with_the_device_that_it_is_a_share_of() -> None:
    figure = next(one for one in servers.replay([row(CACHE)]).figures if one.part == "KV")
    assert figure.whole == 79.25


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"run": {"gpu_memory_utilization": None}}, "the share of the card is not stated"),
        ({"run": {"gpu_total_gib": None, "gpu": "24GB class"}}, "the size of the card is not stated"),
        ({"engine_version": "V1 (2026)"}, "which of a year's releases it was is not stated"),
        ({"note": "max_num_seqs unknown"}, "how much a step has of sequences and tokens is not known"),
        ({"run": {"gpu_memory_utilization": 0.4}}, "its own figures add up to more than the share that it states"),
    ],
)
def test_a_cache_whose_rest_is_not_known_is_left_out_and_counted(changed: dict[str, Any], reason: str) -> None:
    replayed = servers.replay([row(CACHE, **changed)])
    assert not {"KV", "kv tokens"} & {figure.part for figure in replayed.figures}
    assert any(reason in counted for counted in replayed.skipped)


def test_a_month_is_enough_to_tell_the_release() -> None:
    assert "KV" in parts(row(CACHE, engine_version="2026-08 (V1)"))


def test_a_row_of_more_cards_than_it_spreads_over_is_left_out() -> None:
    assert not parts(row(CACHE, run={"gpu": "H100 80GB x8", "tensor_parallel": 4}))


def test_tokens_of_another_device_than_the_bytes_are_not_divided() -> None:
    several = row(CACHE, run={"tensor_parallel": 2}, kv_check="mismatch")
    assert "KV per token" not in parts(several)


def test_a_checkpoint_of_other_bytes_than_its_format_makes_is_left_out() -> None:
    assert not parts(row(CACHE, quant="nvfp4 (12.5 GiB checkpoint)"))


def test_a_class_of_cards_is_no_card() -> None:
    assert servers.replay([row(CACHE, run={"gpu_total_gib": None, "gpu": "80GB class"})]).happenings == []


def test_without_a_format_only_the_bytes_of_a_token_are_compared() -> None:
    assert parts(row({**CACHE, "weights_gib": 5.0}, quant="4-bit")) == {"KV per token"}


def test_without_a_card_weights_are_compared_all_the_same() -> None:
    replayed = row({**CACHE, "weights_gib": 14.99}, run={"gpu_total_gib": None})
    assert parts(replayed) == {"weights", "KV per token"}


def test_what_a_step_takes_does_not_go_by_the_share() -> None:
    assert "activation" in parts(row({"activation_peak_gib": 1.2}, run={"gpu_memory_utilization": None}))

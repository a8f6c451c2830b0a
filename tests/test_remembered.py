"""The load that was planned last, kept for each host."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scenes import model

from tui.plan import Plan, default_plan
from tui.remembered import last_request, remember
from tui.screens.steps import with_engine


def planned() -> Plan:
    plan = default_plan(model("Llama 3.1 8B"))
    return replace(
        plan,
        workload=replace(plan.workload, context_tokens=16384, kv_type="q8_0"),
        options=replace(plan.options, n_gpu_layers=20, is_flash_attention=False),
        devices=("GPU 0", "GPU 1"),
    )


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    path, plan = tmp_path / "state" / "plans.json", planned()

    remember(plan, "Q5_K_M", path, "here")
    request = last_request(path, "here")

    assert request is not None
    assert (request.source, request.quant) == ("Llama 3.1 8B", "Q5_K_M")
    assert request.device == "GPU 0,GPU 1"
    assert request.plan(plan.model, plan.devices) == plan


def test_each_host_has_its_own(tmp_path: Path) -> None:
    path = tmp_path / "plans.json"
    remember(planned(), None, path, "here")
    remember(with_engine(planned(), "vllm"), None, path, "there")

    here, there = last_request(path, "here"), last_request(path, "there")

    assert here is not None
    assert there is not None
    assert (here.engine_name, there.engine_name) == ("llamacpp", "vllm")
    assert last_request(path, "elsewhere") is None


@pytest.mark.parametrize(
    "entry",
    [
        None,
        7,
        {},
        {"source": "x", "engine": "no such engine"},
        {"source": 5, "engine": "llamacpp"},
    ],
)
def test_what_cannot_be_used_is_as_if_nothing_was_kept(tmp_path: Path, entry: object) -> None:
    path = tmp_path / "plans.json"
    path.write_text(json.dumps({"here": entry}))

    assert last_request(path, "here") is None


@pytest.mark.parametrize("text", ["", "[", "[1]", '"x"', "{" * 100_000, "\x00"])
def test_a_broken_file_stops_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plans.json"
    path.write_text(text)

    assert last_request(path, "here") is None


def test_values_of_another_kind_stay_at_their_defaults(tmp_path: Path) -> None:
    path = tmp_path / "plans.json"
    options = {"n_gpu_layers": "all", "is_flash_attention": 1, "no_such_option": 3}
    entry = {"source": "x", "engine": "llamacpp", "context_tokens": -5, "kv_type": "q9", "options": options}
    path.write_text(json.dumps({"here": entry}))

    request = last_request(path, "here")

    assert request is not None
    assert request.options == type(request.options)()
    assert (request.context_tokens, request.kv_type, request.n_sequences) == (None, None, 1)

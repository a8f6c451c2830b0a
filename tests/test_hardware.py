"""Which known hardware would hold a load."""

import json
from typing import Any

import pytest

from estimator.reader import read_model
from estimator.verdict import Level
from probes.accelerators import Accelerator, known_accelerators
from probes.simulate import described
from tui.cli import main
from tui.hardware import FORMS, Option, hardware_options
from tui.places import places_of
from tui.plan import Plan, assess, default_plan

GIB = 1 << 30


def plan(name: str, quant: str = "Q4_K_M") -> Plan:
    return default_plan(read_model(name, quant))


def card(size_gib: int, bandwidth: float, name: str = "Card", released: str = "2024") -> Accelerator:
    return Accelerator(
        name=f"{name} {size_gib}GB",
        vendor="nvidia",
        nominal_gib=size_gib,
        bandwidth_gb_s=bandwidth,
        cuda_cc="8.9",
        form="consumer",
        released=released,
        source="made up",
    )


def names(options: tuple[Option, ...]) -> list[str]:
    return [option.name for option in options]


def test_what_is_proposed_holds_the_load() -> None:
    wanted = plan("Llama 3.3 70B")
    options = hardware_options(wanted)
    assert options
    for option in options:
        again = assess(wanted, option.assessment.places)
        assert again.verdict.level <= Level.TIGHT
        assert len(again.device_names) == option.n_devices
        assert again.estimate.n_gpu_layers == again.estimate.n_layers


def test_every_class_has_its_options() -> None:
    assert {option.form for option in hardware_options(plan("Llama 3.3 70B"))} == set(FORMS.values())


def test_the_smallest_that_fits_comes_first_and_no_smaller_one_fits() -> None:
    found = hardware_options(plan("Llama 3.1 8B"), [card(size, 400) for size in (4, 5, 8, 12, 16)])
    assert names(found) == ["Card 8GB", "Card 12GB"]


def test_of_one_size_the_cheap_and_the_fast_are_proposed() -> None:
    cards = [card(12, 300, "Slow"), card(12, 310, "Middle"), card(12, 900, "Fast")]
    assert names(hardware_options(plan("Llama 3.1 8B"), cards)) == ["Slow 12GB", "Fast 12GB"]


def test_of_equals_the_newest_is_proposed() -> None:
    cards = [card(12, 300, "Old", "2021"), card(12, 300, "New", "2025")]
    assert names(hardware_options(plan("Llama 3.1 8B"), cards)) == ["New 12GB"]


def test_more_devices_are_tried_where_one_does_not_do() -> None:
    assert names(hardware_options(plan("Llama 3.3 70B"), [card(24, 900)])) == ["2x Card 24GB", "4x Card 24GB"]


def test_what_nothing_holds_has_no_options() -> None:
    assert hardware_options(plan("Llama 3.3 70B"), [card(8, 900)]) == ()


def test_an_engine_is_proposed_what_it_runs_on() -> None:
    from dataclasses import replace  # noqa: PLC0415

    from estimator.engine import load_engine  # noqa: PLC0415

    engine = load_engine("vllm")
    wanted = plan("Qwen3 8B", "BF16")
    served = replace(
        wanted,
        engine_name="vllm",
        options=engine.Options(),
        workload=replace(wanted.workload, kv_type=engine.KV_TYPES[0]),
    )
    found = hardware_options(served)
    assert found
    assert not [option for option in found if "Apple" in option.name or "Intel" in option.name]


def test_faster_memory_is_said_to_be_faster() -> None:
    slow, fast = hardware_options(plan("Llama 3.1 8B"), [card(12, 300, "Slow"), card(12, 900, "Fast")])
    assert slow.pacing is not None
    assert fast.pacing is not None
    assert fast.pacing.speed.tokens_per_second > slow.pacing.speed.tokens_per_second


def test_a_described_machine_is_the_simulated_one() -> None:
    mac = next(one for one in known_accelerators() if one.name == "Apple M4 Pro")
    device, host = places_of(described(mac, 1, size_gib=48.0))
    assert host.total_bytes == 48 * GIB
    assert device.draws_on == host.name
    assert device.total_bytes < host.total_bytes


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main(["plan", *arguments, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, found


def test_plan_prints_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "Llama 3.3 70B", "--quant", "Q4_K_M"]) == 0
    out = capsys.readouterr().out
    assert "2x NVIDIA GeForce RTX 3090" in out
    assert "tokens/s" in out


def test_plan_says_the_same_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, found = planned(capsys, "Llama 3.1 8B", "--context", "32k")
    assert status == 0
    assert found["workload"]["context_tokens"] == 32768
    assert all(option["level"] in ("fits", "tight") for option in found["hardware"])


def test_plan_without_a_model_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 2
    assert "which model" in capsys.readouterr().err


def test_plan_of_an_unknown_model_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "no such model"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_check_lists_hardware_when_it_is_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", "Llama 3.1 8B", "--simulate", "RTX 4090", "--json"]
    main(arguments)
    assert json.loads(capsys.readouterr().out)["hardware"] is None
    main([*arguments, "--hardware"])
    assert json.loads(capsys.readouterr().out)["hardware"]


def test_where_only_the_largest_cards_would_do_several_smaller_ones_are_named_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["plan", "Llama 3.1 70B", "--engine", "vllm"])
    assert "2x NVIDIA H100 80GB" in capsys.readouterr().out
    main(["plan", "DeepSeek V3", "--engine", "sglang"])
    assert "8x NVIDIA H200" in capsys.readouterr().out


def test_a_plan_of_what_has_no_context_names_none(capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", "Whisper large v3"])
    assert capsys.readouterr().out.startswith("Whisper large v3 · BF16 · rule of thumb\n")

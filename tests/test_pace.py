"""How fast a load would run, as a report and the JSON say it."""

import json
import re
from typing import Any

import pytest

from tui.cli import main
from tui.humanize import rate


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    main(["check", *arguments, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(["check", *arguments])
    return " ".join(capsys.readouterr().out.split())


def test_the_report_says_how_fast_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    out = report(capsys, "Llama 3.1 8B", "--quant", "Q4_K_M", "--simulate", "RTX 4090")
    assert re.search(r"about 1[56]0 tokens/s \(1\d0 to 1\d0\), 1\d0 once the context is full", out)
    assert "slower" not in out


def test_a_spill_says_how_many_times_slower(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("Llama 3.3 70B", "--quant", "Q4_K_M", "--simulate", "RTX 4090, RAM 64GiB")
    speed = checked(capsys, *arguments)["speed"]
    assert speed["is_fallback"]
    assert speed["slowdown"] > 5
    assert f"{speed['slowdown']:.0f} times slower than all on the GPU" in report(capsys, *arguments)


def test_a_stated_bandwidth_of_the_ram_is_what_is_reckoned_with(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("Llama 3.1 8B", "--quant", "Q4_K_M", "--simulate", "CPU, RAM 64GiB")
    assumed = checked(capsys, *arguments)["speed"]
    stated = checked(capsys, *arguments, "--ram-bandwidth", "120")["speed"]
    assert (assumed["basis"], stated["basis"]) == ("assumed", "calibrated")
    assert stated["stages"][0]["bandwidth_bytes_per_second"] == 120e9
    assert stated["tokens_per_second"] > assumed["tokens_per_second"]


def test_what_would_fail_has_no_speed(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("Llama 3.3 70B", "--quant", "Q8_0", "--gpu-layers", "all", "--simulate", "RTX 4090, RAM 16GiB")
    assert checked(capsys, *arguments)["speed"] is None


def test_explained_are_the_places_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    out = report(capsys, "Llama 3.1 8B", "--quant", "Q4_K_M", "--simulate", "RTX 4090", "--explain")
    assert "at 1,008 GB/s at most" in out


def test_a_bandwidth_that_makes_no_sense_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("0", "nan", "fast", "-5", "1e9"):
        assert main(["check", "Llama 3.1 8B", "--ram-bandwidth", text]) == 2
        assert "no bandwidth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.314, "0.31"), (0.999, "1.0"), (4.72, "4.7"), (42.4, "42"), (99.7, "100"), (124.0, "120"), (4512.0, "4\xa0500")],
)
def test_rates_have_two_digits(number: float, text: str) -> None:
    assert rate(number) == text


def test_experts_that_ram_has_no_room_for_are_read_from_disk(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("Qwen3 235B-A22B", "--simulate", "RTX 4090, RAM 64GiB")
    found = checked(capsys, *arguments)
    assert found["verdict"]["level"] == "spills"
    assert found["speed"]["tokens_per_second"] < 2
    assert checked(capsys, *arguments, "--no-mmap")["verdict"]["level"] == "fails"
    assert checked(capsys, *arguments, "--engine", "ollama")["verdict"]["level"] == "fails"


def test_what_costs_nothing_is_not_called_slower(capsys: pytest.CaptureFixture[str]) -> None:
    out = report(capsys, "Llama 3.1 70B", "--simulate", "M4 Max 64GB", "--context", "48k")
    assert "SPILLS" in out
    assert "1.0 times slower" not in out


def test_a_model_that_makes_vectors_generates_no_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    found = checked(capsys, "bge-m3", "--simulate", "RTX 3060")
    assert found["speed"] is None
    assert "--embedding" in report(capsys, "bge-m3", "--simulate", "RTX 3060")

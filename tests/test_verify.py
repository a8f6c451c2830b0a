import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from gguf_files import llama_metadata, llama_tensors, write_gguf

from estimator.engines.llamacpp import Options
from estimator.reader import read_model
from probes.snapshot import HOST_POOL, Pool, Snapshot
from tui.check import find_out
from tui.cli import main
from tui.request import Request
from tui.verify import Unverifiable, parse_figures, verify

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")

MIB = 1 << 20
CPU = ["--simulate", "RAM 64GiB", "--device", "cpu"]
GPUS = ["--simulate", "2x RTX 4090, RAM 64GiB", "--device", "all"]


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "tiny.gguf"
    write_gguf(path, llama_metadata(), llama_tensors())
    return str(path)


def program(folder: Path, script: str) -> str:
    """A stand-in for llama-fit-params."""
    path = folder / "llama-fit-params"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def checked(capsys: pytest.CaptureFixture[str], model: str, *arguments: str) -> Any:
    main(["check", model, "--json", *arguments])
    return json.loads(capsys.readouterr().out)["verify"]


def test_its_figures_stand_beside_ours(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = checked(capsys, model, *CPU, f"--verify={program(tmp_path, 'echo Host 3 4 5')}")

    (host,) = found["places"]
    assert host["theirs"] == {"weights_bytes": 3 * MIB, "cache_bytes": 4 * MIB, "compute_bytes": 5 * MIB}
    assert host["ours"]["cache_bytes"] == 2 * 4096 * 128 * 2 * 2  # layers, cells, width, bytes, keys and values
    assert host["place"] == "RAM"


def test_devices_are_taken_in_its_order(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = "echo CUDA0 1 1 1; echo CUDA1 2 2 2; echo Host 3 3 3"

    found = checked(capsys, model, *GPUS, f"--verify={program(tmp_path, script)}")

    assert [(row["name"], row["place"]) for row in found["places"]] == [
        ("CUDA0", "GPU 0"),
        ("CUDA1", "GPU 1"),
        ("Host", "RAM"),
    ]


def test_a_program_without_gpus_is_compared_with_a_load_in_ram(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = checked(capsys, model, *GPUS, f"--verify={program(tmp_path, 'echo Host 3 4 5')}")

    (host,) = found["places"]
    assert host["ours"]["cache_bytes"] == 2 * 4096 * 128 * 2 * 2


def test_it_is_asked_of_the_same_load(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = program(tmp_path, f'echo "$@" > {tmp_path}/asked; echo Host 3 4 5')

    checked(capsys, model, *CPU, "--context", "4096", "--kv-type", "q8_0", f"--verify={path}")

    asked = (tmp_path / "asked").read_text()
    assert asked.startswith(f"-m {model} -c 4096 ")
    assert "-ctk q8_0 -ctv q8_0" in asked
    assert asked.endswith("--fit-print on\n")


def test_the_surroundings_do_not_change_the_load(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_ARG_CTX_SIZE", "77")

    found = checked(capsys, model, *CPU, f"--verify={program(tmp_path, 'echo Host ${LLAMA_ARG_CTX_SIZE:-1} 2 3')}")

    assert found["places"][0]["theirs"]["weights_bytes"] == MIB


def test_a_model_known_by_name_is_shown_as_a_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = f"head -c 4 $2 > {tmp_path}/magic; echo Host 3 4 5"

    checked(capsys, "Qwen3 0.6B", *CPU, f"--verify={program(tmp_path, script)}")

    assert (tmp_path / "magic").read_bytes() == b"GGUF"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo nothing here", "printed no figures"),
        ("echo error: invalid argument: --fit-print; exit 1", "status 1: error: invalid argument: --fit-print"),
        ("exit 3", "status 3: without a word"),
        ("echo Host 99999999999 1 1", "printed no figures"),
        ("echo CUDA0 1 1 1", "printed no figures"),
        ("echo A 1 1 1; echo B 1 1 1; echo C 1 1 1; echo Host 1 1 1", "sees 3 devices where 0"),
        ("yes Host 1 1 1", "far more than figures"),
    ],
)
def test_what_is_no_answer_is_one_sentence(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], script: str, reason: str
) -> None:
    found = checked(capsys, model, *CPU, f"--verify={program(tmp_path, script)}")

    assert found["places"] == []
    assert reason in found["reason"]


def test_a_program_that_is_not_there_is_said(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = checked(capsys, model, *CPU, "--verify=/nowhere/llama-fit-params")

    assert found["reason"].startswith("/nowhere/llama-fit-params is no program that can be run")


def test_no_program_on_the_path_is_said(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.devnull)

    assert checked(capsys, model, *CPU, "--verify")["reason"].startswith("llama-fit-params is not on the path")


def test_what_is_not_asked_for_is_not_run(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(capsys, model, *CPU) is None


def test_a_program_that_does_not_end_is_stopped(model: str, tmp_path: Path) -> None:
    request = Request(source=model, options=Options(), device="cpu")
    host = Pool(key=HOST_POOL, total_bytes=1 << 36, used_bytes=0, free_bytes=1 << 36)
    finding = find_out(request, read_model(model), Snapshot(taken_seconds=0.0, pools=(host,)))

    found = verify(finding, program(tmp_path, "exec tail -f /dev/null"), seconds=0.1)

    assert found.reason == "llama-fit-params gave no answer within 0.1 s"


def test_figures_end_with_the_host() -> None:
    with pytest.raises(Unverifiable):
        parse_figures("Host 1 2 3\nCUDA0 1 2 3\n")


def test_the_report_shows_both(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", model, *CPU, f"--verify={program(tmp_path, 'echo Host 3 4 5')}"])

    assert "Host         3          4        5        12" in capsys.readouterr().out

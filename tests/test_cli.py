import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from gguf_files import llama_metadata, llama_tensors, write_gguf

from estimator.engine import ENGINES, load_engine
from tui import __version__
from tui.cli import main

ROOMY = ["--simulate", "RTX 4090, RAM 64GiB"]
PLIMSOLL = [sys.executable, "-m", "tui"]


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "tiny.gguf"
    write_gguf(path, llama_metadata(), llama_tensors())
    return str(path)


@pytest.fixture
def work_dir(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on the standard error output; nothing was printed beside it."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("plimsoll: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["check"], "plimsoll check model.gguf"),
        (["check", "m.gguf", "--context", "lots"], "8192, 8k, 1M or native"),
        (["check", "m.gguf", "--context", "-5"], "8192"),
        (["check", "m.gguf", "--context"], "plimsoll check --help"),
        (["check", "m.gguf", "--sequences", "0"], "1 to 65536"),
        (["check", "m.gguf", "--sequences", "1000000"], "1 to 65536"),
        (["check", "m.gguf", "--gpu-layers", "many"], "20, all or auto"),
        (["check", "m.gguf", "--batch-size", "-1"], "whole number"),
        (["check", "m.gguf", "--tensor-split", "a,b"], "3,1"),
        (["check", "m.gguf", "--engine", "nonesuch"], "llamacpp"),
        (["check", "m.gguf", "--nonesuch"], "llama.cpp has no --nonesuch"),
        (["check", "a.gguf", "b.gguf"], "plimsoll check --help"),
        (["check", "a.gguf", "--model", "b.gguf"], "one model"),
        (["check", "no-such-file.gguf"], "check the path"),
        (["check", "no such model at all"], "no model is called"),
        (["snapshot", "--interval", "0"], "0.1 to 3600"),
        (["snapshot", "--interval", "nan"], "0.1 to 3600"),
        (["snapshot", "--simulate", "Voodoo 2"], "Voodoo"),
        (["snapshot", "--simulate", ""], "say which hardware"),
        (["snapshot", "--simulate", "CPU", "--replay", "x"], "one of them"),
        (["snapshot", "--replay", "no-such-file.jsonl"], "no-such-file.jsonl"),
        (["--context", "8k", "check", "m.gguf"], "plimsoll check first"),
        (["--simulate", "CPU", "models"], "plimsoll models first"),
        (["check", "m.gguf", "--batch-size", "0"], "from 1"),
        (["check", "m.gguf", "--ubatch-size", "0"], "from 1"),
    ],
)
def test_wrong_use_is_one_sentence_and_status_2(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert hint in complaint(capsys)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["koboldcpp", "nowhere.kcpps"], "nowhere.kcpps: no such file"),
        (["koboldcpp", "--gpulayers", "4"], "KoboldCpp's own window"),
        (["llama-cli", "-ngl", "4"], "no model is named"),
        (["ollama", "serve"], "asked for later"),
    ],
)
def test_a_command_without_a_model_is_told_what_it_lacks(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--", *words]) == 3
    assert told in complaint(capsys)


def test_an_unknown_quant_is_status_2(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", model, "--quant", "Q99", *ROOMY]) == 2
    assert "Q99" in complaint(capsys)


def test_control_codes_in_a_path_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "\x1b]0;owned\x07\x1b[2J.gguf", *ROOMY]) == 2
    assert "\x1b" not in complaint(capsys)


def test_a_directory_is_refused_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path), *ROOMY]) == 2
    assert ".gguf" in complaint(capsys)


@pytest.mark.parametrize("name", ENGINES)
def test_every_option_of_an_engine_is_a_flag(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "--engine", name, "--help"])

    shown = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    for field in fields(load_engine(name).Options):
        assert field.metadata["flag"] in shown
        assert not field.metadata["flag"] or field.metadata["help"] in shown


def test_a_switch_can_be_turned_off(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", model, "--no-flash-attn", "--json", *ROOMY]) == 0
    assert '"is_flash_attention": false' in capsys.readouterr().out


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"plimsoll {__version__}\n"


def test_hardware_may_be_given_before_the_command(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ROOMY, "check", model]) == 0
    assert "FITS on GPU 0" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["./check"], ["--model", "check"], ["--model=check"]])
def test_a_model_may_be_called_check(arguments: list[str], work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_gguf(work_dir / "check", llama_metadata(), llama_tensors())

    assert main([*arguments, *ROOMY]) == 0
    assert "FITS on GPU 0" in capsys.readouterr().out


def test_without_a_terminal_there_is_one_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ROOMY) == 0
    assert "RTX 4090" in capsys.readouterr().out


def test_without_a_terminal_a_model_is_judged_below_the_snapshot(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([model, "--simulate", "RTX 4090, used 23.9GiB, RAM 64GiB", "--gpu-layers", "all"])

    out = capsys.readouterr().out
    assert out.index("RTX 4090") < out.index("FAILS")
    assert status == 1


def test_an_encoding_without_the_glyphs_gets_look_alikes(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", errors="strict"))

    assert main(["check", model, *ROOMY]) == 0

    shown = raw.getvalue().decode("ascii")
    assert shown.startswith("* FITS on GPU 0")
    assert "?" not in shown


def test_a_reader_that_has_seen_enough_ends_it_quietly(model: str) -> None:
    process = subprocess.Popen(
        [*PLIMSOLL, "snapshot", "--follow", "--interval", "0.1", "--simulate", "CPU"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 141
        assert process.stderr.read() == b""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to one process")
def test_ctrl_c_ends_it_without_a_traceback() -> None:
    process = subprocess.Popen(
        [*PLIMSOLL, "snapshot", "--follow", "--simulate", "CPU"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)

    assert (process.returncode, err) == (130, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_without_a_traceback() -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [*PLIMSOLL, "snapshot", "--simulate", "CPU"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1


def test_an_unknown_kv_type_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["check", "Qwen3 8B", "--simulate", "RTX 4090", "--kv-type", "foo"])
    assert status == 2
    assert "q8_0" in capsys.readouterr().err

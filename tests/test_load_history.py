"""``plimsoll history`` and ``plimsoll forget``."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from kept_loads import GPU, LOAD, kept

from tui.cli import main
from tui.load_history import run_forget, run_history
from tui.load_table import NONE_KEPT, difference_text, history_json, history_lines
from tui.store import Store
from tui.usage import UsageError

GIB = 1 << 30
MIB = 1 << 20


def pids(path: Path) -> list[int]:
    return [load.pid for load in Store(path).loads()]


def newer(path: Path) -> Path:
    kept(path, 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    return path


def refuse_to_be_asked(question: str) -> str:
    raise AssertionError(question)


# The table


def test_a_line_says_what_was_predicted_and_what_was_held() -> None:
    gpu = replace(GPU, predicted_bytes=5 * GIB, held_bytes=5 * GIB + 512 * MIB)

    head, line, _, _ = history_lines([replace(LOAD, places=(gpu,))])

    assert head.split() == ["when", "engine", "model", "quant", "context", "place", "predicted", "held", "differs"]
    assert line.split()[2:] == [
        *("llamacpp", "Qwen3", "8B", "Q4_K_M", "8k", "GPU", "0", "5.0", "GiB", "5.5", "GiB", "+10.0", "%"),
    ]


def test_further_places_of_a_load_have_lines_of_their_own() -> None:
    lines = list(history_lines([replace(LOAD, places=(GPU, replace(GPU, name="GPU 1")))]))

    assert lines[2].split()[:2] == ["GPU", "1"]
    assert lines[-1].startswith("1 load ")


def test_parallel_sequences_are_told() -> None:
    assert "8k x4" in list(history_lines([replace(LOAD, n_sequences=4)]))[1]


def test_no_difference_is_told_where_nothing_was_predicted() -> None:
    assert difference_text(replace(GPU, predicted_bytes=0)) == ""
    assert difference_text(replace(GPU, predicted_bytes=1000, held_bytes=996)) == "-0.4 %"


def test_no_escape_sequence_of_a_name_is_shown() -> None:
    bad = "a\x1b[31m\u202eb\nc"
    load = replace(LOAD, engine_name=bad, model_name=bad, quant=bad, program=bad, places=(replace(GPU, name=bad),))

    text = "\n".join(history_lines([load])) + json.dumps(history_json([load]), ensure_ascii=False)

    assert not {"\x1b", "\u202e"} & set(text)
    assert len(list(history_lines([load]))) == 4


# plimsoll history


def test_without_loads_one_line_says_how_they_come_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_history([], tmp_path / "l") == 0

    assert capsys.readouterr().out == f"{NONE_KEPT}\n"


def test_the_newest_so_many_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path / "l", *range(1, 31))

    assert run_history([], tmp_path / "l") == run_history(["2"], tmp_path / "l") == 0

    out = capsys.readouterr().out
    assert out.count("llamacpp") == 22
    assert "\n20 loads · " in out
    assert "\n2 loads · " in out


def test_json_has_bytes_and_no_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path / "l", 1)

    assert run_history(["--json"], tmp_path / "l") == 0

    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    (load,) = found["loads"]
    assert (load["engine"], load["context_tokens"], load["engine_version"]) == ("llamacpp", 8192, "b6900-0c1e57098")
    assert (load["places"][0]["predicted_bytes"], load["places"][0]["held_bytes"]) == (5000, 5100)
    assert not {"host", "boot", "pid"} & set(load)


@pytest.mark.parametrize("run", [run_history, run_forget])
def test_a_newer_store_is_left_alone(run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    path = newer(tmp_path / "l")
    before = path.read_bytes()

    assert run(["--yes"] if run is run_forget else [], path) == 3

    assert "newer plimsoll" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_damaged_store_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "l").write_bytes(b"no store at all" * 100)

    assert run_history([], tmp_path / "l") == 3
    assert "was damaged" in capsys.readouterr().err
    assert run_history([], tmp_path / "l") == 0


@pytest.mark.parametrize("word", ["0", "-1", "many", "1" * 20, "\u0663"])
def test_what_is_no_number_of_loads_is_wrong_use(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", word]) == 2
    assert capsys.readouterr().err.startswith("plimsoll: ")


# plimsoll forget


def test_forget_removes_all_and_says_how_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path / "l", 1, 2, 3)

    assert run_forget(["--yes"], tmp_path / "l", refuse_to_be_asked) == 0

    assert capsys.readouterr().out == "3 loads forgotten\n"
    assert pids(tmp_path / "l") == []


def test_forget_removes_the_newest_so_many(tmp_path: Path) -> None:
    kept(tmp_path / "l", 1, 2, 3)

    assert run_forget(["2", "--yes"], tmp_path / "l") == 0

    assert pids(tmp_path / "l") == [1]


def test_forget_removes_those_of_an_engine(tmp_path: Path) -> None:
    kept(tmp_path / "l", 1).keep(replace(LOAD, pid=2, engine_name="vllm"))

    assert run_forget(["vllm", "--yes"], tmp_path / "l") == 0

    assert pids(tmp_path / "l") == [1]


def test_where_an_engine_has_no_loads_nothing_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path / "l", 1)

    assert run_forget(["vllm"], tmp_path / "l", refuse_to_be_asked) == 0

    assert capsys.readouterr().out == "0 loads forgotten\n"


@pytest.mark.parametrize(("answer", "left"), [("y", []), ("Yes\n", []), ("n", [2, 1]), ("", [2, 1])])
def test_only_who_agrees_loses_loads(answer: str, left: list[int], tmp_path: Path) -> None:
    kept(tmp_path / "l", 1, 2)
    asked: list[str] = []

    assert run_forget(["all"], tmp_path / "l", lambda question: asked.append(question) or answer) == 0

    assert asked == ["forget all 2 loads? [y/N] "]
    assert pids(tmp_path / "l") == left


def test_a_terminal_that_is_gone_is_no_agreement(tmp_path: Path) -> None:
    def end(question: str) -> str:
        raise EOFError

    kept(tmp_path / "l", 1)

    assert run_forget([], tmp_path / "l", end) == 0

    assert pids(tmp_path / "l") == [1]


def test_without_a_terminal_it_is_refused_unless_told_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "plimsoll" / "loads.sqlite3"
    kept(path, 1)

    assert main(["forget"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert pids(path) == [1]


@pytest.mark.parametrize("word", ["nothing", "0", "1x", "a\x1b[31m"])
def test_what_is_neither_number_nor_engine_is_wrong_use(word: str, tmp_path: Path) -> None:
    kept(tmp_path / "l", 1)

    with pytest.raises(UsageError) as caught:
        run_forget([word, "--yes"], tmp_path / "l")

    assert "\x1b" not in str(caught.value)
    assert pids(tmp_path / "l") == [1]


def test_an_engine_of_another_version_can_be_forgotten_where_it_has_loads(tmp_path: Path) -> None:
    Store(tmp_path / "l").keep(replace(LOAD, engine_name="later"))

    assert run_forget(["later", "--yes"], tmp_path / "l") == 0

    assert pids(tmp_path / "l") == []

"""The file that predictions are corrected by: small, written whole, and not believed."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_loads import lesson_loads

from estimator.calibration import Calibration
from tui.calibrations_here import FILE_NAME, calibrations_for, calibrations_here, calibrations_path
from tui.lesson import lessons_of
from tui.lesson_file import read_calibrations, write_calibrations
from tui.machine_digest import machine_digest
from tui.plan_memory import store_path

LOADS = lesson_loads(60, 62, 64, 61)
ENTRY: dict[str, Any] = {
    "engine_name": "llamacpp",
    "product": "NVIDIA GeForce RTX 4090",
    "driver": "580.95.05",
    "family": "0.12",
    "n_bytes": 60 << 20,
    "low_bytes": 40 << 20,
    "high_bytes": 80 << 20,
    "n_loads": 7,
}


def written(path: Path, **changes: object) -> Path:
    path.write_text(json.dumps({"schema": 2, "hosts": {"here": [ENTRY | changes]}}))
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_calibrations(tmp_path / "c", LOADS)

    found = read_calibrations(tmp_path / "c", "here")

    assert found.calibrations == tuple(one.calibration for one in lessons_of(LOADS, "here"))
    assert (len(found.calibrations), found.trouble) == (1, "")


def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    write_calibrations(tmp_path / "c", LOADS)

    assert (tmp_path / "c").stat().st_mode & 0o077 == 0


def test_of_another_machine_nothing_holds_here(tmp_path: Path) -> None:
    write_calibrations(tmp_path / "c", LOADS)

    assert read_calibrations(tmp_path / "c", "there") == ((), "")


def test_without_loads_that_tell_something_the_file_goes(tmp_path: Path) -> None:
    write_calibrations(tmp_path / "c", LOADS)
    write_calibrations(tmp_path / "c", LOADS[:2])

    assert list(tmp_path.iterdir()) == []


def test_without_a_file_nothing_holds_and_nothing_is_the_matter(tmp_path: Path) -> None:
    assert read_calibrations(tmp_path / "c", "here") == ((), "")


def test_an_older_file_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_text('{"schema": 1, "hosts": {"here": [{}]}}')

    assert read_calibrations(path, "here") == ((), "")


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_text('{"schema": 3, "machines": []}')

    assert read_calibrations(path, "here") == ((), "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"schema": 2, "hosts": []}',
        b'{"schema": 2, "hosts": {"here": {}}}',
        b'{"schema": "1", "hosts": {}}',
        b'{"schema": 2, "hosts": {"here": [' + b"{}," * 100 + b"{}]}}",
        b" " * 300_000,
    ],
    ids=["empty", "a list", "nothing", "no text", "deep", "no hosts", "no list", "a word", "many", "long"],
)
def test_what_is_no_such_file_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(content)

    found = read_calibrations(tmp_path / "c", "here")

    assert found.calibrations == ()
    assert "is damaged" in found.trouble


@pytest.mark.parametrize(
    "changes",
    [
        {"engine_name": "vllm"},
        {"engine_name": ["llamacpp"]},
        {"product": ""},
        {"product": "a" * 1000},
        {"driver": None},
        {"family": None},
        {"family": "0.12\x1b[2J"},
        {"n_bytes": 1e9},
        {"n_bytes": True},
        {"n_bytes": 1 << 50},
        {"low_bytes": 90 << 20},
        {"high_bytes": 10 << 20},
        {"n_loads": 0},
        {"n_loads": 2},
        {"low_bytes": 60 << 20},
        {"high_bytes": 60 << 20},
        {"low_bytes": 60 << 20, "high_bytes": 60 << 20},
        {"low_bytes": -200 << 20},
        {"high_bytes": 300 << 20},
        dict.fromkeys(("n_bytes", "low_bytes", "high_bytes"), -4 << 30),
        dict.fromkeys(("n_bytes", "low_bytes", "high_bytes"), 4 << 30),
        {"n_bytes": 4096 << 20, "low_bytes": 4076 << 20, "high_bytes": 4116 << 20},
        {"n_bytes": -4096 << 20, "low_bytes": -4116 << 20, "high_bytes": -4076 << 20},
        {"n_loads": 10**30},
        {"more": 1},
    ],
)
def test_figures_that_make_no_sense_are_not_believed(changes: dict[str, object], tmp_path: Path) -> None:
    assert read_calibrations(written(tmp_path / "c"), "here").calibrations == (Calibration(**ENTRY),)
    assert read_calibrations(written(tmp_path / "c", **changes), "here").calibrations == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ENTRY, "here"]), inner, max_size=7),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=40, deadline=None)
def test_whatever_stands_there_nothing_is_raised(tmp_path_factory: pytest.TempPathFactory, found: object) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    for content in (found, {"schema": 2, "hosts": found}, {"schema": 2, "hosts": {"here": [found]}}):
        path.write_text(json.dumps(content))
        for one in read_calibrations(path, "here").calibrations:
            assert abs(one.n_bytes) <= 2 << 30


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()

    assert "cannot be read" in read_calibrations(tmp_path / "c", "here").trouble


def test_it_lies_beside_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (str(tmp_path), "", "  "):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        assert calibrations_path() == str(store_path().with_name(FILE_NAME))


def home(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in which this machine has learned something."""
    monkeypatch.setenv("XDG_STATE_HOME", str(path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(path))
    (path / "plimsoll").mkdir()
    hosts = {machine_digest(): [ENTRY]}
    (path / "plimsoll" / FILE_NAME).write_text(json.dumps({"schema": 2, "hosts": hosts}))


def test_what_this_machine_has_learned_holds_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home(tmp_path, monkeypatch)

    assert calibrations_here() == (Calibration(**ENTRY),)


@pytest.mark.parametrize(("line", "n"), [("calibrate = false", 0), ("calibrate = true", 1), ("learn = false", 1)])
def test_the_setting_switches_it_off(line: str, n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home(tmp_path, monkeypatch)
    (tmp_path / "plimsoll" / "config.toml").write_text(line)

    assert len(calibrations_here()) == n


@pytest.mark.parametrize(("option", "n"), [("", 0), ("--simulate", 1), ("--replay", 1)])
def test_hardware_that_stands_in_for_this_machines_is_not_corrected(
    option: str, n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home(tmp_path, monkeypatch)
    given = Namespace(simulate=None, replay=None)
    if option:
        setattr(given, option[2:], "RTX 4090")

    assert len(calibrations_for(given)) == 1 - n


def test_a_short_command_never_opens_the_store(tmp_path: Path) -> None:
    code = (
        "import sys; from tui.calibrations_here import calibrations_here; found = calibrations_here();"
        "print(len(found), {'sqlite3', 'statistics', 'platformdirs', 'tui.store'} & set(sys.modules))"
    )
    (tmp_path / "plimsoll").mkdir()
    hosts = {machine_digest(): [ENTRY]}
    (tmp_path / "plimsoll" / FILE_NAME).write_text(json.dumps({"schema": 2, "hosts": hosts}))
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)

    assert done.stdout == "1 set()\n"

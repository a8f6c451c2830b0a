"""A small file is read whole and without waiting, whatever lies under its name."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from launches.variables_file import variables_in
from launches.yaml_file import UnreadableSettings
from launches.yaml_file import read_settings as read_settings_of_command
from tui.lesson_file import read_calibrations
from tui.remembered import last_request
from tui.settings import Settings
from tui.settings_file import read_settings
from tui.small_file import TooLongError, read_small_file
from tui.store import Store
from tui.store_file import StoreError

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system's files")


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc\r\n\x1a")
    assert read_small_file(tmp_path / "a", 6) == b"abc\r\n\x1a"


def test_one_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(TooLongError):
        read_small_file(tmp_path / "a", 2)


@pytest.mark.parametrize("make", [pytest.param(os.mkfifo, marks=needs_pipes), os.mkdir])
def test_what_is_no_file_is_refused_at_once(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "a")
    with pytest.raises(OSError, match="no file"):
        read_small_file(tmp_path / "a", 10)


@needs_pipes
def test_calibrations_that_are_a_pipe_are_one_sentence(tmp_path: Path) -> None:
    found = read_calibrations(pipe(tmp_path / "c"), "here")
    assert found.calibrations == ()
    assert "cannot be read (no file but" in found.trouble


@needs_pipes
def test_settings_that_are_a_pipe_are_one_sentence(tmp_path: Path) -> None:
    found = read_settings(pipe(tmp_path / "c"))
    assert found.settings == Settings()
    assert "cannot be read: no file but" in found.complaints[0]


@needs_pipes
def test_last_plans_that_are_a_pipe_are_none(tmp_path: Path) -> None:
    assert last_request(pipe(tmp_path / "c"), "here") is None


@needs_pipes
@pytest.mark.parametrize("name", ["s", "s-journal"])
def test_a_store_that_is_a_pipe_is_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    (tmp_path / name).unlink(missing_ok=True)
    pipe(tmp_path / name).chmod(0o400)
    with pytest.raises(StoreError, match="no file but"):
        Store(tmp_path / "s").loads()


@needs_pipes
def test_files_that_a_command_names_are_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSettings):
        read_settings_of_command(str(pipe(tmp_path / "config.yaml")))
    assert variables_in(str(pipe(tmp_path / "variables"))) == {}


def test_variables_are_read_a_line_each(tmp_path: Path) -> None:
    (tmp_path / "variables").write_text("# a remark\nA=1\n\nB = x=y\nno assignment\n")
    assert variables_in(str(tmp_path / "variables")) == {"A": "1", "B": " x=y"}

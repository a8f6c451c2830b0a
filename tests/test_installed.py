"""What is installed, by its files."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tui.installed import packages, programs


def test_packages_are_read_from_the_names_of_their_folders(tmp_path: Path) -> None:
    for name in ("nvidia_ml_py-13.615.71.dist-info", "Pillow-11.0.dist-info", "old-1.2.egg-info", "x.dist-info", "y"):
        (tmp_path / name).mkdir()

    assert packages([str(tmp_path), str(tmp_path / "gone"), ""])["nvidia-ml-py"] == "13.615.71"
    assert {"pillow": "11.0", "old": "1.2"}.items() <= packages([str(tmp_path)]).items()


def test_of_two_the_first_on_the_path_is_the_one(tmp_path: Path) -> None:
    for folder, version in (("a", "1.0"), ("b", "2.0")):
        (tmp_path / folder / f"torch-{version}.dist-info").mkdir(parents=True)

    assert packages([str(tmp_path / "a"), str(tmp_path / "b")]) == {"torch": "1.0"}


def test_this_python_has_what_plimsoll_stands_on() -> None:
    assert {"textual", "psutil", "nvidia-ml-py"} <= packages().keys()


@pytest.fixture
def with_ollama(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "ollama"
    program.write_text("")
    program.chmod(0o755)
    (tmp_path / "vllm").write_text("not executable")
    return {"PATH": os.pathsep.join(["relative", str(tmp_path / "gone"), str(tmp_path)])}


@pytest.mark.skipif(os.name == "nt", reason="there, endings say what is executable")
def test_programs_are_found_on_the_path_and_not_started(with_ollama: dict[str, str]) -> None:
    found = programs(with_ollama)

    assert [(program.name, program.version) for program in found] == [("ollama", None)]


@pytest.mark.skipif(os.name == "nt", reason="there, endings say what is executable")
@pytest.mark.parametrize(
    ("printed", "version"),
    [
        (b"ollama version is 0.33.0\n", "0.33.0"),
        (b"version: 10798 (8212c78)\nbuilt with", "10798"),
        (b"\xff\xfe nothing", None),
        (b"", None),
    ],
)
def test_a_version_is_what_the_program_prints(with_ollama: dict[str, str], printed: bytes, version: str | None) -> None:
    assert programs(with_ollama, lambda command: printed)[0].version == version


@pytest.mark.skipif(os.name == "nt", reason="there, endings say what is executable")
def test_a_program_that_does_not_answer_has_no_version(with_ollama: dict[str, str]) -> None:
    def run(command: Sequence[str]) -> bytes:
        raise TimeoutError("no answer within 3 s")

    assert programs(with_ollama, run)[0].version is None

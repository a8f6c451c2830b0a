"""Which version of an engine a command starts is read from names of files and folders, and from nothing else."""

from pathlib import Path

import pytest

from launches.command import Command
from launches.launch import read_launches
from launches.opened import opened_of
from launches.version import version_of


def version(*words: str) -> str:
    command = Command(arguments=words)
    return version_of(command, opened_of(command).program, read_launches(command)[0])


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/opt/llama-b6168-bin-ubuntu-x64/llama-server", "b6168"),
        ("/srv/llama.cpp/build/bin/llama-server", ""),
        ("/srv/ik_llama.cpp/build/bin/llama-server", ""),
        ("llama-server", ""),
    ],
)
def test_a_release_of_llama_cpp_has_its_number_in_its_folder(path: str, found: str) -> None:
    assert version(path, "-m", "a.gguf") == found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("/opt/koboldcpp-1.98.1/koboldcpp", "--model", "a.gguf"), "1.98.1"),
        (("/opt/koboldcpp/koboldcpp-linux-x64", "--model", "a.gguf"), ""),
        (("/usr/local/bin/llamafile-0.9.3", "-m", "a.gguf"), "0.9.3"),
    ],
)
def test_other_programs_are_named_as_they_were_released(words: tuple[str, ...], found: str) -> None:
    assert version(*words) == found


def test_a_python_engine_has_it_in_its_environment(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text("")
    (tmp_path / "lib" / "python3.12" / "site-packages" / "sglang-0.5.4.post1.dist-info").mkdir(parents=True)
    assert version(str(python), "-m", "sglang.launch_server", "--model-path", "Qwen/Qwen3-8B") == "0.5.4.post1"


def test_what_is_judged_as_another_engine_has_none_of_its_packages(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "text-generation-launcher"
    program.parent.mkdir()
    program.write_text("")
    (tmp_path / "lib" / "python3.12" / "site-packages" / "vllm-0.11.0.dist-info").mkdir(parents=True)
    assert version(str(program), "--model-id", "Qwen/Qwen3-8B") == ""

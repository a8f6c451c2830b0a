"""Completion in real shells, those of them that are here; and wrappers of engines."""

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tui.cli import COMMANDS, main
from tui.completion_bash import bash_script
from tui.completion_fish import fish_script
from tui.completion_table import APP, CHOICE, Words, completion_table
from tui.completion_zsh import zsh_script
from tui.shell_flags import SHELLS

TABLE = completion_table()
HOSTILE = "/x/$(touch pwned)`touch pwned`.gguf"
STAND_IN = """#!/bin/sh
if [ "$1 $2" = "models --names" ]; then
    printf '%s\\n' llama3.1:8b llama3.1:70b owner/name '{hostile}'
else
    for word in "$@"; do printf '<%s>' "$word"; done
    echo
fi
"""


def words_of(name: str) -> Words:
    return next(words for words in TABLE if words.name == name)


SCRIPTS = {"bash": bash_script(TABLE), "zsh": zsh_script(TABLE), "fish": fish_script(TABLE)}


def script_of(shell: str, tmp_path: Path) -> Path:
    path = tmp_path / f"script.{shell}"
    path.write_text(SCRIPTS[shell])
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With a stand-in for plimsoll on the path, which knows some models and prints what it is given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("plimsoll", "llama-server"):
        path = folder / name
        path.write_text(STAND_IN.format(hostile=HOSTILE) if name == "plimsoll" else '#!/bin/sh\necho "real $*"\n')
        path.chmod(0o755)
    (tmp_path / "home").mkdir()
    home = str(tmp_path / "home")
    return {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": home, "ZDOTDIR": home, "TERM": "dumb", "PS1": "READY> "}


def needs(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not here")
    return path


def test_every_command_can_be_completed() -> None:
    assert {words.name for words in TABLE if words.name != APP} == set(COMMANDS)


def test_an_option_of_one_engine_is_marked_as_its_own() -> None:
    own = {flag: option.engine for option in words_of("check").options for flag in option.flags if option.engine}

    assert own["--gpu-memory-utilization"] in ("vllm", "sglang")
    assert "--context" not in own


def test_choices_are_those_of_the_parser() -> None:
    options = {flag: option for option in words_of("check").options for flag in option.flags}

    assert options["--engine"].choices[:2] == ("llamacpp", "ollama")
    assert "q8_0" in options["--kv-type"].choices
    assert options["--split-mode"].takes == CHOICE


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completions", shell]) == 0
    assert capsys.readouterr().out == SCRIPTS[shell]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_can_read_its_script(shell: str, tmp_path: Path) -> None:
    path = needs(shell)

    ended = subprocess.run([path, "-n", script_of(shell, tmp_path)], capture_output=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, b"")


def completed_by_bash(line: str, script: Path, environment: dict[str, str]) -> list[str]:
    text = f'source "{script}"; COMP_LINE=$1; COMP_POINT=${{#1}}; _plimsoll; printf "%s\\n" "${{COMPREPLY[@]}}"'
    ended = subprocess.run(
        [needs("bash"), "--norc", "-c", f"COMP_WORDBREAKS=$' \\t\\n=:'; {text}", "bash", line],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=environment["HOME"],
    )
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("plimsoll do", ["doctor"]),
        ("plimsoll check --str", ["--strict"]),
        ("plimsoll check --kv-type q8_", ["q8_0"]),
        ("plimsoll check --kv-type=q8_", ["q8_0"]),
        ("plimsoll check --engine sgl", ["sglang"]),
        ("plimsoll check --engine vllm --gpu-mem", ["--gpu-memory-utilization"]),
        ("plimsoll check --engine=vllm --gpu-mem", ["--gpu-memory-utilization"]),
        ("plimsoll check --gpu-mem", []),
        ("plimsoll check own", ["owner/name"]),
        ("plimsoll check llama3.1:", ["8b", "70b"]),
        ("plimsoll llama3.1:8", ["8b"]),
        ("plimsoll run --wa", ["--wait"]),
        ("plimsoll run -- llama-serv", ["llama-server"]),
        ("plimsoll check -- llama-serv", ["llama-server"]),
        ("plimsoll models --js", ["--json"]),
        ("plimsoll forget vl", ["vllm"]),
        ("plimsoll forget --y", ["--yes"]),
        ("plimsoll completions f", ["fish"]),
        ("plimsoll check ./", []),
    ],
)
def test_bash_offers(line: str, offered: list[str], tmp_path: Path, environment: dict[str, str]) -> None:
    assert completed_by_bash(line, script_of("bash", tmp_path), environment) == offered


def test_what_stands_in_a_models_name_is_never_run(tmp_path: Path, environment: dict[str, str]) -> None:
    offered = completed_by_bash("plimsoll check /", script_of("bash", tmp_path), environment)
    named = completed_by_bash("plimsoll check ", script_of("bash", tmp_path), environment)

    assert offered == []
    assert any("\\$" in word for word in named)
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("plimsoll do", ["doctor"]),
        ("plimsoll check --str", ["--strict"]),
        ("plimsoll check --kv-type q8_", ["q8_0"]),
        ("plimsoll check --engine sgl", ["sglang"]),
        ("plimsoll check --engine vllm --gpu-mem", ["--gpu-memory-utilization"]),
        ("plimsoll check --gpu-mem", []),
        ("plimsoll check own", ["owner/name"]),
        ("plimsoll check llama3.1:", ["llama3.1:8b", "llama3.1:70b"]),
        ("plimsoll run --wa", ["--wait"]),
        ("plimsoll run -- llama-serv", ["llama-server"]),
        ("plimsoll completions f", ["fish"]),
    ],
)
def test_fish_offers(line: str, offered: list[str], tmp_path: Path, environment: dict[str, str]) -> None:
    script = script_of("fish", tmp_path)
    ended = subprocess.run(
        [needs("fish"), "-N", "-c", f"source '{script}'; complete -C '{line}'"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=environment["HOME"],
    )

    assert [each.partition("\t")[0] for each in ended.stdout.splitlines()] == offered


class Typing:
    """An interactive shell on a terminal of its own."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(environment["HOME"])
            os.execvpe(arguments[0], arguments, environment)

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def until(self, text: str) -> str:
        shown, end = b"", time.monotonic() + 20
        while text.encode() not in shown and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                shown += os.read(self.terminal, 65536)
        assert text.encode() in shown, shown[-500:]
        return shown.decode(errors="replace")

    def close(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


@pytest.fixture
def zsh(tmp_path: Path, environment: dict[str, str]) -> Iterator[Typing]:
    shell = Typing([needs("zsh"), "-f", "-i"], environment)
    shell.until("READY>")
    script = script_of("zsh", tmp_path)
    shell.type(f"autoload -U compinit; compinit -u -D; source {script}; print LOAD''ED\n")
    shell.until("LOADED")
    yield shell
    shell.close()


def test_zsh_offers(zsh: Typing) -> None:
    """In one session, since beginning one takes half a second."""
    for typed, given in (
        ("plimsoll doc\t--js\t", "<doctor><--json>"),
        ("plimsoll check --str\t", "<check><--strict>"),
        ("plimsoll check --kv-type q8_\t", "<check><--kv-type><q8_0>"),
        ("plimsoll check own\t", "<check><owner/name>"),
        ("plimsoll check llama3.1:7\t", "<check><llama3.1:70b>"),
        ("plimsoll check --engine vllm --gpu-memory-u\t", "<check><--engine><vllm><--gpu-memory-utilization"),
        ("plimsoll run -- llama-serv\t-m", "<run><--><llama-server><-m>"),
        ("plimsoll completions fi\t", "<completions><fish>"),
    ):
        zsh.type(f"{typed}\n")
        zsh.until(given)


# Wrappers


@pytest.mark.parametrize("shell", SHELLS)
def test_a_wrapper_judges_first_and_can_be_gone_past(
    shell: str, tmp_path: Path, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alias", shell, "--all"]) == 0
    script = tmp_path / "wrappers"
    script.write_text(capsys.readouterr().out)
    options = {"bash": ["--norc", "-O", "expand_aliases"], "zsh": ["-f", "-o", "aliases"], "fish": ["-N"]}[shell]
    lines = [f"source '{script}'", 'llama-server -m "a b"', "command llama-server -m c"]
    lines += [] if shell == "fish" else ["\\llama-server -m d"]

    ended = subprocess.run(
        [needs(shell), *options],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )

    assert ended.stdout.splitlines()[:2] == ["<run><--><llama-server><-m><a b>", "real -m c"]
    assert ended.stdout.splitlines()[2:] == ([] if shell == "fish" else ["real -m d"])


def test_only_engines_on_the_path_are_wrapped(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", environment["PATH"].partition(":")[0])

    assert main(["alias", "bash"]) == 0

    printed = capsys.readouterr().out
    assert "alias llama-server=" in printed
    assert "ollama" not in printed


def test_the_shell_is_the_one_that_is_used(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")

    assert main(["alias", "--all"]) == 0
    assert "function llama-server --wraps llama-server" in capsys.readouterr().out


def test_an_unknown_shell_is_wrong_use(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")

    assert main(["alias"]) == 2
    assert "bash, zsh, fish" in capsys.readouterr().err
    assert main(["completions", "tcsh"]) == 2

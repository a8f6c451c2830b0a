"""What another machine loads is not judged by this one's memory."""

from shlex import split

import pytest

from launches.command import Command
from launches.errors import LoadsElsewhere
from launches.launch import read_launches
from tui.cli import main

ENGINE = "vllm serve a/b"
TYPED = {"PATH": "/bin"}


def read(text, **environment):
    return read_launches(Command(arguments=tuple(split(text)), environment={**TYPED, **environment}))


@pytest.mark.parametrize(
    "before",
    [
        "ssh gpu",
        "sshpass -p x ssh gpu",
        "tailscale ssh gpu",
        "multipass exec vm --",
        "pssh -h hosts",
        "clush -w gpu[1-2]",
        "qsub --",
        "srun --gres=gpu:8",
        "salloc --gres=gpu:8",
        "nohup srun",
        "sky exec mine",
        "ray job submit --",
        "mpirun -host far,further:2",
        "DOCKER_HOST=ssh://gpu docker run --gpus all image",
        "CONTAINER_HOST=tcp://gpu:1 podman run image",
    ],
)
def test_what_another_machine_is_given_is_not_judged_here(before):
    with pytest.raises(LoadsElsewhere):
        read(f"{before} {ENGINE}")


@pytest.mark.parametrize("text", [f"sbatch --wrap '{ENGINE}'", f"ray exec a.yaml '{ENGINE}'"])
def test_nor_what_it_is_given_in_one_word(text):
    with pytest.raises(LoadsElsewhere):
        read(text)


@pytest.mark.parametrize(
    ("before", "environment"),
    [
        ("srun --gres=gpu:8", {"SLURM_JOB_ID": "1"}),
        ("salloc", {"SLURM_JOB_ID": "1"}),
        ("mpirun -host localhost:2", {}),
        ("mpirun -n 1", {}),
        ("docker run --gpus all image", {"DOCKER_HOST": "unix:///run/docker.sock"}),
        ("docker run --gpus all image", {"DOCKER_HOST": "tcp://127.0.0.1:2375"}),
    ],
)
def test_what_is_started_here_is_judged(before, environment):
    assert read(f"{before} {ENGINE}", **environment)[0].source == "a/b"


def test_of_a_posted_text_nobody_knows_where_it_was_typed():
    assert read_launches(Command(arguments=tuple(split(f"srun {ENGINE}"))))[0].source == "a/b"


JOB = ["srun", "--gres=gpu:1", "vllm", "serve", "Qwen/Qwen3-8B"]


@pytest.mark.parametrize("words", [JOB, [" ".join(JOB)]])
def test_a_scheduler_s_command_is_judged_on_hardware_that_is_described(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin")
    assert main(["check", "--simulate", "H100, RAM 128GiB", "--", *words]) == 0
    assert "FITS on GPU 0" in capsys.readouterr().out


def test_it_is_not_judged_on_the_machine_where_it_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin")
    assert main(["check", "--", *JOB]) == 3

"""What another machine loads is not judged by this one's memory."""

import json
from hashlib import sha256
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
        "docker -H tcp://gpu:2375 run --gpus all image",
        "docker -Hssh://gpu run --gpus all image",
        "docker --debug --host=ssh://gpu run --gpus all image",
        "docker --context other run --gpus all image",
        "docker -c other container run --gpus all image",
        "DOCKER_CONTEXT=other docker run --gpus all image",
        "DOCKER_HOST=ssh://gpu docker --context default run --gpus all image",
        "podman --remote run image",
        "podman --url ssh://gpu run image",
        "podman -c far run image",
        "CONTAINER_CONNECTION=far podman run image",
        "mpirun -H localhost:4,far:4",
        "mpirun --host=far",
        "mpirun --hostfile /nowhere/hosts",
        "mpiexec -f /nowhere/hosts -n 2",
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
        ("mpirun", {}),
        ("mpirun -n 1", {}),
        ("docker run --gpus all image", {"DOCKER_HOST": "unix:///run/docker.sock"}),
        ("docker run --gpus all image", {"DOCKER_HOST": "tcp://127.0.0.1:2375"}),
        ("docker -H unix:///run/docker.sock run --gpus all image", {"DOCKER_HOST": "ssh://gpu"}),
        ("docker --context default -l debug run --gpus all image", {"DOCKER_CONTEXT": "other"}),
        ("docker run --gpus all image", {"DOCKER_HOST": "unix:///run/docker.sock", "DOCKER_CONTEXT": "other"}),
        ("podman --log-level debug --remote=false run --device nvidia.com/gpu=all image", {}),
        ("nerdctl -n k8s.io --address /run/containerd.sock run --gpus all image", {}),
    ],
)
def test_what_is_started_here_is_judged(before, environment):
    assert read(f"{before} {ENGINE}", **environment)[0].source == "a/b"


def docker_settings(folder, **contexts):
    for name, host in contexts.items():
        place = folder / ".docker" / "contexts" / "meta" / sha256(name.encode()).hexdigest()
        place.mkdir(parents=True)
        (place / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


def test_the_context_that_docker_is_set_to_says_where_it_runs(tmp_path):
    docker_settings(tmp_path, near="unix:///run/user/1/docker.sock", far="ssh://gpu")
    line, home = f"docker run --gpus all image {ENGINE}", str(tmp_path)
    assert read(line.replace("docker", "docker -c near"), HOME=home)[0].source == "a/b"
    (tmp_path / ".docker" / "config.json").write_text('{"currentContext": "near"}')
    assert read(line, HOME=home)[0].source == "a/b"
    (tmp_path / ".docker" / "config.json").write_text('{"currentContext": "far"}')
    with pytest.raises(LoadsElsewhere):
        read(line, HOME=home)
    assert read(line, HOME=home, DOCKER_CONTEXT="near")[0].source == "a/b"


@pytest.mark.parametrize("content", ["[]", "{", '{"currentContext": ["x"]}', "[" * 99_999])
def test_settings_of_docker_that_cannot_be_read_set_it_to_no_context(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    assert read(f"docker --config {tmp_path} run --gpus all image {ENGINE}")[0].source == "a/b"


def test_a_file_of_hosts_that_names_this_machine_alone_is_here(tmp_path):
    (tmp_path / "hosts").write_text("# ours\nlocalhost slots=8\n\n")
    line = f"mpirun --hostfile {tmp_path}/hosts -n 8 {ENGINE}"
    assert read(line)[0].source == "a/b"
    (tmp_path / "hosts").write_text("localhost slots=8\ngpu2 slots=8\n")
    with pytest.raises(LoadsElsewhere):
        read(line)


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

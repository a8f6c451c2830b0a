"""Of a script that loads a model, what is not recognised and may start another is named; ordinary tools are not."""

import pytest

from launches.command import Command
from launches.loads import read_loads
from launches.ordinary import is_ordinary
from launches.uncounted import Uncounted
from tui.manner import Manner

ENGINE = "vllm serve a/b"


def doubts(script, folder="", **manner):
    command = Command(arguments=("bash", "-c", script), environment={"PATH": "/bin"}, directory=folder, **manner)
    return [doubt for launch in read_loads(command)[0].launches for doubt in launch.doubts]


@pytest.mark.parametrize(
    "command",
    [
        "make big",
        "make -j8 serve",
        "just serve",
        "npm run dev",
        "npm start",
        "pnpm dev",
        "python other.py",
        "python3 -u bench/other.py --n 2",
        "python -m my.server",
        "python -",
        "python -c 'import vllm; vllm.LLM(\"c/d\")'",
        "python -c 'import subprocess as s; s.run([\"x\"])'",
        "./build/bin/my-server -m c.gguf",
        "nohup ./x",
        "CUDA_VISIBLE_DEVICES=1 ./x --fast",
        "sudo systemctl restart my-llm",
        "brew services start my-llm",
        "supervisorctl start llm",
        "cargo run --release",
        "docker run -d --gpus all --name redis my/llm",
        "docker run -d --network traefik my/llm",
        "mise run serve-big",
        "flatpak run org.my.llm",
        "echo 'vllm serve c/d' | at now",
        "go run .",
        "docker start llm",
        "docker run -d my/image",
        "docker compose -f nowhere.yml up -d",
        "bash nowhere.sh",
        "bash deploy/nowhere.sh big",
        "./nowhere.sh",
        "source ./nowhere.sh",
        "$START",
        "$START --port 1",
        "find . -name a -exec ./x {} +",
        "parallel ./x ::: a b",
        "ls | xargs ./x",
        "watch ./x",
        "tmux send-keys -t x ./x Enter",
        "conda run -n e ./x",
        "uv run main.py",
        "poetry run serve",
        "jupyter notebook",
        "open-webui serve",
        "if ./ready; then echo; fi",
        "while ./busy; do sleep 1; done",
        "f() { ./x; }; f",
    ],
)
def test_what_may_start_an_engine_is_named_before_and_after_a_load(command):
    for script in (f"{command}; {ENGINE}", f"{command} & {ENGINE}", f"{ENGINE}\n{command}"):
        (doubt,) = doubts(script)
        assert isinstance(doubt, Uncounted)
        assert "only what is recognised was judged: `" in doubt


@pytest.mark.parametrize(
    "command",
    [
        "cd x",
        "export A=1",
        "echo ready",
        "sleep 5",
        "curl -s http://localhost:8000/health",
        "source venv/bin/activate",
        ". ~/.bashrc",
        "source /opt/intel/oneapi/setvars.sh",
        "conda activate e",
        "module load cuda",
        "pip install -U vllm",
        "uv pip install vllm",
        "python -m pip install vllm",
        "python -m venv v",
        "python -c 'import torch; print(torch.cuda.is_available())'",
        "python --version",
        "nvidia-smi",
        "watch -n 1 nvidia-smi",
        "mkdir -p logs",
        "wait",
        "kill %1",
        "pkill -f my-server",
        "trap 'kill 0' EXIT",
        "set -euo pipefail",
        "ulimit -n 65536",
        "git clone https://github.com/ggml-org/llama.cpp",
        "cmake -B build && cmake --build build -j",
        "make",
        "make -j 8 LLAMA_CUDA=1",
        "make -C llama.cpp clean",
        "hf download a/b",
        "huggingface-cli login --token x",
        "ollama pull qwen3",
        "sudo apt-get install -y jq",
        "sudo systemctl stop my-llm",
        "sudo systemctl restart ollama",
        "systemctl --user status my-llm",
        "supervisorctl status",
        "docker ps",
        "docker pull x",
        "docker run -d redis:7",
        "npm install",
        "npm ci",
        "tmux new -d -s x",
        "tmux kill-session -t x",
        "sudo sysctl -w vm.swappiness=1",
        "find . -name '*.gguf' -exec ls {} +",
        "tail -f log",
        "grep -q x y && echo found",
        "i=$((i+1)); ((i++))",
        "until curl -sf localhost:8000/health; do sleep 1; done",
        "ssh gpu ./x",
        "ray start --head",
        "f() { echo; }; f",
        "g() { ./x; }",
        "if [ 0 = 1 ]; then ./x; fi",
        "# ./x",
        "X='./x'",
        "@echo off",
        "docker run -d --rm --name cache -p 6379:6379 redis:7",
        "my-tool --version",
        "7z x a.7z",
        "sensors",
    ],
)
def test_ordinary_tools_are_silent(command):
    assert doubts(f"{command}\n{ENGINE}") == []


def test_several_are_named_once_each_and_the_rest_is_counted():
    (doubt,) = doubts(f"./a; ./b; ./a; ./c; ./d; ./e; {ENGINE}")
    assert "`./a`, `./b`, `./c` and 2 more were not looked into" in doubt


def test_a_secret_among_its_words_is_not_told():
    (doubt,) = doubts(f"./x --api-key hf_abcdefgh1234 -n 2; {ENGINE}")
    assert "hf_" not in doubt


def test_a_script_that_is_here_is_read_instead(tmp_path):
    (tmp_path / "a.sh").write_text("#!/bin/sh\necho\n./inner --of a\n")
    (doubt,) = doubts(f"./a.sh; {ENGINE}", str(tmp_path), reads_scripts=True)
    assert "`./inner --of a` was" in doubt


def test_what_sets_a_shell_up_is_not_gone_through_for_names(tmp_path):
    (tmp_path / ".bashrc").write_text('eval "$(starship init bash)"\nmy-prompt\nexport M=a/b\n')
    assert doubts("source .bashrc; vllm serve $M", str(tmp_path), reads_scripts=True) == []


def test_beside_a_server_that_loads_later_it_is_said(capsys):
    from test_guard import guarded  # noqa: PLC0415

    words = ("bash", "-c", "ollama serve & ./x")
    assert guarded(words)[1] == [words]
    assert "`./x` was not looked into" in " ".join(capsys.readouterr().err.split())
    assert guarded(words, manner=Manner(is_strict=True)) == (3, [])


def test_a_word_that_is_no_program_is_none():
    assert is_ordinary(["*.gguf"])
    assert not is_ordinary(["../x"])

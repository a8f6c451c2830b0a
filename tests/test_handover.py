"""A program is judged with the variables and in the folder that the wrappers before it hand over."""

from pathlib import Path

import pytest

from launches.command import Command
from launches.launch import Launch, read_launches
from launches.line import words_of
from launches.opened import opened_of

SET = {"CUDA_VISIBLE_DEVICES": "1", "LLAMA_ARG_CTX_SIZE": "512", "LANG": "C", "PATH": "/bin"}


def program(text: str, directory: str = "/here", **environment: str):
    return opened_of(Command(arguments=tuple(words_of(text)), environment=environment or SET, directory=directory))


def launch(text: str, directory: str = "/here", **environment: str) -> Launch:
    words = tuple(words_of(text))
    return read_launches(Command(arguments=words, environment=environment or SET, directory=directory))[0]


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("env -u CUDA_VISIBLE_DEVICES", {"LLAMA_ARG_CTX_SIZE", "LANG", "PATH"}),
        ("env --unset=CUDA_VISIBLE_DEVICES", {"LLAMA_ARG_CTX_SIZE", "LANG", "PATH"}),
        ("env -i A=1", {"A"}),
        ("env - A=1", {"A"}),
        ("exec -c", set()),
        ("nohup", set(SET)),
        ("sudo -E", set(SET)),
        ("sudo --preserve-env=CUDA_VISIBLE_DEVICES -u nobody-here", {"CUDA_VISIBLE_DEVICES", "LANG", "PATH"}),
        ("sudo -u nobody-here", {"LANG", "PATH"}),
        ("sudo -u nobody-here B=2", {"LANG", "PATH", "B"}),
        ("doas -u nobody-here", {"LANG", "PATH"}),
        ("systemd-run --scope", set(SET)),
        ("systemd-run -E B=2 --setenv=LANG -p Environment=C=3", {"B", "LANG", "C"}),
        ("SLURM_JOB_ID=1 srun --export=NONE", set()),
        ("SLURM_JOB_ID=1 srun --export=ALL,B=2", {*SET, "B", "SLURM_JOB_ID"}),
        ("SLURM_JOB_ID=1 srun --export LANG,B=2", {"LANG", "B"}),
    ],
)
def test_a_program_has_the_variables_that_are_handed_over(before, kept):
    assert set(program(f"{before} llama-server -m a.gguf").program.environment) == kept


def test_what_sudo_takes_away_is_told_where_it_would_count():
    (doubt,) = (each for each in launch("sudo llama-server -m a.gguf").doubts if "sudo" in each)
    assert "without CUDA_VISIBLE_DEVICES, LLAMA_ARG_CTX_SIZE, unless" in doubt
    assert not any("sudo" in each for each in launch("sudo llama-server -m a.gguf", LANG="C").doubts)


def test_a_variable_that_is_taken_away_sets_nothing():
    assert launch("llama-server -m a.gguf").context_tokens == 512
    assert launch("env -u LLAMA_ARG_CTX_SIZE llama-server -m a.gguf").context_tokens == 0


@pytest.mark.parametrize(
    ("before", "folder"),
    [
        ("env -C /models", "/models"),
        ("env --chdir=models", "/here/models"),
        ("sudo -E -D /models", "/models"),
        ("systemd-run --scope --working-directory=/models", "/models"),
        ("systemd-run -p WorkingDirectory=/models", "/models"),
        ("systemd-run", "/"),
        ("systemd-run --same-dir", "/here"),
        ("SLURM_JOB_ID=1 srun --chdir /models", "/models"),
        ("uv run --directory models", "/here/models"),
        ("conda run -n x --cwd /models", "/models"),
        ("env -C /a env -C b", "/a/b"),
        ("cd /models &&", "/models"),
        ("cd /a && cd b &&", "/a/b"),
        ("pushd models &&", "/here/models"),
        ("cd $NOBODY_KNOWS &&", "/here"),
        ("cd /models && nohup env -C sub", "/models/sub"),
    ],
)
def test_a_relative_path_begins_in_the_folder_that_is_handed_over(before, folder):
    told = launch(f"{before} llama-server -m a.gguf").source
    assert told is not None
    assert Path(told) == Path(folder, "a.gguf")


def test_a_folder_counts_in_the_script_of_a_shell_too():
    assert launch("bash -c 'cd models && llama-server -m a.gguf'").source == "/here/models/a.gguf"
    assert launch("env -C /models bash -c 'llama-server -m a.gguf'").source == "/models/a.gguf"


def test_a_containers_folders_begin_where_it_is_started():
    told = launch("cd /data && docker run -v ./m:/m ghcr.io/ggml-org/llama.cpp:server -m /m/a.gguf")
    assert told.source == "/data/m/a.gguf"


def test_a_command_in_one_word_of_env_is_read():
    assert launch("env -i -S 'llama-server -m a.gguf -c 4096'").context_tokens == 4096
    assert program("env A=1 python -S -m vllm.entrypoints.openai.api_server").program.is_module


def test_a_file_of_variables_counts_below_what_is_set(tmp_path):
    (tmp_path / "variables").write_text("LLAMA_ARG_CTX_SIZE=1024\nLLAMA_ARG_N_PARALLEL=2\n")
    told = launch("uv run --env-file variables llama-server -m a.gguf", directory=str(tmp_path))
    assert (told.context_tokens, told.n_sequences) == (512, 2)

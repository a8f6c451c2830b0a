"""What loads a model with an engine of which there is no estimate is named: it is neither nothing, nor judged."""

import pytest

from launches.command import Command
from launches.errors import LoadsElsewhere, UnknownEngine, UnknownProgram
from launches.launch import read_launches
from launches.loads import read_loads
from launches.uncounted import Uncounted
from tui.cli import main


def command(line):
    return Command(arguments=tuple(line.split()), environment={"PATH": "/bin"})


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("aphrodite run a/b", "Aphrodite"),
        ("python -m aphrodite.endpoints.openai.api_server --model a/b", "Aphrodite"),
        ("lmdeploy serve api_server a/b", "LMDeploy"),
        ("text-generation-server serve a/b", "Text Generation Inference"),
        ("ramalama serve granite", "RamaLama"),
        ("ramalama --debug run granite", "RamaLama"),
        ("docker model run ai/smollm2", "Docker Model Runner"),
        ("mistralrs-server --port 1 plain -m a/b", "mistral.rs"),
        ("llama-swap --config c.yaml", "llama-swap"),
        ("python -m ktransformers.server.main --model_path a/b", "KTransformers"),
        ("nohup uvx vllm-mlx serve a/b", "vllm-mlx"),
        ("docker run --gpus all --entrypoint lmdeploy image serve api_server a/b", "LMDeploy"),
    ],
)
def test_an_engine_without_an_estimate_is_named(line, named):
    with pytest.raises(UnknownEngine, match=named):
        read_launches(command(line))


@pytest.mark.parametrize(
    "line", ["aphrodite --help", "lmdeploy convert a", "ramalama pull granite", "gpustack version"]
)
def test_what_such_a_program_does_without_a_model_is_no_load(line):
    with pytest.raises(UnknownProgram) as raised:
        read_launches(command(line))
    assert not isinstance(raised.value, UnknownEngine)


@pytest.mark.parametrize("other", ["aphrodite run c/d", "bash -c 'ramalama serve x'", "docker model run ai/x"])
def test_beside_a_load_that_is_judged_it_leaves_a_doubt(other):
    script = f"vllm serve a/b & {other}"
    (load,) = read_loads(Command(arguments=("bash", "-c", script), environment={"PATH": "/bin"}))
    assert any(isinstance(doubt, Uncounted) and "not known" in doubt for doubt in load.launches[0].doubts)


def test_check_says_that_it_cannot_be_judged(capsys):
    assert main(["check", "--simulate", "RTX 4090", "--", "lmdeploy", "serve", "api_server", "a/b"]) == 3
    assert "LMDeploy" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["nomad job run vllm.nomad", "nomad run vllm.nomad"])
def test_a_job_of_nomad_runs_elsewhere(line):
    with pytest.raises(LoadsElsewhere):
        read_launches(command(line))

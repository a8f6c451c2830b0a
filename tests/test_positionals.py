"""Words behind a shell's command are known in it; what stands for a model and is not known is never searched for."""

import pytest

from estimator.errors import Unjudgeable
from launches.command import Command
from launches.launch import Launch, read_launches
from tui.launched import model_of


def launch(*words: str) -> Launch:
    (found,) = read_launches(Command(arguments=words))
    return found


@pytest.mark.parametrize(
    ("script", "behind"),
    [
        ('vllm serve "$1" --max-model-len $2', ("_", "a/b", "2048")),
        ("vllm serve $0 --max-model-len ${1}", ("a/b", "2048")),
        ('vllm serve "$@"', ("_", "a/b", "--max-model-len", "2048")),
        ("exec vllm serve $*", ("_", "a/b", "--max-model-len", "2048")),
    ],
)
def test_words_behind_a_shells_command_are_its_parameters(script: str, behind: tuple[str, ...]) -> None:
    found = launch("bash", "-c", script, *behind)

    assert (found.source, found.context_tokens, found.unknown) == ("a/b", 2048, ())


@pytest.mark.parametrize("script", ['shift; vllm serve "$1"', 'f() { vllm serve "$1"; }; f c/d'])
def test_parameters_that_become_others_are_not_known(script: str) -> None:
    assert launch("bash", "-c", script, "_", "a/b").source == "$1"


@pytest.mark.parametrize("source", ["$0", "$1", "$MODEL"])
def test_a_model_that_a_variable_stands_for_is_not_searched_for(source: str) -> None:
    with pytest.raises(Unjudgeable, match="nothing here says what"):
        model_of(launch("vllm", "serve", source))

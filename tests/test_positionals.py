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


@pytest.mark.parametrize(
    ("script", "source"),
    [
        ('shift; vllm serve "$1"', "c/d"),
        ('f() { vllm serve "$1"; }; f e/f', "e/f"),
        ('set -- e/f; vllm serve "$1"', "e/f"),
        ('while x; do shift; done; vllm serve "$1"', "$1"),
    ],
)
def test_parameters_that_become_others_are_those(script: str, source: str) -> None:
    assert launch("bash", "-c", script, "_", "a/b", "c/d").source == source


@pytest.mark.parametrize("source", ["$0", "$1", "$MODEL"])
def test_a_model_that_a_variable_stands_for_is_not_searched_for(source: str) -> None:
    with pytest.raises(Unjudgeable, match="nothing here says what"):
        model_of(launch("vllm", "serve", source))

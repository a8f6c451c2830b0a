"""An engine behind words that are not understood is found, and the words are named."""

import pytest
from command_lines import launches_of

from launches.command import Command
from launches.errors import UnknownProgram
from launches.launch import read_launches
from launches.opened import opened_of


@pytest.mark.parametrize(
    ("before", "named"),
    [
        ("uvx --newer-option auto", "--newer-option auto"),
        ("uv run --newer-option x --other", "--newer-option x --other"),
        ("secrets run --for me --", "secrets run --for me"),
        ("secrets run -- nohup", "secrets run"),
    ],
)
def test_an_engine_behind_unknown_words_is_read_and_they_are_named(before, named):
    (launch,) = launches_of(f"{before} vllm serve a/b --max-model-len 4096")
    assert (launch.source, launch.context_tokens, launch.unknown) == ("a/b", 4096, (named,))


def test_a_shell_behind_unknown_words_is_opened_too():
    (launch,) = launches_of("secrets run -- bash -c 'vllm serve a/b'")
    assert (launch.source, launch.unknown) == ("a/b", ("secrets run",))


def test_the_engines_words_are_where_they_stand_in_the_whole_command():
    words = ("uvx", "--newer-option", "auto", "vllm", "serve", "a/b", "--max-model-len", "4096")
    (span,) = (span for span in read_launches(Command(arguments=words))[0].spans if span.flag == "--max-model-len")
    assert words[span.first] == "--max-model-len"


@pytest.mark.parametrize(
    "text",
    [
        "sudo -E systemctl start llama-server",
        "sudo --preserve-env killall llama-server",
        "pgrep -f -- vllm serve a/b",
        "sudo apt install ollama",
        "mytool -- llama-server",
        "mytool --of ollama",
    ],
)
def test_what_only_names_an_engine_starts_none(text):
    with pytest.raises(UnknownProgram):
        launches_of(text)


@pytest.mark.parametrize(
    "words",
    [
        ("less", "vllm", "serve", "a/b"),
        ("sudo", "rm", "vllm", "serve", "a/b"),
        ("pytest", "-k", "vllm serve a/b"),
        ("gh", "issue", "create", "--title", "vllm serve a/b"),
    ],
)
def test_what_is_read_or_moved_is_not_started(words):
    with pytest.raises(UnknownProgram):
        read_launches(Command(arguments=words))


def test_a_line_of_only_separators_ends():
    assert opened_of(Command(arguments=("x", *("--",) * 50))).program.name == "x"

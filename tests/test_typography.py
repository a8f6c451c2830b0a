"""A command comes out of a page as it was typed."""

import pytest

from launches.line import pieces_of, words_of

WORDS = ["llama-server", "-m", "a b", "--ctx-size", "8", "-ngl", "9"]


@pytest.mark.parametrize(
    "text",
    [
        "llama-server –m “a b” —ctx-size 8 –ngl 9",
        "llama-server -m ‘a b’ --ctx-size 8 -ngl 9",
        "llama-server\u00a0-m\u00a0'a b'\u00a0--ctx-size 8 -ngl 9\u200b",
        "llama-server \\ -m 'a b' \\ --ctx-size 8 \\ -ngl 9",
        "llama-server \\\n -m 'a b' \\   # the model\n --ctx-size 8 \\ #why\n -ngl 9",
        "llama-server \\\n\n -m 'a b' \\\n\n --ctx-size 8 -ngl 9",
        "@reboot llama-server -m 'a b' --ctx-size 8 -ngl 9",
        "2) llama-server -m 'a b' --ctx-size 8 -ngl 9",
    ],
)
def test_what_a_page_made_of_a_command_is_undone(text):
    assert words_of(text) == WORDS


def test_an_apostrophe_of_prose_opens_no_quote():
    assert words_of("it’s slow:\nllama-cli -m a") == ["llama-cli", "-m", "a"]


def test_a_dash_within_a_word_is_a_letter_of_its():
    assert words_of("llama-cli -m a–b.gguf") == ["llama-cli", "-m", "a–b.gguf"]


def test_the_script_of_a_shell_is_left_as_it_is():
    assert pieces_of("llama-cli -m a -p “b”", {})[0] == "llama-cli -m a -p “b”"

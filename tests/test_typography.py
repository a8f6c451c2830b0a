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


def test_options_on_lines_of_their_own_belong_to_the_command_before():
    assert words_of("llama-server -m 'a b'\n  --ctx-size 8\n  -ngl 9\ncurl -s http://a") == WORDS


def test_options_below_a_remark_belong_to_nothing():
    assert words_of("llama-cli -m a # so\n-c 8") == ["llama-cli", "-m", "a"]


@pytest.mark.parametrize(
    "around",
    ["2. run `{}` in bin", "It doesn't work: `{}`", "`{}`\nserver is started", "With `x` and\n`{}\n`\nit fails"],
)
def test_what_prose_marks_as_code_is_the_command(around):
    assert words_of(around.format("llama-cli -m a")) == ["llama-cli", "-m", "a"]


def test_what_a_shell_puts_in_place_of_a_command_is_no_span():
    assert words_of("llama-cli -m `llama-cli -m b` -c 8")[-2:] == ["-c", "8"]

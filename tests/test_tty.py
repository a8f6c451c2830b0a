"""What the terminal can show, by the variables that it sets."""

import pytest

from tui.tty import described_terminal


@pytest.mark.parametrize(
    ("environment", "n_colours"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, 1 << 24),
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "xterm-direct"}, 1 << 24),
        ({"WT_SESSION": "x"}, 1 << 24),
        ({"TERM": "alacritty", "SSH_TTY": "x"}, 1 << 24),
        ({"TERM": "xterm-kitty"}, 1 << 24),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, 256),
        ({"TERM": "screen"}, 8),
        ({"TERM": "screen.xterm-256color", "STY": "x", "COLORTERM": "truecolor"}, 256),
        ({"TERM": "screen.xterm-256color", "STY": "x", "WT_SESSION": "x"}, 256),
        ({"TERM": "linux"}, 8),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, 0),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, 0),
        ({}, 0),
    ],
)
def test_colours_are_told_by_the_environment(environment: dict[str, str], n_colours: int) -> None:
    assert described_terminal(environment, 80, 24, "utf-8").n_colours == n_colours


def test_ssh_and_multiplexers_are_seen() -> None:
    found = described_terminal({"SSH_CONNECTION": "x", "TMUX": "y"}, 80, 24, "UTF-8")

    assert (found.is_over_ssh, found.multiplexer, found.has_unicode) == (True, "tmux", True)


@pytest.mark.parametrize(("encoding", "has_unicode"), [("utf8", True), ("cp1252", False), ("", False)])
def test_glyphs_need_an_encoding_that_has_them(encoding: str, has_unicode: bool) -> None:
    assert described_terminal({}, 80, 24, encoding).has_unicode is has_unicode

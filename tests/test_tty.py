"""What the terminal can show, by the variables that it sets."""

import pytest

from tui.tty import described_terminal, has_glyphs


@pytest.mark.parametrize(
    ("environment", "n_colours"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, 1 << 24),
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "xterm-direct"}, 1 << 24),
        ({"WT_SESSION": "x"}, 1 << 24),
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


@pytest.mark.parametrize(
    "environment",
    [
        {"TERM": "xterm-256color"},
        {"TERM": "screen", "LANG": "de_DE.UTF-8"},
        {"LANG": "C"},
        {"LC_ALL": "", "LANG": "x.utf8"},
    ],
)
def test_most_terminals_have_blocks_and_heavy_lines(environment: dict[str, str]) -> None:
    assert has_glyphs(environment)


@pytest.mark.parametrize(
    "environment",
    [
        {"TERM": "linux", "LANG": "de_DE.UTF-8"},
        {"TERM": "vt220"},
        {"TERM": "xterm", "LC_ALL": "de_DE.ISO-8859-15@euro", "LANG": "C.UTF-8"},
    ],
)
def test_consoles_and_old_encodings_have_ascii(environment: dict[str, str]) -> None:
    assert not has_glyphs(environment)

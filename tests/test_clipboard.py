"""A text on its way to the clipboard: what stands between here and the terminal takes it as it must be wrapped."""

import re
from base64 import b64decode, b64encode

import pytest

from tui.clipboard import clipboard_commands, clipboard_escape, copy_by_command

TEXT = "llama-server -m 'Köln.gguf' -c 8192 " + "-ot x=CPU " * 60
PLAIN = f"\x1b]52;c;{b64encode(TEXT.encode()).decode()}\a"


@pytest.mark.parametrize("environment", [{"TERM": "xterm-256color"}, {}, {"TERM": "xterm-kitty", "SSH_TTY": "x"}])
def test_a_terminal_is_handed_the_text_in_one_piece(environment: dict[str, str]) -> None:
    assert clipboard_escape(TEXT, environment) == PLAIN


@pytest.mark.parametrize("environment", [{"TERM": "screen.xterm-256color"}, {"TERM": "xterm", "STY": "1.pts"}])
def test_screen_passes_on_pieces_that_each_are_wrapped(environment: dict[str, str]) -> None:
    escape = clipboard_escape(TEXT, environment)
    pieces = re.findall("\x1bP(.{1,240})\x1b\\\\", escape, re.DOTALL)

    assert "".join(pieces) == PLAIN
    assert sum(len(piece) + 4 for piece in pieces) == len(escape)


def test_tmux_on_this_machine_is_not_written_to() -> None:
    assert clipboard_escape(TEXT, {"TERM": "screen", "TMUX": "/tmp/x,1,0"}) == ""


def test_tmux_at_the_other_end_of_a_line_is_handed_it_in_both_ways() -> None:
    escape = clipboard_escape(TEXT, {"TERM": "tmux-256color", "SSH_TTY": "x"})
    assert escape == f"{PLAIN}\x1bPtmux;\x1b{PLAIN}\x1b\\"


@pytest.mark.parametrize("term", ["linux", "vt100", "dumb"])
def test_a_console_has_no_clipboard(term: str) -> None:
    assert clipboard_escape(TEXT, {"TERM": term}) == ""


def test_no_byte_of_a_text_gets_out_of_the_sequence() -> None:
    hostile = "\x1b\\\a\x1b]0;x\a"
    (handed,) = re.findall("\x1b\\]52;c;([A-Za-z0-9+/=]*)\a$", clipboard_escape(hostile, {}))
    assert b64decode(handed).decode() == hostile


@pytest.mark.parametrize(
    ("environment", "platform", "programs"),
    [
        ({}, "linux", []),
        ({"TMUX": "x"}, "linux", ["tmux"]),
        ({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, "linux", ["wl-copy", "xclip"]),
        ({"TERM_PROGRAM": "Apple_Terminal"}, "darwin", ["pbcopy"]),
        ({"SSH_CONNECTION": "x", "DISPLAY": ":10"}, "linux", []),
        ({"SSH_TTY": "x", "TMUX": "x"}, "darwin", ["tmux"]),
    ],
)
def test_programs_are_those_of_the_place_where_the_person_is(
    environment: dict[str, str], platform: str, programs: list[str]
) -> None:
    assert [group[0][0] for group in clipboard_commands(environment, platform)] == programs


def test_the_second_of_a_group_is_for_where_the_first_fails() -> None:
    asked: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], text: bytes) -> bool:
        asked.append(command)
        return "-w" not in command

    assert copy_by_command("x", {"TMUX": "x"}, "linux", run) == "copied to tmux"
    assert asked == [("tmux", "load-buffer", "-w", "-"), ("tmux", "load-buffer", "-")]


@pytest.mark.parametrize("environment", [{"TMUX": "x"}, {"DISPLAY": ":0"}])
def test_a_text_that_a_clipboard_has_is_copied(environment: dict[str, str]) -> None:
    assert copy_by_command("x", environment, "linux", lambda *_: True) == "copied"


def test_a_text_that_a_clipboard_beside_an_old_tmux_has_is_copied() -> None:
    environment = {"TMUX": "x", "DISPLAY": ":0"}
    assert copy_by_command("x", environment, "linux", lambda command, _: "-w" not in command) == "copied"


def test_a_program_that_is_not_there_copies_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert not copy_by_command("x", {"DISPLAY": ":0"}, "linux")

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from signal import SIGCONT, SIGTSTP
from typing import Any

import pytest

from tui.terminal import (
    CELLS_BY_SCRIPT,
    CELLS_IN_ORDER,
    ERASED,
    HANGUP_STATUS,
    has_glyphs,
    is_gone,
    is_in_screen,
    mind_stops,
    wants_mouse,
)


def test_a_terminal_is_there_until_its_other_end_is_closed() -> None:
    ours, theirs = pty.openpty()
    assert not is_gone(theirs)
    os.close(ours)
    assert is_gone(theirs)
    os.close(theirs)


def test_what_is_no_terminal_is_gone(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        assert is_gone(file.fileno())


WATCHED = """
import os, time
from tui import terminal
terminal.WATCH_SECONDS = 0.01
terminal.leave_with_terminal(1)
os.write(1, b"on")
time.sleep(60)
"""


def test_a_program_that_ignores_the_hang_up_leaves_all_the_same() -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.execv(sys.executable, [sys.executable, "-c", WATCHED])
    assert os.read(terminal, 64).startswith(b"on")
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == HANGUP_STATUS


LEAVING = """
import os, time
from tui import terminal
terminal.LEAVE_SECONDS = {patience}
def leave(status):
    {leave}
terminal.leave_on_signals(leave, 1)
os.write(1, b"on")
time.sleep(60)
"""


def status_after(number: signal.Signals, leave: str, patience: float, ignored: signal.Signals | None = None) -> int:
    """Of a program that gets this signal while it waits."""
    pid, terminal = pty.fork()
    if pid == 0:
        if ignored is not None:
            signal.signal(ignored, signal.SIG_IGN)
        os.execv(sys.executable, [sys.executable, "-c", LEAVING.format(leave=leave, patience=patience)])
    assert os.read(terminal, 64).startswith(b"on")
    if ignored is not None:
        os.kill(pid, ignored)
    os.kill(pid, number)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return status


def test_a_signal_that_ends_a_program_leads_to_its_orderly_way_out() -> None:
    assert status_after(signal.SIGTERM, "os._exit(status - 100)", patience=60) == 128 + signal.SIGTERM - 100


def test_where_the_orderly_way_out_is_blocked_it_leaves_all_the_same() -> None:
    assert status_after(signal.SIGHUP, "time.sleep(60)", patience=0.01) == 128 + signal.SIGHUP


def test_a_signal_that_somebody_wants_ignored_stays_ignored() -> None:
    assert status_after(signal.SIGTERM, "os._exit(status - 100)", patience=60, ignored=signal.SIGHUP) == 43


SHOWN = """
from tui.app import PlimsollApp
app = PlimsollApp()
app.call_later(app.exit)
app.run()
"""


def written_on(term: str, *arguments: str) -> bytes:
    """By the app, from its start to its end."""
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = arguments or ("-c", SHOWN)
        os.execve(sys.executable, [sys.executable, *arguments], {**os.environ, "TERM": term})
    written = b""
    with suppress(OSError):  # what Linux says once the other end is closed
        while read := os.read(terminal, 65536):
            written += read
    os.close(terminal)
    os.waitpid(pid, 0)
    return written


def test_the_terminal_orders_no_cells_by_script_while_the_app_is_on_it() -> None:
    written = written_on("xterm-256color")

    assert written.count(CELLS_IN_ORDER.encode()) == 1
    assert written.rfind(CELLS_BY_SCRIPT.encode()) > written.find(CELLS_IN_ORDER.encode())


def test_a_console_is_left_empty_and_is_sent_nothing_that_it_would_show() -> None:
    written = written_on("linux")

    assert ERASED.encode() in written[: written.rfind(b"\x1b[?1049l")]
    assert not re.search(rb"\x1b\[[<>]|\$p", written)


def test_a_terminal_that_can_place_nothing_is_given_a_report() -> None:
    written = written_on("dumb", "-m", "tui", "--simulate", "RTX 4090, used 4GiB")
    assert b"RTX 4090" in written
    assert b"\x1b" not in written


LINGERING = """
import atexit, sys, time
from tui.terminal import leave_at_once
atexit.register(time.sleep, 60)
sys.stdout.write("said")
leave_at_once(3)
"""


def test_what_lingers_at_the_end_of_an_interpreter_is_not_waited_for() -> None:
    done = subprocess.run([sys.executable, "-c", LINGERING], stdout=subprocess.PIPE, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (3, "said")


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


@pytest.mark.parametrize(
    ("environment", "is_in"),
    [
        ({"TERM": "screen.xterm-256color"}, True),
        ({"TERM": "xterm", "STY": "7.pts-0.host"}, True),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, False),
        ({"TERM": "tmux-256color"}, False),
        ({"TERM": "xterm-256color"}, False),
    ],
)
def test_screen_is_told_from_tmux(environment: dict[str, str], is_in: bool) -> None:
    assert is_in_screen(environment) is is_in


@pytest.mark.parametrize(
    ("switch", "term", "wants"),
    [
        ("auto", "xterm", True),
        ("auto", "screen", False),
        ("on", "screen", True),
        ("off", "xterm", False),
    ],
)
def test_the_mouse_is_told_of_where_it_does_no_harm(switch: str, term: str, wants: bool) -> None:
    assert wants_mouse(switch, {"TERM": term}) is wants


def test_a_stopped_app_leaves_the_order_of_cells_to_the_terminal() -> None:
    written: list[str] = []
    before = [signal.signal(number, lambda *_: written.append("as before")) for number in (SIGTSTP, SIGCONT)]
    try:
        mind_stops(written.append)
        signal.raise_signal(SIGTSTP)
        signal.raise_signal(SIGCONT)
    finally:
        for number, handler in zip((SIGTSTP, SIGCONT), before, strict=True):
            signal.signal(number, handler)
    assert written == [CELLS_BY_SCRIPT, "as before", "as before", CELLS_IN_ORDER]


@pytest.mark.parametrize(
    ("begun", "waits"),
    [({"process_group": 0}, "True"), ({"start_new_session": True}, "False"), ({}, "False")],
    ids=["a shell", "a session of its own", "a wrapper"],
)
def test_a_shell_waits_where_the_parent_is_of_the_same_session_and_another_group(begun: Any, waits: str) -> None:
    command = [sys.executable, "-c", "from tui.terminal import has_shell; print(has_shell())"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **begun)
    assert done.stdout.strip() == waits

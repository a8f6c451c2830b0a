"""The terminal that the app is on, and that may go away: an SSH line drops, a window is closed.

The system says so with SIGHUP, which ends the app; but a program started with ``nohup`` ignores it, and would go on
reading a terminal that is no more, at the price of a whole core (measured: 1.3 cores with Textual 8.2.8).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

WATCH_SECONDS = 1.0
CELLS_IN_ORDER, CELLS_BY_SCRIPT = "\x1b[8l", "\x1b[8h"
"""Bi-directional support mode of ECMA-48, explicit and implicit.

Where the terminal orders cells by script, as some do by default, a name in Hebrew or Arabic would turn round the bar
and the figures that follow it. A program that asks for the one when it starts is to ask for the other when it ends
(terminal-wg.pages.freedesktop.org/bidi/recommendation/escape-sequences.html, read 2026-11-26).
"""


def mind_stops(write: Callable[[str], object]) -> None:
    """Leave the order of cells to the terminal while the app is stopped (SIGTSTP), as all else of it is put back.

    To be called once there are handlers of Textual's own, which stop the process, and draw again when it goes on.

    Args:
        write: to the terminal, in order with what is drawn.
    """
    if os.name == "nt":
        return
    stop, go_on = signal.getsignal(signal.SIGTSTP), signal.getsignal(signal.SIGCONT)
    if not (callable(stop) and callable(go_on)):  # drawn elsewhere: in a browser
        return

    def stopped(number: int, frame: FrameType | None) -> None:
        write(CELLS_BY_SCRIPT)
        stop(number, frame)

    def continued(number: int, frame: FrameType | None) -> None:
        go_on(number, frame)
        write(CELLS_IN_ORDER)

    signal.signal(signal.SIGTSTP, stopped)
    signal.signal(signal.SIGCONT, continued)


def has_shell() -> bool:
    """Whether a shell goes on while this is stopped: the parent is of the same session, and of another group.

    Where none does (``ssh host plimsoll``, a window of tmux of its own), nobody would let it go on.
    """
    if os.name == "nt":
        return False
    parent = os.getppid()
    try:
        return os.getsid(parent) == os.getsid(0) and os.getpgid(parent) != os.getpgrp()
    except OSError:  # it has ended, or is of another container
        return False


HANGUP_STATUS = 129
"""128 and SIGHUP: what a shell reports of a program that the signal ended."""


_FEW_GLYPHS = ("linux", "vt1", "vt2", "vt3", "vt4", "vt5", "ansi", "cons25", "wsvt25")
"""How TERM begins on consoles whose fonts lack blocks in eighths, heavy lines and ``●``.

That of Linux has 256 or 512 glyphs; its own are those of code page 437 (drivers/tty/vt/cp437.uni of the kernel).
"""


def has_few_glyphs(environment: Mapping[str, str]) -> bool:
    """Whether it is such a console."""
    return environment.get("TERM", "").startswith(_FEW_GLYPHS)


def has_glyphs(environment: Mapping[str, str]) -> bool:
    """Whether the terminal can be taken to show more than ASCII: neither its kind nor the locale says otherwise."""
    if has_few_glyphs(environment):
        return False
    locale = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := environment.get(name))), "")
    _, _, encoding = locale.partition(".")  # without one (C, POSIX) nothing is said of the terminal
    return not encoding or encoding.partition("@")[0].casefold().replace("-", "") == "utf8"


_TRUE_COLOURS = ("alacritty", "foot", "kitty", "ghostty", "wezterm")
"""In TERM, terminals that say COLORTERM=truecolor on their own machine, which SSH does not hand on (seen with kitty
0.26.5 and alacritty 0.11.0; foot(1), "Environment"; ghostty.org and wezterm.org, their pages on TERM)."""


def has_true_colours(environment: Mapping[str, str]) -> bool:
    """Whether the terminal draws 16 million colours; what draws here goes by COLORTERM alone (rich 14).

    Windows Terminal says so by WT_SESSION alone, also to programs of WSL. GNU screen hands on what its terminal says,
    and takes the parts of such a colour for dim, blinking and inverse (measured with 4.9.0).
    """
    if is_in_screen(environment):
        return False
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return True
    term = environment.get("TERM", "")
    return "WT_SESSION" in environment or term.endswith("-direct") or term.removeprefix("xterm-") in _TRUE_COLOURS


def is_in_screen(environment: Mapping[str, str]) -> bool:
    """Whether GNU screen lies between here and the terminal: on this machine, or where an SSH line comes from.

    tmux calls itself ``tmux-256color`` (3.3a), older ones ``screen``, and says TMUX on its own machine.
    """
    return not environment.get("TMUX") and (
        bool(environment.get("STY")) or environment.get("TERM", "").startswith("screen")
    )


def wants_mouse(switch: str, environment: Mapping[str, str]) -> bool:
    """Whether the terminal is to tell of the mouse, by the setting.

    While it does, GNU screen 4.9 keeps an escape key to itself until the next key comes (measured with either of the
    modes 1000 and 1003): nothing would lead back.
    """
    return switch == "on" or (switch == "auto" and not is_in_screen(environment))


def leaves_traces(environment: Mapping[str, str]) -> bool:
    """Whether the last character of a question about a mode (``CSI ? 2026 $ p``) would be shown.

    So do consoles of Linux before EScsiignore came into drivers/tty/vt/vt.c, and macOS' Terminal
    (textual.drivers.linux_driver of 8.2.8, which spares it one such question of two).
    """
    return has_few_glyphs(environment) or environment.get("TERM_PROGRAM") == "Apple_Terminal"


def leave_with_terminal(descriptor: int) -> None:
    """End the process within seconds once the terminal behind this descriptor is gone.

    There is no screen left to restore, and a writer that is stuck in it could hold up any orderly way out.
    """
    if os.name == "nt" or is_gone(descriptor):
        return

    def watch() -> None:
        while not is_gone(descriptor):
            time.sleep(WATCH_SECONDS)
        os._exit(HANGUP_STATUS)

    Thread(target=watch, name="terminal", daemon=True).start()


def leave_with_parent() -> None:
    """The same where another program draws what this one shows: nobody sees it once that has ended, however it did."""
    if os.name == "nt":  # a process has the same parent there for good
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(HANGUP_STATUS)

    Thread(target=watch, name="parent", daemon=True).start()


def is_gone(descriptor: int) -> bool:
    """Whether the terminal no longer answers, as after a hang-up; so does what never was one."""
    try:
        os.get_terminal_size(descriptor)
    except OSError:
        return True
    return False


def leave_at_once(status: int) -> NoReturn:
    """End the process after all has been put away, without what an interpreter and its libraries still do then.

    A driver that hangs in a call may hang in its library's way out as well (measured with a simulated one: 0.5 s from
    the last of the app's own work to the end of the process, of 0.75 since ``q``).
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or none
            stream.flush()
    os._exit(status)


LEAVE_SECONDS = 2.0
"""So long an orderly way out may take after a signal, while a terminal that reads nothing holds up every write."""
ERASED = "\x1b[0m\x1b[H\x1b[2J"
"""Before the screen of before is asked for: consoles, and GNU screen unless told otherwise, have none, and would leave
the shell's next line in the midst of the last picture."""
_RESTORING = (
    b"\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l\x1b[?2048l\x1b[?2004l\x1b[?7h\x1b[<u"
    + ERASED.encode()
    + CELLS_BY_SCRIPT.encode()
    + b"\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
"""Mouse, paste, lines and keys as they are without an app, the screen of before, the cursor."""


def leave_on_signals(leave: Callable[[int], object], descriptor: int) -> None:
    """Take the orderly way out at SIGTERM and SIGHUP, which would else leave the screen as it is.

    Args:
        leave: called on a thread of its own with the exit status, as a shell reports it; may never return.
        descriptor: of the terminal, whose modes of now are put back where that takes too long.
    """
    if os.name == "nt":
        return
    import termios  # noqa: PLC0415  # not on Windows

    try:
        modes = termios.tcgetattr(descriptor)
    except termios.error:  # no terminal
        modes = None

    def give_up(status: int) -> None:
        time.sleep(LEAVE_SECONDS)
        with suppress(OSError, termios.error, ValueError):
            if modes is not None:
                termios.tcsetattr(descriptor, termios.TCSANOW, modes)
            _write_what_it_takes(descriptor, _RESTORING)
        os._exit(status)

    def ended(number: int, _frame: object) -> None:
        status = 128 + number
        for work in (give_up, leave):
            Thread(target=work, args=(status,), name="leaving", daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # else somebody wants it ignored: nohup
            signal.signal(number, ended)


def _write_what_it_takes(descriptor: int, data: bytes) -> None:
    """Nothing where it would have to be waited for."""
    import select  # noqa: PLC0415

    if select.select((), (descriptor,), (), 0)[1]:
        os.write(descriptor, data)

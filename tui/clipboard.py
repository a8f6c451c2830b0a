"""A text to the clipboard of whoever looks at the screen: by a program that can, and through the terminal.

OSC 52 (invisible-island.net/xterm/ctlseqs/ctlseqs.html) hands it to the terminal, at the other end of an SSH line as
well. Nothing says whether it was taken: xterm and VTE's terminals do not by default, nor does macOS' own. Two that
stand in between keep it to themselves (measured with tmux 3.3a and GNU screen 4.9.0): tmux unless ``set-clipboard`` is
``on``, which it is not by default, and screen always. tmux has a command for it, screen passes on what is wrapped in
DCS.
"""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

from tui.terminal import has_few_glyphs, is_in_screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

COPIED, WITHIN_TMUX = "copied", "copied to tmux"
"""What was reached: a clipboard, or only what tmux itself pastes."""
_TMUX_ALONE = ("tmux", "load-buffer", "-")
_PATIENCE_SECONDS = 2.0
"""A display that is no more may never answer."""
_PIECE = 240
"""Characters that screen is given at a time: as few as any version of it takes (4.9 takes 690 and more)."""
_DCS, _END = "\x1bP", "\x1b\\"

Command = tuple[str, ...]


def clipboard_escape(text: str, environment: Mapping[str, str]) -> str:
    """What to write to the terminal; nothing where it has no clipboard, or a command of tmux does it."""
    if environment.get("TMUX") or not has_clipboard(environment):
        return ""
    plain = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a"
    if is_in_screen(environment):
        pieces = (plain[start : start + _PIECE] for start in range(0, len(plain), _PIECE))
        return "".join(f"{_DCS}{piece}{_END}" for piece in pieces)
    if environment.get("TERM", "").startswith("tmux"):  # at the other end of a line: as it is set there
        return f"{plain}{_DCS}tmux;\x1b{plain}{_END}"
    return plain


def has_clipboard(environment: Mapping[str, str]) -> bool:
    """Whether the terminal may have one: consoles have none."""
    return environment.get("TERM", "") not in ("dumb", "unknown") and not has_few_glyphs(environment)


def clipboard_commands(environment: Mapping[str, str], platform: str) -> Iterator[tuple[Command, ...]]:
    """Of each group the first that does it is enough; each is given the text as its input.

    Args:
        environment: of this process.
        platform: as ``sys.platform`` says it.
    """
    if environment.get("TMUX"):  # -w, also to the terminal, came with tmux 3.2
        yield (("tmux", "load-buffer", "-w", "-"), _TMUX_ALONE)
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):  # the clipboard here is somebody else's
        return
    if platform == "darwin":
        yield (("pbcopy",),)
    if environment.get("WAYLAND_DISPLAY"):
        yield (("wl-copy",),)
    if environment.get("DISPLAY"):
        yield (("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input"))


def copy_by_command(
    text: str,
    environment: Mapping[str, str],
    platform: str,
    run: Callable[[Command, bytes], bool] | None = None,
) -> str:
    """Where it is then; empty where none of them took it. May take seconds: not for the thread that draws."""
    run = run or _has_run
    taken = [
        next((command for command in group if run(command, text.encode())), None)
        for group in clipboard_commands(environment, platform)
    ]
    if any(command not in (None, _TMUX_ALONE) for command in taken):
        return COPIED
    return WITHIN_TMUX if _TMUX_ALONE in taken else ""


def _has_run(command: Command, text: bytes) -> bool:
    try:
        done = subprocess.run(  # noqa: S603  # a fixed command; the text is its input alone
            command,
            input=text,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0

"""A notification of the desktop through the terminal, by the escape sequence that it is known to have.

OSC 9 is iTerm2's (iterm2.com/documentation-escape-codes.html), which WezTerm, Ghostty and Windows Terminal know; OSC
777 came with rxvt-unicode, and foot and VTE's terminals follow it; OSC 99 is kitty's own
(sw.kovidgoyal.net/kitty/desktop-notifications). Inside tmux and screen none gets through unless that was set up:
nothing is sent.
"""

from collections.abc import Mapping

from tui.humanize import plain

_LIMIT = 200
_OSC, _END = "\x1b]", "\x1b\\"


def notification_escape(title: str, message: str, environment: Mapping[str, str]) -> str:
    """What to write to the terminal; nothing where it has no such thing, as far as one can tell."""
    title, message = (plain(text, _LIMIT).replace(";", ",") for text in (title, message))
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if environment.get("TMUX") or term.startswith(("screen", "tmux")):
        return ""
    if environment.get("KITTY_WINDOW_ID") or term == "xterm-kitty":
        return f"{_OSC}99;i=plimsoll:d=0;{title}{_END}{_OSC}99;i=plimsoll:p=body;{message}{_END}"
    if program in ("iTerm.app", "WezTerm", "ghostty") or environment.get("WT_SESSION"):
        return f"{_OSC}9;{title}: {message}{_END}"
    if term.startswith(("rxvt", "foot")) or environment.get("VTE_VERSION"):
        return f"{_OSC}777;notify;{title};{message}{_END}"
    return ""

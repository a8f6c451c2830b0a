"""What the terminal can show, told by the environment alone: nothing is asked of it."""

import os
import sys
from collections.abc import Mapping

from records.record import record
from tui.terminal import has_true_colours

LEAST_COLUMNS, LEAST_ROWS = 80, 24
"""What the screen is made for."""


@record(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Of this process."""

    kind: str
    """TERM, or what stands for it; empty where there is none."""
    program: str
    """What draws it, where it says so."""
    n_colours: int
    """0, 8, 256 or 16 777 216."""
    columns: int | None
    """None where the output is no terminal."""
    rows: int | None
    encoding: str
    is_over_ssh: bool
    multiplexer: str
    """``tmux``, ``screen`` or empty."""

    @property
    def has_unicode(self) -> bool:
        """Whether bars and glyphs can be shown as they are."""
        return self.encoding.lower().replace("-", "") in ("utf8", "utf16", "utf8sig")


def this_terminal(environment: Mapping[str, str]) -> Terminal:
    """The one that standard output is connected to."""
    encoding = getattr(sys.stdout, "encoding", None) or ""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):  # no terminal, a closed or a replaced stream
        return described_terminal(environment, None, None, encoding)
    return described_terminal(environment, size.columns, size.lines, encoding)


def described_terminal(
    environment: Mapping[str, str], columns: int | None, rows: int | None, encoding: str
) -> Terminal:
    """By the variables that terminals and their hosts set."""
    kind = environment.get("TERM", "")
    return Terminal(
        kind=kind,
        program=environment.get("TERM_PROGRAM", "") or ("Windows Terminal" if "WT_SESSION" in environment else ""),
        n_colours=_n_colours(environment, kind),
        columns=columns,
        rows=rows,
        encoding=encoding,
        is_over_ssh="SSH_CONNECTION" in environment or "SSH_TTY" in environment,
        multiplexer="tmux" if "TMUX" in environment else "screen" if "STY" in environment else "",
    )


def _n_colours(environment: Mapping[str, str], kind: str) -> int:
    """As it is decided for the screen; NO_COLOR (no-color.org) and ``dumb`` mean none."""
    if environment.get("NO_COLOR") or kind in ("dumb", "unknown"):
        return 0
    if has_true_colours(environment):
        return 1 << 24
    if kind.endswith("256color"):
        return 256
    return 8 if kind else 0

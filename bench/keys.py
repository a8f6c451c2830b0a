"""How long a key press waits for the picture that answers it, seen from outside. Linux, standard library only.

From the key's first byte to the end of the first update after it (synchronized output, which Textual apps use): reading
it, what it does, composing and writing. Pressed at changing moments between two readings, while those go on.
"""

import time

from screen import UPDATES, Terminal

START_SECONDS, ANSWER_SECONDS = 30.0, 2.0
N_KEYS = 40
"""Pairs of a screen opened and left."""
SCREENS = "ghxp"
NAMES = ("qwen3 30b", "llama 3.1 70b", "deepseek r1")


def key_waits_ms(command: list[str], ready: str, env: dict[str, str]) -> list[float]:
    """Of keys that open a screen, and of those that lead back."""
    terminal = _opened(command, ready, env)
    try:
        waits = []
        for number in range(N_KEYS):
            for key in (SCREENS[number % len(SCREENS)], "\x1b[27u"):  # escape as kitty's protocol has it: at once
                waits.append(_answered_ms(terminal, key))
                _rest(terminal, 0.1 + 0.037 * (number % 11))
        return [wait for wait in waits if wait is not None]
    finally:
        terminal.end()


def letter_waits_ms(command: list[str], ready: str, env: dict[str, str]) -> list[float]:
    """Of letters by which the list of models is filtered."""
    terminal = _opened(command, ready, env)
    try:
        terminal.write(b"m")
        _rest(terminal, 3.0)  # the verdicts of what is in sight are found aside
        waits = []
        for name in NAMES:
            for letter in name:
                waits.append(_answered_ms(terminal, letter))
                _rest(terminal, 0.3)
            for _ in name:
                terminal.write(b"\x7f")
            _rest(terminal, 1.0)
        return [wait for wait in waits if wait is not None]
    finally:
        terminal.end()


def _opened(command: list[str], ready: str, env: dict[str, str]) -> Terminal:
    terminal = Terminal(command, env)
    while not terminal.shows([ready]) and time.perf_counter() - terminal.started < START_SECONDS:
        terminal.read(0.1)
    _rest(terminal, 2.0)
    return terminal


def _answered_ms(terminal: Terminal, key: str) -> float | None:
    """None where nothing was drawn."""
    terminal.painted = b""
    begun = time.perf_counter()
    terminal.write(key.encode())
    while time.perf_counter() - begun < ANSWER_SECONDS:
        terminal.read(0.05)
        if UPDATES.search(terminal.painted):
            return (time.perf_counter() - begun) * 1e3
    return None


def _rest(terminal: Terminal, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        terminal.read(left)

"""A terminal's keys, waited for: Textual's own driver (8.2) looks for some ten times a second.

Measured at one reading a second on eight GPUs: 0.9 of 8 ms of processor time a second. And leaving waits for the last
look, up to 0.2 s.
"""

import os
import select
import sys
import time
from codecs import getincrementaldecoder
from contextlib import suppress
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.messages import TerminalSupportsSynchronizedOutput

from tui.round_trip import QUESTION, AnswerSieve, RoundTrip
from tui.terminal import ERASED, has_few_glyphs, leaves_traces

_BEGUN_SECONDS = 0.05
"""While what has come may be the begin of more: an escape character alone is a key after 0.1 s."""
_LONGEST_SECONDS = 5.0
"""Should nobody wake it; each time takes 0.1 ms of processor time."""
_SET_SECONDS = 1.0
"""From being woken, until it is told why."""
_SETTLE_SECONDS = 1.5
"""So long leaving waits for an answer that is under way, or the shell would get it as if it had been typed; less than
an orderly way out may take after a signal (``terminal.LEAVE_SECONDS``)."""
_KEYBOARD = ("\x1b[>", "\x1b[<")
"""How kitty's protocol for keys is switched on and off."""
_PIXELS_OFF = "\x1b[?1016l"


class PatientDriver(LinuxDriver):
    """Sleeps until there is something to read, or it is told to stop."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._woken, False)
        self.round_trip = RoundTrip()
        self._sieve = AnswerSieve()
        self._is_console, self._leaves_traces = has_few_glyphs(os.environ), leaves_traces(os.environ)

    def write(self, data: str) -> None:
        if not (self._is_console and data.startswith(_KEYBOARD)):  # older ones would show the last character
            super().write(data)

    def use_mouse(self, *, is_wanted: bool) -> None:
        """Let the terminal tell of it, or let it select text as without an app."""
        if is_wanted == self._mouse:
            return
        if is_wanted:
            self._mouse = True
            self._enable_mouse_support()
            if self._in_band_window_resize:
                self._enable_mouse_pixels()
        else:
            self._disable_mouse_support()
            self._mouse = False

    def _disable_mouse_support(self) -> None:
        super()._disable_mouse_support()
        if self._mouse_pixels:  # which the library leaves as they are
            self._mouse_pixels = False
            self.write(_PIXELS_OFF)

    def stop_application_mode(self) -> None:
        self.write(ERASED)
        super().stop_application_mode()

    def _get_terminal_size(self) -> tuple[int, int]:
        """As the library's, without shutil and what unpacks archives for it: 3 of 200 ms to the first picture.

        The variables come first, as in ``shutil.get_terminal_size``.
        """
        stated = [os.environ.get(name, "") for name in ("COLUMNS", "LINES")]
        width, height = (int(text) if text.isdecimal() else 0 for text in stated)
        if not (width and height):
            with suppress(AttributeError, ValueError, OSError):  # no output, or none to a terminal
                size = os.get_terminal_size(sys.__stdout__.fileno())  # type: ignore[union-attr]
                width, height = width or size.columns, height or size.lines
        return width or 80, height or 24

    def ask_terminal(self) -> None:
        """Let the terminal answer once it has shown all that was written before; how long that takes is noted."""
        if self.round_trip.is_due and not self._leaves_traces:
            self.round_trip.ask()
            self.write(QUESTION)

    def _request_terminal_sync_mode_support(self) -> None:
        """The library's first question is the same, before there is any picture."""
        if self._leaves_traces:
            return
        if self.input_tty:
            self.round_trip.ask()
        super()._request_terminal_sync_mode_support()

    def _query_in_band_window_resize(self) -> None:
        if not self._leaves_traces:
            super()._query_in_band_window_resize()

    def disable_input(self) -> None:
        self.round_trip.settle(_SETTLE_SECONDS)
        os.write(self._waking, b"\0")
        super().disable_input()

    def run_input_thread(self) -> None:
        """Until told to stop; raises OSError where the terminal is gone."""
        parser, decode = XTermParser(self._debug), getincrementaldecoder("utf-8")("replace").decode
        self._forget_waking()
        while not self.exit_event.is_set():
            is_begun = parser._timeout_time is not None or self._sieve.is_holding
            seconds = _BEGUN_SECONDS if is_begun else _LONGEST_SECONDS
            ready, _, _ = select.select([self.fileno, self._woken], [], [], seconds)
            if self._woken in ready and not self.exit_event.wait(_SET_SECONDS):  # which is set right after
                self._forget_waking()
            if self.fileno in ready:
                content = os.read(self.fileno, 4096)
                if not content:  # the terminal has ended: nothing more will come
                    return
                text = self._without_answers(decode(content))
            else:
                text = self._without_answers("") if self._sieve.is_holding else ""
            if text:  # a part of a character is none yet; to the parser, no text is the end
                for event in parser.feed(text):
                    self.process_message(event)
            for event in parser.tick():
                self.process_message(event)

    def _without_answers(self, text: str) -> str:
        """To the library's parser, an answer in the midst of a paste would be a part of it."""
        trip = self.round_trip
        text, answers = self._sieve.sift(text, time.monotonic(), is_awaited=trip.waiting_seconds > 0)
        for mode in answers:
            if mode and trip.quickest_seconds is None:
                self.process_message(TerminalSupportsSynchronizedOutput())
            trip.answer()
        return text

    def _forget_waking(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._woken, 64)

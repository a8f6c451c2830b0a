"""A terminal's keys, waited for: Textual's own driver (8.2) looks for some ten times a second.

Measured at one reading a second on eight GPUs: 0.9 of 8 ms of processor time a second. And leaving waits for the last
look, up to 0.2 s.
"""

import os
import select
from codecs import getincrementaldecoder
from contextlib import suppress
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

_BEGUN_SECONDS = 0.05
"""While what has come may be the begin of more: an escape character alone is a key after 0.1 s."""
_LONGEST_SECONDS = 1.0
"""Should nobody wake it."""


class PatientDriver(LinuxDriver):
    """Sleeps until there is something to read, or it is told to stop."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._woken, False)

    def disable_input(self) -> None:
        os.write(self._waking, b"\0")
        super().disable_input()

    def run_input_thread(self) -> None:
        """Until told to stop; raises OSError where the terminal is gone."""
        parser, decode = XTermParser(self._debug), getincrementaldecoder("utf-8")("replace").decode
        self._forget_waking()
        while not self.exit_event.is_set():
            seconds = _LONGEST_SECONDS if parser._timeout_time is None else _BEGUN_SECONDS
            ready, _, _ = select.select([self.fileno, self._woken], [], [], seconds)
            if self._woken in ready and not self.exit_event.wait(_LONGEST_SECONDS):  # which is set right after
                self._forget_waking()
            if self.fileno in ready:
                content = os.read(self.fileno, 4096)
                if not content:  # the terminal has ended: nothing more will come
                    return
                if text := decode(content):  # a part of a character is none yet; to the parser, no text is the end
                    for event in parser.feed(text):
                        self.process_message(event)
            for event in parser.tick():
                self.process_message(event)

    def _forget_waking(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._woken, 64)

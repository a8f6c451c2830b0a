"""Keys come from the terminal as they do by the library's own driver, and leaving is not waited for."""

import os
import shutil
from collections.abc import Iterator
from queue import Empty, Queue
from threading import Thread, Timer

import pytest
from textual.app import App
from textual.events import Key
from textual.message import Message
from textual.messages import TerminalSupportsSynchronizedOutput

pytest.importorskip("termios")

from tui.app import PlimsollApp
from tui.patient_driver import PatientDriver

PATIENCE_SECONDS = 10.0
"""Only a broken test waits for so long."""


class Heard(PatientDriver):
    def __init__(self) -> None:
        super().__init__(App())
        self.messages: Queue[Message] = Queue()
        self.written = ""

    def write(self, data: str) -> None:
        """There is nobody to read it, but this test."""
        self.written += data

    def process_message(self, message: Message) -> None:
        self.messages.put(message)

    def keys(self, number: int) -> list[str]:
        heard: list[str] = []
        while len(heard) < number:
            message = self.messages.get(timeout=PATIENCE_SECONDS)
            if isinstance(message, Key):
                heard.append(message.key)
        return heard


@pytest.fixture
async def driver() -> Heard:
    return Heard()


@pytest.fixture
def terminal(driver: Heard) -> Iterator[int]:
    """What is written here, the driver reads."""
    driver.fileno, writer = os.pipe()
    driver._key_thread = Thread(target=driver.run_input_thread, daemon=True)
    driver._key_thread.start()
    yield writer
    driver.disable_input()
    os.close(writer)
    os.close(driver.fileno)


def test_keys_are_heard_in_their_order(driver: Heard, terminal: int) -> None:
    os.write(terminal, "aé\x1b[B".encode())

    assert driver.keys(3) == ["a", "é", "down"]


def test_an_escape_alone_is_a_key(driver: Heard, terminal: int) -> None:
    os.write(terminal, b"\x1b")

    assert driver.keys(1) == ["escape"]


def test_a_key_whose_bytes_come_one_by_one_is_one_key(driver: Heard, terminal: int) -> None:
    for byte in "日".encode():
        os.write(terminal, bytes([byte]))

    assert len(driver.keys(1)[0]) == 1


def test_bytes_that_are_no_text_do_not_end_it(driver: Heard, terminal: int) -> None:
    os.write(terminal, b"\xff\xfea")
    while "a" not in driver.keys(1):
        pass


def test_it_stops_when_told_and_can_begin_again(driver: Heard, terminal: int) -> None:
    first = driver._key_thread
    driver.disable_input()

    assert first is not None
    assert not first.is_alive()

    driver._key_thread = Thread(target=driver.run_input_thread, daemon=True)
    driver._key_thread.start()
    os.write(terminal, b"z")

    assert driver.keys(1) == ["z"]
    with pytest.raises(Empty):
        driver.messages.get_nowait()


def test_an_answer_is_timed_and_no_key(driver: Heard, terminal: int) -> None:
    driver.ask_terminal()
    assert driver.written == "\x1b[?2026$p"

    os.write(terminal, b"\x1b[?2026;")
    os.write(terminal, b"2$ya")

    assert driver.keys(1) == ["a"]
    assert driver.round_trip.n_answers == 1
    assert driver.messages.empty()


def test_what_the_library_asked_for_at_its_start_is_told_to_it(driver: Heard, terminal: int) -> None:
    driver.input_tty = True
    driver._request_terminal_sync_mode_support()
    os.write(terminal, b"\x1b[?2026;2$y")

    assert isinstance(driver.messages.get(timeout=PATIENCE_SECONDS), TerminalSupportsSynchronizedOutput)


def test_no_question_is_asked_while_one_is_not_answered(driver: Heard) -> None:
    driver.ask_terminal()
    driver.ask_terminal()

    assert driver.written.count("$p") == 1


def test_leaving_takes_an_answer_that_is_under_way_with_it(driver: Heard, terminal: int) -> None:
    for _ in range(2):
        driver.ask_terminal()
        os.write(terminal, b"\x1b[?2026;2$y")
        while driver.round_trip.waiting_seconds:
            pass
    driver.ask_terminal()
    late = Timer(0.02, lambda: os.write(terminal, b"\x1b[?2026;2$y"))
    late.start()
    driver.disable_input()
    late.join()

    assert driver.round_trip.n_answers == 3


def test_the_app_has_it() -> None:
    assert PlimsollApp().driver_class is PatientDriver


@pytest.mark.parametrize("stated", [{}, {"COLUMNS": "132"}, {"COLUMNS": "132", "LINES": "60"}, {"LINES": "many"}])
async def test_the_terminal_is_as_large_as_the_standard_library_says(
    driver: Heard, stated: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    for name, text in stated.items():
        monkeypatch.setenv(name, text)

    assert driver._get_terminal_size() == tuple(shutil.get_terminal_size())


async def test_the_mouse_is_let_go_of_and_taken_again(driver: Heard) -> None:
    driver.use_mouse(is_wanted=True)
    assert driver.written == ""
    driver.use_mouse(is_wanted=False)
    driver.use_mouse(is_wanted=False)
    assert driver.written.count("\x1b[?1003l") == 1
    driver.use_mouse(is_wanted=True)
    assert driver.written.rfind("\x1b[?1003h") > driver.written.find("\x1b[?1003l")


async def test_places_of_the_mouse_in_pixels_end_with_the_mouse(driver: Heard) -> None:
    driver._enable_mouse_pixels()
    driver.use_mouse(is_wanted=False)
    assert driver.written.endswith("\x1b[?1016l")

"""The answers by which a terminal's line is judged: timed, and kept from whoever is typed to."""

from hypothesis import given
from hypothesis import strategies as st

from tui.round_trip import AnswerSieve, RoundTrip

ANSWER = "\x1b[?2026;2$y"


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def sifted(*chunks: str, is_awaited: bool = True) -> tuple[str, list[int]]:
    """Chunks that come one right after the other."""
    sieve, left, answers = AnswerSieve(), "", []
    for chunk in chunks:
        text, found = sieve.sift(chunk, 0.0, is_awaited=is_awaited)
        left += text
        answers += found
    return left, answers


def test_an_answer_between_keys_is_taken_out() -> None:
    assert sifted(f"ab{ANSWER}c") == ("abc", [2])


def test_an_answer_in_the_midst_of_a_paste_is_taken_out() -> None:
    assert sifted(f"\x1b[200~pas{ANSWER}ted\x1b[201~") == ("\x1b[200~pasted\x1b[201~", [2])


def test_that_the_mode_is_not_known_is_an_answer_as_well() -> None:
    assert sifted("\x1b[?2026;0$y") == ("", [0])


@given(st.integers(2, len(ANSWER) - 1), st.integers(2, len(ANSWER) - 1))
def test_an_answer_that_comes_in_parts_is_taken_out(first: int, second: int) -> None:
    first, second = sorted((first, second))
    assert sifted("a" + ANSWER[:first], ANSWER[first:second], ANSWER[second:] + "b") == ("ab", [2])


@given(st.lists(st.sampled_from(["\x1b", "[", "?", "2026", ";", "2", "$", "y", "a", "é", ANSWER]), max_size=12))
def test_nothing_else_is_lost(parts: list[str]) -> None:
    whole = "".join(parts)
    sieve = AnswerSieve()
    left = sieve.sift(whole, 0.0, is_awaited=True)[0] + sieve.sift("", 9.0, is_awaited=True)[0]

    n_answers = (len(whole) - len(left)) // len(ANSWER)
    assert len(left) == len(whole) - n_answers * len(ANSWER)
    assert n_answers or left == whole


def test_an_escape_key_is_not_kept_waiting() -> None:
    assert sifted("\x1b") == ("\x1b", [])


def test_another_sequence_is_not_kept_waiting() -> None:
    assert sifted("\x1b[A", "\x1b[?2048;0$y") == ("\x1b[A\x1b[?2048;0$y", [])


def test_nothing_is_kept_back_while_no_answer_is_awaited() -> None:
    assert sifted("\x1b[?20", is_awaited=False) == ("\x1b[?20", [])


def test_what_only_looked_like_an_answer_is_handed_on_after_a_while() -> None:
    sieve = AnswerSieve()

    assert sieve.sift("\x1b[", 0.0, is_awaited=True) == ("", [])
    assert sieve.is_holding
    assert sieve.sift("", 0.5, is_awaited=True) == ("", [])
    assert sieve.sift("", 1.5, is_awaited=True) == ("\x1b[", [])
    assert not sieve.is_holding


def test_the_way_there_and_back_is_the_quickest_answer() -> None:
    clock = Clock()
    trip = RoundTrip(clock)
    for seconds in (0.5, 0.25, 3.0):
        trip.ask()
        clock.seconds += seconds
        trip.answer()

    assert (trip.quickest_seconds, trip.last_seconds, trip.n_answers) == (0.25, 3.0, 3)


def test_a_second_question_is_not_due_before_the_first_is_answered() -> None:
    clock = Clock()
    trip = RoundTrip(clock)
    trip.ask()
    clock.seconds += 1000
    assert not trip.is_due  # it has never answered, and may print what it does not know

    trip.answer()
    assert trip.is_due
    trip.ask()
    clock.seconds += 30
    assert not trip.is_due
    clock.seconds += 31
    assert trip.is_due  # it has answered before: this one is lost


def test_an_answer_that_nobody_asked_for_says_nothing() -> None:
    trip = RoundTrip(Clock())
    trip.answer()

    assert (trip.quickest_seconds, trip.n_answers) == (None, 0)


def test_leaving_does_not_wait_for_a_terminal_that_never_answered() -> None:
    trip = RoundTrip()
    trip.ask()
    trip.settle(1e6)

    assert trip.waiting_seconds == 0.0

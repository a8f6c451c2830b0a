"""When a terminal is behind, and when it keeps up again."""

from tui.backlog import Line, is_remote
from tui.round_trip import RoundTrip


class Far:
    """A line with a terminal at its end that answers, and a clock."""

    def __init__(self, quickest_seconds: float = 0.3) -> None:
        self.seconds = 100.0
        self.line = Line()
        self.trip = RoundTrip(lambda: self.seconds)
        self.answers(quickest_seconds)

    def answers(self, *answer_seconds: float, rest_seconds: float = 1.0) -> bool:
        """Whether the line is slow, after answers that took so long."""
        for seconds in answer_seconds:
            self.trip.ask()
            self.seconds += seconds
            self.trip.answer()
            self.look()
            self.seconds += rest_seconds
        return self.line.is_slow

    def look(self, n_writes: int = 0) -> bool:
        self.line.look(n_writes, self.trip, self.seconds)
        return self.line.is_slow


def test_a_line_of_any_latency_keeps_up() -> None:
    for seconds in (0.001, 0.3, 2.0, 8.0):
        assert not Far(seconds).answers(seconds, 1.05 * seconds, seconds + 0.5)


def test_two_late_answers_in_a_row_are_a_slow_line() -> None:
    assert not Far().answers(1.5, 0.3, 1.5, 0.3, 2.9)
    assert Far().answers(1.5, 1.5)


def test_an_answer_that_does_not_come_is_a_slow_line() -> None:
    far = Far()
    far.trip.ask()
    far.seconds += 4.2
    assert not far.look()
    far.seconds += 0.2
    assert far.look()


def test_a_picture_waits_while_the_last_one_has_not_arrived() -> None:
    far = Far()
    far.trip.ask()
    for seconds, is_behind in ((1.2, False), (0.2, True), (50.0, True)):
        far.seconds += seconds
        far.look()
        assert far.line.is_behind == is_behind
    far.trip.answer()
    far.look()

    assert not far.line.is_behind


def test_for_an_answer_that_is_lost_no_picture_waits() -> None:
    far = Far()
    far.trip.ask()
    far.seconds += 61.0
    far.look()

    assert not far.line.is_behind


def test_a_terminal_that_never_answered_is_not_judged_by_it() -> None:
    line, seconds = Line(), 0.0
    trip = RoundTrip(lambda: seconds)
    trip.ask()
    seconds += 1000
    line.look(0, trip, seconds)

    assert not line.is_slow


def test_writes_that_wait_at_three_looks_are_a_slow_line() -> None:
    far = Far()

    assert [far.look(n) for n in (9, 9, 0, 4, 4, 4)] == [False, False, False, False, False, True]


def test_a_line_that_is_quick_for_a_minute_is_no_longer_slow() -> None:
    far = Far()
    assert far.answers(9.0, 9.0)
    assert far.answers(*[0.4] * 9, rest_seconds=5.0)
    assert not far.answers(*[0.4] * 4, rest_seconds=5.0)


def test_a_line_that_is_only_just_quick_enough_for_little_stays_slow() -> None:
    far = Far()
    far.answers(9.0, 9.0)
    assert far.answers(*[0.9] * 100, rest_seconds=5.0)


def test_each_time_it_was_slow_again_it_has_to_be_quick_for_twice_as_long() -> None:
    far, waits = Far(), []
    for _ in range(3):
        far.answers(9.0, 9.0)
        since = far.seconds
        while far.answers(0.3, rest_seconds=0.7):
            pass
        waits.append(round(far.seconds - since, -1))

    assert waits == [60, 120, 240]


def test_only_a_line_of_ssh_is_one() -> None:
    assert is_remote({"SSH_TTY": "/dev/pts/1"})
    assert is_remote({"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"})
    assert not is_remote({"TERM": "xterm"})

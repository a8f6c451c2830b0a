"""The time below a history: how long ago it was, also between the ends."""

import re

import pytest
from scenes import GIB

from tui.humanize import whole_duration
from tui.widgets.chart import _drawn, _ticks

SECONDS = {"s": 1, "min": 60, "h": 3600}


def seconds_of(said: str) -> int:
    return sum(int(n) * SECONDS[unit] for n, unit in re.findall(r"(\d+) (s|min|h)", said))


def time_of(n_columns: int, *, has_ticks: bool) -> str:
    """Below a history whose columns are of 2 s."""
    ticks = _ticks(n_columns, 2.0) if has_ticks else ""
    return "".join(text for text, _ in _drawn("\0" * n_columns, 3, GIB, None, None, "fits", 2.0, ticks)[-1])


@pytest.mark.parametrize(
    ("n_columns", "column_seconds"),
    [(73, 2.0), (110, 2.0), (190, 2.0), (190, 60.0), (110, 60.0), (73, 300.0), (190, 900.0), (110, 450.0)],
)
def test_a_tick_stands_at_the_column_of_the_time_that_it_says(n_columns: int, column_seconds: float) -> None:
    found = list(re.finditer(r"┴(\d+ (?:s|min|h)(?: \d+ (?:s|min))?)", _ticks(n_columns, column_seconds)))

    assert found
    for tick in found:
        assert abs((n_columns - tick.start()) * column_seconds - seconds_of(tick[1])) <= column_seconds / 2


@pytest.mark.parametrize("n_columns", [5, 12, 31])
def test_a_time_that_has_no_room_for_a_tick_has_none(n_columns: int) -> None:
    assert _ticks(n_columns, 2.0) == "─" * n_columns


def test_where_ticks_stand_the_left_end_is_said_as_exactly_as_they_are() -> None:
    time = time_of(110, has_ticks=True)

    assert "└3 min 40 s ago─" in time
    assert time.index("┴3 min") < time.index("┴2 min") < time.index("┴1 min")


@pytest.mark.parametrize("n_columns", [7, 10, 13, 18])
@pytest.mark.parametrize("has_ticks", [False, True])
def test_the_left_end_is_said_whole_or_not_at_all(n_columns: int, has_ticks: bool) -> None:
    assert re.search(r"└(?:\d+ s ago)?─* now$", time_of(n_columns, has_ticks=has_ticks))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(40, "40 s"), (60, "1 min"), (220, "3 min 40 s"), (3600, "1 h"), (9000, "2 h 30 min"), (49500, "13 h 45 min")],
)
def test_a_whole_duration_is_said_by_its_two_largest_units(seconds: int, said: str) -> None:
    assert whole_duration(seconds) == said

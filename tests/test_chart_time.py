"""The time below a history: how long ago it was, also between the ends."""

import re

import pytest

from tui.widgets.chart import _ticks

SECONDS = {"s": 1, "min": 60, "h": 3600}


@pytest.mark.parametrize(
    ("n_columns", "column_seconds"),
    [(73, 2.0), (110, 2.0), (190, 2.0), (190, 60.0), (110, 60.0), (73, 300.0), (190, 900.0), (110, 450.0)],
)
def test_a_tick_stands_at_the_column_of_the_time_that_it_says(n_columns: int, column_seconds: float) -> None:
    found = list(re.finditer(r"┴(\d+) (s|min|h)", _ticks(n_columns, column_seconds)))

    assert found
    for tick in found:
        ago = int(tick[1]) * SECONDS[tick[2]]
        assert abs((n_columns - tick.start()) * column_seconds - ago) <= column_seconds / 2


@pytest.mark.parametrize("n_columns", [5, 12, 31])
def test_a_time_that_has_no_room_for_a_tick_has_none(n_columns: int) -> None:
    assert _ticks(n_columns, 2.0) == "─" * n_columns

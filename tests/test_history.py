import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scenes import NOON, desktop, gib, server

from probes.replay import replay_sources
from tui.history import History
from tui.history_file import recorded_lines, write_recording

if TYPE_CHECKING:
    from probes.snapshot import Snapshot


def filled(*points: tuple[float, float]) -> History:
    """Seconds since noon, and GiB in use on the GPU."""
    history = History()
    for second, used in points:
        history.append(desktop(used, at=second))
    return history


def test_columns_hold_the_most_of_their_span() -> None:
    history = filled(*enumerate((1, 3, 2, 5, 4)))

    assert history.columns("gpu-0", 3, 2.0, NOON + 4) == [gib(3), gib(5), gib(4)]


def test_a_span_without_a_reading_is_a_gap() -> None:
    assert filled((0, 1), (6, 2)).columns("gpu-0", 4, 2.0, NOON + 6) == [gib(1), None, None, gib(2)]


def test_a_figure_that_is_late_is_noted_when_it_was_taken() -> None:
    history = filled((0, 1))
    late = desktop(1, at=4)
    late = replace(late, pools=tuple(replace(pool, late_seconds=4.0) for pool in late.pools))
    history.append(late)

    assert history.columns("gpu-0", 3, 2.0, NOON + 4) == [gib(1), None, None]


def test_what_was_half_a_day_ago_is_still_there_to_the_minute() -> None:
    history = filled((0, 20), *((seconds, 1) for seconds in range(60, 12 * 3600, 60)))
    columns = history.columns("gpu-0", 13 * 60, 60.0, NOON + 12 * 3600)

    assert max(used for used in columns if used is not None) == gib(20)
    assert columns.index(gib(20)) == 13 * 60 - 1 - 12 * 60


def test_it_forgets_what_is_older_than_a_day() -> None:
    history = filled((0, 20), (26 * 3600, 1))

    assert history.columns("gpu-0", 30, 3600.0, NOON + 26 * 3600)[:-1] == [None] * 29
    assert history.span_seconds() == 24 * 3600


def test_a_day_of_sixty_four_devices_takes_a_few_mebibytes() -> None:
    taken = server(64)
    tracemalloc.start()
    history = History()
    for hour in range(24):
        history.append(replace(taken, taken_seconds=taken.taken_seconds + 3600 * hour))
    used_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert used_bytes < 4 << 20, used_bytes


def test_pools_that_are_gone_for_a_day_take_no_memory() -> None:
    taken = server(8)
    tracemalloc.start()
    history = History()
    used_bytes = []
    for day in range(4):
        pools = tuple(replace(pool, key=f"{pool.key} of day {day}") for pool in taken.pools)
        for hour in range(24):
            seconds = taken.taken_seconds + 24 * 3600 * day + 3600 * hour
            history.append(replace(taken, pools=pools, taken_seconds=seconds))
        used_bytes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()

    assert used_bytes[3] < 1.1 * used_bytes[1], used_bytes


def test_an_unknown_pool_has_no_columns() -> None:
    assert History().columns("gpu-9", 2, 1.0, 0.0) == [None, None]


def test_a_recording_of_the_history_is_played_back(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = filled((0, 20), (7200, 1), (7201, 2))

    assert write_recording(history, desktop(2, at=7201), path) == 3
    (source,) = replay_sources(path, tell_command=" ".join, clock=lambda: 0.0)
    probe = source.open()
    reading = probe.sample()
    probe.close()

    used = {pool.key: pool.used_bytes for pool in reading.pools}
    assert used["gpu-0"] == pytest.approx(gib(20))
    assert reading.devices[0].name == "NVIDIA GeForce RTX 4090"
    assert reading.devices[0].temperature_celsius is None


def test_moments_are_in_order_and_each_is_there_once() -> None:
    history = filled(*((second, 1 + second % 3) for second in range(0, 5000, 5)))
    newest: Snapshot = desktop(2, at=5000)

    times = [json.loads(line)["taken_seconds"] for line in recorded_lines(history, newest)]

    assert times == sorted(set(times))
    assert len(times) > 180
    assert times[-1] == NOON + 4995


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_text("x")

    with pytest.raises(FileExistsError):
        write_recording(filled((0, 1)), desktop(), path)
    assert path.read_text() == "x"


@pytest.mark.parametrize(("n_columns", "column_seconds"), [(12, 5.0), (40, 2.0), (6, 14.6), (100, 60.0)])
def test_columns_that_were_asked_for_before_are_as_those_that_were_not(n_columns: int, column_seconds: float) -> None:
    points = [(second * (1 + second % 3) * 0.7, second * 7 % 20) for second in range(120)]
    points.sort()
    asked = filled()
    for number, (second, used) in enumerate(points, 1):
        asked.append(desktop(used, at=second))
        columns = asked.columns("gpu-0", n_columns, column_seconds, NOON + second)

        assert columns == filled(*points[:number]).columns("gpu-0", n_columns, column_seconds, NOON + second)

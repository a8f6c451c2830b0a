"""The history shows when loads began, came to rest and ended."""

from dataclasses import replace

import pytest
from scenes import HOSTILE, NOON, engine, serving

from tui.history import History
from tui.load_marks import LoadMarks, Mark, Turn
from tui.recognised import Phase
from tui.widgets.chart import chart
from tui.widgets.line import ascii_line, width_of
from tui.widgets.rows import rows_of
from tui.widgets.view import View

LOADING = engine(7, "GPU 0", 1, 8, model_name="Qwen3 8B", phase=Phase.LOADING, is_growing=True)
RESTING = engine(7, "GPU 0", 8, 8, model_name="Qwen3 8B")


def marks_of(*readings, first=()):
    """(second, turn) of the marks that these readings leave, one a second."""
    watched = LoadMarks()
    watched.look(first, 0.0)
    for second, engines in enumerate(readings, 1):
        watched.look(engines, float(second))
    return [(mark.taken_seconds, mark.turn) for mark in watched.marks]


def test_a_load_begins_comes_to_rest_and_ends():
    assert marks_of((LOADING,), (LOADING,), (RESTING,), (RESTING,), ()) == [
        (1.0, Turn.BEGAN),
        (3.0, Turn.RESTED),
        (5.0, Turn.ENDED),
    ]


def test_what_was_there_when_watching_began_began_at_no_known_time():
    assert marks_of((RESTING,), (), first=(RESTING,)) == [(2.0, Turn.ENDED)]


def test_what_was_loading_when_watching_began_comes_to_rest():
    assert marks_of((LOADING,), (RESTING,), first=(LOADING,)) == [(2.0, Turn.RESTED)]


def test_a_load_that_is_known_late_began_when_it_was_first_seen():
    unknown = replace(LOADING, predicted={}, held={}, phase=Phase.UNKNOWN)
    assert marks_of((unknown,), (unknown,), (LOADING,)) == [(1.0, Turn.BEGAN)]


def test_a_server_without_a_model_is_no_load():
    server = engine(7, "RAM", 0.1, None, phase=Phase.UNKNOWN, program="ollama serve")
    assert marks_of((server,), ()) == []


def test_the_same_number_of_another_process_is_another_load():
    again = replace(LOADING, started_ticks=99)
    assert [turn for _, turn in marks_of((LOADING,), (again,))] == [Turn.BEGAN, Turn.ENDED, Turn.BEGAN]


def test_nothing_ends_while_nobody_watches():
    watched = LoadMarks()
    watched.look((RESTING,), 0.0)
    watched.forget()
    watched.look((), 1.0)
    assert watched.marks == ()


def test_marks_are_of_the_devices_that_the_load_is_on():
    watched = LoadMarks()
    watched.look((), 0.0)
    watched.look((LOADING,), 1.0)
    assert watched.marks[0].places == {"GPU 0"}


def test_the_oldest_marks_are_let_go():
    watched = LoadMarks()
    watched.look((), 0.0)
    for second in range(1000):
        watched.look((replace(LOADING, started_ticks=second),), float(second))
    assert len(watched.marks) == 256
    assert watched.marks[-1].taken_seconds == 999.0


def drawn(*marks, width=60, height=14, label="GPU 0"):
    """The lines of a chart below its time, of a row of two seconds a column."""
    history = History()
    history.append(serving())
    view = View(snapshot=serving(), history=history, marks=marks)
    row = next(row for row in rows_of(view) if row.label == label)
    lines = chart(view, row, width, height, 2.0)
    assert len(lines) == height
    assert all(width_of(line) <= width for line in lines)
    texts = ["".join(text for text, _ in line) for line in lines]
    return texts[next(n for n, text in enumerate(texts) if text.endswith(" now")) + 1 :]


def mark(seconds_ago, turn=Turn.BEGAN, name="Qwen3 8B"):
    return Mark(taken_seconds=NOON - seconds_ago, turn=turn, name=name, places=frozenset({"GPU 0"}))


def test_a_mark_stands_below_its_time_with_its_name_behind_it():
    assert drawn(mark(60)) == [" " * 29 + "▸ Qwen3 8B"]


def test_a_name_without_room_behind_its_mark_stands_before_it():
    assert drawn(mark(2)) == [" " * 49 + "Qwen3 8B ▸"]


def test_names_that_would_overlap_stand_one_below_the_other():
    assert drawn(mark(60), mark(52, Turn.ENDED)) == [" " * 29 + "▸ Qwen3 8B", " " * 33 + "◂ Qwen3 8B"]


def test_a_chart_that_is_low_has_one_line_of_marks():
    assert drawn(mark(60), mark(52, Turn.RESTED), mark(40, Turn.ENDED), height=6) == [" " * 29 + "▸   ▪     ◂ Qwen3 8B"]


@pytest.mark.parametrize("seconds", range(2, 60, 2))
@pytest.mark.parametrize("height", [6, 10, 14])
def test_no_sign_is_lost_to_a_name(seconds, height):
    ended = mark(60 - seconds, Turn.ENDED)
    text = "".join(drawn(mark(60), ended, mark(0, Turn.RESTED), height=height))
    assert [sign for sign in "▸◂▪" if text.count(sign) != 1] == []


def test_a_chart_that_is_too_low_has_none():
    assert drawn(mark(60), height=4) == []


def test_other_pools_have_no_marks():
    assert drawn(mark(60), label="RAM") == []


def test_marks_before_the_chart_are_not_drawn():
    assert drawn(mark(6000)) == []


@pytest.mark.parametrize(("name", "shown"), [("x" * 200, "x" * 28 + "…"), ("漢" * 30, "漢" * 14 + "…")])
def test_a_name_that_is_too_long_is_cut(name, shown):
    assert "".join(drawn(mark(60, name=name))).strip() == f"▸ {shown}"


def test_a_name_without_any_room_is_left_out():
    assert drawn(mark(60), mark(52, Turn.RESTED), height=6) == [" " * 29 + "▸   ▪"]


def test_marks_are_told_apart_in_ascii():
    assert ascii_line((("".join(turn.value for turn in Turn), "strong"),)) == ((">*<", "strong"),)


def test_a_name_from_outside_is_made_safe():
    watched = LoadMarks()
    watched.look((), 0.0)
    watched.look((replace(LOADING, model_name=HOSTILE),), 1.0)
    assert "\x1b" not in watched.marks[0].name

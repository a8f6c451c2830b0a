"""Cells stand under each other, numbers to the right."""

from tui.columns import columns


def test_columns_are_as_wide_as_their_widest_cell():
    rows = [("name", "GiB"), ("a", "10.5"), ("longer", "3")]
    assert list(columns(rows, (False, True))) == ["name     GiB", "a       10.5", "longer     3"]


def test_no_line_ends_in_blanks():
    assert list(columns([("a", ""), ("b", "x")], (True, False))) == ["a", "b  x"]


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    rows = [("漢字", "1"), ("e\u0301a", "22")]

    assert list(columns(rows, (False, True))) == ["漢字   1", "e\u0301a    22"]


def test_a_column_in_which_nothing_stands_is_left_out() -> None:
    assert list(columns([("a", "", "b"), ("c", "", "d")], (False, False, False))) == ["a  b", "c  d"]


def test_without_rows_there_are_no_lines() -> None:
    assert list(columns([], (False, True))) == []

"""Cells stand under each other, numbers to the right."""

from tui.columns import columns


def test_columns_are_as_wide_as_their_widest_cell():
    rows = [("name", "GiB"), ("a", "10.5"), ("longer", "3")]
    assert list(columns(rows, (False, True))) == ["name     GiB", "a       10.5", "longer     3"]


def test_no_line_ends_in_blanks():
    assert list(columns([("a", ""), ("b", "x")], (True, False))) == ["a", "b  x"]

"""What is written to the terminal for a run of text in a style, after another."""

import pytest
from rich.color import ColorSystem
from rich.style import Style

from tui.widgets.pen import Pen

RED, BLUE = Style.parse("#ff0000 on #000000"), Style.parse("#0000ff on #000000")


@pytest.fixture
def pen() -> Pen:
    return Pen(ColorSystem.TRUECOLOR)


def test_a_style_is_said_once(pen: Pen) -> None:
    assert pen.write("a", RED) == "\x1b[38;2;255;0;0;48;2;0;0;0ma"
    assert pen.write("b", RED) == "b"


def test_only_the_colour_that_is_another_is_said(pen: Pen) -> None:
    pen.write("a", RED)
    assert pen.write("b", BLUE) == "\x1b[38;2;0;0;255mb"


def test_an_attribute_is_taken_back_with_all_others(pen: Pen) -> None:
    pen.write("a", Style.parse("bold #ff0000 on #000000"))
    assert pen.write("b", RED) == "\x1b[0;38;2;255;0;0;48;2;0;0;0mb"


def test_a_background_ends_where_there_is_none(pen: Pen) -> None:
    pen.write("a", RED)
    assert pen.write("b", Style.parse("#ff0000")) == "\x1b[0;38;2;255;0;0mb"
    assert pen.write("c", None) == "\x1b[0mc"


def test_it_ends_with_the_terminals_own(pen: Pen) -> None:
    assert pen.finish() == ""
    pen.write("a", RED)
    assert pen.finish() == "\x1b[0m"
    assert pen.write("b", None) == "b"


def test_a_terminal_of_sixteen_colours_is_told_no_others() -> None:
    assert Pen(ColorSystem.STANDARD).write("a", RED) == "\x1b[31;40ma"

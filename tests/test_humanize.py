import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.flag_values import parse_count
from tui.humanize import UNKNOWN, band, columns_of, count, duration, gib, parameters, percent, plain, short_count, size

GIB = 1 << 30


def test_not_known_is_a_dash_and_never_zero() -> None:
    assert gib(None) == size(None) == count(None) == percent(None) == UNKNOWN
    assert gib(0) == "0.0"


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(GIB, "1.0"), (int(23.49 * GIB), "23.5"), (125 * GIB, "125"), (-1, "0.0")]
)
def test_gibibytes_have_the_digits_that_matter(n_bytes: int, text: str) -> None:
    assert gib(n_bytes) == text


def test_sizes_carry_their_unit() -> None:
    assert (size(512 << 20), size(GIB * 9 // 2), size(125 * GIB)) == ("512 MiB", "4.5 GiB", "125 GiB")


def test_contexts_are_called_as_people_do() -> None:
    assert [short_count(n) for n in (8192, 131072, 1 << 20, 40_961, 10_240_000)] == [
        "8k",
        "128k",
        "1M",
        "40\N{NO-BREAK SPACE}961",
        "10\N{NO-BREAK SPACE}240\N{NO-BREAK SPACE}000",
    ]


@given(st.integers(1, 2**26))
def test_a_context_can_be_typed_as_lists_call_it(n_tokens: int) -> None:
    assert parse_count(short_count(n_tokens)) == n_tokens


def test_parameters_have_one_digit() -> None:
    assert [parameters(n) for n in (8_030_000_000, 268_000_000, 999_900_000, 1_026_000_000_000)] == [
        "8.0B",
        "268M",
        "1.0B",
        "1.0T",
    ]


def test_a_band_that_rounds_to_nothing_is_not_shown() -> None:
    assert band(GIB, GIB) == ""
    assert band(0, GIB) == "± 0.5"


def test_durations_grow_with_their_unit() -> None:
    assert [duration(s) for s in (4, 180, 7200)] == ["4 s", "3 min", "2 h"]


def test_escape_sequences_lose_what_makes_them_work() -> None:
    assert plain("\x1b[31mRED\x1b[0m\x1b]0;title\x07") == "[31mRED [0m ]0;title"


def test_direction_overrides_and_invisible_characters_are_dropped() -> None:
    assert plain("a\u202eb\u200bc\u2028d") == "abc d"


@given(st.text())
def test_outside_text_becomes_one_printable_line(text: str) -> None:
    made = plain(text)
    assert len(made) <= 200
    assert all(char.isprintable() or char == " " for char in made)
    assert "\n" not in made


@pytest.mark.parametrize(
    ("text", "n"),
    [("", 0), ("abc", 3), ("漢字", 4), ("한", 2), ("e\u0301", 1), ("שלום", 4), ("\U0001f469", 2), ("…", 1)],
)
def test_columns_of_a_terminal_are_counted(text: str, n: int) -> None:
    assert columns_of(text) == n


@pytest.mark.parametrize("text", ["x" * 11, "漢" * 11, "x" * 10 + "\x1b" * 40, "\x00" * 50 + "x"])
def test_what_is_longer_than_the_limit_ends_in_an_ellipsis(text: str) -> None:
    assert plain(text, 10).endswith("…")
    assert len(plain(text, 10)) <= 10


def test_what_is_as_long_as_the_limit_is_whole() -> None:
    assert plain("漢" * 10, 10) == "漢" * 10

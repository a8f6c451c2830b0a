"""Files of settings are read as far as people write them, and what is beyond that is named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launches.yaml_file import MOST_BYTES, UnreadableSettings, read_settings, settings_of


def values(text):
    found = settings_of(text)
    assert found.unread == ()
    return found.values


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("8192", 8192),
        ("-1", -1),
        ("0.9", 0.9),
        ("1e5", "1e5"),  # YAML 1.1 wants a point in it
        ("1.0e+5", 100000.0),
        ("0123", "0123"),
        ("true", True),
        ("No", False),
        ("null", None),
        ("~", None),
        ('"8192"', "8192"),
        ("'it''s'", "it's"),
        ("a b # remark", "a b"),
        ("a#b", "a#b"),
        ("http://a:80/b", "http://a:80/b"),
        ("[1, a, 'b, c']", [1, "a", "b, c"]),
        ("{a: 1, b: {c: [2]}}", {"a": 1, "b": {"c": [2]}}),
        ('{"a": 1}', {"a": 1}),
        ("[]", []),
    ],
)
def test_a_value_is_read_as_yaml_has_it(word, value):
    assert values(f"key: {word}\n") == {"key": value}


def test_maps_and_lists_are_nested_by_indentation():
    text = "a:\n  b: 1\n  c:\n    - x\n    - y: 2\n      z: 3\nd:\n- 4\n- 5\ne: f\n"
    assert values(text) == {"a": {"b": 1, "c": ["x", {"y": 2, "z": 3}]}, "d": [4, 5], "e": "f"}


def test_a_key_may_be_quoted_and_have_blanks():
    assert values('"a b": 1\nc d: 2\n--tp-size: 3\n') == {"a b": 1, "c d": 2, "--tp-size": 3}


def test_brackets_may_be_closed_on_a_later_line():
    assert values("a: [1,\n  2]\nb: 3\n") == {"a": [1, 2], "b": 3}


def test_the_last_of_two_equal_keys_counts():
    assert values("a: 1\na: 2\n") == {"a": 2}


@pytest.mark.parametrize("line", ["a: &anchor 1", "b: *anchor", "c: |", "- item\n", "no colon", "d: [1, 2", "\te: 1"])
def test_what_is_beyond_it_is_named(line):
    found = settings_of(f"first: 1\n{line}\nlast: 2\n")
    assert found.unread
    assert found.values["first"] == 1


def test_a_block_of_text_hides_nothing_behind_it():
    found = settings_of("a: |\n  b: 1\n  c: 2\nd: 3\n")
    assert (found.values, found.unread) == ({"a": None, "d": 3}, ("a",))


def test_a_list_is_no_file_of_settings():
    assert settings_of("- a\n- b\n").values == {}


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(UnreadableSettings):
        read_settings(str(tmp_path / "none.yaml"))


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(UnreadableSettings):
        read_settings(str(tmp_path / "a.yaml"))


@given(text=st.text(alphabet="ab:-[]{},'\"#|&* \n\t1", max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_without_a_crash(text):
    assert isinstance(settings_of(text).values, dict)


def test_what_is_nested_too_deeply_is_given_up():
    deep = "".join(f"{' ' * level}k{level}:\n" for level in range(400))
    assert settings_of(deep).values
    assert settings_of("a: " + "[" * 5000).unread

"""Values as people type them."""

import pytest

from tui.flag_values import parse_context, parse_layers


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("8192", 8192), ("8k", 8192), ("128K", 131072), ("1M", 1 << 20), ("40_960", 40960), ("native", 0), ("0", 0)],
)
def test_a_context_is_written_as_people_write_it(text: str, tokens: int) -> None:
    assert parse_context(text) == tokens


def test_layers_are_a_number_or_a_word() -> None:
    assert parse_layers("20") == 20
    assert parse_layers("auto") is None
    assert (parse_layers("all") or 0) > 500

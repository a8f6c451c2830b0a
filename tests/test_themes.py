"""What the themes look like where a terminal has but sixteen colours."""

import pytest
from rich.color import Color, ColorSystem
from textual.theme import Theme

from tui.themes import THEMES, THEMES_OF_16


def shown(colour: str | None) -> int | None:
    """The number that the nearest of sixteen has."""
    assert colour is not None
    return Color.parse(colour).downgrade(ColorSystem.STANDARD).number


@pytest.mark.parametrize("theme", THEMES_OF_16, ids=lambda theme: theme.name)
def test_of_sixteen_colours_what_fits_what_is_tight_and_what_does_not_fit_are_three(theme: Theme) -> None:
    colours = [shown(colour) for colour in (theme.primary, theme.warning, theme.error)]

    assert len(set(colours)) == 3
    assert shown(theme.accent) != shown(theme.error), "a key is no alarm"
    assert shown(theme.background) not in (*colours, shown(theme.accent), shown(theme.foreground))


def test_each_theme_has_its_like_in_sixteen_colours() -> None:
    assert [(theme.name, theme.dark) for theme in THEMES_OF_16] == [(theme.name, theme.dark) for theme in THEMES]

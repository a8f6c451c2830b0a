"""Names of styles that lines are made of, and what they look like in the theme's own colours.

Every meaning has a glyph as well. Not in ``app.tcss``: there, 23 rules of which the first picture needs a dozen took
2 ms to be read and 4 to be applied (our measurement, 2026-11-26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.style import Style
from textual.color import Color

if TYPE_CHECKING:
    from collections.abc import Mapping


class Look(NamedTuple):
    """Colours are the theme's variables; a share below 1 lets through what lies behind."""

    color: str
    share: float = 1.0
    ground: str = ""
    """Behind the text; empty for the panel's own."""
    ground_share: float = 1.0
    is_bold: bool = False


_FITS, _TIGHT, _BAD = "primary-lighten-1", "warning", "error-lighten-1"
PALETTE = {
    "text": Look("foreground"),
    "dim": Look("foreground", 0.6),
    "strong": Look("foreground", is_bold=True),
    "title": Look("foreground", is_bold=True),
    "used": Look("foreground", 0.75),
    "fits": Look(_FITS),
    "fits-bold": Look(_FITS, is_bold=True),
    "tight": Look(_TIGHT),
    "tight-bold": Look(_TIGHT, is_bold=True),
    "bad": Look(_BAD),
    "bad-bold": Look(_BAD, is_bold=True),
    "free": Look("foreground", 0.2),
    "line": Look("foreground", is_bold=True),
    "key": Look("accent", is_bold=True),
    "edge-free": Look("foreground", 0.75, "foreground", 0.1),
    "edge-fits": Look("foreground", 0.75, _FITS, 0.5),
    "edge-tight": Look("foreground", 0.75, _TIGHT, 0.5),
    "edge-bad": Look("foreground", 0.75, _BAD, 0.5),
    "tip-fits": Look(_FITS, 0.5, "foreground", 0.1),
    "tip-tight": Look(_TIGHT, 0.5, "foreground", 0.1),
    "tip-bad": Look(_BAD, 0.5, "foreground", 0.1),
    "chip": Look("background", ground="accent", is_bold=True),
    "cursor": Look("foreground", 1.0, "primary", 0.4, is_bold=True),
}


def style_of(name: str, variables: Mapping[str, str], behind: Color) -> Style:
    """The style of that name on this ground; what is transparent is mixed with it here.

    Args:
        name: of the palette.
        variables: of the theme, as ``App.theme_variables``.
        behind: the panel's background.
    """
    look = PALETTE[name]
    if look.ground:
        behind += Color.parse(variables[look.ground]).multiply_alpha(look.ground_share)
    color = behind + Color.parse(variables[look.color]).multiply_alpha(look.share)
    return Style(color=color.rich_color, bgcolor=behind.rich_color, bold=look.is_bold or None)

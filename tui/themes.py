"""Our own themes: blue, yellow and vermilion, which people of every kind of colour vision tell apart.

The three are of Okabe and Ito's palette (jfly.uni-koeln.de/color, 2008), and differ in lightness as well; what they
mean is also said by glyph and word.

A terminal of sixteen colours would show the nearest of its own for each: keys as red as what does not fit, and on light
ground amber as brown as vermilion. So there the themes are made of those sixteen, as rich counts them when it looks for
the nearest (rich.palette, STANDARD_PALETTE of rich 14).
"""

from dataclasses import replace

from textual.theme import Theme

THEMES = (
    Theme(
        name="plimsoll",
        primary="#3d94d9",
        accent="#f0a020",
        warning="#f0c030",
        error="#e0602c",
        success="#56b4e9",
        foreground="#e2e2e2",
        background="#101214",
        surface="#1b1f23",
        panel="#22272c",
        dark=True,
    ),
    Theme(
        name="plimsoll-light",
        primary="#0a4f86",
        accent="#a34a00",
        warning="#8a6100",
        error="#a82d00",
        success="#005f8f",
        foreground="#16191c",
        background="#fbfbf8",
        surface="#eeeeea",
        panel="#e4e4df",
        dark=False,
    ),
    Theme(
        name="plimsoll-contrast",
        primary="#5cc0ff",
        accent="#ffd000",
        warning="#ffe000",
        error="#ff8040",
        success="#5cc0ff",
        foreground="#ffffff",
        background="#000000",
        surface="#101010",
        panel="#202020",
        dark=True,
    ),
)

_BLACK, _RED, _BLUE, _MAGENTA = "#000000", "#aa0000", "#0000aa", "#aa00aa"
_BRIGHT_RED, _BRIGHT_YELLOW, _BRIGHT_BLUE, _BRIGHT_CYAN, _WHITE = "#ff5555", "#ffff55", "#5555ff", "#55ffff", "#ffffff"
THEMES_OF_16 = (
    replace(
        THEMES[0],
        primary=_BRIGHT_BLUE,
        accent=_BRIGHT_CYAN,
        warning=_BRIGHT_YELLOW,
        error=_BRIGHT_RED,
        success=_BRIGHT_BLUE,
        background=_BLACK,
    ),
    replace(
        THEMES[1],
        primary=_BLUE,
        accent=_BLUE,
        warning=_MAGENTA,
        error=_RED,
        success=_BLUE,
        foreground=_BLACK,
        background=_WHITE,
    ),
    replace(
        THEMES[2],
        primary=_BRIGHT_CYAN,
        accent=_BRIGHT_YELLOW,
        warning=_BRIGHT_YELLOW,
        error=_BRIGHT_RED,
        success=_BRIGHT_CYAN,
    ),
)

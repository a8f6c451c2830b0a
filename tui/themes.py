"""Our own themes: blue, yellow and vermilion, which people of every kind of colour vision tell apart.

The three are of Okabe and Ito's palette (jfly.uni-koeln.de/color, 2008), and differ in lightness as well; what they
mean is also said by glyph and word.
"""

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

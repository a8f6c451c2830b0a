"""What the terminal writes with: a run of text, and only what of its style is another than of the run before.

Textual says each run's colours in full, and takes them back behind it: 40 bytes for a cell of a chart.
"""

from rich.color import ColorSystem
from rich.style import Style

Codes = tuple[str, str, str]
"""Of the attributes, the text's colour and the background's, as an escape sequence has them; empty is the default."""
_PLAIN: Codes = ("", "", "")


def codes_of(style: Style | None, color_system: ColorSystem) -> Codes:
    """What says this style to a terminal of so many colours."""
    if style is None:
        return _PLAIN
    colours = [
        ";".join(colour.downgrade(color_system).get_ansi_codes(foreground)) if colour is not None else ""
        for colour, foreground in ((style.color, True), (style.bgcolor, False))
    ]
    return (style.without_color._make_ansi_codes(color_system), colours[0], colours[1])


class Pen:
    """Knows what the terminal writes with. Begins with the defaults, as every update does, and ends with them."""

    def __init__(self, color_system: ColorSystem) -> None:
        self._color_system = color_system
        self._now = _PLAIN
        self._codes_by_style: dict[int, Codes] = {}
        """By identity: all styles of an update live as long as it does."""

    def write(self, text: str, style: Style | None) -> str:
        """The text, behind whatever has to change for it."""
        codes = self._codes_by_style.get(id(style))
        if codes is None:
            codes = self._codes_by_style[id(style)] = codes_of(style, self._color_system)
        return self.put(text, codes)

    def put(self, text: str, wanted: Codes) -> str:
        """The same of a style whose codes are known."""
        before, self._now = self._now, wanted
        if wanted == before:
            return text
        # an attribute, or a colour that is to be the default again, can only be taken back with all others
        is_anew = wanted[0] != before[0] or (bool(before[1]) > bool(wanted[1])) or (bool(before[2]) > bool(wanted[2]))
        if is_anew:
            before = _PLAIN
        changes = ";".join([new for old, new in zip(before, wanted, strict=True) if new != old])
        return f"\x1b[{'0' if is_anew else ''}{';' if is_anew and changes else ''}{changes}m{text}"

    def finish(self) -> str:
        """Back to the defaults."""
        before, self._now = self._now, _PLAIN
        return "\x1b[0m" if any(before) else ""

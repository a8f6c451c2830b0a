"""What the signs of a bar stand for, in as few words as have room."""

from collections.abc import Set

from tui.widgets.bar import CACHE, COMPUTE, LANDED, LOAD_LINE, USED, WEIGHTS
from tui.widgets.line import n_cells

KIND_GLYPHS = {"WEIGHTS": WEIGHTS, "KV_CACHE": CACHE, "STATE": CACHE}
"""By ``Kind``, in the order of the bar; all others come after these, as ``COMPUTE``."""
_FRAME_CELLS = 4
"""Of a frame's line: corners, and what joins them to the text."""


def signs(
    kinds: Set[str], width: int, *, has_landed: bool = False, has_line: bool = True, has_sparks: bool = False
) -> str:
    """``█ used  ▒ weights  ┃ load line`` for a frame; from the left on, what has no room is left out.

    Args:
        kinds: names of the load's that are there.
        width: of the text within the frame.
        has_landed: something has no room where it was meant to be.
        has_line: there are load lines.
        has_sparks: a small chart stands beside.
    """
    said = {USED: "used"}
    if kinds:
        said |= {WEIGHTS: "weights"}
    if not kinds.isdisjoint(KIND_GLYPHS.keys() - {"WEIGHTS"}):
        said |= {CACHE: "KV cache"}
    if kinds - KIND_GLYPHS.keys():
        said |= {COMPUTE: "other"}
    if has_landed:
        said |= {LANDED: "spilled"}
    if has_line:
        said |= {LOAD_LINE: "load line"}
    texts = [f"{glyph} {text}" for glyph, text in said.items()]
    if has_sparks:
        texts.insert(0, "▂▅█ used lately")
    tries = (gap.join(texts[first:]) for first in range(len(texts)) for gap in ("  ", " "))
    return next((text for text in tries if n_cells(text) <= width - _FRAME_CELLS), "")

"""The bar of one place for a plan that is not the screen's own: used there, what the load adds, and the load line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estimator.ledger import drawing_on
from tui.landing import landing_of
from tui.widgets.bar import COMPUTE, LANDED, Part, bar
from tui.widgets.bar_signs import KIND_GLYPHS
from tui.widgets.verdict import CELL_STYLES

if TYPE_CHECKING:
    from estimator.ledger import Place
    from probes.snapshot import Pool
    from tui.plan import Assessment
    from tui.widgets.line import Line


def place_bar(made: Assessment, place: Place, width: int) -> Line:
    """In as many cells, as the memory panel draws it: with what shares the place's memory, and what lands there."""
    sums = dict.fromkeys(KIND_GLYPHS, 0)
    names = drawing_on(place, made.places)
    for term in made.estimate.select(names):
        sums[term.kind.name] = sums.get(term.kind.name, 0) + term.n_bytes
    margin = next((margin for margin in made.verdict.margins if margin.place.name == place.name), None)
    style = CELL_STYLES[margin.level] if margin is not None else CELL_STYLES[0]
    used_bytes = place.total_bytes - place.free_bytes
    load = [Part(n_bytes=n, glyph=KIND_GLYPHS.get(kind, COMPUTE), style=style) for kind, n in sums.items()]
    landed_bytes = landing_of(made).ram_bytes if place.kind == "host" else 0
    return bar(
        width,
        total_bytes=place.total_bytes,
        parts=(Part(n_bytes=used_bytes), *load, _landed(landed_bytes)),
        high_bytes=used_bytes + made.estimate.high_bytes(names),
        line_bytes=used_bytes + place.line_bytes,
        load_style=style,
    )


def swap_bar(swap: Pool, landed_bytes: int, width: int) -> Line:
    """The same of swap space, on which nothing lies but what has no room elsewhere."""
    used = Part(n_bytes=swap.total_bytes - swap.free_bytes)
    return bar(width, total_bytes=swap.total_bytes, parts=(used, _landed(landed_bytes)))


def _landed(n_bytes: int) -> Part:
    return Part(n_bytes=n_bytes, glyph=LANDED, style="bad")

"""The bar of one place for a plan that is not the screen's own: used there, what the load adds, and the load line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estimator.ledger import drawing_on
from tui.widgets.bar import CACHE, COMPUTE, WEIGHTS, Part, bar
from tui.widgets.verdict import CELL_STYLES

if TYPE_CHECKING:
    from estimator.ledger import Place
    from tui.plan import Assessment
    from tui.widgets.line import Line

_ORDER = {"WEIGHTS": WEIGHTS, "KV_CACHE": CACHE, "STATE": CACHE}
"""By ``Kind``, in the order of the bar; all others come after these."""


def place_bar(made: Assessment, place: Place, width: int) -> Line:
    """In as many cells, as the memory panel draws it: with what shares the memory of the place."""
    sums = dict.fromkeys(_ORDER, 0)
    names = drawing_on(place, made.places)
    for term in made.estimate.select(names):
        sums[term.kind.name] = sums.get(term.kind.name, 0) + term.n_bytes
    margin = next((margin for margin in made.verdict.margins if margin.place.name == place.name), None)
    style = CELL_STYLES[margin.level] if margin is not None else CELL_STYLES[0]
    used_bytes = place.total_bytes - place.free_bytes
    load = [Part(n_bytes=n, glyph=_ORDER.get(kind, COMPUTE), style=style) for kind, n in sums.items()]
    return bar(
        width,
        total_bytes=place.total_bytes,
        parts=(Part(n_bytes=used_bytes), *load),
        high_bytes=used_bytes + made.estimate.high_bytes(names),
        line_bytes=used_bytes + place.line_bytes,
        load_style=style,
    )

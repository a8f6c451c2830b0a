"""What would happen on this machine to a load that a place has no room for, by the table of spills."""

from estimator.overflow import spill_of, surroundings_of
from estimator.spill import Spill
from probes.snapshot import Snapshot
from records.record import record
from tui.places import places_of

ENGINES = ("llama.cpp", "vLLM")
"""One that runs by ggml, and one that runs by PyTorch: what the table tells apart."""


@record(frozen=True, slots=True, kw_only=True)
class SpillHere:
    """A row of the table, and where it holds."""

    names: tuple[str, ...]
    """Labels of devices, or ``RAM``."""
    engines: tuple[str, ...]
    """Of ``ENGINES``, those for which it does."""
    row: Spill


def spills_here(snapshot: Snapshot, settings: frozenset[str] = frozenset()) -> tuple[SpillHere, ...]:
    """By row, in the order of the places; as much room as there is now decides where the bytes would go."""
    found: dict[str, tuple[Spill, dict[str, None], dict[str, None]]] = {}
    for place in places_of(snapshot, settings=settings, has_hidden=True):
        for engine in ENGINES:
            row = spill_of(surroundings_of(place), engine, has_room=place.overflow_free_bytes > 0)
            _, names, engines = found.setdefault(row.key, (row, {}, {}))
            names[place.name] = engines[engine] = None
    return tuple(
        SpillHere(names=tuple(names), engines=tuple(engines), row=row) for row, names, engines in found.values()
    )

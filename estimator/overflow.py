"""What happens here to bytes without room, by the first row of estimator/spill_table.py that holds."""

from functools import lru_cache

from estimator.place import Overflow, Place, Surroundings
from estimator.spill import Outcome, Spill
from estimator.spill_table import TABLE

_VENDORS = {"cuda": "nvidia", "rocm": "amd", "metal": "apple"}
"""By the kind of a place."""
_OVERFLOWS = {
    Outcome.CRAWLS: Overflow.MIGRATED,
    **dict.fromkeys((Outcome.SWAPS, Outcome.SQUEEZES, Outcome.KILLED), Overflow.SWAPPED),
}


@lru_cache(maxsize=256)
def spill_of(here: Surroundings, engine: str = "", *, has_room: bool = True) -> Spill:
    """What becomes of bytes that have no room here."""
    return next(row for row in TABLE if row.holds(here, engine, has_room=has_room))


@lru_cache(maxsize=256)
def overflow_of(here: Surroundings, engine: str = "") -> Overflow:
    """The same in the ledger's words, where what the bytes move to has room."""
    return _OVERFLOWS.get(spill_of(here, engine).outcome, Overflow.REFUSED)


def overflow_at(place: Place, engine: str) -> Overflow:
    """What this place does with what this engine has no room for."""
    return place.overflow if place.surroundings is None else overflow_of(place.surroundings, engine)


def surroundings_of(place: Place) -> Surroundings:
    """Those of the place, or, where a person typed it, such as its overflow allows."""
    if place.surroundings is not None:
        return place.surroundings
    is_moved = place.overflow is Overflow.MIGRATED
    if place.kind == "host":
        memory = "host"
    else:
        memory = "unified" if place.draws_on is not None and place.overflow is not Overflow.MIGRATED else "own"
    is_budget = memory == "unified" and place.overflow is Overflow.REFUSED
    return Surroundings(
        system="windows" if is_moved else "linux",
        memory=memory,
        vendor=_VENDORS.get(place.kind, ""),
        settings=frozenset({"budget"}) if is_budget else frozenset(),
    )


def way_out(engine: str) -> Spill:
    """What an engine does by itself, where it would go on with less on the devices."""
    return spill_of(Surroundings(memory="engine"), engine)


def refusal_of(engine: str) -> Spill:
    """Where an engine's own rule against starting is from."""
    return spill_of(Surroundings(memory="rule"), engine)

"""Launches that will not have the room that they need, said while they load: judged by their final need.

A launch is one that was seen to start or to grow, that says so or has read too little yet. llama.cpp takes all its
weights within a second of its start, and reads them into what it has; nothing grows until its cache is made, too late
(bench/real_launches.py, an H100, 2026-11-26). It loads as long as it reads, or says so (tui/loading.py); one that hangs
is warned of no more. Of those that were there before, who holds the same since it was first seen may be as large as it
will ever get; and whoever gives back is at work. It is judged where it holds something already; that it goes to other
devices too is only reckoned. Counted with each are the engines before it that still take what they were promised: those
that load, and those whose cache grows with the context (MLX, Transformers). Who came last is warned of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.alarm import Alarm
from tui.humanize import duration, plain, size
from tui.recognised import Phase
from tui.widgets.engine_text import engine_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from estimator.ledger import Place
    from tui.recognised import Recognised

_LEAST_BYTES = 64 << 20
"""So much must be missing: below it, what a driver rounds up decides (ASSUMED)."""
_CLEAR_BYTES = 512 << 20
"""So much must be over before a warning is taken back while it loads: room that comes and goes makes none flicker."""


def launch_alarms(
    engines: Sequence[Recognised], places: Sequence[Place], before: set[tuple[str, str]]
) -> Iterator[Alarm]:
    """One for each launch that will run out of room. One that was raised stands until the launch is over, or has room.

    Args:
        engines: as they were recognised.
        places: as they are now.
        before: (kind, key) of what stood at the last reading.
    """
    for engine in engines:
        key = f"{engine.pid}:{engine.started_ticks}"
        is_launch = engine.is_growing or ("launch", key) in before
        if engine.phase is not Phase.LOADING or engine.is_by_name or not is_launch:
            continue
        least = -_CLEAR_BYTES if ("launch", key) in before else _LEAST_BYTES
        message = _shortage(engine, engines, places, least)
        if message:
            yield Alarm(kind="launch", key=key, message=message)


def _shortage(engine: Recognised, engines: Sequence[Recognised], places: Sequence[Place], least: int) -> str:
    """What is missing for it where most is; empty where nothing is."""
    found: tuple[int, str] = (least, "")
    for place in places:
        own = engine.remaining.get(place.name, 0)
        if not own or not engine.held.get(place.name):
            continue
        earlier = [other for other in engines if (other.started_ticks, other.pid) < (engine.started_ticks, engine.pid)]
        promised = [(other, other.promised.get(place.name, 0)) for other in earlier]
        others = sum(n for _, n in promised)
        missing = own + others - place.free_bytes
        if missing > found[0]:
            largest = max(promised, key=lambda pair: pair[1], default=None)
            beside = largest[0] if largest is not None and largest[1] and own <= place.free_bytes else None
            found = (missing, _message(engine, place, beside, largest[1] if largest else 0))
    has_arrived = all(engine.held.get(name) for name in engine.counted)
    # Who takes a share looks at what is free once, when it starts; of others, what is free now tells.
    if not found[1] and engine.outcome and has_arrived and any(one.takes_share for one in engine.predicted.values()):
        return f"{_called(engine)} will not fit: {plain(engine.outcome, 200)}"
    return found[1]


def _message(engine: Recognised, place: Place, beside: Recognised | None, beside_bytes: int) -> str:
    need = engine.predicted[place.name].n_bytes
    room = engine.held.get(place.name, 0) + place.free_bytes
    text = f"{_called(engine)} will need {size(need)} on {place.name}, and {size(room)} is all that it can get"
    if beside is not None:
        text = (
            f"{_called(engine)} will need {size(need)} on {place.name}, where {_called(beside)} still takes "
            f"{size(beside_bytes)}: together more than is there"
        )
    rate = engine.growth_bytes_per_second
    when = f" in about {duration(place.free_bytes / rate)}" if rate > 0 else ""
    return f"{text}: {_consequence(engine, place)}{when}"


def _consequence(engine: Recognised, place: Place) -> str:
    """By the table of spills, for this engine on this system."""
    from estimator.engine import load_engine  # noqa: PLC0415  # with a warning only
    from estimator.overflow import spill_of, surroundings_of  # noqa: PLC0415

    name = load_engine(engine.engine_name).NAME
    row = spill_of(surroundings_of(place), name, has_room=place.overflow_free_bytes > 0)
    return row.sentence.replace("{engine}", name)


def _called(engine: Recognised) -> str:
    return f"{plain(engine.program, 40)} {engine.pid} ({engine_name(engine)})"

"""From an estimate and the places as they are now: does it fit, and if not, what would happen."""

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum

from estimator.ledger import Estimate, Overflow, Place, drawing_on
from estimator.overflow import overflow_at, refusal_of, spill_of, surroundings_of, way_out
from estimator.spill import Outcome, Spill
from records.record import record


class Level(IntEnum):
    """Ordered: the worst of several is their maximum."""

    FITS = 0
    """Under every load line, at the high end of the band as well."""
    TIGHT = 1
    """Fits as expected, and crosses a load line at the high end of the band or by what should stay free."""
    SPILLS = 2
    """Goes on in slower memory."""
    FAILS = 3
    """Refused, out of memory, or killed."""


@record(frozen=True, slots=True, kw_only=True)
class Margin:
    """One place, with the load on it."""

    place: Place
    load_bytes: int
    """Expected, of everything that draws on this place."""
    high_bytes: int
    level: Level

    @property
    def headroom_bytes(self) -> int:
        """To the load line at the high end of the band; negative over it."""
        return self.place.line_bytes - self.high_bytes

    @property
    def missing_bytes(self) -> int:
        """What is not there of the expected bytes."""
        return max(0, self.load_bytes - self.place.free_bytes)


@record(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The worst of all places, and why."""

    level: Level
    place: str
    """Where it is decided."""
    headroom_bytes: int
    """There, to the load line; negative over it."""
    spill_bytes: int
    """What has no room: there, or on all devices together where one of them decides."""
    reason: str
    """What would happen, in words; empty where it fits."""
    margins: tuple[Margin, ...]
    is_refused: bool = False
    """The engine would not start by its own rule, which ``reason`` says; there may be room for all of it."""
    outcome: Outcome | None = None
    """What would happen, by kind; None where it fits."""
    source: str = ""
    """From where it is known that this would happen."""

    @property
    def spills_into(self) -> str:
        """Where ``spill_bytes`` go to, in words, where the level is SPILLS."""
        if self.outcome is Outcome.SQUEEZES:
            return "into compressed RAM"
        return "to disk" if self.outcome in (Outcome.SWAPS, Outcome.REREADS) else "into RAM"

    @property
    def short_places(self) -> tuple[str, ...]:
        """Where ``spill_bytes`` are missing: the deciding place, or every device without room."""
        return tuple(margin.place.name for margin in _short(self.margins, self.place))


REREAD = "and what RAM has no room for would be read from disk again for every token"


def _short(margins: Sequence[Margin], place: str) -> tuple[Margin, ...]:
    deciding = next(margin for margin in margins if margin.place.name == place)
    if deciding.place.kind == "host" or deciding.place.draws_on is not None:
        return (deciding,)
    short = [margin for margin in margins if margin.missing_bytes and margin.place.kind != "host"]
    return tuple(short) or (deciding,)


def judge(estimate: Estimate, places: Sequence[Place], fallback: Estimate | None = None) -> Verdict:
    """The verdict on an estimate.

    Args:
        estimate: what the engine would allocate as asked.
        places: as they are now; every term's place is among them.
        fallback: what the engine would do by itself where the estimate does not fit.

    An engine that would refuse by its own rule fails, however much room there is, and is tight where it might.
    """
    margins = _sharing_overflow(estimate, tuple(_margin(estimate, place, places) for place in places))
    used = [margin for margin in margins if margin.load_bytes] or list(margins)
    worst = max(used, key=lambda margin: (margin.level, -margin.headroom_bytes))
    level, reason, row = worst.level, "", None
    if estimate.refusal:
        level, reason, row = Level.FAILS, estimate.refusal, refusal_of(estimate.engine)
    elif level >= Level.SPILLS:
        level, reason, row = _overflow(estimate, worst, places, fallback)
    elif estimate.risk:
        level, reason, row = Level.TIGHT, estimate.risk, refusal_of(estimate.engine)
    elif fallback is not None and fallback.summary:
        reason = f"left to itself, {fallback.engine} would keep more room: {fallback.summary}"
        row = way_out(fallback.engine)
    return Verdict(
        level=level,
        place=worst.place.name,
        headroom_bytes=worst.headroom_bytes,
        spill_bytes=sum(margin.missing_bytes for margin in _short(margins, worst.place.name)),
        reason=reason,
        margins=margins,
        is_refused=bool(estimate.refusal),
        outcome=row.outcome if row is not None and level >= Level.SPILLS else None,
        source=row.source if row is not None else "",
    )


def _sharing_overflow(estimate: Estimate, margins: tuple[Margin, ...]) -> tuple[Margin, ...]:
    """What several devices would move to the host has to have room there together, beside the host's own load."""
    moved = [
        margin
        for margin in margins
        if margin.level is Level.SPILLS and overflow_at(margin.place, estimate.engine) is Overflow.MIGRATED
    ]
    host = next((margin for margin in margins if margin.place.kind == "host"), None)
    if not moved or host is None:
        return margins
    if sum(margin.missing_bytes for margin in moved) + host.load_bytes <= host.place.free_bytes:
        return margins
    return tuple(replace(margin, level=Level.FAILS) if margin in moved else margin for margin in margins)


def _margin(estimate: Estimate, place: Place, places: Sequence[Place]) -> Margin:
    names = drawing_on(place, places)
    load, high = estimate.n_bytes(names), estimate.high_bytes(names)
    if load > place.free_bytes:
        room = 0 if overflow_at(place, estimate.engine) is Overflow.REFUSED else place.overflow_free_bytes
        missing = load - place.free_bytes
        level = Level.SPILLS if missing <= room + _droppable_bytes(estimate, place) else Level.FAILS
    elif high > place.line_bytes:
        level = Level.TIGHT
    else:
        level = Level.FITS
    return Margin(place=place, load_bytes=load, high_bytes=high, level=level)


def _droppable_bytes(estimate: Estimate, place: Place) -> int:
    """Of a load, what is never swapped and kills nothing: the file's own pages, which only the host maps."""
    return estimate.file_page_bytes((place.name,)) if place.kind == "host" else 0


def has_room(estimate: Estimate, places: Sequence[Place]) -> bool:
    """Whether an engine's own way out works: nothing has to be swapped or moved, though the file may be read again."""
    return all(
        estimate.n_bytes(drawing_on(place, places)) <= place.free_bytes + _droppable_bytes(estimate, place)
        for place in places
    )


def reread_bytes(estimate: Estimate, places: Sequence[Place]) -> int:
    """Of the mapped file, what RAM has no room for."""
    return sum(
        max(0, min(estimate.n_bytes(drawing_on(place, places)) - place.free_bytes, _droppable_bytes(estimate, place)))
        for place in places
        if place.kind == "host"
    )


def _overflow(
    estimate: Estimate, worst: Margin, places: Sequence[Place], fallback: Estimate | None
) -> tuple[Level, str, Spill]:
    """What becomes of bytes that have no room: the engine's own way out first, then the system's."""
    if fallback is not None and has_room(fallback, places):
        row = way_out(fallback.engine)
        reason = row.sentence.format(engine=fallback.engine, summary=fallback.summary)
        return Level.SPILLS, f"{reason}, {REREAD}" if reread_bytes(fallback, places) else reason, row
    row = _row(estimate, worst)
    is_refused = overflow_at(worst.place, estimate.engine) is Overflow.REFUSED
    if is_refused and fallback is not None and fallback.summary:
        reason = way_out(fallback.engine).sentence.format(engine=fallback.engine, summary=fallback.summary)
        return worst.level, f"{reason}, and run out of memory all the same", row
    return worst.level, row.sentence, row


def _row(estimate: Estimate, worst: Margin) -> Spill:
    """The row of the table that is about this place, as full as it is."""
    here, does_spill = surroundings_of(worst.place), worst.level is Level.SPILLS
    droppable = _droppable_bytes(estimate, worst.place)
    if does_spill and 0 < worst.missing_bytes <= droppable:
        here = here._replace(settings=here.settings | {"mapped"})
    elif not does_spill and worst.place.kind == "host":
        copied = estimate.file_copy_bytes((worst.place.name,))
        if copied and worst.missing_bytes <= worst.place.overflow_free_bytes + droppable + copied:
            here = here._replace(settings=here.settings | {"copied"})
    return spill_of(here, estimate.engine, has_room=does_spill)

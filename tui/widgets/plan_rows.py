"""What stands in the rows of plans side by side: a label, and a cell for each plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estimator.verdict import Level
from probes.snapshot import SWAP_POOL
from tui.humanize import UNKNOWN, count, rate, size
from tui.landing import landing_of
from tui.pace import times
from tui.what_if import in_words
from tui.widgets.bar_signs import signs
from tui.widgets.place_bar import place_bar, swap_bar
from tui.widgets.verdict import CELL_STYLES, GLYPHS, said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estimator.ledger import Place
    from tui.comparison import Compared
    from tui.widgets.line import Line

_SWAP, _DISK = SWAP_POOL, "disk"
_SLOWER = ("RAM", _SWAP, _DISK)
"""Below the devices."""


def plan_rows(shown: tuple[Compared, ...]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Label, and text and style for each plan; a row of neither is a blank between two groups."""
    plans = [one.pin.plan for one in shown]
    yield "model", [(plan.model.name, "strong") for plan in plans]
    yield "quant", [(plan.model.stored_as, "text") for plan in plans]
    yield "context", [(count(plan.workload.context_tokens) if plan.has_context else UNKNOWN, "text") for plan in plans]
    yield "KV cache", [(plan.workload.kv_type, "text") for plan in plans]
    yield "sequences", [(count(plan.workload.n_sequences), "text") for plan in plans]
    yield "engine", [(plan.engine.NAME, "text") for plan in plans]
    yield "on", [(_machine(one.pin.hardware), "text") for one in shown]
    yield "", []
    yield "verdict", [_verdict(one) for one in shown]
    yield "", [_reason(one) for one in shown]
    for name in place_names(shown):
        yield name, [_held(one, name) for one in shown]
    yield "in all", [_total(one) for one in shown]
    yield "", []
    yield "speed", [_speed(one) for one in shown]
    yield "", [_slower(one) for one in shown]


def place_names(shown: tuple[Compared, ...]) -> list[str]:
    """Every device, the RAM, and what is slower, where one of the plans comes to it."""
    judged = [one.assessment for one in shown if one.assessment is not None]
    names = {place.name for made in judged for place in made.places}
    landings = [landing_of(made) for made in judged]
    if any(one.swap is not None and _landed_bytes(one, _SWAP) for one in shown):
        names.add(_SWAP)
    if any(landing.disk_bytes for landing in landings):
        names.add(_DISK)
    return sorted(names, key=lambda name: (_SLOWER.index(name) + 1 if name in _SLOWER else 0, len(name), name))


def barred_names(shown: tuple[Compared, ...]) -> list[str]:
    """Those of which a bar can be drawn."""
    return [name for name in place_names(shown) if name != _DISK]


def bar_of(one: Compared, name: str, width: int) -> Line:
    """What the plan comes to on this place; nothing where it has no part of it."""
    if one.assessment is None:
        return ()
    if name == _SWAP and one.swap is not None:
        return swap_bar(one.swap, _landed_bytes(one, name), width)
    place = _place(one, name)
    return () if place is None else place_bar(one.assessment, place, width)


def signs_of(shown: tuple[Compared, ...], width: int) -> str:
    """What the bars of these plans are drawn with."""
    judged = [one.assessment for one in shown if one.assessment is not None]
    if not judged:
        return ""
    kinds = {term.kind.name for made in judged for term in made.estimate.terms}
    has_landed = any(_landed_bytes(one, "RAM") or (one.swap and _landed_bytes(one, _SWAP)) for one in shown)
    return signs(kinds, width, has_landed=has_landed)


def _place(one: Compared, name: str) -> Place | None:
    made = one.assessment
    return next((place for place in made.places if place.name == name), None) if made else None


def _landed_bytes(one: Compared, name: str) -> int:
    """What would come to a place because it has no room where it was meant to be."""
    if one.assessment is None:
        return 0
    landing = landing_of(one.assessment)
    return {"RAM": landing.ram_bytes, _SWAP: landing.swap_bytes, _DISK: landing.disk_bytes}.get(name, 0)


def _held(one: Compared, name: str) -> tuple[str, str]:
    made, place, landed_bytes = one.assessment, _place(one, name), _landed_bytes(one, name)
    if made is not None and name in (_SWAP, _DISK):
        if not landed_bytes:
            return "nothing", "dim"
        if name == _DISK:
            return f"{size(landed_bytes)} of the file, read again for every token", "bad"
        return f"{size(landed_bytes)} of {size(one.swap.free_bytes if one.swap else 0)} free", "bad"
    if made is None or place is None:
        return UNKNOWN, "dim"
    spilled = f" + {size(landed_bytes)} spilled" if landed_bytes else ""
    return f"{size(made.estimate.n_bytes((name,)))}{spilled} of {size(place.free_bytes)} free", "text"


def _verdict(one: Compared) -> tuple[str, str]:
    if one.assessment is None:
        return "not judged", "tight"
    verdict = one.assessment.verdict
    return f"{GLYPHS[verdict.level]} {verdict.level.name}{said(verdict)}", CELL_STYLES[verdict.level]


def _reason(one: Compared) -> tuple[str, str]:
    return (one.reason if one.assessment is None else one.assessment.verdict.reason), "dim"


def _total(one: Compared) -> tuple[str, str]:
    made = one.assessment
    return (UNKNOWN, "dim") if made is None else (size(made.estimate.n_bytes()), "strong")


def _speed(one: Compared) -> tuple[str, str]:
    if one.pacing is None:
        made = one.assessment
        reason = "" if made is None else " it would not run" if made.verdict.level is Level.FAILS else " not known here"
        return f"{UNKNOWN}{reason}", "dim"
    return f"{rate(one.pacing.speed.tokens_per_second)} tokens/s", "strong"


def _slower(one: Compared) -> tuple[str, str]:
    slowdown = one.pacing.speed.slowdown if one.pacing is not None else None
    return (f"{times(slowdown)} slower than all on the GPU" if slowdown and slowdown >= 1.05 else ""), "tight"


def _machine(hardware: str) -> str:
    return (in_words(hardware) or hardware) if hardware else "this machine, as it is now"

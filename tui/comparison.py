"""Plans side by side: what each takes, where, and how fast it would run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from estimator.errors import EstimatorError
from probes.errors import ProbeError
from probes.snapshot import SWAP_POOL
from records.record import record
from tui.pace import pacing_of
from tui.places import places_of
from tui.plan import Plan, assess
from tui.request import unread_devices
from tui.what_if import snapshot_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estimator.ledger import Place
    from probes.snapshot import Pool, Snapshot
    from tui.pace import Pacing
    from tui.plan import Assessment

MOST_PINS = 4


@record(frozen=True, slots=True, kw_only=True)
class Pin:
    """A plan that is kept in sight."""

    plan: Plan
    hardware: str = ""
    """A description where it is another machine than this one."""


@record(frozen=True, slots=True, kw_only=True)
class Compared:
    """A pin, judged."""

    pin: Pin
    assessment: Assessment | None = None
    pacing: Pacing | None = None
    swap: Pool | None = None
    """The swap space there; None where none is known of."""
    reason: str = ""
    """Why it can't be judged."""


def with_pin(pins: Sequence[Pin], pin: Pin) -> tuple[Pin, ...]:
    """The pins with one more; the oldest goes where there are too many, and the same one is not there twice."""
    others = [other for other in pins if other != pin]
    return (*others[-(MOST_PINS - 1) :], pin)


def compared(pins: Sequence[Pin], places: Sequence[Place], snapshot: Snapshot | None) -> tuple[Compared, ...]:
    """Each pin on its own machine."""
    return tuple(_compared(pin, places, snapshot) for pin in pins)


def _compared(pin: Pin, places: Sequence[Place], snapshot: Snapshot | None) -> Compared:
    plan = pin.plan
    try:
        if pin.hardware:
            snapshot, plan = snapshot_of(pin.hardware, snapshot), replace(plan, devices=None)
            places = places_of(snapshot)
        elif plan.devices is None and (reason := unread_devices(snapshot, places)):
            return Compared(pin=pin, reason=reason)
        made = assess(plan, places)
    except (EstimatorError, ProbeError) as error:
        return Compared(pin=pin, reason=str(error))
    swap = snapshot.pool(SWAP_POOL) if snapshot is not None else None
    return Compared(pin=pin, assessment=made, pacing=pacing_of(made), swap=swap)

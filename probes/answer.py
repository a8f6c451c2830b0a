"""What one probe has said last, and what all have said as one snapshot."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple, TypeVar

from probes.snapshot import Absence, Device, Fault, Pool, Reading, Snapshot
from probes.witnesses import merged

_FRESH_SECONDS = 0.001
"""A reading that has lain for less is as old as its probe says, such as the one that was waited for: to copy all its
figures each second for this is dear. With 4 ms, figures were older than shown (``bench/soak.py``)."""

_Figures = TypeVar("_Figures", Pool, Device)


class Answer(NamedTuple):
    """What one probe has said last. Times are those of one monotonic clock."""

    probe: str
    has_answered: bool = False
    """Once at least, be it to say that there is nothing."""
    reading: Reading | None = None
    read_seconds: float = 0.0
    """The moment to which the ages in ``reading`` refer."""
    asked_seconds: float | None = None
    """When the question was put that is still open; None where none is."""
    error: str | None = None
    """Why there is no reading. None also where there is nothing to read, and that is no fault."""
    absence: str | None = None
    """How one can tell that there is nothing to read, where that is no fault."""


def take_snapshot(
    answers: Iterable[Answer], *, now_seconds: float, taken_seconds: float, silent_seconds: float
) -> Snapshot:
    """Fold what the probes have said into one snapshot; one that is late or broken hides no other.

    Args:
        answers: in the order in which their pools and devices shall stand.
        now_seconds: by the clock of the answers, to know their age.
        taken_seconds: since 1970.
        silent_seconds: a question that is open for longer becomes a fault.
    """
    answers = tuple(answers)
    aged = merged([_aged(answer, now_seconds) for answer in answers])
    faults = [fault for reading in aged for fault in reading.faults]
    for answer in answers:
        message = answer.error or _silence(answer, now_seconds, silent_seconds)
        if message is not None:
            faults.append(Fault(probe=answer.probe, message=message))
    pools = tuple(pool for reading in aged for pool in reading.pools)
    devices = tuple(device for reading in aged for device in reading.devices)
    return Snapshot(
        taken_seconds=taken_seconds,
        pools=pools,
        devices=devices,
        processes=tuple(process for reading in aged for process in reading.processes),
        faults=tuple(faults),
        versions=tuple(version for reading in aged for version in reading.versions),
        machine=next((reading.machine for reading in aged if reading.machine is not None), None),
        late_seconds=max(
            (*(pool.late_seconds for pool in pools), *(device.late_seconds for device in devices)), default=0.0
        ),
        absences=tuple(
            Absence(probe=answer.probe, reason=answer.absence) for answer in answers if answer.absence is not None
        ),
        pending=tuple(answer.probe for answer in answers if not answer.has_answered),
    )


def _aged(answer: Answer, now_seconds: float) -> Reading:
    """The reading with its age: as old as the probe says that each figure was, and as long as it has lain here."""
    reading = answer.reading
    if reading is None:
        return Reading()
    age_seconds = now_seconds - answer.read_seconds
    if age_seconds < _FRESH_SECONDS:
        return reading
    return replace(
        reading,
        pools=tuple(_older(pool, age_seconds) for pool in reading.pools),
        devices=tuple(_older(device, age_seconds) for device in reading.devices),
    )


def _older(figures: _Figures, age_seconds: float) -> _Figures:
    """A copy that is so much older. ``replace`` takes 9 µs for a device, and this 3."""
    copy: _Figures = object.__new__(type(figures))
    for name in figures.__slots__:
        object.__setattr__(copy, name, getattr(figures, name))
    object.__setattr__(copy, "late_seconds", figures.late_seconds + age_seconds)
    return copy


def _silence(answer: Answer, now_seconds: float, silent_seconds: float) -> str | None:
    if answer.asked_seconds is None or now_seconds - answer.asked_seconds <= silent_seconds:
        return None
    figures = "no figures yet" if answer.reading is None else "the figures are from then"
    return f"the driver has not answered for {now_seconds - answer.asked_seconds:.0f} s; {figures}"

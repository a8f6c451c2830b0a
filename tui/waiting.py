"""Holds a launch back until it has room."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from estimator.errors import EstimatorError
from estimator.verdict import Level
from launches.load import Load
from probes.snapshot import Snapshot
from tui.check import say
from tui.finding import Finding
from tui.humanize import plain, size
from tui.judging import emptied, find, has_room
from tui.manner import Manner
from tui.neighbours import nobody
from tui.places import missing_places
from tui.request import expect_devices_known

_POLL_SECONDS = 1.0
"""Between two looks at the memory."""


def has_hope(loads: Sequence[Load], finding: Finding, manner: Manner) -> bool:
    """Whether it would fit if others gave their memory back; what a driver does not tell now, it may tell later."""
    if finding.assessment is None:
        is_refused = any(launch.refusal for load in loads for launch in load.launches)
        is_asked_for = not finding.is_refused and not is_refused
        return is_asked_for and not _are_devices_known(finding.snapshot)
    if has_room(
        find(loads, emptied(finding.snapshot), replace(manner, neighbours=nobody, launching=nobody, claims=None))
    ):
        return True
    say("plimsoll: not waited for: it would not fit here even if nothing else held memory")
    return False


def _are_devices_known(snapshot: Snapshot) -> bool:
    try:
        expect_devices_known(snapshot)
    except EstimatorError:
        return False
    return not missing_places(snapshot)


def wait(
    judge_now: Callable[[Manner], Finding],
    finding: Finding,
    manner: Manner,
    *,
    sleep: Callable[[float], object],
    clock: Callable[[], float],
) -> Finding:
    """Until it has room, or the time is over; what is waited for is said when it changes.

    Args:
        judge_now: judges it on the machine as it is then.
        finding: as it was judged until now.
        manner: what was asked for.
        sleep: between two looks at the memory.
        clock: seconds, for the end of waiting.
    """
    end = clock() + (manner.wait_seconds or 0.0)
    said = ""
    while not has_room(finding) and clock() < end:
        told = _waiting(finding)
        if told != said:
            say(told)
            said = told
        sleep(_POLL_SECONDS)
        finding = judge_now(replace(manner, neighbours=nobody))
    return finding if has_room(finding) else judge_now(manner)


def _waiting(finding: Finding) -> str:
    made = finding.assessment
    if made is None:
        return f"plimsoll: waiting: {plain(finding.reason, 300)}"
    least = min(made.verdict.level, Level.SPILLS)
    short = [margin for margin in made.verdict.margins if margin.level >= least and margin.load_bytes]
    parts = [
        f"{margin.place.name} has {size(margin.place.free_bytes)} free, and {size(margin.load_bytes)} are needed"
        for margin in short[:4]
    ]
    return f"plimsoll: waiting: {'; '.join(parts) or plain(made.verdict.reason, 300)}"

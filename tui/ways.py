"""Ways through a script whose conditions nobody can tell: how each goes, and what is said where they part."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from estimator.verdict import Level
from launches.jobs import Moment
from launches.load import Load
from tui.check import DOES_NOT_FIT
from tui.finding import Finding
from tui.humanize import plain


@dataclass(frozen=True, slots=True)
class Going:
    """How one load goes."""

    number: int
    """Among all of the command."""
    load: Load
    finding: Finding
    """At its worst moment, of all ways or of one."""


@dataclass(frozen=True, slots=True)
class Parting:
    """Some ways have room, and some have not."""

    room: Mapping[int, Sequence[Going]]
    """By way, its loads, where all have room."""
    worst: Going
    """Of those that have none."""
    condition: str
    """How conditions come out there; empty where that is not known."""

    @property
    def shown(self) -> Going:
        """Of those that have room, the one that goes worst."""
        return max((going for way in self.room.values() for going in way), key=lambda each: badness(each.finding))

    @property
    def sentence(self) -> str:
        """Which load has no room, under which condition, and why."""
        launch, finding = self.worst.load.launches[0], self.worst.finding
        made = finding.assessment
        does_spill = made is not None and made.verdict.level is Level.SPILLS
        reason = plain(made.verdict.reason if made is not None and not finding.is_refused else finding.reason, 300)
        where = f"where {self.condition}" if self.condition else "on another way through the script"
        told = (
            f"{launch.program} {plain(launch.source or '', 120)} would {'spill' if does_spill else 'not fit'}, {where}"
        )
        return f"{told}: {reason}" if reason else told

    def tight(self, finding: Finding, *, is_strict: bool) -> Finding:
        """What has room on some ways alone is no sure fit."""
        made = finding.assessment
        if made is None:
            return finding
        reason = "; ".join(part for part in (made.verdict.reason, self.sentence) if part)
        made = replace(made, verdict=replace(made.verdict, level=Level.TIGHT, reason=reason))
        return replace(finding, assessment=made, exit_status=DOES_NOT_FIT if is_strict else finding.exit_status)


def parting(
    found: Sequence[Going], unread: Collection[int], judged: Callable[[Going, Sequence[Moment]], Finding]
) -> Parting | None:
    """None where no way has room, or all have; one on which nothing is loaded has none.

    Args:
        found: each load that can be judged.
        unread: ways on which there is one that can't be.
        judged: how a load goes beside others.
    """
    room: dict[int, list[Going]] = {}
    short: dict[int, list[Going]] = {}
    for way in sorted({way for going in found for way in going.load.ways}):
        goings = _on(way, [going for going in found if way in going.load.ways], judged)
        level = max(badness(going.finding)[0] for going in goings)
        if level <= Level.TIGHT and way not in unread:
            room[way] = goings
        elif level >= Level.SPILLS:
            short[way] = goings
    if not room or not short:
        return None
    worst = max((going for way in short.values() for going in way), key=lambda each: badness(each.finding))
    loads = [worst.load, *(going.load for way in short.values() for going in way)]
    told = (load.branch for load in loads if load.branch and room.keys().isdisjoint(load.ways))
    return Parting(room, worst, plain(next(told, ""), 300))


def _on(way: int, found: Sequence[Going], judged: Callable[[Going, Sequence[Moment]], Finding]) -> list[Going]:
    """As they go on this way; no more are judged anew than until one has no room."""
    anew = [
        going
        for going in found
        if badness(going.finding)[0] >= Level.SPILLS and set(going.load.ways[way]) != set(going.load.beside)
    ]
    known = [going for going in found if going not in anew]
    while anew and all(badness(going.finding)[0] < Level.SPILLS for going in known):
        going = anew.pop(0)
        known.append(replace(going, finding=judged(going, going.load.ways[way])))
    return known


def branch_of(found: Sequence[Going], going: Going) -> str:
    """How a script's conditions come out where it goes so; empty where it goes alike however they do."""
    load, level = going.load, badness(going.finding)[0]
    if not load.branch:
        return ""
    levels = [
        max((badness(one.finding)[0] for one in found if way in one.load.ways), default=Level.FITS)
        for way in range(load.n_ways)
    ]
    return "" if all(each == level for each in levels) else plain(load.branch, 300)


def badness(finding: Finding) -> tuple[float, int]:
    """By level, and of one level by what is left to the load line, as a verdict is decided among places."""
    if finding.is_refused:
        return Level.FAILS, 0
    if finding.assessment is None:
        return Level.TIGHT + 0.5, 0
    verdict = finding.assessment.verdict
    return verdict.level, -verdict.headroom_bytes

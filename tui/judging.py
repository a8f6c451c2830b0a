"""What a command that loads models comes to on this machine: of several loads, the one that goes worst."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from estimator.errors import EstimatorError, Unjudgeable
from estimator.verdict import Level
from launches.command import Command
from launches.jobs import Moment
from launches.launch import Launch
from launches.load import Load
from launches.opened import opened_of
from launches.uncounted import Uncounted
from probes.snapshot import Snapshot
from tui.beside import beside, expected_by, sum_of, taken_by
from tui.check import FITS
from tui.finding import Finding
from tui.humanize import plain
from tui.launched import find_launch, model_of
from tui.manner import Manner
from tui.rewritten import rewritten
from tui.visibility import VARIABLES, as_seen_with
from tui.ways import Going, Parting, badness, branch_of, parting

TYPE_CHECKING = False  # as typing's: only who has learned something imports them
if TYPE_CHECKING:
    from collections.abc import Mapping

    from estimator.calibration import Calibration


@dataclass(frozen=True, slots=True)
class Judged:
    """The finding, and what would be claimed where it is let through."""

    finding: Finding
    n_bytes: "Mapping[str, int]" = field(default_factory=dict)
    """By pool, what it will take at any time; empty where that is not known."""


def judge(loads: Sequence[Load], snapshot: Snapshot, manner: Manner) -> Judged:
    """On the machine as it will be once all that was let through before has its memory.

    Raises:
        EstimatorError: no model that it names can be read.
    """
    if manner.claims is None:
        return Judged(*_worst(loads, snapshot, manner))
    reserved = manner.claims.reserved(snapshot)
    manner = replace(manner, launching=reserved.others(manner.launching))
    finding, n_bytes = _worst(loads, reserved.beside(snapshot), manner)
    return Judged(replace(finding, notes=(*reserved.sentences(snapshot), *finding.notes)), n_bytes)


def find(loads: Sequence[Load], snapshot: Snapshot, manner: Manner) -> Finding:
    """The finding alone.

    Raises:
        EstimatorError: no model that it names can be read.
    """
    return judge(loads, snapshot, manner).finding


def _worst(loads: Sequence[Load], snapshot: Snapshot, manner: Manner) -> tuple[Finding, dict[str, int]]:
    """Of all loads, the one that goes worst, and what they will take of each pool, the most at any time.

    One that can't be judged counts as worse than all that fit. Where nobody can tell which way a script goes, and some
    ways have room and some have not, it is the worst of those that have, and no sure fit.

    Raises:
        EstimatorError: no model that it names can be read.
    """
    if len(loads) == 1:
        finding = _worst_of_one(loads[0], snapshot, manner)
        going = Going(0, loads[0], finding)
        branch = branch_of([going], going)
        notes = (f"this is what it comes to where {branch}", *finding.notes) if branch else finding.notes
        return replace(finding, notes=notes), expected_by(finding)
    found: list[Going] = []
    taken: list[dict[str, int]] = []
    unread: list[tuple[Load, EstimatorError]] = []

    def judged(load: Load, moments: Sequence[Moment]) -> Finding:
        seen = snapshot if _visibility(load) == _visibility(loads[0]) else as_seen_with(_environment(load), snapshot)
        return _worst_moment(load, [beside(seen, [taken[place] for place in moment]) for moment in moments], manner)

    for number, load in enumerate(loads):
        taken.append({})
        if all(launch.source is None for launch in load.launches):
            continue
        try:
            finding = judged(load, load.beside)
        except EstimatorError as error:
            unread.append((load, error))
            continue
        taken[-1] = taken_by(finding)
        found.append(Going(number, load, finding))
    if not found:
        raise unread[0][1] if unread else Unjudgeable("no command of it names a model that would be loaded")
    going = max(found, key=lambda each: badness(each.finding))
    parts = None
    if going.load.n_ways > 1 and badness(going.finding)[0] >= Level.SPILLS:
        unsure = {way for load, _ in unread for way in load.ways}
        parts = parting(found, unsure, lambda each, moments: judged(each.load, moments))
    going = going if parts is None else parts.shown
    load, worst = going.load, going.finding
    if unread:
        doubt = Uncounted(f"what else it loads is not counted: {unread[0][1]}")
        launches = tuple(replace(launch, doubts=(*launch.doubts, doubt)) for launch in load.launches)
        worst = _worst_of_one(replace(load, launches=launches), worst.snapshot, manner)
    after = ", with what was started before it in place" if any(load.beside) else ""
    which = "goes worst"
    if parts is not None:
        worst, which = parts.tight(worst, is_strict=manner.is_strict), "goes worst where there is room for all"
    branch = "" if parts is not None else branch_of(found, going)
    where = f", where {branch}" if branch else ""
    launch = load.launches[0]
    told = f"of {len(loads)} commands that load a model, this is the one that {which}{after}{where}: "
    notes = (f"{told}{launch.program} {plain(launch.source or '', 120)}", *worst.notes)
    return replace(worst, notes=notes, snapshot=snapshot), _most(found, parts)


def _most(found: Sequence[Going], parts: Parting | None) -> dict[str, int]:
    """What is held of each pool at most: where some ways have no room, on those that have."""
    goings = found if parts is None else [going for way in parts.room.values() for going in way]
    expected = {going.number: expected_by(going.finding) for going in goings}
    if parts is None:
        moments = [(going.number, going.load.beside) for going in found]
    else:
        moments = [(going.number, going.load.ways[way]) for way, all_of in parts.room.items() for going in all_of]
    together = [
        sum_of([expected[number], *(expected.get(place, {}) for place in moment)])
        for number, beside_it in moments
        for moment in beside_it
    ]
    return {key: max(each.get(key, 0) for each in together) for key in {key for each in together for key in each}}


def _worst_moment(load: Load, snapshots: Sequence[Snapshot], manner: Manner) -> Finding:
    """How it goes on the machine as it may be when the load begins, where it goes worst.

    Raises:
        EstimatorError: as ``_worst_of_one``.
    """
    return max((_worst_of_one(load, snapshot, manner) for snapshot in snapshots), key=badness)


def _environment(load: Load) -> "Mapping[str, str]":
    return load.launches[0].environment if load.launches else {}


def _visibility(load: Load) -> list[str | None]:
    """What hides devices from it."""
    return [_environment(load).get(name) for names in VARIABLES.values() for name in names]


def _worst_of_one(load: Load, snapshot: Snapshot, manner: Manner) -> Finding:
    """Of one program's loads, which follow one another."""
    launches, command = load.launches, load.command
    calibrations = _calibrations_of(launches[0], command, manner)  # one program loads them all
    found = [
        (
            launch,
            find_launch(
                launch,
                model_of(launch),
                snapshot,
                is_strict=manner.is_strict,
                calibrations=calibrations,
                neighbours=manner.neighbours,
                launching=manner.launching,
            ),
        )
        for launch in launches
    ]
    launch, worst = max(found, key=lambda pair: badness(pair[1]))
    if worst.assessment is None or worst.advice is None:
        return worst
    lines = tuple(
        rewritten(command, launch, worst.assessment, change, snapshot, calibrations) for change in worst.advice.changes
    )
    return replace(worst, rewrites=lines)


def _calibrations_of(launch: Launch, command: Command, manner: Manner) -> "tuple[Calibration, ...]":
    """Of versions like that of the program, as far as its name tells it."""
    if not manner.calibrations:
        return ()
    from launches.version import version_of  # noqa: PLC0415  # 1 ms, for who has learned something
    from tui.lesson import of_version  # noqa: PLC0415  # as above

    opened = opened_of(command)
    return of_version(manner.calibrations, version_of(opened.command, opened.program, launch))


def emptied(snapshot: Snapshot) -> Snapshot:
    """The same machine, if no program held any memory; what drivers and firmware keep stays theirs."""
    pools = []
    for pool in snapshot.pools:
        n_free = pool.total_bytes - (pool.reserved_bytes or 0)
        pools.append(replace(pool, free_bytes=n_free, used_bytes=pool.total_bytes - n_free))
    devices = tuple(
        replace(device, used_bytes=0 if device.used_bytes else device.used_bytes) for device in snapshot.devices
    )
    return replace(snapshot, pools=tuple(pools), devices=devices, processes=())


def may_start(finding: Finding) -> bool:
    """Whether it runs as it was asked for."""
    return finding.exit_status == FITS


def has_room(finding: Finding) -> bool:
    """Whether waiting is over: what spills by the engine's own plan may start, and could still fit."""
    made = finding.assessment
    return made is not None and may_start(finding) and made.verdict.level < Level.SPILLS

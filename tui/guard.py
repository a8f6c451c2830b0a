"""``plimsoll run -- COMMAND``: judges what a command would load, and starts it unchanged, or stands in its way.

The engine takes this process's place (exec), so that signals, terminal and exit status are its own. What is said here
goes to the standard error output, which leaves the engine's own output as it is.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from errno import ENOEXEC

from estimator.errors import EstimatorError, Unjudgeable
from estimator.verdict import Level
from launches.command import Command, assigned
from launches.errors import LaunchError, NoLaunch, UnknownProgram
from launches.launch import Launch, Load, opened_of, read_loads
from launches.uncounted import Uncounted
from probes.snapshot import Snapshot
from tui.check import FITS, UNKNOWN, UNUSABLE, complain
from tui.console import is_coloured
from tui.device_choice import MOST_CHARACTERS
from tui.finding import Finding
from tui.humanize import plain, size
from tui.launched import find_launch, model_of
from tui.neighbours import nobody
from tui.pace import slowdown_text
from tui.places import missing_places
from tui.report import GLYPHS, finding_text, guard_text, headline, wrapped
from tui.request import expect_devices_known
from tui.rewritten import rewritten

TYPE_CHECKING = False  # as typing's: only who has learned something imports them
if TYPE_CHECKING:
    from typing import NoReturn

    from estimator.calibration import Calibration
    from tui.neighbours import Neighbours

REFUSED = 1
NOT_STARTABLE, NOT_FOUND = 126, 127
"""As shells have it: not to be executed, not there (POSIX, XCU 2.8.2)."""
_POLL_SECONDS = 1.0
"""Between two looks at the memory while a launch waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to stand in the way."""

    is_strict: bool = False
    """What is tight, spills by the engine's own plan, or cannot be judged is refused as well."""
    is_agreed: bool = False
    """Whatever is found out, it is started; what is wrong is said."""
    wait_seconds: float | None = None
    """So long a launch without room is held until there is some; None: not at all."""
    is_quiet: bool = False
    """Nothing is said of a load that fits."""
    calibrations: "tuple[Calibration, ...]" = ()
    """What was learned on this machine; none where the hardware is not this machine's."""
    neighbours: "Neighbours" = nobody
    """Who else runs an engine here, asked where the load has no room."""
    launching: "Neighbours" = nobody
    """The same, asked where it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Where a question can be asked; tests answer it themselves."""

    is_there: bool
    ask: Callable[[str], str]


def run_guarded(
    command: Command,
    snapshot: Callable[[], Snapshot],
    manner: Manner,
    *,
    terminal: Terminal,
    start: Callable[[Command], int],
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Start the command where it has room, and return the exit status.

    Args:
        command: as it was typed.
        snapshot: the machine as this command would see it; read anew at every call.
        manner: what was asked for.
        terminal: where a question is asked.
        start: puts the command in this process's place; returns only where that failed.
        sleep: between two looks at the memory.
        clock: seconds, for the end of waiting.
    """
    try:
        loads = read_loads(command)
    except NoLaunch as error:
        return _start_unjudged(command, manner, str(error), start) if error.is_elsewhere else start(command)
    except LaunchError as error:
        return _start_unjudged(command, manner, str(error), start)
    if all(
        launch.source is None for load in loads for launch in load.launches
    ):  # a server that loads what it is asked for later
        return start(command)
    try:
        finding = _worst(loads, snapshot(), manner)
        if manner.wait_seconds is not None and not _has_room(finding) and _has_hope(loads, finding, manner):
            finding = _wait(loads, finding, snapshot, manner, sleep=sleep, clock=clock)
    except EstimatorError as error:
        return _start_unjudged(command, manner, str(error), start)
    is_guess = all(launch.is_guess for load in loads for launch in load.launches)
    if finding.is_refused:
        return _refused(command, finding, manner, terminal, start, is_guess=is_guess)
    if finding.assessment is None:
        return _start_unjudged(command, manner, finding.reason, start)
    if _may_start(finding):
        if not manner.is_quiet and (terminal.is_there or finding.assessment.verdict.level is not Level.FITS):
            _say(_short(finding))
        return start(command)
    return _refused(command, finding, manner, terminal, start, is_guess=is_guess)


def _refused(
    command: Command,
    finding: Finding,
    manner: Manner,
    terminal: Terminal,
    start: Callable[[Command], int],
    *,
    is_guess: bool,
) -> int:
    """Says what is wrong, and lets the person decide where there is one; what may start no engine is only warned of."""
    _say(guard_text(finding, is_coloured=terminal.is_there))
    if manner.is_agreed:
        return start(command)
    if is_guess and not manner.is_strict:
        _say("plimsoll: started all the same: the program before it is not known here, and may only read those words")
        return start(command)
    if not terminal.is_there:
        _say("plimsoll: not started; --yes starts it all the same, --wait waits for room")
        return REFUSED
    return start(command) if _agrees(terminal) else REFUSED


def _has_hope(loads: Sequence[Load], finding: Finding, manner: Manner) -> bool:
    """Whether it would fit if others gave their memory back; what a driver does not tell now, it may tell later."""
    if finding.assessment is None:
        is_refused = any(launch.refusal for load in loads for launch in load.launches)
        is_asked_for = not finding.is_refused and not is_refused
        return is_asked_for and not _are_devices_known(finding.snapshot)
    if _has_room(_worst(loads, emptied(finding.snapshot), replace(manner, neighbours=nobody, launching=nobody))):
        return True
    _say("plimsoll: not waited for: it would not fit here even if nothing else held memory")
    return False


def _are_devices_known(snapshot: Snapshot) -> bool:
    try:
        expect_devices_known(snapshot)
    except EstimatorError:
        return False
    return not missing_places(snapshot)


def find_command(
    command: Command,
    snapshot: Snapshot,
    *,
    is_strict: bool = False,
    calibrations: "tuple[Calibration, ...]" = (),
) -> Finding:
    """What ``plimsoll check -- COMMAND`` reports: of several loads, the one that goes worst.

    Raises:
        LaunchError: it is no engine's, or loads nothing.
        EstimatorError: the model cannot be read.
    """
    manner = Manner(is_strict=is_strict, calibrations=calibrations)
    return _worst(read_loads(command), snapshot, manner)


def report_command(
    command: Command,
    snapshot: Callable[[], Snapshot],
    *,
    is_json: bool = False,
    is_explained: bool = False,
    is_strict: bool = False,
    calibrations: "tuple[Calibration, ...]" = (),
    neighbours: "Neighbours" = nobody,
    launching: "Neighbours" = nobody,
) -> int:
    """``plimsoll check -- COMMAND``: print the report, and return the exit status."""
    try:
        manner = Manner(is_strict=is_strict, calibrations=calibrations, neighbours=neighbours, launching=launching)
        finding = _worst(read_loads(command), snapshot(), manner)
    except UnknownProgram as error:
        complain(str(error))
        return UNUSABLE
    except NoLaunch as error:
        if error.is_elsewhere:
            complain(str(error))
            return UNKNOWN
        print(plain(str(error), 400))
        return FITS
    except Unjudgeable as error:
        complain(str(error))
        return UNKNOWN
    except EstimatorError as error:
        complain(str(error))
        return UNUSABLE
    if is_json:
        import json  # noqa: PLC0415  # 3 ms, which only those pay who ask for it

        from tui.schema import finding_json  # noqa: PLC0415

        print(json.dumps(finding_json(finding), indent=2))
    else:
        print(finding_text(finding, is_explained=is_explained, is_coloured=is_coloured()))
    return finding.exit_status


def _worst(loads: Sequence[Load], snapshot: Snapshot, manner: Manner) -> Finding:
    """Of all loads, the one that goes worst; one that can't be judged before all that fit.

    Raises:
        EstimatorError: no model that it names can be read.
    """
    if len(loads) == 1:
        return _worst_of_one(loads[0], snapshot, manner)
    # 1 ms, for scripts and compose files with more than one load.
    from tui.beside import beside, taken_by  # noqa: PLC0415

    found: list[tuple[Load, Snapshot, Finding]] = []
    taken: list[dict[str, int]] = []
    unread: list[EstimatorError] = []
    for load in loads:
        taken.append({})
        if all(launch.source is None for launch in load.launches):
            continue
        here = beside(snapshot, [taken[place] for place in load.beside])
        try:
            finding = _worst_of_one(load, here, manner)
        except EstimatorError as error:
            unread.append(error)
            continue
        taken[-1] = taken_by(finding)
        found.append((load, here, finding))
    if not found:
        raise unread[0] if unread else Unjudgeable("no command of it names a model that would be loaded")
    load, here, worst = max(found, key=lambda each: _badness(each[2]))
    if unread:
        doubt = Uncounted(f"what else it loads is not counted: {unread[0]}")
        launches = tuple(replace(launch, doubts=(*launch.doubts, doubt)) for launch in load.launches)
        worst = _worst_of_one(replace(load, launches=launches), here, manner)
    after = ", with what was started before it in place" if load.beside else ""
    launch = load.launches[0]
    told = f"of {len(loads)} commands that load a model, this is the one that goes worst{after}: "
    notes = (f"{told}{launch.program} {plain(launch.source or '', 120)}", *worst.notes)
    return replace(worst, notes=notes, snapshot=snapshot)


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
    launch, worst = max(found, key=lambda pair: _badness(pair[1]))
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


def _badness(finding: Finding) -> tuple[float, int]:
    """By level, and of one level by what is left to the load line, as a verdict is decided among places."""
    if finding.is_refused:
        return Level.FAILS, 0
    if finding.assessment is None:
        return Level.TIGHT + 0.5, 0
    verdict = finding.assessment.verdict
    return verdict.level, -verdict.headroom_bytes


def _may_start(finding: Finding) -> bool:
    return finding.exit_status == FITS


def _has_room(finding: Finding) -> bool:
    """Whether waiting is over: what spills by the engine's own plan may start, and could still fit."""
    made = finding.assessment
    return made is not None and _may_start(finding) and made.verdict.level < Level.SPILLS


def _wait(
    loads: Sequence[Load],
    finding: Finding,
    snapshot: Callable[[], Snapshot],
    manner: Manner,
    *,
    sleep: Callable[[float], object],
    clock: Callable[[], float],
) -> Finding:
    """Until it has room, or the time is over; what is waited for is said when it changes."""
    end = clock() + (manner.wait_seconds or 0.0)
    said = ""
    while not _has_room(finding) and clock() < end:
        told = _waiting(finding)
        if told != said:
            _say(told)
            said = told
        sleep(_POLL_SECONDS)
        finding = _worst(loads, snapshot(), replace(manner, neighbours=nobody))
    return finding if _has_room(finding) else _worst(loads, finding.snapshot, manner)


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


def _start_unjudged(command: Command, manner: Manner, reason: str, start: Callable[[Command], int]) -> int:
    if manner.is_strict and not manner.is_agreed:
        complain(f"not started, since it can't be judged: {reason}")
        return UNKNOWN
    complain(f"started without a judgement: {reason}")
    return start(command)


def _short(finding: Finding) -> str:
    made = finding.assessment
    if made is None:
        return ""
    told = f"plimsoll: {GLYPHS[made.verdict.level]} {headline(made)}"
    if made.verdict.level < Level.SPILLS:
        reason = f" ({plain(made.verdict.reason, 300)})" if made.verdict.reason else ""
        return "\n".join(wrapped(f"{told}{reason}", "", "  "))
    pace = f": {slowdown_text(finding.pacing)}" if finding.pacing is not None else ""
    lines = wrapped(f"{told}; {plain(made.verdict.reason, 300)}{pace}", "", "  ")
    instead = next((line for line in finding.rewrites if line), "")
    return "\n".join([*lines, f"  all of it would fit with: {plain(instead, MOST_CHARACTERS)}"] if instead else lines)


def _agrees(terminal: Terminal) -> bool:
    try:
        answer = terminal.ask("start it all the same? [y/N] ")
    except EOFError:
        return False
    return answer.strip().casefold() in ("y", "yes")


def _say(text: str) -> None:
    """To the standard error output; one that is gone is no reason not to start."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        return


def take_place(command: Command) -> int:
    """Put the command in this process's place; its exit status is this one's. Returns only where that failed."""
    sys.stdout.flush()
    sys.stderr.flush()
    environment, words = assigned(command.arguments)
    if not words:
        complain("there is no program in this command; what stands in it only sets variables")
        return NOT_FOUND
    try:
        if os.name == "nt":
            os.environ.update(environment)
            return _as_child(words)
        _give_signals_back()
        whole = {**uncoerced(os.environ, _started_with()), **environment}
        _replaced_by(words, whole)
    except FileNotFoundError:
        complain(f"{words[0]}: no such program; check its name, or give its path")
        return NOT_FOUND
    except (OSError, ValueError) as error:
        complain(f"{words[0]}: cannot be started ({getattr(error, 'strerror', None) or error})")
        return NOT_STARTABLE


def _replaced_by(words: tuple[str, ...], environment: dict[str, str]) -> "NoReturn":
    """As execvp(3) and shells do it: what has no header that the kernel knows is a script, as a llamafile is too."""
    try:
        os.execvpe(words[0], words, environment)  # noqa: S606  # what the user typed, unchanged
    except OSError as error:
        if error.errno != ENOEXEC:
            raise
        import shutil  # noqa: PLC0415  # 5 ms, which only such a script pays

        path = shutil.which(words[0], path=environment.get("PATH")) or words[0]
        os.execve("/bin/sh", ["/bin/sh", path, *words[1:]], environment)  # noqa: S606


def uncoerced(environment: Mapping[str, str], started_with: bytes) -> dict[str, str]:
    """With LC_CTYPE as it was: Python sets its own in the C locale (PEP 538), as in a container without LANG.

    Args:
        environment: of this process.
        started_with: what it was started with, each variable ended by a NUL; empty where that is not known.
    """
    if not started_with:
        return dict(environment)
    told = (entry.partition(b"=") for entry in started_with.split(b"\0"))
    before = {os.fsdecode(name): os.fsdecode(value) for name, _, value in told if name == b"LC_CTYPE"}
    return {name: value for name, value in environment.items() if name != "LC_CTYPE"} | before


def _started_with() -> bytes:
    """As the kernel keeps it (proc_pid_environ(5)); nothing where there is no such file."""
    try:
        with open("/proc/self/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _give_signals_back() -> None:
    """Python ignores these, and what is ignored stays so across exec (signal(7), "Signal disposition")."""
    import signal  # noqa: PLC0415

    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


def _as_child(words: Sequence[str]) -> int:
    """Windows has no exec that the console waits for: the engine is a child, and Ctrl-C is its to answer."""
    import signal  # noqa: PLC0415
    import subprocess  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(list(words))  # noqa: S603  # what the user typed, unchanged

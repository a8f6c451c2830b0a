"""``plimsoll run -- COMMAND``: judges what a command would load, and starts it unchanged, or stands in its way.

The engine takes this process's place (``tui.handover``), so that signals, terminal and exit status are its own. What is
said here goes to the standard error output, which leaves the engine's own output as it is. From the reading of the
memory to what is claimed of it, no other guard here judges (``tui.claims``).
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from estimator.errors import EstimatorError
from estimator.verdict import Level
from launches.clients import CLIENTS
from launches.command import Command
from launches.errors import LaunchError, NoLaunch
from launches.load import Load
from launches.loads import read_loads
from launches.opened import opened_of
from launches.told import screened
from launches.uncounted import Uncounted
from probes.snapshot import Snapshot
from records.record import record
from tui.check import UNKNOWN, complain, say
from tui.device_choice import MOST_CHARACTERS
from tui.finding import Finding
from tui.humanize import plain
from tui.judging import Judged, has_room, judge, may_start
from tui.manner import Manner
from tui.pace import slowdown_text
from tui.report import GLYPHS, guard_text, headline, wrapped
from tui.waiting import has_hope, wait

REFUSED = 1


@record(frozen=True, slots=True, kw_only=True)
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
    launches = [launch for load in loads for launch in load.launches]
    if all(launch.source is None for launch in launches):  # a server that loads what it is asked for later
        unseen = next((doubt for launch in launches for doubt in launch.doubts if isinstance(doubt, Uncounted)), None)
        return start(command) if unseen is None else _start_unjudged(command, manner, unseen, start)
    case = _Case(loads=loads, snapshot=snapshot, manner=manner, begin=start)
    try:
        finding = case.judge(manner)
        if manner.wait_seconds is not None and not has_room(finding) and has_hope(loads, finding, manner):
            finding = wait(case.judge, finding, manner, sleep=sleep, clock=clock)
    except EstimatorError as error:
        return _start_unjudged(command, manner, str(error), start)
    if finding.is_refused:
        return _refused(command, finding, manner, terminal, case)
    if finding.assessment is None:
        return _start_unjudged(command, manner, finding.reason, start)
    if may_start(finding):
        if not manner.is_quiet and (terminal.is_there or finding.assessment.verdict.level is not Level.FITS):
            say(_short(finding))
        return case.start(command)
    return _refused(command, finding, manner, terminal, case)


@dataclass(slots=True, kw_only=True)
class _Case:
    """One command that is judged, until it is started."""

    loads: Sequence[Load]
    snapshot: Callable[[], Snapshot]
    manner: Manner
    begin: Callable[[Command], int]
    judged: Judged | None = None
    is_claimed: bool = False

    @property
    def is_guess(self) -> bool:
        return all(launch.is_guess for load in self.loads for launch in load.launches)

    def judge(self, manner: Manner) -> Finding:
        """On the machine as it is now; what is let through claims its room before another one is judged.

        Raises:
            EstimatorError: no model that it names can be read.
        """
        with nullcontext() if manner.claims is None else manner.claims.turn():
            self.judged = judge(self.loads, self.snapshot(), manner)
            finding = self.judged.finding
            if has_room(finding) or (may_start(finding) and manner.wait_seconds is None):
                self._claim()
        return finding

    def start(self, command: Command) -> int:
        """Whoever decided it; what it will take is claimed in any case."""
        self._claim()
        status = self.begin(command)
        if self.manner.claims is not None:
            self.manner.claims.drop()
        return status

    def _claim(self) -> None:
        claims, launch = self.manner.claims, self.loads[0].launches[0]
        if claims is None or self.judged is None or self.is_claimed or self.is_guess or launch.program in CLIENTS:
            return
        is_contained = any(bool(opened_of(load.command).program.image) for load in self.loads)
        claims.add(self.judged.n_bytes, launch.program, is_elsewhere=is_contained)
        self.is_claimed = True


def _refused(command: Command, finding: Finding, manner: Manner, terminal: Terminal, case: _Case) -> int:
    """Says what is wrong, and lets the person decide where there is one; what may start no engine is only warned of."""
    say(guard_text(finding, is_coloured=terminal.is_there))
    if manner.is_agreed:
        return case.start(command)
    if case.is_guess and not manner.is_strict:
        say("plimsoll: started all the same: the program before it is not known here, and may only read those words")
        return case.start(command)
    if not terminal.is_there:
        say("plimsoll: not started; --yes starts it all the same, --wait waits for room")
        return REFUSED
    return case.start(command) if _agrees(terminal) else REFUSED


def _start_unjudged(command: Command, manner: Manner, reason: str, start: Callable[[Command], int]) -> int:
    reason = screened(reason)
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

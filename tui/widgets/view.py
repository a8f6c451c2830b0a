"""All that the screen shows of one moment: made once for each snapshot or change of plan, and handed down."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from records.record import record
from tui.history import History

if TYPE_CHECKING:  # a screen without a model does not pay for the estimator: 35 ms of its start
    import time
    from collections.abc import Mapping

    from estimator.ledger import Place
    from probes.snapshot import Snapshot
    from tui.advice import Advice
    from tui.alarm import Alarm
    from tui.load_marks import Mark
    from tui.matrix import Cell
    from tui.pace import Pacing
    from tui.plan import Assessment, Plan
    from tui.recognised import Recognised


@record(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """Compared by identity."""

    snapshot: Snapshot | None = None
    """None before the first one."""
    history: History = field(default_factory=History)
    places: tuple[Place, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)
    """Place -> load line, of the first picture, for which no places were made."""
    plan: Plan | None = None
    assessment: Assessment | None = None
    pacing: Pacing | None = None
    """How fast that would run, where it would and the bandwidths are known."""
    reason: str = ""
    """Why a plan could not be judged."""
    advice: Advice | None = None
    """May be some snapshots old: it is made anew when the memory has moved noticeably."""
    cells: tuple[Cell, ...] = ()
    """The matrix, likewise; empty until it has been computed."""
    when: time.struct_time | None = None
    interval_seconds: float = 1.0
    is_paused: bool = False
    engines: tuple[Recognised, ...] = ()
    """What was recognised among the processes, some seconds old at most."""
    marks: tuple[Mark, ...] = ()
    """When loads began, came to rest and ended, the oldest first."""
    alarms: tuple[Alarm, ...] = ()
    """What is the matter beside the verdict."""
    is_verdict_warned: bool = False
    """The verdict has turned bad, and that was not read yet."""
    complaints: tuple[str, ...] = ()
    """What is the matter with the settings, a sentence each."""
    store_notice: str = ""
    """What is the matter with the store of watched loads, in a sentence."""
    is_ascii: bool = False
    """Nothing but ASCII is drawn."""
    is_read_only: bool = False
    """No key ends a process, writes a file or sets a command."""
    is_elsewhere: bool = False
    """The figures are simulated, or of a recording: their processes are not this machine's."""
    is_thrifty: bool = False
    """The line is slow: no charts."""
    silent_seconds: float | None = None
    """For how long no snapshot has come, where that is longer than it should be."""

    @property
    def read_only_reason(self) -> str:
        """Why no process may be ended; nothing where one may."""
        if self.is_read_only:
            return "it is read-only"
        return "these figures are not of this machine" if self.is_elsewhere else ""

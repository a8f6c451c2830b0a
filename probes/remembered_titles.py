"""Names of processes, remembered from one reading to the next: to look one up takes some 60 µs."""

from typing import NamedTuple

from probes.probe import DescribeProcess, Title
from probes.snapshot import Process

_TITLE_SECONDS = 10.0
"""A process is named anew after this: servers change their title once they have loaded (setproctitle in vLLM) ..."""
_SETTLED_SECONDS = 80.0
"""... and after twice as long each time that nothing had changed, up to this (ASSUMED: titles change while loading)."""
_RENAMED = 4
"""So many of those at most in one reading, for each takes some 60 µs; a tenth of them all where there are more."""


class _Described(NamedTuple):
    """What was found out about a process, and when it is looked at again."""

    title: Title | None
    period_seconds: float
    due_seconds: float


class RememberedTitles:
    """Names of processes, asked anew only where a pid is new or was named long ago.

    A pid that stays listed is taken for the same process: to be another one, it would have had to end, and all the
    numbers to be used up, within one interval. That saves reading each one's start time at each sample (15 µs).
    """

    def __init__(self, describe: DescribeProcess) -> None:
        self._describe = describe
        self._known: dict[int, _Described] = {}
        self._due_seconds = float("-inf")
        """When the first of them is looked at again."""
        self._listed: tuple[Process, ...] = ()
        self._shown: tuple[Process, ...] = ()
        """The same, with their titles."""

    def named(self, processes: tuple[Process, ...], now_seconds: float) -> tuple[Process, ...]:
        # Most stay the same from one reading to the next; those that are the same objects are compared at once.
        if processes != self._listed or now_seconds >= self._due_seconds:
            pids = {process.pid for process in processes if _is_nameless(process)}
            are_known = pids == self._known.keys() and now_seconds < self._due_seconds
            renamed = frozenset() if are_known else self._describe_all(pids, now_seconds)
            # Of those that are the same objects, with the same titles, what is shown is the same as well: their
            # memory changes seldom, and another's does at each reading. A copy takes 7 µs.
            before = {id(old): shown for old, shown in zip(self._listed, self._shown, strict=True)}
            self._listed = processes
            self._shown = tuple(
                [
                    self._named_anew(process)
                    if (shown := before.get(id(process))) is None or process.pid in renamed
                    else shown
                    for process in processes
                ]
            )
        return self._shown

    def _describe_all(self, pids: set[int], now_seconds: float) -> frozenset[int]:
        """All that are new, and of the others those that have been due longest; gives those of another title now."""
        known = {pid: described for pid, described in self._known.items() if pid in pids}
        due = sorted(
            (pid for pid in known if known[pid].due_seconds <= now_seconds), key=lambda p: known[p].due_seconds
        )
        renamed = set()
        for pid in [*(pids - known.keys()), *due[: max(_RENAMED, len(pids) // 10)]]:
            title = self._describe(pid)
            before = known.get(pid)
            is_settled = before is not None and before.title == title
            period = min(2 * before.period_seconds, _SETTLED_SECONDS) if before and is_settled else _TITLE_SECONDS
            known[pid] = _Described(title, period, now_seconds + period)
            if not is_settled:
                renamed.add(pid)
        self._known = known
        self._due_seconds = min((described.due_seconds for described in known.values()), default=float("inf"))
        return frozenset(renamed)

    def _named_anew(self, process: Process) -> Process:
        title = self._known[process.pid].title if _is_nameless(process) else None
        return process if title is None else _titled(process, title)


def _is_nameless(process: Process) -> bool:
    return process.name is None and not process.is_outside


def _titled(process: Process, title: Title) -> Process:
    return Process(  # all of it: ``replace`` takes twice as long
        pid=process.pid,
        device_key=process.device_key,
        used_bytes=process.used_bytes,
        name=title.name,
        command=title.command,
        user=process.user if title.user is None else title.user,
        container=process.container if title.container is None else title.container,
        is_outside=process.is_outside,
        shared_used_bytes=process.shared_used_bytes,
        utilization_ratio=process.utilization_ratio,
        started_ticks=title.started_ticks,
    )

"""The seam between hardware and the rest: real, simulated and replayed hardware all come through it."""

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import NamedTuple, Protocol

from probes.access import REAL, Access
from probes.presence import MISSING
from probes.snapshot import Reading


class Probe(Protocol):
    """One source of readings. Opened, sampled and closed on one thread of its own, never on the screen's."""

    def sample(self) -> Reading:
        """What is there now.

        Raises:
            ProbeLost: what was there is gone; the probe is closed, and opened anew at a later reading.
        """
        ...

    def close(self) -> None:
        """Give the driver back what was taken from it. Called once, on the thread that sampled."""
        ...


class Title(NamedTuple):
    """How a person knows a process. Untrusted text."""

    name: str
    command: str
    user: str | None = None
    container: str | None = None
    started_ticks: int | None = None
    """As ``Process.started_ticks``."""


TellCommand = Callable[[Iterable[str]], str]
"""The words of a process's command as one text; whoever shows it says what of it is a secret."""

DescribeProcess = Callable[[int], Title | None]
"""Of a pid; None where the process cannot be seen."""


class ProbeSource(NamedTuple):
    """A probe that can be opened. Opening may take long, and imports what it needs only then."""

    name: str
    open: Callable[[], Probe]
    """Raises ProbeUnavailable."""
    missing: Callable[[], str | None] | None = None
    """Why there is nothing to open, or None where there may be. Takes some microseconds: asked before a thread is made
    for the probe, at the start and now and then later."""
    describe_process: DescribeProcess | None = None
    """Names the processes that the probe reports by number only. None where they are not of this machine (a replay)."""


def real_sources(access: Access = REAL, *, tell_command: TellCommand) -> tuple[ProbeSource, ...]:
    """The vendors of this machine, none of them imported or opened yet.

    Args:
        access: what is read.
        tell_command: how the command of a process is told. Without a default: whether it may hold secrets is for each
            caller to say.
    """
    describe = _describer(access, tell_command)
    return tuple(
        ProbeSource(name=name, open=_opener(name, access), missing=partial(missing, access), describe_process=describe)
        for name, missing in MISSING.items()
    )


def _opener(name: str, access: Access) -> Callable[[], Probe]:
    def open_vendor() -> Probe:
        # Imported only now: a vendor costs up to 26 ms (pynvml), which is paid on its own thread.
        probe: Probe = import_module(f"probes.vendors.{name}").open_probe(access)
        return probe

    return open_vendor


def _describer(access: Access, tell_command: TellCommand) -> DescribeProcess:
    def describe(pid: int) -> Title | None:
        title: Title | None = import_module("probes.vendors.host").describe_process(pid, access.root, tell_command)
        return title

    return describe

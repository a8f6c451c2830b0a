"""One load of a command: what it asks an engine for, what may run beside it, and on which ways it is reached."""

from collections.abc import Mapping
from dataclasses import field

from launches.command import Command
from launches.jobs import Moment
from launches.launch import Launch
from records.record import record


@record(frozen=True, slots=True, kw_only=True)
class Load:
    """One of the commands of a script, or of the services of a compose file."""

    command: Command
    launches: tuple[Launch, ...]
    beside: tuple[Moment, ...] = ((),)
    """Which loads before it may still run when it starts, at one time or another; none at all in ``()``."""
    ways: Mapping[int, tuple[Moment, ...]] = field(default_factory=lambda: {0: ((),)})
    """Of those that the conditions of a script allow, the ones on which it is loaded: ``beside`` on each."""
    n_ways: int = 1
    """All that there are."""
    branch: str = ""
    """How conditions come out on all of those ways, where that tells them from others."""

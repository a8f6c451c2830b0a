"""What an Ollama server lets go of to make room for a model: runners of others, one after another, until it fits whole.

server/sched.go of ollama/ollama, `processPending`: where a model does not fit on the GPUs beside those that are loaded,
one of these is ended (`findRunnerToUnload`), and that is tried again, until none is left. An idle one goes first, and
keep_alive protects none; where all are busy, the next to expire is waited for. Who is busy Ollama does not tell
(`/api/ps`), so that all of them count as gone here, once they are idle.
"""

from dataclasses import dataclass, replace

from estimator.verdict import Level
from tui.advice import without
from tui.holders import Holder, holders_of
from tui.humanize import size
from tui.plan import after_ending

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from estimator.ledger import Place
    from launches.launch import Launch
    from probes.snapshot import Snapshot
    from tui.plan import Assessment
    from tui.recognised import Recognised

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Eviction:
    """What is made room by."""

    holders: tuple[Holder, ...]
    pids: frozenset[int]
    """Of them and their children."""

    @property
    def sentence(self) -> str:
        """What is counted as free."""
        named = ", ".join(holder.name for holder in self.holders[:_MOST_NAMED])
        more = f" and {len(self.holders) - _MOST_NAMED} more" if len(self.holders) > _MOST_NAMED else ""
        n_bytes = sum(holder.n_bytes for holder in self.holders)
        when = "once it is idle" if len(self.holders) == 1 else "once they are idle"
        return f"Ollama would end {named}{more} to make room, {when}: {size(n_bytes)} count as free"

    def rest(self, snapshot: "Snapshot") -> "Snapshot":
        """Who could still be stopped then."""
        left = tuple(process for process in snapshot.processes if process.pid not in self.pids)
        return replace(snapshot, processes=left)

    def places(self, before: "Sequence[Place]") -> "tuple[Place, ...]":
        """As they would be then."""
        after = tuple(before)
        for holder in self.holders:
            after = tuple(without(holder, place, after) for place in after)
        return after


def eviction_for(launch: "Launch", snapshot: "Snapshot", engines: "Sequence[Recognised]") -> Eviction | None:
    """None where nobody would be ended for this launch."""
    return eviction_of(snapshot, engines) if launch.program == "ollama run" else None


def eviction_of(snapshot: "Snapshot", engines: "Sequence[Recognised]") -> Eviction | None:
    """Of all that Ollama runs; None where that is nothing."""
    runners = [one for one in engines if one.engine_name == "ollama"]
    heads = {one.pid for one in runners}
    holders = tuple(holder for holder in holders_of(snapshot, engines) if holder.pid in heads)
    return Eviction(holders, frozenset().union(*(one.pids for one in runners))) if holders else None


def with_room_made(
    assess: "Callable[[tuple[Place, ...]], Assessment]", places: "tuple[Place, ...]", eviction: Eviction | None
) -> "Assessment":
    """A plan of Ollama's beside what it runs, and where it has no room there, in place of that.

    Args:
        assess: the plan on places.
        places: as they are now.
        eviction: what would be ended; None where nothing would.

    Raises:
        EstimatorError: it can't be judged, and why.
    """
    made = assess(places)
    if eviction is None or made.verdict.level < Level.SPILLS:
        return made
    return after_ending(assess(eviction.places(places)), eviction.sentence)

"""All that a command loads: what its scripts, containers and services start, and which of that at a time.

Where nobody knows how a script's conditions come out, it is gone through several times (``launches.choices``), and what
is loaded on any of these ways counts; a load that is the same on several of them is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from launches.choices import Choices, Place
from launches.command import Command, Program
from launches.errors import LaunchError, UnknownEngine, UnknownProgram
from launches.handover import MOVING
from launches.jobs import Moment, largest
from launches.launch import Launch, read_launches
from launches.load import Load
from launches.opened import Cover, opened_of
from launches.uncounted import Uncounted
from launches.walk import BUILT_IN, MOST_LOADS, Standing, Walk

_MOST_WAYS = 24
"""Through one command's scripts (ASSUMED bound)."""
_MOST_SQUARED = 1 << 31
"""Ways through a script, each as long as it, by its length once more: a long one is gone through less often, one of
46 000 characters once (ASSUMED bound)."""
_MORE = Uncounted("the script may load more than the commands that are judged here, and that is not counted")
_GUESSED = Uncounted("a program that is not known here may load another model, and that is not counted")
_MOST_NAMED = 3
_MOST_TOLD = 2
"""Conditions that are told of one load."""


def read_loads(command: Command) -> tuple[Load, ...]:
    """All that it loads, in the order in which it is started.

    Raises:
        UnknownProgram: it starts no engine that is known.
        NoLaunch: it loads nothing so.
    """
    found = _Found(Choices(most_ways=_MOST_WAYS))
    found.go(command)
    walks = found.walks
    doubts = tuple(found.doubts())
    if not found.loads:
        engines = [engine for walk in walks for engine in walk.engines]
        is_guessed = any(walk.is_guessed for walk in walks)
        name = next((walk.name for walk in walks if walk.name), "")
        if engines and not is_guessed:
            raise UnknownEngine(engines[0])
        if name and not (is_guessed or any(walk.is_other for walk in walks)):
            told = "nothing that this script comes to is an" if name in BUILT_IN else f"{name} is no"
            raise UnknownProgram(f"{told} engine whose command line is known here")
        return (Load(command=command, launches=_doubted(read_launches(command), doubts)),)
    first = found.loads[0]
    whole = command if first.command is command or _is_first(command, found.first) else first.command
    return (replace(first, command=whole, launches=_doubted(first.launches, doubts)), *found.loads[1:])


def first_load(command: Command) -> Load | None:
    """The first one, on the first way on which there is any; None where there is none."""
    found = _Found(Choices(most_ways=_MOST_WAYS))
    found.go(command, is_first_wanted=True)
    return found.loads[0] if found.loads else None


def _doubted(launches: Sequence[Launch], doubts: Sequence[str]) -> tuple[Launch, ...]:
    return tuple(replace(launch, doubts=(*launch.doubts, *doubts)) for launch in launches)


@dataclass(slots=True)
class _Way:
    """One of those that were gone."""

    taken: dict[Place, bool]
    numbers: dict[int, tuple[Moment, ...]]
    """Its loads, among all, in their order: what may run beside each."""
    is_ended: bool
    """By a condition, before the end of its script."""


@dataclass(slots=True)
class _Found:
    """What is loaded on all ways."""

    choices: Choices
    loads: list[Load] = field(default_factory=list)
    walks: list[Walk] = field(default_factory=list)
    ways: list[_Way] = field(default_factory=list)
    first: Program | None = None
    is_more: bool = False

    def go(self, command: Command, *, is_first_wanted: bool = False) -> None:
        """All ways, as far as they are not too many: then a last one on which all may be reached."""
        while True:
            walk = Walk(self.choices)
            walk.command(command, Cover(), Standing())
            self._take(walk)
            if is_first_wanted and self.loads:
                return
            if len(self.walks) == 1:
                self.choices.most_ways = min(_MOST_WAYS, 1 + _MOST_SQUARED // max(1, walk.n_characters**2))
            if not self.choices.is_open or not self.choices.turn():
                break
        if self.choices.is_cut and self.choices.is_open:
            self.choices.is_open = False
            walk = Walk(self.choices)
            walk.command(command, Cover(), Standing())
            self._take(walk)
        self._name_branches()

    def _take(self, walk: Walk) -> None:
        self.walks.append(walk)
        self.first = self.first or walk.first
        numbers: list[int] = []
        moments: dict[int, tuple[Moment, ...]] = {}
        for load in walk.loads:
            beside = tuple(tuple(sorted(numbers[place] for place in moment)) for moment in load.beside)
            numbers.append(self._number(load, beside, numbers))
            moments[numbers[-1]] = beside
        self.ways.append(_Way(dict(self.choices.taken), moments, self.choices.is_ended))

    def _number(self, load: Load, beside: Sequence[Moment], own: Sequence[int]) -> int:
        """That of the same load on another way, or the next one."""
        least = max((place for moment in beside for place in moment), default=-1)
        for number, other in enumerate(self.loads):
            if number > least and number not in own and _alike(load) == _alike(other):
                self.loads[number] = replace(other, beside=tuple(largest([*other.beside, *beside])))
                return number
        if len(self.loads) >= MOST_LOADS:
            self.is_more = True
            return len(self.loads) - 1
        self.loads.append(replace(load, beside=tuple(beside)))
        return len(self.loads) - 1

    def _name_branches(self) -> None:
        """Which conditions tell the ways of a load from those on which something else is loaded."""
        ways = [way for way in self.ways if not (way.is_ended and self._is_part(way))] or self.ways
        for number, load in enumerate(self.loads):
            own = [place for place, way in enumerate(ways) if number in way.numbers]
            shared = _shared([ways[place].taken for place in own])
            always = _shared([way.taken for way in ways])
            told = {place: holds for place, holds in shared.items() if place not in always}
            branch = " and ".join(self.choices.told(told)[-_MOST_TOLD:]) if len(own) < len(ways) else ""
            self.loads[number] = replace(
                load, ways={place: ways[place].numbers[number] for place in own}, n_ways=len(ways), branch=branch
            )

    def _is_part(self, way: _Way) -> bool:
        return any(set(way.numbers) <= set(other.numbers) for other in self.ways if other is not way)

    def doubts(self) -> list[Uncounted]:
        """What else may be loaded."""
        found = []
        unseen = list(dict.fromkeys(written for walk in self.walks for written in walk.unseen))
        if unseen:
            names = ", ".join(f"`{written}`" for written in unseen[:_MOST_NAMED])
            more = f" and {len(unseen) - _MOST_NAMED} more" if len(unseen) > _MOST_NAMED else ""
            was = "were" if len(unseen) > 1 else "was"
            found.append(Uncounted(f"only what is recognised was judged: {names}{more} {was} not looked into"))
        if self.is_more or any(walk.is_more for walk in self.walks):
            found.append(_MORE)
        if any(walk.is_guessed for walk in self.walks):
            found.append(_GUESSED)
        if self.choices.is_cut:
            told = f"the script's conditions have more outcomes than the {self.choices.n_ways} that were gone through"
            found.append(Uncounted(f"{told}: what differs on others is not counted"))
        engines = [engine for walk in self.walks for engine in walk.engines]
        return [*found, *map(Uncounted, list(dict.fromkeys(engines))[:MOST_LOADS])]


def _shared(all_taken: Sequence[dict[Place, bool]]) -> dict[Place, bool]:
    """What is the same in all of them."""
    first = all_taken[0] if all_taken else {}
    return {place: holds for place, holds in first.items() if all(taken.get(place) is holds for taken in all_taken)}


def _alike(load: Load) -> tuple[Launch, ...]:
    """The same for loads between which nothing that they take differs."""
    return tuple(
        replace(launch, environment={name: told for name, told in launch.environment.items() if MOVING.fullmatch(name)})
        for launch in load.launches
    )


def _is_first(command: Command, program: Program | None) -> bool:
    """Whether this program is what the command is read as: then what changes in it can be changed in the command."""
    try:
        found = opened_of(command).program
    except LaunchError:
        return False
    return program is not None and (found.name, found.arguments) == (program.name, program.arguments)

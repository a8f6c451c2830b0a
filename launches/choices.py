"""Conditions of a script whose outcome nobody knows: each is taken both ways, one way through the script at a time.

A way is told by the outcomes that it begins with; from the first one on that it does not name, conditions hold. Ways in
which one more outcome is the other come next, so that each condition is turned over before two are. A condition is left
as it is where nothing is done on either side of it that tells: a load, a variable that something asks for, a folder.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from launches.told import told as told_of

Place = tuple[str, int]
"""Of a condition: the text that it stands in, and where."""
_SHOWN = 60
"""Characters of a condition that are told."""
_MOST_CONDITIONS = 64
"""Of one way (ASSUMED bound)."""
_PATHS = frozenset(
    "CMAKE_PREFIX_PATH CPATH LANG LC_ALL LD_LIBRARY_PATH LIBRARY_PATH MANPATH PATH PKG_CONFIG_PATH PS1 PYTHONPATH "
    "TERM".split()
)
"""Variables that say where programs and their libraries lie, and how they print: none changes what is loaded."""
_LOAD, _OTHER = "load", "other"
"""What is done besides setting a variable, which goes by its name behind a ``$``."""


@dataclass(slots=True)
class Condition:
    """One whose outcome is not known."""

    written: str
    fits: str = ""
    """Of ``case``: the pattern that the word is compared with; else it is a command that succeeds or fails."""
    is_and: bool = False
    """Of ``&&``: where it fails, less is loaded, which counts for a test, else only if something else is different."""
    done: dict[bool, set[str]] = field(default_factory=dict)
    """What is done where it comes out so; no key where that was not seen."""
    ends: set[bool] = field(default_factory=set)
    """Outcomes with which the script only ends: what it loads until then, it loads on other ways too."""

    @property
    def usual(self) -> bool:
        """The outcome that is taken first."""
        return True not in self.ends

    @property
    def is_test(self) -> bool:
        """It is asked for its outcome alone: that it does not hold is nothing unusual."""
        return self.written.startswith(("[", "test "))

    def told(self, *, holds: bool) -> str:
        """``where ...``."""
        if self.fits:
            return f"`{_short(self.written)}` is {'' if holds else 'not '}`{_short(self.fits)}`"
        if self.is_test:
            return f"`{_short(self.written)}` {'holds' if holds else 'does not hold'}"
        return f"`{_short(self.written)}` {'succeeds' if holds else 'fails'}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """An outcome that was taken, as long as what is done by it goes on."""

    condition: Condition
    holds: bool
    n_before: int
    """What had been done before."""
    number: int
    """In the order of the way."""


@dataclass(slots=True)
class Choices:
    """Those of one command, over all ways that are gone through."""

    most_ways: int
    taken: dict[Place, bool] = field(default_factory=dict)
    """On the present way, in its order."""
    conditions: dict[Place, Condition] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    """Names of variables that something asked for, on any way."""
    is_cut: bool = False
    """There are more ways than are gone."""
    is_ended: bool = False
    """An outcome has ended the present way."""
    is_open: bool = True
    """Conditions are decided; else nobody knows what is reached."""
    _begin: dict[Place, bool] = field(default_factory=dict)
    _next: deque[tuple[Place, dict[Place, bool]]] = field(default_factory=deque)
    """(the condition that is turned over last, outcomes up to it)."""
    _gone: list[dict[Place, bool]] = field(default_factory=lambda: [{}])
    """With which outcomes ways began."""
    _done: list[str] = field(default_factory=list)
    """On the present way."""
    _n_chosen: int = 0

    def choose(self, place: Place, written: str, fits: str = "", *, is_and: bool = False) -> Chosen | None:
        """Whether it holds on this way; None where that is not decided here."""
        if not self.is_open:
            return None
        if place not in self.taken and len(self.taken) >= _MOST_CONDITIONS:
            self.is_cut = True
            return None
        condition = self.conditions.setdefault(place, Condition(written, fits, is_and))
        holds = self.taken.setdefault(place, self._begin.get(place, condition.usual))
        self._n_chosen += 1
        return Chosen(condition, holds, len(self._done), self._n_chosen)

    def note_variable(self, name: str) -> None:
        """One of this name is set."""
        if name not in _PATHS:
            self._done.append(f"${name}")

    def note(self) -> None:
        """Something else is done that what stands below depends on: a function defined, a folder entered."""
        self._done.append(_OTHER)

    def note_load(self) -> None:
        """A load, or what may be one."""
        self._done.append(_LOAD)

    def end(self, chosen: Chosen, *, has_other: bool) -> None:
        """What is done by an outcome ends here.

        Args:
            chosen: it.
            has_other: something is done where it comes out the other way.
        """
        done, holds = chosen.condition.done, chosen.holds
        done.setdefault(holds, set()).update(self._done_by(chosen))
        if not has_other:
            done.setdefault(not holds, set())

    def cut(self, chosen: Sequence[Chosen]) -> None:
        """The script ends before what is done by these outcomes does: by the last one of them."""
        last = max(chosen, key=lambda each: each.number, default=None)
        self.is_ended = self.is_ended or last is not None
        for each in chosen:
            if each is last and _LOAD not in self._done_by(each):
                each.condition.ends.add(each.holds)
            else:
                self.end(each, has_other=True)

    def turn(self) -> bool:
        """Begin the next way; False where there is none."""
        before = dict(self._begin)
        for place, holds in list(self.taken.items())[len(before) :]:
            self._next.append((place, {**before, place: not holds}))
            before[place] = holds
        self.taken, self.is_ended, self._done = {}, False, []
        gone = [self._turned(begin) for begin in self._gone]
        index = next((n for n, (place, begin) in enumerate(self._next) if self._is_new(place, begin, gone)), None)
        if index is None:
            return False
        if len(self._gone) >= self.most_ways:
            self.is_cut = True
            return False
        _, self._begin = self._next[index]
        del self._next[index]
        self._gone.append(self._begin)
        return True

    @property
    def n_ways(self) -> int:
        """That were begun."""
        return len(self._gone)

    def told(self, taken: Mapping[Place, bool]) -> list[str]:
        """These outcomes in words."""
        return [self.conditions[place].told(holds=holds) for place, holds in taken.items()]

    def _done_by(self, chosen: Chosen) -> set[str]:
        done = set(self._done[chosen.n_before :])
        return done - {_LOAD} if chosen.condition.is_and and not chosen.condition.is_test else done

    def _is_new(self, place: Place, begin: Mapping[Place, bool], gone: Sequence[Mapping[Place, bool]]) -> bool:
        """Whether anything can be different on a way that begins so."""
        condition, holds = self.conditions[place], begin[place]
        if holds in condition.ends or holds not in condition.done:
            return holds not in condition.ends
        turned = self._turned(begin)
        return place in turned and turned not in gone

    def _turned(self, begin: Mapping[Place, bool]) -> dict[Place, bool]:
        """Outcomes that are not the usual ones, of conditions that make a difference, or may."""
        return {
            place: holds
            for place, holds in begin.items()
            if holds is not self.conditions[place].usual and self._differs(self.conditions[place])
        }

    def _differs(self, condition: Condition) -> bool:
        tells = {_LOAD, _OTHER, *(f"${name}" for name in self.asked)}
        return len(condition.done) < 2 or any(not tells.isdisjoint(done) for done in condition.done.values())


def _short(text: str) -> str:
    text = told_of(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

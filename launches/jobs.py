"""Which loads of a script run beside each other: what was put in the background, and what a pipe joins.

POSIX.1-2024, "Shell Command Language", 2.9.2 and 2.9.3. A load is known by its number; what a part of a script holds
is told as moments, each the loads that run at one time; those that are part of another moment are left out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Moment = tuple[int, ...]
_MOST_MOMENTS = 8
"""Of one part of a script (ASSUMED bound)."""
_PIPE = "|"
_JOB = re.compile(r"%(\d{1,4})")


@dataclass(slots=True)
class _Frame:
    """A list of commands: a script, a group, what a loop does."""

    is_shell: bool
    """Of a shell of its own: what waits, waits for its children only."""
    running: list[tuple[str, list[Moment]]] = field(default_factory=list)
    """(name, moments) of each job in the background."""
    own: list[Moment] = field(default_factory=list)
    """Of the commands since the last ``;``."""
    whole: list[Moment] = field(default_factory=list)
    """Of all so far."""


class Jobs:
    """Those of one script, and of what it starts."""

    def __init__(self) -> None:
        """Of nothing, yet."""
        self._frames = [_Frame(is_shell=True)]
        self._n_jobs = 0
        self.is_cut = False
        """More may run beside each other than is told."""

    def start(self, number: int) -> tuple[Moment, ...]:
        """A load begins; what may run beside it, at one time or another."""
        beside = self._together(self._frames)
        frame = self._frames[-1]
        piped = [moments for name, moments in frame.running if name == _PIPE]
        frame.own = self._most([*frame.own, *self._each_with([(number,)], piped)])
        frame.whole = self._most([*frame.whole, *self._beside([(number,)], [frame])])
        return tuple(beside)

    def open(self, *, is_shell: bool = False) -> None:
        """A list of commands within the present one."""
        self._frames.append(_Frame(is_shell=is_shell))

    def close(self, *, is_detached: bool = False) -> None:
        """It ends; what it has in the background goes on.

        Args:
            is_detached: all of it goes on: ``docker run -d``.
        """
        inner, outer = self._frames.pop(), self._frames[-1]
        outer.whole = self._most([*outer.whole, *self._beside(inner.whole, [outer])])
        if is_detached:
            if inner.whole:
                outer.running.append(("", inner.whole))
            return
        outer.own = self._most([*outer.own, *inner.whole])
        outer.running += [job for job in inner.running if job[0] != _PIPE]

    def end(self, operator: str) -> str:
        """A command ends with this; the name of the job that it makes, ``%1``, empty where it makes none."""
        frame = self._frames[-1]
        if operator in ("|", "|&"):
            if frame.own:
                frame.running.append((_PIPE, frame.own))
            return ""
        frame.running = [job for job in frame.running if job[0] != _PIPE]
        if operator in ("&&", "||"):
            return ""
        own, frame.own = frame.own, []
        if operator != "&":
            return ""
        self._n_jobs += 1
        name = f"%{self._n_jobs}"
        if own:
            frame.running.append((name, own))
        return name

    def wait(self, words: Sequence[str]) -> None:
        """``wait`` for all of this shell's, ``wait %1`` for one; of others than its jobs nothing is known."""
        self._end_of({word for word in words if _JOB.fullmatch(word)} if words else None)

    def kill(self, words: Sequence[str]) -> None:
        """``kill %1``."""
        self._end_of({word for word in words if _JOB.fullmatch(word)})

    def _end_of(self, names: set[str] | None) -> None:
        for frame in reversed(self._frames):
            frame.running = [job for job in frame.running if names is not None and job[0] not in names]
            if frame.is_shell:
                break

    def _together(self, frames: Sequence[_Frame]) -> list[Moment]:
        """Of what runs in the background of all of them, every moment."""
        return self._each_with([()], [moments for frame in frames for _, moments in frame.running])

    def _beside(self, moments: Sequence[Moment], frames: Sequence[_Frame]) -> list[Moment]:
        return self._each_with(moments, [running for frame in frames for _, running in frame.running])

    def _each_with(self, moments: Sequence[Moment], others: Iterable[Sequence[Moment]]) -> list[Moment]:
        found = list(moments)
        for other in others:
            found = self._most([tuple(sorted({*one, *two})) for one in found for two in other])
        return found

    def _most(self, moments: Iterable[Moment]) -> list[Moment]:
        kept = largest(moments)
        self.is_cut = self.is_cut or len(kept) > _MOST_MOMENTS
        return kept[:_MOST_MOMENTS]


def largest(moments: Iterable[Moment]) -> list[Moment]:
    """Those that are part of no other."""
    kept: list[Moment] = []
    for moment in sorted(set(moments), key=len, reverse=True):
        if not any(set(moment) <= set(other) for other in kept):
            kept.append(moment)
    return kept

"""Follows launches from their start to rest: a state for each, fed with what is recognised at every reading. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from records.record import record
from tui.recognised import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tui.recognised import Recognised

REST_SECONDS = 20.0
"""What has not changed for so long is at rest (ASSUMED; as the recogniser has it)."""
WARM_SECONDS = 600.0
"""After the first rest, growth still belongs to the load: the first requests make workspaces (ASSUMED)."""
_NOTICEABLE_BYTES = 8 << 20
_LOADING_BYTES = 64 << 20
"""What was there already when watching began is a load only if it grows by so much (ASSUMED: more than a context)."""


@record(frozen=True, slots=True, kw_only=True)
class Rested:
    """A load that has come to rest, or holds more at rest than when it did."""

    engine: Recognised
    loading_seconds: float
    peak: Mapping[str, int]
    """By place, the most that was seen."""


@dataclass(slots=True)
class _Load:
    first_seconds: float
    first_bytes: int
    is_from_start: bool
    """It was not there at the reading before, or it was seen to grow."""
    changed_seconds: float
    changed_bytes: int
    peak: dict[str, int] = field(default_factory=dict)
    rested_seconds: float | None = None
    loading_seconds: float = 0.0
    told_bytes: int = 0


class LoadWatch:
    """Knows the launches by process and start."""

    def __init__(self) -> None:
        self._loads: dict[tuple[int, int], _Load] = {}
        self._is_first = True

    def look(self, engines: Sequence[Recognised], now: float) -> tuple[Rested, ...]:
        """Those that count from now on, or again because they hold more.

        Args:
            engines: all that run now.
            now: seconds of the recogniser's clock.
        """
        there = {(one.pid, one.started_ticks): one for one in engines}
        self._loads = {key: load for key, load in self._loads.items() if key in there}
        found = []
        for key, engine in there.items():
            held = engine.held_bytes or 0
            load = self._loads.get(key)
            if load is None:
                load = self._loads[key] = _Load(
                    first_seconds=now,
                    first_bytes=held,
                    is_from_start=not self._is_first,
                    changed_seconds=now,
                    changed_bytes=held,
                )
            _note(load, engine, held, now)
            if _has_rested(load, engine, held, now):
                if load.rested_seconds is None:
                    load.rested_seconds, load.loading_seconds = now, load.changed_seconds - load.first_seconds
                load.told_bytes = held
                found.append(Rested(engine=engine, loading_seconds=load.loading_seconds, peak=dict(load.peak)))
        self._is_first = False
        return tuple(found)


def _note(load: _Load, engine: Recognised, held: int, now: float) -> None:
    for name, n_bytes in engine.held.items():
        load.peak[name] = max(load.peak.get(name, 0), n_bytes)
    if abs(held - load.changed_bytes) > _NOTICEABLE_BYTES:
        load.changed_seconds, load.changed_bytes = now, held
    load.changed_seconds = max(load.changed_seconds, min(engine.moved_seconds, now))
    if held - load.first_bytes > _LOADING_BYTES:
        load.is_from_start = True


def _has_rested(load: _Load, engine: Recognised, held: int, now: float) -> bool:
    if not load.is_from_start or not is_clean(engine) or now - load.changed_seconds < REST_SECONDS:
        return False
    if load.rested_seconds is None:
        return True
    return now - load.rested_seconds <= WARM_SECONDS and held > load.told_bytes + _NOTICEABLE_BYTES


def is_clean(engine: Recognised) -> bool:
    """Whether what it holds says something of what was predicted: all of it was understood, and all is told."""
    return (
        bool(engine.predicted)
        and engine.phase is Phase.RESTING
        and not engine.unknown
        and not engine.outcome
        and not engine.reason
        and all(name in engine.held for name in engine.counted)
    )

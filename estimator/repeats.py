"""Stretches of a sequence that repeat: the layers of a model, most of which are alike."""

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

MAX_PERIOD = 8
"""The longest pattern of layers known is Granite's and Nemotron's ten to twelve; those are left whole."""


class Run(NamedTuple):
    """``n_repeats`` times the same ``period`` entries, from ``start`` on."""

    start: int
    period: int
    n_repeats: int


def runs_of(entries: Sequence[Hashable]) -> Iterator[Run]:
    """The sequence as runs, each the one that spares the most; what does not repeat is a run of its own."""
    start = 0
    while start < len(entries):
        best = Run(start, 1, 1)
        for period in range(1, MAX_PERIOD + 1):
            n_repeats = _n_repeats(entries, start, period)
            if period * (n_repeats - 1) > best.period * (best.n_repeats - 1):
                best = Run(start, period, n_repeats)
        yield best
        start += best.period * best.n_repeats


def _n_repeats(entries: Sequence[Hashable], start: int, period: int) -> int:
    end = start + period
    while end < len(entries) and entries[end] == entries[end - period]:
        end += 1
    return max(1, (end - start) // period)

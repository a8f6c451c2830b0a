"""Keeps the collector of cyclic garbage quick: a screen that is left is garbage, and its collection a pause.

Of a Textual app, 90,000 objects stay for good; another 45,000 come with the estimator after the first picture, and a
screen that was opened and left is 3,000 to 9,000 (our measurement, by ``gc.get_objects``). To look through what stays
took 15 ms each time, through nothing 0.005: so what is there in a calm moment is put aside.

And the oldest generation is looked through while nobody waits for a picture. Python does so whenever enough was made:
while advice and matrix are, whose models are 27,000 tensors, once a second and on their thread, and each time all
threads stood still for 17 to 48 ms (21 times in 42 s of keys pressed on 64 GPUs).
"""

import gc
import sys
from collections.abc import Callable, Sized
from typing import Protocol

from textual.geometry import Region

ROUNDS = 10
"""Of the second generation before the third is looked through, where nobody waits: as many as Python takes. What is
computed leaves hardly any garbage, and makes some 8 in a second."""
MOST_ROUNDS = 50
"""The same whether or not somebody waits, 7,000 objects each: six seconds of computing without a pause, should there be
none between keys, and 35 MiB were all of it garbage."""
MOST_KEPT = 10_000
"""Objects that are looked through each time, 3 to 5 ms: where more are left in a calm moment, they are put aside ..."""
MOST_ASIDE = 20_000
"""... but no more than so many, some 2 MiB, until all is looked through again, for what has become garbage lies there:
98,000 were 172,000 after 300 s of keys all the time, and the peak had grown by 7 MiB (bench/soak_app.py)."""
AGAIN_SECONDS = 3600.0
"""What was put aside is looked through again now and then, should some of it be garbage by then: 60 ms."""
_forget_regions = Region.intersection.cache_clear
"""The library remembers 4096 parts of screens that it once painted, of 300 bytes each, and those of long ago are seldom
asked for again: 785 after two hours of ``bench/day.py``, 2,962 after 24."""
_PATIENCE_SECONDS = 0.9
"""Between two tries, each a pause of 15 ms and more."""


class Collector(Protocol):
    """As the module ``gc``."""

    def collect(self) -> int: ...
    def get_freeze_count(self) -> int: ...
    def get_count(self) -> tuple[int, int, int]: ...
    def get_objects(self, generation: int | None = None) -> Sized: ...
    def freeze(self) -> None: ...
    def unfreeze(self) -> None: ...


class Sweeper:
    """Told at each reading; puts aside once what was imported last has stood for a reading."""

    def __init__(
        self,
        collector: Collector = gc,
        modules: Sized = sys.modules,
        forget: Callable[[], object] = _forget_regions,
    ) -> None:
        """``forget`` is called where all is looked through again: lets go of what is remembered and not needed."""
        self._collector, self._modules, self._forget = collector, modules, forget
        self._n_before = self._n_aside = len(modules)
        self._swept_seconds: float | None = None
        self._tried_seconds = 0.0
        self._n_looked_through = 0
        """Of what was put aside: when all was looked through last, and with what was imported since."""
        self._is_full = False
        """More is not put aside before that is done again."""

    def begin(self, now_seconds: float) -> None:
        """The first picture is there: what was made for it stays, and need not even be looked through once."""
        self._collector.freeze()
        self._n_looked_through = self._collector.get_freeze_count()
        self._n_before = self._n_aside = len(self._modules)
        self._swept_seconds = now_seconds

    def sweep(self, is_calm: Callable[[], bool], now_seconds: float) -> None:
        """While nobody waits.

        ``is_calm`` is asked again once all garbage is gone: nothing may be put aside that will be some soon.
        """
        if self._swept_seconds is None or self._put_aside(is_calm, now_seconds):
            return
        if self._collector.get_count()[2] >= ROUNDS:
            self.clear(is_calm)

    def clear(self, is_calm: Callable[[], bool]) -> None:
        """The same where something was left that is garbage now."""
        if self._swept_seconds is None:
            return
        self._collector.collect()
        n_left = n_kept(self._collector)
        if n_left <= MOST_KEPT or not is_calm():
            return
        self._is_full = self._collector.get_freeze_count() + n_left > self._n_looked_through + MOST_ASIDE
        if not self._is_full:
            self._collector.freeze()

    def _put_aside(self, is_calm: Callable[[], bool], now_seconds: float) -> bool:
        """Whether all was looked through."""
        if self._swept_seconds is None or now_seconds < self._tried_seconds + _PATIENCE_SECONDS:
            return False
        n_before, self._n_before = self._n_before, len(self._modules)
        is_news = self._n_before != self._n_aside
        is_old = self._is_full or now_seconds - self._swept_seconds > AGAIN_SECONDS
        if not (is_news or is_old) or self._n_before != n_before or not is_calm():
            return False
        self._tried_seconds = now_seconds
        if is_old:
            self._forget()
            self._collector.unfreeze()
            self._swept_seconds, self._n_looked_through = now_seconds, 0
        self._collector.collect()
        if is_calm():
            n_aside = self._collector.get_freeze_count()
            self._collector.freeze()
            self._n_looked_through += self._collector.get_freeze_count() - n_aside
            self._n_aside = self._n_before
            self._is_full = False
        return True


def n_kept(collector: Collector) -> int:
    """How many objects the oldest generation has.

    Counted in one call of C, in which no other thread can run. While the list of them lives, a tuple that another
    thread is making of a generator is held twice, and to make it larger is a SystemError there (CPython 3.11,
    Objects/tupleobject.c: _PyTuple_Resize; seen in a thread that judged engines).
    """
    return next(map(len, map(collector.get_objects, (2,))))

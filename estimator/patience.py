"""What becomes of a simulation while somebody waits: it pauses between two steps, or is not begun.

A simulation takes 30 to 100 ms of a model of 30B parameters, and up to 2 s of the largest. Of two threads that compute
each has half of the time, so that a person who presses a key meanwhile waits twice as long.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class NotRememberedError(Exception):
    """It would have to be simulated, and whoever asks does not wait for that. No EstimatorError: it can be judged."""


def _go_on() -> None:
    """Where nobody has said otherwise."""


def _leave_it() -> None:
    raise NotRememberedError


_between: ContextVar[Callable[[], object]] = ContextVar("between_steps", default=_go_on)
"""Of the thread that computes: each has its own."""


def pause() -> None:
    """Called before a simulation, and in it each millisecond or so."""
    _between.get()()


@contextmanager
def pausing(between: Callable[[], object]) -> Iterator[None]:
    """What is simulated here calls this between two steps."""
    token = _between.set(between)
    try:
        yield
    finally:
        _between.reset(token)


@contextmanager
def only_remembered() -> Iterator[None]:
    """Here nothing is simulated.

    Raises:
        NotRememberedError: where it would have to be.
    """
    with pausing(_leave_it):
        yield

"""What becomes of what is computed while somebody waits: it pauses between two steps, or is not begun.

A simulation takes 30 to 100 ms of a model of 30B parameters, and up to 2 s of the largest; a verdict for all models
that are known here takes 200. Of two threads that compute each has half of the time, so that a person who presses a key
meanwhile waits twice as long.
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
_beside: ContextVar[Callable[[], object]] = ContextVar("beside_simulations", default=_go_on)
"""The same for what is no simulation, and is done wherever it is asked for."""


def pause() -> None:
    """Called before a simulation, and in it each millisecond or so."""
    _between.get()()


def rest() -> None:
    """The same in what takes milliseconds without being a simulation: tensors of a model, their types, sums of them."""
    _beside.get()()


@contextmanager
def pausing(between: Callable[[], object]) -> Iterator[None]:
    """What is computed here calls this between two steps."""
    tokens = _between.set(between), _beside.set(between)
    try:
        yield
    finally:
        _between.reset(tokens[0])
        _beside.reset(tokens[1])


@contextmanager
def only_remembered() -> Iterator[None]:
    """Here nothing is simulated.

    Raises:
        NotRememberedError: where it would have to be.
    """
    token = _between.set(_leave_it)
    try:
        yield
    finally:
        _between.reset(token)

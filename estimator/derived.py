"""What is derived from a model is remembered with it, and goes when it goes.

A list judges hundreds of models once each, and a screen one model every second for days. Remembered by function, for
the last so-and-so many models, 24 openings of the list left 90 models of some 0.4 MiB each, and the screen's own was
often pushed out. Remembered in the model, nothing outlives what it is of.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, cast

from estimator.patience import rest

if TYPE_CHECKING:
    from collections.abc import Callable

    from estimator.model import Model

P = ParamSpec("P")
T = TypeVar("T")
_ITSELF = object()
"""Instead of the model, which must not hold itself: it would stay until the next look for such circles."""


def of_model(work: Callable[[Model], T]) -> Callable[[Model], T]:
    """Worked out once for each model. What comes of it must not hold the model, but may be the model."""

    @wraps(work)
    def remembered(model: Model) -> T:
        known = model.derived.get(work)
        if known is None:
            rest()
            found = work(model)
            model.derived[work] = _ITSELF if found is model else found
            return found
        return cast("T", model if known is _ITSELF else known)

    return remembered


def of_model_by(n_most: int) -> Callable[[Callable[Concatenate[Model, P], T]], Callable[Concatenate[Model, P], T]]:
    """The same for each set of further arguments, which are all forgotten once there are so many of them."""

    def decorated(work: Callable[Concatenate[Model, P], T]) -> Callable[Concatenate[Model, P], T]:
        @wraps(work)
        def remembered(model: Model, /, *args: P.args, **named: P.kwargs) -> T:
            known = model.derived.get(work)
            if known is None:
                known = model.derived[work] = {}
            key = (*args, *named.items()) if named else args
            try:
                result = known[key]
            except KeyError:
                pass
            else:
                return cast("T", model if result is _ITSELF else result)
            rest()
            found = work(model, *args, **named)
            if len(known) >= n_most:
                known.clear()
            known[key] = _ITSELF if found is model else found
            return found

        return remembered

    return decorated

"""Memory that engines which load now will take: a launch that is judged beside them does not get it.

A look at one moment tells no growth. What is taken for a load under way has run for no longer than the recogniser
allows for that, and holds far less on its devices than is predicted: one that rests holds what is predicted within a
few per cent, or its prediction is another's.
"""

from dataclasses import dataclass, replace

from launches.launch import Launch
from tui.humanize import plain, size
from tui.places import HOST_NAME
from tui.recognised import Phase, Recognised

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

    from estimator.ledger import Place

_LOADING_RATIO = 0.9
"""Of the low end of what is predicted: below it one still loads (ASSUMED; predictions that are shown were within 5 %,
docs/accuracy.md)."""
_LEAST_BYTES = 64 << 20
"""As of an early warning."""


def is_launching(engine: Recognised) -> bool:
    """Whether it will take more, as far as one look can tell."""
    least = sum(one.low_bytes for one in engine.counted.values())
    is_sure = engine.phase is Phase.LOADING and engine.is_on_device and not (engine.is_by_name or engine.outcome)
    return is_sure and (engine.held_bytes or 0) < _LOADING_RATIO * least


@dataclass(frozen=True, slots=True)
class Promises:
    """What is left of launches under way."""

    engines: tuple[Recognised, ...]

    def places(self, before: "Sequence[Place]") -> "tuple[Place, ...]":
        """As they will be once all of it is taken."""
        return tuple(self._after(place) for place in before)

    def _after(self, place: "Place") -> "Place":
        n_bytes = self._bytes_on(place.name)
        return replace(place, free_bytes=max(0, place.free_bytes - n_bytes)) if n_bytes else place

    def sentences(self, places: "Sequence[Place]") -> tuple[str, ...]:
        """What counts as taken, a sentence for each engine."""
        found = []
        for engine in self.engines:
            left = [(place.name, n) for place in places if (n := _left_of(engine, place.name))]
            if left:
                told = ", ".join(f"{size(n)} of {name}" for name, n in left)
                found.append(
                    f"{plain(engine.program, 40)} {engine.pid} loads now: {told} that it will take count as used"
                )
        return tuple(found)

    def _bytes_on(self, place: str) -> int:
        return sum(_left_of(engine, place) for engine in self.engines)


def _left_of(engine: Recognised, place: str) -> int:
    n_bytes = engine.remaining.get(place, 0)
    return n_bytes if place != HOST_NAME and n_bytes >= _LEAST_BYTES else 0


def promises_of(launch: Launch, engines: "Sequence[Recognised]") -> Promises | None:
    """None where nobody loads; an Ollama server lets its own models wait for one another."""
    is_ollama = launch.program == "ollama run"
    launching = tuple(
        engine for engine in engines if is_launching(engine) and not (is_ollama and engine.engine_name == "ollama")
    )
    return Promises(launching) if launching else None

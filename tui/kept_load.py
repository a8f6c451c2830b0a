"""A load that was watched from its start to rest, as it is kept: figures and names, no command line, path or user."""

from collections.abc import Sequence

from records.record import record

NAME_LENGTH = 120
"""Of every text that is kept."""


@record(frozen=True, slots=True, kw_only=True)
class KeptPlace:
    """What a load was to take at one place, and what it took."""

    name: str
    """As ``Place.name``."""
    product: str = ""
    """The device as its driver names it."""
    vendor: str = ""
    driver: str = ""
    """The version of its driver; empty where it is not told."""
    predicted_bytes: int
    """Without what was learned on this machine."""
    low_bytes: int
    high_bytes: int
    held_bytes: int
    """At rest."""
    peak_bytes: int
    """The most that was seen while it was watched."""
    takes_share: bool = False
    """The engine takes a share of the place, whatever it needs."""
    runtime_bytes: int | None = None
    """Of what was predicted, what the driver and its libraries take; None where what was held does not tell of that."""
    calibrated_bytes: int | None = None
    """As it was predicted then with what had been learned on this machine; None where that was nothing. Nothing is
    learned from it."""


@record(frozen=True, slots=True, kw_only=True)
class KeptLoad:
    """One launch."""

    host: str
    """Which machine, where a home directory serves several: a digest, not a name."""
    boot: str
    """Which start of that machine: with the two numbers below, no other process is this one."""
    pid: int
    started_ticks: int
    rested_seconds: float
    """When it came to rest, in seconds since 1970."""
    loading_seconds: float
    """How long that took."""
    program: str
    engine_name: str
    """A key of ``estimator.engine.ENGINES``."""
    engine_version: str = ""
    """As the engine says it, or as it is installed; empty where neither is known."""
    model_name: str = ""
    quant: str = ""
    architecture: str = ""
    """Of the model, as its file calls it."""
    context_tokens: int | None = None
    n_sequences: int = 1
    places: Sequence[KeptPlace] = ()

    @property
    def predicted_bytes(self) -> int:
        """At all places together."""
        return sum(place.predicted_bytes for place in self.places)

    @property
    def held_bytes(self) -> int:
        """At all places together."""
        return sum(place.held_bytes for place in self.places)

"""An engine that runs here, as far as it could be recognised: figures only, so that it can be kept and shown."""

from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from types import MappingProxyType

from probes.served import Served
from records.record import record
from tui.places import HOST_NAME

GROWING = frozenset({"mlx", "transformers"})
"""Engines whose cache grows with the context, up to what is predicted for all of it (reference: mlx_lm's KVCache and
transformers' DynamicCache append; llama.cpp, vLLM and SGLang allocate it whole)."""

NOTICEABLE_BYTES = 8 << 20
"""Less is none: contexts and buffers come and go."""
_INTERFACES = MappingProxyType({"LM Studio": "lmstudio"})
"""By program, where it is not the engine's own."""


class Phase(Enum):
    """How far a launch is."""

    LOADING = "loading"
    """It holds less than it will, and grows, reads, or says that it loads."""
    STALLED = "stalled"
    """The same, and for a while it has neither grown nor read."""
    RESTING = "resting"
    """It holds what was predicted, or has neither grown nor read for a while, and says nothing else."""
    UNKNOWN = "unknown"
    """What it will hold is not known."""


@record(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What a launch takes at one place once it is loaded."""

    n_bytes: int
    low_bytes: int
    high_bytes: int
    takes_share: bool = False
    """The engine takes a share of the place and not only what it needs (vLLM, SGLang)."""
    runtime_bytes: int | None = None
    """Of it, without what was learned on this machine, what the driver and its libraries take; None where what is held
    will not tell of that, since something else of it is not sure."""
    plain: "Predicted | None" = None
    """Without what was learned on this machine; None where nothing was."""


@record(frozen=True, slots=True, kw_only=True)
class Recognised:
    """One engine with its children."""

    pid: int
    started_ticks: int
    pids: frozenset[int]
    """Its own and those of its children."""
    program: str
    """As people call it: ``llama-server``, ``vllm serve``. Untrusted where it is a stranger's."""
    engine_name: str
    """A key of ``estimator.engine.ENGINES``."""
    model_name: str = ""
    """Untrusted; empty where it is not known."""
    quant: str = ""
    architecture: str = ""
    """Of the model, as its file calls it; empty where it is not known."""
    engine_version: str = ""
    """As the engine says it, or as it is installed; empty where neither is known. Untrusted."""
    context_tokens: int | None = None
    n_sequences: int = 1
    predicted: Mapping[str, Predicted] = field(default_factory=dict)
    """By place, as ``Place.name``; empty where it can't be told, and then ``reason`` says why."""
    held: Mapping[str, int] = field(default_factory=dict)
    """By place: bytes now, of all its processes; a place that reports none is left out."""
    phase: Phase = Phase.UNKNOWN
    is_growing: bool = False
    """It is being loaded: it was seen to start, or to take more than it had, and gave nothing back; or says so."""
    growth_bytes_per_second: float = 0.0
    """Of all places together, over the last seconds."""
    moved_seconds: float = 0.0
    """When it last grew, or read as one that loads does: by the recogniser's clock."""
    unknown: tuple[str, ...] = ()
    """Of its command line, what is not understood."""
    reason: str = ""
    """Why nothing is predicted."""
    is_by_name: bool = False
    """Its file cannot be read here: the model is taken for the one that is called so."""
    outcome: str = ""
    """What would happen, where it had no room when it was judged; empty where it had."""
    served: Served | None = None
    """What its own interface says; None where it was not asked, has none or says nothing."""
    has_metrics: bool = True
    """Whether it may be asked for its metrics without any work for it."""
    ports: tuple[int, ...] = ()
    """TCP ports of this machine that it listens on."""

    @property
    def interface(self) -> str:
        """Whose questions it answers: a key of ``probes.served.READERS``."""
        return _INTERFACES.get(self.program, self.engine_name)

    @property
    def is_on_device(self) -> bool:
        """Whether it holds something on a device now."""
        return any(name != HOST_NAME for name in self.held)

    @property
    def predicted_bytes(self) -> int | None:
        """On its devices; in RAM where it uses none. None where it is not known."""
        return sum(one.n_bytes for one in self.counted.values()) if self.predicted else None

    @property
    def held_bytes(self) -> int | None:
        """At the places that its prediction counts."""
        names = self.counted if self.predicted else self.held
        told = [self.held[name] for name in names if name in self.held]
        return sum(told) if told else None

    @property
    def counted(self) -> Mapping[str, Predicted]:
        """Its devices; RAM alone where there are none."""
        return counted_of(self.predicted)

    @property
    def remaining(self) -> Mapping[str, int]:
        """By place, what it will still take; nothing where it rests."""
        if self.phase is not Phase.LOADING:
            return {}
        left = {name: one.n_bytes - self.held.get(name, 0) for name, one in self.counted.items()}
        return {name: n for name, n in left.items() if n > 0}

    @property
    def promised(self) -> Mapping[str, int]:
        """By place where it holds something, what it may still take unasked.

        That is all that is left of a launch, or of a cache that grows; nothing where the model is only known by name.
        """
        is_loading = self.phase is Phase.LOADING and self.is_growing
        if self.is_by_name or not (is_loading or self.engine_name in GROWING):
            return {}
        left = {name: one.n_bytes - held for name, one in self.counted.items() if (held := self.held.get(name, 0))}
        return {name: n for name, n in left.items() if n > 0}

    @property
    def progress_ratio(self) -> float | None:
        """Of what it will hold, what it holds; None where one of them is not known."""
        held, predicted = self.held_bytes, self.predicted_bytes
        return None if held is None or not predicted else min(1.0, held / predicted)

    @property
    def left_seconds(self) -> float | None:
        """Until all is held at the present rate; None where it does not grow."""
        left = sum(self.remaining.values())
        return left / self.growth_bytes_per_second if left and self.growth_bytes_per_second > 0 else None


def counted_of(predicted: Mapping[str, Predicted]) -> Mapping[str, Predicted]:
    """What counts of a prediction: its devices; RAM alone where there are none."""
    return {name: one for name, one in predicted.items() if name != HOST_NAME} or predicted

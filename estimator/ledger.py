"""Bytes, where they go, and why: an estimate is a tuple of terms, and everything shown of it is a reading of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from estimator.errors import Unjudgeable


class Basis(Enum):
    """How sure a term is."""

    EXACT = "exact"
    """Read from the file."""
    DERIVED = "derived"
    """By a formula that is cited."""
    CALIBRATED = "calibrated"
    """From a measurement that is cited."""
    ASSUMED = "assumed"
    """Neither: the band says how wide the doubt is."""


class Kind(Enum):
    """What the bytes hold; bars and the one-line sum are split by it."""

    WEIGHTS = "weights"
    KV_CACHE = "KV cache"
    STATE = "state"
    COMPUTE = "compute"
    OUTPUT = "output"
    RUNTIME = "runtime"
    """What the driver and its libraries take for each process."""


class Overflow(Enum):
    """What happens to an allocation that a place has no room for."""

    REFUSED = "refused"
    """It fails, and with it the load."""
    MIGRATED = "migrated"
    """The driver moves memory to the host without an error, and everything becomes slow."""
    SWAPPED = "swapped"
    """The system makes room on disk as far as there is swap; then processes are killed."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Surroundings:
    """What decides, beside the engine, what becomes of a load that a place has no room for; see ``spill``."""

    system: str = "linux"
    """``linux``, ``windows``, ``wsl`` or ``darwin``."""
    memory: str = "own"
    """``own`` of a device, ``unified`` with the host's, or ``host``."""
    vendor: str = ""
    """``nvidia``, ``amd`` ...; empty for the host."""
    driver_version: tuple[int, ...] = ()
    """(580, 95); empty where it is not known."""
    settings: frozenset[str] = frozenset()
    """What is set or there: names of ``spill.SETTINGS``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is asked of the model, in every engine's terms."""

    context_tokens: int
    """Of all sequences together."""
    n_sequences: int = 1
    kv_type: str = "f16"
    """Stored type of the KV cache: ``f16``, ``q8_0``, ``q4_0`` ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A device or the host, as an engine sees it: plain numbers, which a person can also type in."""

    name: str
    """Unique: ``GPU 0``, ``RAM``."""
    kind: str
    """``cuda``, ``rocm``, ``metal``, ``gpu`` (any other) or ``host``: decides how an engine rounds its buffers."""
    total_bytes: int
    free_bytes: int
    reserve_bytes: int = 0
    """What should stay free for everything else. The load line lies at free less reserve."""
    overflow: Overflow = Overflow.REFUSED
    overflow_free_bytes: int = 0
    """How much the overflow can take: free swap for RAM, free RAM for a driver that migrates."""
    draws_on: str | None = None
    """The place whose memory this one shares (unified memory): bytes here are counted there too."""
    n_multiprocessors: int | None = None
    product: str = ""
    """As its driver names it: ``NVIDIA A100-SXM4-80GB``. Some engines choose their defaults by it."""
    compute_capability: tuple[int, int] | None = None
    """CUDA's, (9, 0) for an H100."""
    bandwidth_bytes_per_second: float | None = None
    """Of its memory, as the maker states it."""
    is_bandwidth_assumed: bool = False
    """Nobody stated it: the kind of machine was all there was to go by."""
    half_flops: float | None = None
    """Dense float16 operations per second, as the maker states them."""
    usable_bytes: int | None = None
    """Of the total, what programs are offered: the driver keeps the rest to itself. None: not known."""
    instruction_sets: tuple[str, ...] = ()
    """Of the host's processor, as far as engines lay out weights by them: ``avx2``, ``amx``, ``dotprod`` (ARM). Empty:
    not known."""
    surroundings: Surroundings | None = None
    """None where a person typed the place: then ``overflow`` is all that is known."""
    is_part: bool = False
    """A part of a device (MIG) of which a program can use one, and not several together."""

    @property
    def line_bytes(self) -> int:
        """What may still be used safely."""
        return max(0, self.free_bytes - self.reserve_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One line of the ledger."""

    kind: Kind
    label: str
    place: str
    """The ``Place.name``."""
    n_bytes: int
    low_bytes: int
    high_bytes: int
    basis: Basis
    source: str
    """Where the rule or the figure is from: file and symbol, address and date, or a measurement."""
    formula: str = ""
    """The rule with this model's numbers in it."""
    read_bytes: int = 0
    """Of these, what is read for every token that one sequence generates, its context full: experts that are not used
    and rows that are not looked up are left out."""
    is_file_pages: bool = False
    """Pages of the mapped file itself, on the host: where RAM is short the system drops them, and reads them again."""
    is_in_share: bool = False
    """Part of a share of the place that is taken whole in any case: what one part needs more, another has less, so that
    a sum over all kinds has no doubt about it."""

    @classmethod
    def sure(cls, kind: Kind, label: str, place: str, n_bytes: int, source: str, formula: str = "") -> "Term":
        """One whose rule leaves no doubt."""
        return cls(
            kind=kind,
            label=label,
            place=place,
            n_bytes=n_bytes,
            low_bytes=n_bytes,
            high_bytes=n_bytes,
            basis=Basis.DERIVED,
            source=source,
            formula=formula,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A figure beside the bytes that people ask this engine for: tokens that its cache holds, the smallest share ..."""

    key: str
    """As JSON has it; a number's unit stands last: ``kv_tokens``, ``smallest_utilization_ratio``."""
    label: str
    """As a person reads it: ``KV cache holds``."""
    value: int | float | str
    low: float | None = None
    high: float | None = None
    """Where the value is a number with a band."""
    unit: str = ""
    """``tokens``, ``sequences``; empty for a ratio or a word."""
    basis: Basis = Basis.DERIVED
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What an engine would allocate. Sums are methods; nothing in it is a total that could disagree with its terms."""

    engine: str
    terms: tuple[Term, ...]
    n_layers: int
    """Layers the engine can place, its output layer among them."""
    n_gpu_layers: int
    """Of these, on devices."""
    summary: str = ""
    """What stays off the devices, in words: ``9 of 49 layers to the CPU``. Empty where nothing does."""
    layers_by_device: tuple[int, ...] = ()
    """How many on each device, where that is not what the engine does unasked."""
    doubts: tuple[str, ...] = ()
    """What had to be assumed, a sentence each."""
    answers: tuple[Answer, ...] = ()
    refusal: str = ""
    """Why the engine would not start, in a sentence, where that is its own rule and not a lack of room for a term."""
    risk: str = ""
    """Why it may not start, in a sentence, where only the band reaches over such a rule."""

    def n_bytes(self, places: Iterable[str] | None = None, kind: Kind | None = None) -> int:
        """Expected bytes in these places (all where None), of this kind (all where None)."""
        return sum(term.n_bytes for term in self.select(places, kind))

    def low_bytes(self, places: Iterable[str] | None = None, kind: Kind | None = None) -> int:
        """The least that the band allows."""
        return sum(
            term.n_bytes if term.is_in_share and kind is None else term.low_bytes for term in self.select(places, kind)
        )

    def high_bytes(self, places: Iterable[str] | None = None, kind: Kind | None = None) -> int:
        """The most that the band allows."""
        return sum(
            term.n_bytes if term.is_in_share and kind is None else term.high_bytes for term in self.select(places, kind)
        )

    def file_page_bytes(self, places: Iterable[str]) -> int:
        """Of the expected bytes in these places, what the system can drop and read from the file again."""
        return sum(term.n_bytes for term in self.select(places) if term.is_file_pages)

    def select(self, places: Iterable[str] | None = None, kind: Kind | None = None) -> tuple[Term, ...]:
        """The terms in these places, of this kind."""
        names = None if places is None else frozenset(places)
        return tuple(
            term
            for term in self.terms
            if (names is None or term.place in names) and (kind is None or term.kind is kind)
        )


def drawing_on(place: Place, places: Iterable[Place]) -> tuple[str, ...]:
    """The names whose bytes come out of this place: its own, and of those that share its memory."""
    return (place.name, *(other.name for other in places if other.draws_on == place.name))


def host_among(places: Iterable[Place]) -> Place:
    """The place that is the machine's own memory.

    Raises:
        Unjudgeable: there is none, so that no engine can be judged.
    """
    for place in places:
        if place.kind == "host":
            return place
    raise Unjudgeable("the memory of this machine is not known, so nothing can be said of a load")

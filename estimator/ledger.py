"""Bytes, where they go, and why: an estimate is a tuple of terms, and everything shown of it is a reading of them."""

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum

from estimator.place import Overflow, Place, Surroundings, drawing_on, host_among
from records.record import record

__all__ = [
    "Answer", "Basis", "Estimate", "Kind", "Overflow", "Place", "Surroundings", "Term", "Workload", "drawing_on",
    "host_among",
]  # fmt: skip


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


@record(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is asked of the model, in every engine's terms."""

    context_tokens: int
    """Of all sequences together."""
    n_sequences: int = 1
    kv_type: str = "f16"
    """Stored type of the KV cache: ``f16``, ``q8_0``, ``q4_0`` ..."""


@record(frozen=True, slots=True, kw_only=True)
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
    is_file_copy: bool = False
    """Weights of a file that is mapped, in an order of their own: were they not copied, its pages would do."""
    is_in_share: bool = False
    """Part of a share of the place that is taken whole in any case: what one part needs more, another has less, so that
    a sum over all kinds has no doubt about it."""
    n_loads: int = 0
    """On this machine, from which it is calibrated; 0: from none."""
    plain: "Term | None" = None
    """As it would be without them; None where it is the same."""

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


@record(frozen=True, slots=True, kw_only=True)
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


@record(frozen=True, slots=True, kw_only=True)
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

    @property
    def plain(self) -> "Estimate":
        """Without what was learned from loads on this machine."""
        if all(term.plain is None for term in self.terms):
            return self
        return replace(self, terms=tuple(term.plain or term for term in self.terms))

    def file_page_bytes(self, places: Iterable[str]) -> int:
        """Of the expected bytes in these places, what the system can drop and read from the file again."""
        return sum(term.n_bytes for term in self.select(places) if term.is_file_pages)

    def file_copy_bytes(self, places: Iterable[str]) -> int:
        """Of these places, what only takes memory because it is copied from the mapped file."""
        return sum(term.n_bytes for term in self.select(places) if term.is_file_copy)

    def select(self, places: Iterable[str] | None = None, kind: Kind | None = None) -> tuple[Term, ...]:
        """The terms in these places, of this kind."""
        names = None if places is None else frozenset(places)
        return tuple(
            term
            for term in self.terms
            if (names is None or term.place in names) and (kind is None or term.kind is kind)
        )

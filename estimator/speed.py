"""Tokens per second: what every token has to read, over how fast each place reads, plus what launching work takes.

The sum is the same with all layers on one device and with a spill: layers in RAM are read at the RAM's bandwidth,
memory that a driver has moved away over PCIe, pages that have no room from the disk. "6 times slower" is its quotient.
"""

from collections.abc import Sequence
from typing import NamedTuple

from estimator.ledger import Basis, Estimate, Kind, Overflow, Place, Workload, drawing_on
from estimator.model import Model
from estimator.overflow import overflow_at
from estimator.pace import (
    CACHE_AWAY_SECONDS,
    CACHE_RATIO,
    DEVICE_HOP_SECONDS,
    EXPERTS_PROMPT_RATIO,
    GATHER_SECONDS,
    HANDOVER_SECONDS,
    Discipline,
    Pace,
    discipline,
    pace_of,
)
from estimator.reads import Reads, Work, reads_by_place, work_of
from records.record import record

PCIE_BYTES_PER_SECOND = (6e9, 12e9, 25e9)
"""(low, expected, high) of what a driver moved to the host: PCIe 3.0 x8 to 4.0 x16, less their overhead. ASSUMED."""
DISK_BYTES_PER_SECOND = (0.3e9, 1.5e9, 5e9)
"""(low, expected, high) of pages that are read from the disk again: SATA to PCIe 4.0 NVMe, at random. ASSUMED."""
ASSUMED_BANDWIDTH_DOUBT = 0.45
"""Where nobody stated a bandwidth, besides the doubt of the class."""


class Stage(NamedTuple):
    """What one place does for a token."""

    place: str
    weight_bytes: int
    cache_bytes: int
    """With the context full."""
    seconds: float
    """At the start of a context."""
    low_seconds: float
    high_seconds: float
    cache_seconds: float
    """More than ``seconds``, once the context is full."""
    bandwidth_bytes_per_second: float
    basis: Basis
    source: str


class Batch(NamedTuple):
    """Sequences side by side, each with its full context."""

    n_sequences: int
    tokens_per_second: float
    """All of them together."""


@record(frozen=True, slots=True, kw_only=True)
class Speed:
    """Of one sequence."""

    tokens_per_second: float
    """At the start of a context."""
    low_tokens_per_second: float
    high_tokens_per_second: float
    full_tokens_per_second: float
    """Once the context is full."""
    prompt_tokens_per_second: float | None
    """None where some of the work is the CPU's, or a device's rate is not known."""
    slowdown: float | None
    """How many times as long a token takes as with all of it on devices; None where it is, or where there are none."""
    stages: tuple[Stage, ...]
    batch: Batch | None = None

    @property
    def basis(self) -> Basis:
        """The least sure of the stages'."""
        order = list(Basis)
        return max((stage.basis for stage in self.stages), key=order.index)


def speed_of(model: Model, workload: Workload, estimate: Estimate, places: Sequence[Place]) -> Speed | None:
    """How fast this estimate would run on these places; None where a bandwidth that matters is not known."""
    if not model.layers:  # it makes no tokens
        return None
    hosts = frozenset(place.name for place in places if place.kind == "host")
    reads = reads_by_place(model, workload, estimate, hosts)
    named = {place.name: place for place in places}
    if not reads or any(_bandwidth(named.get(name)) is None for name in reads):
        return None
    run = _Run(work_of(model), discipline(estimate.engine), estimate, reads, tuple(places))
    stages = tuple(run.stage(named[name]) for name in reads)
    fixed = run.fixed_seconds
    seconds = run.together([stage.seconds for stage in stages]) + fixed
    full = run.together([stage.seconds + stage.cache_seconds for stage in stages]) + fixed
    on_devices = run.seconds_on_devices(stages)
    return Speed(
        tokens_per_second=1 / seconds,
        low_tokens_per_second=1 / (run.together([stage.high_seconds for stage in stages]) + fixed),
        high_tokens_per_second=1 / (run.together([stage.low_seconds for stage in stages]) + fixed),
        full_tokens_per_second=1 / full,
        prompt_tokens_per_second=_prompt_speed(run, named),
        slowdown=None if on_devices is None else max(1.0, seconds / on_devices),
        stages=stages,
        batch=_batch(run, workload, stages, named),
    )


def _bandwidth(place: Place | None) -> float | None:
    return place.bandwidth_bytes_per_second if place else None


class _Run:
    """A model's work, driven by an engine over places."""

    def __init__(
        self, work: Work, way: Discipline, estimate: Estimate, reads: dict[str, Reads], places: tuple[Place, ...]
    ) -> None:
        self.work, self.way, self.estimate, self.reads, self.places = work, way, estimate, reads, places
        self.devices = [place for place in places if place.kind != "host" and place.name in reads]
        self.host_reads = next((reads.get(place.name) for place in places if place.kind == "host"), None)
        weights = sum(reads[place.name].weight_bytes for place in self.devices)
        self._device_shares = {
            place.name: reads[place.name].weight_bytes / weights if weights else 0.0 for place in self.devices
        }

    @property
    def device_layer_ratio(self) -> float:
        """Of all layers, those on devices."""
        if not self.devices:
            return 0.0
        return min(1.0, self.estimate.n_gpu_layers / max(1, self.estimate.n_layers))

    @property
    def fixed_seconds(self) -> float:
        """Between the places: hand-overs to the CPU and hops from device to device."""
        n_more = max(0, len(self.devices) - 1)
        if self.way.is_parallel:
            between = 2 * self.work.n_layers * GATHER_SECONDS if n_more else 0.0
        else:
            between = n_more * DEVICE_HOP_SECONDS
        away = self._layers_without_cache() * CACHE_AWAY_SECONDS
        return self.way.step_seconds + between + self._handovers() * HANDOVER_SECONDS + away

    def _layers_without_cache(self) -> float:
        """Layers on devices whose keys and values lie on the host."""
        named = [place.name for place in self.devices]
        if not named or self.estimate.n_bytes(named, Kind.KV_CACHE) or not self.estimate.n_bytes(kind=Kind.KV_CACHE):
            return 0.0
        return self.work.n_layers * self.device_layer_ratio

    def _handovers(self) -> float:
        """Layers that are the CPU's, or whose experts are, where devices do the others."""
        if not self.devices or self.host_reads is None:
            return 0.0
        on_host = self.work.n_layers * (1 - self.device_layer_ratio)
        if on_host:
            return on_host
        total = sum(reads.weight_bytes for reads in self.reads.values())
        # Experts alone: they are most of what a layer reads, but not all of it.
        return self.work.n_layers * min(1.0, 1.5 * self.host_reads.weight_bytes / total) if total else 0.0

    def pace(self, place: Place) -> Pace:
        """The engine's own on devices, where it has one."""
        own = self.way.pace
        return own if own is not None and place.kind != "host" else pace_of(place)

    def together(self, seconds: Sequence[float]) -> float:
        """Of stages one after another, or all at once."""
        return max(seconds) if self.way.is_parallel and self.devices else sum(seconds)

    def layer_units(self, place: Place) -> float:
        """Of the model's, those launched here."""
        if place.kind == "host":
            return self.work.layer_units * (1 - self.device_layer_ratio)
        share = 1.0 if self.way.is_parallel else self._device_shares[place.name]
        return self.work.layer_units * self.device_layer_ratio * share

    def stage(self, place: Place) -> Stage:
        """What this place does."""
        reads, pace = self.reads[place.name], self.pace(place)
        bandwidth = place.bandwidth_bytes_per_second or 1.0
        missing = _missing_ratio(place, self.estimate, self.places)
        plain = reads.weight_bytes * (1 - missing) / pace.reading_rate(place)
        plain += self.layer_units(place) * pace.layer_seconds
        moved = _overflow_seconds(overflow_at(place, self.estimate.engine), reads.weight_bytes * missing)
        doubt = pace.doubt_ratio + (ASSUMED_BANDWIDTH_DOUBT if place.is_bandwidth_assumed else 0.0)
        is_sure = pace.basis is Basis.CALIBRATED and not place.is_bandwidth_assumed and not missing
        return Stage(
            place=place.name,
            weight_bytes=round(reads.weight_bytes),
            cache_bytes=round(reads.cache_bytes),
            seconds=plain + moved[1],
            low_seconds=plain / (1 + doubt) + moved[0],
            high_seconds=plain * (1 + doubt) + moved[2],
            cache_seconds=reads.cache_bytes / (bandwidth * CACHE_RATIO),
            bandwidth_bytes_per_second=bandwidth,
            basis=Basis.CALIBRATED if is_sure else Basis.ASSUMED,
            source=pace.source,
        )

    def seconds_on_devices(self, stages: Sequence[Stage]) -> float | None:
        """The same with room for everything on the devices there are."""
        best = max(self.places, key=self._reading_rate, default=None)
        if best is None or best.kind == "host":
            return None
        named = {place.name: place for place in self.places}
        is_whole = all(named[stage.place].kind != "host" for stage in stages)
        if is_whole and not any(_missing_ratio(place, self.estimate, self.places) for place in self.devices):
            return None
        weights = sum(reads.weight_bytes for reads in self.reads.values())
        launching = self.work.layer_units * self.pace(best).layer_seconds
        return weights / self._reading_rate(best) + launching + self.way.step_seconds

    def _reading_rate(self, place: Place) -> float:
        return 0.0 if place.kind == "host" else self.pace(place).reading_rate(place)


def _missing_ratio(place: Place, estimate: Estimate, places: Sequence[Place]) -> float:
    """Of what lies here, the share that has no room and is kept elsewhere without an error."""
    if overflow_at(place, estimate.engine) is Overflow.REFUSED:
        return 0.0
    load = estimate.n_bytes(drawing_on(place, places))
    return max(0.0, (load - place.free_bytes) / load) if load else 0.0


def _overflow_seconds(overflow: Overflow, n_bytes: float) -> tuple[float, float, float]:
    """(low, expected, high) for reading so much from where it was moved to."""
    slow, usual, fast = PCIE_BYTES_PER_SECOND if overflow is Overflow.MIGRATED else DISK_BYTES_PER_SECOND
    return n_bytes / fast, n_bytes / usual, n_bytes / slow


def _prompt_speed(run: _Run, named: dict[str, Place]) -> float | None:
    """Two operations per active parameter; what attention adds to a short prompt is left out."""
    seconds = []
    weights = sum(reads.weight_bytes for reads in run.reads.values())
    for name, reads in run.reads.items():
        rate = _compute_rate(run, named[name])
        if rate is None:
            return None
        seconds.append(2 * run.work.active_parameters * (reads.weight_bytes / weights if weights else 0.0) / rate)
    taken = run.together(seconds)
    ratio = EXPERTS_PROMPT_RATIO if run.work.used_expert_ratio < 1 else 1.0
    return ratio / taken if taken else None


def _compute_rate(run: _Run, place: Place) -> float | None:
    ratio = run.pace(place).prompt_ratio
    return None if place.half_flops is None or ratio is None else place.half_flops * ratio


def _batch(run: _Run, workload: Workload, stages: Sequence[Stage], named: dict[str, Place]) -> Batch | None:
    """So many sequences as were asked for, or as the engine's cache holds at full length."""
    n_sequences = workload.n_sequences
    if n_sequences == 1 and run.way.is_batching:
        n_sequences = _held_sequences(run.estimate)
    if n_sequences < 2:
        return None
    seconds = []
    for stage in stages:
        place = named[stage.place]
        held = run.estimate.n_bytes([stage.place], Kind.WEIGHTS)
        weights = _touched_bytes(held, stage.weight_bytes, run.work.used_expert_ratio, n_sequences)
        bandwidth = stage.bandwidth_bytes_per_second
        reading = weights / run.pace(place).reading_rate(place)
        reading += n_sequences * stage.cache_bytes / (bandwidth * CACHE_RATIO)
        reading += run.layer_units(place) * run.pace(place).layer_seconds
        rate = _compute_rate(run, place)
        total = sum(other.weight_bytes for other in stages) or 1
        computing = 2 * run.work.active_parameters * n_sequences * stage.weight_bytes / total / rate if rate else 0.0
        seconds.append(max(reading, computing))
    return Batch(n_sequences=n_sequences, tokens_per_second=n_sequences / (run.together(seconds) + run.fixed_seconds))


def _touched_bytes(held_bytes: int, read_bytes: int, used_ratio: float, n_sequences: int) -> float:
    """Of a place's weights, what a token of each sequence reads together: each of them chooses its own experts."""
    if used_ratio >= 1 or held_bytes <= read_bytes:
        return float(read_bytes)
    experts = min(float(held_bytes), (held_bytes - read_bytes) / (1 - used_ratio))
    return held_bytes - experts * (1 - used_ratio) ** n_sequences


def _held_sequences(estimate: Estimate) -> int:
    """Full-length sequences that the engine says its cache holds."""
    held = [answer.value for answer in estimate.answers if answer.unit == "sequences"]
    return int(held[0]) if held and isinstance(held[0], (int, float)) else 1

"""A verdict for every language model of the catalogue at once, by sketches and closed forms.

It answers as llama.cpp's engine would, with bands as wide as closed forms need: which models are worth a closer look.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from estimator.blas import recurs_or_routes
from estimator.buffers import Buffer, Spread, buffers
from estimator.errors import Unjudgeable
from estimator.kv_cache import STORED_TYPES, CacheShape, cache_shape, cell_bytes, state_bytes
from estimator.ledger import Basis, Estimate, Kind, Place, Term, Workload, host_among
from estimator.mixture import DEFAULT_TYPES
from estimator.packing import FIT_MARGIN_BYTES
from estimator.patience import rest
from estimator.placement import place_layers
from estimator.repacking import is_copied
from estimator.rounding import ROUNDINGS
from estimator.runtime import blas_bytes, cpu_runtime, host_runtime, runtime_term, told_free_bytes
from estimator.scratch import Step
from estimator.sketch import Sketch, Weights, sketches
from estimator.verdict import Level, judge
from records.record import record

SOURCE = "estimator/catalogue/sketches.jsonl"
ENGINE = "llama.cpp"
N_BATCH_TOKENS, N_UBATCH_TOKENS = 2048, 512
"""llama.cpp's defaults (common/common.h)."""


@record(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """What becomes of one model."""

    checkpoint: str
    quant: str
    context_tokens: int
    level: Level
    file_bytes: int
    """Of its weights."""
    device_bytes: int
    """Expected on all devices together, if all of it went there; 0 without a device."""
    host_bytes: int


def survey(
    places: Sequence[Place], context_tokens: int, quant: str | None = None, *, kv_type: str = "f16"
) -> tuple[Surveyed, ...]:
    """Every model that was sketched under that quant; others have to be asked for one by one.

    Args:
        places: devices and the host, as they are now.
        context_tokens: of one sequence; at most what a model was trained on.
        quant: as ``parse_quant`` gives it; None: what most files of each model are.
        kv_type: a key of ``STORED_TYPES``.

    Raises:
        Unjudgeable: no host among the places, or no such KV type.
    """
    if kv_type not in STORED_TYPES:
        raise Unjudgeable(f"llama.cpp knows no KV cache of type {kv_type!r}; {', '.join(STORED_TYPES)} are")
    host = host_among(places)
    devices = tuple(place for place in places if place.kind != "host")
    return tuple(_surveyed(devices, host, context_tokens, quant, STORED_TYPES[kv_type]))


def _surveyed(
    devices: tuple[Place, ...], host: Place, context_tokens: int, quant: str | None, stored: str
) -> Iterator[Surveyed]:
    largest_first = sorted(devices, key=lambda place: -place.total_bytes)
    for sketch in sketches():
        rest()
        wanted = quant or sketch.default_quant
        weights = sketch.weights_under(wanted)
        if weights is None:
            continue
        tokens = min(context_tokens, sketch.model.native_context_tokens or context_tokens)
        load = _Load(sketch, wanted, weights, _shape(tokens), stored)
        level, made = Level.FAILS, None
        if len(devices) > 1:
            for device in largest_first:
                if load.least_bytes <= device.free_bytes:
                    rest()
                    level, made = load.verdict((device,), host)
                    if level is Level.FITS:
                        break
        if made is None or level is not Level.FITS:
            level, made = load.verdict(devices, host)
        on_host = made.n_bytes([host.name])
        yield Surveyed(
            checkpoint=sketch.checkpoint,
            quant=wanted,
            context_tokens=tokens,
            level=level,
            file_bytes=weights.file_bytes,
            device_bytes=made.n_bytes() - on_host,
            host_bytes=on_host,
        )


@lru_cache(maxsize=64)
def _shape(context_tokens: int) -> CacheShape:
    workload = Workload(context_tokens=context_tokens)
    return cache_shape(workload, n_batch_tokens=N_BATCH_TOKENS, n_ubatch_tokens=N_UBATCH_TOKENS, is_unified=False)


@lru_cache(maxsize=256)
def _placed(n_layers: int, free_bytes: tuple[int, ...]) -> tuple[int, ...]:
    """Many models have as many layers."""
    return place_layers(n_layers, n_layers + 1, [float(n) for n in free_bytes])


class _Load:
    """One model, before it is put anywhere."""

    def __init__(self, sketch: Sketch, quant: str, weights: Weights, shape: CacheShape, stored: str) -> None:
        self.sketch, self.stored_as, self.weights, self.shape = sketch, quant, weights, shape
        self.step = Step(shape=shape, n_outputs=1, is_flash_attention=True, key_type=stored, value_type=stored)

    @property
    def least_bytes(self) -> int:
        """Without which no device holds all of it."""
        return self.weights.blocks + self.weights.experts + self.weights.head

    def kept_bytes(self, kind: str) -> int:
        """Caches and states of all layers."""
        rounding, stored = ROUNDINGS[kind], self.step.key_type
        return sum(
            n * (cell_bytes(layer, self.shape, stored, stored, rounding) + state_bytes(layer, 1, rounding))
            for layer, n in zip(self.sketch.model.layers, self.sketch.layer_counts, strict=True)
        )

    def verdict(self, devices: tuple[Place, ...], host: Place) -> tuple[Level, Estimate]:
        """On these devices, or beside what has no room there."""
        places = (*devices, host)
        made = self.estimate(devices, host)
        level = judge(made, places).level
        if (
            level >= Level.SPILLS
            and devices
            and judge(made, places, self.relieved(made, devices, host)).level < Level.FAILS
        ):
            level = Level.SPILLS
        return level, made

    def estimate(self, devices: tuple[Place, ...], host: Place) -> Estimate:
        """All layers on the devices, by their free memory; on the host where there is none."""
        weights, n_layers = self.weights, self.sketch.n_layers
        placed = _placed(n_layers, tuple(place.free_bytes for place in devices))
        made = buffers(self.sketch.model, self.step, Spread(
            layer_devices=placed, n_devices=len(devices), is_measured=all(place.kind == "cuda" for place in devices),
        ))  # fmt: skip
        terms = [_buffer_term(place, buffer) for place, buffer in zip((*devices, host), made, strict=True)]
        layers_bytes = weights.blocks + weights.experts + self.kept_bytes(devices[0].kind if devices else "cpu")
        is_on_cuda = any(place.kind == "cuda" for place in devices)
        has_blas = recurs_or_routes(self.sketch.model)
        for number, place in enumerate(devices):
            n_bytes = layers_bytes * placed[:-1].count(number) // n_layers
            if number == placed[-1]:
                n_bytes += weights.head + weights.tied
            terms.append(_term(place, Kind.WEIGHTS, n_bytes))
            runtime = runtime_term(place, blas_bytes(place) if has_blas else 0, engine=ENGINE)
            if runtime is not None:
                terms.append(runtime)
        is_shared = any(place.kind == "metal" for place in devices)  # the same pages serve both
        on_host = weights.input - (weights.tied if is_shared else 0)
        if devices:
            terms.append(_mapped(host, on_host))
        else:
            mapped = weights.blocks + weights.experts + weights.head
            stored, known = DEFAULT_TYPES.get(self.stored_as), host.instruction_sets
            copied = mapped if is_copied(stored, known) else 0
            tied = weights.tied if is_copied("Q8_0" if stored == "Q8_0" else "Q6_K", known) else 0
            terms += [_mapped(host, on_host + mapped - copied)]
            terms += [_term(host, Kind.WEIGHTS, copied + tied)]
            terms += [_term(host, Kind.KV_CACHE, layers_bytes - weights.blocks - weights.experts)]
        terms.append(_term(host, Kind.OUTPUT, 4 * self.sketch.model.vocabulary_size))
        runtime = host_runtime(host, is_on_cuda=is_on_cuda, has_blas=has_blas)
        terms.append(runtime if devices else cpu_runtime(host, self.sketch.model.vocabulary_size))
        return Estimate(engine=ENGINE, terms=tuple(terms), n_layers=n_layers + 1, n_gpu_layers=n_layers + 1)

    def relieved(self, made: Estimate, devices: tuple[Place, ...], host: Place) -> Estimate:
        """What has no room beside the margin that --fit keeps lies on the host."""
        terms, moved = [], 0
        for place in devices:
            room = max(0, told_free_bytes(place) - FIT_MARGIN_BYTES)
            load = made.n_bytes([place.name])
            terms.append(_term(place, Kind.WEIGHTS, min(load, room)))
            moved += max(0, load - room)
        kept = self.kept_bytes(devices[0].kind)
        n_pages = moved * self.least_bytes // max(1, self.least_bytes + kept)  # layers take their caches along
        terms += [_mapped(host, made.file_page_bytes([host.name]) + n_pages)]
        terms += [_term(host, Kind.KV_CACHE, made.n_bytes([host.name]) - made.file_page_bytes([host.name]))]
        terms += [_term(host, Kind.KV_CACHE, moved - n_pages)]
        return Estimate(engine=ENGINE, terms=tuple(terms), n_layers=0, n_gpu_layers=0, summary="some layers")


def _term(place: Place, kind: Kind, n_bytes: int) -> Term:
    return Term(
        kind=kind, label=kind.value, place=place.name, n_bytes=n_bytes, low_bytes=n_bytes, high_bytes=n_bytes,
        basis=Basis.DERIVED, source=SOURCE,
    )  # fmt: skip


def _mapped(host: Place, n_bytes: int) -> Term:
    """Pages of the file."""
    return replace(_term(host, Kind.WEIGHTS, n_bytes), is_file_pages=True)


def _buffer_term(place: Place, buffer: Buffer) -> Term:
    return Term(
        kind=Kind.COMPUTE, label="compute buffer", place=place.name, n_bytes=buffer.n_bytes,
        low_bytes=buffer.low_bytes, high_bytes=buffer.high_bytes, basis=Basis.DERIVED, source=SOURCE,
    )  # fmt: skip

"""The compute buffers of llama.cpp to the byte: its graph, its scheduler and its allocator, run on numbers alone.

Layers repeat, so that a few of them show what all of them need: a run of equal layers is cut to its first ones, and the
cut is taken where the allocator came to a layer in the same state twice, so that all further ones would go the same
way. What was simulated once is remembered by all that it depends on; with every weight on a device that is not the
quant.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from estimator.allocator import Allocator, Mark
from estimator.graph import Draft, Graph
from estimator.graphs.families import FAMILIES, Family
from estimator.model import Model
from estimator.placement import HOST, Layout, weight_device
from estimator.repeats import Run, runs_of
from estimator.rounding import Rounding
from estimator.scheduler import Scheduler
from estimator.scratch import Step

N_PIPELINE_COPIES = 4
"""GGML_SCHED_MAX_COPIES (ggml/CMakeLists.txt)."""
REPEATS_TRIED = (2, 4)
"""Most runs settle after the first repeat; some have two states in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Devices, and how the engine was told to use them."""

    n_devices: int
    rounding: Rounding
    """Of each device's buffer."""
    host_alignment_bytes: int
    is_cache_offloaded: bool = True
    offloads_operations: bool = True
    is_fused: bool = True
    """The devices keep what CUDA fuses alive."""
    has_mixed_input: bool = False
    """Of builds from mid-October 2026 on."""

    def is_pipelined(self, layout: Layout) -> bool:
        """Several devices with all the layers overlap their steps (`llama_context`, pipeline_parallel)."""
        return (
            self.n_devices > 1
            and self.is_cache_offloaded
            and HOST not in layout.layer_devices
            and not layout.n_cpu_moe_layers
            and not layout.overrides
        )


def compute_bytes(model: Model, step: Step, layout: Layout, machine: Machine) -> tuple[int, ...] | None:
    """The compute buffer of each device, the host's last; None for an architecture without a builder."""
    if model.architecture not in FAMILIES:
        return None
    subject = _skeleton(model) if _types_matter(layout, machine) is False else _Typed(model)
    return _remembered(subject, step, layout, machine)


def whole_graph(model: Model, step: Step, layout: Layout, machine: Machine) -> Graph:
    """All layers, none left out: for those who want to look."""
    return _graph(model, step, layout, machine, None)


def _types_matter(layout: Layout, machine: Machine) -> bool:
    """Whether stored weights are copied into a buffer, so that their types count."""
    is_all_there = HOST not in layout.layer_devices and not layout.n_cpu_moe_layers and not layout.overrides
    return machine.n_devices > 0 and not is_all_there


class _Typed:
    """A model as a key, its types among what counts."""

    __slots__ = ("model",)

    def __init__(self, model: Model) -> None:
        self.model = model

    def __hash__(self) -> int:
        return hash(id(self.model))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Typed) and other.model is self.model


class _Skeleton(_Typed):
    """A model as a key without its types: equal for all quants of a model, which one graph serves."""

    __slots__ = ("_content", "_hash")

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._content = (
            model.architecture,
            model.layers,
            model.n_heads,
            model.head_width,
            model.experts,
            model.latent,
            model.n_predictor_layers,
            tuple((tensor.name, tensor.shape) for tensor in model.tensors),
        )
        self._hash = hash(self._content)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Skeleton) and (self is other or self._content == other._content)


@lru_cache(maxsize=48)
def _skeleton(model: Model) -> _Skeleton:
    return _Skeleton(model)


@lru_cache(maxsize=4096)
def _remembered(subject: _Typed, step: Step, layout: Layout, machine: Machine) -> tuple[int, ...]:
    model = subject.model
    family = FAMILIES[model.architecture]
    n_layers = model.n_layers - model.n_predictor_layers
    signatures = [_signature(model, family, layer, layout, machine) for layer in range(n_layers - 1)]
    runs = [*runs_of(signatures), Run(n_layers - 1, 1, 1)]  # the last layer works on the output rows only
    for n_tried in REPEATS_TRIED:
        kept = [_n_kept(run, n_tried) for run in runs]
        layers = [run.start + layer for run, n in zip(runs, kept, strict=True) for layer in range(run.period * n)]
        if len(layers) > 0.8 * n_layers:
            break
        found, marks = _simulated(model, step, layout, machine, layers)
        if _is_settled(runs, kept, marks):
            return found
    return simulated(model, step, layout, machine)


def simulated(model: Model, step: Step, layout: Layout, machine: Machine) -> tuple[int, ...]:
    """The same as ``compute_bytes`` with every layer simulated and nothing remembered."""
    return _simulated(model, step, layout, machine, None)[0]


def _n_kept(run: Run, n_tried: int) -> int:
    """So many repeats, or one less where that leaves an even number out: states may alternate."""
    if run.n_repeats <= n_tried:
        return run.n_repeats
    return n_tried if n_tried <= REPEATS_TRIED[0] or (run.n_repeats - n_tried) % 2 == 0 else n_tried + 1


def _is_settled(runs: Sequence[Run], kept: Sequence[int], marks: Sequence[Mark]) -> bool:
    """Whether every run that was cut ended in a state it had been in, from where the rest would go the same way."""
    position = 0
    for run, n in zip(runs, kept, strict=True):
        if n < run.n_repeats:
            end = position + n * run.period
            n_left = run.n_repeats - n
            is_same = marks[end] == marks[end - run.period]
            is_alternating = n > 2 and n_left % 2 == 0 and marks[end] == marks[end - 2 * run.period]
            if not (is_same or is_alternating):
                return False
        position += n * run.period
    return True


def _signature(model: Model, family: Family, layer: int, layout: Layout, machine: Machine) -> Hashable:
    """What makes two layers the same to the simulation."""
    device = layout.layer_devices[layer]
    tensors = _layer_tensors(model)[layer]
    if not _types_matter(layout, machine):
        held: Hashable = tuple((suffix, shape) for suffix, shape, _ in tensors)
    else:
        homes = [weight_device(f"blk.{layer}.{suffix}", layout) for suffix, _, _ in tensors]
        held = tuple(
            (suffix, shape, home, type_name if home != device or home == HOST else "")
            for (suffix, shape, type_name), home in zip(tensors, homes, strict=True)
        )
    return device, model.layers[layer], held, family.variant(model, layer)


@lru_cache(maxsize=48)
def _layer_tensors(model: Model) -> tuple[tuple[tuple[str, tuple[int, ...], str], ...], ...]:
    """Per layer: (name without the block, shape, type) of its tensors."""
    layers: list[list[tuple[str, tuple[int, ...], str]]] = [[] for _ in range(model.n_layers)]
    for tensor in model.tensors:
        if tensor.name.startswith("blk."):
            _, number, suffix = tensor.name.split(".", 2)
            if int(number) < model.n_layers:
                layers[int(number)].append((suffix, tensor.shape, tensor.type))
    return tuple(tuple(layer) for layer in layers)


@lru_cache(maxsize=48)
def _tensors(model: Model) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {tensor.name: (tensor.type, tensor.shape) for tensor in model.tensors}


def _graph(model: Model, step: Step, layout: Layout, machine: Machine, layers: Sequence[int] | None) -> Graph:
    draft = Draft(
        model,
        _tensors(model),
        step,
        layout,
        layers=layers,
        is_cache_offloaded=machine.is_cache_offloaded,
        has_mixed_input=machine.has_mixed_input,
    )
    FAMILIES[model.architecture].build(draft)
    return draft.finish()


def _simulated(
    model: Model, step: Step, layout: Layout, machine: Machine, layers: Sequence[int] | None
) -> tuple[tuple[int, ...], list[Mark]]:
    """(bytes per buffer, the allocator's state at each layer's start) with only these layers, all where None."""
    graph = _graph(model, step, layout, machine, layers)
    n_copies = N_PIPELINE_COPIES if machine.is_pipelined(layout) else 1
    scheduler = Scheduler(
        machine.n_devices, machine.rounding, offloads_operations=machine.offloads_operations, n_copies=n_copies
    )
    splits = scheduler.schedule(graph)
    alignments = [machine.rounding.alignment_bytes] * machine.n_devices + [machine.host_alignment_bytes]
    allocator = Allocator(alignments, is_fused=machine.is_fused, n_copies=n_copies)
    return allocator.reserve(graph, splits), allocator.marks

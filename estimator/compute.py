"""The compute buffers of llama.cpp to the byte: its graph, its scheduler and its allocator, run on numbers alone.

Layers repeat, so that a few of them show what all of them need: a run of equal layers is cut to its first ones, and the
cut is taken where the allocator came to a layer in the same state twice, so that all further ones would go the same
way. What was simulated once is remembered by all that it depends on: with every weight on a device that is not the
quant, and one layer more or less on a device is often the same stack.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakValueDictionary

from estimator.allocator import Allocator, Mark
from estimator.derived import of_model, of_model_by
from estimator.errors import Unbuildable
from estimator.graph import Draft, Graph
from estimator.graphs.families import FAMILIES
from estimator.model import Model
from estimator.patience import pause
from estimator.placement import EXPERTS, HOST, Layout, Override, compiled, overrides_of, weight_device
from estimator.repeats import Run, runs_of
from estimator.rounding import Rounding
from estimator.scheduler import Scheduler
from estimator.scratch import Step
from estimator.weights import block_tensors
from records.record import record

N_PIPELINE_COPIES = 4
"""GGML_SCHED_MAX_COPIES (ggml/CMakeLists.txt)."""
N_REPEATS_FIRST = {1: 3}
"""Runs of one layer mostly settle within three repeats, of several layers within two."""
MAX_USED_EXPERTS = 256
"""Of one token; no model uses more than 22, and each is a node."""
SPARED_LAYERS = 2
"""A run is cut only where more are left out: another try would cost more than they do."""
N_TRIES = 3
"""Runs that have not settled are given two repeats more, twice; what has not settled then is simulated as a whole."""
MOST_LAYOUTS, MOST_SIGNATURES, MOST_STACKS = 64, 8192, 64
"""Remembered of one model. --fit tries some 20 layouts for each context that a screen shows, each of some KiB.

A study (all advice, all cells) of Qwen3 30B-A3B or 235B-A22B or Llama 3.3 70B on two to eight GPUs asks for 42 to 49
stacks and 7 layouts, a day of a screen whose memory never rests for some 650 (bench/day.py): the older ones are of
memory that was free hours ago, and larger bounds filled all day long: of 256 each, the last 8 of 24 hours took 1.0 MiB,
of 64 each 0.2 (bench/day.py --hours 24 --every 120).
"""


@record(frozen=True, slots=True, kw_only=True)
class Machine:
    """Devices, and how the engine was told to use them."""

    n_devices: int
    rounding: Rounding
    """Of each device's buffer."""
    host_alignment_bytes: int
    kind: str = "cuda"
    """Of the devices, a key of estimator.kernels.KERNELS."""
    is_cache_offloaded: bool = True
    offloads_operations: bool = True
    is_fused: bool = True
    """The devices keep what CUDA fuses alive."""
    expands_cache: bool = True
    """The copy of a quantised cache that flash attention needs lies behind its result."""
    spares_experts: bool = False
    """Experts on the host stay there unless each has many tokens (ik_llama.cpp)."""
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


class Cut(NamedTuple):
    """A run of layers that was cut short."""

    start: int
    """In the stack, its first layer."""
    end: int
    """In the stack, the first layer after it."""
    period: int
    is_even: bool
    """An even number of repeats was left out."""

    def is_settled(self, marks: Sequence[Mark]) -> bool:
        """Whether the last repeat ended, or began, in a state it had been in: what was left out goes the same way.

        At the end of a run an input may be free that its last layers were the last to read (Gemma 3's masks), so that
        the end alone would never look like what went before.
        """
        return self._recurs(marks, self.end) or self._recurs(marks, self.end - self.period)

    def _recurs(self, marks: Sequence[Mark], at: int) -> bool:
        if at - self.period < self.start:
            return False
        if marks[at] == marks[at - self.period]:
            return True
        return self.is_even and at - 2 * self.period >= self.start and marks[at] == marks[at - 2 * self.period]


class Skeleton:
    """A model without its types: one for all quants of it, which one graph serves. It goes with the last of them."""

    __slots__ = ("__weakref__", "signatures", "stacks")

    def __init__(self) -> None:
        self.signatures: dict[Hashable, Signature] = {}
        """By what they mean: equal layers have the same one, and comparing them takes no time."""
        self.stacks: dict[Hashable, tuple[tuple[int, ...], tuple[bool, ...]]] = {}
        """What was simulated."""


class Signature:
    """What makes two layers the same to the simulation."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The layers of a load as far as the simulation tells them apart; equal ones are simulated once."""

    signatures: tuple[Signature, ...]
    """Of each layer."""
    cuts: tuple[Cut, ...]
    ends: Hashable
    """Where what belongs to no layer lies, and of what type it is where that counts."""
    is_pipelined: bool
    layers: tuple[int, ...] = field(compare=False)
    """Their numbers in the model."""


def compute_bytes(model: Model, step: Step, layout: Layout, machine: Machine) -> tuple[int, ...] | None:
    """The compute buffer of each device, the host's last; None where no graph can be built.

    That is so for an architecture without a builder, for a conversion with other tensors than the builder knows (as
    DeepSeek's before its latents were cached, 2025-04), and for a model that lacks what its architecture has.
    """
    if model.architecture not in FAMILIES or (model.experts and model.experts.n_used > MAX_USED_EXPERTS):
        return None
    return _by_layout(model, step, layout, machine)


def simulated(model: Model, step: Step, layout: Layout, machine: Machine) -> tuple[int, ...]:
    """The same with every layer simulated and nothing remembered."""
    return _run(model, step, layout, machine, None)[0]


@of_model_by(MOST_LAYOUTS)
def _by_layout(model: Model, step: Step, layout: Layout, machine: Machine) -> tuple[int, ...] | None:
    try:
        return _cut_short(model, step, layout, machine)
    except Unbuildable:
        return None


def _cut_short(model: Model, step: Step, layout: Layout, machine: Machine) -> tuple[int, ...]:
    family = FAMILIES[model.architecture]
    if family.has_layer_leaves or (family.has_layer_inputs and machine.n_devices > 1):
        return simulated(model, step, layout, machine)
    last = model.n_layers - model.n_predictor_layers - 1
    signatures = [_signature(model, layer, layout, machine) for layer in range(last + 1)]
    runs = [*runs_of(signatures[:last]), Run(last, 1, 1)]  # the last layer works on the output rows only
    n_kept = [N_REPEATS_FIRST.get(run.period, 2) for run in runs]
    for _ in range(N_TRIES):
        stack, cut_runs = _stack(model, layout, machine, signatures, runs, n_kept)
        found, are_settled = _by_stack(model, step, stack, layout, machine)
        if all(are_settled):
            return found
        for number, is_settled in zip(cut_runs, are_settled, strict=True):
            if not is_settled:
                n_kept[number] += 2
                n_kept[number] += (runs[number].n_repeats - n_kept[number]) % 2  # states may alternate
    return simulated(model, step, layout, machine)


def _stack(
    model: Model,
    layout: Layout,
    machine: Machine,
    signatures: Sequence[Signature],
    runs: Sequence[Run],
    n_kept: Sequence[int],
) -> tuple[Stack, list[int]]:
    """(the layers with every run cut to so many repeats, the numbers of the runs that were cut)."""
    layers: list[int] = []
    cuts: list[Cut] = []
    cut_runs: list[int] = []
    for number, run in enumerate(runs):
        is_worth_it = (run.n_repeats - n_kept[number]) * run.period > SPARED_LAYERS
        n_repeats = n_kept[number] if is_worth_it else run.n_repeats
        start = len(layers)
        layers.extend(range(run.start, run.start + n_repeats * run.period))
        n_left = run.n_repeats - n_repeats
        if n_left:
            cut_runs.append(number)
            cuts.append(Cut(start, len(layers), run.period, n_left % 2 == 0))
    stack = Stack(
        signatures=tuple(signatures[layer] for layer in layers),
        cuts=tuple(cuts),
        ends=_ends(model, layout, machine),
        is_pipelined=machine.is_pipelined(layout),
        layers=tuple(layers),
    )
    return stack, cut_runs


def _by_stack(
    model: Model, step: Step, stack: Stack, layout: Layout, machine: Machine
) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """(the buffers, whether each run that was cut had settled); once for all quants."""
    known, key = skeleton(model).stacks, (step, stack, machine)
    if (found := known.get(key)) is None:
        sizes, marks = _run(model, step, layout, machine, stack.layers)
        if len(known) >= MOST_STACKS:
            known.clear()
        found = known[key] = sizes, tuple(cut.is_settled(marks) for cut in stack.cuts)
    return found


_skeletons: WeakValueDictionary[Hashable, Skeleton] = WeakValueDictionary()
"""Those of models that are still there."""


@of_model
def skeleton(model: Model) -> Skeleton:
    """The same for all quants of a model."""
    content = (
        model.architecture,
        model.n_heads,
        model.head_width,
        model.experts,
        model.latent,
        model.n_indexed_tokens,
        tuple((tensor.name, tensor.shape) for tensor in model.tensors),
    )
    return _skeletons.setdefault(content, Skeleton())


def _signature(model: Model, layer: int, layout: Layout, machine: Machine) -> Signature:
    return _layer_signature(
        model,
        layer,
        layout.layer_devices[layer],
        overrides_of(layout.overrides, layer),
        layer < layout.n_cpu_moe_layers,
        machine.n_devices > 0,
    )


@of_model_by(MOST_SIGNATURES)
def _layer_signature(
    model: Model,
    layer: int,
    device: int,
    overrides: tuple[Override, ...],
    is_moe_on_host: bool,  # noqa: FBT001  # a part of the key
    has_devices: bool,  # noqa: FBT001  # as above
) -> Signature:
    """Shapes, homes, and the types of what a device would fetch from elsewhere."""
    lone = Layout(
        layer_devices=(device,) * (model.n_layers + 1),
        n_cpu_moe_layers=model.n_layers if is_moe_on_host else 0,
        n_gpu_layers=0,
        overrides=overrides,
    )
    held: list[tuple[str, tuple[int, ...], int, str]] = []
    for tensor in block_tensors(model)[layer]:
        home = device
        if overrides or (is_moe_on_host and compiled(EXPERTS).search(tensor.name)):
            home = weight_device(tensor.name, lone)
        is_fetched = has_devices and (home == HOST or home != device)
        suffix = tensor.name.split(".", 2)[2]
        held.append((suffix, tensor.shape, home, tensor.type if is_fetched else ""))
    variant = FAMILIES[model.architecture].variant(model, layer)
    return skeleton(model).signatures.setdefault((device, model.layers[layer], tuple(held), variant), Signature())


def _ends(model: Model, layout: Layout, machine: Machine) -> Hashable:
    output = layout.layer_devices[-1]
    loose = [tensor for tensor in _loose_tensors(model) if not tensor[0].startswith("rope_")]
    homes = tuple(weight_device(name, layout) for name, _ in loose)
    is_fetched = machine.n_devices > 0 and (output == HOST or any(home != output for home in homes[1:]))
    return output, homes, tuple(type_name for _, type_name in loose) if is_fetched else ()


@of_model
def _loose_tensors(model: Model) -> tuple[tuple[str, str], ...]:
    """(name, type) of what belongs to no block."""
    return tuple((tensor.name, tensor.type) for tensor in model.tensors if not tensor.name.startswith("blk."))


@of_model
def _tensors(model: Model) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {tensor.name: (tensor.type, tensor.shape) for tensor in model.tensors}


def graph_of(model: Model, step: Step, layout: Layout, machine: Machine, layers: Sequence[int] | None) -> Graph:
    draft = Draft(
        model,
        _tensors(model),
        step,
        layout,
        layers=layers,
        is_cache_offloaded=machine.is_cache_offloaded,
        has_mixed_input=machine.has_mixed_input,
        has_devices=machine.n_devices > 0,
    )
    try:
        FAMILIES[model.architecture].build(draft)
    except (LookupError, ArithmeticError, ValueError) as error:  # a tensor is missing, or of another shape
        raise Unbuildable(f"{model.name} is no complete {model.architecture}: {error}") from error
    return draft.finish()


def _run(
    model: Model, step: Step, layout: Layout, machine: Machine, layers: Sequence[int] | None
) -> tuple[tuple[int, ...], list[Mark]]:
    """(bytes per buffer, the allocator's state at each layer's start) with only these layers, all where None."""
    pause()
    graph = graph_of(model, step, layout, machine, layers)
    n_copies = N_PIPELINE_COPIES if machine.is_pipelined(layout) else 1
    scheduler = Scheduler(
        machine.n_devices,
        machine.rounding,
        offloads_operations=machine.offloads_operations,
        kind=machine.kind,
        expands_cache=machine.expands_cache,
        spares_experts=machine.spares_experts,
        lacks_kernels=step.shape.build.settles_attention,
        n_copies=n_copies,
    )
    pause()
    splits = scheduler.schedule(graph)
    pause()
    alignments = [machine.rounding.alignment_bytes] * machine.n_devices + [machine.host_alignment_bytes]
    allocator = Allocator(alignments, is_fused=machine.is_fused, n_copies=n_copies)
    return allocator.reserve(graph, splits), allocator.marks

"""llama.cpp: llama-server, llama-cli and everything that runs them, as of its build of 2026-10-01 (0c1e57098).

Weights, KV cache and states follow the engine's own rules to the byte (estimator/placement.py, estimator/kv_cache.py);
compute buffers are closed forms (estimator/scratch.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from estimator.buffers import Spread, buffers
from estimator.builds import build_of
from estimator.errors import Unjudgeable
from estimator.kv_cache import STORED_TYPES, CacheShape, cache_shape, cell_bytes, state_bytes
from estimator.ledger import Basis, Estimate, Kind, Place, Term, Workload
from estimator.mixture import QUANTS as MIXTURES
from estimator.model import Layer, Model
from estimator.packing import Burden, least, packed_layout
from estimator.placement import HOST, Layout, WeightTable, place_layers, weight_table
from estimator.rounding import ROUNDINGS
from estimator.runtime import host_runtime, runtime_term
from estimator.scratch import Step, widest_value
from estimator.shell import quoted

NAME = "llama.cpp"
KV_TYPES = ("f16", *(name for name in STORED_TYPES if name != "f16"))
KV_STEPS = ("f16", "q8_0", "q4_0")
QUANTS = MIXTURES
BUILD = "llama.cpp 0c1e57098, 2026-10-01"


def _option(flag: str, text: str, choices: Sequence[str] = (), *, minimum: int = 0) -> dict[str, object]:
    return {"flag": flag, "help": text, "choices": tuple(choices), "minimum": minimum}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that moves memory, by the engine's own flags."""

    n_gpu_layers: int | None = field(
        default=None,
        metadata=_option("--gpu-layers", "layers on the GPU, the output layer counted; as many as fit if not given"),
    )
    is_flash_attention: bool = field(
        default=True, metadata=_option("--flash-attn", "attention without a matrix of all scores; on where supported")
    )
    n_batch_tokens: int = field(
        default=2048, metadata=_option("--batch-size", "tokens of one logical batch", minimum=1)
    )
    n_ubatch_tokens: int = field(
        default=512, metadata=_option("--ubatch-size", "tokens computed in one step", minimum=1)
    )
    is_kv_unified: bool = field(default=False, metadata=_option("--kv-unified", "all sequences share one set of cells"))
    is_kv_offloaded: bool = field(
        default=True, metadata=_option("--kv-offload", "the KV cache lies with its layer, not all of it in RAM")
    )
    is_full_window: bool = field(
        default=False, metadata=_option("--swa-full", "sliding-window layers keep the whole context")
    )
    n_cpu_moe_layers: int = field(
        default=0, metadata=_option("--n-cpu-moe", "the experts of so many layers stay in RAM")
    )
    tensor_split: tuple[float, ...] | None = field(
        default=None, metadata=_option("--tensor-split", "share of each device; by free memory if not given")
    )
    build: str = field(
        default="", metadata=_option("--build", "which build: 2025-06, b5269, ik-2025-06; the newest if not given")
    )
    n_outputs: int | None = field(
        default=None, metadata=_option("", "tokens whose logits are computed at once; one per sequence if not given")
    )


DEFAULTS = Options()
MAX_SEQUENCES = 256
"""LLAMA_MAX_SEQ, src/llama-cparams.h."""


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What llama.cpp would allocate, all layers on the devices unless told otherwise.

    Raises:
        Unjudgeable: no place to put it, or a KV type that it does not know.
    """
    load = _Load(model, workload, options, places)
    wanted = model.n_layers + 1 if options.n_gpu_layers is None else options.n_gpu_layers
    layout = load.default_layout(wanted, options.n_cpu_moe_layers)
    if options.n_gpu_layers is None and len(load.devices) > 1 and not options.tensor_split:
        burden = load.burden()
        if not burden.has_room(layout, load.devices):
            packed = packed_layout(burden, model.n_layers, load.devices)
            if packed is not None:
                counts = tuple(packed.layer_devices.count(number) for number in range(len(load.devices)))
                return replace(load.estimate(packed), layers_by_device=counts)
    return load.estimate(layout)


def fallback(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate | None:
    """What its --fit would do where the devices have less than 1 GiB to spare: leave layers, or experts, in RAM.

    It only does so where the number of layers was left to it.
    """
    if options.n_gpu_layers is not None or options.tensor_split or options.n_cpu_moe_layers:
        return None
    found = relieved(model, workload, options, places)
    if found is None:
        return None
    made = estimate(model, workload, found, places)
    return replace(made, summary=made.summary or "every layer as it is")


def relieved(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """The same with so many layers, or experts, in RAM that each device keeps 1 GiB; None where all of them may stay.

    With experts their matrices go first, as --fit has it: they are read in small parts, and are most of the model.
    """
    free = replace(options, n_gpu_layers=None, n_cpu_moe_layers=0, tensor_split=None)
    load = _Load(model, workload, free, places)
    if not load.devices:
        return None
    burden, n_all = load.burden(), model.n_layers + 1

    def has_room(n_gpu_layers: int, n_cpu_moe_layers: int) -> bool:
        return burden.has_room(load.default_layout(n_gpu_layers, n_cpu_moe_layers), load.devices)

    if has_room(n_all, 0) or (
        len(load.devices) > 1 and packed_layout(burden, model.n_layers, load.devices) is not None
    ):
        return None
    if model.experts and has_room(n_all, model.n_layers):
        n_moved = least(range(1, model.n_layers), lambda n: has_room(n_all, n), model.n_layers)
        return replace(free, n_gpu_layers=n_all, n_cpu_moe_layers=n_moved)
    n_left = least(range(1, n_all), lambda n: has_room(n_all - n, 0), n_all)
    return replace(free, n_gpu_layers=n_all - n_left)


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:
    """The arguments of llama-server that ask for exactly this, layers and split spelled out."""
    n_layers = max(model.n_layers + 1, 99) if made.n_gpu_layers == made.n_layers else made.n_gpu_layers
    parts = [f"-c {workload.context_tokens}", f"-ngl {n_layers}", f"-np {workload.n_sequences}"]
    split = options.tensor_split or made.layers_by_device
    said = {
        f"-ts {','.join(f'{share:g}' for share in split)}": bool(split),
        f"-ctk {workload.kv_type} -ctv {workload.kv_type}": workload.kv_type != "f16",
        "-fa off": not options.is_flash_attention,
        f"-b {options.n_batch_tokens}": options.n_batch_tokens != DEFAULTS.n_batch_tokens,
        f"-ub {options.n_ubatch_tokens}": options.n_ubatch_tokens != DEFAULTS.n_ubatch_tokens,
        "--kv-unified": options.is_kv_unified,
        "--no-kv-offload": not options.is_kv_offloaded,
        "--swa-full": options.is_full_window,
        f"--n-cpu-moe {options.n_cpu_moe_layers}": options.n_cpu_moe_layers > 0,
    }
    return " ".join(parts + [flag for flag, is_said in said.items() if is_said])


def command(model: Model, arguments: str) -> str:
    """The server's line; a model that is known by name only stands as ``MODEL.gguf``."""
    return f"llama-server -m {quoted(model.source) if model.file_bytes is not None else 'MODEL.gguf'} {arguments}"


def _split_places(places: Sequence[Place]) -> tuple[tuple[Place, ...], Place]:
    host = next((place for place in places if place.kind == "host"), None)
    if host is None:
        raise Unjudgeable("the memory of this machine is not known, so nothing can be said of a load")
    return tuple(place for place in places if place.kind != "host"), host


def _cache_shape(workload: Workload, options: Options) -> CacheShape:
    if workload.kv_type not in STORED_TYPES:
        raise Unjudgeable(f"llama.cpp knows no KV cache of type {workload.kv_type!r}; {', '.join(STORED_TYPES)} are")
    if workload.kv_type not in ("f32", "f16", "bf16") and not options.is_flash_attention:
        raise Unjudgeable("llama.cpp refuses a quantised KV cache without flash attention")
    if workload.n_sequences > MAX_SEQUENCES:
        raise Unjudgeable(f"llama.cpp takes up to {MAX_SEQUENCES} sequences, not {workload.n_sequences}")
    return cache_shape(
        workload,
        n_batch_tokens=options.n_batch_tokens,
        n_ubatch_tokens=options.n_ubatch_tokens,
        is_unified=options.is_kv_unified,
        is_full_window=options.is_full_window,
        is_flash_attention=options.is_flash_attention,
        build=build_of(options.build),
    )


def _n_outputs(shape: CacheShape, options: Options) -> int:
    if shape.build.reserves_all_outputs:
        return shape.n_step_tokens
    return options.n_outputs or shape.n_sequences


class _Load:
    """A model and what is asked of it, on places."""

    def __init__(self, model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> None:
        if not model.layers:
            raise Unjudgeable(f"llama.cpp does not run {model.name}: it is no language model")
        self.model, self.workload, self.options = model, workload, options
        self.devices, self.host = _split_places(places)
        if options.tensor_split and self.devices and len(options.tensor_split) > len(self.devices):
            raise Unjudgeable(
                f"a split into {len(options.tensor_split)} shares does not go with {len(self.devices)} device(s)"
            )
        self.shape = _cache_shape(workload, options)
        self._kept: dict[tuple[Layer, str], tuple[int, int]] = {}
        stored = STORED_TYPES[workload.kv_type]
        self.step = Step(
            shape=self.shape,
            n_outputs=min(self.shape.n_step_tokens, _n_outputs(self.shape, options)),
            is_flash_attention=options.is_flash_attention,
            key_type=stored,
            value_type=stored,
        )

    def default_layout(self, n_gpu_layers: int, n_cpu_moe_layers: int) -> Layout:
        """Layers by the shares asked for, or else by free memory."""
        shares = self.options.tensor_split or tuple(float(place.free_bytes) for place in self.devices)
        n_all = self.model.n_layers + 1
        wanted = n_gpu_layers if n_gpu_layers >= 0 else n_all
        return Layout(
            layer_devices=place_layers(
                self.model.n_layers,
                wanted,
                shares[: len(self.devices)] if self.devices else (),
                counts_output_layer=self.shape.build.counts_output_layer,
            ),
            n_cpu_moe_layers=n_cpu_moe_layers,
            n_gpu_layers=min(wanted, n_all) if self.devices else 0,
        )

    def burden(self) -> Burden:
        """What the layers put on the devices, which are of one kind."""
        kind, is_offloaded = self.devices[0].kind, self.options.is_kv_offloaded
        kept = [sum(self.kept(layer, kind)) if is_offloaded else 0 for layer in self.model.layers]
        return Burden(self.model, self.step, kind, kept, is_cache_offloaded=is_offloaded)

    def cached_value_width(self, layer: Layer) -> int:
        """Without flash attention values are stored transposed, as wide as in the widest layer (`v_trans`)."""
        is_padded = layer.value_width > 0 and not self.options.is_flash_attention
        return widest_value(self.model) if is_padded else layer.value_width

    def kept(self, layer: Layer, kind: str) -> tuple[int, int]:
        """(cells, states) in bytes of a layer; most layers are alike, and are reckoned once."""
        if (layer, kind) not in self._kept:
            stored, rounding = self.step.key_type, ROUNDINGS[kind]
            cached = replace(layer, value_width=self.cached_value_width(layer))
            self._kept[layer, kind] = (
                cell_bytes(cached, self.shape, stored, stored, rounding),
                state_bytes(layer, self.shape.n_sequences, rounding),
            )
        return self._kept[layer, kind]

    def place_of(self, device: int) -> Place:
        """The device of that number, or the host."""
        return self.host if device == HOST else self.devices[device]

    def rounding_kind(self, place: Place) -> str:
        """How the buffers there are rounded."""
        return "cpu" if place.kind == "host" and not self.devices else place.kind

    def estimate(self, layout: Layout) -> Estimate:
        """The ledger of this layout."""
        terms = [
            *_weight_terms(self, layout),
            *_cache_terms(self, layout),
            *_compute_terms(self, layout),
            *(term for place in self.devices if (term := runtime_term(place)) is not None),
            host_runtime(self.host),
        ]
        return Estimate(
            engine=NAME,
            terms=tuple(term for term in terms if term.n_bytes or term.high_bytes),
            n_layers=self.model.n_layers + 1,
            n_gpu_layers=layout.n_gpu_layers,
            summary=_summary(self.model, self.devices, layout),
            doubts=(*self.model.doubts, *self._doubts()),
        )

    def _doubts(self) -> list[str]:
        native, asked = self.model.native_context_tokens, self.workload.context_tokens
        if 0 < native < asked:
            return [f"{asked} tokens are beyond the {native} that the model was trained on"]
        return []


def _summary(model: Model, devices: Sequence[Place], layout: Layout) -> str:
    if not devices:
        return ""
    if layout.n_host_layers:
        return f"{layout.n_host_layers} of {model.n_layers + 1} layers to the CPU"
    if layout.n_cpu_moe_layers:
        return f"the experts of {layout.n_cpu_moe_layers} of {model.n_layers} layers in RAM"
    return ""


def _weight_terms(load: _Load, layout: Layout) -> list[Term]:
    model, host = load.model, load.host
    held: dict[str, int] = {}
    read: dict[str, int] = {}
    n_blocks: dict[str, int] = {}

    def put(place: Place, n_bytes: int, read_ratio: float = 1.0) -> None:
        held[place.name] = held.get(place.name, 0) + n_bytes
        read[place.name] = read.get(place.name, 0) + round(n_bytes * read_ratio)

    tables = {place.name: weight_table(model, load.rounding_kind(place)) for place in (*load.devices, host)}

    def table(place: Place) -> WeightTable:
        return tables[place.name]

    put(host, table(host).input_bytes, read_ratio=0.0)  # one row of it
    for block, device in enumerate(layout.layer_devices[:-1]):
        place = load.place_of(device)
        put(place, table(place).layer_bytes[block])
        expert_place = host if block < layout.n_cpu_moe_layers else place
        put(expert_place, table(expert_place).expert_bytes[block], table(expert_place).used_expert_ratio)
        n_blocks[place.name] = n_blocks.get(place.name, 0) + 1
    for device in set(layout.layer_devices[:-1]):
        place = load.place_of(device)
        put(place, table(place).rope_bytes)
    first = load.place_of(layout.layer_devices[0])
    put(first, table(first).first_layer_bytes)
    output = load.place_of(layout.layer_devices[-1])
    put(output, table(output).output_bytes)
    is_copied = output is not host or model.architecture == "gemma3n"  # src/models/gemma3n.cpp copies it always
    if is_copied:
        put(output, table(output).tied_bytes)
        if output.kind == "metal":  # both copies are the same pages of the mapped file; CUDA copies
            put(host, -table(host).tied_bytes, read_ratio=0.0)
    else:
        read[host.name] += table(host).tied_bytes
    low, high = model.size_band_ratio
    basis = Basis.EXACT if model.file_bytes is not None else Basis.DERIVED if low == high else Basis.ASSUMED
    return [
        Term(
            kind=Kind.WEIGHTS,
            label="weights",
            place=name,
            n_bytes=n_bytes,
            low_bytes=int(low * n_bytes),
            high_bytes=int(high * n_bytes),
            basis=basis,
            source=f"tensor table of {model.source}; placed as load_tensors does, {BUILD}",
            formula=f"{model.quant}, {n_blocks.get(name, 0)} of {model.n_layers} blocks"
            + (" and the output layer" if name == output.name else "")
            + (" and the embedding" if name == host.name else ""),
            read_bytes=read[name],
        )
        for name, n_bytes in held.items()
    ]


def _cache_terms(load: _Load, layout: Layout) -> list[Term]:
    shape = load.shape
    cells: dict[str, int] = {}
    cells_read: dict[str, int] = {}
    states: dict[str, int] = {}
    alike: dict[tuple[str, Layer], int] = {}
    for layer, device in zip(load.model.layers, layout.layer_devices[:-1], strict=True):
        place = load.place_of(device if load.options.is_kv_offloaded else HOST)
        n_cell_bytes, n_state_bytes = load.kept(layer, load.rounding_kind(place))
        if n_cell_bytes:
            cells[place.name] = cells.get(place.name, 0) + n_cell_bytes
            n_read = round(n_cell_bytes * shape.attended_ratio(layer.window_tokens))
            cells_read[place.name] = cells_read.get(place.name, 0) + n_read
            alike[place.name, layer] = alike.get((place.name, layer), 0) + 1
        if n_state_bytes:
            states[place.name] = states.get(place.name, 0) + n_state_bytes
    formulas = {
        name: " + ".join(
            f"{n} layers x {shape.layer_cells(layer.window_tokens) * shape.n_streams} cells x "
            f"({layer.key_width} + {load.cached_value_width(layer)}) {load.workload.kv_type}"
            for (held_at, layer), n in alike.items()
            if held_at == name
        )
        for name in cells
    }
    per_sequence = f"float32, {shape.n_sequences} sequence(s), whatever the context"
    return [
        *(
            replace(
                _derived(Kind.KV_CACHE, "KV cache", name, n_bytes, "src/llama-kv-cache.cpp", formulas[name]),
                read_bytes=cells_read[name],
            )
            for name, n_bytes in cells.items()
        ),
        *(
            replace(
                _derived(Kind.STATE, "recurrent state", name, n_bytes, "src/llama-memory-recurrent.cpp", per_sequence),
                read_bytes=2 * n_bytes // shape.n_sequences,  # and written back
            )
            for name, n_bytes in states.items()
        ),
    ]


def _derived(kind: Kind, label: str, place: str, n_bytes: int, source: str, formula: str) -> Term:
    """A term whose rule leaves no doubt."""
    return Term(
        kind=kind,
        label=label,
        place=place,
        n_bytes=n_bytes,
        low_bytes=n_bytes,
        high_bytes=n_bytes,
        basis=Basis.DERIVED,
        source=f"{source}, {BUILD}",
        formula=formula,
    )


def _compute_terms(load: _Load, layout: Layout) -> list[Term]:
    model, step = load.model, load.step
    made = buffers(
        model,
        step,
        Spread(
            layer_devices=layout.layer_devices,
            n_devices=len(load.devices),
            n_cpu_moe_layers=layout.n_cpu_moe_layers,
            is_cache_offloaded=load.options.is_kv_offloaded,
            is_measured=all(place.kind == "cuda" for place in load.devices),
        ),
    )
    terms = [
        Term(
            kind=Kind.COMPUTE,
            label="compute buffer",
            place=place.name,
            n_bytes=buffer.n_bytes,
            low_bytes=buffer.low_bytes,
            high_bytes=buffer.high_bytes,
            basis=Basis.DERIVED,
            source=f"closed form of graph_reserve, src/llama-context.cpp, {BUILD}",
            formula=buffer.formula,
        )
        for place, buffer in zip((*load.devices, load.host), made, strict=True)
    ]
    n_sequences = load.shape.n_sequences
    logits = _derived(
        Kind.OUTPUT,
        "logits",
        load.host.name,
        4 * model.vocabulary_size * n_sequences,
        "output_reserve, src/llama-context.cpp",
        f"{model.vocabulary_size} tokens x float32 x {n_sequences} sequence(s)",
    )
    return [*terms, replace(logits, high_bytes=4 * model.vocabulary_size * max(step.n_outputs, n_sequences))]

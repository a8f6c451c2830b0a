"""The ledger of a load of llama.cpp: one term for what each place holds of each kind."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from estimator.blas import uses_blas
from estimator.kv_cache import layer_kinds
from estimator.ledger import Basis, Estimate, Kind, Place, Term
from estimator.llama_load import Load
from estimator.model import Layer, Model
from estimator.placement import HOST, Layout, compiled
from estimator.repacking import Repacked, repacked
from estimator.runtime import blas_bytes, cpu_runtime, host_runtime, runtime_term
from estimator.weights import ALWAYS_COPIED, HEADLESS, Held, embedded_bytes, weight_table

BUILD = "llama.cpp 0c1e57098, 2026-10-01"
MIB = 1 << 20


def estimate_layout(load: Load, layout: Layout, *, engine: str, is_simulated: bool = True) -> Estimate:
    """The ledger of this layout. ``is_simulated``: compute buffers to the byte where they can be, in milliseconds."""
    terms = [
        *weight_terms(load, layout),
        *cache_terms(load, layout),
        *compute_terms(load, layout, is_simulated=is_simulated),
        *server_terms(load),
        *_companion_terms(load),
        *_runtime_terms(load, engine),
    ]
    return Estimate(
        engine=engine,
        terms=tuple(term for term in terms if term.n_bytes or term.high_bytes),
        n_layers=load.n_all_layers,
        n_gpu_layers=layout.n_gpu_layers,
        summary=summary(load.model, load.devices, layout),
        doubts=(*_doubts_of_model(load), *_doubts(load)),
    )


def _runtime_terms(load: Load, engine: str) -> list[Term]:
    is_on_cuda = any(place.kind == "cuda" for place in load.devices)
    has_blas = is_on_cuda and (not load.options.is_flash_attention or uses_blas(load.model))
    terms = (runtime_term(place, blas_bytes(place) if has_blas else 0, engine=engine) for place in load.devices)
    host = (
        host_runtime(load.host, is_on_cuda=is_on_cuda, has_blas=has_blas)
        if load.devices
        else cpu_runtime(load.host, load.model.vocabulary_size)
    )
    return [*(term for term in terms if term is not None), host]


def _companion_terms(load: Load) -> list[Term]:
    if not load.has_companions:
        return []
    from estimator.companions import companion_terms  # noqa: PLC0415  # 2.5 ms with what reads projectors

    return companion_terms(load)


def _doubts_of_model(load: Load) -> tuple[str, ...]:
    if load.may_have_projector:
        doubt = "an image part (mmproj) that may come with the model is counted at the high end only"
        return (*load.model.doubts_with_encoder, doubt)
    return load.model.doubts if load.options.projector is None else load.model.doubts_with_encoder


def _doubts(load: Load) -> list[str]:
    doubts: list[str] = []
    if load.model.format != "gguf" and load.model.file_bytes is not None:
        doubts.append("llama.cpp reads GGUF files only: this is what it would be once converted")
    native, asked = load.model.native_context_tokens, load.workload.context_tokens
    if 0 < native < asked:
        doubts.append(f"{asked} tokens are beyond the {native} that the model was trained on")
    doubts += [f"no tensor matches {pattern!r} of --override-tensor: it moves nothing" for pattern in _idle(load)]
    if load.options.split_mode in ("row", "tensor") and len(load.devices) > 1:
        doubts.append(f"split mode {load.options.split_mode} is not modelled; the layers are placed as whole ones")
    return doubts


def _idle(load: Load) -> list[str]:
    """Patterns of --override-tensor that no tensor's name has; the engine says nothing of them."""
    patterns = dict.fromkeys(override.pattern for override in load.overrides)
    names = [tensor.name for tensor in load.model.tensors] if patterns else []
    return [pattern for pattern in patterns if not any(map(compiled(pattern).search, names))]


def summary(model: Model, devices: Sequence[Place], layout: Layout) -> str:
    """What stays off the devices, in words."""
    if not devices:
        return ""
    if layout.n_host_layers:
        return f"{layout.n_host_layers} of {model.n_layers + 1} layers to the CPU"
    moved = {one.block for one in layout.overrides if one.device == HOST and one.block is not None}
    n_moved = layout.n_cpu_moe_layers or sum(block < model.n_layers for block in moved)
    if n_moved:
        return f"the experts of {n_moved} of {model.n_layers} layers in RAM"
    return ""


def derived(kind: Kind, label: str, place: str, n_bytes: int, source: str, formula: str) -> Term:
    """A term whose rule, of the newest build, leaves no doubt."""
    return Term.sure(kind, label, place, n_bytes, f"{source}, {BUILD}", formula)


SPLIT_DOUBT = 0.25
"""Split modes row and tensor share out matrices, not layers: how evenly was not measured, our allowance."""


def weight_terms(load: Load, layout: Layout) -> list[Term]:
    """The tensors, where they lie; those that are rearranged for the CPU apart."""
    model = load.model
    is_cut = load.options.split_mode in ("row", "tensor") and len(load.devices) > 1
    terms: list[Term] = []
    computed = load.computed_weights(layout)
    for device, n_bytes in computed.items():
        if n_bytes:
            label, formula = "weights, computed", "the latents' matrices, turned while loading"
            place = load.place_of(device).name
            terms.append(derived(Kind.WEIGHTS, label, place, n_bytes, "llm_prepare_mla", formula))
    for device, whole in load.weights(layout, maps_file=True).items():
        n_computed = computed.get(device, 0)
        held = replace(whole, n_bytes=whole.n_bytes - n_computed, read_bytes=whole.read_bytes - n_computed)
        doubt = int(held.n_bytes * SPLIT_DOUBT) if is_cut and device != HOST else 0
        formula = f"{model.quant}, {' and '.join(_parts(model, layout, device, held.n_blocks))}"
        place = load.place_of(device).name
        is_mapped = device == HOST and load.options.is_mapped
        moved = _repacked(load, layout) if device == HOST else Repacked()
        if moved.n_bytes:
            copies = Held(n_bytes=moved.n_bytes, read_bytes=moved.read_bytes)
            left = Held(
                # Beside Metal, what is rearranged may lie in the range that is mapped there, and is counted there.
                n_bytes=max(0, held.n_bytes - moved.replaced_bytes),
                read_bytes=max(0, held.read_bytes - moved.read_bytes),
            )
            copied = _weight_term(model, "weights, rearranged", place, copies, 0, REARRANGED)
            terms.append(replace(copied, is_file_copy=is_mapped))
            terms.append(_weight_term(model, "weights", place, left, doubt, formula, is_mapped=is_mapped))
        else:
            made = _weight_term(model, "weights", place, held, doubt, formula, is_mapped=is_mapped)
            if load.place_of(device).kind == "metal" and held.n_bytes and load.options.is_mapped:
                made = _over_a_file(made, load, layout)
            terms.append(made)
    return terms


NAMED_ELSEWHERE = " less what --override-tensor puts elsewhere"
"""Its patterns are any: how many blocks they concern, nobody has counted."""


def _parts(model: Model, layout: Layout, device: int, n_blocks: int) -> Iterator[str]:
    """What of the model lies on this device, in words."""
    less, more = _moved(layout, device)
    told = {one.device for one in layout.overrides if one.block is None}
    if n_blocks:
        without = f", {less} of them without all of their {_moved_what(layout)}," if less else ""
        yield f"{n_blocks} of {model.n_layers} blocks{without}{NAMED_ELSEWHERE if told - {device} else ''}"
    if more:
        yield f"{_moved_what(layout)} of {more} other blocks"
    if device in told:
        yield "what --override-tensor puts here"
    if device == layout.layer_devices[-1]:
        yield "the output layer"
    if device == HOST:
        yield "the embedding"


def _moved(layout: Layout, device: int) -> tuple[int, int]:
    """Of this device's blocks, those of which a part lies elsewhere; and blocks of others of which a part lies here."""
    if not layout.n_cpu_moe_layers and not layout.overrides:
        return 0, 0
    gone = {(block, HOST) for block in range(layout.n_cpu_moe_layers)}
    gone |= {(one.block, one.device) for one in layout.overrides if one.block is not None}
    moved = [(layout.layer_devices[block], block, to) for block, to in gone if layout.layer_devices[block] != to]
    less = {block for home, block, _ in moved if home == device}
    return len(less), len({block for _, block, to in moved if to == device})


def _moved_what(layout: Layout) -> str:
    patterns = [one.pattern for one in layout.overrides if one.block is not None]
    return "experts" if all("exps" in pattern for pattern in patterns) else "matrices"


def _repacked(load: Load, layout: Layout) -> Repacked:
    """What of the host's weights is rearranged: nothing where a device has them in buffers of its own for the host.

    Metal has none (`get_host_buffer_type` in ggml-metal.cpp), CUDA, ROCm and Vulkan do (`make_cpu_buft_list`,
    src/llama-model.cpp).
    """
    if not load.options.is_repacked or any(place.kind != "metal" for place in load.devices):
        return Repacked()
    model = load.model
    n_loaded = model.n_layers - model.n_predictor_layers
    blocks = tuple(block for block in range(n_loaded) if layout.layer_devices[block] == HOST)
    return repacked(
        model,
        blocks,
        load.host.instruction_sets,
        has_output=layout.layer_devices[-1] == HOST and model.architecture not in HEADLESS,
        is_head_apart=model.architecture in ALWAYS_COPIED,
    )


def _over_a_file(term: Term, load: Load, layout: Layout) -> Term:
    """A Metal buffer's term, with pages at both ends, and of a file that is not at hand with any order of its tensors.

    What may lie between the tensors of the device, or outside of them, is the embedding alone.
    """
    low, high = term.low_bytes, term.high_bytes + METAL_PAGE_BYTES
    if load.model.file_bytes is None and not layout.n_host_layers:
        table, between = weight_table(load.model, "metal"), embedded_bytes(load.model)
        low -= between
        high += table.input_bytes - table.tied_bytes - between
    return replace(term, low_bytes=low, high_bytes=high)


METAL_PAGE_BYTES = 16 << 10
"""A Metal buffer over a mapped file is whole pages (`ggml_metal_buffer_map`, ggml-metal-device.m); how much of the
first and the last one it takes depends on where the tensors lie in the file."""
REARRANGED = "a copy for the CPU's kernels; the file's own pages of it can be dropped"


def _weight_term(
    model: Model, label: str, place: str, held: Held, doubt_bytes: int, formula: str, *, is_mapped: bool = False
) -> Term:
    low, high = model.size_band_ratio
    exact = Basis.EXACT if model.file_bytes is not None else Basis.DERIVED if low == high else Basis.ASSUMED
    return Term(
        kind=Kind.WEIGHTS,
        label=label,
        place=place,
        n_bytes=held.n_bytes,
        low_bytes=int(low * held.n_bytes) - doubt_bytes,
        high_bytes=int(high * held.n_bytes) + doubt_bytes,
        basis=Basis.ASSUMED if doubt_bytes else exact,
        source=f"tensor table of {model.source}; placed as load_tensors does, {BUILD}",
        formula=formula,
        read_bytes=held.read_bytes,
        is_file_pages=is_mapped,
    )


def cache_terms(load: Load, layout: Layout) -> list[Term]:
    """Keys, values and states, where their layers lie, or all on the host."""
    shape, model = load.shape, load.model
    kinds, kind_of = layer_kinds(model)
    counts: dict[tuple[int, int], int] = {}
    for number, device in zip(kind_of, layout.layer_devices, strict=False):
        key = (device if load.options.is_kv_offloaded else HOST, number)
        counts[key] = counts.get(key, 0) + 1
    cells: dict[str, int] = {}
    cells_read: dict[str, int] = {}
    states: dict[str, int] = {}
    formulas: dict[str, str] = {}
    for (device, number), n_layers in counts.items():
        layer, place = kinds[number], load.place_of(device)
        n_cell_bytes, n_state_bytes = load.kept(layer, load.rounding_kind(place))
        if n_cell_bytes:
            name = place.name
            n_read = round(n_cell_bytes * shape.attended_ratio(layer.window_tokens))
            cells[name] = cells.get(name, 0) + n_layers * n_cell_bytes
            cells_read[name] = cells_read.get(name, 0) + n_layers * n_read
            formulas[name] = (f"{formulas[name]} + " if name in formulas else "") + _cells_formula(
                load, layer, n_layers
            )
        if n_state_bytes:
            states[place.name] = states.get(place.name, 0) + n_layers * n_state_bytes
    per_sequence = f"float32, {_sequences(shape.n_sequences)}, whatever the context"
    return [
        *(
            replace(
                derived(Kind.KV_CACHE, "KV cache", name, n_bytes, "src/llama-kv-cache.cpp", formulas[name]),
                read_bytes=cells_read[name],
            )
            for name, n_bytes in cells.items()
        ),
        *(
            replace(
                derived(Kind.STATE, "recurrent state", name, n_bytes, "src/llama-memory-recurrent.cpp", per_sequence),
                read_bytes=2 * n_bytes // shape.n_sequences,  # and written back
            )
            for name, n_bytes in states.items()
        ),
    ]


def _sequences(n: int) -> str:
    return f"{n} sequence{'s' if n > 1 else ''}"


def _cells_formula(load: Load, layer: Layer, n_layers: int) -> str:
    n_cells = load.shape.layer_cells(layer.window_tokens) * load.shape.n_streams
    kv_type, value_type = load.workload.kv_type, load.options.value_type or load.workload.kv_type
    types = kv_type if kv_type == value_type else f"{kv_type} and {value_type}"
    return f"{n_layers} layers x {n_cells} cells x ({layer.key_width} + {load.cached_value_width(layer)}) {types}"


def compute_terms(load: Load, layout: Layout, *, is_simulated: bool = True) -> list[Term]:
    """Compute buffers, and the logits."""
    made = load.buffers(layout, is_simulated=is_simulated)
    terms = [
        Term(
            kind=Kind.COMPUTE,
            label="compute buffer",
            place=place.name,
            n_bytes=buffer.n_bytes,
            low_bytes=buffer.low_bytes,
            high_bytes=buffer.high_bytes,
            basis=Basis.ASSUMED if buffer.is_guessed else Basis.DERIVED,
            source=f"{buffer.method} of graph_reserve, src/llama-context.cpp, {BUILD}",
            formula=buffer.formula,
        )
        for place, buffer in zip((*load.devices, load.host), made, strict=True)
    ]
    n_sequences, vocabulary = load.shape.n_sequences, load.model.vocabulary_size
    logits = derived(
        Kind.OUTPUT,
        "logits",
        load.host.name,
        4 * vocabulary * n_sequences,
        "output_reserve, src/llama-context.cpp",
        f"{vocabulary} tokens x float32 x {_sequences(n_sequences)}",
    )
    terms.append(replace(logits, high_bytes=4 * vocabulary * max(load.step.n_outputs, n_sequences)))
    if load.options.keeps_logits:
        # An array of numpy's, whose rows are touched as tokens are computed; it lives as long as the model.
        n_bytes = 4 * vocabulary * load.workload.context_tokens
        kept = _growing(load.host, "logits of the whole context", n_bytes, "Llama.scores, llama_cpp/llama.py, 0.3.36")
        terms.append(replace(kept, kind=Kind.OUTPUT))
    return terms


def server_terms(load: Load) -> list[Term]:
    """What llama-server may keep in RAM of past prompts; it grows with use, from nothing."""
    terms: list[Term] = []
    if load.options.prompt_cache_mib:
        terms.append(
            _growing(load.host, "prompt cache", load.options.prompt_cache_mib * MIB, "--cache-ram, common/arg.cpp")
        )
    if load.options.n_checkpoints:
        kind = load.rounding_kind(load.host)
        one = sum(
            n_cells * bool(layer.window_tokens) + n_states
            for layer in load.model.layers
            for n_cells, n_states in [load.kept(layer, kind)]
        )
        # A checkpoint holds the windows and states of one sequence, so all sequences together hold those of all.
        n_bytes = load.options.n_checkpoints * one
        if n_bytes:
            terms.append(_growing(load.host, "checkpoints", n_bytes, "--ctx-checkpoints, common/arg.cpp"))
    return terms


def _growing(host: Place, label: str, limit_bytes: int, source: str) -> Term:
    return Term(
        kind=Kind.KV_CACHE,
        label=label,
        place=host.name,
        n_bytes=0,
        low_bytes=0,
        high_bytes=limit_bytes,
        basis=Basis.ASSUMED,
        source=source,
        formula="from nothing up to its limit, as prompts come",
    )

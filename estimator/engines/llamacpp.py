"""llama.cpp: llama-server, llama-cli and everything that runs them, as of its build of 2026-10-01 (0c1e57098).

Weights, KV cache and states follow the engine's own rules to the byte, and so do compute buffers where the graph of the
architecture is known (estimator/compute.py); else they are closed forms with a band (estimator/buffers.py).
"""

from collections.abc import Sequence
from dataclasses import replace

from estimator.builds import build_of
from estimator.engine import ANY_VENDOR
from estimator.fit import Fitted, fit, fitted
from estimator.kv_cache import STORED_TYPES
from estimator.ledger import Estimate, Kind, Place, Workload
from estimator.llama_load import Load
from estimator.llama_options import DEFAULTS, Options
from estimator.llama_terms import estimate_layout
from estimator.mixture import QUANTS as MIXTURES
from estimator.model import Model
from estimator.needs import Needs, mapped_needs, unmapped_needs
from estimator.packing import fit_margins, packed_layout, spilled_layout
from estimator.placement import Layout
from estimator.runtime import told_free_bytes
from estimator.shell import quoted
from estimator.tensor_overrides import overrides_text

__all__ = ["KV_STEPS", "KV_TYPES", "NAME", "QUANTS", "Options"]

NAME = "llama.cpp"
KV_TYPES = ("f16", *(name for name in STORED_TYPES if name != "f16"))
KV_STEPS = ("f16", "q8_0", "q4_0")
QUANTS = MIXTURES
DEVICE_FLAG = "-dev"
VENDORS = ANY_VENDOR
CONVERTED_QUANT = ""


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What llama.cpp would allocate, all layers on the devices unless told otherwise.

    Raises:
        Unjudgeable: no place to put it, or a KV type that it does not know.
    """
    load = Load(model, workload, options, places)
    return _estimate(load, is_simulated=True)


def quick_estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """Simulated where one run serves all quants; by closed forms where weights lie in RAM and each needs its own.

    For many loads at once. Those whose verdict hangs on the band are better asked for again, by ``estimate``.
    """
    load = Load(model, workload, options, places)
    is_all_on_devices = options.n_gpu_layers is None or options.n_gpu_layers > model.n_layers
    is_simulated = is_all_on_devices and not (load.n_cpu_moe_layers or options.tensor_overrides)
    return _estimate(load, is_simulated=is_simulated)


def sketch(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """The same in a fraction of the time, with compute buffers by closed forms only: for sieving many models."""
    return _estimate(Load(model, workload, options, places), is_simulated=False)


def _estimate(load: Load, *, is_simulated: bool) -> Estimate:
    options = load.options
    wanted = load.n_all_layers if options.n_gpu_layers is None else options.n_gpu_layers
    layout = load.default_layout(wanted, load.n_cpu_moe_layers)
    if options.n_gpu_layers is None and len(load.devices) > 1 and not options.tensor_split:
        packed = _packed(load, layout)
        if packed is not None:
            made = estimate_layout(load, packed, engine=NAME, is_simulated=is_simulated)
            return replace(made, layers_by_device=_counts(packed, len(load.devices)))
    return estimate_layout(load, layout, engine=NAME, is_simulated=is_simulated)


def _packed(load: Load, layout: Layout) -> Layout | None:
    """Another split, with which all layers have room; found by closed forms, since many are tried."""
    if len(load.devices) < 2:
        return None
    burden, margins = load.burden(), fit_margins(load.options.fit_target_mib, len(load.devices))
    if burden.has_room(layout, load.devices, margins):
        return None
    return packed_layout(burden, load.model.n_layers, load.devices, margins)


def _counts(layout: Layout, n_devices: int) -> tuple[int, ...]:
    return tuple(layout.layer_devices.count(number) for number in range(n_devices))


def fallback(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate | None:
    """What its --fit would do where the devices have less than 1 GiB to spare: leave layers, or experts, in RAM.

    It only does so where the number of layers was left to it.
    """
    load = _load_beside(model, workload, options, places)
    found = _spilled(load)
    if found is None:
        return None
    made = estimate_layout(load, found.layout, engine=NAME)
    return replace(made, layers_by_device=found.layer_counts if len(load.devices) > 1 else (), answers=found.answers)


def _load_beside(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Load:
    """With as much less room as companions take."""
    load = Load(model, workload, options, places)
    if not load.has_companions:
        return load
    from estimator.companions import places_left  # noqa: PLC0415  # 2.5 ms with what reads projectors

    return Load(model, workload, options, places_left(load, places))


def _spilled(load: Load) -> Fitted | None:
    """What --fit chooses; None where all layers have room on the devices, if need be by another split."""
    found = fitted(load)
    if found is None or found.is_default:
        return None
    return None if _packed(load, load.default_layout(load.n_all_layers, 0)) is not None else found


def quick_fallback(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate | None:
    """About the same by closed forms, in a fraction of the time: enough to tell whether it would fit."""
    load = Load(model, workload, options, places)
    is_asked = options.n_gpu_layers is not None or options.tensor_split or options.tensor_overrides
    if is_asked or load.n_cpu_moe_layers or not load.devices:
        return None
    layout = spilled_layout(load)
    return None if layout is None else estimate_layout(load, layout, engine=NAME, is_simulated=False)


def free_context(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> int:
    """The tokens that its --fit settles on where nobody asked for a context; the workload's are the most."""
    found = fit(_load_beside(model, workload, options, places), is_context_free=True)
    return workload.context_tokens if found is None else found.load.workload.context_tokens


def relieved(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """The same with so many layers, or experts, in RAM that each device keeps 1 GiB; None where all of them may stay.

    It is what --fit would choose, whatever was asked for: with experts their matrices go first, since they are read in
    small parts and are most of the model.
    """
    free = replace(
        options, n_gpu_layers=None, n_cpu_moe_layers=0, is_cpu_moe=False, tensor_split=None, tensor_overrides=None
    )
    load = _load_beside(model, workload, free, places)
    found = _spilled(load)
    if found is None:
        return None
    chosen = replace(free, n_gpu_layers=found.layout.n_gpu_layers)
    if len(load.devices) == 1:
        return replace(chosen, n_cpu_moe_layers=_n_cpu_moe_layers(load, found) if found.has_overflow else 0)
    counts = found.layer_counts if found.layout.n_gpu_layers else ()
    return replace(
        chosen,
        tensor_split=tuple(float(n) for n in counts) or None,
        tensor_overrides=overrides_text(found.layout.overrides, load.device_kind) or None,
    )


def _n_cpu_moe_layers(load: Load, found: Fitted) -> int:
    """As many blocks' experts in RAM as --fit would leave there, said by the shorter flag.

    --fit takes the last blocks of a device and the flag the first ones of the model, which may be larger or smaller.
    """
    room = told_free_bytes(load.devices[0]) - fit_margins(load.options.fit_target_mib, 1)[0]
    n_blocks, n_gpu_layers = load.model.n_layers, found.layout.n_gpu_layers

    def has_room(n: int) -> bool:
        return load.device_bytes(load.default_layout(n_gpu_layers, n))[0] <= room

    n_host_blocks = load.n_all_layers - n_gpu_layers
    n = min(n_blocks, n_host_blocks + found.n_moved_blocks)
    while n > n_host_blocks and has_room(n - 1):
        n -= 1
    while n < n_blocks and not has_room(n):
        n += 1
    return n


def needs(model: Model, options: Options, made: Estimate, host: str) -> Needs:
    """The file, mapped unless told not to."""
    resident_bytes = made.n_bytes([host], Kind.WEIGHTS)
    return (mapped_needs if options.is_mapped else unmapped_needs)(model, resident_bytes)


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:
    """The arguments of llama-server that ask for exactly this, layers and split spelled out.

    Of what its --fit would choose, none: it leaves alone what it is told of layers, split and tensors
    (`common_fit_params`, common/fit.cpp), and the load would run out of memory.
    """
    is_its_own = _is_its_own(options, made)
    n_layers = max(model.n_layers + 1, 99) if made.n_gpu_layers == made.n_layers else made.n_gpu_layers
    layers = [] if is_its_own else [f"-ngl {n_layers}"]
    parts = [f"-c {workload.context_tokens}", *layers, f"-np {workload.n_sequences}"]
    split = () if is_its_own else options.tensor_split or made.layers_by_device
    targets = ",".join(f"{mib:g}" for mib in options.fit_target_mib or ())
    value_type = options.value_type or workload.kv_type
    said = {
        f"-ts {','.join(f'{share:g}' for share in split)}": bool(split),
        f"-fitt {targets}": is_its_own and bool(targets),
        f"-sm {options.split_mode}": options.split_mode != DEFAULTS.split_mode,
        f"-mg {options.main_device}": options.main_device != DEFAULTS.main_device,
        f"-ctk {workload.kv_type} -ctv {value_type}": {workload.kv_type, value_type} != {"f16"},
        "--embedding": model.kind == "embedding",
        "-fa off": not options.is_flash_attention,
        f"-b {options.n_batch_tokens}": options.n_batch_tokens != DEFAULTS.n_batch_tokens,
        f"-ub {options.n_ubatch_tokens}": options.n_ubatch_tokens != DEFAULTS.n_ubatch_tokens,
        "--kv-unified": options.is_kv_unified,
        "--no-kv-offload": not options.is_kv_offloaded,
        "--swa-full": options.is_full_window,
        "--cpu-moe": options.is_cpu_moe,
        f"--n-cpu-moe {options.n_cpu_moe_layers}": options.n_cpu_moe_layers > 0,
        f"-ot {quoted(options.tensor_overrides or '')}": bool(options.tensor_overrides),
        "--no-op-offload": not options.offloads_operations,
        # Builds of 2026-10 know no --no-mmap any more (common/arg.cpp); older ones know no --load-mode.
        "--no-mmap" if options.build else "--load-mode none": not options.is_mapped,
        "--no-repack": not options.is_repacked,
        f"--cache-ram {options.prompt_cache_mib}": options.prompt_cache_mib is not None,
        f"--mmproj {quoted(options.projector or '')}": options.projector is not None,
        "--no-mmproj-offload": options.projector is not None and not options.is_projector_offloaded,
        f"-md {_draft_file(options)}": options.draft_model is not None,
        f"-ngld {options.n_draft_gpu_layers}": options.n_draft_gpu_layers is not None,
        f"-ctkd {options.draft_key_type}": options.draft_model is not None and options.draft_key_type != "f16",
        f"-ctvd {options.draft_value_type}": options.draft_model is not None and options.draft_value_type != "f16",
        f"--ctx-checkpoints {options.n_checkpoints}": options.n_checkpoints is not None,
    }
    return " ".join(parts + [flag for flag, is_said in said.items() if is_said])


def _is_its_own(options: Options, made: Estimate) -> bool:
    """Whether layers or experts stay in RAM that nobody has said should, by a build that does so by itself."""
    is_said = options.tensor_split or options.tensor_overrides or options.n_cpu_moe_layers or options.is_cpu_moe
    return options.n_gpu_layers is None and not is_said and bool(made.summary) and build_of(options.build).has_fit


def _draft_file(options: Options) -> str:
    """A draft that is known by name only stands as ``DRAFT.gguf``."""
    name = options.draft_model or ""
    return quoted(name) if name.endswith(".gguf") else "DRAFT.gguf"


def command(model: Model, arguments: str) -> str:
    """The server's line; a model that is known by name only, or has to be converted, stands as ``MODEL.gguf``."""
    is_there = model.file_bytes is not None and model.format == "gguf"
    return f"llama-server -m {quoted(model.source) if is_there else 'MODEL.gguf'} {arguments}"

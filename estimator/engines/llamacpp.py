"""llama.cpp: llama-server, llama-cli and everything that runs them, as of its build of 2026-10-01 (0c1e57098).

Weights, KV cache and states follow the engine's own rules to the byte, and so do compute buffers where the graph of the
architecture is known (estimator/compute.py); else they are closed forms with a band (estimator/buffers.py).
"""

from collections.abc import Sequence
from dataclasses import replace

from estimator.kv_cache import STORED_TYPES
from estimator.ledger import Estimate, Place, Workload
from estimator.llama_load import Load
from estimator.llama_options import DEFAULTS, Options
from estimator.llama_terms import estimate_layout
from estimator.mixture import QUANTS as MIXTURES
from estimator.model import Model
from estimator.packing import least, packed_layout
from estimator.placement import Layout
from estimator.shell import quoted

__all__ = ["KV_STEPS", "KV_TYPES", "NAME", "QUANTS", "Options"]

NAME = "llama.cpp"
KV_TYPES = ("f16", *(name for name in STORED_TYPES if name != "f16"))
KV_STEPS = ("f16", "q8_0", "q4_0")
QUANTS = MIXTURES


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What llama.cpp would allocate, all layers on the devices unless told otherwise.

    Raises:
        Unjudgeable: no place to put it, or a KV type that it does not know.
    """
    load = Load(model, workload, options, places)
    return _estimate(load, is_simulated=True)


def sketch(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """The same in a fraction of the time, with compute buffers by closed forms only: for sieving many models."""
    return _estimate(Load(model, workload, options, places), is_simulated=False)


def _estimate(load: Load, *, is_simulated: bool) -> Estimate:
    options = load.options
    wanted = load.n_all_layers if options.n_gpu_layers is None else options.n_gpu_layers
    layout = load.default_layout(wanted, load.n_cpu_moe_layers)
    if options.n_gpu_layers is None and len(load.devices) > 1 and not options.tensor_split:
        burden = load.burden()
        if not burden.has_room(layout, load.devices):
            packed = packed_layout(burden, load.model.n_layers, load.devices)
            if packed is not None:
                made = estimate_layout(load, packed, engine=NAME, is_simulated=is_simulated)
                return replace(made, layers_by_device=_counts(packed, len(load.devices)))
    return estimate_layout(load, layout, engine=NAME, is_simulated=is_simulated)


def _counts(layout: Layout, n_devices: int) -> tuple[int, ...]:
    return tuple(layout.layer_devices.count(number) for number in range(n_devices))


def fallback(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate | None:
    """What its --fit would do where the devices have less than 1 GiB to spare: leave layers, or experts, in RAM.

    It only does so where the number of layers was left to it.
    """
    return quick_fallback(model, workload, options, places)


def quick_fallback(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate | None:
    """The same by closed forms, in a fraction of the time: enough to tell whether it would fit."""
    if options.n_gpu_layers is not None or options.tensor_split or options.n_cpu_moe_layers:
        return None
    found = relieved(model, workload, options, places)
    if found is None:
        return None
    made = sketch(model, workload, found, places)
    return replace(made, summary=made.summary or "every layer as it is")


def relieved(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """The same with so many layers, or experts, in RAM that each device keeps 1 GiB; None where all of them may stay.

    With experts their matrices go first, as --fit has it: they are read in small parts, and are most of the model.
    """
    free = replace(options, n_gpu_layers=None, n_cpu_moe_layers=0, tensor_split=None)
    load = Load(model, workload, free, places)
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
    value_type = options.value_type or workload.kv_type
    said = {
        f"-ts {','.join(f'{share:g}' for share in split)}": bool(split),
        f"-sm {options.split_mode}": options.split_mode != DEFAULTS.split_mode,
        f"-mg {options.main_device}": options.main_device != DEFAULTS.main_device,
        f"-ctk {workload.kv_type} -ctv {value_type}": {workload.kv_type, value_type} != {"f16"},
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
        "--no-mmap": not options.is_mapped,
        "--no-repack": not options.is_repacked,
        f"--cache-ram {options.prompt_cache_mib}": options.prompt_cache_mib is not None,
        f"--ctx-checkpoints {options.n_checkpoints}": options.n_checkpoints is not None,
    }
    return " ".join(parts + [flag for flag, is_said in said.items() if is_said])


def command(model: Model, arguments: str) -> str:
    """The server's line; a model that is known by name only stands as ``MODEL.gguf``."""
    return f"llama-server -m {quoted(model.source) if model.file_bytes is not None else 'MODEL.gguf'} {arguments}"

"""A model that Transformers loads and computes with: what lies where, and why.

How accelerate places the weights is in estimator/device_map.py, what comes and goes beside them in
estimator/torch_terms.py.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from estimator.device_map import DISK as ON_DISK
from estimator.device_map import (
    HOST,
    HOST_RATIO,
    QUANTISER_RATIO,
    DeviceMap,
    auto_device_map,
    balanced_limits,
)
from estimator.dynamic_cache import Alike, CacheRun
from estimator.errors import Unjudgeable
from estimator.ledger import Answer, Basis, Estimate, Kind, Place, Term, Workload, host_among
from estimator.model import Model
from estimator.modules import has_gguf_types, has_tied_output, layer_kinds, modules_of
from estimator.prompt_pass import prompt_pass
from estimator.runtime import runtime_term
from estimator.torch_process import ACTIVATIONS, process_term, slack_term, workspace_term
from estimator.torch_terms import RELEASE, Computation, derived

NAME = "Transformers"
KV_TYPES = ("f16", "f32", "int8", "int4")

ELEMENT_BYTES = {"f16": 2.0, "bf16": 2.0, "f32": 4.0, "int8": 1.0625, "int4": 0.5625}
"""Quantised caches keep a scale and a zero of 16 bits per 64 elements: 4 / 64 bytes (`QuantizedLayer`, group 64)."""

UNSPLIT_RATIO = 1.0125
"""Up to 1 MiB is lost where a cached block is not split (`should_split`, c10/cuda/CUDACachingAllocator.cpp): 1.2 % of
Qwen3 30B-A3B under FP8, whose matrices of 1.5 MiB do not fill segments of 20; 0.5 % and less of dense models."""

GIB = 1 << 30


class TorchOptions(Protocol):
    """What a load asks of the engine's options."""

    @property
    def dtype(self) -> str: ...
    @property
    def device_map(self) -> str: ...
    @property
    def max_memory(self) -> tuple[float, ...] | None: ...
    @property
    def attn_implementation(self) -> str: ...
    @property
    def cache_implementation(self) -> str: ...
    @property
    def max_new_tokens(self) -> int: ...
    @property
    def prefill_chunk_size(self) -> int | None: ...


class TorchLoad:
    """A model and what is asked of it, on places."""

    def __init__(self, model: Model, workload: Workload, options: TorchOptions, places: Sequence[Place]) -> None:
        self.model, self.workload, self.options = model, workload, options
        self.host = host_among(places)
        self.devices = tuple(place for place in places if place.kind != "host")
        if workload.kv_type not in ELEMENT_BYTES:
            raise Unjudgeable(f"{NAME} knows no KV cache of type {workload.kv_type!r}; {', '.join(KV_TYPES)} are")
        if options.max_memory is not None and len(options.max_memory) > len(self.devices):
            n = len(self.devices)
            raise Unjudgeable(f"{len(options.max_memory)} limits do not go with {n} device{'s' * (n != 1)}")
        self.float_bytes = {"auto": None, "bfloat16": 2, "float32": 4}[options.dtype]
        self.modules = modules_of(model, self._stored_float_bytes(), dequantises_gguf=True)
        self.using = Computation(
            model=model,
            run=_run(workload, options, is_wide=self.is_wide),
            kv_type=workload.kv_type,
            compute_bytes=4 if self.is_wide else 2,
            attention=options.attn_implementation,
            chunk_tokens=options.prefill_chunk_size,
        )
        self.kinds = layer_kinds(model)
        self.n_blocks = model.n_layers - model.n_predictor_layers

    def _stored_float_bytes(self) -> int | None:
        """With ``auto``, a catalogue's floats are the checkpoint's 16 bits, and a file's are its own."""
        if self.float_bytes is None and self.model.file_bytes is None:
            return 4 if self.is_wide else 2
        return self.float_bytes

    @property
    def is_wide(self) -> bool:
        """Whether it computes in float32."""
        return self.options.dtype == "float32" or (self.options.dtype == "auto" and self.model.quant == "F32")

    @property
    def is_quantised_while_loading(self) -> bool:
        """bitsandbytes: its quantizers ask for a further tenth."""
        return self.model.quant.casefold().startswith("bnb")

    def shares(self) -> tuple[int, ...]:
        """What each device may hold by ``auto``, or by ``sequential``."""
        free = [place.free_bytes for place in self.devices]
        if not free:
            return ()
        limits = tuple(free) if self.options.device_map == "sequential" else balanced_limits(self.modules, free)
        ratio = QUANTISER_RATIO if self.is_quantised_while_loading else 1.0
        return tuple(int(limit * ratio) for limit in limits)

    def given_limits(self) -> tuple[int, ...]:
        """By ``max_memory``; a device that is not named gets nothing."""
        given = tuple(int(gib * GIB) for gib in self.options.max_memory or ())
        return given + (0,) * (len(self.devices) - len(given))

    def host_limit(self) -> int:
        """Of available RAM; where it is a device's own memory, what that leaves."""
        return int(self.host.free_bytes * HOST_RATIO)

    def limited_map(self, limits: Sequence[int]) -> DeviceMap:
        """Where each piece goes by these limits."""
        return auto_device_map(self.modules, limits, self.host_limit())

    def has_room(self, made: Estimate) -> bool:
        """Whether every device and RAM have it."""
        return all(made.n_bytes([place.name]) <= place.free_bytes for place in (*self.devices, self.host))

    def place_at(self, device: int) -> Place:
        """The device of that number, or the host."""
        return self.devices[device] if device >= 0 else self.host

    def estimate(self, mapped: DeviceMap) -> Estimate:
        """The ledger of this map."""
        is_on_cuda = any(place.kind == "cuda" for place in self.devices)
        terms = [*self._weight_terms(mapped), *self.moving_terms(mapped, HOST)]
        terms.append(process_term(self.host, is_on_cuda=is_on_cuda))
        for device, place in enumerate(self.devices):
            extras = (workspace_term(place), runtime_term(place))
            terms += [*self.moving_terms(mapped, device), *(term for term in extras if term is not None)]
            left = self.using.run.left_bytes(self._layers_at(mapped, device))
            terms += self._streamed_terms(mapped, place, terms) if device == 0 else []
            slack = slack_term(place, left, [term for term in terms if term.place == place.name])
            terms += [slack] if slack else []
        n_on_devices = sum(mapped.share(device).n_blocks for device in range(len(self.devices)))
        return Estimate(
            engine=NAME,
            terms=tuple(term for term in terms if term.n_bytes or term.high_bytes),
            n_layers=self.n_blocks + 1,
            n_gpu_layers=n_on_devices + (1 if self.devices and mapped.devices[-1] >= 0 else 0),
            summary=self._summary(mapped),
            doubts=(*self.model.doubts, *self._doubts()),
            answers=self._answers(mapped),
            refusal=self._refusal(mapped),
        )

    def _weight_terms(self, mapped: DeviceMap) -> list[Term]:
        basis = Basis.EXACT if self.model.file_bytes is not None and self.float_bytes is None else Basis.DERIVED
        terms = []
        for device in (*range(len(self.devices)), HOST):
            n_bytes = mapped.share(device).n_bytes
            if n_bytes:
                terms.append(
                    Term(
                        kind=Kind.WEIGHTS,
                        label="weights",
                        place=self.place_at(device).name,
                        n_bytes=n_bytes,
                        low_bytes=n_bytes,
                        high_bytes=int(n_bytes * UNSPLIT_RATIO) if device >= 0 else n_bytes,
                        basis=basis,
                        source=f"tensors of {self.model.source}; placed by infer_auto_device_map, {RELEASE}",
                        formula=f"{self.model.quant}, {mapped.share(device).n_blocks} of {self.n_blocks} blocks",
                        read_bytes=mapped.share(device).read_bytes,
                    )
                )
        copied = self._untied_bytes()
        if copied:
            place = self.place_at(max(mapped.devices[-1], HOST))
            made = derived(Kind.WEIGHTS, "output matrix, untied", place.name, copied, "")
            source = (
                "Qwen3 0.6B, 1.7B and 4B under FP8 hold their embedding twice: github.com/QwenLM/Qwen3, "
                "speed_benchmark.md (Transformers 4.51.3)"
            )
            terms.append(replace(made, basis=Basis.CALIBRATED, low_bytes=0, source=source))
        return terms

    def _streamed_terms(self, mapped: DeviceMap, place: Place, terms: Sequence[Term]) -> list[Term]:
        """A block that is not on a device is copied to the first one while it computes.

        The output comes after all of them, when the blocks' activations are gone.
        """
        passing = sum(term.n_bytes for term in terms if term.place == place.name and term.label == ACTIVATIONS)
        n_bytes = max(mapped.largest_offloaded_bytes, mapped.offloaded_output_bytes - passing)
        if n_bytes <= 0:
            return []
        term = derived(Kind.COMPUTE, "offloaded piece, copied in", place.name, n_bytes, "AlignDevicesHook")
        return [replace(term, formula="the largest block that is not on a device, or the output matrix after it")]

    def _untied_bytes(self) -> int:
        """An output matrix of its own, which FP8's loader makes of a tied one."""
        if not (has_tied_output(self.model) and self.model.quant.startswith("FP8")):
            return 0
        return self.model.vocabulary_size * self.model.embedding_width * self.using.compute_bytes

    def _layers_at(self, mapped: DeviceMap, device: int) -> Alike:
        """Blocks whose cache lies there: where they are computed, which for offloaded ones is the first device."""
        here = (
            {device}
            if device > 0
            else {0, HOST, ON_DISK}
            if device == 0
            else set()
            if self.devices
            else {HOST, ON_DISK}
        )
        pairs = zip(mapped.modules, mapped.devices, strict=True)
        return self.kinds.counted(module.block for module, at in pairs if at in here and module.block is not None)

    def moving_terms(self, mapped: DeviceMap, device: int) -> list[Term]:
        """Cache, states and activations of the layers that are computed on this device, or on the host."""
        layers = self._layers_at(mapped, device)
        if not layers:
            return []
        place, using = self.place_at(device), self.using
        terms = [using.cache_term(place, layers)]
        if self.options.cache_implementation == "offloaded" and device >= 0:
            terms = [using.cache_term(self.host, layers), using.two_layers_term(place, layers)]
        state = using.state_term(place, layers)
        return [*terms, *([state] if state else []), using.activation_term(place, layers)]

    def _summary(self, mapped: DeviceMap) -> str:
        if not self.devices:
            return ""
        n_all = self.n_blocks
        n_host, n_disk = mapped.share(HOST).n_blocks, mapped.share(ON_DISK).n_blocks
        parts = [f"{n_host} of {n_all} layers to the CPU"] if n_host else []
        parts += [f"{n_disk} of {n_all} layers to disk"] if n_disk else []
        if not parts and any(at < 0 for at in mapped.devices):
            parts.append("the output layer to the CPU")
        return " and ".join(parts)

    def _doubts(self) -> list[str]:
        native, asked = self.model.native_context_tokens, self.using.run.n_tokens
        doubts = []
        if has_gguf_types(self.model):
            doubts.append(f"{NAME} dequantises {self.model.quant} while loading: its weights take 16 bits each")
        if prompt_pass(self.model).recurrence:
            doubts.append("how much the recurrent layers hold depends on whether their kernels are installed")
        if 0 < native < asked:
            doubts.append(f"{asked} tokens are beyond the {native} that the model was trained on")
        return doubts

    def _refusal(self, mapped: DeviceMap) -> str:
        offloads = self.devices and any(at < 0 for at in mapped.devices)
        if offloads and self.is_quantised_while_loading:
            return "bitsandbytes refuses to load where some layers would go to the CPU or the disk"
        return ""

    def _answers(self, mapped: DeviceMap) -> tuple[Answer, ...]:
        source = f"infer_auto_device_map, {RELEASE}"
        found = []
        for device, place in enumerate(self.devices):
            if len(self.devices) > 1 or any(at < 0 for at in mapped.devices):
                found.append(
                    Answer(
                        key=f"blocks_on_device_{device}",
                        label=f"blocks on {place.name}",
                        value=mapped.share(device).n_blocks,
                        unit="blocks",
                        source=source,
                    )
                )
        if mapped.share(ON_DISK).n_bytes:
            found.append(
                Answer(
                    key="offloaded_to_disk_bytes",
                    label="offloaded to disk",
                    value=mapped.share(ON_DISK).n_bytes,
                    unit="bytes",
                    source=source,
                )
            )
        return tuple(found)


def _run(workload: Workload, options: TorchOptions, *, is_wide: bool) -> CacheRun:
    n_sequences = max(1, workload.n_sequences)
    n_tokens = max(1, workload.context_tokens // n_sequences)
    n_new = min(options.max_new_tokens, n_tokens)
    return CacheRun(
        n_sequences=n_sequences,
        n_prompt_tokens=n_tokens - n_new,
        n_new_tokens=n_new,
        element_bytes=4.0 if is_wide and workload.kv_type == "f16" else ELEMENT_BYTES[workload.kv_type],
        is_static=options.cache_implementation == "static",
    )

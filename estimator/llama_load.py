"""A model as llama.cpp would load it: what is asked for, checked, and what the layers put where.

Shared by the engines that are llama.cpp (estimator/engines/llamacpp.py) and those that run it for their users.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from estimator.buffers import N_PIPELINE_COPIES, Buffer, Spread, buffers, guessed, simulated_buffers
from estimator.builds import Build, build_of
from estimator.compute import Machine, compute_bytes
from estimator.errors import Refused, Unjudgeable
from estimator.fork_model import as_loaded, settled
from estimator.graphs.families import FAMILIES
from estimator.kernels import KERNELS, has_flash_kernel
from estimator.kv_cache import STORED_TYPES, CacheShape, as_cached, cache_shape, cell_bytes, layer_kinds, state_bytes
from estimator.ledger import Place, Workload, host_among
from estimator.llama_options import Options
from estimator.model import Layer, Model, Tensor
from estimator.packing import Burden
from estimator.placement import HOST, Layout, Override, compiled, place_layers, weight_device
from estimator.quant import BLOCKS
from estimator.rounding import ROUNDINGS
from estimator.scratch import Step, is_encoder, widest_value
from estimator.weights import Held, held_weights

MAX_SEQUENCES = 256
"""LLAMA_MAX_SEQ, src/llama-cparams.h."""
MAX_OVERRIDES_LENGTH = 1 << 16
PINNING = frozenset({"cuda", "rocm", "gpu"})
"""Devices that have the host's buffers in pinned memory, with its alignment."""
_HOST_BUFFER = r"(?i)cpu|host|.*_host"
_BUFFER_PREFIXES = {"cuda": "CUDA", "rocm": "ROCm", "metal": "MTL", "gpu": "Vulkan"}
"""What llama.cpp calls the buffers of a kind of device, before the number (ggml_backend_*_buffer_type_name)."""
_OF_BLOCK = r"blk\\\.(\d{1,4})\\\."
"""A pattern as --fit writes it, ``blk\\.7\\.``, is about one block alone."""
_OF_BLOCKS = r"blk\\\.\((\d{1,4}(?:\|\d{1,4}){0,999})\)\\\.(.+)"
_GROUP = r"\([^()]*\)"
_DEVICE_BUFFER = r"[A-Za-z_ ]*?(\d+)"


MOST_DRAFTED_TOKENS = 3
"""--spec-draft-n-max, common/common.h: so many drafted tokens are checked at once, each with its logits."""

CACHING_ALL_LAYERS = frozenset({"deci"})
"""Their layers without attention are in the cache too, and have values in it where all are as wide as the widest
(`llama_kv_cache` in src/llama-kv-cache.cpp leaves out only what a filter says; measured: 80 layers of Nemotron Super
49B have values, 49 have keys, build 0c1e57098)."""

WITHOUT_FLASH_ATTENTION = frozenset({"grok"})
"""llama.cpp turns it off for them, whatever was asked for (`llama_init_from_model`, src/llama-context.cpp)."""


class Load:
    """A model and what is asked of it, on places."""

    def __init__(
        self,
        model: Model,
        workload: Workload,
        options: Options,
        places: Sequence[Place],
        *,
        brings_projector: bool = False,
    ) -> None:
        """Check what is asked for.

        Args:
            model: to be loaded.
            workload: what it is loaded for.
            options: how.
            places: the devices and the host.
            brings_projector: of a model that is known by name, the image or sound part is loaded too.

        Raises:
            Unjudgeable: no place to put it, or something that the engine would refuse.
        """
        if not model.layers:
            raise Unjudgeable(f"llama.cpp does not run {model.name}: it is no language model")
        self.devices, self.host = _split_places(places, options)
        if options.split_mode == "none":  # it is the only one from here on
            options = replace(options, main_device=0)
        keeps_values_upright = False
        if options.is_flash_attention and not self._has_flash_attention(model, options):
            keeps_values_upright = model.architecture not in WITHOUT_FLASH_ATTENTION
            options = replace(options, is_flash_attention=False)
        self.workload, self.options, self._brings_projector = workload, options, brings_projector
        if options.tensor_split and self.devices and len(options.tensor_split) > len(self.devices):
            n = len(self.devices)
            raise Unjudgeable(
                f"a split into {len(options.tensor_split)} shares does not go with {n} device{'s' * (n != 1)}"
            )
        self.shape = _cache_shape(workload, options)
        if not self.shape.build.caches_by_layer and not _asks_for_cache(options, model.n_layers):
            self.options = options = replace(options, is_kv_offloaded=False)
        if any(layer.compression for layer in model.layers):
            # Sequences own their cells in any case, each the whole context where it is to be shared
            # (`unified_compressed`, src/llama-kv-cache-dsv4.cpp).
            self.shape = replace(self.shape, n_streams=self.shape.n_sequences)
        self.model = as_cached(model, self.shape.build)
        self.computed: tuple[Tensor, ...] = ()
        if self.shape.build.is_fork:
            self._settle_fork(model)
        self.overrides = _overrides(options.tensor_overrides or "", len(self.devices))
        self._kept: dict[tuple[Layer, str], tuple[int, int]] = {}
        n_step = min(self.shape.n_ubatch_tokens, self.shape.n_context_tokens)
        self.step = Step(
            shape=self.shape,
            n_outputs=n_step if _makes_embeddings(model, options) else min(n_step, _n_outputs(self.shape, options)),
            is_flash_attention=options.is_flash_attention,
            key_type=STORED_TYPES[workload.kv_type],
            value_type=STORED_TYPES[options.value_type or workload.kv_type],
            keeps_values_upright=keeps_values_upright,
        )
        self.machine = Machine(
            n_devices=len(self.devices),
            rounding=ROUNDINGS[self.device_kind],
            host_alignment_bytes=ROUNDINGS["host" if self.device_kind in PINNING else "cpu"].alignment_bytes,
            is_cache_offloaded=options.is_kv_offloaded,
            offloads_operations=options.offloads_operations,
            kind=self.device_kind,
            is_fused=self.shape.build.keeps_fused_alive and KERNELS[self.device_kind].is_fused,
            expands_cache=self.shape.build.reserves_expanded_cache,
            spares_experts=self.shape.build.spares_experts,
            has_mixed_input=self.shape.build.has_mixed_input,
        )

    def _has_flash_attention(self, model: Model, options: Options) -> bool:
        """Whether it stays on where it is asked for, as the default ``-fa auto`` does.

        It is turned off where the device that holds a layer has no kernel for its heads (`resolve` in
        src/llama-context.cpp).
        """
        if model.architecture in WITHOUT_FLASH_ATTENTION:
            return False
        if not self.devices or options.n_gpu_layers == 0 or not build_of(options.build).settles_attention:
            return True
        kinds, _ = layer_kinds(model)
        return all(has_flash_kernel(self.device_kind, model, layer) for layer in kinds)

    def _settle_fork(self, model: Model) -> None:
        build = settled(self.shape.build, model)
        self.shape = replace(self.shape, build=build)
        self.model = as_loaded(self.model, build, is_flash_attention=self.options.is_flash_attention)
        self.computed = self.model.tensors[len(model.tensors) :]

    @property
    def n_all_layers(self) -> int:
        """Blocks and the output layer."""
        return self.model.n_layers + 1

    @property
    def device_kind(self) -> str:
        """Of the devices, which are of one kind."""
        return self.devices[0].kind if self.devices else "cpu"

    @property
    def n_cpu_moe_layers(self) -> int:
        """Blocks whose experts shall stay on the host."""
        return self.model.n_layers if self.options.is_cpu_moe else self.options.n_cpu_moe_layers

    @property
    def has_companions(self) -> bool:
        """Something is loaded beside the model (estimator/companions.py)."""
        options = self.options
        return options.projector is not None or options.draft_model is not None or self.may_have_projector

    @property
    def may_have_projector(self) -> bool:
        """The engine would fetch an image or sound part by itself, and none is here."""
        model = self.model
        is_published = self._brings_projector and model.file_bytes is None and model.n_projector_parameters > 0
        return (model.may_bring_projector or is_published) and self.options.projector is None

    def with_context(self, context_tokens: int) -> "Load":
        """The same with another context."""
        return Load(
            self.model,
            replace(self.workload, context_tokens=context_tokens),
            self.options,
            (*self.devices, self.host),
            brings_projector=self._brings_projector,
        )

    def default_layout(self, n_gpu_layers: int, n_cpu_moe_layers: int) -> Layout:
        """Layers by the shares asked for, or else by free memory."""
        shares = self.options.tensor_split or tuple(float(place.free_bytes) for place in self.devices)
        return self.layout(n_gpu_layers, shares, n_cpu_moe_layers=n_cpu_moe_layers)

    def layout(
        self,
        n_gpu_layers: int,
        shares: Sequence[float],
        *,
        n_cpu_moe_layers: int = 0,
        overrides: tuple[Override, ...] = (),
    ) -> Layout:
        """So many layers, the last ones, on the devices by these shares."""
        wanted = n_gpu_layers if n_gpu_layers >= 0 else self.n_all_layers
        return Layout(
            layer_devices=place_layers(
                self.model.n_layers,
                wanted,
                shares if self.devices else (),
                counts_output_layer=self.shape.build.counts_output_layer,
            ),
            n_cpu_moe_layers=n_cpu_moe_layers,
            n_gpu_layers=min(wanted, self.n_all_layers) if self.devices else 0,
            overrides=(*self.overrides, *overrides),
        )

    def burden(self) -> Burden:
        """What the layers put on the devices, by closed forms."""
        kind, is_offloaded = self.device_kind, self.options.is_kv_offloaded
        kinds, kind_of = layer_kinds(self.model)
        n_kept = [sum(self.kept(layer, kind)) if is_offloaded else 0 for layer in kinds]
        kept = [n_kept[number] for number in kind_of]
        return Burden(self.model, self.step, kind, kept, is_cache_offloaded=is_offloaded)

    def cached_value_width(self, layer: Layer) -> int:
        """Without flash attention values are stored transposed, as wide as in the widest layer (`v_trans`)."""
        has_values = layer.value_width > 0 or self.model.architecture in CACHING_ALL_LAYERS
        is_padded = has_values and self.step.transposes_values
        return widest_value(self.model) + layer.index_value_width if is_padded else layer.value_width

    def kept(self, layer: Layer, kind: str) -> tuple[int, int]:
        """(cells, states) in bytes of a layer; most layers are alike, and are reckoned once."""
        if (layer, kind) not in self._kept:
            rounding = ROUNDINGS[kind]
            cached = replace(layer, value_width=self.cached_value_width(layer))
            self._kept[layer, kind] = (
                cell_bytes(cached, self.shape, self.step.key_type, self.step.value_type, rounding),
                state_bytes(layer, self.shape.n_sequences, rounding),
            )
        return self._kept[layer, kind]

    def place_of(self, device: int) -> Place:
        """The device of that number, or the host."""
        return self.host if device == HOST else self.devices[device]

    def rounding_kind(self, place: Place) -> str:
        """How the buffers there are rounded."""
        return "cpu" if place.kind == "host" and not self.devices else place.kind

    def weights(self, layout: Layout, *, maps_file: bool = False) -> dict[int, Held]:
        """By device, the host among them; ``maps_file`` as a load has them and --fit does not."""
        numbers = (*range(len(self.devices)), HOST)
        kinds = {number: self.rounding_kind(self.place_of(number)) for number in numbers}
        return held_weights(self.model, layout, kinds, maps_file=maps_file and self.options.is_mapped)

    def computed_weights(self, layout: Layout) -> dict[int, int]:
        """Of them what is in no file, by device: matrices that ik_llama.cpp computes while loading."""
        found: dict[int, int] = {}
        for tensor in self.computed:
            device = weight_device(tensor.name, layout)
            rounding = ROUNDINGS[self.rounding_kind(self.place_of(device))]
            found[device] = found.get(device, 0) + rounding.tensor_bytes(tensor.type, tensor.shape)
        return found

    def buffers(self, layout: Layout, *, is_simulated: bool = True) -> tuple[Buffer, ...]:
        """The compute buffer of each device, the host's last: simulated where it can be, else by closed forms."""
        build = self.shape.build
        is_of_one_kind = all(place.kind == self.device_kind for place in self.devices)
        if is_simulated and build.has_known_graph and is_of_one_kind:
            found = compute_bytes(self.model, self.step, layout, self.machine)
            if found is not None:
                kernels = KERNELS[self.device_kind]
                return simulated_buffers(
                    self.model,
                    self.step,
                    found,
                    kernels.doubt_ratio,
                    may_strand_masks=kernels.may_strand_masks,
                    n_norm_copies=self._n_norm_copies(layout),
                )
        spread = Spread(
            layer_devices=layout.layer_devices,
            n_devices=len(self.devices),
            n_cpu_moe_layers=self.model.n_layers if layout.overrides else layout.n_cpu_moe_layers,
            is_cache_offloaded=self.options.is_kv_offloaded,
            is_measured=all(place.kind == "cuda" for place in self.devices),
        )
        made = buffers(self.model, self.step, spread)
        return made if self.model.architecture in FAMILIES else guessed(made)

    def _n_norm_copies(self, layout: Layout) -> int:
        """Of what a device takes from the one before, how much is reckoned that a real load spares."""
        if self.shape.build.pins_norms or self.shape.build.is_fork or layout.n_gpu_layers < self.n_all_layers:
            return 0
        return N_PIPELINE_COPIES if self.machine.is_pipelined(layout) else 1

    def device_bytes(self, layout: Layout) -> list[int]:
        """Weights, caches, states and compute buffer of each device: what --fit goes by."""
        weights = self.weights(layout)
        total = [
            weights[number].n_bytes + buffer.n_bytes
            for number, buffer in zip(range(len(self.devices)), self.buffers(layout), strict=False)
        ]
        if self.options.is_kv_offloaded:
            kinds, kind_of = layer_kinds(self.model)
            n_kept = [sum(self.kept(layer, self.device_kind)) for layer in kinds]
            for number, device in zip(kind_of, layout.layer_devices, strict=False):
                if device != HOST:
                    total[device] += n_kept[number]
        return total

    def overrides_text(self, overrides: Sequence[Override]) -> str:
        """As -ot takes them; what follows one another and differs in the block alone is said once for all of them."""
        prefix = _BUFFER_PREFIXES.get(self.device_kind, "GPU")
        parts = []
        for (tail, device), alike in groupby(overrides, lambda one: (_after_block(one), one.device)):
            group = list(alike)
            buffer = "CPU" if device == HOST else f"{prefix}{device}"
            if tail is None or len(group) < 2:
                parts += [f"{one.pattern}={buffer}" for one in group]
            else:
                parts.append(rf"blk\.({'|'.join(str(one.block) for one in group)})\.{tail}={buffer}")
        return ",".join(parts)


def _asks_for_cache(options: Options, n_layers: int) -> bool:
    """Builds of 2023 counted the output layer, the values and the keys as one more each."""
    return options.n_gpu_layers is None or options.n_gpu_layers > n_layers + 2


def _split_places(places: Sequence[Place], options: Options) -> tuple[tuple[Place, ...], Place]:
    host = host_among(places)
    devices = tuple(place for place in places if place.kind != "host")
    if options.split_mode == "none" and devices:
        if options.main_device >= len(devices):
            raise Unjudgeable(f"there is no device {options.main_device} for --main-gpu; {len(devices)} are there")
        devices = (devices[options.main_device],)
    return devices, host


def _cache_shape(workload: Workload, options: Options) -> CacheShape:
    for kv_type in (workload.kv_type, options.value_type or workload.kv_type):
        if kv_type not in STORED_TYPES:
            raise Unjudgeable(f"llama.cpp knows no KV cache of type {kv_type!r}; {', '.join(STORED_TYPES)} are")
    # Of the keys it may be: "V cache quantization requires flash_attn" (llama_init_from_model, src/llama-context.cpp).
    value_type = options.value_type or workload.kv_type
    if BLOCKS[STORED_TYPES[value_type]].n_weights > 1 and not options.is_flash_attention:
        raise Refused(f"llama.cpp refuses a KV cache with values of type {value_type} without flash attention")
    if workload.n_sequences > MAX_SEQUENCES:
        raise Unjudgeable(f"llama.cpp takes up to {MAX_SEQUENCES} sequences, not {workload.n_sequences}")
    return cache_shape(
        workload,
        n_batch_tokens=options.n_batch_tokens,
        n_ubatch_tokens=options.n_ubatch_tokens,
        is_unified=options.is_kv_unified,
        is_full_window=options.is_full_window,
        is_flash_attention=options.is_flash_attention,
        build=_build(options),
    )


MOST_LATENT_WAYS = 3


def _build(options: Options) -> Build:
    """The build, and what its own options make of it."""
    build = build_of(options.build)
    told = {
        name: value
        for name, value in (
            ("latent_way", options.latent_way),
            ("attention_mib", options.attention_mib),
            ("fuses_experts", options.is_moe_fused or None),
        )
        if value is not None
    }
    if not told:
        return build
    if not build.is_fork:
        raise Unjudgeable("--mla-use, --attention-max-batch and --fused-moe are ik_llama.cpp's; say so with --build ik")
    if not 0 <= (options.latent_way or 0) <= MOST_LATENT_WAYS:
        raise Unjudgeable(f"ik_llama.cpp computes latent attention in ways 0 to {MOST_LATENT_WAYS}")
    return replace(build, **told)  # type: ignore[arg-type]


def _makes_embeddings(model: Model, options: Options) -> bool:
    """Whether every token is an output (`server_output_limits`, tools/server/server-context.cpp, with --embeddings)."""
    return is_encoder(model) or (model.kind == "embedding" and options.n_outputs is None)


def _n_outputs(shape: CacheShape, options: Options) -> int:
    if shape.build.reserves_all_outputs:
        return shape.n_step_tokens
    n_drafted = MOST_DRAFTED_TOKENS if options.draft_model else 0
    return options.n_outputs or shape.n_sequences * (1 + n_drafted)


def _overrides(text: str, n_devices: int) -> tuple[Override, ...]:
    """As `parse_tensor_buffer_overrides` in common/arg.cpp reads them: ``pattern=buffer``, commas between."""
    if len(text) > MAX_OVERRIDES_LENGTH:
        raise Unjudgeable("the list of tensor overrides is longer than any that makes sense")
    found: list[Override] = []
    for part in filter(None, text.split(",")):
        pattern, equals, buffer = part.rpartition("=")
        if not equals or not pattern:
            raise Unjudgeable(f"{part!r} is no tensor override; say pattern=CPU or pattern=CUDA0")
        compiled(pattern)
        several = compiled(_OF_BLOCKS).fullmatch(pattern)
        if several and compiled(_HOST_BUFFER).fullmatch(buffer) and not _has_others(pattern):
            numbers = dict.fromkeys(map(int, several[1].split("|")))
            found += [Override(pattern=rf"blk\.{n}\.{several[2]}", device=HOST, block=n) for n in numbers]
            continue
        block = _block_of(pattern)
        if compiled(_HOST_BUFFER).fullmatch(buffer):
            found.append(Override(pattern=pattern, device=HOST, block=block))
            continue
        named = compiled(_DEVICE_BUFFER).fullmatch(buffer)
        if named is None or len(named[1]) > 3 or int(named[1]) >= n_devices:
            known = ["CPU", *(f"CUDA{number}" for number in range(n_devices))]
            raise Unjudgeable(f"there is no buffer {buffer!r} for a tensor override; {', '.join(known)} are there")
        found.append(Override(pattern=pattern, device=int(named[1]), block=block))
    return tuple(found)


def _block_of(pattern: str) -> int | None:
    """The one block that a pattern is about; None where it may be about others too."""
    found = compiled(_OF_BLOCK).match(pattern)
    return int(found[1]) if found and not _has_others(pattern) else None


def _has_others(pattern: str) -> bool:
    """Whether it has another choice outside of all groups."""
    return "|" in compiled(_GROUP).sub("", pattern)


def _after_block(override: Override) -> str | None:
    """What a pattern about one block says of its tensors; None of any other."""
    tail = override.pattern.removeprefix(rf"blk\.{override.block}\.")
    return None if override.block is None or tail == override.pattern else tail

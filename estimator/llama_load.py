"""A model as llama.cpp would load it: what is asked for, checked, and what the layers put where.

Shared by the engines that are llama.cpp (estimator/engines/llamacpp.py) and those that run it for their users.
"""

from collections.abc import Sequence
from dataclasses import replace

from estimator.buffers import N_PIPELINE_COPIES, Buffer, Spread, buffers, guessed, simulated_buffers
from estimator.compute import Machine, compute_bytes
from estimator.errors import Unjudgeable
from estimator.fork_model import as_loaded, settled
from estimator.graphs.families import FAMILIES
from estimator.kernels import KERNELS
from estimator.kv_cache import as_cached, cell_bytes, layer_kinds, state_bytes
from estimator.ledger import Place, Workload, host_among
from estimator.llama_options import Options
from estimator.llama_step import WITHOUT_FLASH_ATTENTION, has_flash_attention, shape_of, step_of
from estimator.model import Layer, Model, Tensor
from estimator.packing import Burden
from estimator.placement import HOST, Layout, Override, place_layers, weight_device
from estimator.rounding import ROUNDINGS
from estimator.scratch import widest_value
from estimator.tensor_overrides import overrides_of
from estimator.weights import Held, held_weights

PINNING = frozenset({"cuda", "rocm", "gpu"})
"""Devices that have the host's buffers in pinned memory, with its alignment."""
CACHING_ALL_LAYERS = frozenset({"deci"})
"""Their layers without attention are in the cache too, and have values in it where all are as wide as the widest
(`llama_kv_cache` in src/llama-kv-cache.cpp leaves out only what a filter says; measured: 80 layers of Nemotron Super
49B have values, 49 have keys, build 0c1e57098)."""


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
        if options.is_flash_attention and not has_flash_attention(model, options, self.device_kind):
            keeps_values_upright = model.architecture not in WITHOUT_FLASH_ATTENTION
            options = replace(options, is_flash_attention=False)
        self.workload, self.options, self._brings_projector = workload, options, brings_projector
        if options.tensor_split and self.devices and len(options.tensor_split) > len(self.devices):
            n = len(self.devices)
            raise Unjudgeable(
                f"a split into {len(options.tensor_split)} shares does not go with {n} device{'s' * (n != 1)}"
            )
        self.shape = shape_of(workload, options)
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
        self.overrides = overrides_of(options.tensor_overrides or "", len(self.devices))
        self._kept: dict[tuple[Layer, str], tuple[int, int]] = {}
        self.step = step_of(model, self.shape, workload, options, keeps_values_upright=keeps_values_upright)
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

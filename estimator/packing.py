"""How many layers a device has room for: what llama.cpp's --fit does, as far as layers and experts go.

It keeps a margin on each device, fills the devices from the last layer on, and leaves experts, or else whole layers,
on the host where they have no room (common/fit.cpp, as of 2026-10). Many ways to place a load are tried for one answer,
so a way is weighed here by running sums, not by a whole estimate.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate

from estimator.buffers import Spread, device_buffer
from estimator.ledger import Place
from estimator.model import Model
from estimator.placement import HOST, Layout, counted_layout
from estimator.runtime import told_free_bytes
from estimator.scratch import Step
from estimator.weights import weight_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estimator.llama_load import Load

FIT_MARGIN_BYTES = 1024 << 20
"""What stays free on each device (--fit-target, common/common.h)."""


class Burden:
    """What one load puts on devices of one kind, whichever layers these hold."""

    def __init__(
        self, model: Model, step: Step, kind: str, kept_bytes: Sequence[int], *, is_cache_offloaded: bool = True
    ) -> None:
        """``kept_bytes``: caches and states of each layer on such a device."""
        table = weight_table(model, kind)
        self._model, self._step, self._is_cache_offloaded = model, step, is_cache_offloaded
        self._dense = [0, *accumulate(map(sum, zip(table.layer_bytes, kept_bytes, strict=True)))]
        self._experts = [0, *accumulate(table.expert_bytes)]
        self._output = table.output_bytes + table.tied_bytes
        self._first, self._rope = table.first_layer_bytes, table.rope_bytes
        self._buffers: dict[tuple[object, ...], int] = {}

    def device_bytes(self, layout: Layout, n_devices: int, device: int) -> int:
        """Weights, caches, states and compute buffer of one device."""
        blocks = layout.layer_devices[:-1]
        n_bytes = self._buffer_bytes(layout, n_devices, device)
        n_blocks = blocks.count(device)
        if n_blocks:
            start = blocks.index(device)
            end = start + n_blocks
            n_bytes += self._dense[end] - self._dense[start] + self._rope + (self._first if start == 0 else 0)
            with_experts = max(start, min(layout.n_cpu_moe_layers, end))
            n_bytes += self._experts[end] - self._experts[with_experts]
        if layout.layer_devices[-1] == device:
            n_bytes += self._output
        return n_bytes

    def has_room(self, layout: Layout, devices: Sequence[Place], margins: Sequence[int]) -> bool:
        """Whether every device keeps its margin, in bytes."""
        return all(
            self.device_bytes(layout, len(devices), number) <= told_free_bytes(place) - margins[number]
            for number, place in enumerate(devices)
        )

    def _buffer_bytes(self, layout: Layout, n_devices: int, device: int) -> int:
        layers = layout.layer_devices
        key = (
            device == 0,
            device in layers[:-1],
            layers[-1] == device,
            layers[-1] == HOST,
            HOST in layers[:-1],
            layout.n_cpu_moe_layers > 0,
            n_devices > 1,
        )
        if key not in self._buffers:
            spread = Spread(
                layer_devices=layers,
                n_devices=n_devices,
                n_cpu_moe_layers=layout.n_cpu_moe_layers,
                is_cache_offloaded=self._is_cache_offloaded,
            )
            self._buffers[key] = device_buffer(self._model, self._step, spread, device).n_bytes
        return self._buffers[key]


def fit_margins(told_mib: Sequence[float] | None, n_devices: int) -> tuple[int, ...]:
    """Bytes that --fit keeps free on each device; one value is for all of them (common/arg.cpp, --fit-target)."""
    told = [int(mib) << 20 for mib in told_mib or ()][:n_devices]
    usual = told[0] if len(told_mib or ()) == 1 else FIT_MARGIN_BYTES
    return (*told, *(usual for _ in range(n_devices - len(told))))


def packed_layout(burden: Burden, n_layers: int, devices: Sequence[Place], margins: Sequence[int]) -> Layout | None:
    """All layers on the devices, each filled from the last layer on; None where they have no room.

    Args:
        burden: what the layers weigh.
        n_layers: blocks, the output layer not counted.
        devices: in the engine's order.
        margins: bytes that stay free on each.
    """
    n_open = n_layers + 1
    counts = [0] * len(devices)
    for number in reversed(range(len(devices))):

        def is_full(n: int, number: int = number, n_open: int = n_open) -> bool:
            """With so many layers, there is no room for one more."""
            trial = list(counts)
            trial[number] = n + 1
            if number:
                trial[0] += n_open - n - 1
            n_bytes = burden.device_bytes(counted_layout(n_layers, 0, trial), len(devices), number)
            return n_bytes > told_free_bytes(devices[number]) - margins[number]

        counts[number] = least(range(n_open), is_full, n_open)
        n_open -= counts[number]
    return counted_layout(n_layers, 0, counts) if n_open == 0 else None


def spilled_layout(load: "Load") -> Layout | None:
    """About what --fit leaves to the host, by closed forms; None where every layer has room."""
    burden, n_all, devices = load.burden(), load.n_all_layers, load.devices
    margins = fit_margins(load.options.fit_target_mib, len(devices))

    def has_room(n_gpu_layers: int, n_cpu_moe_layers: int) -> bool:
        return burden.has_room(load.default_layout(n_gpu_layers, n_cpu_moe_layers), devices, margins)

    n_blocks = load.model.n_layers
    if has_room(n_all, 0) or (len(devices) > 1 and packed_layout(burden, n_blocks, devices, margins) is not None):
        return None
    if load.model.experts and has_room(n_all, n_blocks):
        n_moved = least(range(1, n_blocks), lambda n: has_room(n_all, n), n_blocks)
        return load.default_layout(n_all, n_moved)
    n_left = least(range(1, n_all), lambda n: has_room(n_all - n, 0), n_all)
    return load.default_layout(n_all - n_left, 0)


def least(candidates: range, is_enough: Callable[[int], bool], otherwise: int) -> int:
    """The smallest candidate that is enough, where enough stays enough above it."""
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        if is_enough(candidates[middle]):
            high = middle
        else:
            low = middle + 1
    return candidates[low] if low < len(candidates) else otherwise

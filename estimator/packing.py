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
        n_blocks = blocks.count(device)
        start = blocks.index(device) if n_blocks else 0
        has_output = layout.layer_devices[-1] == device
        n_bytes = self._buffer_bytes(layout, n_devices, device)
        return n_bytes + self.span_bytes(start, start + n_blocks, layout.n_cpu_moe_layers, has_output=has_output)

    def span_bytes(self, start: int, end: int, n_cpu_moe_layers: int, *, has_output: bool) -> int:
        """The same without the compute buffer, of the blocks from ``start`` to before ``end``."""
        n_bytes = self._output if has_output else 0
        if end > start:
            n_bytes += self._dense[end] - self._dense[start] + self._rope + (self._first if start == 0 else 0)
            n_bytes += self._experts[end] - self._experts[max(start, min(n_cpu_moe_layers, end))]
        return n_bytes

    def buffer_bytes(self, counts: Sequence[int], n_cpu_moe_layers: int, device: int) -> int:
        """The compute buffer of one device, where each holds so many layers."""
        n_layers, n_placed = self._model.n_layers, sum(counts)
        has_output = counts[device] > 0 and not any(counts[device + 1 :])
        key = (
            device == 0,
            counts[device] > int(has_output),
            has_output,
            not n_placed,
            n_placed <= n_layers,
            n_cpu_moe_layers > 0,
            len(counts) > 1,
        )
        if key not in self._buffers:
            return self._buffer_bytes(counted_layout(n_layers, n_cpu_moe_layers, counts), len(counts), device)
        return self._buffers[key]

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


def packed_layout(
    burden: Burden, n_layers: int, devices: Sequence[Place], margins: Sequence[int], n_cpu_moe_layers: int = 0
) -> Layout | None:
    """All layers on the devices, each filled from the last layer on; None where they have no room.

    The first ``n_cpu_moe_layers`` leave their experts on the host, and many of them go to the first device, which a
    split by free memory would leave all but empty (gpt-oss 120B on two RTX 4090: it would move the experts of 23 layers
    where --fit moves 10).

    Args:
        burden: what the layers weigh.
        n_layers: blocks, the output layer not counted.
        devices: in the engine's order.
        margins: bytes that stay free on each.
        n_cpu_moe_layers: blocks, the first ones, whose experts lie on the host.
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
            has_output = n_open == n_layers + 1
            blocks = n_open - n - 1, n_open - int(has_output)
            n_bytes = burden.span_bytes(*blocks, n_cpu_moe_layers, has_output=has_output)
            n_bytes += burden.buffer_bytes(trial, n_cpu_moe_layers, number)
            return n_bytes > told_free_bytes(devices[number]) - margins[number]

        counts[number] = least(range(n_open), is_full, n_open)
        n_open -= counts[number]
    return counted_layout(n_layers, n_cpu_moe_layers, counts) if n_open == 0 else None


def spilled_layout(load: "Load") -> Layout | None:
    """About what --fit leaves to the host, by closed forms; None where every layer has room."""
    burden, n_all, devices = load.burden(), load.n_all_layers, load.devices
    margins = fit_margins(load.options.fit_target_mib, len(devices))

    def has_room(n_gpu_layers: int, n_cpu_moe_layers: int) -> bool:
        return burden.has_room(load.default_layout(n_gpu_layers, n_cpu_moe_layers), devices, margins)

    n_blocks = load.model.n_layers
    is_split = len(devices) > 1
    if has_room(n_all, 0) or (is_split and packed_layout(burden, n_blocks, devices, margins) is not None):
        return None
    if load.model.experts and is_split:

        def packed(n_moved: int) -> Layout | None:
            return packed_layout(burden, n_blocks, devices, margins, n_moved)

        if (found := packed(n_blocks)) is not None:
            n_moved = least(range(1, n_blocks), lambda n: packed(n) is not None, n_blocks)
            return packed(n_moved) or found
    elif load.model.experts and has_room(n_all, n_blocks):
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

"""Which device holds which layer, and which tensor.

llama.cpp: `llama_model::load_tensors` in src/llama-model.cpp (as of 2026-10). Layers are counted with the output layer
as one more; the last ones go to the devices.
"""

import re
import struct
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from estimator.errors import Unjudgeable
from records.record import record

HOST = -1
"""In place of a device's number."""

INPUT_TENSORS = frozenset(
    {"token_embd.weight", "per_layer_token_embd.weight", "position_embd.weight", "token_types.weight"}
)
FIRST_LAYER_TENSORS = frozenset({"per_layer_model_proj.weight", "per_layer_proj_norm.weight", "token_embd_norm.bias"})


def place_layers(
    n_layers: int, n_gpu_layers: int, shares: Sequence[float], *, counts_output_layer: bool = True
) -> tuple[int, ...]:
    """The device of each layer, the output layer last; HOST for those that stay there.

    Args:
        n_layers: blocks, without the output layer.
        n_gpu_layers: how many of the layers, the output layer first, go to devices.
        shares: what each device shall get, in any unit; empty where there is no device.
        counts_output_layer: it is the first that goes to a device; builds of before 2026 gave it a device as the last.
    """
    if not shares or sum(shares) <= 0:
        return (HOST,) * (n_layers + 1)
    n_placed = min(n_gpu_layers, n_layers + 1)
    first = n_layers + 1 - n_placed if counts_output_layer else max(0, n_layers - n_placed)
    if len(shares) == 1:
        return tuple(0 if 0 <= layer - first < n_placed else HOST for layer in range(n_layers + 1))
    # The engine sums, divides and compares in float32; a layer at a boundary goes where that rounding sends it.
    bounds: list[float] = []
    total = _float32(0.0)
    for share in shares:
        total = _float32(total + _float32(share))
        bounds.append(total)
    bounds = [_float32(bound / total) for bound in bounds]
    return tuple(
        HOST
        if not 0 <= layer - first < n_placed
        else min(bisect_right(bounds, _float32((layer - first) / n_placed)), len(shares) - 1)
        for layer in range(n_layers + 1)
    )


def _float32(number: float) -> float:
    value: float = struct.unpack("f", struct.pack("f", number))[0]
    return value


@record(frozen=True, slots=True, kw_only=True)
class Override:
    """Tensors that go elsewhere than their layer (--override-tensor)."""

    pattern: str
    """A regular expression, searched for in the tensor's name."""
    device: int
    """A device's number, or HOST."""
    block: int | None = None
    """Only tensors of this block; what --fit writes is about one block each."""


@record(frozen=True, slots=True, kw_only=True)
class Layout:
    """Who holds what."""

    layer_devices: tuple[int, ...]
    """By layer, the output layer last."""
    n_cpu_moe_layers: int
    """The first blocks whose experts stay on the host."""
    n_gpu_layers: int
    """On devices, the output layer counted."""
    overrides: tuple[Override, ...] = ()
    """The first that matches a tensor decides, before the experts' rule."""

    @property
    def n_host_layers(self) -> int:
        """Layers on the host, the output layer counted."""
        return sum(device == HOST for device in self.layer_devices)


def weight_device(name: str, layout: Layout) -> int:
    """The device that holds this tensor, or HOST; the copies of RoPE's factors and of a tied head apart."""
    layers = layout.layer_devices
    if name in INPUT_TENSORS:
        return HOST
    block = -1
    if name.startswith("blk."):
        block = int(name.split(".", 2)[1])
        device = layers[block]
    else:
        device = layers[0] if name in FIRST_LAYER_TENSORS else layers[-1]
    for override in overrides_of(layout.overrides, block):
        if compiled(override.pattern).search(name):
            return override.device
    return HOST if 0 <= block < layout.n_cpu_moe_layers and compiled(EXPERTS).search(name) else device


@lru_cache(maxsize=512)  # ten layouts of 48 blocks; 4,096 were full after hours, of layouts nobody asks for again
def overrides_of(overrides: tuple[Override, ...], block: int) -> tuple[Override, ...]:
    """Those that may concern tensors of this block; -1 for what belongs to none."""
    return tuple(override for override in overrides if override.block is None or override.block == block)


EXPERTS = r"\.ffn_(up|down|gate_up|gate)_(ch|)exps"
"""LLM_FFN_EXPS_REGEX, common/common.h: what --cpu-moe and --n-cpu-moe mean by experts."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """The regular expression of an override.

    Raises:
        Unjudgeable: it is none.
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        raise Unjudgeable(f"{pattern!r} is no regular expression for tensor names: {error}") from error


def counted_layout(n_layers: int, n_cpu_moe_layers: int, counts: Sequence[int]) -> Layout:
    """So many layers on each device, the last layers on the last one; what is left over stays on the host."""
    devices = tuple(number for number, n in enumerate(counts) for _ in range(n))
    return Layout(
        layer_devices=(HOST,) * (n_layers + 1 - len(devices)) + devices,
        n_cpu_moe_layers=n_cpu_moe_layers,
        n_gpu_layers=len(devices),
    )

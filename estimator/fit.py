"""What llama.cpp's --fit chooses: the context where it is left free, layers by device, and which experts stay in RAM.

common/fit.cpp, `common_params_fit_impl`, as of 2026-10-01. It is on unless switched off in llama-server, llama-cli and
whatever starts them, and changes nothing where every device keeps its margin. How many layers have room is found by
false position, so that the answer is the engine's own, layer for layer, only if every trial is weighed to the byte;
estimator/compute.py remembers what the trials have in common.
"""

from collections.abc import Sequence
from dataclasses import replace

from estimator.derived import of_model_by
from estimator.ledger import Answer, Place, Workload
from estimator.llama_load import Load
from estimator.llama_options import Options
from estimator.model import Model
from estimator.packing import fit_margins
from estimator.placement import HOST, Layout, Override
from estimator.runtime import told_free_bytes
from records.record import record

SOURCE = "common/fit.cpp, llama.cpp 0c1e57098, 2026-10-01"
MARGIN_BYTES = 1024 << 20
"""What stays free on each device (--fit-target, common/common.h)."""
MIN_CONTEXT_TOKENS = 4096
"""The context is not made shorter than this for each sequence with cells of its own (--fit-ctx)."""
CONTEXT_MULTIPLE = 256
_EXPERTS = r"ffn_(up|down|gate_up|gate)_(ch|)exps"
_OVERFLOWS = {
    "experts": _EXPERTS,
    "feed-forward": r"ffn_(gate|up|gate_up|down)",
    "all but up": r"ffn_(gate|gate_up|down)",
    "down": r"ffn_down",
}
"""Which matrices of a block go elsewhere, as the engine's own -ot list names them."""


@record(frozen=True, slots=True, kw_only=True)
class Share:
    """What one device holds."""

    n_layers: int = 0
    n_partial: int = 0
    """Of these, the first ones whose experts, or some of whose matrices, lie elsewhere."""
    overflow: str = "experts"
    """What of the first partial layer lies elsewhere; of the others all experts do."""
    overflow_device: int = HOST
    """Where that is."""

    @property
    def n_full(self) -> int:
        """Layers that are here with all they have."""
        return self.n_layers - self.n_partial


@record(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What --fit chose."""

    load: Load
    """With the context that it chose."""
    layout: Layout
    device_bytes: tuple[int, ...]
    shares: tuple[Share, ...] = ()
    """By device; empty where the layers stay as they are by default."""

    @property
    def is_default(self) -> bool:
        """All layers are on the devices, by free memory."""
        return not self.shares

    @property
    def has_overflow(self) -> bool:
        """Something of a device's layers lies elsewhere."""
        return any(share.n_partial for share in self.shares)

    @property
    def n_moved_blocks(self) -> int:
        """Blocks on devices of which something lies in RAM."""
        n_blocks = self.load.model.n_layers  # the engine counts the output layer as one, and no tensor matches it
        moved = {override.block for override in self.layout.overrides if override.device == HOST}
        return sum(block is not None and block < n_blocks for block in moved)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What a summary has no room for."""
        if not self.has_overflow:
            return ()
        source = f"--fit, {SOURCE}"
        found = [
            Answer(
                key="blocks_with_experts_in_ram",
                label="blocks with experts in RAM",
                value=self.n_moved_blocks,
                source=source,
            )
        ]
        parts = [share.overflow for share in self.shares if share.n_partial and share.overflow != "experts"]
        if parts:
            found.append(
                Answer(
                    key="partial_block_overflows",
                    label="of blocks in part elsewhere",
                    value=", ".join(parts),
                    source=source,
                )
            )
        return tuple(found)

    @property
    def layer_counts(self) -> tuple[int, ...]:
        """-ts, where it gives one."""
        return tuple(share.n_layers for share in self.shares)


_Choice = tuple[Layout, tuple[int, ...], tuple[Share, ...]]


@of_model_by(64)
def _choice(model: Model, workload: Workload, options: Options, places: tuple[Place, ...]) -> _Choice | None:
    found = fit(Load(model, workload, options, places))
    return (found.layout, found.device_bytes, found.shares) if found is not None else None


def fitted(load: Load) -> Fitted | None:
    """``fit`` for a context that is given, remembered: it is asked for again for the same load."""
    found = _choice(load.model, load.workload, load.options, (*load.devices, load.host))
    if found is None:
        return None
    layout, device_bytes, shares = found
    return Fitted(load=load, layout=layout, device_bytes=device_bytes, shares=shares)


def fit(load: Load, *, is_context_free: bool = False) -> Fitted | None:
    """What --fit would choose; None without a device, and where -ngl, -ts or -ot were given, which it leaves alone.

    Args:
        load: what is asked for. With a free context, its context is the most to be tried.
        is_context_free: the context was not asked for (-c 0), so that it may become shorter.
    """
    if not load.devices:
        return None
    margins = fit_margins(load.options.fit_target_mib, len(load.devices))
    targets = [told_free_bytes(place) - margin for place, margin in zip(load.devices, margins, strict=True)]
    layout = load.default_layout(load.n_all_layers, load.n_cpu_moe_layers)
    full = load.device_bytes(layout)
    if all(n <= target for n, target in zip(full, targets, strict=True)):
        return Fitted(load=load, layout=layout, device_bytes=tuple(full))
    if is_context_free and sum(full) > sum(targets):
        shortened, is_enough = _shortened(load, layout, sum(full), sum(targets))
        if is_enough:
            return Fitted(load=shortened, layout=layout, device_bytes=tuple(shortened.device_bytes(layout)))
        load = shortened
    options = load.options
    if options.n_gpu_layers is not None or options.tensor_split or options.tensor_overrides or load.n_cpu_moe_layers:
        return None
    return _Search(load, targets).run()


def _shortened(load: Load, layout: Layout, full_bytes: int, target_bytes: int) -> tuple[Load, bool]:
    """(the load with a context that may fit, whether that is known to do), between the shortest and what was asked."""
    n_streams, n_devices = load.shape.n_streams, len(load.devices)
    shortest_tokens = MIN_CONTEXT_TOKENS if load.options.fit_context_tokens is None else load.options.fit_context_tokens
    most, least = load.workload.context_tokens, shortest_tokens * n_streams
    if most <= least:
        return load, False
    if n_devices > 1:  # room for what a split by whole layers leaves unused
        weights = sum(held.n_bytes for device, held in load.weights(layout).items() if device != HOST)
        per_layer = weights // load.model.n_layers
        target_bytes -= (n_devices + 1) * per_layer // (6 if load.model.experts else 2)
    shortest = load.with_context(least)
    least_bytes = sum(shortest.device_bytes(layout))
    if target_bytes <= least_bytes:
        return shortest, False
    n_tokens = least + (most - least) * (target_bytes - least_bytes) // (full_bytes - least_bytes)
    n_tokens = max(least, n_tokens - n_tokens % (CONTEXT_MULTIPLE * n_streams))
    return load.with_context(n_tokens), n_devices == 1


class _Search:
    """Trials of layers by device."""

    def __init__(self, load: Load, targets: Sequence[int]) -> None:
        self.load, self.targets = load, targets
        self.n_devices, self.n_all = len(load.devices), load.n_all_layers
        self.has_experts = load.model.experts is not None
        self.free_shares = tuple(float(told_free_bytes(place)) for place in load.devices)

    def run(self) -> Fitted:
        shares = self._filled()
        if self.has_experts and self._has_room_for_experts():
            shares = self._with_experts(shares)
        layout = self._layout(shares)
        return Fitted(
            load=self.load, layout=layout, device_bytes=tuple(self.load.device_bytes(layout)), shares=tuple(shares)
        )

    def _layout(self, shares: Sequence[Share]) -> Layout:
        n_layers = sum(share.n_layers for share in shares)
        counts = tuple(float(share.n_layers) for share in shares) if n_layers else self.free_shares
        overrides: list[Override] = []
        block = self.n_all - n_layers
        for share in shares:
            block += share.n_full
            for number in range(share.n_partial):
                is_first = number == 0
                overrides.append(
                    Override(
                        pattern=rf"blk\.{block}\.{_OVERFLOWS[share.overflow if is_first else 'experts']}",
                        device=share.overflow_device if is_first else HOST,
                        block=block,
                    )
                )
                block += 1
        return self.load.layout(n_layers, counts, overrides=tuple(overrides))

    def _weighed(self, shares: Sequence[Share]) -> list[int]:
        return self.load.device_bytes(self._layout(shares))

    def _has_room_for_experts(self) -> bool:
        """With all experts in RAM, the devices together have something left."""
        everywhere = (Override(pattern=_EXPERTS, device=HOST),)
        layout = self.load.layout(self.n_all, self.free_shares, overrides=everywhere)
        return sum(self.targets) > sum(self.load.device_bytes(layout))

    def _filled(self) -> list[Share]:
        """As many layers as there is room for, from the last device on; of a model with experts, without these."""
        shares = [Share()] * self.n_devices
        held = self._weighed(shares)
        for device in reversed(range(self.n_devices)):
            n_open = self.n_all - sum(share.n_layers for share in shares[device + 1 :])
            if n_open <= 0:
                continue
            high = self._with_more(shares, device, n_open)
            held_high = self._weighed(high)
            if held_high[device] <= self.targets[device]:
                shares, held = high, held_high
                continue
            while (delta := high[device].n_layers - shares[device].n_layers) > 1:
                trial = self._with_more(shares, device, self._guess(device, delta, held, held_high))
                held_trial = self._weighed(trial)
                if held_trial[device] <= self.targets[device]:
                    shares, held = trial, held_trial
                else:
                    high, held_high = trial, held_trial
        return shares

    def _with_more(self, shares: Sequence[Share], device: int, n_more: int) -> list[Share]:
        """So many more layers on a device; of a model with experts, without these."""
        made, before = list(shares), shares[device]
        n_partial = before.n_partial
        if self.has_experts:  # the output layer, which goes first to the last device, has none
            n_partial += n_more - (device == self.n_devices - 1 and before.n_partial == 0)
        made[device] = Share(n_layers=before.n_layers + n_more, n_partial=n_partial)
        return made

    def _guess(self, device: int, delta: int, low: Sequence[int], high: Sequence[int]) -> int:
        """By false position, how many of ``delta`` steps from low to high there is room for; at least 1, not all."""
        rise = high[device] - low[device]
        steps = int(delta * (self.targets[device] - low[device]) / rise) if rise else 1
        if steps < 0:  # an unsigned number in the engine
            steps = delta
        return min(max(steps, 1), delta - 1)

    def _with_experts(self, shares: list[Share]) -> list[Share]:
        """From the first device on, layers get their experts; then one more layer a part of its matrices."""
        source = self.n_devices  # the first device that still has partial layers to give
        for device in reversed(range(self.n_devices)):
            if shares[device].n_layers == 0:
                break
            source = device
        held = self._weighed(shares)
        device = 0
        while device <= source < self.n_devices:
            shares, held, source = self._converted(device, shares, held, source)
            n_least = 0 if device < self.n_devices - 1 else 1
            if source < self.n_devices and shares[source].n_layers > n_least:
                shares, held, source = self._with_part(device, shares, held, source)
            device += 1
        return shares

    def _converted(
        self, device: int, shares: list[Share], held: list[int], source: int
    ) -> tuple[list[Share], list[int], int]:
        """As many partial layers of this and later devices as have room on this one, with all their experts."""
        last = self.n_devices - 1
        high, source_high = list(shares), last
        for other in range(source, self.n_devices):
            n_moved = high[other].n_layers - (other == last)
            if other == device:
                high[device] = replace(high[device], n_partial=0)
                continue
            high[device] = replace(high[device], n_layers=high[device].n_layers + n_moved)
            high[other] = replace(high[other], n_layers=high[other].n_layers - n_moved, n_partial=0)
        held_high = self._weighed(high)
        if held_high[device] <= self.targets[device]:
            return high, held_high, source_high
        delta = high[device].n_full - shares[device].n_full
        while delta > 1:
            n = self._guess(device, delta, held, held_high)
            trial, source_trial = self._with_full(device, shares, source, n)
            held_trial = self._weighed(trial)
            if held_trial[device] <= self.targets[device]:
                shares, held, source = trial, held_trial, source_trial
            else:
                high, held_high, source_high = trial, held_trial, source_trial
            delta = high[device].n_full - shares[device].n_full
        return shares, held, source

    def _with_full(self, device: int, shares: Sequence[Share], source: int, n_full: int) -> tuple[list[Share], int]:
        """So many more full layers on a device, taken from the partial ones of it and of those after it."""
        made, n_converted = list(shares), 0
        while source < self.n_devices:
            n = min(n_full - n_converted, made[source].n_partial)
            before = made[source]
            made[source] = replace(before, n_layers=before.n_layers - n, n_partial=before.n_partial - n)
            made[device] = replace(made[device], n_layers=made[device].n_layers + n)
            n_converted += n
            if made[source].n_partial > 0:
                break
            source += 1
        return made, source

    def _with_part(
        self, device: int, shares: list[Share], held: list[int], source: int
    ) -> tuple[list[Share], list[int], int]:
        """One more layer here, of which something goes on to the next device, after the last one to the host."""
        moved, source_moved = list(shares), source
        before = moved[source]
        moved[source] = replace(before, n_layers=before.n_layers - 1, n_partial=before.n_partial - 1)
        here = moved[device]
        moved[device] = replace(here, n_layers=here.n_layers + 1, n_partial=here.n_partial + 1)
        if moved[source].n_partial == 0:
            source_moved += 1
        next_device = device + 1 if device < self.n_devices - 1 else HOST

        def trial(overflow: str) -> tuple[list[Share], list[int], bool]:
            made = list(moved)
            made[device] = replace(made[device], overflow=overflow, overflow_device=next_device)
            weighed = self._weighed(made)
            checked = range(device, min(device + 2, self.n_devices))
            return made, weighed, all(weighed[number] < self.targets[number] for number in checked)

        made, weighed, has_room = trial("all but up")
        if not has_room:
            made, weighed, has_room = trial("feed-forward")
            return (made, weighed, source_moved) if has_room else (shares, held, source)
        better, weighed_better, has_more_room = trial("down")
        return (better, weighed_better, source_moved) if has_more_room else (made, weighed, source_moved)

"""One Intel GPU: what it is, the memory that it has or takes, and what is known of its use."""

from collections.abc import Iterable
from dataclasses import replace

from probes.drm import Card, natural
from probes.fdinfo import Holding
from probes.intel_gt import (
    Counters,
    awake_ratio,
    power_limit_watts,
    power_watts,
    read_counters,
    read_details,
    temperature_celsius,
)
from probes.intel_products import IntelProduct
from probes.intel_regions import NodeAccess, Region, memory_regions
from probes.snapshot import HOST_POOL, Details, Device, Fault, Pool, Process, pool_of

_INTEGRATED_ADDRESS = "0000:00:02.0"
"""Where Intel's processors have their GPU (ASSUMED of all of them; no recording shows another place)."""
_MOST_TILES = 8


class IntelCard:
    """One card, and what it said last."""

    def __init__(
        self,
        card: Card,
        product: IntelProduct,
        nodes: NodeAccess,
        node_path: str,
        *,
        host_bytes: int,
        missing: str | None,
    ) -> None:
        """``missing`` names the node that this container was not given."""
        self.card = card
        self.missing = missing
        self.key = card.bus_address
        self._numa_node = card.number("numa_node")
        self.is_asleep = False
        self.is_integrated = card.bus_address == _INTEGRATED_ADDRESS
        """By its address, until the driver says it."""
        self._product = product
        self._nodes = nodes
        self._node_path = node_path
        self._host_bytes = host_bytes
        self._descriptor: int | None = None
        self._regions: tuple[Region, ...] = ()
        self._refusal: OSError | None = None
        self._total_bytes: int | None = None
        """Of its own memory: kept while it sleeps."""
        self._hwmon: str | None = None
        self._before: Counters | None = None
        self._counters: Counters | None = None
        self._holdings: tuple[Holding, ...] = ()
        self.is_left_alone = False
        """It is not asked, so that it can fall asleep."""

    def look(self, now_seconds: float) -> bool:
        """Ask for its memory; whether it is awake. A sleeping one is let go of, and not asked."""
        self.is_asleep = self.card.is_asleep()
        if self.is_asleep:
            self.close()
            self._regions, self._before, self._counters = (), None, None
            self._total_bytes = self._total_bytes or self._size_in_sysfs() or self._usual_bytes()
            return False
        self.is_left_alone = bool(self._regions) and self.card.is_left_alone(is_busy=self._is_busy())
        if self.is_left_alone:
            self.close()  # and what it said last of its memory stands, for nobody changes it
            self._before, self._counters = None, None
            return True
        self._hwmon = self._hwmon or self.card.hwmon_path()
        self._before, self._counters = self._counters, read_counters(self.card, self._hwmon, now_seconds)
        self._ask()
        return True

    def _is_busy(self) -> bool:
        return any(holding.utilization_ratio for holding in self._holdings)

    def close(self) -> None:
        """Let the render node go."""
        if self._descriptor is not None:
            self._nodes.close(self._descriptor)
            self._descriptor = None

    def hold(self, holdings: Iterable[Holding]) -> None:
        """What processes hold of it, as far as they can be looked into."""
        self._holdings = tuple(holding for holding in holdings if holding.bus_address == self.key)

    def _ask(self) -> None:
        self._refusal, self._regions = None, ()
        if self.missing is not None:
            self._total_bytes = self._total_bytes or self._size_in_sysfs()
            return
        try:
            if self._descriptor is None:
                self._descriptor = self._nodes.open(self._node_path)
            self._regions = memory_regions(self.card.driver, self._descriptor, self._nodes.ioctl)
        except OSError as error:
            self._refusal = error
            self.close()
        if self._regions:
            self.is_integrated = not any(region.is_own for region in self._regions)
        own = sum(region.total_bytes for region in self._regions if region.is_own)
        self._total_bytes = own or self._size_in_sysfs() or self._total_bytes

    def _size_in_sysfs(self) -> int | None:
        """What some drivers show without being asked: xe by tile, i915 of Intel's own packages for the card."""
        tiles = (natural(f"{self.card.device_path}/tile{tile}/physical_vram_size_bytes") for tile in range(_MOST_TILES))
        return sum(size or 0 for size in tiles) or natural(f"{self.card.path}/lmem_total_bytes") or None

    def _usual_bytes(self) -> int | None:
        """The size that the product comes with, where it comes with one only."""
        from probes.accelerators import known_accelerators, named_accelerator  # noqa: PLC0415 - 5 ms, seldom

        product = None if self.is_integrated else named_accelerator(self._product.name, known_accelerators())
        return None if product is None or product.options_gib else product.nominal_gib << 30

    def _told_bytes(self, *, is_own: bool) -> int | None:
        """What the driver says is used of its own memory, or of the RAM through it; None where it doesn't say."""
        told = [region.used_bytes for region in self._regions if region.is_own == is_own]
        known = [used for used in told if used is not None]
        return sum(known) if known and len(known) == len(told) else None

    def _held_bytes(self, *, is_own: bool) -> int:
        """What the processes that can be looked into hold together: less than all, or all."""
        return sum(held_bytes(holding, is_own=is_own) for holding in self._holdings)

    def _used_bytes(self, *, is_own: bool) -> int | None:
        """What the driver says, else what can be seen; None where there is nothing to see."""
        told = self._told_bytes(is_own=is_own)
        if told is not None or not self._holdings:
            return told
        return self._held_bytes(is_own=is_own)

    def pool(self) -> Pool | None:
        """Its own memory; None where it draws on the RAM, or its size is not known."""
        if self.is_integrated or self.is_asleep or self._total_bytes is None:
            return None
        return pool_of(self._pool_key(), self._total_bytes, self._used_bytes(is_own=True) or 0)

    def device(self, index: int, busy_ratio: float | None) -> Device:
        """``busy_ratio`` is what its clients say together."""
        device = Device(
            key=self.key,
            name=self._product.name,
            vendor="intel",
            index=index,
            pool_key=self._pool_key(),
            bus_address=self.card.bus_address,
            numa_node=self._numa_node,
            driver=self.card.driver or None,
            is_asleep=self.is_asleep,
            is_integrated=self.is_integrated,
            n_multiprocessors=self._product.n_cores,
            capacity_bytes=None if self.is_integrated else self._total_bytes,
        )
        if self.is_asleep:
            return device
        if self._counters is not None:
            device = replace(
                device,
                utilization_ratio=awake_ratio(self._before, self._counters) if busy_ratio is None else busy_ratio,
                temperature_celsius=temperature_celsius(self._hwmon),
                power_watts=power_watts(self._before, self._counters),
                power_limit_watts=power_limit_watts(self._hwmon),
            )
        if self.is_integrated:
            return replace(device, used_bytes=self._used_bytes(is_own=False), limit_bytes=self._ram_limit_bytes())
        return replace(
            device,
            used_bytes=None if self._total_bytes is None else self._used_bytes(is_own=True),
            shared_used_bytes=self._used_bytes(is_own=False),
            shared_limit_bytes=self._ram_limit_bytes(),
        )

    def details(self) -> Details | None:
        return None if self.is_asleep or self.is_left_alone else read_details(self.card, self._hwmon)

    def processes(self) -> Iterable[Process]:
        """Those that hold memory of it."""
        for holding in self._holdings:
            own, ram = held_bytes(holding, is_own=True), held_bytes(holding, is_own=False)
            if own + ram > 0:
                yield Process(
                    pid=holding.pid,
                    device_key=self.key,
                    used_bytes=ram if self.is_integrated else own,
                    shared_used_bytes=None if self.is_integrated else ram,
                    utilization_ratio=holding.utilization_ratio,
                )

    def faults(self, n_hidden: int) -> Iterable[Fault]:
        if self.is_asleep:
            yield self._fault(
                "asleep to save power, so nothing was read; a program that uses it wakes it", is_note=True
            )
            return
        if self.missing is not None:
            yield self._fault(f"this container was not given it: {self.missing}", is_note=True)
        elif self._refusal is not None:
            yield self._fault(self._refused(self._refusal))
        elif not self._regions:
            yield self._fault(f"the driver {self.card.driver} gave no sensible answer about its memory")
        if not self.is_integrated and self._total_bytes is not None and self._told_bytes(is_own=True) is None:
            others = f"; {n_hidden} processes of other users can't be looked into" if n_hidden else ""
            yield self._fault(
                "what is used of its memory this kernel tells root only (xe tells all from Linux 6.18 on), so shown is "
                f"what the programs hold that can be looked into: at least so much is used{others}",
                is_note=True,
            )

    def _refused(self, error: OSError) -> str:
        if isinstance(error, PermissionError):
            return f"{self._node_path} may not be opened; join the group render and log in again"
        return f"{self._node_path} could not be asked for its memory: {error.strerror or error}"

    def _ram_limit_bytes(self) -> int | None:
        """The most of the RAM that its driver maps for it: half of it in xe (xe_ttm_sys_mgr.c)."""
        told = [region.total_bytes for region in self._regions if not region.is_own]
        return told[0] if told and (not self._host_bytes or told[0] < self._host_bytes) else None

    def _pool_key(self) -> str:
        return HOST_POOL if self.is_integrated else f"intel-{self.key}"

    def _fault(self, message: str, *, is_note: bool = False) -> Fault:
        return Fault(probe="intel", message=message, device_key=self.key, is_note=is_note)


def held_bytes(holding: Holding, *, is_own: bool) -> int:
    """What one process holds of the GPU's own memory (i915 ``local0``, xe ``vram0``), or of the RAM."""
    return sum(
        n_bytes
        for region, n_bytes in holding.region_bytes.items()
        if is_own == region.removeprefix("stolen-").startswith(("local", "vram"))
    )

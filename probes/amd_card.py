"""One AMD GPU, and where its memory is: its own, or the RAM.

Where the memory of an APU is follows the kernel (amdgpu_ttm.c, amdgpu_ttm_init: ``apu_prefer_gtt``):

- What the firmware sets aside of the RAM (the carve-out) is ``mem_info_vram_total``; the system does not count it as
  RAM.
- Where GTT is larger, what a ROCm program asks of the GPU comes out of GTT, which is ordinary RAM, from Linux 6.10 on
  ("Let VRAM allocations go to GTT domain on small APUs"); before, out of the carve-out only. Where the carve-out is
  larger, it comes out of the carve-out only.
- A Vulkan program takes from both (Mesa, radv_physical_device.c). On a Ryzen AI 9 HX 370 with 48 GiB set aside and 43
  GiB of GTT, ROCm got 39 217 MiB of a model onto the GPU and Vulkan 80 562 (github.com/ROCm/ROCm/issues/6050).
- All of GTT is held to ``ttm.pages_limit`` as well: with 128 GiB of GTT and half of 124.92 GiB of RAM in pages, ROCm
  says 62.47 GiB (github.com/ROCm/ROCm/issues/6004, 2026-08-09).

A card keeps its own memory apart, and what it holds in GTT is what was pushed out of it or never went in.
"""

from collections.abc import Iterable
from dataclasses import replace

from probes.amdgpu import Memory, Sensors, is_integrated, read_details, read_memory, read_sensors
from probes.drm import Card
from probes.kfd import ComputeNode
from probes.radeon_names import integrated_bandwidth
from probes.snapshot import HOST_POOL, Details, Device, Fault, Pool, Process, pool_of

_UNEXPLAINED_SHARE = 64
"""Memory that no listed process accounts for is spoken of where it is more than one part in so many (ASSUMED); the
kernel's own, such as the screen's buffers, is less."""
_SCREEN_UNITS = 3
"""Compute units of a GPU that is there to drive screens: that of Ryzen 7000 and 9000 for desktops has 2, and the least
that is sold for more, Radeon 740M, has 4 (AMD's pages of these processors)."""
_GIB = 1 << 30


class AmdCard:
    """One card, and what it said last."""

    def __init__(self, card: Card, *, name: str, nodes: tuple[ComputeNode, ...], most_ram_bytes: int | None) -> None:
        self.card = card
        self.key = card.bus_address
        self._numa_node = card.number("numa_node")
        self.nodes = nodes
        self.is_asleep = False
        self.draws_on_ram = False
        self._name = name
        self._most_ram_bytes = most_ram_bytes
        self._hwmon: str | None = None
        self._memory: Memory | None = None
        self._is_integrated: bool | None = None
        """None until it was first seen awake: to find out may wake it."""
        self.is_left_alone = False
        """Its sensors are not asked, so that it can fall asleep."""

    def look(self, *, is_busy: bool) -> bool:
        """Read its memory; whether it is awake. ``is_busy``: programs work with it, as far as they can be seen."""
        self.is_asleep = self.card.is_asleep()
        self.is_left_alone = not self.is_asleep and self.card.is_left_alone(is_busy=is_busy)
        self._memory = read_memory(self.card)
        memory = self._memory
        if not self.is_asleep and self._is_integrated is None:
            has_no_own = memory is not None and memory.vram_total_bytes == 0
            self._is_integrated = has_no_own or is_integrated(self.card)
            self._hwmon = self.card.hwmon_path()
        self.draws_on_ram = bool(
            self._is_integrated
            and memory is not None
            and memory.vram_total_bytes < (self._ram_limit_bytes(memory) or 0)
        )
        return not self.is_asleep

    @property
    def is_for_screens(self) -> bool:
        """Whether it is one of those that processors have just to drive a screen, so that less is said of it."""
        n_units = self.nodes[0].n_compute_units if self.nodes else None
        return bool(self._is_integrated) and n_units is not None and n_units <= _SCREEN_UNITS

    def pool(self) -> Pool | None:
        """Its own memory; None where it draws on the RAM, or what it holds is not known."""
        memory = self._memory
        if memory is None or memory.vram_used_bytes is None or self.draws_on_ram or self.is_asleep:
            return None
        return pool_of(self._pool_key(), memory.vram_total_bytes, memory.vram_used_bytes)

    def device(self, index: int, busy_ratio: float | None) -> Device:
        """``busy_ratio`` is what its clients say together, for a driver that does not say itself."""
        node = self.nodes[0] if self.nodes else None
        device = Device(
            key=self.key,
            name=self._name,
            vendor="amd",
            index=index,
            pool_key=self._pool_key(),
            bus_address=self.card.bus_address,
            numa_node=self._numa_node,
            driver=self.card.driver or None,
            is_asleep=self.is_asleep,
            is_integrated=bool(self._is_integrated),
            architecture=(node.architecture or None) if node else None,
            n_multiprocessors=node.n_compute_units if node else None,
            capacity_bytes=None if self._memory is None or self.draws_on_ram else self._memory.vram_total_bytes,
            bandwidth_gigabytes_per_second=integrated_bandwidth(self.card.device_id),
        )
        return device if self.is_asleep else self._awake(device, busy_ratio)

    def _awake(self, device: Device, busy_ratio: float | None) -> Device:
        sensors = Sensors() if self.is_left_alone else read_sensors(self.card, self._hwmon)
        memory = self._memory
        device = replace(
            device,
            utilization_ratio=busy_ratio if sensors.utilization_ratio is None else sensors.utilization_ratio,
            temperature_celsius=sensors.temperature_celsius,
            power_watts=sensors.power_watts,
            power_limit_watts=sensors.power_limit_watts,
        )
        if memory is None:
            return device
        if self.draws_on_ram:
            return replace(device, used_bytes=memory.gtt_used_bytes, limit_bytes=self._ram_limit_bytes(memory))
        return replace(
            device,
            used_bytes=memory.vram_used_bytes,
            shared_used_bytes=memory.gtt_used_bytes,
            shared_limit_bytes=_least(memory.gtt_total_bytes, self._most_ram_bytes),
        )

    def details(self) -> Details | None:
        return None if self.is_asleep or self.is_left_alone else read_details(self.card, self._hwmon)

    def faults(self, processes: list[Process], n_hidden: int) -> Iterable[Fault]:
        if self.is_asleep:
            yield self._fault(
                "asleep to save power, so nothing was read; a program that uses it wakes it", is_note=True
            )
        elif self._memory is None:
            yield self._fault(_no_memory(self.card.driver))
        else:
            if self._is_integrated and not self.is_for_screens:
                yield self._fault(self._where_memory_comes_from(self._memory), is_note=True)
            if n_hidden and self._has_unexplained(processes, self._memory):
                yield self._fault(
                    f"{n_hidden} processes of other users can't be looked into, and some of its memory is held by "
                    "none that is listed; root sees all of them",
                    is_note=True,
                )

    def _pool_key(self) -> str:
        return HOST_POOL if self.draws_on_ram else f"amd-{self.key}"

    def _ram_limit_bytes(self, memory: Memory) -> int | None:
        """The most that programs can have of the RAM: what all of GTT and ROCm's own figure allow."""
        rocm_bytes = self._rocm_bytes()
        is_rocm_on_ram = rocm_bytes is not None and rocm_bytes > memory.vram_total_bytes
        return _least(memory.gtt_total_bytes, self._most_ram_bytes, rocm_bytes if is_rocm_on_ram else None)

    def _rocm_bytes(self) -> int | None:
        """What ROCm says that its memory is."""
        return self.nodes[0].local_bytes if self.nodes else None

    def _where_memory_comes_from(self, memory: Memory) -> str:
        """What a program gets of an APU, by the way it asks."""
        aside, limit = _gib(memory.vram_total_bytes), _gib(self._ram_limit_bytes(memory) or 0)
        rocm_bytes = self._rocm_bytes()
        is_rocm_on_ram = rocm_bytes is None or rocm_bytes > memory.vram_total_bytes
        if memory.vram_total_bytes == 0:
            return f"takes up to {limit} of the RAM, and has no other memory"
        if self.draws_on_ram and is_rocm_on_ram:
            return f"takes up to {limit} of the RAM; Vulkan programs also get the {aside} that are set aside for it"
        if self.draws_on_ram:
            return (
                f"takes up to {limit} of the RAM, but only for Vulkan: this kernel gives ROCm only the {aside} "
                "that are set aside; from Linux 6.10 on it gets RAM as well"
            )
        if rocm_bytes is not None and is_rocm_on_ram:
            return (
                f"{aside} of the RAM are set aside for it, but GTT is set larger than that, so ROCm programs get RAM "
                "instead; boot without amdgpu.gttsize and ttm.pages_limit"
            )
        return f"{aside} of the RAM are set aside for it; Vulkan programs also get up to {limit} of the rest"

    def _has_unexplained(self, processes: list[Process], memory: Memory) -> bool:
        used = memory.gtt_used_bytes if self.draws_on_ram else memory.vram_used_bytes
        total = memory.gtt_total_bytes if self.draws_on_ram else memory.vram_total_bytes
        if used is None or total is None:
            return False
        return used - sum(process.used_bytes or 0 for process in processes) > total // _UNEXPLAINED_SHARE

    def _fault(self, message: str, *, is_note: bool = False) -> Fault:
        return Fault(probe="amd", message=message, device_key=self.key, is_note=is_note)


def _no_memory(driver: str) -> str:
    if driver == "radeon":
        return (
            "the old driver radeon has it, which reports no memory; cards of 2012 and later can be given to amdgpu by "
            "booting with radeon.si_support=0 radeon.cik_support=0 amdgpu.si_support=1 amdgpu.cik_support=1"
        )
    if driver == "amdgpu":
        return "amdgpu reports no memory for it now; if it was reset, wait, else see what the kernel says (dmesg)"
    return f"the driver {driver or 'that has it'} reports no memory; load amdgpu for it"


def _least(*counts: int | None) -> int | None:
    return min((count for count in counts if count is not None), default=None)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / _GIB:.1f} GiB"

"""From a snapshot to places: the only file that knows what is, and what an engine asks for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from probes.snapshot import HOST_POOL, SWAP_POOL, Device, Fault, Pool, Snapshot
from tui.humanize import plain, size

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from estimator.calibration import Calibration
    from estimator.place import Place
    from probes.accelerators import Accelerator

GIB = 1 << 30
MIB = 1 << 20

HOST_NAME = "RAM"

DEVICE_RESERVE_BYTES = 512 * MIB
"""What should stay free on a device: Ollama keeps at least 457 MiB (512 on Metal) for itself and others
(github.com/ollama/ollama, discover/, 2026-08), a desktop's programs come and go within as much."""
DEVICE_RESERVE_SHARE = 16
"""At most one part in so many of a small device."""
WINDOWS_10_RESERVE_SHARE = 7
"""Windows 10 keeps about 15 % of a card's memory for itself (github.com/ollama/ollama/issues/9167)."""
HOST_RESERVE_BYTES = 1 * GIB
"""On Linux, as node-llama-cpp keeps it (at most a quarter of all, 1 GiB); more on a machine with much RAM."""
HOST_RESERVE_SHARE = 25

RAM_BYTES_PER_SECOND = 60e9
"""ASSUMED where nobody states it: two channels of DDR4-3200 have 51 GB/s, of DDR5-5600 90; reading it takes root."""
SERVER_RAM_BYTES_PER_SECOND = 150e9
"""ASSUMED for EPYC, Xeon and Threadripper: eight channels of DDR4-2933 have 188 GB/s, four of DDR4-3200 102."""
_SERVER_CPUS = ("epyc", "xeon", "threadripper")

_KINDS = {"nvidia": "cuda", "amd": "rocm", "apple": "metal"}
"""By the vendor; any other is a ``gpu``."""


class MissingPlace(NamedTuple):
    """A device that can't be planned for now, and why."""

    name: str
    reason: str


def device_label(device: Device, devices: Sequence[Device]) -> str:
    """``GPU 0``; ``GPU 0:1`` for a part of it (MIG); with the vendor where two vendors have the same number.

    A card keeps its number to itself beside a processor's own GPU, which few think of.
    """
    same_number = [other for other in devices if other.index == device.index]
    if len(same_number) == 1:  # most often, and asked for several times a reading
        return f"GPU {device.index}"
    alike = [other for other in same_number if (device.is_integrated or not other.is_integrated or other is device)]
    parts = [other.key for other in alike if other.vendor == device.vendor]
    label = f"GPU {device.index}:{parts.index(device.key)}" if len(parts) > 1 else f"GPU {device.index}"
    return label if len(parts) == len(alike) else f"{label} {device.vendor}"


def fault_text(fault: Fault, snapshot: Snapshot) -> str:
    """``amd: GPU 0: ...``: who says it, of what, and what; untrusted text."""
    device = next((device for device in snapshot.devices if device.key == fault.device_key), None)
    label = "" if device is None else device_label(device, snapshot.devices)
    is_named = not label or fault.message.startswith(label)
    return f"{fault.probe}: {fault.message}" if is_named else f"{fault.probe}: {label}: {fault.message}"


class _Room(NamedTuple):
    """What a device has for programs."""

    total_bytes: int
    free_bytes: int
    reserved_bytes: int | None = None
    budget_left_bytes: int | None = None
    """Of a limit of its own, beyond what is free; None where it has none."""


def lines_of(snapshot: Snapshot, *, named: Collection[str] = (), has_hidden: bool = False) -> dict[str, int]:
    """The load line of every place, by its name: what may still be used safely, as ``Place.line_bytes`` says it.

    For the first picture, which shows no more of places: to make them takes 3 ms with what is imported for that.
    """
    lines = {}
    for device in _devices_of(snapshot, named, has_hidden=has_hidden):
        room = _room(device, snapshot)
        if room is not None:
            reserve_bytes = _reserve_bytes(room.total_bytes, snapshot, is_shared=device.pool_key == HOST_POOL)
            lines[device_label(device, snapshot.devices)] = max(0, room.free_bytes - reserve_bytes)
    host = snapshot.pool(HOST_POOL)
    if host is not None:
        lines[HOST_NAME] = max(0, host.free_bytes - host_reserve_bytes(host.total_bytes))
    return lines


def _devices_of(snapshot: Snapshot, named: Collection[str], *, has_hidden: bool) -> list[Device]:
    """Those that are planned for."""
    return [
        device
        for device in snapshot.devices
        if not device.hidden_by or has_hidden or device_label(device, snapshot.devices) in named
    ]


def _room(device: Device, snapshot: Snapshot) -> _Room | None:
    """None where nothing is known of its memory."""
    pool = snapshot.pool(device.pool_key)
    if pool is not None:
        room = _Room(pool.total_bytes, pool.free_bytes, pool.reserved_bytes)
    elif (asleep := _asleep_bytes(device)) is not None:
        room = _Room(asleep, asleep)
    else:
        return None
    if device.limit_bytes is None:
        return room
    taken = (device.used_bytes or 0) + _unclaimed_bytes(device, snapshot)
    own_free = max(0, device.limit_bytes - taken)
    free = min(room.free_bytes, own_free)
    return room._replace(
        total_bytes=min(room.total_bytes, device.limit_bytes), free_bytes=free, budget_left_bytes=own_free - free
    )


def places_of(
    snapshot: Snapshot,
    ram_bytes_per_second: float | None = None,
    *,
    settings: frozenset[str] = frozenset(),
    named: Collection[str] = (),
    has_hidden: bool = False,
    calibrations: tuple[Calibration, ...] = (),
) -> tuple[Place, ...]:
    """Every device that can be planned for, then the RAM.

    Args:
        snapshot: what is there.
        ram_bytes_per_second: the bandwidth of the RAM, where somebody states it.
        settings: what the environment of a load says, as ``spill_settings`` reads it.
        named: labels of hidden devices that are meant all the same.
        has_hidden: all hidden devices are.
        calibrations: what was learned on this machine; none where the snapshot is of another.
    """
    from estimator.overflow import overflow_of  # noqa: PLC0415
    from estimator.place import Place, Surroundings  # noqa: PLC0415  # 2 ms, which the first picture does not pay

    system = snapshot.machine.system if snapshot.machine else "linux"
    places = [
        place
        for device in _devices_of(snapshot, named, has_hidden=has_hidden)
        if (place := _device_place(device, snapshot, system, settings, calibrations)) is not None
    ]
    host = snapshot.pool(HOST_POOL)
    if host is not None:
        here = Surroundings(system=system, memory="host", settings=_host_settings(snapshot, host))
        places.append(
            Place(
                name=HOST_NAME,
                kind="host",
                total_bytes=host.total_bytes,
                free_bytes=host.free_bytes,
                reserve_bytes=host_reserve_bytes(host.total_bytes),
                overflow=overflow_of(here),
                overflow_free_bytes=_swap_room_bytes(snapshot, host, system),
                bandwidth_bytes_per_second=ram_bytes_per_second or _ram_bandwidth(snapshot, places),
                is_bandwidth_assumed=ram_bytes_per_second is None,
                instruction_sets=snapshot.machine.instruction_sets if snapshot.machine else (),
                surroundings=here,
            )
        )
    return tuple(places)


def spill_settings(environment: Mapping[str, str]) -> frozenset[str]:
    """What the environment says of a load that has no room: a part of ``spill.SETTINGS``, and ``no gtt``."""
    found = set()
    # Of these two, llama.cpp asks only whether they are there.
    if "GGML_CUDA_ENABLE_UNIFIED_MEMORY" in environment:
        found.add("managed")
    if "GGML_VK_ALLOW_SYSMEM_FALLBACK" in environment:
        found.add("vulkan")
    if "nogttspill" in environment.get("RADV_PERFTEST", "").split(","):
        found.add("no gtt")
    return frozenset(found)


def _host_settings(snapshot: Snapshot, host: Pool) -> frozenset[str]:
    swap = snapshot.pool(SWAP_POOL)
    found = {"zram"} if swap is not None and swap.medium == "zram" else set()
    if swap is None or not swap.total_bytes:
        found.add("no swap")
    # WSL's virtual machine swaps and kills as any machine does; only a control group kills for its limit alone.
    if host.limited_by is not None and not host.limited_by.startswith("WSL"):
        found.add("limited")
    return frozenset(found)


def _swap_room_bytes(snapshot: Snapshot, host: Pool, system: str) -> int:
    """What the RAM can give up to disk. macOS makes swap files as they are needed: ASSUMED as much as there is RAM."""
    swap = snapshot.pool(SWAP_POOL)
    free_bytes = swap.free_bytes if swap else 0
    return max(free_bytes, host.total_bytes) if system == "darwin" else free_bytes


def _ram_bandwidth(snapshot: Snapshot, devices: Sequence[Place]) -> float:
    """Where memory is unified, the chip's own; else what the probe makes of its modules, or the kind of CPU."""
    shared = [place.bandwidth_bytes_per_second for place in devices if place.draws_on is not None]
    if shared and shared[0] is not None:
        return shared[0]
    told = _told_bandwidth(snapshot)
    if told is not None:
        return told * 1e9
    cpu = (snapshot.machine.cpu_name or "").casefold() if snapshot.machine else ""
    return SERVER_RAM_BYTES_PER_SECOND if any(word in cpu for word in _SERVER_CPUS) else RAM_BYTES_PER_SECOND


def host_reserve_bytes(total_bytes: int) -> int:
    """What is to be left of RAM, or of the part of it that a control group may use."""
    return max(min(HOST_RESERVE_BYTES, total_bytes // 4), total_bytes // HOST_RESERVE_SHARE)


def missing_places(snapshot: Snapshot) -> tuple[MissingPlace, ...]:
    """Devices that are there and whose memory is not known now."""
    missing = []
    for device in snapshot.devices:
        if snapshot.pool(device.pool_key) is None and _asleep_bytes(device) is None:
            fault = next((fault for fault in snapshot.faults if fault.device_key == device.key), None)
            reason = (
                "it is asleep, and was not woken" if device.is_asleep else "its memory is not reported by the driver"
            )
            missing.append(
                MissingPlace(name=device_label(device, snapshot.devices), reason=fault.message if fault else reason)
            )
    return tuple(missing)


def hidden_places(snapshot: Snapshot) -> tuple[MissingPlace, ...]:
    """Devices that a program started from this shell does not see, so that they are not planned for unless named."""
    return tuple(
        MissingPlace(name=device_label(device, snapshot.devices), reason=f"hidden by {plain(device.hidden_by, 80)}")
        for device in snapshot.devices
        if device.hidden_by
    )


def place_notes(snapshot: Snapshot) -> dict[str, str]:
    """Label -> what was taken for granted of a device that is planned for, in a sentence."""
    return {
        label: f"{label} is asleep and was not woken: taken as free, all {size(n_bytes)} of it"
        for device in snapshot.devices
        if snapshot.pool(device.pool_key) is None and (n_bytes := _asleep_bytes(device)) is not None
        for label in (device_label(device, snapshot.devices),)
    }


def _asleep_bytes(device: Device) -> int | None:
    """The size of a device that sleeps, where it is known. Nothing uses it, or it would be awake."""
    return device.capacity_bytes if device.is_asleep else None


def _device_place(
    device: Device,
    snapshot: Snapshot,
    system: str,
    settings: frozenset[str],
    calibrations: tuple[Calibration, ...],
) -> Place | None:
    from estimator.overflow import overflow_of  # noqa: PLC0415
    from estimator.place import Place, Surroundings  # noqa: PLC0415  # as above

    room = _room(device, snapshot)
    if room is None:
        return None
    total, free, reserved, budget_left = room
    is_shared = device.pool_key == HOST_POOL
    is_managed = "managed" in settings  # it holds then what was touched of it
    here = Surroundings(
        system=system,
        memory="unified" if is_shared else "own",
        vendor=device.vendor,
        driver_version=_driver_version(device, snapshot),
        settings=_device_settings(device, settings, is_budget_short=budget_left == 0),
    )
    return Place(
        name=device_label(device, snapshot.devices),
        kind=_KINDS.get(device.vendor, "gpu"),
        total_bytes=total,
        free_bytes=free,
        reserve_bytes=_reserve_bytes(total, snapshot, is_shared=is_shared),
        overflow=overflow_of(here),
        overflow_free_bytes=_overflow_free_bytes(device, snapshot, system, budget_left),
        draws_on=HOST_NAME if is_shared else None,
        n_multiprocessors=device.n_multiprocessors,
        product=device.name or "",
        **_rates(device, total, _told_bandwidth(snapshot) if is_shared else None),
        usable_bytes=None if reserved is None else max(0, total - reserved),
        surroundings=here,
        is_part=is_lone_part(device),
        calibrations=_calibrations_of(device, snapshot, calibrations) if calibrations and not is_managed else (),
    )


def _calibrations_of(
    device: Device, snapshot: Snapshot, calibrations: tuple[Calibration, ...]
) -> tuple[Calibration, ...]:
    """What was learned of such a device under the driver that runs now; nothing of a part of one."""
    if device.parent_key is not None:
        return ()
    from tui.driver_version import driver_version, product_name  # noqa: PLC0415  # for who has learned something

    product, driver = product_name(device), driver_version(device, snapshot)
    return tuple(one for one in calibrations if (one.product, one.driver) == (product, driver))


def _unclaimed_bytes(device: Device, snapshot: Snapshot) -> int:
    """Of a card's memory that several parts share, what is used and none of them tells of: an even share of it."""
    pool = snapshot.pool(device.pool_key)
    parts = [other for other in snapshot.devices if other.pool_key == device.pool_key]
    if pool is None or pool.key == HOST_POOL or len(parts) < 2:
        return 0
    return max(0, pool.used_bytes - sum(part.used_bytes or 0 for part in parts)) // len(parts)


def _reserve_bytes(total_bytes: int, snapshot: Snapshot, *, is_shared: bool) -> int:
    name = (snapshot.machine.system_name or "") if snapshot.machine else ""
    if name.startswith("Windows 10") and not is_shared:
        return total_bytes // WINDOWS_10_RESERVE_SHARE
    return min(DEVICE_RESERVE_BYTES, total_bytes // DEVICE_RESERVE_SHARE)


def _device_settings(device: Device, settings: frozenset[str], *, is_budget_short: bool) -> frozenset[str]:
    found = set(settings & {"managed", "vulkan"})
    if is_budget_short:
        found.add("budget")
    if device.driver == "TCC":
        found.add("tcc")
    if device.shared_limit_bytes and "no gtt" not in settings:
        found.add("gtt")
    return frozenset(found)


def _overflow_free_bytes(device: Device, snapshot: Snapshot, system: str, budget_left_bytes: int | None) -> int:
    """What the host has for the bytes that a device has no room for; of a shared pool, up to its budget there."""
    host = snapshot.pool(HOST_POOL)
    if host is None:
        return 0
    if device.pool_key == HOST_POOL:
        room_bytes = _swap_room_bytes(snapshot, host, system)
        return room_bytes if budget_left_bytes is None else min(room_bytes, budget_left_bytes)
    if device.shared_limit_bytes is None:
        return host.free_bytes
    return max(0, min(host.free_bytes, device.shared_limit_bytes - (device.shared_used_bytes or 0)))


def is_lone_part(device: Device) -> bool:
    """Whether a program can use it, and no other beside it: NVIDIA's (MIG) that no program sees by a number.

    Those that have one are devices like others, as are AMD's parts: since driver 570 a program sees several.
    """
    return device.parent_key is not None and device.vendor == "nvidia" and device.program_index is None


def _driver_version(device: Device, snapshot: Snapshot) -> tuple[int, ...]:
    """(580, 95) of NVIDIA's; empty of any other, which no rule asks for."""
    if device.vendor != "nvidia":
        return ()
    return _numbers_of(next((version.value for version in snapshot.versions if version.name.startswith("NVIDIA")), ""))


@lru_cache(maxsize=4)  # of one driver, for each device at each reading
def _numbers_of(text: str) -> tuple[int, ...]:
    parts = text.split(".")[:3]
    is_one = all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts)
    return tuple(int(part) for part in parts) if is_one else ()


def _told_bandwidth(snapshot: Snapshot) -> float | None:
    """Of the RAM in 10^9 bytes per second, as the probe estimates it."""
    return snapshot.machine.memory_bandwidth_gigabytes_per_second if snapshot.machine else None


def _rates(device: Device, total_bytes: int, shared_bandwidth: float | None) -> dict[str, Any]:
    """What the driver says of itself first, then what is known of the product of exactly this name, or of the RAM."""
    product = _product(device.name, device.n_multiprocessors, round(total_bytes / GIB) or None)
    bandwidth, half_flops, capability = device.bandwidth_gigabytes_per_second, None, device.compute_capability
    if product is not None:
        bandwidth = product.bandwidth_gb_s if bandwidth is None else bandwidth
        half_flops = product.half_tflops * 1e12 if product.half_tflops is not None else None
        capability = capability or product.cuda_cc
    is_assumed = bandwidth is None and shared_bandwidth is not None
    if is_assumed:
        bandwidth = shared_bandwidth
    return {
        "is_bandwidth_assumed": is_assumed,
        "bandwidth_bytes_per_second": None if bandwidth is None else bandwidth * 1e9,
        "half_flops": half_flops,
        "compute_capability": _capability(capability),
    }


@lru_cache(maxsize=64)  # to look through the table takes 20 µs, for each device at each reading
def _product(name: str, n_multiprocessors: int | None, size_gib: int | None) -> Accelerator | None:
    from probes.accelerators import known_accelerators, named_accelerator  # noqa: PLC0415  # 6 ms, where devices are

    return named_accelerator(name, known_accelerators(), n_cores=n_multiprocessors, size_gib=size_gib)


def _capability(text: str | None) -> tuple[int, int] | None:
    """(8, 9) of ``8.9``; None of anything else."""
    major, dot, minor = (text or "").partition(".")
    is_one = dot and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()
    return (int(major[:3]), int(minor[:3])) if is_one else None

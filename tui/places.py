"""From a snapshot to places: the only file that knows what is, and what an engine asks for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from probes.snapshot import HOST_POOL, SWAP_POOL, Device, Fault, Pool, Snapshot
from tui.humanize import plain, size
from tui.room import asleep_bytes, overflow_free_bytes, room_of, swap_room_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from estimator.calibration import Calibration
    from estimator.place import Place

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


def lines_of(snapshot: Snapshot, *, named: Collection[str] = (), has_hidden: bool = False) -> dict[str, int]:
    """The load line of every place, by its name: what may still be used safely, as ``Place.line_bytes`` says it.

    For the first picture, which shows no more of places: to make them takes 3 ms with what is imported for that.
    """
    lines = {}
    for device in _devices_of(snapshot, named, has_hidden=has_hidden):
        room = room_of(device, snapshot)
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
    from tui.rates import ram_bandwidth  # noqa: PLC0415

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
                overflow_free_bytes=swap_room_bytes(snapshot, host, system),
                bandwidth_bytes_per_second=ram_bytes_per_second or ram_bandwidth(snapshot, places),
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


def host_reserve_bytes(total_bytes: int) -> int:
    """What is to be left of RAM, or of the part of it that a control group may use."""
    return max(min(HOST_RESERVE_BYTES, total_bytes // 4), total_bytes // HOST_RESERVE_SHARE)


def missing_places(snapshot: Snapshot) -> tuple[MissingPlace, ...]:
    """Devices that are there and whose memory is not known now."""
    missing = []
    for device in snapshot.devices:
        if snapshot.pool(device.pool_key) is None and asleep_bytes(device) is None:
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
        if snapshot.pool(device.pool_key) is None and (n_bytes := asleep_bytes(device)) is not None
        for label in (device_label(device, snapshot.devices),)
    }


def _device_place(
    device: Device,
    snapshot: Snapshot,
    system: str,
    settings: frozenset[str],
    calibrations: tuple[Calibration, ...],
) -> Place | None:
    from estimator.overflow import overflow_of  # noqa: PLC0415
    from estimator.place import Place, Surroundings  # noqa: PLC0415
    from tui.rates import rates_of, told_bandwidth  # noqa: PLC0415  # as above

    room = room_of(device, snapshot)
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
        overflow_free_bytes=overflow_free_bytes(device, snapshot, system, budget_left),
        draws_on=HOST_NAME if is_shared else None,
        n_multiprocessors=device.n_multiprocessors,
        product=device.name or "",
        **rates_of(device, total, told_bandwidth(snapshot) if is_shared else None),
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

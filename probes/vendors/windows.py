"""Graphics adapters under Windows: what they hold of their own memory, and what they hold of the RAM beside it.

The second is where a load goes that does not fit: since driver 536.40 CUDA moves it there without a word, and is some
ten times slower from then on (nvidia.custhelp.com/app/answers/detail/a_id/5490). NVML tells nothing of it, and under
WDDM nothing of single processes; Windows' own counters do. So the adapters of all vendors are reported here, and where
another probe reports the same card, ``probes/witnesses.py`` makes one device of the two.

Of which memory a device draws:

- a card: of its own, of that size which DXGI tells. Free is what is not in use, and no more than what Windows would
  let one more program have: a driver keeps some back (5 % of 64 GiB, github.com/ggml-org/llama.cpp/issues/16832,
  2025-10-30; 15 % on Windows 10, ollama issue 9167);
- an integrated GPU whose firmware took more of the RAM for it than it could have of the rest: of that part;
- any other integrated GPU: of the host's RAM, up to the shared limit. NVML tells only the small part of such a one
  (RTX Spark: 8,128 MiB where CUDA has 45.39 GiB, github.com/unslothai/unsloth/pull/11208, 2026-09-17).

Written after headers and documents, see the heads of ``windows_adapters.py`` and ``windows_counters.py``; nothing was
run on Windows.
"""

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from probes.access import REAL, Access
from probes.errors import ProbeLost, ProbeUnavailable
from probes.probe import Probe
from probes.snapshot import HOST_POOL, Device, Fault, Pool, Process, Reading, Version
from probes.windows_adapters import Adapter, Adapters
from probes.windows_counters import LIBRARY as PDH
from probes.windows_counters import AdapterUsage, GpuCounters, GpuUsage

_VENDORS = {
    0x10DE: "nvidia",
    0x1002: "amd",
    0x1022: "amd",
    0x8086: "intel",
    0x5143: "qualcomm",
    0x4D4F4351: "qualcomm",
}
"""PCI vendors, and "QCOM" as Adreno's driver for Windows on Arm gives it."""
_TITLES = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "qualcomm": "Qualcomm"}
_PROCESS_SECONDS = 3.0
"""A desktop has some hundred processes with GPU memory; their counters are read this often (ASSUMED to cost most)."""


class UsageSource(Protocol):
    """Windows' counters, or what stands in for them."""

    def usage(self, *, is_with_processes: bool) -> GpuUsage: ...

    def close(self) -> None: ...


class AdapterSource(Protocol):
    """DXGI, or what stands in for it."""

    def listed(self) -> tuple[Adapter, ...]: ...

    def close(self) -> None: ...


def open_probe(access: Access = REAL) -> Probe:
    """The adapters of this Windows.

    Raises:
        ProbeUnavailable: this is no Windows of 64 bits, or it lists no adapters.
    """
    if access.system != "win32":
        raise ProbeUnavailable("this is no Windows", is_expected=True)
    if ctypes.sizeof(ctypes.c_void_p) < 8:
        raise ProbeUnavailable("GPUs are read by a Python of 64 bits only; install that one")
    try:
        adapters = Adapters(access.load)
    except (OSError, AttributeError) as error:
        raise ProbeUnavailable(f"Windows' list of graphics adapters (DXGI) can't be read: {error}") from error
    counters: GpuCounters | None = None
    reason = None
    try:
        counters = GpuCounters(access.load(PDH))
    except (OSError, AttributeError) as error:
        reason = str(error)
    return WindowsProbe(adapters=adapters, counters=counters, reason=reason)


class WindowsProbe:
    """All adapters that draw."""

    def __init__(
        self,
        *,
        adapters: AdapterSource,
        counters: UsageSource | None,
        reason: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``reason`` is why there are no counters."""
        self._source = adapters
        self._counters = counters
        self._reason = reason
        self._clock = clock
        self._adapters: tuple[Adapter, ...] = ()
        self._processes: tuple[Process, ...] = ()
        self._processes_seconds = float("-inf")

    def sample(self) -> Reading:
        now_seconds = self._clock()
        self._list_adapters()
        usage = self._usage(now_seconds)
        keys = {adapter.luid: key for adapter, key in zip(self._adapters, _keys(self._adapters), strict=True)}
        if usage.processes:
            self._processes = _processes(usage, keys, self._adapters)
        devices, pools = [], []
        for adapter, index in zip(self._adapters, _indexes(self._adapters), strict=True):
            used = usage.adapters.get(adapter.luid, AdapterUsage())
            devices.append(_device(adapter, keys[adapter.luid], index, used))
            if not _draws_on_ram(adapter):
                pools.append(_pool(adapter, keys[adapter.luid], used.dedicated_bytes))
        return Reading(
            pools=tuple(pool for pool in pools if pool is not None),
            devices=tuple(devices),
            processes=self._processes,
            faults=tuple(self._faults(usage, keys)),
            versions=_versions(self._adapters),
        )

    def close(self) -> None:
        if self._counters is not None:
            self._counters.close()
        self._source.close()

    def _list_adapters(self) -> None:
        try:
            self._adapters = self._source.listed()
        except OSError as error:
            raise ProbeLost(f"the graphics adapters can't be listed any more: {error}") from error

    def _usage(self, now_seconds: float) -> GpuUsage:
        if self._counters is None:
            return GpuUsage()
        is_with_processes = now_seconds - self._processes_seconds >= _PROCESS_SECONDS
        if is_with_processes:
            self._processes_seconds = now_seconds
            self._processes = ()
        return self._counters.usage(is_with_processes=is_with_processes)

    def _faults(self, usage: GpuUsage, keys: dict[int, str]) -> list[Fault]:
        notes = [
            Fault(probe="windows", message=_CARVE_OUT, device_key=keys[adapter.luid], is_note=True)
            for adapter in self._adapters
            if _draws_on_ram(adapter) and _VENDORS.get(adapter.vendor_id) == "nvidia"
        ]
        if self._counters is None:
            return [_fault(f"Windows has no counters of GPU memory ({self._reason}), {_REPAIR}"), *notes]
        return notes + [
            _fault(f"Windows counts no memory of {adapter.name}, {_REPAIR}", keys[adapter.luid])
            for adapter in self._adapters
            if usage.adapters.get(adapter.luid, AdapterUsage()).dedicated_bytes is None
        ]


_CARVE_OUT = (
    "an integrated GPU: NVML tells only the part of the RAM that was set aside for it; shown is what Windows lets it "
    "have of the rest, which CUDA was seen to give on one machine and to refuse on another"
)
"""github.com/unslothai/unsloth/pull/11208 (17.5 GiB served with 8 set aside) and
github.com/openclaw/openclaw-windows-node/pull/1237 (out of memory at 15.8 GiB with 16 set aside)."""
_REPAIR = (
    "so what is in use is not known; they are rebuilt by 'lodctr /R' as administrator, and need Windows 10 1709 and a "
    "driver for WDDM 2.0"
)


def _draws_on_ram(adapter: Adapter) -> bool:
    return adapter.is_integrated and adapter.shared_limit_bytes >= adapter.dedicated_bytes


def _device(adapter: Adapter, key: str, index: int, used: AdapterUsage) -> Device:
    draws_on_ram = _draws_on_ram(adapter)
    limit_bytes = _smallest(adapter.shared_limit_bytes, adapter.budget_bytes) if draws_on_ram else None
    return Device(
        key=key,
        name=adapter.name,
        vendor=_VENDORS.get(adapter.vendor_id, "other"),
        index=index,
        pool_key=HOST_POOL if draws_on_ram else key,
        used_bytes=used.shared_bytes if draws_on_ram else used.dedicated_bytes,
        limit_bytes=limit_bytes,
        utilization_ratio=used.utilization_ratio,
        bus_address=adapter.bus_address,
        driver="WDDM",
        is_integrated=adapter.is_integrated,
        shared_used_bytes=None if draws_on_ram else used.shared_bytes,
        shared_limit_bytes=None if draws_on_ram else adapter.shared_limit_bytes,
    )


def _pool(adapter: Adapter, key: str, used_bytes: int | None) -> Pool | None:
    """The adapter's own memory; None where its size or use is not told."""
    total_bytes = adapter.dedicated_bytes
    if total_bytes <= 0 or used_bytes is None:
        return None
    free_bytes = max(0, total_bytes - used_bytes)
    if adapter.budget_bytes is not None:
        free_bytes = min(free_bytes, adapter.budget_bytes)
    return Pool(key=key, total_bytes=total_bytes, used_bytes=total_bytes - free_bytes, free_bytes=free_bytes)


def _processes(usage: GpuUsage, keys: dict[int, str], adapters: Sequence[Adapter]) -> tuple[Process, ...]:
    """Those that hold any memory, the largest first."""
    in_ram = {adapter.luid for adapter in adapters if _draws_on_ram(adapter)}
    processes = []
    for (pid, luid), used in usage.processes.items():
        if luid in keys and (used.local_bytes or used.non_local_bytes):
            processes.append(
                Process(
                    pid=pid,
                    device_key=keys[luid],
                    used_bytes=used.local_bytes,
                    shared_used_bytes=None if luid in in_ram else used.non_local_bytes,
                )
            )
    return tuple(sorted(processes, key=lambda process: -(process.used_bytes or 0)))


def _keys(adapters: Sequence[Adapter]) -> list[str]:
    """The bus address stays over restarts. Windows' own number does not; it serves where none is told, or one twice."""
    addresses = [adapter.bus_address for adapter in adapters]
    return [
        address if address is not None and addresses.count(address) == 1 else f"luid-{adapter.luid:x}"
        for adapter, address in zip(adapters, addresses, strict=True)
    ]


def _indexes(adapters: Sequence[Adapter]) -> list[int]:
    """By vendor, in Windows' order."""
    vendors = [_VENDORS.get(adapter.vendor_id, "other") for adapter in adapters]
    return [vendors[:position].count(vendor) for position, vendor in enumerate(vendors)]


def _versions(adapters: Sequence[Adapter]) -> tuple[Version, ...]:
    """The driver of each vendor but NVIDIA, whose own numbering NVML tells."""
    versions = {}
    for adapter in adapters:
        vendor = _VENDORS.get(adapter.vendor_id)
        if vendor in _TITLES and vendor != "nvidia" and adapter.driver_version:
            versions[f"{_TITLES[vendor]} driver"] = adapter.driver_version
    return tuple(Version(name=name, value=value) for name, value in versions.items())


def _smallest(first: int, second: int | None) -> int:
    return first if second is None else min(first, second)


def _fault(message: str, device_key: str | None = None) -> Fault:
    return Fault(probe="windows", message=message, device_key=device_key)

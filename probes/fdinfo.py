"""What each process holds of a GPU, as the kernel says it of every open file of a graphics driver.

One client may be open in several files and processes; it is counted once, by address and client id. Looking through all
open files is dear (8 ms for 1 621 files, github.com/SikamikanikoBG/homelab-monitor/pull/247), so it is done every few
seconds. Files of other users can be read by root only.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field

from probes.drm_client import Client, parse_client
from probes.sysfs import read_bytes, read_text
from records.record import record

SCAN_SECONDS = 5.0
"""As often as amdgpu_top looks through them (its README, 0.11)."""
_FDINFO_BYTES = 16 * 1024
"""The example of amdgpu with drm/amdgpu: Stop reporting special chip memory pools (2024-11) has 1.2 KiB."""
_DEVICE_FILES = "/dev/dri/"
_PASSES_FILES_ON = frozenset({"systemd", "systemd-logind", "seatd"})
"""These open a card and hand it to the desktop, which is the one that uses it."""


@record(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one process has of one GPU."""

    pid: int
    bus_address: str
    region_bytes: Mapping[str, int]
    utilization_ratio: float | None
    """Of its busiest engine since the scan before; None at the first."""


@record(frozen=True, slots=True, kw_only=True)
class Scan:
    """All holdings at one time."""

    holdings: tuple[Holding, ...] = ()
    busy_ratios: Mapping[str, float] = field(default_factory=dict)
    """By address: how busy the busiest engine was, as far as the readable clients tell."""
    n_hidden: int = 0
    """Processes of other users, of which nothing can be read."""


class Scanner:
    """Looks through the open files of all processes now and then, and keeps what it found in between."""

    def __init__(self, root: str, drivers: Iterable[str], clock: Callable[[], float]) -> None:
        """``drivers`` are those whose clients are of interest."""
        self._root = root
        self._drivers = frozenset(drivers)
        self._clock = clock
        self._scan = Scan()
        self._scanned_seconds: float | None = None
        self._before: dict[tuple[str, int], Client] = {}
        self._kernel_pids: set[int] = set()
        """Kernel threads, whose files nobody may list, and which have none."""

    def scan(self) -> Scan:
        """What was found last; a scan of some seconds ago is made anew."""
        now_seconds = self._clock()
        if self._scanned_seconds is None or now_seconds - self._scanned_seconds >= SCAN_SECONDS:
            elapsed_seconds = None if self._scanned_seconds is None else now_seconds - self._scanned_seconds
            self._scan = self._look(elapsed_seconds)
            self._scanned_seconds = now_seconds
        return self._scan

    def _look(self, elapsed_seconds: float | None) -> Scan:
        owned: dict[tuple[str, int], tuple[int, Client]] = {}
        unnumbered: dict[tuple[int, str], Client] = {}
        n_hidden = 0
        pids = _pids(self._root)
        self._kernel_pids &= set(pids)
        for pid in pids:
            files = self._device_files(pid)
            if files is None:
                n_hidden += 1
                continue
            for file in files:
                client = parse_client(read_bytes(f"{self._root}/proc/{pid}/fdinfo/{file}", _FDINFO_BYTES) or b"")
                if client is None or client.driver not in self._drivers:
                    continue
                if client.client_id is None:  # amdgpu before Linux 5.19: one of them must do
                    unnumbered.setdefault((pid, client.bus_address), client)
                    continue
                key = client.bus_address, client.client_id
                if key not in owned or self._hands_on(owned[key][0]):
                    owned[key] = pid, client
        clients = [(pid, client) for pid, client in owned.values()]
        clients += [(pid, client) for (pid, _), client in unnumbered.items()]
        busy = {key: _busy(client, self._before.get(key), elapsed_seconds) for key, (_, client) in owned.items()}
        self._before = {key: client for key, (_, client) in owned.items()}
        return Scan(
            holdings=tuple(_holdings(clients, busy)),
            busy_ratios=_device_ratios(busy) if elapsed_seconds is not None else {},
            n_hidden=n_hidden,
        )

    def _device_files(self, pid: int) -> list[str] | None:
        """The process's open files of a graphics driver; None where they may not be read."""
        if pid in self._kernel_pids:
            return []
        folder = f"{self._root}/proc/{pid}/fd"
        try:
            files = os.listdir(folder)
            return [file for file in files if _target(f"{folder}/{file}").startswith(_DEVICE_FILES)]
        except PermissionError:
            if read_bytes(f"{self._root}/proc/{pid}/cmdline", 1) == b"":
                self._kernel_pids.add(pid)
                return []
            return None
        except OSError:  # it has ended meanwhile
            return []

    def _hands_on(self, pid: int) -> bool:
        return read_text(f"{self._root}/proc/{pid}/comm", 64) in _PASSES_FILES_ON


def _pids(root: str) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(f"{root}/proc") if name.isascii() and name.isdigit())
    except OSError:
        return []


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except PermissionError:
        raise
    except OSError:
        return ""


Ratios = dict[str, float]
"""By engine."""


def _busy(client: Client, before: Client | None, elapsed_seconds: float | None) -> Ratios:
    """How busy the client kept each engine since it was read before."""
    if before is None or not elapsed_seconds or elapsed_seconds <= 0:
        return {}
    ratios = {}
    for engine, nanoseconds in client.engine_nanoseconds.items():
        spent_seconds = (nanoseconds - before.engine_nanoseconds.get(engine, nanoseconds)) / 1e9
        ratios[engine] = spent_seconds / elapsed_seconds / client.engine_capacity.get(engine, 1)
    for engine, (busy, total) in client.engine_cycles.items():
        busy_before, total_before = before.engine_cycles.get(engine, (busy, total))
        if total > total_before:
            share = (busy - busy_before) / (total - total_before)
            ratios[engine] = share / client.engine_capacity.get(engine, 1)
    # A counter may go back for a while (the document says so); that is no work.
    return {engine: min(max(ratio, 0.0), 1.0) for engine, ratio in ratios.items()}


def _holdings(clients: Iterable[tuple[int, Client]], busy: Mapping[tuple[str, int], Ratios]) -> Iterator[Holding]:
    """Clients of one process on one device, added up."""
    grouped: dict[tuple[int, str], list[Client]] = {}
    for pid, client in clients:
        grouped.setdefault((pid, client.bus_address), []).append(client)
    for (pid, address), own in sorted(grouped.items()):
        regions: dict[str, int] = {}
        ratios: Ratios = {}
        for client in own:
            for region, n_bytes in client.region_bytes.items():
                regions[region] = regions.get(region, 0) + n_bytes
            for engine, ratio in busy.get((address, -1 if client.client_id is None else client.client_id), {}).items():
                ratios[engine] = ratios.get(engine, 0.0) + ratio
        yield Holding(
            pid=pid,
            bus_address=address,
            region_bytes=regions,
            utilization_ratio=min(max(ratios.values()), 1.0) if ratios else None,
        )


def _device_ratios(busy: Mapping[tuple[str, int], Ratios]) -> dict[str, float]:
    """Of all clients together, the busiest engine of each device."""
    engines: dict[str, Ratios] = {}
    for (address, _), ratios in busy.items():
        device = engines.setdefault(address, {})
        for engine, ratio in ratios.items():
            device[engine] = device.get(engine, 0.0) + ratio
    return {address: min(max(ratios.values()), 1.0) for address, ratios in engines.items() if ratios}

"""Windows' performance counters of GPU memory and GPU time: those that Task Manager shows.

Not run on Windows. Functions and structures are from pdh.h and pdhmsg.h (Windows SDK, mingw-w64); counters by their
English names, which every language of Windows knows (``PdhAddEnglishCounterW``). The same through PowerShell's
Get-Counter takes 1.3 s; a first question here 0.2 s, each further one 0.1 ms, and no rights are needed
(github.com/unslothai/unsloth/pull/9362, 2026-08). D3DKMT's statistics would be cheaper yet, but their structures change
with the version of Windows.

Of an adapter, "Dedicated Usage" and "Shared Usage" are what is in memory. Of a process, counters of the same names are
what it has *committed*, wherever that is; in memory are "Local Usage" and "Non Local Usage"
(github.com/winsiderss/systeminformer/pull/2971, 2026-07-05).

Instances are called ``luid_0x00000000_0x0001532A_phys_0``, ``pid_1212_luid_..._phys_0`` and
``pid_1212_luid_..._phys_0_eng_3_engtype_Compute_0``; some tools print them in small letters.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from probes.libraries import Prototypes, declare
from records.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARY = "pdh.dll"

_LARGE, _DOUBLE = 0x400, 0x200  # PDH_FMT_LARGE, PDH_FMT_DOUBLE
_TOO_SMALL = (0x800007D2 - 2**32, 0xC0000BC2 - 2**32)  # PDH_MORE_DATA, PDH_INSUFFICIENT_BUFFER, as signed numbers
_VALID = (0, 1)  # PDH_CSTATUS_VALID_DATA, PDH_CSTATUS_NEW_DATA
_MOST_BUFFER_BYTES = 4 * 1024**2
"""Of one counter's instances: each takes 24 bytes and its name, and a desktop has some 500 (ASSUMED: 20,000)."""
_NAME_CHARACTERS = 256
_MOST_NAMES = 4000
"""Remembered, so that those of processes that have ended do not pile up."""
_MOST_BYTES = 2**63 - 1

_STATUS = ctypes.c_int32
_HANDLE = ctypes.c_void_p
_NUMBER = ctypes.POINTER(ctypes.c_uint32)
_PROTOTYPES: Prototypes = {
    "PdhOpenQueryW": (_STATUS, [_HANDLE, ctypes.c_size_t, ctypes.POINTER(_HANDLE)]),
    "PdhAddEnglishCounterW": (_STATUS, [_HANDLE, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(_HANDLE)]),
    "PdhCollectQueryData": (_STATUS, [_HANDLE]),
    "PdhGetFormattedCounterArrayW": (_STATUS, [_HANDLE, ctypes.c_uint32, _NUMBER, _NUMBER, ctypes.c_void_p]),
    "PdhCloseQuery": (_STATUS, [_HANDLE]),
}


class _Value(ctypes.Union):
    _fields_ = (("large", ctypes.c_int64), ("double", ctypes.c_double))


class _Item(ctypes.Structure):
    """``PDH_FMT_COUNTERVALUE_ITEM_W`` with its ``PDH_FMT_COUNTERVALUE``."""

    _fields_ = (("name", ctypes.c_void_p), ("status", ctypes.c_uint32), ("value", _Value))


@record(frozen=True, slots=True, kw_only=True)
class Instance:
    """What an instance's name says."""

    luid: int
    pid: int | None = None
    engine: str | None = None
    """``3_engtype_compute_0``: one engine of the adapter."""


@dataclass(slots=True)
class AdapterUsage:
    dedicated_bytes: int | None = None
    shared_bytes: int | None = None
    utilization_ratio: float | None = None
    """That of its busiest engine, as Task Manager shows it."""


@dataclass(slots=True)
class ProcessUsage:
    local_bytes: int | None = None
    non_local_bytes: int | None = None


@dataclass(slots=True)
class GpuUsage:
    """By LUID, and by pid and LUID."""

    adapters: dict[int, AdapterUsage] = field(default_factory=dict)
    processes: dict[tuple[int, int], ProcessUsage] = field(default_factory=dict)


class GpuCounters:
    """One query for adapters and engines, asked each time, and one for processes, asked when wanted."""

    def __init__(self, library: Any) -> None:
        """``library`` is a handle to PDH.

        Raises:
            AttributeError: it lacks a function.
            OSError: this Windows has no such counters.
        """
        call = declare(library, _PROTOTYPES)
        self._adapters = _Query(call)
        self._processes = _Query(call)
        try:
            self._dedicated = self._adapters.counter(r"\GPU Adapter Memory(*)\Dedicated Usage")
            self._shared = self._adapters.counter(r"\GPU Adapter Memory(*)\Shared Usage")
            self._engines = self._adapters.counter(r"\GPU Engine(*)\Utilization Percentage")
            self._local = self._processes.counter(r"\GPU Process Memory(*)\Local Usage")
            self._non_local = self._processes.counter(r"\GPU Process Memory(*)\Non Local Usage")
        except OSError:
            self.close()
            raise

    def usage(self, *, is_with_processes: bool) -> GpuUsage:
        """What is in use now. Utilization is that since the last question, None at the first."""
        usage = GpuUsage()
        if self._adapters.collect():
            for instance, n_bytes in _byte_counts(self._adapters.values(self._dedicated, _LARGE)):
                adapter = usage.adapters.setdefault(instance.luid, AdapterUsage())
                adapter.dedicated_bytes = (adapter.dedicated_bytes or 0) + n_bytes
            for instance, n_bytes in _byte_counts(self._adapters.values(self._shared, _LARGE)):
                adapter = usage.adapters.setdefault(instance.luid, AdapterUsage())
                adapter.shared_bytes = (adapter.shared_bytes or 0) + n_bytes
            for luid, ratio in _busiest(self._adapters.values(self._engines, _DOUBLE)).items():
                usage.adapters.setdefault(luid, AdapterUsage()).utilization_ratio = ratio
        if is_with_processes and self._processes.collect():
            for key, n_bytes in _process_bytes(self._processes.values(self._local, _LARGE)):
                process = usage.processes.setdefault(key, ProcessUsage())
                process.local_bytes = (process.local_bytes or 0) + n_bytes
            for key, n_bytes in _process_bytes(self._processes.values(self._non_local, _LARGE)):
                process = usage.processes.setdefault(key, ProcessUsage())
                process.non_local_bytes = (process.non_local_bytes or 0) + n_bytes
        return usage

    def close(self) -> None:
        self._adapters.close()
        self._processes.close()


def parsed_instance(name: str) -> Instance | None:
    """What the name says, or None where it is none of this form."""
    words = name.lower().split("_")
    pid: int | None = None
    if words[0] == "pid":
        if len(words) < 2 or not _is_number(words[1]):
            return None
        pid, words = int(words[1]), words[2:]
    if len(words) < 5 or words[0] != "luid" or words[3] != "phys":
        return None
    try:
        high, low = (int(word, 16) for word in words[1:3])
    except ValueError:
        return None
    if not (0 <= high < 2**32 and 0 <= low < 2**32):
        return None
    # One adapter of several linked cards has the engines of each.
    engine = "_".join((words[4], *words[6:])) if len(words) > 6 and words[5] == "eng" else None
    return Instance(luid=high << 32 | low, pid=pid, engine=engine)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _byte_counts(values: Iterator[tuple[Instance, int | float]]) -> Iterator[tuple[Instance, int]]:
    """Those that can be: a count below 0 or beyond all memory is garbage, and some drivers give such."""
    for instance, value in values:
        if isinstance(value, int) and 0 <= value <= _MOST_BYTES:
            yield instance, value


def _process_bytes(values: Iterator[tuple[Instance, int | float]]) -> Iterator[tuple[tuple[int, int], int]]:
    for instance, n_bytes in _byte_counts(values):
        if instance.pid:
            yield (instance.pid, instance.luid), n_bytes


def _busiest(values: Iterator[tuple[Instance, int | float]]) -> dict[int, float]:
    """By adapter, how busy its busiest engine was: an engine's share is that of all processes together."""
    engines: dict[tuple[int, str], float] = {}
    for instance, percent in values:
        if instance.engine is not None and percent >= 0:  # false for NaN too
            key = (instance.luid, instance.engine)
            engines[key] = engines.get(key, 0.0) + percent
    busiest: dict[int, float] = {}
    for (luid, _), percent in engines.items():
        busiest[luid] = max(busiest.get(luid, 0.0), min(1.0, percent / 100))
    return busiest


class _Query:
    """A set of counters that are collected at one time."""

    def __init__(self, call: dict[str, Any]) -> None:
        self._call = call
        self._buffer = ctypes.create_string_buffer(0)
        self._instances: dict[str, Instance | None] = {}
        """By name, which are mostly those of the question before."""
        query = _HANDLE()
        status = call["PdhOpenQueryW"](None, 0, ctypes.byref(query))
        if status != 0:
            raise OSError(_failed("PdhOpenQueryW", status))
        self._query: int | None = query.value

    def counter(self, path: str) -> int | None:
        counter = _HANDLE()
        wide = f"{path}\0".encode("utf-16-le")
        status = self._call["PdhAddEnglishCounterW"](self._query, wide, 0, ctypes.byref(counter))
        if status != 0:
            raise OSError(_failed(path, status))
        return counter.value

    def collect(self) -> bool:
        return bool(self._call["PdhCollectQueryData"](self._query) == 0)

    def values(self, counter: int | None, form: int) -> Iterator[tuple[Instance, int | float]]:
        """Each instance that has a value now."""
        n_bytes, n_items = ctypes.c_uint32(ctypes.sizeof(self._buffer)), ctypes.c_uint32()
        read = self._call["PdhGetFormattedCounterArrayW"]
        status = read(counter, form, ctypes.byref(n_bytes), ctypes.byref(n_items), self._buffer)
        if status in _TOO_SMALL and n_bytes.value <= _MOST_BUFFER_BYTES:
            # With room for instances that come meanwhile.
            self._buffer = ctypes.create_string_buffer(n_bytes.value + 4096)
            n_bytes.value = ctypes.sizeof(self._buffer)
            status = read(counter, form, ctypes.byref(n_bytes), ctypes.byref(n_items), self._buffer)
        if status != 0:
            return
        n_most = ctypes.sizeof(self._buffer) // ctypes.sizeof(_Item)
        items = ctypes.cast(self._buffer, ctypes.POINTER(_Item))
        for index in range(min(n_items.value, n_most)):
            item = items[index]
            instance = self._instance(self._text(item.name)) if item.status in _VALID else None
            if instance is not None:
                yield instance, item.value.large if form == _LARGE else item.value.double

    def close(self) -> None:
        query, self._query = self._query, None
        if query is not None:
            self._call["PdhCloseQuery"](query)

    def _instance(self, name: str) -> Instance | None:
        if name not in self._instances:
            if len(self._instances) > _MOST_NAMES:
                self._instances.clear()
            self._instances[name] = parsed_instance(name)
        return self._instances[name]

    def _text(self, address: int | None) -> str:
        """The name at that address, which has to be inside the buffer."""
        n_left = ctypes.sizeof(self._buffer) - ((address or 0) - ctypes.addressof(self._buffer))
        if address is None or not 0 < n_left <= ctypes.sizeof(self._buffer):
            return ""
        content = ctypes.string_at(address, min(n_left, 2 * _NAME_CHARACTERS))
        return content.decode("utf-16-le", "replace").partition("\0")[0]


def _failed(what: str, status: int) -> str:
    return f"{what}: 0x{status & 0xFFFFFFFF:08X}"

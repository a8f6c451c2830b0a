"""Windows' libraries: objects with tables of C functions that Python answers, each with the prototype of the headers.

Addresses and structures are laid out here once more, by hand. References to objects and handles are counted.
"""

import ctypes
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from fake_mac import ADDRESS, U32, U64, native

I32, SIZE = ctypes.c_int32, ctypes.c_size_t
NOT_FOUND = 0x887A0002 - 2**32  # DXGI_ERROR_NOT_FOUND
NO_INTERFACE = 0x80004002 - 2**32  # E_NOINTERFACE
MORE_DATA = 0x800007D2 - 2**32
NO_OBJECT = 0xC0000BB8 - 2**32  # PDH_CSTATUS_NO_OBJECT

_IDS = {
    "factory": "770aae78f26f4dbaa829253c83d1b387",
    "adapter 3": "645967a413924310a7988053ce3e93fd",
    "core factory": "78ee5945c36e4b13a669005dd11c0f06",
    "core adapter": "f0db4c7ffe5a42a2bd62f2a6cf6fc83e",
}


def _id(address: int) -> str:
    """The name of the interface whose GUID lies there."""
    first, second, third, rest = struct.unpack("<IHH8s", ctypes.string_at(address, 16))
    digits = f"{first:08x}{second:04x}{third:04x}{rest.hex()}"
    return next((name for name, known in _IDS.items() if known == digits), "unknown")


@dataclass
class FakeWindows:
    """What the libraries of one Windows answer."""

    adapters: list[dict[str, Any]] = field(default_factory=list)
    """name, vendor, luid, dedicated, shared; where told: flags, budget, bus (three numbers), integrated, version."""
    counters: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Counter without its instances (``GPU Adapter Memory\\Shared Usage``) -> instance -> value; "status" after it."""
    memory: dict[str, int] = field(default_factory=dict)
    """Fields of MEMORYSTATUSEX: total_phys, avail_phys, total_page_file, avail_page_file."""
    is_current: bool = True
    missing: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.n_references = 0
        """To objects, that the program has to give back."""
        self.n_queries = 0
        self.n_open_adapters = 0
        self.n_collected = 0
        self._keep: list[Any] = []
        self.n_factories = 0

    def load(self, path: str) -> SimpleNamespace:
        if path in self.missing or path not in _LIBRARIES:
            raise OSError(f"Could not find module '{path}' (or one of its dependencies).")
        library: SimpleNamespace = _LIBRARIES[path](self)
        for function in self.missing:
            if hasattr(library, function):
                delattr(library, function)
        return library

    def new_object(self, n_methods: int, methods: dict[int, tuple[Any, list[Any], Callable[..., Any]]]) -> int:
        """An object; whoever calls a method that is not there meets an error."""
        self.n_references += 1

        def release(_this: int) -> int:
            self.n_references -= 1
            return 0

        all_methods = {2: (U32, [], release)} | methods
        functions = [
            ctypes.CFUNCTYPE(all_methods[place][0], ADDRESS, *all_methods[place][1])(all_methods[place][2])
            if place in all_methods
            else None
            for place in range(n_methods)
        ]
        table = (ADDRESS * n_methods)(
            *(None if function is None else ctypes.cast(function, ADDRESS).value for function in functions)
        )
        found = (ADDRESS * 1)(ctypes.addressof(table))
        self._keep += [functions, table, found]
        return ctypes.addressof(found)


def _write(address: int, value: int) -> int:
    U64.from_address(address).value = value
    return 0


# --- DXGI


def _dxgi(windows: FakeWindows) -> SimpleNamespace:
    def create(interface: int, target: int) -> int:
        if _id(interface) != "factory":
            return NO_INTERFACE
        windows.n_factories += 1
        methods: dict[int, Any] = {
            12: (I32, [U32, ADDRESS], lambda _this, number, where: enum(number, where)),
            13: (I32, [], lambda _this: windows.is_current),
        }
        return _write(target, windows.new_object(14, methods))

    def enum(number: int, target: int) -> int:
        if number >= len(windows.adapters):
            return NOT_FOUND
        return _write(target, _adapter(windows, windows.adapters[number]))

    return native(CreateDXGIFactory1=(I32, [ADDRESS, ADDRESS], create))


def _adapter(windows: FakeWindows, told: dict[str, Any]) -> int:
    def query_interface(_this: int, interface: int, target: int) -> int:
        if _id(interface) != "adapter 3" or "budget" not in told:
            return NO_INTERFACE
        memory: dict[int, Any] = {14: (I32, [U32, I32, ADDRESS], query_video_memory)}
        return _write(target, windows.new_object(18, memory))

    def query_video_memory(_this: int, node: int, group: int, target: int) -> int:
        if (node, group) != (0, 0):
            return NO_INTERFACE
        ctypes.memmove(target, struct.pack("<4Q", told["budget"], 0, 0, 0), 32)
        return 0

    def describe(_this: int, target: int) -> int:
        name = told["name"].encode("utf-16-le")[:254].ljust(256, b"\0")
        ids = struct.pack("<4I", told["vendor"], 0x2684, 0, 0xA1)
        sizes = struct.pack("<3Q", told["dedicated"], 0, told["shared"])
        luid = struct.pack("<Ii", told["luid"] & 0xFFFFFFFF, told["luid"] >> 32)
        content = name + ids + sizes + luid + struct.pack("<I4x", told.get("flags", 0))
        ctypes.memmove(target, content, len(content))
        return 0

    methods: dict[int, Any] = {
        0: (I32, [ADDRESS, ADDRESS], query_interface),
        10: (I32, [ADDRESS], describe),
    }
    return windows.new_object(11, methods)


# --- DXCore and the kernel


def _dxcore(windows: FakeWindows) -> SimpleNamespace:
    def create(interface: int, target: int) -> int:
        if _id(interface) != "core factory":
            return NO_INTERFACE
        methods: dict[int, Any] = {4: (I32, [ADDRESS, ADDRESS, ADDRESS], by_luid)}
        return _write(target, windows.new_object(8, methods))

    def by_luid(_this: int, luid: int, interface: int, target: int) -> int:
        told = _with_luid(windows, luid)
        if told is None or "integrated" not in told or _id(interface) != "core adapter":
            return NO_INTERFACE

        def get_property(_self: int, number: int, n_bytes: int, where: int) -> int:
            if (number, n_bytes) == (12, 1):
                ctypes.c_uint8.from_address(where).value = told["integrated"]
                return 0
            if (number, n_bytes) == (1, 8) and "version" in told:
                parts = [int(part) for part in told["version"].split(".")]
                return _write(where, int.from_bytes(struct.pack(">4H", *parts), "big"))
            return NO_INTERFACE

        methods: dict[int, Any] = {6: (I32, [U32, SIZE, ADDRESS], get_property)}
        return _write(target, windows.new_object(12, methods))

    return native(DXCoreCreateAdapterFactory=(I32, [ADDRESS, ADDRESS], create))


def _gdi(windows: FakeWindows) -> SimpleNamespace:
    def opened(target: int) -> int:
        told = _with_luid(windows, target)
        if told is None:
            return NO_INTERFACE
        windows.n_open_adapters += 1
        U32.from_address(target + 8).value = 0x40000000 + windows.adapters.index(told)
        return 0

    def query(target: int) -> int:
        handle, kind, answer, n_bytes = struct.unpack("<IIQI4x", ctypes.string_at(target, 24))
        bus = windows.adapters[handle - 0x40000000].get("bus")
        if (kind, n_bytes) != (6, 12) or bus is None:
            return NO_INTERFACE
        ctypes.memmove(answer, struct.pack("<3I", *bus), 12)
        return 0

    def closed(target: int) -> int:
        windows.n_open_adapters -= U32.from_address(target).value >= 0x40000000
        return 0

    return native(
        D3DKMTOpenAdapterFromLuid=(I32, [ADDRESS], opened),
        D3DKMTQueryAdapterInfo=(I32, [ADDRESS], query),
        D3DKMTCloseAdapter=(I32, [ADDRESS], closed),
    )


def _with_luid(windows: FakeWindows, address: int) -> dict[str, Any] | None:
    low, high = struct.unpack("<Ii", ctypes.string_at(address, 8))
    return next((told for told in windows.adapters if told["luid"] == (high << 32 | low)), None)


# --- PDH


def _pdh(windows: FakeWindows) -> SimpleNamespace:
    paths: dict[int, str] = {}

    def open_query(_source: int, _data: int, target: int) -> int:
        windows.n_queries += 1
        return _write(target, 0x5_0000_0000 + windows.n_queries)

    def add(query: int, path: int, _data: int, target: int) -> int:
        text = _wide(path)
        name = text.strip("\\").replace("(*)", "")
        if query <= 0x5_0000_0000 or name not in windows.counters:
            return NO_OBJECT
        handle = 0x4_0000_0000 + len(paths)
        paths[handle] = name
        return _write(target, handle)

    def collect(query: int) -> int:
        windows.n_collected += 1
        return 0 if query > 0x5_0000_0000 else NO_OBJECT

    def formatted(counter: int, form: int, n_bytes: int, n_items: int, buffer: int) -> int:
        instances = windows.counters[paths[counter]]
        names = [f"{name}\0".encode("utf-16-le") for name in instances]
        needed = 24 * len(instances) + sum(len(name) for name in names)
        room = U32.from_address(n_bytes)
        is_too_small = room.value < needed
        room.value = needed
        if is_too_small:
            return MORE_DATA
        U32.from_address(n_items).value = len(instances)
        place = buffer + 24 * len(instances)
        for index, (name, value) in enumerate(zip(names, instances.values(), strict=True)):
            number, status = value if isinstance(value, list) else (value, 0)
            packed = struct.pack("<d", number) if form & 0x200 else struct.pack("<q", number)
            ctypes.memmove(buffer + 24 * index, struct.pack("<QI4x", place, status & 0xFFFFFFFF) + packed, 24)
            ctypes.memmove(place, name, len(name))
            place += len(name)
        return 0

    def close(query: int) -> int:
        windows.n_queries -= query > 0x5_0000_0000
        return 0

    return native(
        PdhOpenQueryW=(I32, [ADDRESS, SIZE, ADDRESS], open_query),
        PdhAddEnglishCounterW=(I32, [ADDRESS, ADDRESS, SIZE, ADDRESS], add),
        PdhCollectQueryData=(I32, [ADDRESS], collect),
        PdhGetFormattedCounterArrayW=(I32, [ADDRESS, U32, ADDRESS, ADDRESS, ADDRESS], formatted),
        PdhCloseQuery=(I32, [ADDRESS], close),
    )


def _wide(address: int) -> str:
    text = b""
    while (character := ctypes.string_at(address + len(text), 2)) != b"\0\0":
        text += character
    return text.decode("utf-16-le")


# --- memory


def _kernel32(windows: FakeWindows) -> SimpleNamespace:
    def status(target: int) -> int:
        if U32.from_address(target).value != 64 or not windows.memory:
            return 0
        order = "total_phys avail_phys total_page_file avail_page_file".split()
        sizes = [windows.memory[name] for name in order]
        ctypes.memmove(target + 8, struct.pack("<7Q", *sizes, 2**47, 2**46, 0), 56)
        return 1

    return native(GlobalMemoryStatusEx=(I32, [ADDRESS], status))


_LIBRARIES: dict[str, Callable[[FakeWindows], SimpleNamespace]] = {
    "dxgi.dll": _dxgi,
    "dxcore.dll": _dxcore,
    "gdi32.dll": _gdi,
    "pdh.dll": _pdh,
    "kernel32.dll": _kernel32,
}

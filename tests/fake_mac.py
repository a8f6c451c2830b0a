"""A Mac's libraries: C functions that Python answers, each with the prototype of Apple's headers.

The prototypes stand here once more, so that a call that passes an address in 32 bits or forgets an argument meets
garbage, as it would on a Mac. Addresses are above 4 GiB for that reason. Every object is counted: what a function named
Create or Copy hands over has to be released, once.
"""

import ctypes
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

ADDRESS, INDEX, U32, U64, I32, I64 = (
    ctypes.c_void_p,
    ctypes.c_long,
    ctypes.c_uint32,
    ctypes.c_uint64,
    ctypes.c_int32,
    ctypes.c_int64,
)
C_STRING, BOOLEAN, TYPE_ID, SIZE = ctypes.c_char_p, ctypes.c_ubyte, ctypes.c_ulong, ctypes.c_size_t

PAGE_FIELDS = (
    "free active inactive wire zero_fill reactivations pageins pageouts faults cow_faults lookups hits purges "
    "purgeable speculative decompressions compressions swapins swapouts compressor throttled external internal "
    "uncompressed"
).split()
"""Of struct vm_statistics64, "_count" left out. "free" has the speculative ones in it, unlike vm_stat's."""
_KINDS = {str: 7, bool: 21, int: 22, float: 22, bytes: 20, list: 19, dict: 18}


def native(**functions: tuple[Any, list[Any], Callable[..., Any]]) -> SimpleNamespace:
    """A library of C functions: name = (result, arguments, what answers)."""
    return SimpleNamespace(
        **{
            name: ctypes.CFUNCTYPE(result, *arguments)(answer)
            for name, (result, arguments, answer) in functions.items()
        }
    )


class Objects:
    """CoreFoundation's objects by address."""

    def __init__(self) -> None:
        self._values: dict[int, Any] = {}
        self._parts: dict[tuple[int, Any], int] = {}
        self.owned: dict[int, int] = {}
        """Address -> references that the program has to give back."""
        self.crashes: list[str] = []
        """What would have crashed on a Mac."""

    def new(self, value: Any, *, is_owned: bool = True) -> int:
        address = 0x1_2345_0000 + 16 * len(self._values)
        self._values[address] = value
        if is_owned:
            self.owned[address] = 1
        return address

    def value(self, address: int | None) -> Any:
        if address not in self._values:
            self.crashes.append(f"no object at {address}")
            return None
        return self._values[address]

    def part(self, address: int, key: Any, value: Any) -> int:
        """An object inside another one, lent: the same each time."""
        if (address, key) not in self._parts:
            self._parts[address, key] = self.new(value, is_owned=False)
        return self._parts[address, key]

    def release(self, address: int | None) -> None:
        if address is None or self.owned.get(address, 0) < 1:
            self.crashes.append(f"released once too often: {address}")
            return
        self.owned[address] -= 1

    def left(self) -> list[Any]:
        """What was never given back."""
        return [self._values[address] for address, n_references in self.owned.items() if n_references]


@dataclass
class FakeMac:
    """What the libraries of one Mac answer. By default one with Apple silicon on which little is known."""

    sysctl: dict[str, int | str] = field(default_factory=dict)
    swap: tuple[int, int] | None = None
    """Total and used."""
    pages: dict[str, int] | None = None
    page_bytes: int = 16384
    ticks: tuple[int, int, int, int] | None = None
    """User, system, idle, nice."""
    accelerators: list[dict[str, Any]] = field(default_factory=list)
    """Properties; "clients" are those of its children."""
    voltage_states: bytes | None = None
    working_set: int | None = None
    energy: list[int] = field(default_factory=list)
    """What "GPU Energy" counts, sample by sample; the last stays."""
    energy_unit: str = "nJ"
    residencies: list[dict[str, int]] = field(default_factory=list)
    """State -> how long since the start, sample by sample."""
    sensors: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Keys of the system management controller, in any order: kind and content."""
    missing: set[str] = field(default_factory=set)
    """Files of libraries, and functions, that this Mac lacks."""

    def __post_init__(self) -> None:
        self.objects = Objects()
        self.entries: dict[int, Any] = {}
        """Registry: number -> entry or iterator."""
        self.n_held = 0
        """Registry objects that the program has to give back."""
        self.n_samples: dict[str, int] = {}
        self._released_metal = 0
        self.n_connections = 0
        """To the system management controller, that the program has to give back."""

    @property
    def n_metal_devices(self) -> int:
        return 1 - self._released_metal

    def load(self, path: str) -> SimpleNamespace:
        name = path.rpartition("/")[2]
        if name in self.missing:
            raise OSError(f"dlopen({path}): image not found")
        library: SimpleNamespace = _LIBRARIES[name](self)
        for function in self.missing:
            if hasattr(library, function):
                delattr(library, function)
        return library


# --- libSystem


def _lib_system(mac: FakeMac) -> SimpleNamespace:
    def sysctlbyname(name: bytes, buffer: int, size: int, _new: int, _n_new: int) -> int:
        content = _sysctl_bytes(mac, name.decode())
        room = SIZE.from_address(size)
        if content is None or len(content) > room.value:
            return -1
        ctypes.memmove(buffer, content, len(content))
        room.value = len(content)
        return 0

    def host_statistics64(host: int, flavor: int, counts: int, n_words: int) -> int:
        if host != 0x2B03 or flavor != 4 or mac.pages is None:
            return 5
        values = [mac.pages.get(name, 0) for name in PAGE_FIELDS]
        return _filled(struct.pack("<4I9Q2I4Q4IQ", *values), counts, n_words)

    def host_statistics(host: int, flavor: int, counts: int, n_words: int) -> int:
        if host != 0x2B03 or flavor != 3 or mac.ticks is None:
            return 5
        return _filled(struct.pack("<4I", *mac.ticks), counts, n_words)

    def host_page_size(host: int, size: int) -> int:
        SIZE.from_address(size).value = mac.page_bytes
        return 0 if host == 0x2B03 else 5

    return native(
        mach_task_self=(U32, [], lambda: 0x203),
        sysctlbyname=(ctypes.c_int, [C_STRING, ADDRESS, ADDRESS, ADDRESS, SIZE], sysctlbyname),
        mach_host_self=(U32, [], lambda: 0x2B03),
        host_statistics64=(ctypes.c_int, [U32, ctypes.c_int, ADDRESS, ADDRESS], host_statistics64),
        host_statistics=(ctypes.c_int, [U32, ctypes.c_int, ADDRESS, ADDRESS], host_statistics),
        host_page_size=(ctypes.c_int, [U32, ADDRESS], host_page_size),
    )


def _filled(content: bytes, counts: int, n_words: int) -> int:
    words = U32.from_address(n_words)
    words.value = min(words.value, len(content) // 4)
    ctypes.memmove(counts, content, 4 * words.value)
    return 0


def _sysctl_bytes(mac: FakeMac, name: str) -> bytes | None:
    if name == "vm.swapusage":
        if mac.swap is None:
            return None
        total, used = mac.swap
        return struct.pack("<3Q2I", total, max(0, total - used), used, mac.page_bytes, 1)
    value = mac.sysctl.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape") + b"\0"
    is_wide = name in ("hw.memsize", "debug.iogpu.wired_limit") or value >= 2**31
    return struct.pack("<q" if is_wide else "<i", value)


# --- CoreFoundation


def _core_foundation(mac: FakeMac) -> SimpleNamespace:  # noqa: C901 - one function per function of the library
    objects = mac.objects

    def type_id(address: int) -> int:
        return _KINDS.get(type(objects.value(address)), 999)

    def get_c_string(address: int, buffer: int, n_bytes: int, encoding: int) -> int:
        content = objects.value(address).encode("utf-8", "surrogateescape") + b"\0"
        if encoding != 0x08000100 or len(content) > n_bytes:
            return 0
        ctypes.memmove(buffer, content, len(content))
        return 1

    def number_value(address: int, kind: int, target: int) -> int:
        value = objects.value(address)
        if kind == 4:
            I64.from_address(target).value = int(value)
            return int(isinstance(value, int) and -(2**63) <= value < 2**63)
        ctypes.c_double.from_address(target).value = float(value)
        return 1

    def data_pointer(address: int) -> int:
        held = ctypes.create_string_buffer(objects.value(address))
        keep.append(held)
        return ctypes.addressof(held)

    def at_index(address: int, index: int) -> int | None:
        item = objects.value(address)[index]
        return None if item is None else objects.part(address, index, item)

    def under_key(address: int, key: int) -> int | None:
        name, dictionary = objects.value(key), objects.value(address)
        return objects.part(address, name, dictionary[name]) if name in dictionary else None

    def keys_and_values(address: int, keys: int, values: int) -> None:
        for place, (name, value) in enumerate(objects.value(address).items()):
            U64.from_address(keys + 8 * place).value = objects.part(address, ("key", name), name)
            U64.from_address(values + 8 * place).value = objects.part(address, name, value)

    keep: list[Any] = []
    kinds = {"String": str, "Number": int, "Boolean": bool, "Data": bytes, "Array": list, "Dictionary": dict}
    return native(
        CFRelease=(None, [ADDRESS], objects.release),
        CFGetTypeID=(TYPE_ID, [ADDRESS], type_id),
        CFStringCreateWithCString=(ADDRESS, [ADDRESS, C_STRING, U32], lambda _a, text, _e: objects.new(text.decode())),
        CFStringGetCString=(BOOLEAN, [ADDRESS, ADDRESS, INDEX, U32], get_c_string),
        CFNumberIsFloatType=(BOOLEAN, [ADDRESS], lambda address: isinstance(objects.value(address), float)),
        CFNumberGetValue=(BOOLEAN, [ADDRESS, INDEX, ADDRESS], number_value),
        CFBooleanGetValue=(BOOLEAN, [ADDRESS], objects.value),
        CFDataGetLength=(INDEX, [ADDRESS], lambda address: len(objects.value(address))),
        CFDataGetBytePtr=(ADDRESS, [ADDRESS], data_pointer),
        CFArrayGetCount=(INDEX, [ADDRESS], lambda address: len(objects.value(address))),
        CFArrayGetValueAtIndex=(ADDRESS, [ADDRESS, INDEX], at_index),
        CFDictionaryGetCount=(INDEX, [ADDRESS], lambda address: len(objects.value(address))),
        CFDictionaryGetValue=(ADDRESS, [ADDRESS, ADDRESS], under_key),
        CFDictionaryGetKeysAndValues=(None, [ADDRESS, ADDRESS, ADDRESS], keys_and_values),
        CFDictionaryCreateMutableCopy=(
            ADDRESS,
            [ADDRESS, INDEX, ADDRESS],
            lambda _a, _n, address: objects.new(dict(objects.value(address))),
        ),
        **{f"CF{kind}GetTypeID": (TYPE_ID, [], lambda number=_KINDS[python]: number) for kind, python in kinds.items()},
    )


# --- IOKit


def _io_kit(mac: FakeMac) -> SimpleNamespace:  # noqa: C901 - one function per function of the library
    def new_entry(entry: Any) -> int:
        number = 0xF000_0000 + len(mac.entries)
        mac.entries[number] = entry
        mac.n_held += 1
        return number

    def matching_services(port: int, matching: int, iterator: int) -> int:
        wanted = mac.objects.value(matching)["IOProviderClass"]
        mac.objects.release(matching)
        services = {
            "IOAccelerator": mac.accelerators,
            "AppleSMC": [{"name": "AppleSMC"}, {"name": "AppleSMCKeysEndpoint"}] if mac.sensors else [],
            "AppleARMIODevice": [{"name": "sgx"}, {"name": "pmgr", "voltage-states9": mac.voltage_states}],
        }
        U32.from_address(iterator).value = new_entry(iter(services.get(wanted, [])))
        return port

    def child_iterator(entry: int, plane: bytes, iterator: int) -> int:
        U32.from_address(iterator).value = new_entry(iter(mac.entries[entry].get("clients", [])))
        return 0 if plane == b"IOService" else 1

    def next_entry(iterator: int) -> int:
        entry = next(mac.entries[iterator], None)
        return 0 if entry is None else new_entry(entry)

    def release(_number: int) -> int:
        mac.n_held -= 1
        return 0

    def name(entry: int, buffer: int) -> int:
        content = mac.entries[entry].get("name", "AGXAcceleratorG13X").encode() + b"\0"
        ctypes.memmove(buffer, content, len(content))
        return 0

    def property_of(entry: int, key: int, _allocator: int, _options: int) -> int | None:
        value = mac.entries[entry].get(mac.objects.value(key))
        return None if value is None else mac.objects.new(value)

    def opened(entry: int, task: int, _kind: int, connection: int) -> int:
        if task != 0x203 or mac.entries[entry].get("name") != "AppleSMCKeysEndpoint":
            return 5
        mac.n_connections += 1
        U32.from_address(connection).value = 0xE000_0001
        return 0

    def closed(connection: int) -> int:
        mac.n_connections -= connection == 0xE000_0001
        return 0

    return native(
        IOServiceOpen=(ctypes.c_int, [U32, U32, U32, ADDRESS], opened),
        IOServiceClose=(ctypes.c_int, [U32], closed),
        IOConnectCallStructMethod=(
            ctypes.c_int,
            [U32, U32, ADDRESS, SIZE, ADDRESS, ADDRESS],
            lambda *arguments: _smc_answer(mac, *arguments),
        ),
        IOServiceMatching=(ADDRESS, [C_STRING], lambda name: mac.objects.new({"IOProviderClass": name.decode()})),
        IOServiceGetMatchingServices=(ctypes.c_int, [U32, ADDRESS, ADDRESS], matching_services),
        IOIteratorNext=(U32, [U32], next_entry),
        IOObjectRelease=(ctypes.c_int, [U32], release),
        IORegistryEntryGetName=(ctypes.c_int, [U32, ADDRESS], name),
        IORegistryEntryGetChildIterator=(ctypes.c_int, [U32, C_STRING, ADDRESS], child_iterator),
        IORegistryEntryCreateCFProperty=(ADDRESS, [U32, ADDRESS, ADDRESS, U32], property_of),
    )


def _smc_answer(
    mac: FakeMac, connection: int, selector: int, asked: int, n_asked: int, answer: int, n_answer: int
) -> int:
    if (connection, selector, n_asked, SIZE.from_address(n_answer).value) != (0xE000_0001, 2, 80, 80):
        return 5
    question = ctypes.string_at(asked, 80)
    code, n_bytes, command, number = (
        question[0:4],
        int.from_bytes(question[28:32], "little"),
        question[42],
        int.from_bytes(question[44:48], "little"),
    )
    names = sorted(mac.sensors)
    known = {"#KEY": ("ui32", len(names).to_bytes(4, "big"))} | mac.sensors
    name = code[::-1].decode("latin-1")
    told = bytearray(80)
    if command == 8 and number < len(names):
        told[0:4] = names[number].encode()[::-1]
    elif command == 9 and name in known:
        told[28:32] = len(known[name][1]).to_bytes(4, "little")
        told[32:36] = known[name][0].encode()[::-1]
    elif command == 5 and name in known:
        told[48 : 48 + n_bytes] = known[name][1][:n_bytes].ljust(n_bytes, b"\0")
    else:
        told[40] = 132  # no such key
    ctypes.memmove(answer, bytes(told), 80)
    return 0


# --- IOReport


def _io_report(mac: FakeMac) -> SimpleNamespace:
    objects = mac.objects

    def channels_in_group(group: int, subgroup: int | None, _a: int, _b: int, _c: int) -> int | None:
        name = objects.value(group)
        has_any = {"Energy Model": mac.energy, "GPU Stats": mac.residencies}.get(name)
        if not has_any or (subgroup is not None and objects.value(subgroup) != "GPU Performance States"):
            return None
        return objects.new({"group": name, "IOReportChannels": []})

    def subscription(_a: int, channels: int, subscribed: int, _d: int, _e: int) -> int:
        U64.from_address(subscribed).value = channels
        return objects.new("subscription")

    def samples(_subscription: int, channels: int, _c: int) -> int:
        group = objects.value(channels)["group"]
        place = mac.n_samples.get(group, 0)
        mac.n_samples[group] = place + 1
        return objects.new({"group": group, "place": place})

    def delta(before: int, after: int, _c: int) -> int:
        first, second = objects.value(before), objects.value(after)
        channel: dict[str, Any]
        if first["group"] == "Energy Model":
            energy = [mac.energy[min(sample["place"], len(mac.energy) - 1)] for sample in (first, second)]
            channel = {"name": "GPU Energy", "unit": mac.energy_unit, "count": energy[1] - energy[0]}
        else:
            states = [mac.residencies[min(sample["place"], len(mac.residencies) - 1)] for sample in (first, second)]
            channel = {"name": "GPUPH", "states": {name: states[1][name] - states[0][name] for name in states[0]}}
        return objects.new({"IOReportChannels": [{"name": "ANE"}, channel]})

    def text(address: int, key: str) -> int | None:
        value = objects.value(address).get(key)
        return None if value is None else objects.part(address, ("text", key), value)

    def state(address: int, place: int) -> tuple[str, int]:
        return list(objects.value(address)["states"].items())[place]

    return native(
        IOReportCopyChannelsInGroup=(ADDRESS, [ADDRESS, ADDRESS, U64, U64, U64], channels_in_group),
        IOReportCreateSubscription=(ADDRESS, [ADDRESS, ADDRESS, ADDRESS, U64, ADDRESS], subscription),
        IOReportCreateSamples=(ADDRESS, [ADDRESS, ADDRESS, ADDRESS], samples),
        IOReportCreateSamplesDelta=(ADDRESS, [ADDRESS, ADDRESS, ADDRESS], delta),
        IOReportChannelGetChannelName=(ADDRESS, [ADDRESS], lambda address: text(address, "name")),
        IOReportChannelGetUnitLabel=(ADDRESS, [ADDRESS], lambda address: text(address, "unit")),
        IOReportSimpleGetIntegerValue=(I64, [ADDRESS, I32], lambda address, _b: objects.value(address)["count"]),
        IOReportStateGetCount=(I32, [ADDRESS], lambda address: len(objects.value(address)["states"])),
        IOReportStateGetNameForIndex=(
            ADDRESS,
            [ADDRESS, I32],
            lambda address, place: objects.part(address, ("state", place), state(address, place)[0]),
        ),
        IOReportStateGetResidency=(I64, [ADDRESS, I32], lambda address, place: state(address, place)[1]),
    )


# --- Metal


def _objc(mac: FakeMac) -> SimpleNamespace:
    selectors: dict[int, bytes] = {}

    def register(name: bytes) -> int:
        selectors[0x7_0000_0010] = name
        return 0x7_0000_0010

    def release(device: int) -> None:
        mac._released_metal += device == 0x6_0000_0040

    def send(device: int, selector: int) -> int:
        is_known = device == 0x6_0000_0040 and selectors.get(selector) == b"recommendedMaxWorkingSetSize"
        return (mac.working_set or 0) if is_known else 13

    return native(
        sel_registerName=(ADDRESS, [C_STRING], register),
        objc_release=(None, [ADDRESS], release),
        objc_msgSend=(U64, [ADDRESS, ADDRESS], send),
    )


def _metal(mac: FakeMac) -> SimpleNamespace:
    device = None if mac.working_set is None else 0x6_0000_0040
    return native(MTLCreateSystemDefaultDevice=(ADDRESS, [], lambda: device))


_LIBRARIES: dict[str, Callable[[FakeMac], SimpleNamespace]] = {
    "libSystem.B.dylib": _lib_system,
    "CoreFoundation": _core_foundation,
    "IOKit": _io_kit,
    "libIOReport.dylib": _io_report,
    "libobjc.A.dylib": _objc,
    "CoreGraphics": lambda _mac: SimpleNamespace(),
    "Metal": _metal,
}

"""The graphics adapters of Windows: their names, memory sizes and places on the PCI bus.

Not run on Windows. Interfaces, the places of their methods and the structures are from dxgi.h, dxgi1_4.h, dxcore.h and
dxcore_interface.h (github.com/microsoft/DirectX-Headers) and d3dkmthk.h (Windows SDK; in winsiderss/systeminformer).

- DXGI lists the adapters (``IDXGIFactory1::EnumAdapters1``, ``IDXGIAdapter1::GetDesc1``) and tells how much of the
  local memory this program may have now (``IDXGIAdapter3::QueryVideoMemoryInfo``). It needs no rights.
- DXCore tells whether the GPU is integrated, and the driver's version. Windows before 10 2004 has none.
- D3DKMT tells bus, device and function, by which NVML knows the same card. Names will not do: on an RTX Spark NVML says
  "JMJWOA-Generic-GPU" and DXGI "RTX Spark GPU" (github.com/openclaw/openclaw-windows-node/pull/1237, 2026-08-26).
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from probes.com import GUID, POINTER, RESULT, ComObject, guid, new_object
from probes.libraries import Prototypes, declare
from records.record import record

if TYPE_CHECKING:
    from probes.access import Load

DXGI, DXCORE, GDI = "dxgi.dll", "dxcore.dll", "gdi32.dll"

_FACTORY = guid("770aae78-f26f-4dba-a829-253c83d1b387")  # IDXGIFactory1
_ADAPTER_3 = guid("645967a4-1392-4310-a798-8053ce3e93fd")  # IDXGIAdapter3
_CORE_FACTORY = guid("78ee5945-c36e-4b13-a669-005dd11c0f06")  # IDXCoreAdapterFactory
_CORE_ADAPTER = guid("f0db4c7f-fe5a-42a2-bd62-f2a6cf6fc83e")  # IDXCoreAdapter

# Places in the tables. IUnknown has 3 methods, IDXGIObject 4 more, IDXGIFactory 5, IDXGIAdapter 3.
_ENUM_ADAPTERS_1, _IS_CURRENT = 12, 13
_GET_DESC_1, _QUERY_VIDEO_MEMORY_INFO = 10, 14
_GET_ADAPTER_BY_LUID, _GET_PROPERTY = 4, 6

_SOFTWARE_OR_REMOTE = 3  # DXGI_ADAPTER_FLAG_REMOTE | DXGI_ADAPTER_FLAG_SOFTWARE
_LOCAL = 0  # DXGI_MEMORY_SEGMENT_GROUP_LOCAL
_DRIVER_VERSION, _IS_INTEGRATED = 1, 12  # DXCoreAdapterProperty
_ADAPTER_ADDRESS = 6  # KMTQAITYPE_ADAPTERADDRESS
_MOST_ADAPTERS = 64
_MOST_BYTES = 2**63 - 1
SMALL_CARVE_OUT_BYTES = 512 * 1024**2
"""Where Windows does not say it: a GPU with no more memory of its own is taken for an integrated one (ASSUMED)."""


class _Luid(ctypes.Structure):
    _fields_ = (("low", ctypes.c_uint32), ("high", ctypes.c_int32))


class _Description(ctypes.Structure):
    """``DXGI_ADAPTER_DESC1``. Windows' characters have 16 bits, those of ctypes elsewhere 32."""

    _fields_ = (
        ("name", ctypes.c_uint16 * 128),
        ("vendor_id", ctypes.c_uint32),
        ("device_id", ctypes.c_uint32),
        ("subsystem_id", ctypes.c_uint32),
        ("revision", ctypes.c_uint32),
        ("dedicated_video_memory", ctypes.c_size_t),
        ("dedicated_system_memory", ctypes.c_size_t),
        ("shared_system_memory", ctypes.c_size_t),
        ("luid", _Luid),
        ("flags", ctypes.c_uint32),
    )


class _VideoMemory(ctypes.Structure):
    """``DXGI_QUERY_VIDEO_MEMORY_INFO``."""

    _fields_ = (
        ("budget", ctypes.c_uint64),
        ("current_usage", ctypes.c_uint64),
        ("available_for_reservation", ctypes.c_uint64),
        ("current_reservation", ctypes.c_uint64),
    )


class _OpenAdapter(ctypes.Structure):
    """``D3DKMT_OPENADAPTERFROMLUID``."""

    _fields_ = (("luid", _Luid), ("adapter", ctypes.c_uint32))


class _QueryAdapter(ctypes.Structure):
    """``D3DKMT_QUERYADAPTERINFO``."""

    _fields_ = (
        ("adapter", ctypes.c_uint32),
        ("kind", ctypes.c_uint32),
        ("answer", ctypes.c_void_p),
        ("n_bytes", ctypes.c_uint32),
    )


class _CloseAdapter(ctypes.Structure):
    _fields_ = (("adapter", ctypes.c_uint32),)


class _Address(ctypes.Structure):
    """``D3DKMT_ADAPTERADDRESS``."""

    _fields_ = (("bus", ctypes.c_uint32), ("device", ctypes.c_uint32), ("function", ctypes.c_uint32))


_PROTOTYPES: Prototypes = {"CreateDXGIFactory1": (RESULT, [GUID, POINTER])}
_CORE_PROTOTYPES: Prototypes = {"DXCoreCreateAdapterFactory": (RESULT, [GUID, POINTER])}
_KERNEL_PROTOTYPES: Prototypes = {
    "D3DKMTOpenAdapterFromLuid": (RESULT, [POINTER]),
    "D3DKMTQueryAdapterInfo": (RESULT, [POINTER]),
    "D3DKMTCloseAdapter": (RESULT, [POINTER]),
}


@record(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One adapter, as Windows describes it. Sizes that it does not tell are 0, as it says itself."""

    luid: int
    """The number by which Windows knows it until the next start; the counters name it too."""
    name: str
    vendor_id: int
    dedicated_bytes: int
    """Its own memory: a card's, or what the firmware took from the RAM for it."""
    shared_limit_bytes: int
    """The most of the host's RAM that it may use beside."""
    is_integrated: bool
    budget_bytes: int | None = None
    """Of its local memory, what Windows would let one more program have now."""
    bus_address: str | None = None
    driver_version: str | None = None


class Adapters:
    """The list of adapters, which is made anew when Windows says that it has changed."""

    def __init__(self, load: Load) -> None:
        """Raises OSError or AttributeError where this is no Windows with DXGI."""
        self._create = declare(load(DXGI), _PROTOTYPES)["CreateDXGIFactory1"]
        self._core = _Core(load)
        self._kernel = _Kernel(load)
        self._factory: ComObject | None = None
        self._told: dict[int, tuple[bool | None, str | None, str | None]] = {}
        """What does not change while the list stays the same: LUID -> integrated, driver, bus."""

    def listed(self) -> tuple[Adapter, ...]:
        """All that draw; software and remote ones left out.

        Raises:
            OSError: DXGI gives no list.
        """
        if self._factory is not None and not self._factory.call(_IS_CURRENT, ctypes.c_int32, []):
            self.close()
        if self._factory is None:
            self._factory = new_object(lambda address: self._create(_FACTORY, address))
        if self._factory is None:
            raise OSError("DXGI gives no list of adapters")
        found: list[Adapter] = []
        for number in range(_MOST_ADAPTERS):
            adapter = self._factory.new_object(_ENUM_ADAPTERS_1, [ctypes.c_uint32], number)
            if adapter is None:
                break
            with adapter:
                described = self._described(adapter)
            if described is not None:
                found.append(described)
        return tuple(found)

    def close(self) -> None:
        factory, self._factory = self._factory, None
        self._told.clear()
        if factory is not None:
            with factory:
                """Nothing but giving it back."""
        self._core.close()

    def _described(self, adapter: ComObject) -> Adapter | None:
        description = _Description()
        failed = adapter.call(_GET_DESC_1, RESULT, [POINTER], ctypes.addressof(description)) < 0
        if failed or description.flags & _SOFTWARE_OR_REMOTE:
            return None
        luid = (description.luid.high & 0xFFFFFFFF) << 32 | description.luid.low
        if luid not in self._told:
            self._told[luid] = (*self._core.told(description.luid), self._kernel.bus_address(description.luid))
        is_integrated, driver_version, bus_address = self._told[luid]
        dedicated_bytes = min(description.dedicated_video_memory, _MOST_BYTES)
        if is_integrated is None:
            is_integrated = dedicated_bytes <= SMALL_CARVE_OUT_BYTES
        return Adapter(
            luid=luid,
            name=_name(description.name),
            vendor_id=description.vendor_id,
            dedicated_bytes=dedicated_bytes,
            shared_limit_bytes=min(description.shared_system_memory, _MOST_BYTES),
            is_integrated=is_integrated,
            budget_bytes=_budget_bytes(adapter),
            bus_address=bus_address,
            driver_version=driver_version,
        )


def _name(characters: Any) -> str:
    text = bytes(memoryview(characters).cast("B")).decode("utf-16-le", "replace")
    return text.partition("\0")[0].strip() or "GPU"


def _budget_bytes(adapter: ComObject) -> int | None:
    newer = adapter.as_interface(_ADAPTER_3)
    if newer is None:
        return None
    memory = _VideoMemory()
    with newer:
        arguments = [ctypes.c_uint32, ctypes.c_int32, POINTER]
        failed = newer.call(_QUERY_VIDEO_MEMORY_INFO, RESULT, arguments, 0, _LOCAL, ctypes.addressof(memory)) < 0
    return None if failed or not 0 < memory.budget <= _MOST_BYTES else memory.budget


class _Core:
    """DXCore, where there is one."""

    def __init__(self, load: Load) -> None:
        self._factory: ComObject | None = None
        self._create: Any = None
        try:
            self._create = declare(load(DXCORE), _CORE_PROTOTYPES)["DXCoreCreateAdapterFactory"]
        except (OSError, AttributeError):
            return

    def told(self, luid: _Luid) -> tuple[bool | None, str | None]:
        """Whether the GPU is integrated, and the version of its driver."""
        if self._create is None:
            return None, None
        if self._factory is None:
            self._factory = new_object(lambda address: self._create(_CORE_FACTORY, address))
        if self._factory is None:
            return None, None
        # A reference to the LUID, which C++ passes as its address.
        by_luid = [POINTER, GUID]
        adapter = self._factory.new_object(_GET_ADAPTER_BY_LUID, by_luid, ctypes.addressof(luid), _CORE_ADAPTER)
        if adapter is None:
            return None, None
        with adapter:
            truth = _property(adapter, _IS_INTEGRATED, ctypes.c_uint8())
            version = _property(adapter, _DRIVER_VERSION, ctypes.c_uint64())
        return None if truth is None else bool(truth), _version(version)

    def close(self) -> None:
        factory, self._factory = self._factory, None
        if factory is not None:
            with factory:
                """Nothing but giving it back."""


def _property(adapter: ComObject, number: int, value: ctypes.c_uint8 | ctypes.c_uint64) -> int | None:
    arguments = [ctypes.c_uint32, ctypes.c_size_t, POINTER]
    size = ctypes.sizeof(value)
    failed = adapter.call(_GET_PROPERTY, RESULT, arguments, number, size, ctypes.addressof(value)) < 0
    return None if failed else value.value


def _version(packed: int | None) -> str | None:
    """``32.0.15.6636`` of four numbers of 16 bits."""
    return ".".join(str(packed >> shift & 0xFFFF) for shift in (48, 32, 16, 0)) if packed else None


class _Kernel:
    """The kernel's side of the display drivers, where it answers."""

    def __init__(self, load: Load) -> None:
        try:
            self._call = declare(load(GDI), _KERNEL_PROTOTYPES)
        except (OSError, AttributeError):
            self._call = {}

    def bus_address(self, luid: _Luid) -> str | None:
        """``0000:01:00.0``. The domain is not told; it is 0 on all but servers of several (ASSUMED)."""
        opened = _OpenAdapter(luid=luid)
        if not self._call or self._call["D3DKMTOpenAdapterFromLuid"](ctypes.addressof(opened)) < 0:
            return None
        address = _Address()
        question = _QueryAdapter(
            adapter=opened.adapter,
            kind=_ADAPTER_ADDRESS,
            answer=ctypes.addressof(address),
            n_bytes=ctypes.sizeof(address),
        )
        failed = self._call["D3DKMTQueryAdapterInfo"](ctypes.addressof(question)) < 0
        closed = _CloseAdapter(adapter=opened.adapter)
        self._call["D3DKMTCloseAdapter"](ctypes.addressof(closed))
        is_address = address.bus <= 0xFF and address.device <= 0x1F and address.function <= 7
        if failed or not is_address:
            return None
        return f"0000:{address.bus:02x}:{address.device:02x}.{address.function}"

"""The calls of NVML that every reading needs, by ctypes alone; for all others, the binding nvidia-ml-py.

The binding makes 248 classes when it is imported: 9 ms of the first picture's 200, which wait until somebody looks at
details or a GPU is split. Structs, their versions and names of functions are those of nvml.h
(github.com/NVIDIA/go-nvml, gen/nvml/nvml.h), and ``tests/test_nvml_calls.py`` compares them with the binding's.
"""

from collections.abc import Callable
from ctypes import Array, Structure, byref, c_char, c_int, c_uint, c_ulonglong, c_void_p
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar

from probes import nvml_codes as codes

_INSUFFICIENT_SIZE = 7
"""NVML_ERROR_INSUFFICIENT_SIZE: the array is too short, and the count says how long it has to be."""
_TEXT_BYTES = 96
"""NVML_DEVICE_UUID_V2_BUFFER_SIZE and NVML_DEVICE_NAME_V2_BUFFER_SIZE; a driver's version has up to 80."""
_NOT_TOLD = 2**64 - 1
"""NVML_VALUE_NOT_AVAILABLE, of the memory of processes under WDDM."""
_ADDRESSING_V1, _TEMPERATURE_V1 = 0x1000008, 0x100000C
"""nvmlDeviceAddressingMode_v1 and nvmlTemperature_v1: the size of the struct, and its version in the highest byte."""
_TwoUnsigned, _ThreeInts, _Text = c_uint * 2, c_int * 3, c_char * _TEXT_BYTES
"""Types of arrays are made once: each is a circle of objects, that lies about until Python looks for such."""


class Memory(Structure):
    """nvmlMemory_t."""

    _fields_ = (("total", c_ulonglong), ("free", c_ulonglong), ("used", c_ulonglong))


class MemoryV2(Structure):
    """nvmlMemory_v2_t."""

    _fields_ = (
        ("version", c_uint),
        ("total", c_ulonglong),
        ("reserved", c_ulonglong),
        ("free", c_ulonglong),
        ("used", c_ulonglong),
    )


class Utilization(Structure):
    """nvmlUtilization_t, in per cent."""

    _fields_ = (("gpu", c_uint), ("memory", c_uint))


class Bus(Structure):
    """nvmlPciInfo_t."""

    _fields_ = (
        ("busIdLegacy", c_char * 16),
        ("domain", c_uint),
        ("bus", c_uint),
        ("device", c_uint),
        ("pciDeviceId", c_uint),
        ("pciSubSystemId", c_uint),
        ("busId", c_char * 32),
    )


class Held(Structure):
    """nvmlProcessInfo_v2_t, which is also the third."""

    _fields_ = (
        ("pid", c_uint),
        ("usedGpuMemory", c_ulonglong),
        ("gpuInstanceId", c_uint),
        ("computeInstanceId", c_uint),
    )


class Sample(Structure):
    """nvmlProcessUtilizationSample_t."""

    _fields_ = (
        ("pid", c_uint),
        ("timeStamp", c_ulonglong),
        ("smUtil", c_uint),
        ("memUtil", c_uint),
        ("encUtil", c_uint),
        ("decUtil", c_uint),
    )


_Struct = TypeVar("_Struct", Held, Sample)
"""An array of them is asked for, of a type that is kept as well."""


class Listed(NamedTuple):
    """A process, and what it holds: None where the driver does not say."""

    pid: int
    usedGpuMemory: int | None  # noqa: N815 - the field's own name


class Refusal(Exception):
    """NVML's answer is a code that is no success."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value


class Calls:
    """Stands where the binding would: functions by the same names, with the same arguments and results."""

    def __init__(self, library: Any, import_binding: Callable[[], Any]) -> None:
        """``library`` is the driver's, loaded; what ``import_binding`` gives is started only for what is not here."""
        self._library = library
        self._import_binding = import_binding
        self._binding: Any = None
        self._is_binding_started = False

    @property
    def NVMLError(self) -> tuple[type[Exception], ...]:  # noqa: N802 - the binding's name
        """What a call may raise."""
        return (Refusal,) if self._binding is None else (Refusal, self._binding.NVMLError)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Raises AttributeError where neither has that function."""
        ask = OWN.get(name)
        if ask is None:
            function: Callable[..., Any] = getattr(self._started_binding(), name)
            return function
        found = partial(ask, self)
        setattr(self, name, found)  # the next time it is there at once
        return found

    def shut_down(self) -> None:
        """NVML counts starts: the binding's own one is given back, too, and neither keeps the other from it."""
        for name in OWN:  # each holds this in turn
            vars(self).pop(name, None)
        try:
            if self._is_binding_started:
                self._is_binding_started = False
                self._binding.nvmlShutdown()
        finally:
            self.ask("nvmlShutdown")

    def _started_binding(self) -> Any:
        if self._binding is None:
            self._binding = self._import_binding()
        if not self._is_binding_started:
            try:
                self._binding.nvmlInit()
                self._is_binding_started = True
            except self._binding.NVMLError:
                pass  # then the function that is wanted is refused as well, and that is told
        return self._binding

    def ask(self, symbol: str, *arguments: Any) -> None:
        """Raises Refusal, also where the driver is too old for the function."""
        code = self.code(symbol, *arguments)
        if code != codes.SUCCESS:
            raise Refusal(code)

    def code(self, symbol: str, *arguments: Any) -> int:
        """What the driver answers."""
        try:
            function = getattr(self._library, symbol)
        except AttributeError:
            return codes.FUNCTION_NOT_FOUND
        code: int = function(*arguments)
        return code


def _handle(calls: Calls, index: int) -> c_void_p:
    found = c_void_p()
    calls.ask("nvmlDeviceGetHandleByIndex_v2", c_uint(index), byref(found))
    return found


def _number(symbol: str, calls: Calls, *arguments: Any) -> int:
    found = c_uint()
    calls.ask(symbol, *arguments, byref(found))
    return found.value


def _pair(symbol: str, calls: Calls, handle: Any) -> tuple[int, int]:
    first, second = c_uint(), c_uint()
    calls.ask(symbol, handle, byref(first), byref(second))
    return first.value, second.value


def _number_of(symbol: str, calls: Calls, handle: Any, kind: int) -> int:
    return _number(symbol, calls, handle, c_uint(kind))


def _text(symbol: str, calls: Calls, *handle: Any) -> bytes:
    found = _Text()
    calls.ask(symbol, *handle, found, c_uint(_TEXT_BYTES))
    return found.value


def _memory(calls: Calls, handle: Any, version: int | None = None) -> Memory | MemoryV2:
    if version is None:
        first = Memory()
        calls.ask("nvmlDeviceGetMemoryInfo", handle, byref(first))
        return first
    second = MemoryV2(version=version)
    calls.ask("nvmlDeviceGetMemoryInfo_v2", handle, byref(second))
    return second


def _filled(symbol: str, kind: type[Structure], calls: Calls, handle: Any) -> Structure:
    found = kind()
    calls.ask(symbol, handle, byref(found))
    return found


def _temperature(calls: Calls, handle: Any, sensor: int) -> int:
    words = _ThreeInts(_TEMPERATURE_V1, sensor, 0)
    calls.ask("nvmlDeviceGetTemperatureV", handle, words)
    return words[2]


def _addressing(calls: Calls, handle: Any) -> int:
    words = _TwoUnsigned(_ADDRESSING_V1, 0)
    calls.ask("nvmlDeviceGetAddressingMode", handle, words)
    return words[1]


def _listed(symbol: str, calls: Calls, handle: Any) -> list[Listed]:
    count = c_uint(0)
    code = calls.code(symbol, handle, byref(count), None)
    if code == codes.SUCCESS:  # there is none
        return []
    if code != _INSUFFICIENT_SIZE:
        raise Refusal(code)
    found = _array(Held, count.value * 2 + 5)  # more may come in between
    count.value = len(found)
    calls.ask(symbol, handle, byref(count), found)
    return [Listed(held.pid, _told(held.usedGpuMemory)) for held in found[: count.value]]


def _told(n_bytes: int) -> int | None:
    return None if n_bytes == _NOT_TOLD else n_bytes


def _samples(calls: Calls, handle: Any, since_microseconds: int) -> list[Sample]:
    symbol, since, count = "nvmlDeviceGetProcessUtilization", c_ulonglong(since_microseconds), c_uint(0)
    code = calls.code(symbol, handle, None, byref(count), since)
    if code != _INSUFFICIENT_SIZE:
        raise Refusal(code)  # also of SUCCESS, as the binding does: there is none
    found = _array(Sample, count.value)
    count.value = len(found)
    calls.ask(symbol, handle, found, byref(count), since)
    return found[: count.value]


def _array(kind: type[_Struct], n_items: int) -> Array[_Struct]:
    """Room for so many, or for up to twice as many: of powers of two there are few."""
    return _array_type(kind, 1 << max(4, (n_items - 1).bit_length()))()


@lru_cache(maxsize=32)
def _array_type(kind: type[_Struct], n_items: int) -> type[Array[_Struct]]:
    return kind * n_items


_NUMBERS = (
    "nvmlSystemGetCudaDriverVersion_v2",
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetEnforcedPowerLimit",
    "nvmlDeviceGetNumGpuCores",
    "nvmlDeviceGetMemoryBusWidth",
)
_NUMBERS_OF_A_KIND = ("nvmlDeviceGetMaxClockInfo", "nvmlDeviceGetTemperature")
_PAIRS = ("nvmlDeviceGetMigMode", "nvmlDeviceGetCudaComputeCapability")
_TEXTS = ("nvmlSystemGetDriverVersion", "nvmlDeviceGetUUID", "nvmlDeviceGetName")
_LISTS = tuple(f"nvmlDeviceGet{kind}RunningProcesses_v3" for kind in ("Compute", "Graphics", "MPSCompute"))
OWN: dict[str, Callable[..., Any]] = {
    "nvmlInit": lambda calls: calls.ask("nvmlInitWithFlags", c_uint(0)),
    "nvmlShutdown": Calls.shut_down,
    "nvmlDeviceGetCount": partial(_number, "nvmlDeviceGetCount_v2"),
    "nvmlDeviceGetHandleByIndex": _handle,
    "nvmlDeviceGetMemoryInfo": _memory,
    "nvmlDeviceGetUtilizationRates": partial(_filled, "nvmlDeviceGetUtilizationRates", Utilization),
    "nvmlDeviceGetPciInfo": partial(_filled, "nvmlDeviceGetPciInfo_v3", Bus),
    "nvmlDeviceGetTemperatureV": _temperature,
    "nvmlDeviceGetAddressingMode": _addressing,
    "nvmlDeviceGetProcessUtilization": _samples,
    **{name: partial(_number, name) for name in _NUMBERS},
    **{name: partial(_number_of, name) for name in _NUMBERS_OF_A_KIND},
    **{name: partial(_pair, name) for name in _PAIRS},
    **{name: partial(_text, name) for name in _TEXTS},
    **{name: partial(_listed, name) for name in _LISTS},
}
"""By the binding's names. Each is given the calls, and then what the binding's would be given."""

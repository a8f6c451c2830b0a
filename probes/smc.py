"""Temperature of a Mac's GPU from its system management controller, without root.

Not run on a Mac. The controller's keys have no document: the question's layout, its commands and the meaning of "Tg"
are those that macmon (src_lib/sources.rs and metrics.rs, 2026-08), Stats and smcFanControl agree on. From macOS 14 on
the keys are there; on others, and where the controller can't be opened, there is no temperature.

Keys are numbered in the order of their names, so those of the GPU are found by halving; that is checked as it goes.
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING, Any

from probes.libraries import Prototypes, declare

if TYPE_CHECKING:
    from probes.io_registry import IoRegistry

_READ, _KEY_AT, _KEY_INFO = 5, 8, 9
_SELECTOR = 2
_MOST_KEYS = 1 << 16
_MOST_SENSORS = 32
_MOST_CELSIUS = 150.0
"""What a sensor gives that is not there is 0, or far above this."""

_IO_KIT: Prototypes = {
    "IOServiceOpen": (
        ctypes.c_int,
        [ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32)],
    ),
    "IOServiceClose": (ctypes.c_int, [ctypes.c_uint32]),
    "IOConnectCallStructMethod": (
        ctypes.c_int,
        [
            ctypes.c_uint32,
            ctypes.c_uint32,
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_void_p,
            ctypes.POINTER(ctypes.c_size_t),
        ],
    ),
}
_SYSTEM: Prototypes = {"mach_task_self": (ctypes.c_uint32, [])}


class _Version(ctypes.Structure):
    _fields_ = (("numbers", ctypes.c_uint8 * 4), ("release", ctypes.c_uint16))


class _Limits(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint16), ("length", ctypes.c_uint16), ("limits", ctypes.c_uint32 * 3))


class _Info(ctypes.Structure):
    _fields_ = (("n_bytes", ctypes.c_uint32), ("kind", ctypes.c_uint32), ("attributes", ctypes.c_uint8))


class _Question(ctypes.Structure):
    """What is asked and, in the same form, the answer: 80 bytes."""

    _fields_ = (
        ("key", ctypes.c_uint32),
        ("version", _Version),
        ("limits", _Limits),
        ("info", _Info),
        ("result", ctypes.c_uint8),
        ("status", ctypes.c_uint8),
        ("command", ctypes.c_uint8),
        ("number", ctypes.c_uint32),
        ("content", ctypes.c_uint8 * 32),
    )


class Smc:
    """The controller's sensors of the GPU. None where it has none, or cannot be opened."""

    def __init__(self, io_kit: Any, system: Any, registry: IoRegistry) -> None:
        """``io_kit`` and ``system`` are handles to IOKit and libSystem.

        Raises:
            AttributeError: one of them lacks a function.
        """
        self._call = declare(io_kit, _IO_KIT)
        task = declare(system, _SYSTEM)["mach_task_self"]()
        self._connection = 0
        with registry.services("AppleSMC") as entries:
            for entry in entries:
                if registry.name(entry) == "AppleSMCKeysEndpoint" and not self._connection:
                    connection = ctypes.c_uint32()
                    failed = self._call["IOServiceOpen"](entry, task, 0, ctypes.byref(connection))
                    self._connection = 0 if failed else connection.value
        self._sensors = self._gpu_sensors() if self._connection else ()

    def gpu_celsius(self) -> float | None:
        """The mean of all sensors of the GPU that tell something."""
        readings = [value for sensor in self._sensors if (value := self._float(sensor)) is not None]
        sensible = [value for value in readings if 0 < value <= _MOST_CELSIUS]  # false for NaN too
        return sum(sensible) / len(sensible) if sensible else None

    def close(self) -> None:
        """Later questions have no answer."""
        connection, self._connection, self._sensors = self._connection, 0, ()
        if connection:
            self._call["IOServiceClose"](connection)

    def _gpu_sensors(self) -> tuple[int, ...]:
        """The keys that begin with ``Tg`` and hold a number with a fraction."""
        content = self._content(_code(b"#KEY"), 4)
        n_keys = min(int.from_bytes(content, "big"), _MOST_KEYS) if content else 0
        low, high = 0, n_keys
        while low < high:
            middle = (low + high) // 2
            key = self._key_at(middle)
            if key is None:
                return ()
            low, high = (middle + 1, high) if key < _code(b"Tg\0\0") else (low, middle)
        sensors: list[int] = []
        for number in range(low, n_keys):
            key = self._key_at(number)
            if key is None or key >> 16 != _code(b"Tg\0\0") >> 16 or len(sensors) == _MOST_SENSORS:
                break
            if self._info(key) == (4, _code(b"flt ")):
                sensors.append(key)
        return tuple(sensors)

    def _float(self, key: int) -> float | None:
        content = self._content(key, 4)
        found: float | None = None if content is None else struct.unpack("<f", content)[0]
        return found

    def _key_at(self, number: int) -> int | None:
        answer = self._asked(command=_KEY_AT, number=number)
        return None if answer is None else answer.key

    def _info(self, key: int) -> tuple[int, int] | None:
        """How many bytes the key holds, and of what kind."""
        answer = self._asked(command=_KEY_INFO, key=key)
        return None if answer is None else (answer.info.n_bytes, answer.info.kind)

    def _content(self, key: int, n_bytes: int) -> bytes | None:
        answer = self._asked(command=_READ, key=key, info=_Info(n_bytes=n_bytes))
        return None if answer is None else bytes(answer.content[:n_bytes])

    def _asked(self, **question: Any) -> _Question | None:
        asked, answer = _Question(**question), _Question()
        n_bytes = ctypes.c_size_t(ctypes.sizeof(answer))
        failed = self._call["IOConnectCallStructMethod"](
            self._connection,
            _SELECTOR,
            ctypes.byref(asked),
            ctypes.sizeof(asked),
            ctypes.byref(answer),
            ctypes.byref(n_bytes),
        )
        return None if failed or answer.result else answer


def _code(name: bytes) -> int:
    """Four characters as the number by which the controller knows them."""
    return int.from_bytes(name, "big")

"""Objects of Windows' component model: a pointer to a table of functions, called by their place in it.

Of 64-bit Windows only, where there is one calling convention (learn.microsoft.com/cpp/build/x64-calling-convention and
arm64-windows-abi-conventions), so a C prototype serves for functions and methods alike.
"""

from __future__ import annotations

import ctypes
from typing import Any

RESULT = ctypes.c_int32
"""HRESULT: negative where the call failed."""
POINTER = ctypes.c_void_p
GUID = ctypes.c_char_p
"""REFIID and the like: the address of 16 bytes, see ``guid``."""

_QUERY_INTERFACE, _RELEASE = 0, 2  # IUnknown


def guid(text: str) -> bytes:
    """The 16 bytes of ``770aae78-f26f-4dba-a829-253c83d1b387``: the first three parts are numbers, low byte first."""
    parts = [bytes.fromhex(part) for part in text.split("-")]
    return b"".join(part[::-1] for part in parts[:3]) + parts[3] + parts[4]


class ComObject:
    """One reference to an object, given back at the end of ``with``."""

    def __init__(self, address: int) -> None:
        self._address = address
        table = ctypes.cast(address, ctypes.POINTER(POINTER))[0]
        self._functions = ctypes.cast(table, ctypes.POINTER(POINTER))

    def __enter__(self) -> ComObject:
        return self

    def __exit__(self, *_error: object) -> None:
        self.call(_RELEASE, ctypes.c_uint32, [])

    def call(self, place: int, result: Any, arguments: list[Any], *values: Any) -> Any:
        """Call the method at that place of the table; the object itself is its first argument."""
        prototype = ctypes.CFUNCTYPE(result, POINTER, *arguments)
        return prototype(self._functions[place] or 0)(self._address, *values)

    def new_object(self, place: int, arguments: list[Any], *values: Any) -> ComObject | None:
        """What a method hands over through its last argument; None where it fails."""
        return new_object(lambda address: self.call(place, RESULT, [*arguments, POINTER], *values, address))

    def as_interface(self, interface: bytes) -> ComObject | None:
        """The same object by another interface; None where it has none such."""
        return self.new_object(_QUERY_INTERFACE, [GUID], interface)


def new_object(create: Any) -> ComObject | None:
    """What ``create`` writes to the address that it is given; None where it fails."""
    address = POINTER()
    failed = create(ctypes.addressof(address)) < 0
    return None if failed or not address.value else ComObject(address.value)

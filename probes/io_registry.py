"""The registry of macOS: services of the kernel and their properties, without starting ``ioreg``.

Not run on a Mac; prototypes are from IOKitLib.h of Apple's IOKitUser (``io_object_t`` and ``mach_port_t`` are 32 bits
wide). Clients of a GPU are no services that could be looked for by class, they are found as children of the accelerator
(142 of them, 2 ms in Swift on an M3 Max, as the author of a recorder noted on 2026-10-01).
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from probes.libraries import Prototypes, declare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from probes.core_foundation import CoreFoundation, Reference

LIBRARY = "/System/Library/Frameworks/IOKit.framework/IOKit"

_DEFAULT_PORT = 0  # kIOMainPortDefault
_SERVICE_PLANE = b"IOService"  # kIOServicePlane
_MOST_ENTRIES = 1000
_NAME_BYTES = 128  # io_name_t

_OBJECT = ctypes.c_uint32
_PROTOTYPES: Prototypes = {
    "IOServiceMatching": (ctypes.c_void_p, [ctypes.c_char_p]),
    "IOServiceGetMatchingServices": (ctypes.c_int, [_OBJECT, ctypes.c_void_p, ctypes.POINTER(_OBJECT)]),
    "IOIteratorNext": (_OBJECT, [_OBJECT]),
    "IOObjectRelease": (ctypes.c_int, [_OBJECT]),
    "IORegistryEntryGetName": (ctypes.c_int, [_OBJECT, ctypes.c_char_p]),
    "IORegistryEntryGetChildIterator": (ctypes.c_int, [_OBJECT, ctypes.c_char_p, ctypes.POINTER(_OBJECT)]),
    "IORegistryEntryCreateCFProperty": (
        ctypes.c_void_p,
        [_OBJECT, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32],
    ),
}


class IoRegistry:
    """Entries by class, their children and properties."""

    def __init__(self, library: Any, foundation: CoreFoundation) -> None:
        """``library`` is a handle to IOKit.

        Raises:
            AttributeError: it lacks a function.
        """
        self._call = declare(library, _PROTOTYPES)
        self._foundation = foundation
        self._keys: dict[str, Reference] = {}

    @contextmanager
    def services(self, class_name: str) -> Iterator[list[int]]:
        """All services of that class or one derived from it; none where they can't be listed."""
        matching = self._call["IOServiceMatching"](class_name.encode())
        iterator = _OBJECT()
        # The call takes the reference to ``matching``, so nothing is to be released here.
        failed = matching is None or self._call["IOServiceGetMatchingServices"](
            _DEFAULT_PORT, matching, ctypes.byref(iterator)
        )
        with self._listed(0 if failed else iterator.value) as entries:
            yield entries

    @contextmanager
    def children(self, entry: int) -> Iterator[list[int]]:
        iterator = _OBJECT()
        failed = self._call["IORegistryEntryGetChildIterator"](entry, _SERVICE_PLANE, ctypes.byref(iterator))
        with self._listed(0 if failed else iterator.value) as entries:
            yield entries

    def name(self, entry: int) -> str | None:
        buffer = ctypes.create_string_buffer(_NAME_BYTES)
        failed = self._call["IORegistryEntryGetName"](entry, buffer)
        return None if failed else buffer.value.decode("utf-8", "replace")

    def properties(self, entry: int, names: Sequence[str]) -> dict[str, Any]:
        """Those of these properties that the entry has."""
        found = {}
        for name in names:
            reference = self._call["IORegistryEntryCreateCFProperty"](entry, self._key(name), None, 0)
            if reference is not None:
                found[name] = self._foundation.value(reference)
                self._foundation.release(reference)
        return found

    def close(self) -> None:
        """Give the names back. Later calls make them anew."""
        keys, self._keys = self._keys, {}
        for key in keys.values():
            self._foundation.release(key)

    def _key(self, name: str) -> Reference:
        if name not in self._keys:
            self._keys[name] = self._foundation.new_string(name)
        return self._keys[name]

    @contextmanager
    def _listed(self, iterator: int) -> Iterator[list[int]]:
        """What the iterator gives, all of it released afterwards, the iterator too."""
        entries: list[int] = []
        try:
            while iterator and len(entries) < _MOST_ENTRIES and (entry := self._call["IOIteratorNext"](iterator)):
                entries.append(entry)
            yield entries
        finally:
            for entry in (*entries, *((iterator,) if iterator else ())):
                self._call["IOObjectRelease"](entry)

"""Objects of Apple's CoreFoundation as Python values.

A reference is an address or None. Functions with Create or Copy in their name hand over a reference, which ``release``
gives back; those with Get lend one. Not run on a Mac; prototypes are from the headers CFBase.h, CFString.h, CFNumber.h,
CFArray.h, CFDictionary.h and CFData.h (developer.apple.com/documentation/corefoundation, 2026-11).
"""

from __future__ import annotations

import ctypes
from typing import Any

from probes.libraries import Prototypes, declare

LIBRARY = "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation"

Reference = int | None
"""The address of an object. None is NULL, which CFRelease and CFGetTypeID crash on, so it never gets there."""

_UTF8 = 0x08000100  # kCFStringEncodingUTF8
_SINT64, _FLOAT64 = 4, 6  # kCFNumberSInt64Type, kCFNumberFloat64Type
_TEXT_BYTES = 1024
_MOST_ITEMS = 10_000
"""Of one array or dictionary. A Mac has some 150 clients of its GPU, and 1,000 channels in IOReport (ASSUMED)."""
_MOST_DEPTH = 6

_ADDRESS = ctypes.c_void_p
_INDEX = ctypes.c_long  # CFIndex
_TYPE = ctypes.c_ulong  # CFTypeID
_BOOLEAN = ctypes.c_ubyte
_PROTOTYPES: Prototypes = {
    "CFRelease": (None, [_ADDRESS]),
    "CFGetTypeID": (_TYPE, [_ADDRESS]),
    "CFStringGetTypeID": (_TYPE, []),
    "CFNumberGetTypeID": (_TYPE, []),
    "CFBooleanGetTypeID": (_TYPE, []),
    "CFDataGetTypeID": (_TYPE, []),
    "CFArrayGetTypeID": (_TYPE, []),
    "CFDictionaryGetTypeID": (_TYPE, []),
    "CFStringCreateWithCString": (_ADDRESS, [_ADDRESS, ctypes.c_char_p, ctypes.c_uint32]),
    "CFStringGetCString": (_BOOLEAN, [_ADDRESS, ctypes.c_char_p, _INDEX, ctypes.c_uint32]),
    "CFNumberIsFloatType": (_BOOLEAN, [_ADDRESS]),
    "CFNumberGetValue": (_BOOLEAN, [_ADDRESS, _INDEX, _ADDRESS]),
    "CFBooleanGetValue": (_BOOLEAN, [_ADDRESS]),
    "CFDataGetLength": (_INDEX, [_ADDRESS]),
    "CFDataGetBytePtr": (_ADDRESS, [_ADDRESS]),
    "CFArrayGetCount": (_INDEX, [_ADDRESS]),
    "CFArrayGetValueAtIndex": (_ADDRESS, [_ADDRESS, _INDEX]),
    "CFDictionaryGetCount": (_INDEX, [_ADDRESS]),
    "CFDictionaryGetValue": (_ADDRESS, [_ADDRESS, _ADDRESS]),
    "CFDictionaryGetKeysAndValues": (None, [_ADDRESS, _ADDRESS, _ADDRESS]),
    "CFDictionaryCreateMutableCopy": (_ADDRESS, [_ADDRESS, _INDEX, _ADDRESS]),
}


class CoreFoundation:
    """Reads strings, numbers, booleans, data, arrays and dictionaries; any other object is None."""

    def __init__(self, library: Any) -> None:
        """``library`` is a handle to CoreFoundation.

        Raises:
            AttributeError: it lacks a function.
        """
        self._call = declare(library, _PROTOTYPES)
        self._types = {
            self._call[f"CF{kind}GetTypeID"](): reader
            for kind, reader in (
                ("String", self._text),
                ("Number", self._number),
                ("Boolean", self._truth),
                ("Data", self._data),
            )
        }
        self._array_type: int = self._call["CFArrayGetTypeID"]()
        self._dictionary_type: int = self._call["CFDictionaryGetTypeID"]()
        self._buffer = ctypes.create_string_buffer(_TEXT_BYTES)

    def new_string(self, text: str) -> Reference:
        """A string to be released; None where memory is out."""
        reference: Reference = self._call["CFStringCreateWithCString"](None, text.encode(), _UTF8)
        return reference

    def new_mutable_copy(self, dictionary: int) -> Reference:
        """A copy of a dictionary, to be released."""
        reference: Reference = self._call["CFDictionaryCreateMutableCopy"](None, 0, dictionary)
        return reference

    def release(self, reference: Reference) -> None:
        if reference is not None:
            self._call["CFRelease"](reference)

    def value(self, reference: Reference, depth: int = 0) -> Any:
        """As str, int, float, bool, bytes, list or dict; None for what is none of them or nested too deep."""
        if reference is None or depth > _MOST_DEPTH:
            return None
        kind = self._call["CFGetTypeID"](reference)
        if kind == self._array_type:
            return [self.value(item, depth + 1) for item in self.items(reference)]
        if kind == self._dictionary_type:
            return self._dictionary(reference, depth)
        reader = self._types.get(kind)
        return None if reader is None else reader(reference)

    def items(self, array: Reference) -> list[Reference]:
        """What an array holds, lent; nothing where it is no array."""
        if array is None or self._call["CFGetTypeID"](array) != self._array_type:
            return []
        n_items = min(self._call["CFArrayGetCount"](array), _MOST_ITEMS)
        return [self._call["CFArrayGetValueAtIndex"](array, index) for index in range(n_items)]

    def item(self, dictionary: Reference, key: Reference) -> Reference:
        """What stands under the key, lent; None where nothing does, or it is no dictionary."""
        if dictionary is None or key is None or self._call["CFGetTypeID"](dictionary) != self._dictionary_type:
            return None
        reference: Reference = self._call["CFDictionaryGetValue"](dictionary, key)
        return reference

    def _dictionary(self, reference: int, depth: int) -> dict[str, Any] | None:
        n_items = self._call["CFDictionaryGetCount"](reference)
        if not 0 <= n_items <= _MOST_ITEMS:
            return None
        keys, values = (ctypes.c_void_p * n_items)(), (ctypes.c_void_p * n_items)()
        self._call["CFDictionaryGetKeysAndValues"](reference, keys, values)
        found = {}
        for key, value in zip(keys, values, strict=True):
            name = self.value(key, depth + 1)
            if isinstance(name, str):
                found[name] = self.value(value, depth + 1)
        return found

    def _text(self, reference: int) -> str | None:
        is_whole = self._call["CFStringGetCString"](reference, self._buffer, _TEXT_BYTES, _UTF8)
        return self._buffer.value.decode("utf-8", "replace") if is_whole else None

    def _number(self, reference: int) -> int | float | None:
        is_float = self._call["CFNumberIsFloatType"](reference)
        number: ctypes.c_double | ctypes.c_int64 = ctypes.c_double() if is_float else ctypes.c_int64()
        kind = _FLOAT64 if is_float else _SINT64
        is_exact = self._call["CFNumberGetValue"](reference, kind, ctypes.byref(number))
        return number.value if is_exact else None

    def _truth(self, reference: int) -> bool:
        return bool(self._call["CFBooleanGetValue"](reference))

    def _data(self, reference: int) -> bytes | None:
        n_bytes = self._call["CFDataGetLength"](reference)
        address = self._call["CFDataGetBytePtr"](reference)
        return ctypes.string_at(address, n_bytes) if address is not None and 0 <= n_bytes <= _MOST_ITEMS else None

"""The most memory that Metal recommends for the whole GPU, asked of Metal itself.

``MTLDevice.recommendedMaxWorkingSetSize`` follows ``iogpu.wired_limit_mb`` both ways (llmfit pull 754; antirez/ds4
issue 890: 107.52 GiB of 128 on macOS 26, 112.00 with the limit at 114688). In a command-line program Metal finds its
device only where CoreGraphics is linked (developer.apple.com, MTLCreateSystemDefaultDevice), hence the extra library.
Not run on a Mac; prototypes are from objc/message.h, objc/runtime.h and MTLDevice.h.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from probes.libraries import Prototypes, declare

if TYPE_CHECKING:
    from probes.access import Load

_OBJC = "/usr/lib/libobjc.A.dylib"
_CORE_GRAPHICS = "/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics"
_METAL = "/System/Library/Frameworks/Metal.framework/Metal"
_MOST_BYTES = 2**63 - 1

_OBJC_PROTOTYPES: Prototypes = {
    "sel_registerName": (ctypes.c_void_p, [ctypes.c_char_p]),
    "objc_release": (None, [ctypes.c_void_p]),
    # On arm64 a variadic call passes arguments elsewhere, so this is the exact prototype of the one message sent.
    "objc_msgSend": (ctypes.c_uint64, [ctypes.c_void_p, ctypes.c_void_p]),
}
_METAL_PROTOTYPES: Prototypes = {"MTLCreateSystemDefaultDevice": (ctypes.c_void_p, [])}


class MetalDevice:
    """The system's GPU as Metal sees it. No device where Metal cannot be loaded."""

    def __init__(self, load: Load) -> None:
        self._device: int | None = None
        try:
            self._objc = declare(load(_OBJC), _OBJC_PROTOTYPES)
            load(_CORE_GRAPHICS)
            create = declare(load(_METAL), _METAL_PROTOTYPES)["MTLCreateSystemDefaultDevice"]
        except (OSError, AttributeError):
            return
        self._selector = self._objc["sel_registerName"](b"recommendedMaxWorkingSetSize")
        self._device = create()

    def working_set_bytes(self) -> int | None:
        if self._device is None:
            return None
        n_bytes: int = self._objc["objc_msgSend"](self._device, self._selector)
        return n_bytes if 0 < n_bytes <= _MOST_BYTES else None

    def close(self) -> None:
        """Give the device back: a function named Create hands over a reference. Later calls do nothing."""
        device, self._device = self._device, None
        if device is not None:
            self._objc["objc_release"](device)

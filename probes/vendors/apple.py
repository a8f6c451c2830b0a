"""Macs with Apple silicon: what the GPU holds of the unified memory, and the most that Metal lets it take. No root.

The GPU draws on the host's pool, which the host probe reports; here come the device, its part and its limit.

From documents, none of it recorded: this was written without a Mac at hand, and the property list in the tests is made
after what follows. Whoever has one can help with the output of the ``ioreg`` command below.

- ``ioreg -r -d 1 -c IOAccelerator -a`` prints a property list; PerformanceStatistics holds "In use system memory" in
  bytes and "Device Utilization %". "Alloc system memory" is no total, it fluctuates (fastfetch 1273). nvtop reads the
  same dictionary through IOKit. ``gpu-core-count`` stands beside it.
- ``MTLDevice.recommendedMaxWorkingSetSize`` is the budget of the whole GPU; it follows ``iogpu.wired_limit_mb`` both
  ways (llmfit PR 754). In a command-line program Metal finds its device only where CoreGraphics is linked
  (developer.apple.com, MTLCreateSystemDefaultDevice), hence the extra library.
- ``sysctl iogpu.wired_limit_mb``: 0 is the default heuristic, else the limit in MiB.
"""

from collections.abc import Callable, Mapping
from typing import Any

from probes.access import REAL, Access, Run
from probes.errors import ProbeUnavailable
from probes.probe import Probe
from probes.snapshot import HOST_POOL, Device, Fault, Reading
from probes.working_set import estimated_metal_bytes

_SYSCTL = "/usr/sbin/sysctl"
_ACCELERATORS = ("/usr/sbin/ioreg", "-r", "-d", "1", "-c", "IOAccelerator", "-a")
_MOST_PLIST_BYTES = 4 * 1024**2
"""Assumed: without the tree below an accelerator its property list has some ten kilobytes."""
_MOST_BYTES = 2**63 - 1
_MIB = 1024**2


def open_probe(access: Access = REAL) -> Probe:
    """The Mac's GPU.

    Raises:
        ProbeUnavailable: this is no Mac with Apple silicon.
    """
    if access.system != "darwin":
        raise ProbeUnavailable("this is no Mac with Apple silicon", is_expected=True)
    return _open_on_mac(access)


def _open_on_mac(access: Access) -> Probe:
    import platform  # noqa: PLC0415 - only Macs pay for it

    if platform.machine() != "arm64":
        raise ProbeUnavailable(
            "Apple GPUs are read on Apple silicon only; if this Mac has it, start a Python that is not under Rosetta",
            is_expected=True,
        )
    metal = _MetalDevice()
    return AppleProbe(run=access.run, working_set=metal.working_set_bytes, release=metal.release)


class AppleProbe:
    """One GPU, which draws on the host's pool."""

    def __init__(
        self,
        *,
        run: Run,
        working_set: Callable[[], int | None],
        release: Callable[[], None] = lambda: None,
    ) -> None:
        """``working_set`` asks Metal: bytes, or None where it does not answer."""
        self._run = run
        self._working_set = working_set
        self._release = release
        self._total_bytes = _whole_number(self._sysctl("hw.memsize"))
        self._name = _text(self._sysctl("machdep.cpu.brand_string")) or "Apple GPU"

    def sample(self) -> Reading:
        faults: list[Fault] = []
        properties = self._properties(faults)
        limit_bytes = self._limit_bytes(faults)
        device = _device(self._name, properties, limit_bytes)
        if properties and device.used_bytes is None:
            faults.append(_fault("macOS reports no GPU memory in use; what the GPU holds is not known here"))
        return Reading(devices=(device,), faults=tuple(faults))

    def close(self) -> None:
        self._release()

    def _properties(self, faults: list[Fault]) -> Mapping[str, Any]:
        """The accelerator's property list, empty where it cannot be read."""
        try:
            return accelerator_properties(self._run(_ACCELERATORS))
        except (OSError, ValueError) as error:
            faults.append(_fault(f"{_ACCELERATORS[0]}: {error}; what the GPU holds is not known now"))
            return {}

    def _limit_bytes(self, faults: list[Fault]) -> int | None:
        limit_bytes = self._working_set()
        if limit_bytes is not None and limit_bytes > 0:
            return limit_bytes
        wired_mib = _whole_number(self._sysctl("iogpu.wired_limit_mb"))
        if wired_mib:
            faults.append(_fault("Metal does not say its limit; iogpu.wired_limit_mb is shown instead"))
            return min(wired_mib * _MIB, self._total_bytes or _MOST_BYTES)
        if self._total_bytes is None:
            faults.append(_fault("neither Metal nor sysctl hw.memsize answers; the GPU's limit is not known"))
            return None
        faults.append(_fault("Metal does not say its limit; the limit shown is estimated from the size of the RAM"))
        return estimated_metal_bytes(self._total_bytes)

    def _sysctl(self, name: str) -> bytes:
        """What sysctl prints, or nothing where this system has no such value."""
        try:
            return self._run((_SYSCTL, "-n", name))
        except OSError:
            return b""


def _fault(message: str) -> Fault:
    return Fault(probe="apple", message=message)


def _device(name: str, properties: Mapping[str, Any], limit_bytes: int | None) -> Device:
    statistics = properties.get("PerformanceStatistics")
    figures: Mapping[str, Any] = statistics if isinstance(statistics, dict) else {}
    percent = _count(figures.get("Device Utilization %"))
    return Device(
        key="apple-0",  # unlike cards, the GPU of a Mac has no identity but the machine's
        name=name,
        vendor="apple",
        index=0,
        pool_key=HOST_POOL,
        used_bytes=_count(figures.get("In use system memory")),
        limit_bytes=limit_bytes,
        utilization_ratio=None if percent is None else min(percent, 100) / 100,
        n_multiprocessors=_count(properties.get("gpu-core-count")) or None,
    )


def accelerator_properties(plist: bytes) -> Mapping[str, Any]:
    """The first accelerator with statistics in what ``ioreg -a`` printed.

    Raises:
        ValueError: it is no property list, or holds no accelerator.
    """
    import plistlib  # noqa: PLC0415 - 12 ms, and only Macs pay
    from xml.parsers.expat import ExpatError  # noqa: PLC0415 - comes with plistlib

    if len(plist) > _MOST_PLIST_BYTES:
        raise ValueError(f"a property list of {len(plist)} bytes is too long")
    try:
        entries = plistlib.loads(plist, fmt=plistlib.FMT_XML)
    except (ExpatError, ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        # plistlib has no error of its own for XML: a bad <date>, for one, is an AttributeError in Python 3.11.
        raise ValueError(f"not a property list ({type(error).__name__})") from error
    found = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    if not found:
        raise ValueError("no accelerator is listed, as in a virtual machine")
    return next((entry for entry in found if isinstance(entry.get("PerformanceStatistics"), dict)), found[0])


def _count(value: object) -> int | None:
    """The value where it is a sensible count; anything else in a property list is as good as not reported."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_BYTES else None


def _whole_number(printed: bytes) -> int | None:
    digits = printed.strip()
    return int(digits) if digits.isdigit() and len(digits) <= 18 else None


def _text(printed: bytes) -> str:
    return printed[:200].decode("utf-8", "replace").strip()


class _MetalDevice:
    """The system's GPU as Metal sees it, through the Objective-C runtime. No device where Metal cannot be loaded."""

    def __init__(self) -> None:
        import ctypes  # noqa: PLC0415 - 3 ms, and only Macs pay

        self._device: int | None = None
        try:
            objc = ctypes.CDLL("/usr/lib/libobjc.A.dylib")
            ctypes.CDLL("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics")
            metal = ctypes.CDLL("/System/Library/Frameworks/Metal.framework/Metal")
            create = metal.MTLCreateSystemDefaultDevice
            register = objc.sel_registerName
            release = objc.objc_release
            # On arm64 a variadic call passes arguments elsewhere, so the message is sent through an exact prototype.
            prototype = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p)
            send = prototype(("objc_msgSend", objc))
        except (OSError, AttributeError):
            return
        create.argtypes, create.restype = [], ctypes.c_void_p
        register.argtypes, register.restype = [ctypes.c_char_p], ctypes.c_void_p
        release.argtypes, release.restype = [ctypes.c_void_p], None
        self._selector = register(b"recommendedMaxWorkingSetSize")
        self._send = send
        self._objc_release = release
        self._device = create()

    def working_set_bytes(self) -> int | None:
        if self._device is None:
            return None
        n_bytes: int = self._send(self._device, self._selector)
        return n_bytes if 0 < n_bytes <= _MOST_BYTES else None

    def release(self) -> None:
        """Give the device back: a function named Create hands over a reference. Later calls do nothing."""
        device, self._device = self._device, None
        if device is not None:
            self._objc_release(device)

"""Whether there is an NVIDIA driver at all: its library, its kernel module, and GPUs that wait for one."""

import re
from typing import Any

from probes import nvml_codes as codes
from probes.access import Access
from probes.errors import ProbeUnavailable
from probes.pci import NVIDIA, display_controllers
from probes.sysfs import read_text

_MAPPED_BYTES = 4 * 1024**2
"""Of /proc/self/maps: a process with 20 000 mappings (ASSUMED to be more than this one ever has)."""


def load_library(access: Access) -> Any:
    """Load the driver's library, which stays loaded: the binding finds it so. Returns a handle to it.

    Raises:
        ProbeUnavailable: there is none, which is a fault only where an NVIDIA GPU waits for one.
    """
    errors = []
    for name in _library_names(access):
        try:
            return access.load(name)
        except OSError as error:
            errors.append(str(error))
    if any("No such file" not in error and "Could not find" not in error for error in errors):
        raise ProbeUnavailable(f"the NVIDIA driver's library is here and cannot be loaded: {errors[0]}")
    if has_gpu(access):
        raise ProbeUnavailable(
            "an NVIDIA GPU is here, but not NVIDIA's driver: install it; a container must be started with its GPUs "
            "(`--gpus all`)"
        )
    raise ProbeUnavailable("no NVIDIA driver is here", is_expected=True)


def _library_names(access: Access) -> tuple[str, ...]:
    """Where the binding looks, too."""
    if access.system != "win32":
        return ("libnvidia-ml.so.1",)
    windows = access.environment.get("WINDIR", "C:/Windows")
    programs = access.environment.get("ProgramFiles", "C:/Program Files")
    return (f"{windows}/System32/nvml.dll", f"{programs}/NVIDIA Corporation/NVSMI/nvml.dll")


def has_gpu(access: Access) -> bool:
    """Whether the PCI bus has an NVIDIA display controller that is not kept for a virtual machine (Linux)."""
    return any(one.driver not in ("vfio-pci", "pci-stub") for one in display_controllers(access, NVIDIA))


def start_sentence(code: int, access: Access) -> str:
    """Why NVML does not start, and what to do."""
    if code == codes.VERSION_MISMATCH:
        return _mismatch_sentence(access)
    return codes.START.get(code, codes.START_OTHERWISE.format(code=code))


def _mismatch_sentence(access: Access) -> str:
    """What helps depends on which of the two is old: the library that this program holds, or the kernel's module."""
    kernel = kernel_version(read_text(access.path("/proc/driver/nvidia/version")))
    maps = read_text(access.path("/proc/self/maps"), _MAPPED_BYTES)
    library = re.search(r"libnvidia-ml\.so\.(\d[\d.]*)( \(deleted\))?", maps or "")
    if library is not None and (library[2] or (kernel is not None and _newer(kernel, library[1]))):
        return "the NVIDIA driver was replaced while this program ran: start it again"
    versions = f" (library {library[1]}, kernel module {kernel})" if library is not None and kernel is not None else ""
    return f"{codes.START[codes.VERSION_MISMATCH]}{versions}"


def kernel_version(text: str | None) -> str | None:
    """``580.159.04`` of /proc/driver/nvidia/version, whose wording differs between the open and the closed module."""
    found = re.search(r"NVRM version:.{0,200}?\b(\d{3,4}\.\d{1,4}(?:\.\d{1,4})?)\b", text or "")
    return None if found is None else found[1]


def _newer(one: str, other: str) -> bool:
    """Whether the one version is the later: "580.159.04" and "580.95"."""
    return [int(part) for part in one.split(".") if part] > [int(part) for part in other.split(".") if part]

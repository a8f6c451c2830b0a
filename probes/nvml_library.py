"""Whether there is an NVIDIA driver at all: its library, and GPUs that wait for one."""

import ctypes
import os
import sys

from probes.errors import ProbeUnavailable
from probes.sysfs import read_text


def load_library() -> None:
    """Load the driver's library, which stays loaded: the binding finds it so.

    Raises:
        ProbeUnavailable: there is none, which is a fault only where an NVIDIA GPU waits for one.
    """
    if sys.platform == "darwin":
        raise ProbeUnavailable("no NVIDIA driver exists for macOS since 10.13", is_expected=True)
    errors = []
    for name in _library_names():
        try:
            ctypes.CDLL(name)
        except OSError as error:
            errors.append(str(error))
        else:
            return
    if any("No such file" not in error and "Could not find" not in error for error in errors):
        raise ProbeUnavailable(f"the NVIDIA driver's library is here and cannot be loaded: {errors[0]}")
    if has_gpu("/"):
        raise ProbeUnavailable(
            "an NVIDIA GPU is here, but not NVIDIA's driver: install it; a container must be started with its GPUs "
            "(`--gpus all`)"
        )
    raise ProbeUnavailable("no NVIDIA driver is here", is_expected=True)


def _library_names() -> tuple[str, ...]:
    """Where the binding looks, too."""
    if os.name != "nt":
        return ("libnvidia-ml.so.1",)
    windows = os.environ.get("WINDIR", "C:/Windows")
    programs = os.environ.get("ProgramFiles", "C:/Program Files")  # noqa: SIM112 - so Windows spells it
    return (f"{windows}/System32/nvml.dll", f"{programs}/NVIDIA Corporation/NVSMI/nvml.dll")


def has_gpu(root: str) -> bool:
    """Whether the PCI bus has an NVIDIA display controller that is not kept for a virtual machine (Linux)."""
    folder = os.path.join(root, "sys/bus/pci/devices")
    try:
        devices = [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        return False
    for device in devices:
        if read_text(f"{device}/vendor") != "0x10de" or not (read_text(f"{device}/class") or "").startswith("0x03"):
            continue
        if os.path.basename(os.path.realpath(os.path.join(device, "driver"))) not in ("vfio-pci", "pci-stub"):
            return True
    return False

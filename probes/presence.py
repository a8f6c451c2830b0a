"""Whether there is anything to read for a vendor, told by a file or two, so that one who is not there costs nothing.

No import, no process, no driver is woken: what is asked here is asked at every start and now and then later.
"""

import os
from collections.abc import Callable

from probes.access import Access
from probes.drm import AMD, cards


def _host(access: Access) -> None:  # noqa: ARG001 - there is always a host
    return None


def _nvidia(access: Access) -> str | None:
    return "no NVIDIA driver exists for macOS since 10.13" if access.system == "darwin" else None


def _apple(access: Access) -> str | None:
    return None if access.system == "darwin" else "this is no Mac with Apple silicon"


def _amd(access: Access) -> str | None:
    return _no_card(access, AMD, "AMD")


def _no_card(access: Access, vendor_id: int, name: str) -> str | None:
    if access.system != "linux":
        return f"{name} GPUs are read through Linux's graphics drivers, and this is no Linux"
    if cards(access.root.rstrip("/"), vendor_id):
        return None
    return f"no graphics driver of this Linux has an {name} GPU (/sys/class/drm lists none)"


def _gaudi(access: Access) -> str | None:
    is_here = os.path.isdir(access.path("/sys/module/habanalabs")) and _has_device(access, "/dev/accel", "/dev/hl0")
    return None if is_here else "no driver of Intel Gaudi is loaded (habanalabs)"


def _ascend(access: Access) -> str | None:
    return None if _has_device(access, "/dev/davinci_manager") else "no Ascend NPU is here (/dev/davinci_manager)"


def _qualcomm(access: Access) -> str | None:
    is_here = os.path.isdir(access.path("/sys/module/qaic")) and _has_device(access, "/dev/accel", "/dev/qaic_aic100_0")
    return None if is_here else "no driver of Qualcomm Cloud AI is loaded (qaic)"


def _tpu(access: Access) -> str | None:
    return None if _has_device(access, "/dev/accel0", "/dev/vfio") else "no TPU is here (/dev/accel0, /dev/vfio)"


def _has_device(access: Access, *paths: str) -> bool:
    return access.system == "linux" and any(os.path.exists(access.path(path)) for path in paths)


MISSING: dict[str, Callable[[Access], str | None]] = {
    "host": _host,
    "nvidia": _nvidia,
    "amd": _amd,
    "apple": _apple,
    "gaudi": _gaudi,
    "ascend": _ascend,
    "qualcomm": _qualcomm,
    "tpu": _tpu,
}
"""Vendor -> why there is nothing to read for it, or None where there may be. In the order in which they are shown."""

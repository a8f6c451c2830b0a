"""Whether there is anything to read for a vendor, told by a file or two, so that one who is not there costs nothing.

No import, no process, no driver is woken: what is asked here is asked at every start and now and then later.
"""

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


MISSING: dict[str, Callable[[Access], str | None]] = {
    "host": _host,
    "nvidia": _nvidia,
    "amd": _amd,
    "apple": _apple,
}
"""Vendor -> why there is nothing to read for it, or None where there may be. In the order in which they are shown."""

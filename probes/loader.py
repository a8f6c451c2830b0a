"""Whether a library could be loaded, told by files: a loader that looks in vain costs a vendor's imports and more.

As ld.so(8) of glibc looks. Where something else loads (musl, macOS, Windows) nobody knows without asking it.
"""

import os
import sys

from probes.access import Access
from probes.sysfs import read_bytes

_CACHE = "/etc/ld.so.cache"
_CACHE_BYTES = 4 * 1024**2
"""Larger than any (ASSUMED): of a Debian with 1,000 libraries it has 80 KiB."""
_FOLDERS = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")
"""Where glibc looks at last, without its cache; Debian's looks into a folder of the processor's name there, too."""
_MOST_FOLDERS = 64
"""Of ``LD_LIBRARY_PATH``; a longer one is left to the loader."""


def may_load(access: Access, name: str) -> bool:
    """False only where the loader would not find it."""
    if access.system != "linux" or "LD_PRELOAD" in access.environment:
        return True
    given = access.environment.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":")
    cache = read_bytes(access.path(_CACHE), _CACHE_BYTES)
    if cache is None or len(given) > _MOST_FOLDERS or f"{name}\0".encode() in cache:
        return True
    parts = ("", f"/{os.uname().machine}-linux-gnu") if hasattr(os, "uname") else ("",)  # "linux" on Windows: a test
    usual = [folder + part for folder in _FOLDERS for part in parts]
    # a Python that is not the system's may name a folder of its own
    folders = [*given, *(access.path(folder) for folder in usual), os.path.join(sys.base_prefix, "lib")]
    return any(os.path.exists(os.path.join(folder, name)) for folder in folders)

"""What a machine is called among others that share a home directory."""

import os


def machine_digest(name: str | None = None) -> str:
    """Under which this machine's loads stand, where a home directory serves several: no name can be read from it."""
    from hashlib import blake2b  # noqa: PLC0415  # 3 ms, on the thread that watches

    if name is None:
        name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return blake2b(name.encode("utf-8", "replace"), digest_size=8, person=b"plimsoll").hexdigest()

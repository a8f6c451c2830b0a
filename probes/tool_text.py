"""Figures out of what tools print for people: a number with its unit, or a word that says there is none."""

import re

from probes.sysfs import whole_number

_NUMBER = re.compile(r"\s*(\d{1,15})(?:\.(\d{1,9}))?\s*([A-Za-z%/]{0,8})\s*")
_UNITS = {"b": 0, "kb": 1, "kib": 1, "mb": 2, "mib": 2, "gb": 3, "gib": 3}
"""Powers of 1024. These tools write MB where they mean MiB: 64 GiB are "65536" under "HBM-Usage(MB)"."""
_MOST_BYTES = 1 << 50
_BUS_ADDRESS = re.compile(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")


def figure(text: str) -> float | None:
    """``78 %`` -> 78.0, ``285 W`` -> 285.0; None of ``N/A``, ``-``, a negative number or anything else."""
    found = _NUMBER.fullmatch(text)
    return None if found is None else float(f"{found[1]}.{found[2] or 0}")


def ratio(text: str) -> float | None:
    """Per cent, as a share of one."""
    percent = figure(text)
    return None if percent is None else min(1.0, percent / 100)


def n_bytes(text: str, unit: str = "") -> int | None:
    """``98304 MiB`` -> bytes; ``unit`` where the text has none."""
    found = _NUMBER.fullmatch(text)
    power = None if found is None else _UNITS.get((found[3] or unit).lower())
    if found is None or power is None:
        return None
    size = round(float(f"{found[1]}.{found[2] or 0}") * 1024**power)
    return size if size <= _MOST_BYTES else None


def bus_address(text: str) -> str | None:
    """``0000:9D:00.0`` as the kernel writes it: small letters, four digits of domain where that is enough."""
    if _BUS_ADDRESS.fullmatch(text.strip()) is None:
        return None
    domain, _, rest = text.strip().lower().partition(":")
    return f"{int(domain, 16):04x}:{rest}"


def visible_indices(text: str | None, n_devices: int) -> tuple[int, ...] | None:
    """Which devices a variable such as ``ASCEND_RT_VISIBLE_DEVICES`` lets a program see, in its order.

    None where it is not set, or where it names devices by something other than numbers.
    """
    if text is None:
        return None
    numbers = [whole_number(word.strip(), 4) for word in text.split(",") if word.strip()]
    indices = tuple(number for number in dict.fromkeys(numbers) if number is not None and number < n_devices)
    return None if None in numbers else indices

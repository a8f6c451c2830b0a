"""One client of a graphics driver, as the kernel tells of it: what it holds, and how long it kept which engine busy.

``/proc/PID/fdinfo/N`` of a file of /dev/dri has lines such as ``drm-resident-vram: 155068 KiB``
(docs.kernel.org/gpu/drm-usage-stats.html). Which regions and engines there are is up to the driver:

- amdgpu: vram, gtt, cpu; engines in nanoseconds. Kernels to 6.12 have ``drm-memory-`` only, later ones
  ``drm-resident-`` too, with the same meaning since "make drm-memory-* report resident memory".
- i915: local0, system0 (6.8 and later); engines in nanoseconds.
- xe: vram0, vram1, gtt, system; engines as busy cycles of total cycles.
"""

from collections.abc import Mapping
from dataclasses import field

from records.record import record

_MOST_COUNT = 1 << 63
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
"""The document names the first three; GiB is for the day that a kernel writes it."""
_MEASURES = ("resident", "memory", "total")
"""The first that a region has counts: what lies in it now, before what could."""
_CYCLES, _CAPACITY = "cycles-", "capacity-"
"""``drm-total-cycles-rcs`` is no memory, ``drm-engine-capacity-vcs`` no time."""


@record(frozen=True, slots=True, kw_only=True)
class Client:
    """What one client of a driver has, as one file says it."""

    driver: str
    bus_address: str
    client_id: int | None
    region_bytes: Mapping[str, int] = field(default_factory=dict)
    engine_nanoseconds: Mapping[str, int] = field(default_factory=dict)
    """Busy so far, by engine."""
    engine_cycles: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Busy and total so far, by engine."""
    engine_capacity: Mapping[str, int] = field(default_factory=dict)
    """How many engines bear that name, where that is more than one."""


def parse_client(text: bytes) -> Client | None:
    """The client that an fdinfo file tells of; None where it is of no driver, or says not of which device."""
    groups: dict[str, dict[str, str]] = {}
    for line in text.decode(errors="replace").splitlines():
        key, colon, value = line.partition(":")
        if colon and key.startswith("drm-"):
            what, _, name = key[4:].partition("-")
            groups.setdefault(what, {})[name] = value.strip()
    driver, address = groups.get("driver", {}).get("", ""), groups.get("pdev", {}).get("", "").casefold()
    if not driver or not address:
        return None
    engines, total = _counts(groups.get("engine", {})), _counts(groups.get("total", {}))
    busy = _counts(groups.get("cycles", {}))
    return Client(
        driver=driver[:32],
        bus_address=address[:32],
        client_id=_count(groups.get("client", {}).get("id", "")),
        region_bytes=_regions(groups),
        engine_nanoseconds={name: n for name, n in engines.items() if not name.startswith(_CAPACITY)},
        engine_cycles={name: (n, total[_CYCLES + name]) for name, n in busy.items() if _CYCLES + name in total},
        engine_capacity={
            name.removeprefix(_CAPACITY): n
            for name, n in engines.items()
            if name.startswith(_CAPACITY) and 1 < n < 1024
        },
    )


def _regions(groups: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    regions = {}
    for measure in reversed(_MEASURES):
        for name, value in groups.get(measure, {}).items():
            size = None if name.startswith(_CYCLES) else _size(value)
            if size is not None:
                regions[name] = size
    return regions


def _counts(group: Mapping[str, str]) -> dict[str, int]:
    return {name: count for name, value in group.items() if (count := _count(value)) is not None}


def _size(text: str) -> int | None:
    """Bytes of ``155068 KiB``."""
    number, _, unit = text.partition(" ")
    count, factor = _count(number), _UNITS.get(unit.strip())
    if count is None or factor is None or count * factor >= _MOST_COUNT:
        return None
    return count * factor


def _count(text: str) -> int | None:
    """The whole number that the text begins with."""
    number = text.partition(" ")[0]
    if not (number.isascii() and number.isdigit() and len(number) <= 20):
        return None
    count = int(number)
    return count if count < _MOST_COUNT else None

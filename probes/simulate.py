"""Hardware that is only described: ``--simulate "2x RTX 4090, used 3GiB, RAM 128GiB"``.

What comes out are probe sources like those of a real machine, so that everything behind them works as it does there.

The text is parts with commas between them. Hardware: products joined by ``+``, each with a count and a size where one
is needed ("2x RTX 4090", "A100 80GB", "RTX 4090 + RTX 3060", "M4 Max 128GB"), or "CPU" for none. Then "used 3GiB",
which every device has in use; "RAM 64GiB"; "RAM used 10GiB". A GB is read as a GiB, as memory is sold.

What is not said: nothing is in use, and a machine whose GPU has its own memory has 64 GiB of RAM. Whatever was filled
in is said in a fault, which the screen shows like any other.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace

from probes.accelerators import SIZE_TEXT, Accelerator, SimulationError, find_accelerator, known_accelerators
from probes.probe import Probe, ProbeSource
from probes.snapshot import HOST_POOL, Device, Fault, Machine, Pool, Reading, Snapshot, pool_of
from probes.working_set import estimated_gtt_bytes, estimated_metal_bytes
from records.record import record

_MIB = 1024**2
_GIB = 1024**3
_UNITS = {"m": _MIB, "g": _GIB, "t": 1024 * _GIB}

DEFAULT_RAM_BYTES = 64 * _GIB
"""Assumed: a common size beside one or two large consumer cards. The reading says that it was assumed."""

MOST_DEVICES = 64
"""So that a slip of the finger gives a sentence and not a thousand rows."""

_COUNT = re.compile(r"^(\d{1,3})\s*[x\u00d7*]\s*(?=\S)|\s[x\u00d7*]\s*(\d{1,3})$", re.IGNORECASE)
"""At most three digits: "7900 XTX" is a name."""
_BETWEEN_PARTS = re.compile(r",(?![^()]*\))")
_BETWEEN_PRODUCTS = re.compile(r"(?<!max)\+", re.IGNORECASE)  # "Ryzen AI Max+ 395" is one product


@record(frozen=True, slots=True, kw_only=True)
class _Item:
    """One product that was asked for, once."""

    accelerator: Accelerator
    size_gib: float | None


@record(frozen=True, slots=True, kw_only=True)
class _Request:
    """The text, understood."""

    items: tuple[_Item, ...]
    used_bytes: int = 0
    ram_bytes: int | None = None
    ram_used_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class SimulatedProbe:
    """Says the same at every time."""

    reading: Reading

    def sample(self) -> Reading:
        return self.reading

    def close(self) -> None:
        """There is nothing to give back."""


def simulated_sources(text: str) -> tuple[ProbeSource, ...]:
    """A source "host", and one for each vendor of what the text describes.

    Raises:
        UnknownHardware: a product that is not known, or a name that several have.
        SimulationError: anything else that makes no sense.
    """
    request = _understood(text)
    unified = next((item for item in request.items if item.accelerator.unified), None)
    host = _host_reading(request, unified)
    vendors = dict.fromkeys(item.accelerator.vendor for item in request.items)
    readings = {"host": host} | {vendor: _vendor_reading(vendor, request) for vendor in vendors}
    return tuple(_source(name, reading) for name, reading in readings.items())


def described(
    accelerator: Accelerator, n_devices: int, *, size_gib: float | None = None, ram_bytes: int | None = None
) -> Snapshot:
    """A machine with so many of a product and nothing in use; ``ram_bytes`` only where its memory is its own."""
    request = _Request(
        items=(_Item(accelerator=accelerator, size_gib=size_gib),) * n_devices,
        ram_bytes=None if accelerator.unified else ram_bytes,
    )
    host = _host_reading(request, request.items[0] if accelerator.unified else None)
    devices = _vendor_reading(accelerator.vendor, request)
    return Snapshot(
        taken_seconds=0.0,
        pools=host.pools + devices.pools,
        devices=devices.devices,
        faults=host.faults + devices.faults,
        machine=host.machine,
    )


def _source(name: str, reading: Reading) -> ProbeSource:
    def open_simulated() -> Probe:
        return SimulatedProbe(reading)

    return ProbeSource(name=name, open=open_simulated)


def _host_reading(request: _Request, unified: _Item | None) -> Reading:
    faults: list[Fault] = []
    if unified is not None:
        total_bytes = _unified_ram_bytes(request, unified)
    elif request.ram_bytes is not None:
        total_bytes = request.ram_bytes
    else:
        total_bytes = DEFAULT_RAM_BYTES
        faults.append(
            Fault(
                probe="host", message='simulated: 64 GiB of RAM assumed; say "RAM 32GiB" for another size', is_note=True
            )
        )
    used_bytes = _ram_used_bytes(request, total_bytes, held_bytes=request.used_bytes if unified else 0)
    is_apple = any(item.accelerator.vendor == "apple" for item in request.items)
    return Reading(
        pools=(pool_of(HOST_POOL, total_bytes, used_bytes),),
        faults=tuple(faults),
        machine=Machine(
            host_name="simulated",
            system="darwin" if is_apple else "linux",
            cpu_name=unified.accelerator.name if unified and is_apple else None,
            instruction_sets=ARM if unified and unified.accelerator.vendor in ("apple", "nvidia") else (),
        ),
    )


ARM = ("neon", "dotprod")
"""What the processors beside Apple's GPUs and those of NVIDIA with unified memory (GB10, Orin, Thor) compute with."""


def _unified_ram_bytes(request: _Request, unified: _Item) -> int:
    total_bytes = unified.accelerator.total_bytes(unified.size_gib)
    if len([item for item in request.items if item.accelerator.unified]) > 1:
        raise SimulationError("a machine with unified memory has one such chip; describe one machine at a time")
    if any(item.accelerator.vendor != "apple" for item in request.items) and unified.accelerator.vendor == "apple":
        raise SimulationError("a Mac has no other GPU beside its own that a model could use; describe one or the other")
    if request.ram_bytes is not None and unified.size_gib != request.ram_bytes / _GIB:
        name = unified.accelerator.name
        raise SimulationError(f"the memory of {name} is the machine's RAM: give one size, with the name")
    return total_bytes


def _ram_used_bytes(request: _Request, total_bytes: int, *, held_bytes: int) -> int:
    used_bytes = held_bytes if request.ram_used_bytes is None else request.ram_used_bytes
    if used_bytes < held_bytes:
        raise SimulationError("memory is unified here: RAM used includes what the GPU uses, so it cannot be less")
    if used_bytes > total_bytes:
        raise SimulationError(f"used is more than there is: the RAM has {total_bytes / _GIB:.1f} GiB")
    return used_bytes


def _vendor_reading(vendor: str, request: _Request) -> Reading:
    pools: list[Pool] = []
    devices: list[Device] = []
    faults: dict[str, Fault] = {}
    for item in request.items:
        one, index = item.accelerator, len(devices)
        if one.vendor != vendor:
            continue
        total_bytes = one.total_bytes(item.size_gib)
        if request.used_bytes > total_bytes:
            raise SimulationError(f"used is more than there is: {one.name} has {total_bytes / _GIB:.1f} GiB")
        key = f"simulated-{vendor}-{index}"
        limit_bytes = _limit_bytes(one, total_bytes)
        if not one.unified:
            pools.append(pool_of(key, total_bytes, request.used_bytes))
        devices.append(
            Device(
                key=key,
                name=one.name,
                vendor=vendor,
                index=index,
                pool_key=HOST_POOL if one.unified else key,
                used_bytes=request.used_bytes,
                limit_bytes=limit_bytes,
                bandwidth_gigabytes_per_second=one.bandwidth_gb_s,
                compute_capability=one.cuda_cc,
                n_multiprocessors=one.n_multiprocessors,
            )
        )
        for message in _notes(item, total_bytes, limit_bytes):
            faults.setdefault(
                message, Fault(probe=vendor, message=f"simulated: {message}", device_key=key, is_note=True)
            )
    return Reading(pools=tuple(pools), devices=tuple(devices), faults=tuple(faults.values()))


def _limit_bytes(one: Accelerator, total_bytes: int) -> int | None:
    if one.budget == "metal":
        return estimated_metal_bytes(total_bytes)
    return estimated_gtt_bytes(total_bytes) if one.budget == "gtt" else None


def _notes(item: _Item, total_bytes: int, limit_bytes: int | None) -> list[str]:
    """What was filled in or estimated."""
    one, notes = item.accelerator, []
    if item.size_gib is None and len(one.options_gib) > 1:
        sizes = ", ".join(str(size) for size in one.options_gib)
        notes.append(f"{one.name} with {total_bytes / _GIB:g} GiB assumed; it is sold with {sizes}")
    if limit_bytes is not None:
        rule = {"metal": "Metal's", "gtt": "the kernel's"}[one.budget or "metal"]
        notes.append(f"{rule} limit for {one.name}, {limit_bytes / _GIB:.1f} GiB, is estimated; systems differ")
    if one.reported_mib is None and not one.options_gib:
        notes.append(f"{one.name} counted with its nominal {one.nominal_gib} GiB; the driver may report a little less")
    return notes


def _understood(text: str) -> _Request:
    items: list[_Item] = []
    settings: dict[str, int] = {}
    known = known_accelerators()
    is_said = False
    for part in _parts(text):
        setting = _setting(part)
        if setting is None:
            items += _items(part, known)
            is_said = True
        elif setting[0] in settings:
            raise SimulationError(f'"{setting[0].replace("_", " ")}" is said twice')
        else:
            settings[setting[0]] = setting[1]
            is_said = is_said or setting[0] == "ram"
    if not is_said:
        raise SimulationError('say which hardware: "RTX 4090", "2x H100", "M4 Max 128GB" or "CPU"')
    if len(items) > MOST_DEVICES:
        raise SimulationError(f"{len(items)} devices are more than the {MOST_DEVICES} that can be simulated")
    if "used" in settings and not items:
        raise SimulationError('"used" is for GPUs; say "RAM used 4GiB"')
    return _Request(
        items=tuple(_sized_by_ram(item, settings.get("ram")) for item in items),
        used_bytes=settings.get("used", 0),
        ram_bytes=settings.get("ram"),
        ram_used_bytes=settings.get("ram_used"),
    )


def _sized_by_ram(item: _Item, ram_bytes: int | None) -> _Item:
    """Gives a machine with unified memory the size of its RAM: "M2, RAM 16GiB" is what "M2 16GB" is."""
    if ram_bytes is None or item.size_gib is not None or not item.accelerator.unified:
        return item
    size_gib = ram_bytes / _GIB
    return replace(item, size_gib=size_gib) if item.accelerator.has_size(size_gib) else item


def _parts(text: str) -> list[str]:
    parts = [" ".join(part.split()) for part in _BETWEEN_PARTS.split(text.replace("_", " "))]
    return [part for part in parts if part]


def _setting(part: str) -> tuple[str, int] | None:
    """("ram_used", bytes) of "ram used 10gib", in any order of words; None where the part is hardware."""
    sizes = list(SIZE_TEXT.finditer(part))
    words = Counter(re.findall(r"[a-z]+", SIZE_TEXT.sub(" ", part).lower()))
    name = {("ram",): "ram", ("used",): "used", ("ram", "used"): "ram_used"}.get(tuple(sorted(words.elements())))
    if name is None:
        return None
    if len(sizes) != 1 or re.search(r"[^\sA-Za-z:=]", SIZE_TEXT.sub(" ", part)):
        raise SimulationError(f'a size is missing in {part[:60]!a}; it looks like "10GiB"')
    n_bytes = _size_bytes(sizes[0])
    if name == "ram" and n_bytes == 0:
        raise SimulationError("a machine has some RAM; 0 is none")
    return name, n_bytes


def _items(part: str, known: tuple[Accelerator, ...]) -> list[_Item]:
    items: list[_Item] = []
    for piece in _BETWEEN_PRODUCTS.split(part):
        text = piece.strip()
        if text.lower() == "cpu":
            continue
        count = _COUNT.search(text)
        n_devices = int(count[1] or count[2]) if count else 1
        if not 1 <= n_devices <= MOST_DEVICES:
            raise SimulationError(f"{n_devices} devices cannot be simulated, 1 to {MOST_DEVICES} can")
        name = _COUNT.sub("", text, count=1) if count else text
        size = SIZE_TEXT.search(name)
        size_gib = _size_bytes(size) / _GIB if size else None
        found = find_accelerator(SIZE_TEXT.sub(" ", name).strip(" -"), size_gib, known)
        items += [_Item(accelerator=found, size_gib=size_gib)] * n_devices
    return items


def _size_bytes(size: re.Match[str]) -> int:
    return round(float(size[1]) * _UNITS[(size[2] or size[3]).lower()])

"""What is there now: frozen values with their units in their names.

Bytes are ``int``. ``None`` means "not reported", and is never 0. A snapshot holds no handle, no lock, no colour and no
text for the screen; it can be compared, written as JSON and played back.
"""

from dataclasses import field

from records.record import record


@record(frozen=True, slots=True, kw_only=True)
class Pool:
    """One body of physical memory: a GPU's own, the host's RAM, or the swap space."""

    key: str
    total_bytes: int
    used_bytes: int
    """What is taken for good: total less free. On the host, reclaimable page cache counts as free."""
    free_bytes: int
    """What can still be allocated. The driver's own figure where there is one, never total less used."""
    reserved_bytes: int | None = None
    """The part of ``used_bytes`` that the driver or firmware keeps for itself; on the host, unused huge pages, which
    only programs that ask for such pages can have."""
    cached_bytes: int | None = None
    """The part of ``free_bytes`` that caches hold and give back on demand: page cache, ZFS ARC."""
    limited_by: str | None = None
    """What keeps ``total_bytes`` below the memory that is built in, such as a control group. Untrusted text."""
    medium: str | None = None
    """Of swap space: ``zram`` (compressed RAM), ``zswap``, ``file``, ``partition``; of several, the one used first."""
    compressed_bytes: int | None = None
    """Of zram and zswap: what pages that are swapped out take of the host's RAM, where they count as used. Of the RAM
    of a Mac: what its compressor holds."""
    late_seconds: float = 0.0
    """How old these figures were when the snapshot was taken."""


def pool_of(key: str, total_bytes: int, used_bytes: int) -> Pool:
    """A pool of which no more is known than what is used; what is reported beyond its size does not count."""
    used_bytes = min(used_bytes, total_bytes)
    return Pool(key=key, total_bytes=total_bytes, used_bytes=used_bytes, free_bytes=total_bytes - used_bytes)


@record(frozen=True, slots=True, kw_only=True)
class Details:
    """What is read of a device only while somebody looks at it. Counts are since the driver was loaded."""

    graphics_clock_megahertz: float | None = None
    most_graphics_clock_megahertz: float | None = None
    memory_clock_megahertz: float | None = None
    most_memory_clock_megahertz: float | None = None
    throttle_reasons: tuple[str, ...] | None = None
    """Why it runs below its clocks, in words; empty where nothing holds it back."""
    memory_temperature_celsius: float | None = None
    fan_ratio: float | None = None
    memory_utilization_ratio: float | None = None
    """The share of time in which its memory was read or written."""
    pcie_generation: int | None = None
    most_pcie_generation: int | None = None
    n_pcie_lanes: int | None = None
    most_n_pcie_lanes: int | None = None
    pcie_received_bytes_per_second: float | None = None
    pcie_sent_bytes_per_second: float | None = None
    n_links: int | None = None
    """Of NVLink or xGMI, those that are up."""
    link_received_bytes_per_second: float | None = None
    link_sent_bytes_per_second: float | None = None
    is_ecc_on: bool | None = None
    n_corrected_errors: int | None = None
    n_uncorrected_errors: int | None = None
    n_retired_pages: int | None = None
    """Pages or rows of its memory that were taken out of use."""


@record(frozen=True, slots=True, kw_only=True)
class Device:
    """An accelerator, which draws on a pool: its own, or the host's where memory is unified."""

    key: str
    """Stays with the device over restarts: the UUID, or the bus address."""
    name: str
    vendor: str
    """``nvidia``, ``apple`` ..."""
    index: int
    """The number the vendor's own tools show."""
    pool_key: str
    """The pool may be missing from the snapshot: then its memory is not known now."""
    used_bytes: int | None = None
    """Held by programs on this device; within a shared pool, this device's part of it."""
    limit_bytes: int | None = None
    """The most that this device may take of its pool, where that is less than all (Metal's working set)."""
    utilization_ratio: float | None = None
    temperature_celsius: float | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    n_multiprocessors: int | None = None
    """Streaming multiprocessors (CUDA), compute units (AMD), Xe cores (Intel) or GPU cores (Apple)."""
    bandwidth_gigabytes_per_second: float | None = None
    """10^9 bytes: of its memory at the highest clock, where the driver tells clock and width."""
    compute_capability: str | None = None
    """CUDA's: ``8.9``."""
    architecture: str | None = None
    """The maker's short name for what its code is built for: ``gfx1100``."""
    bus_address: str | None = None
    """On the PCI bus: ``0000:01:00.0``."""
    numa_node: int | None = None
    """The node of the host's memory that is nearest to it, where there are several."""
    driver: str | None = None
    """The kernel's, where a vendor has several: ``amdgpu``, ``i915``, ``xe``; on Windows ``WDDM`` or ``TCC``."""
    parent_key: str | None = None
    """The device that this one is a part of (MIG). The parent is no device of its own while it is split."""
    capacity_bytes: int | None = None
    """The size of its memory, where that is known although nothing can be read now."""
    is_asleep: bool = False
    """Suspended by the system to save power. Nothing was read, since that would wake it."""
    is_integrated: bool = False
    """It is a part of the processor, with or without memory that the firmware set aside for it."""
    hidden_by: str | None = None
    """What keeps programs started from this shell off it: a variable such as ``CUDA_VISIBLE_DEVICES``, or in a
    container ``the missing /dev/dri/renderD129``."""
    program_index: int | None = None
    """The number by which a program started from this shell knows it, where it is not hidden from that."""
    shared_used_bytes: int | None = None
    """What it holds of the host's RAM beside its own memory: GTT of amdgpu, shared usage on Windows."""
    shared_limit_bytes: int | None = None
    """The most that it could hold of it."""
    details: Details | None = None
    late_seconds: float = 0.0


@record(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that holds memory on a device. One that holds memory on two devices appears twice."""

    pid: int
    device_key: str
    used_bytes: int | None = None
    name: str | None = None
    """None where the process cannot be seen from here: another user's, or one outside this container."""
    command: str | None = None
    """The whole command line, arguments joined by blanks. Untrusted text."""
    user: str | None = None
    container: str | None = None
    """The short name or id of the container that it runs in. Untrusted text."""
    is_outside: bool = False
    """Its number is one of another namespace: a process of that number here, if any, is not this one."""
    shared_used_bytes: int | None = None
    """What it holds of the host's RAM through this device."""
    utilization_ratio: float | None = None
    """The share of the device's time that it had."""
    started_ticks: int | None = None
    """When it was started, in ticks of the system's own: with the pid, what tells it from a later one."""


@record(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that could not be read, said so that a user can act on it."""

    probe: str
    message: str
    device_key: str | None = None
    is_note: bool = False
    """Nothing is wrong: said for completeness, such as what was assumed."""


@record(frozen=True, slots=True, kw_only=True)
class Absence:
    """A kind of hardware that was looked for and is not here, and how one can tell. That is no fault."""

    probe: str
    reason: str


@record(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that the figures belong to."""

    host_name: str
    system: str
    """``linux``, ``darwin`` or ``windows``; ``wsl`` for Linux inside Windows."""
    cpu_name: str | None = None
    n_cores: int | None = None
    """Physical cores; logical ones where the system does not tell them apart."""
    cpu_utilization_ratio: float | None = None
    n_logical_cores: int | None = None
    usable_cores: float | None = None
    """Logical cores' worth of time that a program started from here may have, where that is less than all: affinity,
    cpuset or a container's quota."""
    n_performance_cores: int | None = None
    """Those of the fastest kind, where there are several kinds (Apple, hybrid Intel)."""
    instruction_sets: tuple[str, ...] = ()
    """Those that inference gains from: ``avx2``, ``avx512``, ``amx``, ``neon``, ``sve`` ..."""
    n_numa_nodes: int | None = None
    """Those that have memory."""
    numa_node_bytes: tuple[int, ...] = ()
    """The RAM of each of them, in their order."""
    memory_bandwidth_gigabytes_per_second: float | None = None
    """10^9 bytes, of all channels together; an estimate, see the next field."""
    memory_bandwidth_basis: str | None = None
    """What the estimate rests on, in words."""
    system_name: str | None = None
    """``Ubuntu 24.04.3 LTS``, ``macOS 26.1``."""
    kernel: str | None = None
    container: str | None = None
    """The kind of container that this runs in: ``docker``, ``podman``, ``kubernetes``, ``lxc``."""
    hypervisor: str | None = None
    """What this machine is a guest of: ``KVM``, ``VMware``, ``Amazon EC2``; ``unknown`` where only that is known."""
    locked_memory_limit_bytes: int | None = None
    """The most that a program started from here may lock (mlock); None where there is no limit or it is not known."""
    stalled_ratio: float | None = None
    """The share of the last ten seconds in which some task waited for memory (PSI some avg10)."""
    fully_stalled_ratio: float | None = None
    """In which all tasks did (PSI full avg10)."""
    memory_pressure: str | None = None
    """``normal``, ``warning`` or ``critical``, where the system says so itself (macOS)."""
    is_on_battery: bool | None = None


@record(frozen=True, slots=True, kw_only=True)
class Version:
    """A version that a user would put into a bug report: driver, CUDA."""

    name: str
    value: str


@record(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one probe says at one time."""

    pools: tuple[Pool, ...] = ()
    devices: tuple[Device, ...] = ()
    processes: tuple[Process, ...] = ()
    faults: tuple[Fault, ...] = ()
    versions: tuple[Version, ...] = ()
    machine: Machine | None = None
    taken_seconds: float | None = None
    """By the monotonic clock, the moment to which its ``late_seconds`` refer; None: when it was asked for."""
    is_partial: bool = False
    """Not all could be read yet, and the next reading has more: a driver that takes long."""


@record(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """All readings at one time, folded into one. Compared by identity."""

    taken_seconds: float
    """Seconds since 1970, UTC."""
    pools: tuple[Pool, ...] = ()
    devices: tuple[Device, ...] = ()
    processes: tuple[Process, ...] = ()
    faults: tuple[Fault, ...] = ()
    versions: tuple[Version, ...] = ()
    machine: Machine | None = None
    late_seconds: float = 0.0
    """The age of the oldest figure in it."""
    absences: tuple[Absence, ...] = ()
    pending: tuple[str, ...] = field(default=())
    """Probes that have been asked and have not answered yet, for the first time."""

    def pool(self, key: str) -> Pool | None:
        """The pool of that key, or None where its figures are not known now."""
        for pool in self.pools:  # a generator takes twice as long, and 70 pools are asked for at a reading
            if pool.key == key:
                return pool
        return None


HOST_POOL = "host"
"""The key of the host's RAM, on which devices with unified memory draw."""
SWAP_POOL = "swap"

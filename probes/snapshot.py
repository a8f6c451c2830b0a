"""What is there now: frozen values with their units in their names.

Bytes are ``int``. ``None`` means "not reported", and is never 0. A snapshot holds no handle, no lock, no colour and no
text for the screen; it can be compared, written as JSON and played back.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One body of physical memory: a GPU's own, the host's RAM, or the swap space."""

    key: str
    total_bytes: int
    used_bytes: int
    """What is taken for good: total less free. On the host, reclaimable page cache counts as free."""
    free_bytes: int
    """What can still be allocated. The driver's own figure where there is one, never total less used."""
    reserved_bytes: int | None = None
    """The part of ``used_bytes`` that the driver or firmware keeps for itself."""
    late_seconds: float = 0.0
    """How old these figures were when the snapshot was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
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
    """Streaming multiprocessors (CUDA) or GPU cores (Apple)."""
    bandwidth_gigabytes_per_second: float | None = None
    """10^9 bytes: of its memory at the highest clock, where the driver tells clock and width."""
    compute_capability: str | None = None
    """CUDA's: ``8.9``."""
    late_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that holds memory on a device. One that holds memory on two devices appears twice."""

    pid: int
    device_key: str
    used_bytes: int | None = None
    name: str | None = None
    """None where the process cannot be seen from here: another user's, or one outside this container."""
    command: str | None = None
    """The whole command line, arguments joined by blanks. Untrusted text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that could not be read, said so that a user can act on it."""

    probe: str
    message: str
    device_key: str | None = None
    is_note: bool = False
    """Nothing is wrong: said for completeness, such as what was assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that the figures belong to."""

    host_name: str
    system: str
    """``linux``, ``darwin`` or ``windows``; ``wsl`` for Linux inside Windows."""
    cpu_name: str | None = None
    n_cores: int | None = None
    """Physical cores; logical ones where the system does not tell them apart."""
    cpu_utilization_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version that a user would put into a bug report: driver, CUDA."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one probe says at one time."""

    pools: tuple[Pool, ...] = ()
    devices: tuple[Device, ...] = ()
    processes: tuple[Process, ...] = ()
    faults: tuple[Fault, ...] = ()
    versions: tuple[Version, ...] = ()
    machine: Machine | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
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
    pending: tuple[str, ...] = field(default=())
    """Probes that have been asked and have not answered yet, for the first time."""

    def pool(self, key: str) -> Pool | None:
        """The pool of that key, or None where its figures are not known now."""
        return next((pool for pool in self.pools if pool.key == key), None)


HOST_POOL = "host"
"""The key of the host's RAM, on which devices with unified memory draw."""
SWAP_POOL = "swap"

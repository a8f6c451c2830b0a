"""All that ``plimsoll doctor`` looks at, gathered once, and what follows: what is broken, what is a hint."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence

from estimator.errors import Unjudgeable
from estimator.hub_cache import cache_roots, studio_roots
from estimator.ollama_store import store_roots
from estimator.spill import Outcome
from probes.access import Access
from probes.snapshot import HOST_POOL, SWAP_POOL, Details, Snapshot
from probes.storage import Storage, storage_of
from probes.sysfs import read_text
from records.record import record
from tui import __version__
from tui.calibrations_here import trouble_here
from tui.humanize import duration, percent, size
from tui.installed import SAME_MODULE, Program, packages, programs
from tui.machine_class import MachineClass, machine_class
from tui.places import device_label, fault_text, spill_settings
from tui.spills_here import SpillHere, spills_here
from tui.tty import LEAST_COLUMNS, LEAST_ROWS, Terminal, this_terminal

STALLED_RATIO = 0.1
"""Tasks that wait for memory a tenth of the time are felt (ASSUMED; systemd-oomd acts at 0.6 for half a minute)."""
WORRYING = ("heat", "therm", "prochot", "slowdown", "brake")
"""In a reason why a GPU runs below its clocks. A power limit is reached by any load that is heavy enough."""
SLOW_BYTES_PER_SECOND = 0.3e9
"""Between turning disks (0.15) and SSDs (0.5), by the rates of ``probes.storage``."""
EXAMPLE_BYTES = 20 << 30
"""About 32B in Q4_K_M, to say what a slow disk means."""
LOCKED_BYTES = 1 << 30
"""No model worth locking is smaller."""


@record(frozen=True, slots=True, kw_only=True)
class Folder:
    """Where models lie."""

    owner: str
    """``Hugging Face``, ``Ollama``, ``LM Studio``, ``llama.cpp``."""
    path: str
    storage: Storage


@record(frozen=True, slots=True, kw_only=True)
class Examination:
    """One machine, looked at."""

    snapshot: Snapshot
    plimsoll: str
    python: str
    packages: Mapping[str, str]
    programs: tuple[Program, ...]
    toolkits: Mapping[str, str]
    """Installed beside the driver: ``CUDA toolkit``, ``ROCm``."""
    environment: Mapping[str, str]
    terminal: Terminal
    folders: tuple[Folder, ...]
    machine_class: MachineClass | None
    unjudged: str
    """Why there is no class, where a GPU that can't be read now would decide it; else empty."""
    spills: tuple[SpillHere, ...]
    learned_trouble: str = ""
    """Why what loads took here does not count, in a sentence, where its file is damaged; else empty."""
    is_described: bool = False
    """The hardware is simulated or replayed; all else is of this machine."""

    @property
    def broken(self) -> tuple[str, ...]:
        """What does not work and should, a sentence each, with the way out."""
        faults = (fault for fault in self.snapshot.faults if not fault.is_note)
        told = (fault_text(fault, self.snapshot) for fault in faults)
        learned = [self.learned_trouble] if self.learned_trouble else []
        return tuple(dict.fromkeys([*told, *_broken_packages(self), *learned]))

    @property
    def notes(self) -> tuple[str, ...]:
        """What probes have noted; nothing is wrong."""
        return tuple(dict.fromkeys(fault_text(fault, self.snapshot) for fault in self.snapshot.faults if fault.is_note))

    @property
    def hints(self) -> tuple[str, ...]:
        """What a user may want to know or to change, a sentence each."""
        return tuple(_hints(self))


def examine(
    snapshot: Snapshot, access: Access, *, has_versions: bool = False, is_described: bool = False
) -> Examination:
    """Look at all the rest. ``has_versions``: programs may be started to ask for theirs, which takes a while."""
    environment = access.environment
    found, unjudged = _class_of(snapshot)
    return Examination(
        snapshot=snapshot,
        plimsoll=__version__,
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        packages=packages(),
        programs=programs(environment, access.run if has_versions else None),
        toolkits={} if is_described else _toolkits(access),
        environment=environment,
        terminal=this_terminal(environment),
        folders=tuple(_folders(access)),
        machine_class=found,
        unjudged=unjudged,
        spills=spills_here(snapshot, frozenset() if is_described else spill_settings(environment)),
        learned_trouble="" if is_described else trouble_here(),
        is_described=is_described,
    )


def _class_of(snapshot: Snapshot) -> tuple[MachineClass | None, str]:
    try:
        return machine_class(snapshot), ""
    except Unjudgeable:
        return None, "not known, nor what class of machine this is, as long as no GPU can be read; see what is broken"


def _toolkits(access: Access) -> dict[str, str]:
    """By the files that installers leave: version.json of CUDA since 11.1, .info/version of ROCm."""
    found = {}
    cuda = read_text(access.path("/usr/local/cuda/version.json"), 65_536)
    if cuda is not None:
        import json  # noqa: PLC0415  # 3 ms

        try:
            version = json.loads(cuda)["cuda"]["version"]
        except (ValueError, LookupError, TypeError):
            version = None
        if isinstance(version, str):
            found["CUDA toolkit"] = version[:40]
    rocm = read_text(access.path("/opt/rocm/.info/version"), 256)
    if rocm:
        found["ROCm"] = rocm.strip()[:40]
    return found


def _folders(access: Access) -> Iterator[Folder]:
    environment = access.environment
    llama = environment.get("LLAMA_CACHE") or os.path.expanduser("~/.cache/llama.cpp")
    roots = {
        "Hugging Face": cache_roots(environment),
        "Ollama": store_roots(environment),
        "LM Studio": studio_roots(environment),
        "llama.cpp": (llama,) if os.path.isdir(llama) else (),
    }
    found = [
        Folder(owner=owner, path=path, storage=_storage(path, access))
        for owner, paths in roots.items()
        for path in paths
    ]
    home = os.path.expanduser("~")
    yield from found or [Folder(owner="home", path=home, storage=_storage(home, access))]


def _storage(path: str, access: Access) -> Storage:
    """Of the disk under a folder of this machine, whatever root the hardware is read from."""
    return storage_of(os.path.realpath(path), access)


def _broken_packages(found: Examination) -> Iterator[str]:
    if "nvidia-ml-py" not in found.packages:
        return
    for name in SAME_MODULE:
        version = found.packages.get(name, "")
        # From 12 on, the package pynvml is a shell around nvidia-ml-py.
        if name in found.packages and (name != "pynvml" or _major(version) < 12):
            yield (
                f"the package {name} {version} has put another module in the place of nvidia-ml-py's: "
                f"pip uninstall {name}, then pip install --force-reinstall nvidia-ml-py"
            )


def _major(version: str) -> int:
    first = version.partition(".")[0]
    return int(first) if first.isascii() and first.isdigit() and len(first) < 6 else 0


def _hints(found: Examination) -> Iterator[str]:
    yield from _device_hints(found)
    yield from _host_hints(found.snapshot, is_described=found.is_described)
    if not found.is_described:
        yield from _folder_hints(found.folders)
        yield from _terminal_hints(found.terminal)


def _device_hints(found: Examination) -> Iterator[str]:
    snapshot = found.snapshot
    system = snapshot.machine.system if snapshot.machine else ""
    hidden = [device for device in snapshot.devices if device.hidden_by]
    for variable in dict.fromkeys(device.hidden_by for device in hidden):
        labels = [device_label(device, snapshot.devices) for device in hidden if device.hidden_by == variable]
        are = "is" if len(labels) == 1 else "are"
        # What hides a part of a split GPU is a rule of CUDA, and no variable that could be unset.
        is_variable = variable is not None and variable.replace("_", "").isalnum()
        is_withheld = variable is not None and variable.startswith("the missing /dev/")
        way = "unset it, or use --all-devices" if is_variable else "name one with --device to use that"
        way = "start this container with it to use that" if is_withheld else way
        yield f"{' and '.join(labels)} {are} hidden by {variable}: {way}"
    moved = {spill.row.key for spill in found.spills if spill.row.outcome is Outcome.CRAWLS}
    if "NVIDIA on Windows, with a switch" in moved:
        yield (
            "a load without room moves to shared memory without an error; to make it fail: NVIDIA Control Panel, "
            "Manage 3D settings, CUDA - Sysmem Fallback Policy, Prefer No Sysmem Fallback (driver 546.01 or later)"
        )
    if "NVIDIA under WSL" in moved:
        yield "a load without room moves to shared memory without an error, and WSL has no switch for that"
    for device in snapshot.devices:
        if (device.shared_used_bytes or 0) >= 1 << 30 and device.vendor == "nvidia":
            label = device_label(device, snapshot.devices)
            yield f"{label} holds {size(device.shared_used_bytes)} in shared memory now: what lies there is slow"
    for device in snapshot.devices:
        if device.details is not None:
            yield from _detail_hints(device_label(device, snapshot.devices), device.details)
    if any(process.is_outside for process in snapshot.processes):
        yield (
            "the driver gives process numbers of Windows; see its Task Manager for whose"
            if system == "wsl"
            else "the driver gives process numbers of the host; start this container with --pid=host to see whose"
        )


def _detail_hints(label: str, details: Details) -> Iterator[str]:
    if details.n_uncorrected_errors:
        yield (
            f"{label} has had {details.n_uncorrected_errors} uncorrected errors of its memory since its driver was "
            "loaded: results may be wrong; reset it, and have it replaced if they come back"
        )
    if details.n_retired_pages:
        pages = "1 page or row" if details.n_retired_pages == 1 else f"{details.n_retired_pages} pages or rows"
        yield f"{label} has taken {pages} of its memory out of use for errors"
    lanes, most_lanes = details.n_pcie_lanes, details.most_n_pcie_lanes
    if lanes is not None and most_lanes is not None and 0 < lanes < most_lanes:
        yield f"{label} has {lanes} of its {most_lanes} PCIe lanes: loading, and layers in RAM, are slower"
    reasons = [reason for reason in details.throttle_reasons or () if any(word in reason for word in WORRYING)]
    if reasons:
        yield f"{label} is held back: {', '.join(reasons)}"


def _host_hints(snapshot: Snapshot, *, is_described: bool) -> Iterator[str]:
    host, swap, machine = snapshot.pool(HOST_POOL), snapshot.pool(SWAP_POOL), snapshot.machine
    if host is not None and host.limited_by is not None:
        yield f"RAM is limited to {size(host.total_bytes)} by {host.limited_by}; raise that limit for larger models"
    has_swap = swap is not None or is_described  # what is only described has none because nobody said so
    if host is not None and not has_swap and machine is not None and machine.system in ("linux", "wsl"):
        yield "there is no swap space: where RAM runs out, the system kills a process"
    if machine is None:
        return
    stalled = machine.stalled_ratio
    if stalled is not None and stalled >= STALLED_RATIO:
        yield f"tasks waited for memory {percent(stalled)} of the last ten seconds: RAM is short now"
    if machine.memory_pressure not in (None, "normal"):
        yield f"the system calls its memory pressure {machine.memory_pressure}: RAM is short now"
    locked = machine.locked_memory_limit_bytes
    if locked is not None and locked < LOCKED_BYTES:
        yield f"a program may lock {size(locked)} of RAM: llama.cpp's --mlock takes more; raise it with ulimit -l"
    if machine.n_numa_nodes is not None and machine.n_numa_nodes > 1:
        nodes = f"RAM lies at {machine.n_numa_nodes} NUMA nodes"
        yield f"{nodes}: layers on the CPU run faster with llama.cpp's --numa distribute"
    if machine.usable_cores is not None and machine.n_logical_cores is not None:
        cores = f"{machine.usable_cores:g} of {machine.n_logical_cores} logical cores may be used"
        yield f"{cores}: layers on the CPU run slower"
    if machine.is_on_battery:
        yield "it runs on battery, where GPUs and processors are slower"


def _folder_hints(folders: Sequence[Folder]) -> Iterator[str]:
    for folder in folders:
        rate = folder.storage.read_bytes_per_second
        if rate is not None and rate < SLOW_BYTES_PER_SECOND:
            cost = f"a model of {size(EXAMPLE_BYTES)} takes {duration(EXAMPLE_BYTES / rate)} to load"
            yield f"{folder.owner}: {folder.path} is slow to read: {cost}"


def _terminal_hints(terminal: Terminal) -> Iterator[str]:
    if terminal.columns is None:
        return
    if terminal.kind == "dumb":
        yield "TERM is dumb: the screen can't be drawn; plimsoll check and plimsoll snapshot need none"
    if not terminal.has_unicode:
        told = f"the terminal's encoding is {terminal.encoding or 'not known'}"
        yield f"{told}: bars are drawn with look-alikes; LANG=C.UTF-8 changes that"
    rows = terminal.rows or 0
    if terminal.columns < LEAST_COLUMNS or rows < LEAST_ROWS:
        told = f"the terminal has {terminal.columns} x {rows} cells"
        yield f"{told}: the screen is made for {LEAST_COLUMNS} x {LEAST_ROWS} and more"


def held_by_processes(snapshot: Snapshot) -> Sequence[tuple[str, int, int | None]]:
    """(device, processes, bytes that they hold together); None where the driver tells of none of them."""
    found = []
    for device in snapshot.devices:
        held = [process.used_bytes for process in snapshot.processes if process.device_key == device.key]
        known = [n_bytes for n_bytes in held if n_bytes is not None]
        if held:
            found.append((device.key, len(held), sum(known) if known else None))
    return found

"""What a check found out, and what to type next: the engine's line for it, and the flags of each change."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from estimator.ledger import Place
from estimator.model import Model
from estimator.needs import Needs, needs_of
from probes.snapshot import Device, Snapshot
from tui.humanize import plain, size
from tui.pace import Pacing, pacing_of
from tui.places import HOST_NAME, device_label
from tui.plan import Advice, Assessment, Change, Plan, option_flags
from tui.request import Request

TYPE_CHECKING = False  # as typing's: the list is imported by those who ask for it
if TYPE_CHECKING:
    from tui.hardware import Option

_DEVICE_PREFIXES = {"nvidia": "CUDA", "amd": "ROCm", "apple": "MTL"}
"""How llama.cpp's backends name their devices, by the vendor (ggml/src/ggml-cuda, ggml-metal)."""
BY_HAND = "choose the device by hand: see llama-server --list-devices, and add -dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Bytes on one device, or on the host."""

    weights_bytes: int
    cache_bytes: int
    """KV cache and states."""
    compute_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.cache_bytes + self.compute_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The engine's own figures beside ours, at one place."""

    name: str
    """As the engine calls it: ``CUDA0``, ``Host``."""
    place: str
    theirs: Figures
    """In whole MiB, rounded down."""
    ours: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What the engine's own program says of the load, or why it says nothing."""

    program: str
    """The file that was run; what was looked for where none was."""
    places: tuple[Compared, ...] = ()
    reason: str = ""
    """Empty where there are figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """All that ``plimsoll check`` found out."""

    request: Request
    model: Model
    snapshot: Snapshot
    places: tuple[Place, ...]
    """All of this machine; the assessment's are those that were chosen."""
    plan: Plan | None
    assessment: Assessment | None
    """None where it can't be judged: then ``reason`` says why."""
    advice: Advice | None
    hardware: "tuple[Option, ...] | None" = None
    """Which other hardware would hold it, where that was asked for."""
    disk_free_bytes: int | None = None
    """Where models are usually kept; None where it is not known, or the hardware is not this machine's."""
    reason: str = ""
    exit_status: int
    verification: Verification | None = None
    """None where it was not asked for."""

    @property
    def pacing(self) -> Pacing | None:
        """How fast it would run; None where that is not known, or where it would not run."""
        return None if self.assessment is None else pacing_of(self.assessment)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What had to be assumed."""
        if self.assessment is None:
            return self.model.doubts
        is_by_hand = is_chosen_by_hand(self.snapshot.devices, self.assessment)
        return (*self.assessment.estimate.doubts, *((BY_HAND,) if is_by_hand else ()))

    @property
    def needs(self) -> Needs | None:
        """Room on disk and in RAM, beside what the estimate is of."""
        made = self.assessment
        if made is None:
            return None
        is_mapped = bool(getattr(made.plan.options, "is_mapped", True))  # an option of llama.cpp's
        return needs_of(made.plan.engine_name, made.plan.model, made.estimate, HOST_NAME, is_mapped=is_mapped)

    @property
    def shortages(self) -> tuple[str, ...]:
        """What loading takes and is not there, a sentence each; the verdict is on what stays loaded."""
        needs = self.needs
        host = next((place for place in self.places if place.kind == "host"), None)
        if needs is None:
            return ()
        found = []
        if host is not None and needs.ram_bytes > host.free_bytes:
            found.append(
                f"loading takes {size(needs.ram_bytes)} of RAM at its peak, and {size(host.free_bytes)} is free"
            )
        room = self.disk_free_bytes
        if self.model.file_bytes is None and room is not None and needs.disk_bytes > room:
            found.append(f"the files take {size(needs.disk_bytes)} on disk, and {size(room)} is free at home")
        return tuple(found)

    @property
    def faults(self) -> tuple[str, ...]:
        """What could not be read, each with where it comes from."""
        return tuple(dict.fromkeys(f"{fault.probe}: {fault.message}" for fault in self.snapshot.faults))


def change_flags(plan: Plan, change: Change) -> tuple[str, ...]:
    """What to type after ``plimsoll check`` for this change; empty where it is not the plan's."""
    now, then, flags = plan.workload, change.plan.workload, []
    if then.context_tokens != now.context_tokens:
        flags.append(f"--context {then.context_tokens}")
    if then.kv_type != now.kv_type:
        flags.append(f"--kv-type {then.kv_type}")
    if change.plan.model.quant != plan.model.quant:
        flags.append(f"--quant {change.plan.model.quant}")
    if change.plan.devices != plan.devices:
        flags.append(_device_flag(change.plan.devices))
    return (*flags, *option_flags(plan.options, change.plan.options))


def _device_flag(devices: tuple[str, ...] | None) -> str:
    if devices is None:
        return "--device auto"
    return f'--device "{",".join(devices)}"' if devices else "--device cpu"


def launch_command(finding: Finding, made: Assessment) -> str:
    """The line that starts the engine with exactly this load."""
    settings = "" if os.name == "nt" else "".join(f"{k}={v} " for k, v in launch_environment(finding, made).items())
    return settings + plain(made.plan.engine.command(finding.model, engine_flags(finding, made)), 8192)


def engine_flags(finding: Finding, made: Assessment) -> str:
    """The engine's own arguments, the devices named where not all of them are used."""
    return flags_on(finding.snapshot.devices, made)


def flags_on(devices: Sequence[Device], made: Assessment) -> str:
    flags = made.plan.engine.flags(made.plan.model, made.plan.workload, made.plan.options, made.estimate)
    if not devices:
        return flags
    if not made.device_names:
        return f"{flags} -dev none"
    if is_chosen_by_hand(devices, made) or made.device_names == tuple(_names(devices)):
        return flags
    names = _names(devices)
    return f"{flags} -dev {','.join(names[label] for label in made.device_names)}"


def launch_environment(finding: Finding, made: Assessment) -> dict[str, str]:
    return environment_on(finding.snapshot.devices, made)


def environment_on(devices: Sequence[Device], made: Assessment) -> dict[str, str]:
    """CUDA counts the fastest device as 0; told otherwise, it counts as the driver and this report do."""
    if not made.device_names or is_chosen_by_hand(devices, made):
        return {}
    names = {device.name for device in devices if device.vendor == "nvidia"}
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if len(names) > 1 else {}


def is_chosen_by_hand(devices: Sequence[Device], made: Assessment) -> bool:
    """Whether llama.cpp's name of a device can't be known: of parts (MIG), or where vendors are mixed."""
    if not made.device_names or len(devices) < 2:
        return False
    vendors = {device.vendor for device in devices}
    has_parts = len({(device.vendor, device.index) for device in devices}) < len(devices)
    return has_parts or len(vendors) > 1 or not vendors <= _DEVICE_PREFIXES.keys()


def _names(devices: Sequence[Device]) -> dict[str, str]:
    """Label -> llama.cpp's name, of devices of one vendor; in its order, which is that of their numbers."""
    ordered = sorted(devices, key=lambda device: device.index)
    return {
        device_label(device, devices): f"{_DEVICE_PREFIXES.get(device.vendor, '')}{position}"
        for position, device in enumerate(ordered)
    }

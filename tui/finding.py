"""What a check found out, and the flags of each change."""

from collections.abc import Iterator

from estimator.ledger import Estimate, Place
from estimator.model import Model
from estimator.needs import Needs
from probes.snapshot import Snapshot
from records.record import record
from tui.advice import Advice, Change, option_flags
from tui.default_devices import runs_on
from tui.device_choice import said_by_hand
from tui.humanize import size
from tui.pace import Pacing, pacing_of
from tui.places import HOST_NAME, fault_text, place_notes
from tui.plan import Assessment, Plan
from tui.request import Request

TYPE_CHECKING = False  # as typing's: the list is imported by those who ask for it
if TYPE_CHECKING:
    from tui.hardware import Option


@record(frozen=True, slots=True, kw_only=True)
class Figures:
    """Bytes on one device, or on the host."""

    weights_bytes: int
    cache_bytes: int
    """KV cache and states."""
    compute_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.cache_bytes + self.compute_bytes


@record(frozen=True, slots=True, kw_only=True)
class Compared:
    """The engine's own figures beside ours, at one place."""

    name: str
    """As the engine calls it: ``CUDA0``, ``Host``."""
    place: str
    theirs: Figures
    """In whole MiB, rounded down."""
    ours: Figures


@record(frozen=True, slots=True, kw_only=True)
class Verification:
    """What the engine's own program says of the load, or why it says nothing."""

    program: str
    """The file that was run; what was looked for where none was."""
    places: tuple[Compared, ...] = ()
    reason: str = ""
    """Empty where there are figures."""


@record(frozen=True, slots=True, kw_only=True)
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
    is_refused: bool = False
    """There is no assessment, since the engine would not start so, whatever room there is: ``reason`` says why."""
    is_command: bool = False
    """Whether a command was read, and not ``plimsoll check``'s own options."""
    notes: tuple[str, ...] = ()
    """What is to be said of a command that was read."""
    stored: Model | None = None
    """Of a command that has the weights converted while they are loaded: the model as its files hold it."""
    rewrites: tuple[str, ...] = ()
    """Of a command that was read: the whole of it with each change of the advice; empty where no flag says it."""
    exit_status: int
    verification: Verification | None = None
    """None where it was not asked for."""

    @property
    def pacing(self) -> Pacing | None:
        """How fast it would run; None where that is not known, or where it would not run."""
        return None if self.assessment is None else pacing_of(self.assessment)

    @property
    def settled(self) -> Estimate | None:
        """What the engine would do by itself, part of it in RAM; None where it loads as asked, or not at all."""
        return None if self.assessment is None else self.assessment.settled

    @property
    def doubts(self) -> tuple[str, ...]:
        """What had to be assumed."""
        if self.assessment is None:
            return (*self.model.doubts, *self.notes)
        notes = place_notes(self.snapshot)
        return (
            *self.notes,
            *self.assessment.estimate.doubts,
            *(notes[name] for name in self.assessment.device_names if name in notes),
            *self._unused_devices(),
            *said_by_hand(self.snapshot.devices, self.assessment),
        )

    def _unused_devices(self) -> Iterator[str]:
        """Devices that are there and that nobody would use for this, said where none was chosen."""
        made = self.assessment
        if made is None or made.plan.devices is not None:
            return
        vendors = made.plan.engine.VENDORS
        own = any(place.kind != "host" and place.draws_on is None and runs_on(place, vendors) for place in self.places)
        for place in self.places:
            if place.kind == "host" or place.name in made.device_names:
                continue
            if not runs_on(place, vendors):
                yield f"{place.name} is left out: {made.plan.engine.NAME} is not known to run on it"
            elif own and place.draws_on is not None:
                yield f"{place.name} is left out: it draws on the RAM, and there is a GPU with memory of its own"

    @property
    def needs(self) -> Needs | None:
        """Room on disk and in RAM, beside what the estimate is of."""
        made = self.assessment
        if made is None:
            return None
        return made.plan.engine.needs(self.stored or made.plan.model, made.plan.options, made.estimate, HOST_NAME)

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
        return tuple(dict.fromkeys(fault_text(fault, self.snapshot) for fault in self.snapshot.faults))


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

"""What a check found out, and what to type next: the engine's line for it, and the flags of each change."""

import os
from dataclasses import dataclass, fields

from estimator.ledger import Place
from estimator.model import Model
from probes.snapshot import Snapshot
from tui.humanize import plain
from tui.places import device_label
from tui.plan import Advice, Assessment, Change, Plan
from tui.request import Request


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
    reason: str = ""
    exit_status: int

    @property
    def doubts(self) -> tuple[str, ...]:
        """What had to be assumed."""
        return self.assessment.estimate.doubts if self.assessment else self.model.doubts

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
    for field in fields(plan.options):
        value = getattr(change.plan.options, field.name)
        if value != getattr(plan.options, field.name) and field.metadata.get("flag"):
            flags.append(_option_flag(str(field.metadata["flag"]), value))
    return tuple(flags)


def _option_flag(flag: str, value: object) -> str:
    if isinstance(value, bool):
        return flag if value else f"--no-{flag.removeprefix('--')}"
    if value is None:
        return f"{flag} auto"
    return f"{flag} {','.join(f'{part:g}' for part in value) if isinstance(value, tuple) else value}"


def launch_command(finding: Finding, made: Assessment) -> str:
    """The line that starts the engine with exactly this load."""
    is_file = finding.model.source != "catalogue"
    model = _quoted(plain(finding.model.source, 4096)) if is_file else "MODEL.gguf"
    settings = "" if os.name == "nt" else "".join(f"{k}={v} " for k, v in launch_environment(finding, made).items())
    return f"{settings}llama-server -m {model} {engine_flags(finding, made)}"


def engine_flags(finding: Finding, made: Assessment) -> str:
    """The engine's own arguments, the devices named where not all of them are used."""
    flags = made.plan.engine.flags(made.plan.model, made.plan.workload, made.plan.options, made.estimate)
    if _uses_all(finding, made):
        return flags
    if not made.device_names:
        return f"{flags} -dev none"
    devices = finding.snapshot.devices
    chosen = (device for device in devices if device_label(device, devices) in made.device_names)
    return f"{flags} -dev {','.join(f'CUDA{device.index}' for device in chosen)}"


def launch_environment(finding: Finding, made: Assessment) -> dict[str, str]:
    """CUDA counts the fastest device as 0; told otherwise, it counts as the driver and this report do."""
    if _uses_all(finding, made) or not made.device_names:
        return {}
    names = {device.name for device in finding.snapshot.devices}
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if len(names) > 1 else {}


def _uses_all(finding: Finding, made: Assessment) -> bool:
    return len(made.device_names) == len(finding.snapshot.devices)


def _quoted(path: str) -> str:
    if os.name == "nt":
        return f'"{path}"' if " " in path else path
    from shlex import quote  # noqa: PLC0415  # 1 ms, for one line of the text

    return quote(path)

"""How an engine is told which of a machine's devices to use: by a flag, or by what the driver lets it see."""

import os
from collections.abc import Sequence

from estimator.engine import ANY_VENDOR
from probes.snapshot import HOST_POOL, Device
from records.record import record
from tui.humanize import plain
from tui.places import device_label, is_lone_part
from tui.plan import Assessment

_BACKENDS = {"nvidia": "CUDA", "amd": "ROCm", "apple": "MTL"}
"""How llama.cpp's backends name their devices, by the vendor (ggml/src/ggml-cuda, ggml-metal)."""
_VARIABLES = {"nvidia": "CUDA_VISIBLE_DEVICES", "amd": "HIP_VISIBLE_DEVICES"}
"""What hides devices from any program: CUDA C++ Programming Guide, "CUDA Environment Variables"; ROCm's documentation,
"GPU isolation techniques". Ollama hands both on (envconfig/config.go, `AsMap`)."""
_BELOW_HIP = "ROCR_VISIBLE_DEVICES"
"""Hides devices from the runtime below HIP, whose numbers then count what is left."""
NO_DEVICE = "-1"
"""An identity that no device has, and so none is seen: as Ollama's docs/gpu.mdx has it."""
MOST_CHARACTERS = 8192
"""Of a line."""


@record(frozen=True, slots=True, kw_only=True, eq=False)
class _Choice:
    """The devices that an engine counts, and those of them that are meant."""

    devices: tuple[Device, ...]
    labels: dict[str, str]
    """Key -> label, among all devices of the machine."""
    names: tuple[str, ...]
    """Labels of those that are meant."""

    def label(self, device: Device) -> str:
        return self.labels[device.key]

    @property
    def chosen(self) -> tuple[Device, ...]:
        return tuple(device for device in self.devices if self.label(device) in self.names)

    @property
    def is_shown_anew(self) -> bool:
        """Whether a variable has to be set for it.

        A device is meant that is hidden, or is a part without a number; or the numbers rest on which of unlike cards
        CUDA takes for the fastest, or on a variable of this shell.
        """
        if any(device.hidden_by or is_lone_part(device) for device in self.chosen):
            return True
        numbers = list(self.seen().values())
        is_told_anew = any(device.hidden_by for device in self.devices) or numbers != sorted(numbers)
        return bool(self.chosen) and self.is_mixed and is_told_anew and len(numbers) > 1

    @property
    def is_mixed(self) -> bool:
        return len({device.name for device in self.devices if device.vendor == "nvidia"}) > 1

    @property
    def is_order_needed(self) -> bool:
        """Where cards differ, numbers have to be the driver's."""
        return self.is_mixed and (self.is_shown_anew or len(self.seen()) > 1)

    @property
    def has_uuids(self) -> bool:
        """A part is meant: only a UUID names it, and a list is of one kind of names throughout."""
        return any(device.parent_key is not None and device.vendor == "nvidia" for device in self.chosen)

    @property
    def has_unnamed_parts(self) -> bool:
        """Parts of one device that no probe has told apart by the key of their parent, or by their number."""
        alike = [device for device in self.devices if device.parent_key is None]
        return len({(device.vendor, device.index) for device in alike}) < len(alike)

    def seen(self) -> dict[str, int]:
        """Label -> number, of those that a program started from this shell sees, in the driver's order.

        The number is what the probe makes of the shell's variables, or else the position: drivers count what they
        offer.
        """
        seen = sorted((device for device in self.devices if not device.hidden_by), key=lambda device: device.index)
        told = [device.program_index for device in seen]
        numbers = [number for number in told if number is not None]
        if len(numbers) < len(told):
            numbers = list(range(len(seen)))
        return {self.label(device): number for device, number in zip(seen, numbers, strict=True)}

    def identities(self) -> dict[str, str]:
        """Label -> what the vendor's variable calls it: the driver's number among all, or of a part its UUID."""
        if not any(device.hidden_by for device in self.devices) and self.devices[0].vendor == "amd":
            return {name: str(number) for name, number in self.seen().items()}
        if self.has_uuids:
            return {self.label(device): plain(device.key, 100) for device in self.devices}
        # Parts of other GPUs have no number of their own in the variable: that of their GPU stands for all of them.
        below = [device for device in self.devices if device.hidden_by != _BELOW_HIP]
        numbers = {index: str(position) for position, index in enumerate(sorted({device.index for device in below}))}
        return {self.label(device): numbers[device.index] for device in below}


def _choice(devices: Sequence[Device], made: Assessment) -> _Choice:
    """Without devices of other vendors that an engine leaves out: integrated GPUs, and what no engine here runs on."""
    labels = {device.key: device_label(device, devices) for device in devices}
    vendors = {device.vendor for device in devices if labels[device.key] in made.device_names}
    draws_on_host = any(device.pool_key == HOST_POOL for device in devices if labels[device.key] in made.device_names)
    counted = tuple(devices)
    if len(vendors) == 1 and not draws_on_host:
        counted = tuple(
            device
            for device in devices
            if device.vendor in vendors or (device.pool_key != HOST_POOL and device.vendor in ANY_VENDOR)
        )
    return _Choice(devices=counted, labels=labels, names=made.device_names)


def start_line(devices: Sequence[Device], made: Assessment) -> str:
    """The line that starts the engine with this load, ready to be pasted into a shell, as the verdict says of it."""
    line = plain(made.plan.engine.command(made.plan.model, flags_on(devices, made)), MOST_CHARACTERS)
    if os.name == "nt":  # its shells have other ways to set a variable, each its own
        return line
    return "".join(f"{name}={value} " for name, value in environment_on(devices, made).items()) + line


def flags_on(devices: Sequence[Device], made: Assessment, *, is_as_asked: bool = False) -> str:
    """The engine's own arguments, the devices named where not all of them are used and it has a flag for that.

    Where it would leave a part in RAM by itself, they let it do so, unless all of it is wanted as asked: llama.cpp runs
    out of memory where its layers are counted out to it.
    """
    plan, choice = made.plan, _choice(devices, made)
    estimate = made.estimate if is_as_asked or made.settled is None else made.settled
    flags = plan.engine.flags(plan.model, plan.workload, plan.options, estimate)
    seen = choice.seen()
    if not devices or not plan.engine.DEVICE_FLAG:
        return flags
    if not made.device_names:
        return f"{flags} {plan.engine.DEVICE_FLAG} none" if seen else flags
    if is_chosen_by_hand(devices, made) or choice.is_shown_anew or set(made.device_names) == set(seen):
        return flags
    prefix = _BACKENDS.get(choice.devices[0].vendor, "")
    return f"{flags} {plan.engine.DEVICE_FLAG} {','.join(f'{prefix}{seen[name]}' for name in made.device_names)}"


def environment_on(devices: Sequence[Device], made: Assessment) -> dict[str, str]:
    """What has to be set so that the engine uses these devices, and counts them as this report does."""
    if not devices or made.plan.engine.DEVICE_FLAG is None or is_chosen_by_hand(devices, made):
        return {}
    found: dict[str, str] = {}
    choice = _choice(devices, made)
    is_set = choice.is_shown_anew or not (made.plan.engine.DEVICE_FLAG or set(made.device_names) == set(choice.seen()))
    if made.device_names and choice.is_order_needed and not (is_set and choice.has_uuids):
        found["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # otherwise the fastest one is CUDA's first
    if not is_set:
        return found
    identities = choice.identities()
    for vendor in sorted({device.vendor for device in choice.devices} & _VARIABLES.keys()):
        found[_VARIABLES[vendor]] = ",".join(identities[name] for name in made.device_names) or NO_DEVICE
    return found


def said_by_hand(devices: Sequence[Device], made: Assessment) -> tuple[str, ...]:
    """What is left to the person, in a sentence; nothing where nothing is."""
    if not is_chosen_by_hand(devices, made):
        return ()
    flag = made.plan.engine.DEVICE_FLAG
    how = f"see llama-server --list-devices, and add {flag}" if flag else "by what its driver has for that"
    return (f"choose the device by hand: {how}",)


def is_chosen_by_hand(devices: Sequence[Device], made: Assessment) -> bool:
    """Whether the engine's name of a device can't be known: where vendors are mixed, or parts, or an order is."""
    flag, choice = made.plan.engine.DEVICE_FLAG, _choice(devices, made)
    if not made.device_names or len(choice.devices) < 2 or flag is None:
        return False
    vendors = {device.vendor for device in choice.devices}
    if len(vendors) > 1 or not vendors <= (_BACKENDS if flag else _VARIABLES).keys() or choice.has_unnamed_parts:
        return True
    is_layered = any(device.hidden_by == _BELOW_HIP for device in choice.devices)
    return is_layered and (choice.is_shown_anew or not flag)

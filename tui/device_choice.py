"""How an engine is told which of a machine's devices to use: by a flag, or by what the driver lets it see."""

import os
from collections.abc import Sequence

from probes.snapshot import Device
from tui.humanize import plain
from tui.places import device_label
from tui.plan import Assessment

_BACKENDS = {"nvidia": "CUDA", "amd": "ROCm", "apple": "MTL"}
"""How llama.cpp's backends name their devices, by the vendor (ggml/src/ggml-cuda, ggml-metal)."""
_VARIABLES = {"nvidia": "CUDA_VISIBLE_DEVICES", "amd": "HIP_VISIBLE_DEVICES"}
"""What hides devices from any program: CUDA C++ Programming Guide, "CUDA Environment Variables"; ROCm's documentation,
"GPU isolation techniques". Ollama hands both on (envconfig/config.go, `AsMap`)."""
NO_DEVICE = "-1"
"""An identity that no device has, and so none is seen: as Ollama's docs/gpu.mdx has it."""
MOST_CHARACTERS = 8192
"""Of a line."""


def start_line(devices: Sequence[Device], made: Assessment) -> str:
    """The line that starts the engine with exactly this load, ready to be pasted into a shell."""
    line = plain(made.plan.engine.command(made.plan.model, flags_on(devices, made)), MOST_CHARACTERS)
    if os.name == "nt":  # its shells have other ways to set a variable, each its own
        return line
    return "".join(f"{name}={value} " for name, value in environment_on(devices, made).items()) + line


def flags_on(devices: Sequence[Device], made: Assessment) -> str:
    """The engine's own arguments, the devices named where not all of them are used and it has a flag for that."""
    plan = made.plan
    flags = plan.engine.flags(plan.model, plan.workload, plan.options, made.estimate)
    if not devices or not plan.engine.DEVICE_FLAG:
        return flags
    if not made.device_names:
        return f"{flags} {plan.engine.DEVICE_FLAG} none"
    if is_chosen_by_hand(devices, made) or made.device_names == tuple(_positions(devices)):
        return flags
    prefix, positions = _BACKENDS.get(devices[0].vendor, ""), _positions(devices)
    return f"{flags} {plan.engine.DEVICE_FLAG} {','.join(f'{prefix}{positions[name]}' for name in made.device_names)}"


def environment_on(devices: Sequence[Device], made: Assessment) -> dict[str, str]:
    """What has to be set so that the engine uses these devices, and counts them as this report does."""
    if not devices or made.plan.engine.DEVICE_FLAG is None or is_chosen_by_hand(devices, made):
        return {}
    found: dict[str, str] = {}
    if made.device_names and len({device.name for device in devices if device.vendor == "nvidia"}) > 1:
        found["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # otherwise the fastest one is CUDA's first
    positions = _positions(devices)
    if made.plan.engine.DEVICE_FLAG or made.device_names == tuple(positions):
        return found
    for vendor in sorted({device.vendor for device in devices} & _VARIABLES.keys()):
        found[_VARIABLES[vendor]] = ",".join(str(positions[name]) for name in made.device_names) or NO_DEVICE
    return found


def said_by_hand(devices: Sequence[Device], made: Assessment) -> tuple[str, ...]:
    """What is left to the person, in a sentence; nothing where nothing is."""
    if not is_chosen_by_hand(devices, made):
        return ()
    flag = made.plan.engine.DEVICE_FLAG
    how = f"see llama-server --list-devices, and add {flag}" if flag else "by what its driver has for that"
    return (f"choose the device by hand: {how}",)


def is_chosen_by_hand(devices: Sequence[Device], made: Assessment) -> bool:
    """Whether the engine's name of a device can't be known: of parts (MIG), or where vendors are mixed."""
    flag = made.plan.engine.DEVICE_FLAG
    if not made.device_names or len(devices) < 2 or flag is None:
        return False
    vendors = {device.vendor for device in devices}
    has_parts = len({(device.vendor, device.index) for device in devices}) < len(devices)
    return has_parts or len(vendors) > 1 or not vendors <= (_BACKENDS if flag else _VARIABLES).keys()


def _positions(devices: Sequence[Device]) -> dict[str, int]:
    """Label -> number, of devices of one vendor; in the order of their numbers, as drivers count what they offer."""
    ordered = sorted(devices, key=lambda device: device.index)
    return {device_label(device, devices): position for position, device in enumerate(ordered)}

"""Which devices a person could buy once more and put beside."""

import re

from probes.snapshot import Device, Snapshot
from tui.places import device_label

_OF_LAPTOPS = re.compile(r"\b(Laptop GPU|Max-Q|Mobile|RX \d{4}(M|S)( XT)?|Arc A\d{3}M)\b", re.IGNORECASE)
"""Makers' names of GPUs that are soldered into laptops: ``GeForce RTX 4060 Laptop GPU``, ``Radeon RX 6700S``."""


def fixed_labels(snapshot: Snapshot) -> frozenset[str]:
    """Labels of parts of a GPU, of what is a part of the processor, and of a laptop's."""
    return frozenset(device_label(device, snapshot.devices) for device in snapshot.devices if _is_fixed(device))


def _is_fixed(device: Device) -> bool:
    return device.parent_key is not None or device.is_integrated or _OF_LAPTOPS.search(device.name) is not None

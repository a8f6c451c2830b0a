"""Intel GPUs by their PCI numbers: what they are called, and how many Xe cores they have.

Names are those of github.com/pciutils/pciids (2026-08-22), cores those of Intel's pages of each product
(ark.intel.com). A system's own PCI list tells the rest.
"""

from probes.drm import INTEL
from probes.pci_names import pci_name
from records.record import record


@record(frozen=True, slots=True, kw_only=True)
class IntelProduct:
    """What is known of one product."""

    name: str
    n_cores: int | None = None
    """Xe cores, of all tiles together."""


_KNOWN: dict[int, tuple[str, int | None]] = {
    0x0BD5: ("Data Center GPU Max 1550", 128),
    0x0BD9: ("Data Center GPU Max 1100", 56),
    0x0BDA: ("Data Center GPU Max 1100", 56),
    0x0BDB: ("Data Center GPU Max 1100", 56),
    0x0B69: ("Data Center GPU Max 1450", 128),
    0x5690: ("Arc A770M", 32),
    0x5691: ("Arc A730M", 24),
    0x5692: ("Arc A550M", 16),
    0x5693: ("Arc A370M", 8),
    0x5694: ("Arc A350M", 6),
    0x56A0: ("Arc A770", 32),
    0x56A1: ("Arc A750", 28),
    0x56A2: ("Arc A580", 24),
    0x56A5: ("Arc A380", 8),
    0x56A6: ("Arc A310", 6),
    0x56B1: ("Arc Pro A40/A50", 8),
    0x56B3: ("Arc Pro A60", 16),
    0x56C0: ("Data Center GPU Flex 170", 32),
    0x56C1: ("Data Center GPU Flex 140", None),
    0x64A0: ("Arc Graphics 130V/140V", None),
    0x7D51: ("Arc Pro 130T/140T", None),
    0x7D55: ("Arc Graphics", 8),
    0xB080: ("Arc B390", 12),
    0xB081: ("Arc B370", 10),
    0xE20B: ("Arc B580", 20),
    0xE20C: ("Arc B570", 18),
    0xE211: ("Arc Pro B60", 20),
    0xE212: ("Arc Pro B50", 16),
    0xE223: ("Arc Pro B70", 32),
    0x46A6: ("Iris Xe Graphics", None),
    0x9A49: ("Iris Xe Graphics", None),
    0xA7A0: ("Iris Xe Graphics", None),
    0xA7A1: ("Iris Xe Graphics", None),
    0x4680: ("UHD Graphics 770", None),
    0xA780: ("UHD Graphics 770", None),
}


def intel_product(root: str, device_id: int) -> IntelProduct:
    """By the list here, else by the system's, else by number."""
    known = _KNOWN.get(device_id)
    if known is not None:
        return IntelProduct(name=f"Intel {known[0]}", n_cores=known[1])
    listed = pci_name(root, INTEL, device_id)
    if listed is not None:
        return IntelProduct(name=listed if listed.startswith("Intel") else f"Intel {listed}")
    return IntelProduct(name=f"Intel Graphics ({INTEL:04x}:{device_id:04x})")

"""What the PCI list that a system has installed calls a device."""

from probes.sysfs import read_bytes

_LISTS = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids")
_LIST_BYTES = 8 << 20
"""The list of 2026-08 has 1.6 MiB (github.com/pciutils/pciids)."""


def pci_name(root: str, vendor_id: int, device_id: int) -> str | None:
    """The product: what stands in brackets behind the chip's name, ``DG2 [Arc A770]``, else all of it."""
    for path in _LISTS:
        text = read_bytes(f"{root}{path}", _LIST_BYTES)
        if text is None:
            continue
        line = _device_line(text, vendor_id, device_id)
        if line is None:
            continue
        _, bracket, product = line.partition("[")
        return (product.rpartition("]")[0] if bracket else line).strip()[:100] or None
    return None


def _device_line(text: bytes, vendor_id: int, device_id: int) -> str | None:
    """Vendors begin at the margin, their devices with one tab, boards of those with two."""
    start = text.find(b"\n%04x  " % vendor_id)
    if start < 0:
        return None
    found = text.find(b"\n\t%04x  " % device_id, start)
    if found < 0:
        return None
    # Another vendor's device may bear the number: no line between may begin at the margin, comments aside.
    between = text[start + 1 : found].splitlines()[1:]
    if any(line[:1] not in (b"\t", b"#", b"") for line in between):
        return None
    end = text.find(b"\n", found + 1)
    return text[found + 8 : end if end >= 0 else len(text)].decode(errors="replace").strip()

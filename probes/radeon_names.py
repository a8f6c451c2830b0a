"""What an AMD GPU is called: libdrm's own list where it is installed, and the accelerators that are known here.

The list names a device by its PCI number and revision, since several products have one number: 744C is an RX 7900 XTX
at revision C8 and an RX 7900 XT at CC (gitlab.freedesktop.org/mesa/drm, data/amdgpu.ids; the rows below are of the copy
of 2026-08).
"""

from collections.abc import Iterator

from probes.drm import AMD
from probes.sysfs import read_bytes

_LISTS = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids")
_LIST_BYTES = 1 << 20
"""The copy of 2026-08 has 28 KiB."""

_KNOWN = {
    (0x1586, 0xC1): "AMD Radeon 8060S Graphics",
    (0x1586, 0xC2): "AMD Radeon 8050S Graphics",
    (0x1586, 0xD1): "AMD Radeon 8060S Graphics",
    (0x1586, 0xD2): "AMD Radeon 8050S Graphics",
    (0x66A1, 0x02): "AMD Instinct MI60 / MI50",
    (0x738C, None): "AMD Instinct MI100",
    (0x7408, None): "AMD Instinct MI250X",
    (0x740C, None): "AMD Instinct MI250",
    (0x740F, None): "AMD Instinct MI210",
    (0x73BF, 0xC0): "AMD Radeon RX 6900 XT",
    (0x73BF, 0xC1): "AMD Radeon RX 6800 XT",
    (0x73BF, 0xC3): "AMD Radeon RX 6800",
    (0x73DF, 0xC1): "AMD Radeon RX 6700 XT",
    (0x73FF, 0xC1): "AMD Radeon RX 6600 XT",
    (0x7448, 0x00): "AMD Radeon Pro W7900",
    (0x744C, 0xC8): "AMD Radeon RX 7900 XTX",
    (0x744C, 0xCC): "AMD Radeon RX 7900 XT",
    (0x744C, 0xCE): "AMD Radeon RX 7900 GRE",
    (0x747E, 0xC8): "AMD Radeon RX 7800 XT",
    (0x747E, 0xFF): "AMD Radeon RX 7700 XT",
    (0x7480, 0xC0): "AMD Radeon RX 7600 XT",
    (0x7480, 0xCF): "AMD Radeon RX 7600",
    (0x74A0, None): "AMD Instinct MI300A",
    (0x74A1, None): "AMD Instinct MI300X",
    (0x74A2, None): "AMD Instinct MI308X",
    (0x74A5, None): "AMD Instinct MI325X",
    (0x7550, 0xC0): "AMD Radeon RX 9070 XT",
    (0x7550, 0xC3): "AMD Radeon RX 9070",
    (0x7551, 0xC0): "AMD Radeon AI PRO R9700",
    (0x7590, 0xC0): "AMD Radeon RX 9060 XT",
    (0x75A0, None): "AMD Instinct MI350X",
    (0x75A3, None): "AMD Instinct MI355X",
}
"""For systems without libdrm's list, those that people run models on; None stands for any revision."""

_INTEGRATED_BANDWIDTHS = {0x1586: 256.0}
"""10^9 bytes per second. Strix Halo has 256 bits of LPDDR5X-8000 soldered to it (AMD's page of the Ryzen AI Max+ 395);
other APUs run with whatever modules the machine has."""


def radeon_name(root: str, device_id: int, revision: int) -> str:
    """By libdrm's list, else by the one here, else the number."""
    for path in _LISTS:
        for listed_id, listed_revision, name in _rows(read_bytes(f"{root}{path}", _LIST_BYTES) or b""):
            if (listed_id, listed_revision) == (device_id, revision):
                return name if name.startswith(("AMD", "ATI")) else f"AMD {name}"
    known = _KNOWN.get((device_id, revision)) or _KNOWN.get((device_id, None))
    return known or f"AMD Radeon Graphics ({AMD:04x}:{device_id:04x})"


def integrated_bandwidth(device_id: int) -> float | None:
    """Of the memory that comes with an APU: 10^9 bytes per second, where all machines with it have the same."""
    return _INTEGRATED_BANDWIDTHS.get(device_id)


def _rows(text: bytes) -> Iterator[tuple[int, int, str]]:
    """``744C,<tab>C8,<tab>AMD Radeon RX 7900 XTX``; lines of another form are passed over."""
    for line in text.decode(errors="replace").splitlines():
        parts = line.split(",", 2)
        if len(parts) == 3:
            try:
                row = int(parts[0], 16), int(parts[1], 16), parts[2].strip()[:100]
            except ValueError:
                continue
            if row[2]:
                yield row

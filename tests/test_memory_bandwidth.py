"""How fast the RAM is said to be, and what that rests on."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.memory_bandwidth import bandwidth_of, parse_module
from probes.memory_channels import channels_of_arm, channels_of_x86
from probes.processor import Processor

RYZEN = Processor(name="AMD Ryzen 9 7950X", vendor_family_model=("AuthenticAMD", 25, 97), n_cores=16, n_sockets=1)
GENOA = Processor(name="AMD EPYC", vendor_family_model=("AuthenticAMD", 25, 17), n_cores=96, n_sockets=2)


def module(
    *, width: int = 64, size_mib: int = 16384, rated: int = 5600, configured: int = 5200, kind: int = 0x22
) -> bytes:
    """A memory device of SMBIOS 3.2: 0x54 bytes and its strings."""
    raw = bytearray(0x54)
    raw[0], raw[1] = 17, 0x54
    raw[0x0A:0x0C] = width.to_bytes(2, "little")
    raw[0x0C:0x0E] = size_mib.to_bytes(2, "little")
    raw[0x12] = kind
    raw[0x15:0x17] = rated.to_bytes(2, "little")
    raw[0x20:0x22] = configured.to_bytes(2, "little")
    return bytes(raw) + b"DIMM A1\0\0"


def plugged(root: Path, *modules: bytes) -> str:
    for number, raw in enumerate(modules):
        folder = root / f"sys/firmware/dmi/entries/17-{number}"
        folder.mkdir(parents=True)
        (folder / "raw").write_bytes(raw)
    return str(root)


def test_modules_are_counted_at_the_speed_that_is_set(tmp_path: Path) -> None:
    found = bandwidth_of(plugged(tmp_path, module(), module(), module(size_mib=0)), RYZEN)
    assert found.gigabytes_per_second == pytest.approx(2 * 5.2 * 8)
    assert found.basis == "2 channels of DDR5-5200: 2 modules, as the firmware lists them"


def test_four_modules_share_two_channels(tmp_path: Path) -> None:
    found = bandwidth_of(plugged(tmp_path, *[module(configured=3600)] * 4), RYZEN)
    assert found.gigabytes_per_second == pytest.approx(2 * 3.6 * 8)


def test_chips_that_are_soldered_count_by_their_width(tmp_path: Path) -> None:
    halo = Processor(name="AMD RYZEN AI MAX+ 395", vendor_family_model=("AuthenticAMD", 26, 112), n_cores=16)
    found = bandwidth_of(plugged(tmp_path, *[module(width=32, configured=8000, kind=0x23)] * 8), halo)
    assert found.gigabytes_per_second == pytest.approx(256)


def test_without_rights_the_processor_says_what_is_possible(tmp_path: Path) -> None:
    found = bandwidth_of(str(tmp_path), GENOA)
    assert found.gigabytes_per_second == pytest.approx(2 * 12 * 4.8 * 8)
    assert "all that the processor has" in (found.basis or "")


def test_guest_is_not_told_what_its_firmware_makes_up(tmp_path: Path) -> None:
    guest = Processor(
        name="AMD EPYC", vendor_family_model=("AuthenticAMD", 25, 17), n_cores=64, n_sockets=1, is_guest=True
    )
    found = bandwidth_of(plugged(tmp_path, module(configured=1600)), guest)
    assert found.gigabytes_per_second == pytest.approx(12 * 4.8 * 8)


def test_few_cores_cannot_read_all_channels(tmp_path: Path) -> None:
    small = Processor(name="AMD EPYC", vendor_family_model=("AuthenticAMD", 25, 17), n_cores=4, usable_cores=2.0)
    found = bandwidth_of(str(tmp_path), small)
    assert (found.gigabytes_per_second, found.basis) == (40.0, "2 cores at 20 GB/s each (assumed)")


def test_unknown_processor_has_no_estimate(tmp_path: Path) -> None:
    found = bandwidth_of(str(tmp_path), Processor(name="Loongson-3A6000"))
    assert (found.gigabytes_per_second, found.basis) == (None, None)


@pytest.mark.parametrize(
    ("vendor", "family", "model", "name", "gigabytes"),
    [
        ("AuthenticAMD", 0x17, 0x31, "AMD EPYC 7742 64-Core Processor", 204.8),
        ("AuthenticAMD", 0x17, 0x31, "AMD Ryzen Threadripper 3970X 32-Core Processor", 102.4),
        ("AuthenticAMD", 0x17, 0x31, "AMD Ryzen Threadripper PRO 3995WX 64-Cores", 204.8),
        ("AuthenticAMD", 0x17, 0x71, "AMD Ryzen 9 3900X 12-Core Processor", 51.2),
        ("AuthenticAMD", 0x19, 0x01, "AMD EPYC 7763 64-Core Processor", 204.8),
        ("AuthenticAMD", 0x19, 0x11, "AMD EPYC 9654 96-Core Processor", 460.8),
        ("AuthenticAMD", 0x1A, 0x44, "AMD Ryzen 9 9950X 16-Core Processor", 89.6),
        ("AuthenticAMD", 0x1A, 0x70, "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", 256.0),
        ("GenuineIntel", 6, 0x55, "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", 140.784),
        ("GenuineIntel", 6, 0x55, "Intel(R) Xeon(R) W-2295 CPU @ 3.00GHz", 93.856),
        ("GenuineIntel", 6, 0x8F, "Intel(R) Xeon(R) Platinum 8480+", 307.2),
        ("GenuineIntel", 6, 0xB7, "13th Gen Intel(R) Core(TM) i9-13900K", 89.6),
    ],
)
def test_peak_of_a_kind_of_processor(vendor: str, family: int, model: int, name: str, gigabytes: float) -> None:
    channels = channels_of_x86(vendor, family, model, name)
    assert channels is not None
    assert channels.gigabytes_per_second == pytest.approx(gigabytes)


def test_same_cores_of_two_makers_are_told_apart() -> None:
    amazon, nvidia = channels_of_arm("Neoverse-V2", "Amazon EC2"), channels_of_arm("Neoverse-V2", "NVIDIA Grace CPU")
    assert amazon is not None
    assert nvidia is not None
    assert amazon.memory.startswith("DDR5")
    assert nvidia.memory.startswith("LPDDR5X")


@given(st.binary(max_size=200))
def test_module_of_any_bytes_makes_sense_or_is_none(raw: bytes) -> None:
    found = parse_module(raw)
    assert found is None or (8 <= found.width_bits <= 1024 and 100 <= found.megatransfers <= 50_000)


@given(st.binary(min_size=92, max_size=92))
def test_module_of_any_fields_makes_sense_or_is_none(raw: bytes) -> None:
    found = parse_module(b"\x11\x5c" + raw[2:])
    assert found is None or (8 <= found.width_bits <= 1024 and 100 <= found.megatransfers <= 50_000)

"""How many channels of memory a kind of processor has, and the fastest memory that it takes.

Kinds are told by vendor, family and model as /proc/cpuinfo prints them, since names vary (a cloud's guest sees "AMD
EPYC"). Which numbers are which: arch/x86/include/asm/intel-family.h and arch/x86/kernel/cpu/amd.c of Linux 6.17.
Channels and speeds were read on 2026-11-26 for EPYC of the first to the fourth generation (tomshardware.com and .fr,
"12 DDR5 memory channels on Genoa", which also give its families), Xeon Scalable of the second to the fourth and the
sixth (wwt.com, "Memory Population Guidelines"; technosports.co.in) and Graviton (wikichip.org, nextplatform.com).
All others were put down from memory of the makers' specifications and count as ASSUMED. What is plugged in is
often slower than what a processor takes.
"""

from typing import NamedTuple


class Channels(NamedTuple):
    """Of one socket. A channel is 64 bits wide, so 32-bit ones count half."""

    n_channels: int
    megatransfers: int
    memory: str

    @property
    def gigabytes_per_second(self) -> float:
        return self.n_channels * self.megatransfers * 8 / 1000


class _Kind(NamedTuple):
    vendor: str
    family: int
    first_model: int
    last_model: int
    word: str
    """In the processor's name, in small letters; empty: any."""
    channels: Channels


def _intel(model: int, channels: Channels, word: str = "") -> _Kind:
    return _Kind("GenuineIntel", 6, model, model, word, channels)


def _amd(family: int, first: int, last: int, channels: Channels, word: str = "") -> _Kind:
    return _Kind("AuthenticAMD", family, first, last, word, channels)


_X86 = (
    # Zen and Zen+
    _amd(0x17, 0x01, 0x01, Channels(8, 2666, "DDR4-2666"), "epyc"),
    _amd(0x17, 0x01, 0x01, Channels(4, 2666, "DDR4-2666"), "threadripper"),
    _amd(0x17, 0x08, 0x08, Channels(4, 2933, "DDR4-2933"), "threadripper"),
    _amd(0x17, 0x01, 0x1F, Channels(2, 2666, "DDR4-2666")),
    # Zen 2
    _amd(0x17, 0x31, 0x31, Channels(8, 3200, "DDR4-3200"), "epyc"),
    _amd(0x17, 0x31, 0x31, Channels(8, 3200, "DDR4-3200"), "threadripper pro"),
    _amd(0x17, 0x31, 0x31, Channels(4, 3200, "DDR4-3200"), "threadripper"),
    _amd(0x17, 0x60, 0x7F, Channels(2, 3200, "DDR4-3200")),
    # Zen 3
    _amd(0x19, 0x00, 0x0F, Channels(8, 3200, "DDR4-3200")),
    _amd(0x19, 0x20, 0x2F, Channels(2, 3200, "DDR4-3200")),
    _amd(0x19, 0x40, 0x4F, Channels(2, 4800, "DDR5-4800")),
    _amd(0x19, 0x50, 0x5F, Channels(2, 3200, "DDR4-3200")),
    # Zen 4
    _amd(0x19, 0x18, 0x18, Channels(8, 5200, "DDR5-5200"), "threadripper pro"),
    _amd(0x19, 0x18, 0x18, Channels(4, 5200, "DDR5-5200"), "threadripper"),
    _amd(0x19, 0x10, 0x1F, Channels(12, 4800, "DDR5-4800")),
    _amd(0x19, 0xA0, 0xAF, Channels(6, 4800, "DDR5-4800"), "epyc 8"),
    _amd(0x19, 0xA0, 0xAF, Channels(12, 4800, "DDR5-4800")),
    _amd(0x19, 0x60, 0x6F, Channels(2, 5200, "DDR5-5200")),
    _amd(0x19, 0x70, 0x7F, Channels(2, 5600, "DDR5-5600")),
    # Zen 5
    _amd(0x1A, 0x08, 0x08, Channels(8, 6400, "DDR5-6400"), "threadripper pro"),
    _amd(0x1A, 0x08, 0x08, Channels(4, 6400, "DDR5-6400"), "threadripper"),
    _amd(0x1A, 0x00, 0x1F, Channels(12, 6000, "DDR5-6000")),
    _amd(0x1A, 0x20, 0x2F, Channels(2, 5600, "DDR5-5600")),
    _amd(0x1A, 0x40, 0x4F, Channels(2, 5600, "DDR5-5600")),
    _amd(0x1A, 0x60, 0x6F, Channels(2, 5600, "DDR5-5600")),
    _amd(0x1A, 0x70, 0x7F, Channels(4, 8000, "LPDDR5X-8000")),
    # Xeon
    _intel(0x2D, Channels(4, 1600, "DDR3-1600")),
    _intel(0x3E, Channels(4, 1866, "DDR3-1866")),
    _intel(0x3F, Channels(4, 2133, "DDR4-2133")),
    _intel(0x4F, Channels(4, 2400, "DDR4-2400")),
    _intel(0x55, Channels(4, 2933, "DDR4-2933"), "xeon(r) w"),
    _intel(0x55, Channels(4, 2933, "DDR4-2933"), "core(tm) i9"),
    _intel(0x55, Channels(6, 2933, "DDR4-2933")),
    _intel(0x6A, Channels(8, 3200, "DDR4-3200")),
    _intel(0x6C, Channels(4, 2933, "DDR4-2933")),
    _intel(0x8F, Channels(4, 4800, "DDR5-4800"), "xeon(r) w3"),
    _intel(0x8F, Channels(4, 4800, "DDR5-4800"), "xeon(r) w5-2"),
    _intel(0x8F, Channels(4, 4800, "DDR5-4800"), "xeon(r) w7-2"),
    _intel(0x8F, Channels(8, 4800, "DDR5-4800")),
    _intel(0xCF, Channels(8, 5600, "DDR5-5600")),
    _intel(0xAD, Channels(12, 6400, "DDR5-6400"), "xeon(r) 69"),
    _intel(0xAD, Channels(8, 6400, "DDR5-6400")),
    _intel(0xAF, Channels(8, 6400, "DDR5-6400")),
    # Core, of the desktop and of laptops
    *(_intel(model, Channels(2, 1600, "DDR3-1600")) for model in (0x2A, 0x3A, 0x3C, 0x45, 0x46, 0x3D, 0x47)),
    *(_intel(model, Channels(2, 2133, "DDR4-2133")) for model in (0x4E, 0x5E)),
    *(_intel(model, Channels(2, 2666, "DDR4-2666")) for model in (0x8E, 0x9E)),
    *(_intel(model, Channels(2, 2933, "DDR4-2933")) for model in (0xA5, 0xA6)),
    *(_intel(model, Channels(2, 3200, "DDR4-3200")) for model in (0x7E, 0x8C, 0x8D, 0xA7)),
    *(_intel(model, Channels(2, 4800, "DDR5-4800")) for model in (0x97, 0x9A)),
    *(_intel(model, Channels(2, 5600, "DDR5-5600")) for model in (0xB7, 0xBA, 0xBF, 0xAA, 0xAC)),
    *(_intel(model, Channels(2, 6400, "DDR5-6400")) for model in (0xC5, 0xC6, 0xB5)),
    _intel(0xBD, Channels(2, 8533, "LPDDR5X-8533")),
)

_ARM = (
    # Name of the cores, a word in the maker's name or empty, channels
    ("Neoverse-N1", "", Channels(8, 3200, "DDR4-3200")),
    ("Neoverse-V1", "", Channels(8, 4800, "DDR5-4800")),
    ("Neoverse-V2", "amazon", Channels(12, 5600, "DDR5-5600")),
    ("Neoverse-V2", "nvidia", Channels(8, 6000, "LPDDR5X-6000")),
    ("Ampere-1", "", Channels(8, 5200, "DDR5-5200")),
    ("Kunpeng 920", "", Channels(8, 2933, "DDR4-2933")),
    ("Cortex-X925", "", Channels(4, 8533, "LPDDR5X-8533")),
)


def channels_of_x86(vendor: str, family: int, model: int, name: str) -> Channels | None:
    """Of one socket; None where the kind is not known."""
    lowered = name.lower()
    for kind in _X86:
        is_of_family = (kind.vendor, kind.family) == (vendor, family)
        if is_of_family and kind.first_model <= model <= kind.last_model and kind.word in lowered:
            return kind.channels
    return None


def channels_of_arm(cores: str, maker: str) -> Channels | None:
    """By the name of the cores and of the machine's maker."""
    lowered = maker.lower()
    return next((channels for name, word, channels in _ARM if name in cores and word in lowered), None)

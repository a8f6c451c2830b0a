"""Which Intel GPUs a SYCL program started with some environment sees, and in which order.

1. ZE_AFFINITY_MASK, read by Level Zero's driver: numbers of GPUs in the order of their PCI addresses, ``0,1``, or of
   parts of them, ``0.1`` (spec.oneapi.io/level-zero, Affinity Mask; ExecutionEnvironment::sortNeoDevices and
   parseAffinityMask of github.com/intel/compute-runtime). Empty: all.
2. What is left is numbered anew, cards before integrated ones (DeviceFactory::createDevices, discreteDeviceIndex).
3. ONEAPI_DEVICE_SELECTOR, read by SYCL: terms ``backend:devices`` joined by semicolons, the devices being ``*``,
   ``gpu`` or numbers of step 2; a term behind ``!`` takes away, and where only such stand, all others are taken
   (intel.github.io/llvm/EnvironmentVariables.html).

Numbers behind the backend ``opencl`` count processors as well, so they are not followed: what they take is taken for
all. Vulkan programs follow none of these.
"""

from collections.abc import Mapping, Sequence

from records.record import record

_BACKENDS = frozenset({"*", "level_zero", "opencl"})
"""Those that have Intel GPUs."""
_MOST_TERMS = 256


@record(frozen=True, slots=True, kw_only=True)
class Visibility:
    """How programs see the GPUs, each given by its place in the order of PCI addresses."""

    program_indices: Mapping[int, int]
    hidden_by: Mapping[int, str]


def visibility(are_integrated: Sequence[bool], environment: Mapping[str, str]) -> Visibility:
    """Of GPUs in the order of their PCI addresses, each part of a processor or a card."""
    everything = list(range(len(are_integrated)))
    mask = environment.get("ZE_AFFINITY_MASK")
    masked = _masked(mask, len(everything)) if mask else everything
    hidden = dict.fromkeys((gpu for gpu in everything if gpu not in masked), "ZE_AFFINITY_MASK")
    numbered = sorted(masked, key=lambda gpu: are_integrated[gpu])  # stable: by address within either kind
    selector = environment.get("ONEAPI_DEVICE_SELECTOR")
    chosen = _chosen(selector, len(numbered)) if selector else range(len(numbered))
    kept = [gpu for number, gpu in enumerate(numbered) if number in chosen]
    hidden |= dict.fromkeys((gpu for gpu in numbered if gpu not in kept), "ONEAPI_DEVICE_SELECTOR")
    return Visibility(program_indices={gpu: index for index, gpu in enumerate(kept)}, hidden_by=hidden)


def _masked(mask: str, n_gpus: int) -> list[int]:
    """In the order of addresses, whatever the mask's; numbers that no GPU has are passed over."""
    wanted = {_number(entry.partition(".")[0]) for entry in mask.split(",", _MOST_TERMS)}
    return [gpu for gpu in range(n_gpus) if gpu in wanted]


def _chosen(selector: str, n_gpus: int) -> set[int]:
    terms = [term.strip().casefold() for term in selector.split(";", _MOST_TERMS)]
    accepting = [term for term in terms if term and not term.startswith("!")]
    taken = set[int]() if accepting else set(range(n_gpus))
    for term in accepting:
        taken |= _term(term, n_gpus)
    for term in terms:
        if term.startswith("!"):
            taken -= _term(term[1:], n_gpus, is_discarding=True)
    return taken


def _term(term: str, n_gpus: int, *, is_discarding: bool = False) -> set[int]:
    backend, _, devices = term.partition(":")
    backend = backend.strip()
    if backend not in _BACKENDS or (is_discarding and backend == "opencl"):
        return set()  # what is taken from OpenCL alone is there in Level Zero still
    taken = set[int]()
    for device in devices.split(",", _MOST_TERMS):
        name = device.strip().partition(".")[0]
        number = _number(name)
        if name in ("*", "gpu") or (number is not None and backend == "opencl"):
            taken |= set(range(n_gpus))
        elif number is not None and number < n_gpus:
            taken.add(number)
    return taken


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None

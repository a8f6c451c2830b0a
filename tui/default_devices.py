"""Which devices an engine would use by itself, where nobody has chosen any."""

from collections.abc import Collection, Sequence

from estimator.engine import ANY_VENDOR
from estimator.ledger import Place


def default_devices(places: Sequence[Place], vendors: Collection[str]) -> tuple[Place, ...]:
    """Those an engine of these vendors' devices would use, in the order in which one alone is tried.

    - None that no engine is known to run on (TPU, Gaudi, Ascend, Cloud AI): their makers' own programs do.
    - A GPU on the host's memory only where there is none with its own: llama_model_load_from_file_impl, src/llama.cpp
      (integrated GPUs are added where no other device was found); Ollama leaves them out likewise.
    """
    devices = [place for place in places if place.kind != "host" and runs_on(place, vendors)]
    own = [place for place in devices if place.draws_on is None]
    return tuple(own or devices)


def runs_on(place: Place, vendors: Collection[str]) -> bool:
    """Whether engines are known for devices of its vendor; of one that a person typed, yes."""
    here = place.surroundings
    return here is None or not here.vendor or here.vendor in ANY_VENDOR or here.vendor in vendors


def largest_first(devices: Sequence[Place]) -> list[Place]:
    """The order in which one device alone is tried."""
    return sorted(devices, key=lambda place: -place.total_bytes)


def together(devices: Sequence[Place]) -> tuple[Place, ...]:
    """Those that one program can use side by side.

    Of NVIDIA's parts that have no number it sees one, and none beside a whole GPU, as before driver 570:
    docs.nvidia.com/datacenter/tesla/mig-user-guide/mig-device-names.html, CUDA Device Enumeration.
    """
    whole = tuple(place for place in devices if not place.is_part)
    return whole or tuple(largest_first(devices)[:1])

"""Intel GPUs on Linux, cards and parts of processors, under the drivers i915 and xe. No library, and mostly no root.

Built from documents and public recordings, without such a machine at hand; what each test machine rests on stands in
``tests/machines``. What the drivers answer about memory, and to whom, is told in ``probes/intel_regions.py``.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from probes.access import REAL, Access
from probes.drm import INTEL, Card, card_names, cards
from probes.errors import ProbeLost, ProbeUnavailable
from probes.fdinfo import Scan, Scanner
from probes.intel_card import IntelCard
from probes.intel_products import intel_product
from probes.intel_regions import NodeAccess
from probes.oneapi_visibility import Visibility, visibility
from probes.probe import Probe
from probes.snapshot import Device, Fault, Pool, Process, Reading
from probes.sysfs import read_fields


def open_probe(access: Access = REAL) -> Probe:
    """All Intel GPUs that a driver has taken hold of.

    Raises:
        ProbeUnavailable: there is none.
    """
    if access.system != "linux" or not cards(access.root.rstrip("/"), INTEL):
        raise ProbeUnavailable("no Intel GPU is here that a driver of Linux has", is_expected=True)
    return IntelProbe(access)


class IntelProbe:
    """The GPUs by their address."""

    def __init__(
        self, access: Access, *, nodes: NodeAccess | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``nodes`` reaches the drivers; by default those of this machine."""
        self._access = access
        self._root = access.root.rstrip("/")
        self._nodes = nodes or NodeAccess()
        self._clock = clock
        self._scanner = Scanner(self._root, ("i915", "xe"), clock)
        self._names = frozenset[str]()
        self._cards: list[IntelCard] = []

    def sample(self) -> Reading:
        self._follow_cards()
        awake = [card for card in self._cards if card.look(self._clock())]
        scan = self._scanner.scan() if awake else Scan()
        offered = [card for card in self._cards if card.missing is None]
        seen = visibility([card.is_integrated for card in offered], self._access.environment)
        places = {card.key: place for place, card in enumerate(offered)}
        pools: list[Pool] = []
        devices: list[Device] = []
        processes: list[Process] = []
        faults: list[Fault] = []
        for index, card in enumerate(self._cards):
            card.hold(scan.holdings)
            pool = card.pool()
            pools += [] if pool is None else [pool]
            devices.append(self._device(card, index, scan, seen, places.get(card.key)))
            processes += card.processes()
            faults += card.faults(scan.n_hidden)
        return Reading(pools=tuple(pools), devices=tuple(devices), processes=tuple(processes), faults=tuple(faults))

    def close(self) -> None:
        for card in self._cards:
            card.close()

    def _follow_cards(self) -> None:
        names = card_names(self._root)
        if names == self._names:
            return
        found = cards(self._root, INTEL)
        if not found:
            raise ProbeLost("the Intel GPU is gone: unplugged, or its driver was unloaded")
        self.close()
        self._names = names
        host_bytes = 1024 * read_fields(f"{self._root}/proc/meminfo").get("MemTotal", 0)
        self._cards = [
            IntelCard(
                card,
                intel_product(self._root, card.device_id),
                self._nodes,
                self._node_path(card),
                host_bytes=host_bytes,
                missing=card.missing_node(self._root),
            )
            for card in found
        ]

    def _node_path(self, card: Card) -> str:
        node = card.name if card.render_minor is None else f"renderD{card.render_minor}"
        return self._access.path(f"/dev/dri/{node}")

    def _device(self, card: IntelCard, index: int, scan: Scan, seen: Visibility, place: int | None) -> Device:
        """``place`` is that among the GPUs which a program can open at all."""
        device = card.device(index, scan.busy_ratios.get(card.key))
        if self._access.attention.is_on_details:
            device = replace(device, details=card.details())
        if place is None:
            return replace(device, hidden_by=card.missing)
        return replace(device, program_index=seen.program_indices.get(place), hidden_by=seen.hidden_by.get(place))

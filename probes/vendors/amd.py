"""AMD GPUs on Linux: cards, APUs and parts of split accelerators, through sysfs and /proc. No root, no library.

Built from documents and public recordings, without such a machine at hand; what each test machine rests on stands in
``tests/machines``. Where a GPU's memory is, and who gets it, is told in ``probes/amd_card.py``.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from probes.access import REAL, Access
from probes.amd_card import AmdCard
from probes.drm import AMD, card_names, cards
from probes.errors import ProbeLost, ProbeUnavailable
from probes.fdinfo import SCAN_SECONDS, Scan, Scanner
from probes.kfd import ComputeNode, compute_nodes, held_bytes, rocm_version, topology_generation
from probes.pid_namespace import sees_whole_machine
from probes.probe import Probe
from probes.radeon_names import radeon_name
from probes.rocm_visibility import Visibility, visibility
from probes.snapshot import Device, Fault, Pool, Process, Reading, Version
from probes.sysfs import read_fields, read_text

_PAGE_BYTES = 4096
"""Of x86, the only processors with an AMD GPU in them."""

_COMPUTE_FILE = "/dev/kfd"
_NOTHING = Scan()


def open_probe(access: Access = REAL) -> Probe:
    """All AMD GPUs that a driver has taken hold of.

    Raises:
        ProbeUnavailable: there is none.
    """
    root = access.root.rstrip("/")
    if access.system != "linux" or not cards(root, AMD):
        raise ProbeUnavailable("no AMD GPU is here that a driver of Linux has", is_expected=True)
    return AmdProbe(access)


class AmdProbe:
    """The cards by their address, which is the order in which rocm-smi numbers them."""

    def __init__(
        self,
        access: Access,
        *,
        may_open: Callable[[str], bool] = lambda path: os.access(path, os.R_OK | os.W_OK),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``may_open`` tells whether this user may read and write a device's file."""
        self._may_open = may_open
        self._access = access
        self._root = access.root.rstrip("/")
        self._clock = clock
        self._scanner = Scanner(self._root, ("amdgpu",), clock)
        self._is_whole_machine = sees_whole_machine(self._root)
        self._seen: tuple[frozenset[str], int | None] | None = None
        """The cards, and how often the compute driver has counted its GPUs anew."""
        self._cards: list[AmdCard] = []
        self._visibility: dict[int, tuple[int | None, str | None]] = {}
        """gpu id of the compute driver -> its number in a program, and what hides it."""
        self._versions: tuple[Version, ...] = ()
        self._held: dict[tuple[int, int], int] = {}
        self._is_held_told = False
        self._held_seconds = float("-inf")
        self._told: tuple[Scan, dict[str, list[Process]]] = (Scan(), {})
        """The processes by card, and the scan that they are of: they change only with it."""

    def sample(self) -> Reading:
        self._follow_cards()
        awake = [card for card in self._cards if card.look(is_busy=self._is_busy(card))]
        scan = self._scanner.scan() if awake else _NOTHING
        if self._read_held() or scan is not self._told[0]:
            self._told = scan, {card.key: self._processes(card, scan) for card in self._cards}
        pools: list[Pool] = []
        devices: list[Device] = []
        processes: list[Process] = []
        faults: list[Fault] = []
        for card in self._cards:
            own = self._told[1].get(card.key, [])
            pool = card.pool()
            pools += [] if pool is None else [pool]
            devices += self._devices(card, scan, len(devices))
            processes += own
            faults += card.faults(own, scan.n_hidden)
        faults += self._rocm_faults()
        return Reading(
            pools=tuple(pools),
            devices=tuple(devices),
            processes=tuple(processes),
            faults=tuple(faults),
            versions=self._versions,
        )

    def close(self) -> None:
        """Nothing is held open."""

    def _is_busy(self, card: AmdCard) -> bool:
        """Whether programs were seen to work with it lately, or ROCm has it open, which keeps it awake."""
        gpu_ids = {node.gpu_id for node in card.nodes}
        is_open = any(gpu_id in gpu_ids and n_bytes > 0 for (_, gpu_id), n_bytes in self._held.items())
        return is_open or self._told[0].busy_ratios.get(card.key, 0.0) > 0

    def _rocm_faults(self) -> Iterable[Fault]:
        """Whether programs for ROCm can reach the GPUs: all go through one file."""
        path = f"{self._root}{_COMPUTE_FILE}"
        usable = [
            card
            for card in self._cards
            if card.card.driver == "amdgpu" and not card.is_for_screens and card.card.missing_node(self._root) is None
        ]
        if not usable or not os.path.isdir(f"{self._root}/dev"):
            return
        if not os.path.exists(path):
            message = f"there is no {_COMPUTE_FILE} here, so no program for ROCm can use a GPU; those for Vulkan can"
        elif self._may_open(path):
            return
        else:
            message = f"this user may not open {_COMPUTE_FILE}, so programs for ROCm see no GPU; join the group render"
        yield Fault(probe="amd", message=message, is_note=True)

    def _follow_cards(self) -> None:
        """Cards come and go, and are split and joined; asking takes 30 µs."""
        seen = card_names(self._root), topology_generation(self._root)
        if seen == self._seen:
            return
        found = cards(self._root, AMD)
        if not found:
            raise ProbeLost("the AMD GPU is gone: unplugged, or its driver was unloaded")
        self._seen = seen
        self._told = _NOTHING, {}
        self._held_seconds = float("-inf")
        nodes = compute_nodes(self._root)
        host_bytes = 1024 * read_fields(f"{self._root}/proc/meminfo").get("MemTotal", 0)
        pages_bytes = _pages_limit_bytes(self._root)
        self._cards = [
            AmdCard(
                card,
                name=radeon_name(self._root, card.device_id, card.revision),
                nodes=tuple(node for node in nodes if node.bus_address == card.bus_address),
                most_ram_bytes=min(filter(None, (host_bytes, pages_bytes)), default=None),
            )
            for card in found
        ]
        self._visibility = _by_gpu_id(nodes, visibility([node.unique_id for node in nodes], self._access.environment))
        self._versions = tuple(_versions(self._root))

    def _read_held(self) -> bool:
        """What compute processes hold; whether it was read anew."""
        if self._clock() - self._held_seconds < SCAN_SECONDS:
            return False
        held = held_bytes(self._root)
        self._held, self._is_held_told = held or {}, held is not None
        self._held_seconds = self._clock()
        return True

    def _devices(self, card: AmdCard, scan: Scan, first_index: int) -> Iterable[Device]:
        whole = card.device(first_index, scan.busy_ratios.get(card.card.bus_address))
        if self._access.attention.is_on_details:
            whole = replace(whole, details=card.details())
        if len(card.nodes) < 2:
            number, hidden_by = self._visibility.get(card.nodes[0].gpu_id, (None, None)) if card.nodes else (None, None)
            missing = card.card.missing_node(self._root)
            if missing is not None:
                number, hidden_by = None, missing
            return [replace(whole, program_index=number, hidden_by=hidden_by)]
        return [
            replace(
                whole,
                key=f"{whole.key}/{node.part}",
                index=first_index + place,
                parent_key=whole.key,
                used_bytes=self._part_bytes(node),
                limit_bytes=node.local_bytes,
                n_multiprocessors=node.n_compute_units,
                program_index=self._visibility[node.gpu_id][0],
                hidden_by=self._visibility[node.gpu_id][1],
            )
            for place, node in enumerate(card.nodes)
        ]

    def _part_bytes(self, node: ComputeNode) -> int | None:
        """What programs hold of a part of a split GPU; None where the compute driver does not tell."""
        held = (n_bytes for (_, gpu_id), n_bytes in self._held.items() if gpu_id == node.gpu_id)
        return sum(held) if self._is_held_told else None

    def _processes(self, card: AmdCard, scan: Scan) -> list[Process]:
        """Of the open files, and of the compute driver.

        The memory of a ROCm program is mapped into the address space of its open file (kfd_ioctl_acquire_vm), so both
        tell of the same bytes, and the larger figure counts. For a split GPU only the compute driver knows the part.
        """
        address = card.card.bus_address
        split = len(card.nodes) > 1
        found: dict[tuple[int, str], Process] = {}
        for holding in scan.holdings:
            if holding.bus_address != address or split:
                continue
            vram, gtt = holding.region_bytes.get("vram"), holding.region_bytes.get("gtt")
            if not vram and not gtt:
                continue  # it has the card open, and that is all
            found[holding.pid, card.key] = Process(
                pid=holding.pid,
                device_key=card.key,
                used_bytes=_sum(vram, gtt) if card.draws_on_ram else vram,
                shared_used_bytes=None if card.draws_on_ram else gtt,
                utilization_ratio=holding.utilization_ratio,
            )
        for node in card.nodes:
            key = f"{card.key}/{node.part}" if split else card.key
            for (pid, gpu_id), n_bytes in self._held.items():
                # Inside a container these are numbers of the machine, and the same programs stand above by their own.
                if gpu_id != node.gpu_id or (not self._is_whole_machine and found):
                    continue
                known = found.get((pid, key))
                if known is None and n_bytes > 0:
                    found[pid, key] = Process(
                        pid=pid, device_key=key, used_bytes=n_bytes, is_outside=not self._is_whole_machine
                    )
                elif known is not None:
                    found[pid, key] = replace(known, used_bytes=max(n_bytes, known.used_bytes or 0))
        return list(found.values())


def _pages_limit_bytes(root: str) -> int | None:
    """What the kernel lets all GPUs together take of the RAM."""
    text = read_text(f"{root}/sys/module/ttm/parameters/pages_limit", 64) or ""
    pages = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
    return pages * _PAGE_BYTES or None


def _by_gpu_id(nodes: tuple[ComputeNode, ...], seen: Visibility) -> dict[int, tuple[int | None, str | None]]:
    return {
        node.gpu_id: (seen.program_indices.get(place), seen.hidden_by.get(place)) for place, node in enumerate(nodes)
    }


def _versions(root: str) -> Iterable[Version]:
    driver = read_text(f"{root}/sys/module/amdgpu/version", 64)
    if driver:
        yield Version(name="amdgpu", value=driver[:32])
    rocm = rocm_version(root)
    if rocm:
        yield Version(name="ROCm", value=rocm)


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None

"""NVML started: all GPUs of one driver, from nvmlInit to nvmlShutdown.

A sample reads the memory of each GPU first, and then all else, each for as long as a time budget lasts, going on where
it stopped at the sample before: so a driver that needs half a second a call still shows memory within seconds.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from probes import nvml_codes as codes
from probes.access import Access
from probes.errors import ProbeLost, ProbeUnavailable
from probes.nvml_binding import Nvml, RefusedError, version_numbers
from probes.nvml_card import Card
from probes.nvml_figures import DETAIL_KINDS
from probes.nvml_identity import Keys
from probes.nvml_library import start_sentence
from probes.nvml_part import KINDS, LISTS, SEVERAL_KINDS, WINDOWS_KINDS, Part
from probes.nvml_processes import Namespace
from probes.nvml_visibility import DEVICE_ORDER, VISIBLE_DEVICES, CudaDevice, Visibility, visibility
from probes.pci import numa_node
from probes.snapshot import HOST_POOL, Device, Fault, Process, Reading, Version
from probes.sysfs import read_fields
from probes.tegra import Tegra, is_tegra

_BUDGET_SECONDS = 0.4
"""For all but memory, in one sample. A driver that is well needs 1 to 40 ms for eight GPUs (ASSUMED from the median
call times in github.com/flightlessmango/MangoHud/pull/2104)."""
_MEMORY_SECONDS = 1.0
"""For memory, in one sample: of 16 GPUs at a second a call the first is shown after five seconds, not after fifty."""
_RESTART_SECONDS = 30.0
"""When all GPUs are lost, NVML is started anew so often: it holds on to a driver that was since unloaded."""
_LONG_AGO = float("-inf")
_STOPPED = frozenset({codes.UNINITIALIZED, codes.DRIVER_NOT_LOADED, codes.VERSION_MISMATCH})
"""The driver was stopped or replaced under us: a fresh start alone can help, and need not wait."""
_GUESSED_ORDER = (
    "these GPUs differ, and by which rule CUDA numbers them, fastest first, is not documented: set "
    "CUDA_DEVICE_ORDER=PCI_BUS_ID for the numbers of nvidia-smi"
)


class _Step:
    """One kind of figures of one GPU.

    When it is due is kept here, and asked for only after it was read: of the 136 steps of eight GPUs, some 45 are due
    at a sample.
    """

    __slots__ = ("_when", "due_seconds", "read")

    def __init__(self, read: Callable[[], None], when: Callable[[], float]) -> None:
        self.read = read
        self._when = when
        self.due_seconds = _LONG_AGO

    def schedule(self) -> None:
        """Once it was read."""
        self.due_seconds = self._when()

    def hurry(self) -> None:
        """Something else has changed when it is due. Where that is not yet, reading it asks for nothing."""
        self.due_seconds = _LONG_AGO


class Session:
    """Reads as much as a sample's time allows."""

    def __init__(self, module: Any, access: Access, clock: Callable[[], float]) -> None:
        """Start NVML. ``module`` is pynvml, or what stands in for it.

        Raises:
            ProbeUnavailable: the driver does not start; the message says what to do.
        """
        self._nvml = Nvml(module)
        self._access = access
        self._clock = clock
        self._host_total_bytes = _host_total_bytes(access)
        self._namespace = Namespace(access, clock)
        self._tegra = Tegra(access) if is_tegra(access) else None
        self._cards: list[Card] = []
        self._next_card = 0
        self._steps: list[_Step] = []
        self._steps_of: dict[Card, dict[str, _Step]] = {}
        """Those of one GPU by kind, its details among them."""
        self._next_step = 0
        self._detail_steps: list[_Step] = []
        self._next_detail = 0
        self._has_details = False
        self._count_seconds = float("-inf")
        """When the GPUs may be counted again."""
        self._versions: dict[str, str] = {}
        self._numa_nodes: dict[str, int | None] = {}
        """Bus address -> node."""
        self._all_lost_seconds: float | None = None
        self._seen: tuple[list[CudaDevice], str | None, Visibility] | None = None
        """What a program sees, of these devices under this driver: it stays so from one reading to the next."""
        self._start()

    def sample(self) -> Reading:
        """Raises ProbeLost where the driver was stopped."""
        if self._clock() >= self._count_seconds:
            self._follow_count()
        was_partial = any(card.is_unread for card in self._cards)
        spent_seconds = self._read_memory()
        self._check_stopped()
        # Where it takes long, the memory of all is shown before anything else is asked, which then has as much time.
        if spent_seconds < _BUDGET_SECONDS or not was_partial:
            self._read_others(max(_BUDGET_SECONDS, spent_seconds))
        self._restart_if_all_lost()
        return self._reading()

    def close(self) -> None:
        """For good: what is read in steps, and holds this in turn, is let go of."""
        self._stop()
        self._steps.clear()

    # --- asking

    def _stop(self) -> None:
        self._nvml.try_call("nvmlShutdown")

    def _start(self) -> None:
        try:
            self._nvml.call("nvmlInit")
        except RefusedError as refused:
            raise ProbeUnavailable(start_sentence(refused.code, self._access)) from refused

    def _follow_count(self) -> None:
        """GPUs come and go. A slow driver is asked seldom: not before ten times what the answer took."""
        asked_seconds = self._clock()
        try:
            n_cards = self._nvml.call("nvmlDeviceGetCount")
        except RefusedError as refused:
            raise ProbeLost(start_sentence(refused.code, self._access)) from refused
        answered_seconds = self._clock()
        self._count_seconds = answered_seconds + 10 * (answered_seconds - asked_seconds)
        if n_cards != len(self._cards):
            # The numbers may have moved to other GPUs, so all are opened anew.
            keys = Keys()
            self._cards = [
                Card(self._nvml, self._clock, index, keys, host_total_bytes=self._host_total_bytes)
                for index in range(n_cards)
            ]
            kinds = self._kinds()
            self._steps_of = {card: _steps(card, (*kinds, *DETAIL_KINDS)) for card in self._cards}
            self._steps = [_Step(self._read_versions, _always), *self._by_kind(kinds)]
            self._detail_steps = list(self._by_kind(DETAIL_KINDS))
            self._next_card = self._next_step = self._next_detail = 0

    def _read_memory(self) -> float:
        """Of all GPUs, or of as many as the time allows, going on at the next sample; the seconds that it took."""
        begun_seconds = self._clock()
        for _ in range(len(self._cards)):
            self._cards[self._next_card].read_memory()
            self._next_card = (self._next_card + 1) % len(self._cards)
            if self._clock() >= begun_seconds + _MEMORY_SECONDS:
                break
        return self._clock() - begun_seconds

    def _kinds(self) -> tuple[str, ...]:
        windows = WINDOWS_KINDS if self._access.system == "win32" else ()
        return (*KINDS, *windows, *(SEVERAL_KINDS if len(self._cards) > 1 else ()))

    def _by_kind(self, kinds: Iterable[str]) -> Iterator[_Step]:
        """What a user misses most comes first, and each kind for all GPUs before the next kind."""
        for kind in kinds:
            for steps in self._steps_of.values():
                yield steps[kind]

    def _read_others(self, budget_seconds: float) -> None:
        for card in self._cards:
            if card.is_rescheduled or card.are_lists_rescheduled:
                steps = self._steps_of[card]
                for kind in steps if card.is_rescheduled else LISTS:
                    steps[kind].hurry()
                card.is_rescheduled = card.are_lists_rescheduled = False
        self._next_step = self._read_some(self._steps, self._next_step, budget_seconds)
        if self._access.attention.is_on_details:
            self._next_detail = self._read_some(self._detail_steps, self._next_detail, budget_seconds)
            self._has_details = True
        elif self._has_details:
            self._has_details = False
            for card in self._cards:
                card.forget_details()
            for step in self._detail_steps:
                step.hurry()

    def _read_some(self, steps: list[_Step], number: int, budget_seconds: float) -> int:
        """As many steps as the budget allows, at least one that asks the driver, and each at most once.

        Returns the number of the step to go on with.
        """
        begun_seconds = self._clock()
        deadline = begun_seconds + budget_seconds
        n_calls = self._nvml.n_calls
        for _ in range(len(steps)):
            step = steps[number]
            number = (number + 1) % len(steps)
            if step.due_seconds > begun_seconds:
                continue
            step.read()
            step.schedule()
            now_seconds = self._clock()
            # another one like this would be too much
            if self._nvml.n_calls > n_calls and 2 * now_seconds - begun_seconds > deadline:
                break
            begun_seconds = now_seconds
        return number

    def _read_versions(self) -> None:
        if "NVIDIA driver" not in self._versions:
            driver = self._nvml.driver()
            if driver:
                self._versions["NVIDIA driver"] = driver
        if "CUDA" not in self._versions:
            cuda = self._nvml.try_call("nvmlSystemGetCudaDriverVersion_v2")
            if cuda:
                # CUDA_VERSION of cuda.h: 1000 x major + 10 x minor
                self._versions["CUDA"] = f"{cuda // 1000}.{cuda % 1000 // 10}"

    # --- a driver that goes away

    def _check_stopped(self) -> None:
        failed = [card.failed_code for card in self._cards]
        if failed and failed[0] in _STOPPED and all(code in _STOPPED for code in failed):
            raise ProbeLost(start_sentence(failed[0], self._access))

    def _restart_if_all_lost(self) -> None:
        """A driver that was unloaded and loaded again is found only by a fresh start. No call is in flight here."""
        if not self._cards or any(card.failed_code is None for card in self._cards):
            self._all_lost_seconds = None
            return
        now_seconds = self._clock()
        if self._all_lost_seconds is None:
            self._all_lost_seconds = now_seconds
        elif now_seconds - self._all_lost_seconds >= _RESTART_SECONDS:
            self._all_lost_seconds = None
            self._stop()
            try:
                self._start()
            except ProbeUnavailable as error:
                raise ProbeLost(str(error)) from error
            for card in self._cards:
                card.close()

    # --- telling

    def _reading(self) -> Reading:
        now_seconds = self._clock()
        parts = [part for card in self._cards for part in card.parts()]
        faults = [fault for card in self._cards for fault in card.faults()]
        if not self._cards:
            faults.append(Fault(probe="nvidia", message="the NVIDIA driver works, and has no GPU now", is_note=True))
        seen = self._visibility()
        if seen.is_guessed:
            faults.append(Fault(probe="nvidia", message=_GUESSED_ORDER, is_note=True))
        return Reading(
            pools=tuple(pool for part in parts if (pool := part.pool(now_seconds)) is not None),
            devices=tuple(self._device(part, seen, now_seconds) for part in parts),
            processes=self._processes(parts),
            faults=tuple(faults),
            versions=tuple(Version(name=name, value=value) for name, value in self._versions.items()),
            taken_seconds=now_seconds,
            is_partial=any(card.is_unread for card in self._cards),
        )

    def _visibility(self) -> Visibility:
        devices = [part.cuda_device() for card in self._cards if card.lost_code is None for part in card.parts()]
        driver = self._versions.get("NVIDIA driver")
        if self._seen is None or self._seen[:2] != (devices, driver):
            environment = self._access.environment
            version = version_numbers(driver)
            found = visibility(
                devices,
                environment.get(VISIBLE_DEVICES),
                environment.get(DEVICE_ORDER),
                driver_major=None if version is None else version[0],
            )
            self._seen = (devices, driver, found)
        return self._seen[2]

    def _device(self, part: Part, seen: Visibility, now_seconds: float) -> Device:
        device = part.device(
            now_seconds,
            hidden_by=seen.hidden_by.get(part.key),
            program_index=seen.order.index(part.key) if part.key in seen.order else None,
            numa_node=self._numa_node(part.bus_address),
        )
        return device if self._tegra is None or device.pool_key != HOST_POOL else _completed(device, self._tegra)

    def _numa_node(self, address: str | None) -> int | None:
        if address is None or self._access.system != "linux":
            return None
        if address not in self._numa_nodes:
            self._numa_nodes[address] = numa_node(self._access, address)
        return self._numa_nodes[address]

    def _processes(self, parts: Iterable[Part]) -> tuple[Process, ...]:
        processes = tuple(process for part in parts for process in part.processes())
        if self._namespace.is_whole or self._namespace.are_local(frozenset(process.pid for process in processes)):
            return processes
        return tuple(replace(process, is_outside=True) for process in processes)


def _always() -> float:
    return float("-inf")


def _steps(card: Card, kinds: Iterable[str]) -> dict[str, _Step]:
    return {kind: _Step(partial(card.read, kind), partial(card.due_seconds, kind)) for kind in kinds}


def _completed(device: Device, tegra: Tegra) -> Device:
    """With what the kernel of a Jetson tells, where NVML does not."""
    is_held_known = device.used_bytes is not None and device.used_bytes > 0
    return replace(
        device,
        used_bytes=device.used_bytes if is_held_known else tegra.used_bytes(),
        utilization_ratio=tegra.utilization_ratio() if device.utilization_ratio is None else device.utilization_ratio,
        temperature_celsius=tegra.temperature_celsius()
        if device.temperature_celsius is None
        else device.temperature_celsius,
    )


def _host_total_bytes(access: Access) -> int | None:
    kibibytes = read_fields(access.path("/proc/meminfo")).get("MemTotal")
    return None if kibibytes is None else kibibytes * 1024

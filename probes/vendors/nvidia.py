"""NVIDIA GPUs through the driver's own library, NVML: memory, load, heat, power and processes.

The functions and their codes are those of nvml.h (github.com/NVIDIA/go-nvml, gen/nvml/nvml.h), reached through the
binding nvidia-ml-py, which is imported when a driver's library is there to be loaded, and in this file only.

A sample reads the memory of each GPU first, and then all else for as long as a time budget lasts, going on where it
stopped at the sample before: so a driver that needs half a second a call still shows memory within seconds.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from probes import nvml_codes as codes
from probes.access import REAL, Access
from probes.errors import ProbeLost, ProbeUnavailable
from probes.nvml_binding import Nvml, RefusedError
from probes.nvml_card import Card
from probes.nvml_library import load_library
from probes.probe import Probe
from probes.snapshot import Fault, Reading, Version

_BUDGET_SECONDS = 0.4
"""For all but memory, in one sample. A driver that is well needs 1 to 40 ms for eight GPUs (ASSUMED from the median
call times in github.com/flightlessmango/MangoHud/pull/2104)."""
_RESTART_SECONDS = 30.0
"""When all GPUs are lost, NVML is started anew so often: it holds on to a driver that was since unloaded."""


def open_probe(access: Access = REAL) -> Probe:  # noqa: ARG001 - the library has no root
    """NVML, started.

    Raises:
        ProbeUnavailable: there is no driver, or it does not start; the message says what to do.
    """
    load_library()
    import pynvml  # noqa: PLC0415 - deferred: 18 ms, which only those pay who have a driver

    return NvidiaProbe(pynvml)


class NvidiaProbe:
    """The GPUs of one driver, by the numbers that it gives them."""

    def __init__(self, nvml: Any, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start NVML. ``nvml`` is the module pynvml, or what stands in for it."""
        self._nvml = Nvml(nvml)
        self._clock = clock
        self._cards: list[Card] = []
        self._steps: list[Callable[[], None]] = []
        self._next_step = 0
        self._count_seconds = float("-inf")
        """When the GPUs may be counted again."""
        self._versions: dict[str, str] = {}
        self._all_lost_seconds: float | None = None
        self._start()

    def sample(self) -> Reading:
        is_first = not self._cards
        deadline = self._clock() + _BUDGET_SECONDS
        if self._clock() >= self._count_seconds:
            self._follow_count()
        for card in self._cards:
            card.read_memory()
        # Where memory alone took long, it is shown before anything else is asked for the first time.
        if not is_first or self._clock() < deadline:
            self._read_others()
        self._restart_if_all_lost()
        return self._reading()

    def close(self) -> None:
        self._nvml.try_call("nvmlShutdown")

    def _start(self) -> None:
        try:
            self._nvml.call("nvmlInit")
        except RefusedError as refused:
            raise ProbeUnavailable(codes.start_sentence(refused.code)) from refused

    def _follow_count(self) -> None:
        """GPUs come and go. A slow driver is asked seldom: not before ten times what the answer took."""
        asked_seconds = self._clock()
        try:
            n_cards = self._nvml.call("nvmlDeviceGetCount")
        except RefusedError as refused:
            raise ProbeLost(codes.start_sentence(refused.code)) from refused
        answered_seconds = self._clock()
        self._count_seconds = answered_seconds + 10 * (answered_seconds - asked_seconds)
        if n_cards != len(self._cards):
            # The numbers may have moved to other GPUs, so all are opened anew.
            self._cards = [Card(self._nvml, self._clock, index) for index in range(n_cards)]
            self._steps = [*_steps(self._cards), self._read_versions]
            self._next_step = 0

    def _read_others(self) -> None:
        """As many steps as the budget allows, at least one that asks the driver, and each at most once."""
        deadline = self._clock() + _BUDGET_SECONDS
        n_calls = self._nvml.n_calls
        for _ in range(len(self._steps)):
            step = self._steps[self._next_step]
            self._next_step = (self._next_step + 1) % len(self._steps)
            step()
            if self._nvml.n_calls > n_calls and self._clock() >= deadline:
                return

    def _read_versions(self) -> None:
        if "NVIDIA driver" not in self._versions:
            driver = self._nvml.try_text("nvmlSystemGetDriverVersion")
            if driver:
                self._versions["NVIDIA driver"] = driver
        if "CUDA" not in self._versions:
            cuda = self._nvml.try_call("nvmlSystemGetCudaDriverVersion_v2")
            if cuda:
                # CUDA_VERSION of cuda.h: 1000 x major + 10 x minor
                self._versions["CUDA"] = f"{cuda // 1000}.{cuda % 1000 // 10}"

    def _restart_if_all_lost(self) -> None:
        """A driver that was unloaded and loaded again is found only by a fresh start. No call is in flight here."""
        if not self._cards or any(card.lost_code is None for card in self._cards):
            self._all_lost_seconds = None
            return
        now_seconds = self._clock()
        if self._all_lost_seconds is None:
            self._all_lost_seconds = now_seconds
        elif now_seconds - self._all_lost_seconds >= _RESTART_SECONDS:
            self._all_lost_seconds = None
            self._nvml.try_call("nvmlShutdown")
            try:
                self._start()
            except ProbeUnavailable as error:
                raise ProbeLost(str(error)) from error

    def _reading(self) -> Reading:
        now_seconds = self._clock()
        parts = [part for card in self._cards for part in card.parts()]
        faults = [fault for card in self._cards for fault in card.faults()]
        if not self._cards:
            faults.append(Fault(probe="nvidia", message="the NVIDIA driver works, and has no GPU now", is_note=True))
        return Reading(
            pools=tuple(pool for part in parts if (pool := part.pool(now_seconds)) is not None),
            devices=tuple(part.device(now_seconds) for part in parts),
            processes=tuple(process for part in parts for process in part.processes()),
            faults=tuple(faults),
            versions=tuple(Version(name=name, value=value) for name, value in self._versions.items()),
            taken_seconds=now_seconds,
        )


def _steps(cards: Iterable[Card]) -> Iterator[Callable[[], None]]:
    """What a user misses most comes first, and each kind for all GPUs before the next kind."""
    cards = tuple(cards)
    for kind in (
        "name",
        "split",
        "compute",
        "graphics",
        "utilization",
        "temperature",
        "power",
        "limit",
        "capability",
        "cores",
        "bandwidth",
    ):
        for card in cards:
            yield partial(card.read, kind)

"""NVIDIA GPUs through the driver's own library, NVML: memory, load, heat, power and processes.

The functions and their codes are those of nvml.h (github.com/NVIDIA/go-nvml, gen/nvml/nvml.h). Those of every reading
are called by ctypes (``probes/nvml_calls.py``), all others through the binding nvidia-ml-py, which is imported when the
first of them is wanted, and in this file only.

Tried on an H100 (driver 580.159.04, 2026-11-26; tests/test_real_gpu.py, which also compares each call with the
binding's) and on simulated drivers: what GB10, Jetson, Grace and sleeping laptops do is from public reports, each named
where it is used.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from probes.access import REAL, Access
from probes.errors import ProbeUnavailable
from probes.nvml_library import load_library
from probes.nvml_session import Session
from probes.nvml_sleep import Sleep
from probes.probe import Probe
from probes.snapshot import Fault, Reading
from probes.tegra import TegraProbe, is_tegra

_WOKEN = (
    "{addresses} slept while another NVIDIA GPU is in use: NVIDIA's library wakes all GPUs when it starts, so it is "
    "awake now"
)


def import_binding(access: Access) -> Any:
    """The driver's functions, once its library is loaded.

    Raises:
        ProbeUnavailable: there is none.
    """
    library = load_library(access)
    from probes.nvml_calls import Calls  # noqa: PLC0415 - deferred: ctypes, 2 ms, which only those pay who have a driver

    return Calls(library, _import_pynvml)


def _import_pynvml() -> Any:
    import pynvml  # noqa: PLC0415 - deferred: 9 ms, for details and GPUs that are split

    return pynvml


def open_probe(access: Access = REAL, binding: Callable[[Access], Any] = import_binding) -> Probe:
    """NVML, started, unless that would wake a GPU that sleeps.

    Raises:
        ProbeUnavailable: there is no driver, or it does not start; the message says what to do.
    """
    try:
        return NvidiaProbe(access, binding)
    except ProbeUnavailable:
        if is_tegra(access):
            return TegraProbe(access)
        raise


class NvidiaProbe:
    """The GPUs of one driver: asleep, or awake and read."""

    def __init__(
        self, access: Access, binding: Callable[[Access], Any], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises ProbeUnavailable where there is no driver, or it does not start."""
        self._access = access
        self._binding = binding
        self._clock = clock
        self._sleep = Sleep(access, clock)
        self._session: Session | None = None
        self._woken: tuple[str, ...] = ()
        if not self._sleep.sleeping():
            self._session = self._open()

    def sample(self) -> Reading:
        if self._session is None:
            gpus = self._sleep.sleeping()
            if gpus:
                return self._sleep.reading(gpus)
            self._session = self._open()
        reading = self._session.sample()
        if self._sleep.wants_to_let_go(reading):
            self.close()
        return reading if not self._woken else replace(reading, faults=(*reading.faults, self._note()))

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _open(self) -> Session:
        self._woken = self._sleep.woken()
        return Session(self._binding(self._access), self._access, self._clock)

    def _note(self) -> Fault:
        return Fault(probe="nvidia", message=_WOKEN.format(addresses=", ".join(self._woken)), is_note=True)

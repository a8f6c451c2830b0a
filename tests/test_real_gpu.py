"""On a machine with an NVIDIA GPU: what is shown agrees with nvidia-smi, with CUDA and with what a process allocates.

python -m pytest -m gpu tests/test_real_gpu.py
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_nvml_calls import plain

from probes.access import Access, Attention
from probes.nvml_binding import Nvml, RefusedError
from probes.nvml_calls import OWN
from probes.probe import real_sources
from probes.sampler import take_one
from probes.snapshot import Device, Pool, Process, Snapshot
from probes.vendors.nvidia import import_binding

pytestmark = pytest.mark.gpu

MIB, GIB = 1 << 20, 1 << 30
HELD_BYTES = 2 * GIB
MOST_CONTEXT_BYTES = GIB
"""No CUDA context of a process that runs no kernel is larger."""
HOLDER = Path(__file__).parent.parent / "bench" / "hold_gpu_memory.py"


@dataclass(frozen=True)
class Held:
    pid: int
    held_bytes: int
    free_bytes: int
    """As CUDA tells it, beside."""
    total_bytes: int


@contextmanager
def holding(n_bytes: int) -> Iterator[Held]:
    """Another process holds so much meanwhile."""
    command = [sys.executable, str(HOLDER), str(n_bytes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Held(pid=process.pid, **json.loads(process.stdout.readline()))
        process.stdin.close()


def taken() -> Snapshot:
    return take_one(real_sources(Access(attention=Attention(is_on_details=True)), tell_command=" ".join), 20.0)


def first(snapshot: Snapshot) -> tuple[Device, Pool]:
    device = next(device for device in snapshot.devices if device.vendor == "nvidia")
    pool = snapshot.pool(device.pool_key)
    assert pool is not None
    return device, pool


def of_pid(snapshot: Snapshot, pid: int) -> Process | None:
    return next((process for process in snapshot.processes if process.pid == pid), None)


def smi(*names: str) -> list[float]:
    """What nvidia-smi says of the first GPU, in its units."""
    command = ["nvidia-smi", "-i", "0", f"--query-gpu={','.join(names)}", "--format=csv,noheader,nounits"]
    return [
        float(text) for text in subprocess.run(command, capture_output=True, check=True, text=True).stdout.split(",")
    ]


@pytest.fixture(scope="module")
def at_rest() -> Snapshot:
    return taken()


@pytest.fixture(scope="module")
def busy() -> Iterator[tuple[Held, Snapshot]]:
    with holding(HELD_BYTES) as held:
        yield held, taken()


def test_total_reserved_used_and_free_are_nvidia_smis(at_rest: Snapshot) -> None:
    _, pool = first(at_rest)
    total, reserved, used, free = smi("memory.total", "memory.reserved", "memory.used", "memory.free")
    assert pool.total_bytes // MIB == total
    assert pool.reserved_bytes is not None
    assert pool.reserved_bytes / MIB == pytest.approx(reserved, abs=1)
    assert pool.free_bytes / MIB == pytest.approx(free, abs=16)
    assert pool.used_bytes / MIB == pytest.approx(used + reserved, abs=16)


def test_free_is_what_cuda_says_is_free(busy: tuple[Held, Snapshot]) -> None:
    held, snapshot = busy
    assert first(snapshot)[1].free_bytes == pytest.approx(held.free_bytes, abs=4 * MIB)


def test_a_process_is_shown_with_what_it_allocated(busy: tuple[Held, Snapshot]) -> None:
    held, snapshot = busy
    process = of_pid(snapshot, held.pid)
    assert process is not None
    assert process.used_bytes is not None
    assert held.held_bytes < process.used_bytes < held.held_bytes + MOST_CONTEXT_BYTES


def test_a_process_is_shown_by_its_name(busy: tuple[Held, Snapshot]) -> None:
    held, snapshot = busy
    process = of_pid(snapshot, held.pid)
    assert process is not None
    assert process.command is not None
    assert HOLDER.name in process.command


def test_free_falls_by_what_a_process_holds(at_rest: Snapshot, busy: tuple[Held, Snapshot]) -> None:
    held, snapshot = busy
    process = of_pid(snapshot, held.pid)
    assert process is not None
    assert process.used_bytes is not None
    fell = first(at_rest)[1].free_bytes - first(snapshot)[1].free_bytes
    assert fell == pytest.approx(process.used_bytes, abs=128 * MIB)


def test_what_programs_hold_and_what_is_reserved_is_what_is_used(busy: tuple[Held, Snapshot]) -> None:
    _, snapshot = busy
    _, pool = first(snapshot)
    held = sum(process.used_bytes or 0 for process in snapshot.processes)
    assert pool.used_bytes - (pool.reserved_bytes or 0) == pytest.approx(held, abs=128 * MIB)


def test_a_process_that_ended_is_gone() -> None:
    with holding(64 * MIB) as held:
        pass
    assert of_pid(taken(), held.pid) is None


@pytest.mark.parametrize(
    "figure",
    [
        lambda device: device.utilization_ratio,
        lambda device: device.temperature_celsius,
        lambda device: device.power_watts,
        lambda device: device.power_limit_watts,
        lambda device: device.n_multiprocessors,
        lambda device: device.bandwidth_gigabytes_per_second,
        lambda device: device.compute_capability,
        lambda device: device.bus_address,
    ],
    ids=["utilization", "temperature", "power", "power limit", "multiprocessors", "bandwidth", "capability", "bus"],
)
def test_a_datacentre_card_reports(at_rest: Snapshot, figure: Callable[[Device], object]) -> None:
    assert figure(first(at_rest)[0]) is not None


def test_temperature_and_power_are_nvidia_smis(at_rest: Snapshot) -> None:
    device, _ = first(at_rest)
    temperature, power = smi("temperature.gpu", "power.draw")
    assert device.temperature_celsius == pytest.approx(temperature, abs=5)
    assert device.power_watts == pytest.approx(power, abs=60)


def test_nothing_is_wrong_with_a_card_that_is_well(at_rest: Snapshot) -> None:
    assert [fault.message for fault in at_rest.faults if fault.probe == "nvidia" and not fault.is_note] == []


LIVELY = {"nvmlDeviceGetPowerUsage": 60_000, "nvmlDeviceGetTemperature": 5, "nvmlDeviceGetTemperatureV": 5}
"""What changes between two calls, and by how much, in milliwatts and degrees Celsius."""
OF_THE_SYSTEM = ("nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion_v2", "nvmlDeviceGetCount")
BESIDE_A_HANDLE = {
    "nvmlDeviceGetMaxClockInfo": 2,
    "nvmlDeviceGetMemoryInfo": 0x02000028,
    "nvmlDeviceGetTemperature": 0,
    "nvmlDeviceGetTemperatureV": 0,
    "nvmlDeviceGetProcessUtilization": 0,
}
"""What they are given, as the probe gives it."""


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Nvml, Nvml]]:
    """Our calls and the binding's, on one driver."""
    import pynvml  # noqa: PLC0415 - a machine without a driver imports this file, too

    pynvml.nvmlInit()
    own = Nvml(import_binding(Access()))
    own.call("nvmlInit")
    yield own, Nvml(pynvml)
    own.call("nvmlShutdown")
    pynvml.nvmlShutdown()


def answer(nvml: Nvml, name: str) -> object:
    """What the driver says of its first GPU, or the code of its refusal."""
    words: tuple[Any, ...] = (0,) if name == "nvmlDeviceGetHandleByIndex" else ()
    if not words and name not in OF_THE_SYSTEM:
        handle = nvml.call("nvmlDeviceGetHandleByIndex", 0)
        words = (handle, BESIDE_A_HANDLE[name]) if name in BESIDE_A_HANDLE else (handle,)
    try:
        return plain(nvml.call(name, *words))
    except RefusedError as refused:
        return ("refused", refused.code)


@pytest.mark.parametrize("name", sorted(set(OWN) - {"nvmlInit", "nvmlShutdown"}))
def test_a_call_of_ours_says_what_the_bindings_says(name: str, both: tuple[Nvml, Nvml]) -> None:
    with holding(64 * MIB):
        own, its = (answer(nvml, name) for nvml in both)
    if name in LIVELY:
        assert own == pytest.approx(its, abs=LIVELY[name])
    elif name == "nvmlDeviceGetUtilizationRates":
        assert [0 <= percent <= 100 for percent in own] == [0 <= percent <= 100 for percent in its]  # type: ignore[attr-defined]
    else:
        assert own == its

"""A stand-in for the driver's binding, pynvml: what each function answers, and what it refuses."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

GIB = 1 << 30
NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, GPU_IS_LOST, UNKNOWN = 3, 4, 13, 15, 999


class NvmlError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value


def used_by(pid: int, n_bytes: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=n_bytes)


class FakeGpu:
    """One GPU: function -> what it answers. A number in ``refusals`` is the error code it answers with instead."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.refusals: dict[str, int] = {}
        self.memory = {"total": 24 * GIB, "free": 20 * GIB, "used": 3 * GIB, "reserved": 1 * GIB}
        self.parts: list[FakeGpu | None] = []
        self.answers: dict[str, Any] = {
            "nvmlDeviceGetUUID": f"GPU-{number}",
            "nvmlDeviceGetPciInfo": SimpleNamespace(busId=b"00000000:01:00.0"),
            "nvmlDeviceGetName": b"NVIDIA GeForce RTX 4090",
            "nvmlDeviceGetMigMode": [0, 0],
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=50),
            "nvmlDeviceGetTemperatureV": 61,
            "nvmlDeviceGetTemperature": 60,
            "nvmlDeviceGetPowerUsage": 123456,
            "nvmlDeviceGetEnforcedPowerLimit": 450000,
            "nvmlDeviceGetComputeRunningProcesses_v3": [],
            "nvmlDeviceGetGraphicsRunningProcesses_v3": [],
            "nvmlDeviceGetComputeRunningProcesses_v2": [],
            "nvmlDeviceGetCudaComputeCapability": (8, 9),
            "nvmlDeviceGetNumGpuCores": 16384,
            "nvmlDeviceGetMaxClockInfo": 10501,
            "nvmlDeviceGetMemoryBusWidth": 384,
            "nvmlDeviceGetAttributes": SimpleNamespace(multiprocessorCount=16),
        }

    def answer(self, name: str, *arguments: Any) -> Any:
        if name in self.refusals:
            raise NvmlError(self.refusals[name])
        if name == "nvmlDeviceGetMemoryInfo":
            return self._memory_info(is_v2=bool(arguments))
        if name == "nvmlDeviceGetMaxMigDeviceCount":
            return len(self.parts)
        if name == "nvmlDeviceGetMigDeviceHandleByIndex":
            part = self.parts[arguments[0]]
            if part is None:
                raise NvmlError(6)
            return part
        if name not in self.answers:
            raise NvmlError(NOT_SUPPORTED)
        return self.answers[name]

    def _memory_info(self, *, is_v2: bool) -> SimpleNamespace:
        if is_v2:
            if "v2" in self.refusals:
                raise NvmlError(self.refusals["v2"])
            return SimpleNamespace(**self.memory)
        if "v1" in self.refusals:
            raise NvmlError(self.refusals["v1"])
        used = self.memory["used"] + self.memory["reserved"]
        return SimpleNamespace(total=self.memory["total"], free=self.memory["free"], used=used)


class FakeNvml:
    """The module pynvml, as far as the probe uses it."""

    NVMLError = NvmlError

    def __init__(self, n_gpus: int = 1) -> None:
        self.gpus = [FakeGpu(number) for number in range(n_gpus)]
        self.refusals: dict[str, int] = {}
        self.calls: list[tuple[str, int | None]] = []
        self.seconds = 0.0
        self.call_seconds = 0.0
        self.driver = "580.159.04"
        self.cuda = 12080

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not name.startswith("nvml"):
            raise AttributeError(name)

        def function(*arguments: Any) -> Any:
            gpu = arguments[0] if arguments and isinstance(arguments[0], FakeGpu) else None
            self.calls.append((name, gpu.number if gpu else None))
            self.seconds += self.call_seconds
            if name in self.refusals:
                raise NvmlError(self.refusals[name])
            return self._of_system(name, *arguments) if gpu is None else gpu.answer(name, *arguments[1:])

        return function

    def _of_system(self, name: str, *arguments: Any) -> Any:
        if name == "nvmlDeviceGetCount":
            return len(self.gpus)
        if name == "nvmlDeviceGetHandleByIndex":
            gpu = self.gpus[arguments[0]]
            if "handle" in gpu.refusals:
                raise NvmlError(gpu.refusals["handle"])
            return gpu
        return {"nvmlSystemGetDriverVersion": self.driver, "nvmlSystemGetCudaDriverVersion_v2": self.cuda}.get(name)

    def n_calls(self, name: str, gpu: int | None = None) -> int:
        return sum(1 for call in self.calls if call[0] == name and (gpu is None or call[1] == gpu))

    def lose(self, number: int) -> None:
        gpu = self.gpus[number]
        gpu.refusals = dict.fromkeys(("handle", "v1", "v2", *gpu.answers), GPU_IS_LOST)

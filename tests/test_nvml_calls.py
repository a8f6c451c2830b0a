"""Our own calls of NVML say what the binding says, on one driver's library: here, one made of functions."""

import ctypes
from typing import Any
from weakref import ref

import pynvml
import pytest

from probes import nvml_calls
from probes.nvml_binding import Nvml, RefusedError
from probes.nvml_calls import OWN, Calls

HANDLE = ctypes.c_void_p(7)
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "nvmlInit": (),
    "nvmlShutdown": (),
    "nvmlSystemGetDriverVersion": (),
    "nvmlSystemGetCudaDriverVersion_v2": (),
    "nvmlDeviceGetCount": (),
    "nvmlDeviceGetHandleByIndex": (3,),
    "nvmlDeviceGetMaxClockInfo": (HANDLE, 2),
    "nvmlDeviceGetMemoryInfo": (HANDLE, 0x02000028),
    "nvmlDeviceGetTemperature": (HANDLE, 0),
    "nvmlDeviceGetProcessUtilization": (HANDLE, 12345),
    "nvmlDeviceGetTemperatureV": (HANDLE, 0),
}
"""Of those that are given more than a handle, or less."""
STRUCTS = [
    (nvml_calls.Memory, pynvml.c_nvmlMemory_t),
    (nvml_calls.MemoryV2, pynvml.c_nvmlMemory_v2_t),
    (nvml_calls.Utilization, pynvml.c_nvmlUtilization_t),
    (nvml_calls.Bus, pynvml.nvmlPciInfo_t),
    (nvml_calls.Held, pynvml.c_nvmlProcessInfo_v3_t),
    (nvml_calls.Sample, pynvml.c_nvmlProcessUtilizationSample_t),
]
N_LISTED = 2


class Driver:
    """Answers each function by filling what it is given with bytes that follow from the function's name and inputs."""

    def __init__(self, code: int = 0, missing: tuple[str, ...] = (), *, is_empty: bool = False) -> None:
        self.called: list[str] = []
        self.n_listed = 0 if is_empty else N_LISTED
        self.array_type: type[Any] | None = None
        """Of the array that was to be filled last."""
        self._code, self._missing = code, missing

    def __getattr__(self, name: str) -> Any:
        if name in self._missing:
            raise AttributeError(name)
        return lambda *arguments: self._answer(name, arguments)

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> int:
        self.called.append(name)
        if self._code:
            return self._code
        targets = [getattr(argument, "_obj", argument) for argument in arguments]
        if name.endswith(("RunningProcesses_v3", "ProcessUtilization")):
            count = next(target for target in targets if isinstance(target, ctypes.c_uint))
            if None in targets:  # how many are there?
                count.value = self.n_listed
                return pynvml.NVML_ERROR_INSUFFICIENT_SIZE if self.n_listed else 0
            room = next(target for target in targets if isinstance(target, ctypes.Array))
            assert len(room) >= count.value >= self.n_listed
            self.array_type, count.value = type(room), self.n_listed
        seed = sum(name.encode())
        for argument, target in zip(arguments, targets, strict=True):
            is_output = hasattr(argument, "_obj") or isinstance(target, ctypes.Array)
            if is_output and not (isinstance(target, ctypes.c_uint) and name.endswith(("_v3", "Utilization"))):
                _fill(target, seed, is_text="Version" in name or name.endswith(("Name", "UUID")))
        return 0


def _fill(target: Any, seed: int, *, is_text: bool) -> None:
    size = ctypes.sizeof(target)
    content = b"NVIDIA \xff 3" if is_text and size > 8 else bytes((seed + 7 * place) % 120 + 1 for place in range(size))
    ctypes.memmove(ctypes.addressof(target), content, min(size, len(content)))


def through_binding(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> Nvml:
    monkeypatch.setattr(pynvml, "nvmlLib", driver)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    return Nvml(pynvml)


def ours(driver: Driver) -> Nvml:
    return Nvml(Calls(driver, lambda: pytest.fail("the binding is not wanted")))


def plain(answer: Any) -> Any:
    """What can be compared: the fields that both have, in place of structs."""
    if isinstance(answer, ctypes.c_void_p) or type(answer).__name__ == "LP_struct_c_nvmlDevice_t":
        return ctypes.cast(answer, ctypes.c_void_p).value
    if isinstance(answer, ctypes.Structure):
        return [plain(getattr(answer, name)) for name, _ in answer._fields_]
    if hasattr(answer, "usedGpuMemory"):
        return answer.pid, answer.usedGpuMemory
    if isinstance(answer, list | tuple):
        return [plain(each) for each in answer]
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def asked(nvml: Nvml, name: str) -> Any:
    try:
        return plain(nvml.call(name, *ARGUMENTS.get(name, (HANDLE,))))
    except RefusedError as refused:
        return refused.code


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_call_answers_as_the_binding_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own, its = Driver(), Driver()
    assert asked(ours(own), name) == asked(through_binding(monkeypatch, its), name)
    assert own.called == its.called


@pytest.mark.parametrize("name", sorted(OWN))
@pytest.mark.parametrize("code", [3, 15, 999])
def test_a_call_is_refused_as_the_binding_is(name: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(ours(Driver(code)), name) == code == asked(through_binding(monkeypatch, Driver(code)), name)


def test_memory_of_the_first_version_is_the_bindings(monkeypatch: pytest.MonkeyPatch) -> None:
    its = through_binding(monkeypatch, Driver())
    name = "nvmlDeviceGetMemoryInfo"
    assert plain(ours(Driver()).call(name, HANDLE)) == plain(its.call(name, HANDLE))


@pytest.mark.parametrize("name", ["nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetProcessUtilization"])
def test_no_process_is_told_as_the_binding_tells_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    its = through_binding(monkeypatch, Driver(is_empty=True))
    assert asked(ours(Driver(is_empty=True)), name) == asked(its, name)


@pytest.mark.parametrize("name", sorted(set(OWN) - {"nvmlShutdown"}))
def test_a_driver_without_the_function_refuses(name: str) -> None:
    symbols = (name, f"{name}_v2", f"{name}_v3", "nvmlInitWithFlags")
    assert asked(ours(Driver(missing=symbols)), name) == pynvml.NVML_ERROR_FUNCTION_NOT_FOUND


@pytest.mark.parametrize(("own", "its"), STRUCTS)
def test_a_struct_lies_in_memory_as_the_bindings_does(own: Any, its: Any) -> None:
    assert ctypes.sizeof(own) == ctypes.sizeof(its)
    assert {name: getattr(own, name).offset for name, _ in own._fields_} == {
        name: getattr(its, name).offset for name, _ in its._fields_
    }


def test_memory_that_is_not_told_is_none() -> None:
    class Wddm(Driver):
        def _answer(self, name: str, arguments: tuple[Any, ...]) -> int:
            code = super()._answer(name, arguments)
            if isinstance(arguments[-1], ctypes.Array):
                arguments[-1][0].usedGpuMemory = 2**64 - 1
            return code

    first, second = ours(Wddm()).call("nvmlDeviceGetGraphicsRunningProcesses_v3", HANDLE)
    assert first.usedGpuMemory is None
    assert second.usedGpuMemory is not None


class Binding:
    """As much of it as is started and asked."""

    class NVMLError(Exception):
        value = 2

    def __init__(self, *, starts: bool = True, ends: bool = True) -> None:
        self.said: list[str] = []
        self._starts, self._ends = starts, ends

    def nvmlInit(self) -> None:  # noqa: N802
        self.said.append("init")
        if not self._starts:
            raise self.NVMLError

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.said.append("shutdown")
        if not self._ends:
            raise self.NVMLError

    def nvmlDeviceGetFanSpeed(self, handle: Any) -> int:  # noqa: N802
        if not self._starts:
            raise self.NVMLError
        return 30


def test_what_is_not_here_is_asked_through_the_binding_which_is_started_once() -> None:
    binding = Binding()
    nvml = Nvml(Calls(Driver(), lambda: binding))

    assert [nvml.call("nvmlDeviceGetFanSpeed", HANDLE) for _ in range(2)] == [30, 30]
    assert binding.said == ["init"]


def test_the_binding_is_given_back_with_the_driver_and_started_anew_after_it() -> None:
    binding, driver = Binding(), Driver()
    nvml = Nvml(Calls(driver, lambda: binding))
    for _ in range(2):
        nvml.call("nvmlInit")
        nvml.call("nvmlDeviceGetFanSpeed", HANDLE)
        nvml.call("nvmlShutdown")

    assert binding.said == ["init", "shutdown"] * 2
    assert driver.called == ["nvmlInitWithFlags", "nvmlShutdown"] * 2


def test_a_binding_that_refuses_to_end_keeps_the_driver_from_nothing() -> None:
    binding, driver = Binding(ends=False), Driver()
    nvml = Nvml(Calls(driver, lambda: binding))
    nvml.call("nvmlInit")
    nvml.call("nvmlDeviceGetFanSpeed", HANDLE)

    with pytest.raises(RefusedError):
        nvml.call("nvmlShutdown")

    assert driver.called == ["nvmlInitWithFlags", "nvmlShutdown"]


def test_a_refusal_of_the_binding_is_a_refusal() -> None:
    nvml = Nvml(Calls(Driver(), lambda: Binding(starts=False)))

    with pytest.raises(RefusedError) as refused:
        nvml.call("nvmlDeviceGetFanSpeed", HANDLE)
    assert refused.value.code == 2


def test_a_function_that_neither_has_is_refused() -> None:
    nvml = Nvml(Calls(Driver(), Binding))

    with pytest.raises(RefusedError) as refused:
        nvml.call("nvmlDeviceGetNothing", HANDLE)
    assert refused.value.code == pynvml.NVML_ERROR_FUNCTION_NOT_FOUND


def test_lists_of_nearly_the_same_length_are_read_into_arrays_of_the_same_type() -> None:
    driver = Driver()
    types = set()
    for n_listed in range(6):
        driver.n_listed = n_listed
        ours(driver).call("nvmlDeviceGetComputeRunningProcesses_v3", HANDLE)
        types.add(driver.array_type)
    assert len(types - {None}) == 1


def test_a_list_is_given_room_for_all_that_are_in_it() -> None:
    driver = Driver()
    driver.n_listed = 700
    assert len(ours(driver).call("nvmlDeviceGetProcessUtilization", HANDLE, 0)) == 700


def test_calls_that_were_shut_down_are_gone_at_once(no_collector: None) -> None:
    calls = Calls(Driver(), Binding)
    nvml = Nvml(calls)
    nvml.call("nvmlInit")
    nvml.call("nvmlDeviceGetCount")
    nvml.call("nvmlShutdown")
    kept = ref(calls)
    del calls, nvml
    assert kept() is None

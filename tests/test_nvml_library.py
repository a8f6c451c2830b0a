"""Why NVML does not start, and what helps; and a driver that is stopped, replaced or reloaded while it is read."""

import _ctypes
from pathlib import Path
from typing import Any

import pytest
from fake_nvml import GIB, NO_PERMISSION, UNKNOWN, FakeGpu, FakeNvml
from hypothesis import given
from hypothesis import strategies as st

from probes.access import Access
from probes.access import load_library as load_shared
from probes.errors import ProbeLost, ProbeUnavailable
from probes.nvml_binding import version_numbers
from probes.nvml_identity import bus_address
from probes.nvml_library import kernel_version, load_library, start_sentence
from probes.vendors.nvidia import NvidiaProbe, open_probe

OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder@U22)\n"
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023\nGCC version: 12.2.0"
MISMATCH, UNINITIALIZED, DRIVER_NOT_LOADED = 18, 1, 9


# --- versions


@pytest.mark.parametrize(("text", "version"), [(OPEN, "580.95.05"), (CLOSED, "535.129.03"), ("", None), (None, None)])
def test_kernel_module_says_its_version(text: str | None, version: str | None) -> None:
    assert kernel_version(text) == version


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("580.159.04", (580, 159)),
        ("535.54", (535, 54)),
        ("580", None),
        ("", None),
        (None, None),
        ("a.b", None),
        ("².1", None),
    ],
)
def test_version_is_two_numbers_or_none(text: str | None, numbers: tuple[int, int] | None) -> None:
    assert version_numbers(text) == numbers


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("00000000:01:00.0", "0000:01:00.0"),
        ("0000000F:01:00.0", "000f:01:00.0"),
        ("00010000:1B:00.0", "10000:1b:00.0"),
        ("", None),
        ("x:01:00.0", None),
    ],
)
def test_bus_address_is_written_as_linux_does(text: str, address: str | None) -> None:
    assert bus_address(text) == address


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_none(text: str) -> None:
    found = bus_address(text)
    assert found is None or ":" in found


# --- why it does not start


def machine(root: Path, **files: str) -> Access:
    """``maps`` and ``version``: the contents of /proc/self/maps and /proc/driver/nvidia/version."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/driver/nvidia").mkdir(parents=True)
    for name, path in (("maps", "proc/self/maps"), ("version", "proc/driver/nvidia/version")):
        if name in files:
            (root / path).write_text(files[name])
    return Access(root=str(root), system="linux", environment={})


def maps(library: str) -> str:
    return f"7f00-7f01 r-xp 00000000 08:01 1234 /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{library}\n"


def test_newer_library_than_module_needs_a_restart_of_the_machine(tmp_path: Path) -> None:
    access = machine(tmp_path, maps=maps("580.95.05"), version=CLOSED)
    sentence = start_sentence(MISMATCH, access)
    assert "restart the machine" in sentence
    assert "(library 580.95.05, kernel module 535.129.03)" in sentence


@pytest.mark.parametrize("library", ["535.129.03", "580.95.05 (deleted)", "580.9"])
def test_driver_that_was_replaced_while_this_ran_needs_a_new_start_of_this(tmp_path: Path, library: str) -> None:
    access = machine(tmp_path, maps=maps(library), version=OPEN)
    assert "start it again" in start_sentence(MISMATCH, access)


def test_mismatch_is_told_where_no_version_can_be_read(tmp_path: Path) -> None:
    assert "restart the machine" in start_sentence(MISMATCH, machine(tmp_path))


def loading(message: str) -> Any:
    def load(path: str) -> Any:
        raise OSError(f"{path}: {message}")

    return load


def gpu_on_the_bus(root: Path) -> None:
    folder = root / "sys/bus/pci/devices/0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "vendor").write_text("0x10de")
    (folder / "class").write_text("0x030000")


def test_gpu_without_a_driver_says_how_to_get_one(tmp_path: Path) -> None:
    gpu_on_the_bus(tmp_path)
    access = Access(root=str(tmp_path), system="linux", load=loading("cannot open: No such file or directory"))
    with pytest.raises(ProbeUnavailable, match="--gpus all") as caught:
        load_library(access)
    assert not caught.value.is_expected


def test_no_gpu_and_no_driver_is_no_fault(tmp_path: Path) -> None:
    access = Access(root=str(tmp_path), system="linux", load=loading("cannot open: No such file or directory"))
    with pytest.raises(ProbeUnavailable) as caught:
        load_library(access)
    assert caught.value.is_expected


def test_library_that_is_broken_says_why(tmp_path: Path) -> None:
    access = Access(root=str(tmp_path), system="linux", load=loading("invalid ELF header"))
    with pytest.raises(ProbeUnavailable, match="invalid ELF header") as caught:
        load_library(access)
    assert not caught.value.is_expected


def test_windows_has_its_library_in_the_system_folder() -> None:
    tried: list[str] = []
    access = Access(root="/nonexistent", system="win32", load=tried.append, environment={"WINDIR": "D:/Win"})
    load_library(access)
    assert tried == ["D:/Win/System32/nvml.dll"]


# --- a driver that goes away while it is read


def probe_of(nvml: FakeNvml) -> NvidiaProbe:
    access = Access(root="/nonexistent", environment={})
    return NvidiaProbe(access, lambda _: nvml, clock=lambda: nvml.seconds)


@pytest.mark.parametrize("code", [UNINITIALIZED, DRIVER_NOT_LOADED, MISMATCH])
def test_driver_that_is_unloaded_under_us_is_lost_at_once(code: int) -> None:
    nvml = FakeNvml(2)
    probe = probe_of(nvml)
    probe.sample()
    for gpu in nvml.gpus:
        gpu.refusals |= {"v1": code, "v2": code, "handle": code}
    with pytest.raises(ProbeLost):
        probe.sample()


def test_one_gpu_that_cannot_be_read_does_not_restart_the_driver() -> None:
    nvml = FakeNvml(2)
    probe = probe_of(nvml)
    nvml.gpus[0].refusals |= {"v1": UNKNOWN, "v2": UNKNOWN}
    for _ in range(100):
        probe.sample()
        nvml.seconds += 1
    assert nvml.n_calls("nvmlInit") == 1


def test_split_gpu_whose_whole_may_not_be_read_does_not_restart_the_driver() -> None:
    nvml = FakeNvml()
    whole = nvml.gpus[0]
    whole.answers["nvmlDeviceGetMigMode"] = [1, 1]
    whole.refusals |= {"v1": NO_PERMISSION, "v2": NO_PERMISSION}
    whole.parts = [FakeGpu(10)]
    probe = probe_of(nvml)
    for _ in range(100):
        reading = probe.sample()
        nvml.seconds += 1
    assert nvml.n_calls("nvmlInit") == 1
    assert (reading.faults, [pool.total_bytes for pool in reading.pools]) == ((), [24 * GIB])


def test_driver_that_fails_on_all_gpus_is_started_anew_and_heals() -> None:
    nvml = FakeNvml(2)
    probe = probe_of(nvml)
    for gpu in nvml.gpus:
        gpu.refusals |= {"v1": UNKNOWN, "v2": UNKNOWN}
    for _ in range(32):
        probe.sample()
        nvml.seconds += 1
    assert nvml.n_calls("nvmlInit") == 2
    for gpu in nvml.gpus:
        gpu.refusals = {}
    reading = probe.sample()
    assert (len(reading.pools), reading.faults) == (2, ())
    assert nvml.n_calls("nvmlDeviceGetHandleByIndex") == 4, "handles are those of the new start"


def test_no_call_is_made_on_a_gpu_that_could_not_be_opened() -> None:
    nvml = FakeNvml(2)
    nvml.gpus[1].refusals["handle"] = UNKNOWN
    probe = probe_of(nvml)
    for _ in range(5):
        probe.sample()
    assert nvml.n_calls("nvmlDeviceGetMemoryInfo", 1) == 0
    assert [name for name, gpu in nvml.calls if gpu == 1] == []


# --- a Jetson without NVML


def test_jetson_whose_driver_brings_no_nvml_is_read_from_files(tmp_path: Path) -> None:
    for path, text in (
        ("proc/device-tree/compatible", "nvidia,jetson-xavier\0nvidia,tegra194\0"),
        ("proc/device-tree/model", "NVIDIA Jetson AGX Xavier\0"),
        ("proc/meminfo", "MemTotal: 32000000 kB\nNvMapMemUsed: 2048 kB\n"),
        ("sys/class/devfreq/17000000.gv11b/device/load", "998"),
        ("sys/class/thermal/thermal_zone0/type", "GPU-therm"),
        ("sys/class/thermal/thermal_zone0/temp", "-256000"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    access = Access(root=str(tmp_path), system="linux", load=loading("cannot open: No such file or directory"))
    probe = open_probe(access)
    (device,) = probe.sample().devices
    assert (device.name, device.compute_capability) == ("NVIDIA Jetson AGX Xavier", "7.2")
    assert (device.used_bytes, device.utilization_ratio, device.temperature_celsius) == (2048 << 10, 0.998, None)
    probe.close()


def test_a_library_is_loaded_once() -> None:
    assert load_shared(_ctypes.__file__) is load_shared(_ctypes.__file__)

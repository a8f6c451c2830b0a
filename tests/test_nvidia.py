"""The NVIDIA probe, over a stand-in for the driver's binding: no GPU and no library is needed."""

from pathlib import Path
from types import SimpleNamespace
from weakref import ref

import pytest
from fake_nvml import (
    FUNCTION_NOT_FOUND,
    GIB,
    GPU_IS_LOST,
    NO_PERMISSION,
    NOT_SUPPORTED,
    UNKNOWN,
    FakeGpu,
    FakeNvml,
    used_by,
)
from hypothesis import given
from hypothesis import strategies as st

from probes.access import Access
from probes.errors import ProbeLost, ProbeUnavailable
from probes.nvml_library import has_gpu
from probes.nvml_session import Session
from probes.snapshot import HOST_POOL, Reading
from probes.vendors.nvidia import NvidiaProbe

NOWHERE = Access(root="/nonexistent", system="linux", environment={})


@pytest.fixture
def nvml() -> FakeNvml:
    return FakeNvml()


def probe_of(nvml: FakeNvml, access: Access = NOWHERE) -> NvidiaProbe:
    return NvidiaProbe(access, lambda _: nvml, clock=lambda: nvml.seconds)


def read(nvml: FakeNvml) -> Reading:
    return probe_of(nvml).sample()


# --- memory


def test_free_is_what_the_driver_says_and_used_is_the_rest(nvml: FakeNvml) -> None:
    pool = read(nvml).pools[0]
    assert (pool.total_bytes, pool.free_bytes, pool.used_bytes) == (24 * GIB, 20 * GIB, 4 * GIB)
    assert pool.reserved_bytes == 1 * GIB


def test_old_driver_is_asked_by_the_old_call_and_that_is_remembered(nvml: FakeNvml) -> None:
    nvml.gpus[0].refusals["v2"] = FUNCTION_NOT_FOUND
    probe = probe_of(nvml)
    pool = probe.sample().pools[0]
    assert (pool.used_bytes, pool.reserved_bytes) == (4 * GIB, None)
    before = nvml.n_calls("nvmlDeviceGetMemoryInfo")
    probe.sample()
    assert nvml.n_calls("nvmlDeviceGetMemoryInfo") == before + 1


def test_unified_memory_draws_on_the_host_and_counts_its_processes(nvml: FakeNvml) -> None:
    gpu = nvml.gpus[0]
    gpu.refusals |= {"v1": NOT_SUPPORTED, "v2": NOT_SUPPORTED}
    gpu.answers["nvmlDeviceGetComputeRunningProcesses_v3"] = [used_by(1, 60 * GIB)]
    gpu.answers["nvmlDeviceGetGraphicsRunningProcesses_v3"] = [used_by(2, 1 * GIB)]
    reading = read(nvml)
    assert reading.pools == ()
    assert reading.faults == ()
    assert (reading.devices[0].pool_key, reading.devices[0].used_bytes) == (HOST_POOL, 61 * GIB)


def test_total_of_zero_is_unified_memory_too(nvml: FakeNvml) -> None:
    nvml.gpus[0].memory = {"total": 0, "free": 0, "used": 0, "reserved": 0}
    reading = read(nvml)
    assert (reading.pools, reading.devices[0].pool_key) == ((), HOST_POOL)


def test_memory_that_fails_once_is_shown_with_its_age(nvml: FakeNvml) -> None:
    probe = probe_of(nvml)
    probe.sample()
    nvml.gpus[0].refusals |= {"v1": UNKNOWN, "v2": UNKNOWN}
    nvml.seconds += 4
    reading = probe.sample()
    assert [(pool.free_bytes, pool.late_seconds) for pool in reading.pools] == [(20 * GIB, 4.0)]
    assert reading.faults == ()


def test_memory_that_goes_on_failing_is_a_fault_and_never_the_host_s(nvml: FakeNvml) -> None:
    probe = probe_of(nvml)
    probe.sample()
    nvml.gpus[0].refusals |= {"v1": UNKNOWN, "v2": UNKNOWN}
    nvml.seconds += 6
    reading = probe.sample()
    assert (reading.pools, reading.devices[0].pool_key) == ((), "GPU-0")
    assert reading.faults[0].device_key == "GPU-0"
    assert "999" in reading.faults[0].message
    nvml.gpus[0].refusals = {}
    assert probe.sample().pools[0].free_bytes == 20 * GIB


def test_a_driver_of_half_a_second_a_call_tells_what_two_gpus_do_within_half_a_minute() -> None:
    nvml = FakeNvml(2)
    nvml.call_seconds = 0.5
    probe = probe_of(nvml)
    while nvml.seconds < 25.0:
        devices = probe.sample().devices
    assert all(None not in (device.utilization_ratio, device.temperature_celsius) for device in devices)


def test_unified_memory_stays_so_through_a_failure(nvml: FakeNvml) -> None:
    nvml.gpus[0].refusals |= {"v1": NOT_SUPPORTED, "v2": NOT_SUPPORTED}
    probe = probe_of(nvml)
    probe.sample()
    nvml.gpus[0].refusals |= {"v1": UNKNOWN, "v2": UNKNOWN}
    nvml.seconds += 1000
    reading = probe.sample()
    assert (reading.devices[0].pool_key, reading.faults) == (HOST_POOL, ())


@given(total=st.integers(1, 1 << 40), data=st.data())
def test_used_and_free_always_make_the_total(total: int, data: st.DataObject) -> None:
    nvml = FakeNvml()
    nvml.gpus[0].memory = {"total": total, "free": data.draw(st.integers(0, total)), "used": 0, "reserved": 0}
    pool = read(nvml).pools[0]
    assert pool.used_bytes + pool.free_bytes == total
    assert pool.used_bytes >= 0


def test_more_free_than_there_is_is_no_figure(nvml: FakeNvml) -> None:
    nvml.gpus[0].memory = {"total": 24 * GIB, "free": (1 << 64) - 1, "used": 0, "reserved": 0}
    reading = read(nvml)
    assert reading.pools == ()
    assert len(reading.faults) == 1


# --- figures


def test_figures_have_the_units_of_their_names(nvml: FakeNvml) -> None:
    device = read(nvml).devices[0]
    assert (device.name, device.index, device.vendor) == ("NVIDIA GeForce RTX 4090", 0, "nvidia")
    assert (device.utilization_ratio, device.temperature_celsius) == (0.5, 61)
    assert (device.power_watts, device.power_limit_watts) == (123.456, 450.0)
    assert device.n_multiprocessors == 128


@pytest.mark.parametrize(
    ("capability", "cores", "n_multiprocessors"),
    [((9, 0), 16896, 132), ((12, 1), 6144, 48), ((7, 5), 4352, 68), ((8, 0), 6912, 108), ((99, 0), 5000, None)],
)
def test_multiprocessors_follow_from_cores(
    nvml: FakeNvml, capability: tuple[int, int], cores: int, n_multiprocessors: int | None
) -> None:
    nvml.gpus[0].answers |= {"nvmlDeviceGetCudaComputeCapability": capability, "nvmlDeviceGetNumGpuCores": cores}
    assert read(nvml).devices[0].n_multiprocessors == n_multiprocessors


def test_unsupported_query_is_none_not_zero(nvml: FakeNvml) -> None:
    gpu = nvml.gpus[0]
    gpu.refusals = dict.fromkeys([name for name in gpu.answers if name != "nvmlDeviceGetUUID"], NOT_SUPPORTED)
    device = read(nvml).devices[0]
    assert device.utilization_ratio is device.temperature_celsius is device.power_watts is None
    assert device.power_limit_watts is device.n_multiprocessors is None
    assert device.name == "NVIDIA GPU"


def test_unsupported_query_is_not_asked_again_soon(nvml: FakeNvml) -> None:
    nvml.gpus[0].refusals["nvmlDeviceGetPowerUsage"] = NOT_SUPPORTED
    probe = probe_of(nvml)
    for _ in range(3):
        probe.sample()
    assert nvml.n_calls("nvmlDeviceGetPowerUsage") == 1
    nvml.seconds += 61
    probe.sample()
    assert nvml.n_calls("nvmlDeviceGetPowerUsage") == 2


def test_figure_that_fails_is_kept_with_its_age_and_then_dropped(nvml: FakeNvml) -> None:
    probe = probe_of(nvml)
    probe.sample()
    nvml.gpus[0].refusals["nvmlDeviceGetPowerUsage"] = UNKNOWN
    nvml.seconds = 3.0
    device = probe.sample().devices[0]
    assert (device.power_watts, device.late_seconds) == (123.456, 3.0)
    nvml.seconds = 6.0
    assert probe.sample().devices[0].power_watts is None


def test_older_driver_gives_its_temperature_by_the_older_call(nvml: FakeNvml) -> None:
    nvml.gpus[0].refusals["nvmlDeviceGetTemperatureV"] = FUNCTION_NOT_FOUND
    assert read(nvml).devices[0].temperature_celsius == 60


def test_what_never_changes_is_read_once(nvml: FakeNvml) -> None:
    probe = probe_of(nvml)
    for _ in range(3):
        probe.sample()
    for name in (
        "HandleByIndex",
        "UUID",
        "Name",
        "EnforcedPowerLimit",
        "NumGpuCores",
        "CudaComputeCapability",
        "MaxClockInfo",
    ):
        assert nvml.n_calls(f"nvmlDeviceGet{name}") == 1
    assert nvml.n_calls("nvmlSystemGetDriverVersion") == 1


def test_versions_are_those_of_a_bug_report(nvml: FakeNvml) -> None:
    versions = {version.name: version.value for version in read(nvml).versions}
    assert versions == {"NVIDIA driver": "580.159.04", "CUDA": "12.8"}


def test_name_that_is_not_utf8_is_readable_all_the_same(nvml: FakeNvml) -> None:
    nvml.gpus[0].answers["nvmlDeviceGetName"] = b"NVIDIA \xff\xfe RTX"
    assert read(nvml).devices[0].name == "NVIDIA \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} RTX"


def test_text_is_taken_from_below_the_decorator_that_decodes_strictly(nvml: FakeNvml) -> None:
    def decorated(_: object) -> str:
        return b"\xff".decode()

    decorated.__wrapped__ = lambda _: b"\xffGPU"  # type: ignore[attr-defined]  # as functools.wraps does
    nvml.nvmlDeviceGetName = decorated  # type: ignore[attr-defined]  # over the general answer
    assert read(nvml).devices[0].name == "\N{REPLACEMENT CHARACTER}GPU"


def test_bus_address_stands_in_for_a_missing_uuid(nvml: FakeNvml) -> None:
    nvml.gpus[0].refusals["nvmlDeviceGetUUID"] = NOT_SUPPORTED
    assert read(nvml).devices[0].key == "0000:01:00.0"


# --- processes


def test_process_in_both_lists_counts_once_with_the_larger_figure(nvml: FakeNvml) -> None:
    nvml.gpus[0].answers["nvmlDeviceGetComputeRunningProcesses_v3"] = [used_by(1, 5), used_by(2, None)]
    nvml.gpus[0].answers["nvmlDeviceGetGraphicsRunningProcesses_v3"] = [used_by(1, 9), used_by(2, 3), used_by(3, 0)]
    assert {process.pid: process.used_bytes for process in read(nvml).processes} == {1: 9, 2: 3, 3: 0}


def test_process_of_unknown_size_is_none_not_zero(nvml: FakeNvml) -> None:
    nvml.gpus[0].answers["nvmlDeviceGetComputeRunningProcesses_v3"] = [used_by(1, None), used_by(2, (1 << 64) - 1)]
    assert [process.used_bytes for process in read(nvml).processes] == [None, None]


def test_process_on_two_gpus_appears_twice() -> None:
    nvml = FakeNvml(2)
    for gpu in nvml.gpus:
        gpu.answers["nvmlDeviceGetComputeRunningProcesses_v3"] = [used_by(1, GIB)]
    assert [(process.pid, process.device_key) for process in read(nvml).processes] == [(1, "GPU-0"), (1, "GPU-1")]


def test_older_driver_lists_processes_by_the_older_call(nvml: FakeNvml) -> None:
    nvml.gpus[0].refusals["nvmlDeviceGetComputeRunningProcesses_v3"] = FUNCTION_NOT_FOUND
    nvml.gpus[0].answers["nvmlDeviceGetComputeRunningProcesses_v2"] = [used_by(4, GIB)]
    assert [process.pid for process in read(nvml).processes] == [4]


# --- lost GPUs, and GPUs that come and go


def test_lost_gpu_hides_no_other_and_keeps_its_number() -> None:
    nvml = FakeNvml(4)
    probe = probe_of(nvml)
    probe.sample()
    nvml.lose(2)
    reading = probe.sample()
    assert [device.index for device in reading.devices] == [0, 1, 2, 3]
    assert [pool.key for pool in reading.pools] == ["GPU-0", "GPU-1", "GPU-3"]
    lost = reading.devices[2]
    assert (lost.key, lost.name, lost.utilization_ratio) == ("GPU-2", "NVIDIA GeForce RTX 4090", None)
    assert [fault.device_key for fault in reading.faults] == ["GPU-2"]
    assert "GPU 2 fell off the bus" in reading.faults[0].message


def test_lost_gpu_is_not_called_again_in_that_sample() -> None:
    nvml = FakeNvml(2)
    probe = probe_of(nvml)
    probe.sample()
    nvml.lose(1)
    nvml.calls.clear()
    probe.sample()
    assert [name for name, gpu in nvml.calls if gpu == 1] == ["nvmlDeviceGetMemoryInfo"]


def test_gpu_that_is_lost_midway_loses_all_its_figures(nvml: FakeNvml) -> None:
    nvml.gpus[0].refusals["nvmlDeviceGetPowerUsage"] = GPU_IS_LOST
    reading = read(nvml)
    assert reading.pools == ()
    assert reading.devices[0].temperature_celsius is None
    assert len(reading.faults) == 1


def test_gpu_that_heals_is_picked_up_again() -> None:
    nvml = FakeNvml(2)
    probe = probe_of(nvml)
    nvml.lose(1)
    assert probe.sample().devices[1].key == "nvidia:1"
    nvml.gpus[1].refusals = {}
    reading = probe.sample()
    assert (reading.devices[1].key, reading.faults) == ("GPU-1", ())
    assert len(reading.pools) == 2


def test_gpu_that_cannot_be_opened_says_so_and_keeps_the_numbering() -> None:
    nvml = FakeNvml(3)
    nvml.gpus[1].refusals["handle"] = NO_PERMISSION
    reading = read(nvml)
    assert [device.index for device in reading.devices] == [0, 1, 2]
    assert "GPU 1" in reading.faults[0].message
    assert "may not read it" in reading.faults[0].message


def test_number_of_gpus_is_followed(nvml: FakeNvml) -> None:
    probe = probe_of(nvml)
    probe.sample()
    nvml.gpus = [FakeGpu(5), FakeGpu(6)]
    assert [device.key for device in probe.sample().devices] == ["GPU-5", "GPU-6"]


def test_driver_without_gpus_is_told_and_no_alarm() -> None:
    reading = read(FakeNvml(0))
    assert reading.devices == ()
    assert [fault.message for fault in reading.faults] == ["the NVIDIA driver works, and has no GPU now"]


def test_driver_that_was_stopped_is_lost(nvml: FakeNvml) -> None:
    probe = probe_of(nvml)
    nvml.refusals["nvmlDeviceGetCount"] = 1
    with pytest.raises(ProbeLost):
        probe.sample()


def test_nvml_is_started_anew_when_all_gpus_stay_lost(nvml: FakeNvml) -> None:
    probe = probe_of(nvml)
    nvml.lose(0)
    probe.sample()
    assert nvml.n_calls("nvmlInit") == 1
    nvml.seconds += 31
    probe.sample()
    assert (nvml.n_calls("nvmlInit"), nvml.n_calls("nvmlShutdown")) == (2, 1)


def test_close_shuts_nvml_down(nvml: FakeNvml) -> None:
    probe_of(nvml).close()
    assert nvml.n_calls("nvmlShutdown") == 1


@pytest.mark.parametrize(
    ("code", "way_out"),
    [
        (18, "restart the machine"),
        (9, "modprobe"),
        (4, "/dev/nvidia"),
        (12, "install"),
        (999, "daemon-reload"),
        (77, "77"),
    ],
)
def test_driver_that_does_not_start_says_what_to_do(nvml: FakeNvml, code: int, way_out: str) -> None:
    nvml.refusals["nvmlInit"] = code
    with pytest.raises(ProbeUnavailable, match=way_out) as caught:
        probe_of(nvml)
    assert not caught.value.is_expected


# --- parts of a GPU (MIG)


def split_gpu() -> FakeNvml:
    nvml = FakeNvml(2)
    whole = nvml.gpus[0]
    whole.answers["nvmlDeviceGetMigMode"] = [1, 1]
    whole.refusals |= {"v1": NO_PERMISSION, "v2": NO_PERMISSION}  # as inside a container that has one part only
    for number in (10, 11):
        part = FakeGpu(number)
        part.memory = {"total": 10 * GIB, "free": 9 * GIB, "used": GIB, "reserved": 0}
        part.answers["nvmlDeviceGetName"] = "NVIDIA H100 MIG 1g.10gb"
        part.answers["nvmlDeviceGetComputeRunningProcesses_v3"] = [used_by(number, GIB)]
        whole.parts += [part, None]
    return nvml


def test_split_gpu_is_shown_by_its_parts_from_the_first_sample_on() -> None:
    reading = read(split_gpu())
    assert [device.key for device in reading.devices] == ["GPU-10", "GPU-11", "GPU-1"]
    assert [pool.total_bytes // GIB for pool in reading.pools] == [10, 10, 24]
    part = reading.devices[0]
    assert (part.name, part.n_multiprocessors, part.temperature_celsius) == ("NVIDIA H100 MIG 1g.10gb", 16, 61)
    assert part.utilization_ratio is part.power_watts is None
    assert [(process.pid, process.device_key) for process in reading.processes] == [(10, "GPU-10"), (11, "GPU-11")]
    assert reading.faults == ()


def test_part_that_is_taken_away_vanishes() -> None:
    nvml = split_gpu()
    probe = probe_of(nvml)
    probe.sample()
    nvml.gpus[0].parts[0] = None
    nvml.seconds += 11
    assert [device.key for device in probe.sample().devices] == ["GPU-11", "GPU-1"]


def test_gpu_that_is_split_into_nothing_says_that_no_program_can_use_it() -> None:
    nvml = split_gpu()
    nvml.gpus[0].parts = []
    reading = read(nvml)
    assert reading.devices[0].key == "GPU-0"
    assert any("no program can use it" in fault.message for fault in reading.faults)


# --- slow drivers


def test_slow_driver_shows_the_first_memory_first_and_asks_nothing_else_before_all_of_it_is_there() -> None:
    nvml = FakeNvml(2)
    nvml.call_seconds = 0.5
    probe = probe_of(nvml)
    first = probe.sample()
    assert ([pool.key for pool in first.pools], first.is_partial) == (["GPU-0"], True)
    assert nvml.seconds == 2.5  # start, count, and three calls for the first GPU
    assert [fault.message.split(":")[0] for fault in first.faults] == ["GPU 1 has not been read yet"]
    second = probe.sample()
    assert ([pool.key for pool in second.pools], second.is_partial) == (["GPU-0", "GPU-1"], False)
    assert nvml.seconds == 4.0
    assert second.faults == ()


def test_of_many_gpus_of_a_slow_driver_each_is_read_in_turn() -> None:
    nvml = FakeNvml(16)
    nvml.call_seconds = 1.0
    probe = probe_of(nvml)
    for _ in range(40):
        before = nvml.seconds
        reading = probe.sample()
        assert nvml.seconds - before <= 6.0
    assert len(reading.pools) == 16
    assert max(pool.late_seconds for pool in reading.pools) <= 16 * 3.0
    assert not reading.is_partial


def test_a_quick_driver_is_read_in_full_at_once() -> None:
    reading = probe_of(FakeNvml(64)).sample()
    assert (len(reading.pools), reading.is_partial) == (64, False)


def test_slow_driver_gets_round_to_everything() -> None:
    nvml = FakeNvml(2)
    nvml.call_seconds = 0.5
    probe = probe_of(nvml)
    for _ in range(30):
        before = nvml.seconds
        reading = probe.sample()
        assert nvml.seconds - before <= 4.0
    for device in reading.devices:
        assert None not in (device.utilization_ratio, device.temperature_celsius, device.power_watts)
        assert device.n_multiprocessors == 128
    assert len(reading.versions) == 2


def test_memory_says_how_late_it_is_on_a_slow_driver() -> None:
    nvml = FakeNvml(2)
    nvml.call_seconds = 0.5
    probe = probe_of(nvml)
    probe.sample()
    # from the question on: how old an answer was when it came, no driver says
    assert [pool.late_seconds for pool in probe.sample().pools] == [2.0, 0.5]


# --- is there a GPU at all


def pci_device(root: Path, vendor: str, class_code: str, driver: str) -> None:
    folder = root / "sys/bus/pci/devices/0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(vendor)
    (folder / "class").write_text(class_code)
    (folder / "driver").symlink_to(root / "drivers" / driver)


@pytest.mark.parametrize(
    ("vendor", "class_code", "driver", "is_here"),
    [
        ("0x10de", "0x030000", "nouveau", True),
        ("0x10de", "0x030200", "nvidia", True),
        ("0x10de", "0x030000", "vfio-pci", False),
        ("0x10de", "0x040300", "snd_hda_intel", False),
        ("0x1002", "0x030000", "amdgpu", False),
    ],
)
def test_gpu_without_driver_is_found_on_the_bus(
    tmp_path: Path, vendor: str, class_code: str, driver: str, is_here: bool
) -> None:
    pci_device(tmp_path, vendor, class_code, driver)
    assert has_gpu(Access(root=str(tmp_path))) is is_here


def test_machine_without_pci_has_no_gpu(tmp_path: Path) -> None:
    assert not has_gpu(Access(root=str(tmp_path)))


def test_the_bandwidth_is_clock_times_width(nvml: FakeNvml) -> None:
    device = probe_of(nvml).sample().devices[0]
    assert device.bandwidth_gigabytes_per_second == 10501 * 2 * 384 / 8 / 1000
    assert device.compute_capability == "8.9"


def test_a_driver_that_does_not_tell_the_clock_gives_no_bandwidth(nvml: FakeNvml) -> None:
    nvml.gpus[0].refusals["nvmlDeviceGetMaxClockInfo"] = 3
    assert probe_of(nvml).sample().devices[0].bandwidth_gigabytes_per_second is None


def test_power_limit_that_is_changed_is_followed(nvml: FakeNvml) -> None:
    probe = probe_of(nvml)
    probe.sample()
    nvml.gpus[0].answers["nvmlDeviceGetEnforcedPowerLimit"] = 250000
    nvml.seconds += 31
    assert probe.sample().devices[0].power_limit_watts == 250.0


@pytest.mark.parametrize(
    ("function", "answer", "figure"),
    [
        ("nvmlDeviceGetTemperatureV", 255, "temperature_celsius"),
        ("nvmlDeviceGetTemperatureV", -1, "temperature_celsius"),
        ("nvmlDeviceGetPowerUsage", 0xFFFFFFFF, "power_watts"),
        ("nvmlDeviceGetUtilizationRates", SimpleNamespace(gpu=0xFFFFFFFF), "utilization_ratio"),
        ("nvmlDeviceGetEnforcedPowerLimit", 0xFFFFFFFF, "power_limit_watts"),
    ],
)
def test_what_cannot_be_a_figure_is_none(nvml: FakeNvml, function: str, answer: object, figure: str) -> None:
    nvml.gpus[0].answers[function] = answer
    assert getattr(read(nvml).devices[0], figure) is None


def test_memory_that_is_reported_as_the_host_s_own_is_the_host_s(nvml: FakeNvml, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 127600748 kB\nMemAvailable: 118566368 kB\n")
    nvml.gpus[0].memory = {"total": 127600748 << 10, "free": GIB, "used": 9 * GIB, "reserved": 0}
    nvml.gpus[0].answers["nvmlDeviceGetComputeRunningProcesses_v3"] = [used_by(1, 4 * GIB)]
    reading = probe_of(nvml, Access(root=str(tmp_path), environment={})).sample()
    assert (reading.pools, reading.devices[0].pool_key) == ((), HOST_POOL)
    assert reading.devices[0].used_bytes == 4 * GIB


def test_card_of_the_host_s_nominal_size_keeps_its_own_memory(nvml: FakeNvml, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 24561000 kB\nMemAvailable: 20000000 kB\n")
    reading = probe_of(nvml, Access(root=str(tmp_path), environment={})).sample()
    assert reading.pools[0].total_bytes == 24 * GIB


def test_windows_says_how_its_driver_manages_memory(nvml: FakeNvml) -> None:
    nvml.gpus[0].answers["nvmlDeviceGetDriverModel"] = [0, 0]
    access = Access(root="/nonexistent", system="win32", environment={})
    assert probe_of(nvml, access).sample().devices[0].driver == "WDDM"
    assert read(FakeNvml()).devices[0].driver is None


def test_two_gpus_that_claim_one_uuid_are_told_apart() -> None:
    nvml = FakeNvml(2)
    nvml.gpus[1].answers["nvmlDeviceGetUUID"] = "GPU-0"
    assert [device.key for device in read(nvml).devices] == ["GPU-0", "nvidia:1"]


def test_part_keeps_its_key_when_one_before_it_is_taken_away() -> None:
    nvml = split_gpu()
    probe = probe_of(nvml)
    probe.sample()
    nvml.gpus[0].parts = nvml.gpus[0].parts[2:]
    nvml.seconds += 11
    assert [device.key for device in probe.sample().devices] == ["GPU-11", "GPU-1"]


def test_total_that_no_gpu_has_is_a_fault_and_no_memory(nvml: FakeNvml) -> None:
    nvml.gpus[0].memory = {"total": (1 << 64) - 1, "free": 0, "used": 0, "reserved": 0}
    reading = read(nvml)
    assert (reading.pools, len(reading.faults)) == ((), 1)


@pytest.mark.parametrize("function", ["nvmlDeviceGetCudaComputeCapability", "nvmlDeviceGetNumGpuCores"])
def test_chip_that_could_not_be_asked_once_is_asked_again(nvml: FakeNvml, function: str) -> None:
    nvml.gpus[0].refusals[function] = UNKNOWN
    probe = probe_of(nvml)
    assert probe.sample().devices[0].n_multiprocessors is None
    nvml.gpus[0].refusals = {}
    assert probe.sample().devices[0].n_multiprocessors == 128


def test_a_session_that_was_closed_is_gone_at_once(nvml: FakeNvml, no_collector: None) -> None:
    session = Session(nvml, NOWHERE, lambda: nvml.seconds)
    session.sample()
    session.close()
    kept = ref(session)
    del session
    assert kept() is None

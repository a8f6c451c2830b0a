"""The Apple probe, on answers written after what its modules name; the libraries are those of ``fake_mac``."""

import plistlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from fake_mac import FakeMac
from hypothesis import given
from hypothesis import strategies as st

from probes.access import Access, run_command
from probes.errors import ProbeUnavailable
from probes.mac_gpu import CommandRegistry, accelerator_properties, creator_pid
from probes.mac_kernel import LIBRARY, MacKernel
from probes.snapshot import HOST_POOL, Reading
from probes.vendors import apple

GIB = 1024**3


def statistics(**figures: object) -> dict[str, object]:
    return {
        "Alloc system memory": 9 * GIB,
        "In use system memory": 6 * GIB,
        "Device Utilization %": 42,
        "Renderer Utilization %": 40,
    } | figures


def a_mac(**fields: Any) -> FakeMac:
    sysctl = {"hw.memsize": 128 * GIB, "machdep.cpu.brand_string": "Apple M4 Max", "hw.optional.arm64": 1}
    known: dict[str, Any] = {
        "working_set": 96 * GIB,
        "accelerators": [{"gpu-core-count": 40, "PerformanceStatistics": statistics()}],
    } | fields
    return FakeMac(**known | {"sysctl": sysctl | fields.get("sysctl", {})})


def no_commands(command: Sequence[str]) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", command[0])


def access(mac: FakeMac) -> Access:
    return Access(system="darwin", load=mac.load, run=no_commands)


def sampled(mac: FakeMac) -> Reading:
    probe = apple.open_probe(access(mac))
    try:
        return probe.sample()
    finally:
        probe.close()


class FakeRegistry:
    """The figures without their libraries."""

    def __init__(
        self, figures: Mapping[str, Any] | None = None, times: Callable[[], dict[int, int] | None] = lambda: None
    ) -> None:
        self._figures = statistics() if figures is None else figures
        self._times = times
        self.n_closed = 0

    def properties(self) -> Mapping[str, Any]:
        return {"PerformanceStatistics": self._figures}

    def gpu_nanoseconds(self) -> dict[int, int] | None:
        return self._times()

    def late_seconds(self) -> float:
        return 0.0

    def close(self) -> None:
        self.n_closed += 1


def budget_of(**sysctl: int) -> Reading:
    """What is said where Metal does not answer."""
    values: dict[str, int | str] = {name.replace("__", "."): value for name, value in sysctl.items()}
    kernel = MacKernel(FakeMac(sysctl=values).load(LIBRARY))
    return apple.AppleProbe(kernel=kernel, registry=FakeRegistry(), working_set=lambda: None).sample()


def test_the_gpu_draws_on_the_pool_of_the_host() -> None:
    reading = sampled(a_mac())
    assert reading.pools == ()
    assert reading.devices[0].pool_key == HOST_POOL


def test_the_device_says_what_documents_promise() -> None:
    device = sampled(a_mac()).devices[0]
    assert (device.name, device.vendor, device.index) == ("Apple M4 Max", "apple", 0)
    assert device.used_bytes == 6 * GIB
    assert device.limit_bytes == 96 * GIB
    assert device.utilization_ratio == 0.42
    assert device.n_multiprocessors == 40


def test_a_healthy_mac_has_no_fault() -> None:
    assert sampled(a_mac()).faults == ()


def test_closing_gives_everything_back() -> None:
    mac = a_mac(energy=[1, 2], residencies=[{"OFF": 0, "P1": 0}], sensors={"Tg05": ("flt ", b"\0\0HB")})
    assert sampled(mac).devices[0].temperature_celsius == 50
    assert (mac.n_held, mac.objects.left(), mac.objects.crashes, mac.n_metal_devices) == (0, [], [], 0)
    assert mac.n_connections == 0


@pytest.mark.parametrize("gone", ["libIOReport.dylib", "IOReportCreateSamples"])
def test_without_ioreport_only_power_and_clock_are_missing(gone: str) -> None:
    reading = sampled(a_mac(missing={gone}))
    assert (reading.devices[0].power_watts, reading.devices[0].used_bytes) == (None, 6 * GIB)
    assert reading.faults == ()


@pytest.mark.parametrize("gone", ["IOKit", "CoreFoundation", "IORegistryEntryCreateCFProperty", "CFGetTypeID"])
def test_without_the_registry_ioreg_is_asked(gone: str) -> None:
    mac = a_mac(missing={gone})
    plist = plistlib.dumps([{"PerformanceStatistics": statistics()}])
    probe = apple.open_probe(Access(system="darwin", load=mac.load, run=lambda command: plist))
    assert probe.sample().devices[0].used_bytes == 6 * GIB


def test_without_any_library_the_probe_says_what_it_cannot_tell() -> None:
    mac = FakeMac(missing={"libSystem.B.dylib", "CoreFoundation", "IOKit", "Metal"})
    reading = sampled(mac)
    assert (reading.devices[0].used_bytes, reading.devices[0].limit_bytes) == (None, None)
    assert ["not known" in fault.message for fault in reading.faults] == [True, True]


@pytest.mark.parametrize(("macos", "limit_gib"), [("15.6", 96), ("26.1", 107.52)])
def test_without_metal_the_limit_is_estimated_and_said_so(macos: str, limit_gib: float) -> None:
    kernel = MacKernel(FakeMac(sysctl={"hw.memsize": 128 * GIB, "kern.osproductversion": macos}).load(LIBRARY))
    reading = apple.AppleProbe(kernel=kernel, registry=FakeRegistry(), working_set=lambda: None).sample()
    assert reading.devices[0].limit_bytes == pytest.approx(limit_gib * GIB)
    assert "estimated" in reading.faults[0].message


def test_without_metal_a_wired_limit_that_was_set_is_taken() -> None:
    reading = budget_of(hw__memsize=128 * GIB, iogpu__wired_limit_mb=114688)
    assert reading.devices[0].limit_bytes == 112 * GIB
    assert "iogpu.wired_limit_mb" in reading.faults[0].message


def test_without_metal_the_wired_limit_of_macos_13_is_taken() -> None:
    reading = budget_of(hw__memsize=128 * GIB, debug__iogpu__wired_limit=112 * GIB)
    assert reading.devices[0].limit_bytes == 112 * GIB


def test_a_wired_limit_of_zero_means_the_default() -> None:
    reading = budget_of(hw__memsize=128 * GIB, iogpu__wired_limit_mb=0)
    assert "estimated" in reading.faults[0].message


def test_without_any_answer_the_limit_is_none() -> None:
    reading = budget_of()
    assert reading.devices[0].limit_bytes is None
    assert "not known" in reading.faults[0].message


def test_a_limit_that_changes_is_seen_at_the_next_sample() -> None:
    limits = iter([96 * GIB, 110 * GIB])
    probe = apple.AppleProbe(kernel=None, registry=FakeRegistry(), working_set=lambda: next(limits))
    assert [probe.sample().devices[0].limit_bytes for _ in range(2)] == [96 * GIB, 110 * GIB]


def test_statistics_without_memory_are_a_fault_and_not_zero() -> None:
    reading = sampled(a_mac(accelerators=[{"PerformanceStatistics": {"Device Utilization %": 3}}]))
    assert reading.devices[0].used_bytes is None
    assert reading.devices[0].utilization_ratio == 0.03
    assert len(reading.faults) == 1


def test_a_virtual_machine_without_accelerator_is_a_fault() -> None:
    assert "no accelerator" in sampled(a_mac(accelerators=[])).faults[0].message


@pytest.mark.parametrize("value", [-1, True, "6442450944", 1.5, 2**63, None])
def test_a_figure_of_the_wrong_kind_is_not_reported(value: object) -> None:
    figures = {} if value is None else {"In use system memory": value}
    probe = apple.AppleProbe(kernel=None, registry=FakeRegistry(figures), working_set=lambda: GIB)
    assert probe.sample().devices[0].used_bytes is None


def test_the_clock_is_read_only_while_details_are_looked_at() -> None:
    mac = a_mac(
        residencies=[{"OFF": 0, "P1": 0}, {"OFF": 1, "P1": 1}],
        voltage_states=b"\0" * 8 + (389_000_000).to_bytes(4, "little") + b"\1\0\0\0",
    )
    reached = access(mac)
    probe = apple.open_probe(reached)
    assert probe.sample().devices[0].details is None
    reached.attention.is_on_details = True
    details = [probe.sample().devices[0].details for _ in range(2)][1]
    assert details is not None
    assert (details.graphics_clock_megahertz, details.most_graphics_clock_megahertz) == (389.0, 389.0)


def test_an_intel_mac_is_told_that_its_gpus_are_not_read() -> None:
    with pytest.raises(ProbeUnavailable, match="Intel") as caught:
        apple.open_probe(access(FakeMac(sysctl={"hw.memsize": GIB})))
    assert caught.value.is_expected


# --- the programs that the GPU works for


def test_gpu_time_is_told_by_the_difference_of_two_looks() -> None:
    processes = apple.gpu_processes({1: 5 * 10**9, 2: 0}, {1: 6 * 10**9, 2: 3 * 10**9}, 4.0)
    assert [(process.pid, process.utilization_ratio) for process in processes] == [(2, 0.75), (1, 0.25)]


def test_a_first_look_tells_who_used_the_gpu_and_not_how_much() -> None:
    processes = apple.gpu_processes(None, {1: 5, 2: 9, 3: 0}, float("inf"))
    assert [(process.pid, process.utilization_ratio) for process in processes] == [(2, None), (1, None)]


def test_gpu_time_that_went_down_is_not_known() -> None:
    processes = apple.gpu_processes({1: 9}, {1: 5}, 3.0)
    assert [process.utilization_ratio for process in processes] == [None]


def test_a_program_never_has_more_than_all_of_the_gpu() -> None:
    processes = apple.gpu_processes({}, {1: 9 * 10**9}, 3.0)
    assert [process.utilization_ratio for process in processes] == [1.0]


def test_clients_are_walked_every_few_seconds_only() -> None:
    looks: list[int] = []
    seconds = [0.0]

    def times() -> dict[int, int]:
        looks.append(1)
        return {7: len(looks) * 10**9}

    probe = apple.AppleProbe(
        kernel=None, registry=FakeRegistry(times=times), working_set=lambda: GIB, clock=lambda: seconds[0]
    )
    for second in range(7):
        seconds[0] = float(second)
        probe.sample()
    assert len(looks) == 3


@pytest.mark.parametrize(
    ("creator", "pid"),
    [
        ("pid 440, WindowServer", 440),
        ("pid 31299, voxel, game", 31299),
        ("pid 7", 7),
        ("pid -4, x", None),
        ("pid , x", None),
        ("pid ²3, x", None),
        ("WindowServer", None),
        ("pid 12345678901, x", None),
        (None, None),
    ],
)
def test_the_pid_of_a_client_is_read_from_its_creator(creator: object, pid: int | None) -> None:
    assert creator_pid(creator) == pid


GARBAGE = st.one_of(st.none(), st.integers(-5, 2**63 - 1), st.floats(), st.text(max_size=8), st.booleans())


@given(st.lists(st.dictionaries(st.sampled_from(["accumulatedGPUTime", "API"]), GARBAGE), max_size=3), GARBAGE)
def test_garbage_in_a_client_is_no_program(usage: list[dict[str, object]], creator: object) -> None:
    mac = a_mac()
    mac.accelerators[0]["clients"] = [
        {"IOUserClientCreator": "pid 5, x", "AppUsage": creator},
        {"IOUserClientCreator": creator, "AppUsage": usage},
    ]
    assert all(process.pid > 0 for process in sampled(mac).processes)


# --- what ioreg prints


def test_ioreg_is_started_seldom_and_its_figures_age() -> None:
    commands: list[Sequence[str]] = []
    seconds = [0.0]

    def run(command: Sequence[str]) -> bytes:
        commands.append(command)
        return plistlib.dumps([{"PerformanceStatistics": statistics()}])

    registry = CommandRegistry(run, lambda: seconds[0])
    ages = []
    for second in (0.0, 3.0, 6.0):
        seconds[0] = second
        registry.properties()
        ages.append(registry.late_seconds())
    assert (len(commands), ages) == (2, [0.0, 3.0, 0.0])
    assert commands[0][0] == "/usr/sbin/ioreg"


def test_an_ioreg_that_fails_is_a_fault_and_not_zero() -> None:
    def run(command: Sequence[str]) -> bytes:
        raise TimeoutError("no answer within 3 s")

    probe = apple.AppleProbe(kernel=None, registry=CommandRegistry(run), working_set=lambda: GIB)
    reading = probe.sample()
    assert reading.devices[0].used_bytes is None
    assert "no answer within 3 s" in reading.faults[0].message


def test_too_long_a_property_list_is_not_parsed() -> None:
    with pytest.raises(ValueError, match="too long"):
        accelerator_properties(b" " * (4 * 1024**2 + 1))


def test_a_bad_date_is_a_bad_property_list() -> None:
    with pytest.raises(ValueError, match="not a property list"):
        accelerator_properties(b"<plist><date>no</date></plist>")


def test_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE plist [<!ENTITY a "aaaa">]><plist><string>&a;</string></plist>'
    with pytest.raises(ValueError, match="not a property list"):
        accelerator_properties(bomb)


_TAGS = st.sampled_from("plist array dict key string integer real date data true false".split())


@given(st.lists(st.one_of(_TAGS.map("<{}>".format), _TAGS.map("</{}>".format), st.text(max_size=4)), max_size=12))
def test_a_broken_property_list_is_a_value_error(pieces: list[str]) -> None:
    text = "<plist>" + "".join(pieces) + "</plist>"
    try:
        accelerator_properties(text.encode("utf-8", "replace"))
    except ValueError:
        return


@given(st.integers(0, 10**6), st.binary(max_size=3))
def test_a_damaged_property_list_is_still_a_reading(position: int, damage: bytes) -> None:
    plist = plistlib.dumps([{"PerformanceStatistics": statistics()}])
    start = position % len(plist)
    damaged = plist[:start] + damage + plist[start + len(damage) :]
    probe = apple.AppleProbe(kernel=None, registry=CommandRegistry(lambda command: damaged), working_set=lambda: GIB)
    assert len(probe.sample().devices) == 1


# --- elsewhere


@pytest.mark.skipif(sys.platform == "darwin", reason="tells what other systems do")
def test_elsewhere_it_is_unavailable_and_that_is_expected() -> None:
    with pytest.raises(ProbeUnavailable) as caught:
        apple.open_probe()
    assert caught.value.is_expected


@pytest.mark.skipif(sys.platform == "darwin", reason="tells what other systems do")
def test_elsewhere_a_start_imports_nothing_for_it() -> None:
    code = (
        "import sys; from probes.probe import real_sources; from probes.sampler import take_one\n"
        "take_one([source for source in real_sources(tell_command=' '.join) if source.name == 'apple'], 30.0)\n"
        "print(sorted({'plistlib', 'subprocess', 'ctypes', 'probes.vendors.apple'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_command_that_does_not_exist_is_an_os_error() -> None:
    with pytest.raises(OSError, match="No such file"):
        run_command(("/nonexistent/ioreg",))


def test_a_command_that_fails_is_an_os_error() -> None:
    with pytest.raises(OSError, match="status 3"):
        run_command((sys.executable, "-c", "raise SystemExit(3)"))


def test_a_command_gives_what_it_prints() -> None:
    assert run_command((sys.executable, "-c", "print(5)")).strip() == b"5"


def test_a_library_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(OSError, match="nonexistent"):
        Access().load("/nonexistent/libSystem.B.dylib")

"""The Apple probe, on answers written after the documents that its module names: none was recorded on a Mac."""

import plistlib
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.access import run_command
from probes.errors import ProbeUnavailable
from probes.snapshot import HOST_POOL, Reading
from probes.vendors import apple

GIB = 1024**3


def accelerator(**statistics: object) -> bytes:
    figures = {
        "Alloc system memory": 9 * GIB,
        "In use system memory": 6 * GIB,
        "Device Utilization %": 42,
        "Renderer Utilization %": 40,
    }
    entry = {
        "IOClass": "AGXAcceleratorG16X",
        "gpu-core-count": 40,
        "PerformanceStatistics": figures | statistics,
    }
    return plistlib.dumps([entry])


class FakeMac:
    """Answers like the commands of a Mac, and notes what was asked."""

    def __init__(self, plist: bytes | OSError | None = None, **sysctl: str) -> None:
        self.plist = accelerator() if plist is None else plist
        self.sysctl = {"hw.memsize": str(128 * GIB), "machdep.cpu.brand_string": "Apple M4 Max"} | {
            name.replace("__", "."): value for name, value in sysctl.items()
        }
        self.commands: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> bytes:
        self.commands.append(command)
        if command[0] == "/usr/sbin/ioreg":
            if isinstance(self.plist, OSError):
                raise self.plist
            return self.plist
        if command[-1] not in self.sysctl:
            raise OSError("ended with status 1")
        return self.sysctl[command[-1]].encode() + b"\n"


def sampled(mac: FakeMac, working_set: Callable[[], int | None] = lambda: 96 * GIB) -> Reading:
    return apple.AppleProbe(run=mac, working_set=working_set).sample()


def test_the_gpu_draws_on_the_pool_of_the_host() -> None:
    reading = sampled(FakeMac())
    assert reading.pools == ()
    assert reading.devices[0].pool_key == HOST_POOL


def test_the_device_says_what_documents_promise() -> None:
    device = sampled(FakeMac()).devices[0]
    assert (device.name, device.vendor, device.index) == ("Apple M4 Max", "apple", 0)
    assert device.used_bytes == 6 * GIB
    assert device.limit_bytes == 96 * GIB
    assert device.utilization_ratio == 0.42
    assert device.n_multiprocessors == 40


def test_a_healthy_mac_has_no_fault() -> None:
    assert sampled(FakeMac()).faults == ()


def test_commands_are_given_by_absolute_path() -> None:
    mac = FakeMac()
    sampled(mac, lambda: None)
    assert {command[0] for command in mac.commands} == {"/usr/sbin/ioreg", "/usr/sbin/sysctl"}


@pytest.mark.parametrize(("ram_gib", "limit_bytes"), [(36, 24 * GIB), (48, 36 * GIB), (128, 96 * GIB)])
def test_without_metal_the_limit_is_estimated_and_said_so(ram_gib: int, limit_bytes: int) -> None:
    reading = sampled(FakeMac(hw__memsize=str(ram_gib * GIB)), lambda: None)
    assert reading.devices[0].limit_bytes == limit_bytes
    assert "estimated" in reading.faults[0].message


def test_without_metal_a_wired_limit_that_was_set_is_taken() -> None:
    reading = sampled(FakeMac(iogpu__wired_limit_mb="114688"), lambda: None)
    assert reading.devices[0].limit_bytes == 112 * GIB
    assert "iogpu.wired_limit_mb" in reading.faults[0].message


def test_a_wired_limit_of_zero_means_the_default() -> None:
    assert sampled(FakeMac(iogpu__wired_limit_mb="0"), lambda: None).devices[0].limit_bytes == 96 * GIB


def test_without_any_answer_the_limit_is_none() -> None:
    reading = sampled(FakeMac(hw__memsize="what?"), lambda: None)
    assert reading.devices[0].limit_bytes is None
    assert "not known" in reading.faults[0].message


def test_a_limit_that_changes_is_seen_at_the_next_sample() -> None:
    limits = iter([96 * GIB, 110 * GIB])
    probe = apple.AppleProbe(run=FakeMac(), working_set=lambda: next(limits))
    assert [probe.sample().devices[0].limit_bytes for _ in range(2)] == [96 * GIB, 110 * GIB]


def test_a_command_that_fails_is_a_fault_and_not_zero() -> None:
    reading = sampled(FakeMac(plist=TimeoutError("no answer within 3 s")))
    assert reading.devices[0].used_bytes is None
    assert "no answer within 3 s" in reading.faults[0].message


def test_statistics_without_memory_are_a_fault_and_not_zero() -> None:
    reading = sampled(FakeMac(plist=plistlib.dumps([{"PerformanceStatistics": {"Device Utilization %": 3}}])))
    assert reading.devices[0].used_bytes is None
    assert reading.devices[0].utilization_ratio == 0.03
    assert len(reading.faults) == 1


def test_a_virtual_machine_without_accelerator_is_a_fault() -> None:
    reading = sampled(FakeMac(plist=plistlib.dumps([])))
    assert "no accelerator" in reading.faults[0].message


@pytest.mark.parametrize("value", [-1, True, "6442450944", 1.5, 2**63, None])
def test_a_figure_of_the_wrong_kind_is_not_reported(value: object) -> None:
    entry = {"PerformanceStatistics": {} if value is None else {"In use system memory": value}}
    assert sampled(FakeMac(plist=plistlib.dumps([entry]))).devices[0].used_bytes is None


def test_too_long_a_property_list_is_not_parsed() -> None:
    with pytest.raises(ValueError, match="too long"):
        apple.accelerator_properties(b" " * (4 * 1024**2 + 1))


def test_a_bad_date_is_a_bad_property_list() -> None:
    with pytest.raises(ValueError, match="not a property list"):
        apple.accelerator_properties(b"<plist><date>no</date></plist>")


def test_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE plist [<!ENTITY a "aaaa">]><plist><string>&a;</string></plist>'
    with pytest.raises(ValueError, match="not a property list"):
        apple.accelerator_properties(bomb)


_TAGS = st.sampled_from("plist array dict key string integer real date data true false".split())


@given(st.lists(st.one_of(_TAGS.map("<{}>".format), _TAGS.map("</{}>".format), st.text(max_size=4)), max_size=12))
def test_a_broken_property_list_is_a_value_error(pieces: list[str]) -> None:
    text = "<plist>" + "".join(pieces) + "</plist>"
    try:
        apple.accelerator_properties(text.encode("utf-8", "replace"))
    except ValueError:
        return


@given(st.integers(0, 10**6), st.binary(max_size=3))
def test_a_damaged_property_list_is_still_a_reading(position: int, damage: bytes) -> None:
    plist = accelerator()
    start = position % len(plist)
    reading = sampled(FakeMac(plist=plist[:start] + damage + plist[start + len(damage) :]))
    assert len(reading.devices) == 1


def test_closing_gives_the_metal_device_back_once() -> None:
    released: list[bool] = []
    probe = apple.AppleProbe(run=FakeMac(), working_set=lambda: None, release=lambda: released.append(True))
    probe.close()
    assert released == [True]


@pytest.mark.skipif(sys.platform == "darwin", reason="tells what other systems do")
def test_elsewhere_it_is_unavailable_and_that_is_expected() -> None:
    with pytest.raises(ProbeUnavailable) as caught:
        apple.open_probe()
    assert caught.value.is_expected


@pytest.mark.skipif(sys.platform == "darwin", reason="tells what other systems do")
def test_elsewhere_it_imports_nothing_for_it() -> None:
    code = (
        "import sys; from probes.vendors import apple\n"
        "try: apple.open_probe()\n"
        "except Exception: pass\n"
        "print(sorted({'plistlib', 'subprocess', 'ctypes', 'platform'} & set(sys.modules)))"
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

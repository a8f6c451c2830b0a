"""The readers of macOS's libraries, on C functions that behave like them: values, prototypes, what is given back."""

import struct

import pytest
from fake_mac import FakeMac
from hypothesis import given
from hypothesis import strategies as st

from probes.core_foundation import LIBRARY as CORE_FOUNDATION
from probes.core_foundation import CoreFoundation
from probes.io_registry import LIBRARY as IO_KIT
from probes.io_registry import IoRegistry
from probes.io_report import LIBRARY as IO_REPORT
from probes.io_report import GpuReport, state_clocks_megahertz
from probes.mac_kernel import LIBRARY as LIB_SYSTEM
from probes.mac_kernel import MacKernel
from probes.metal import MetalDevice
from probes.smc import Smc

GIB = 1024**3


def foundation(mac: FakeMac) -> CoreFoundation:
    return CoreFoundation(mac.load(CORE_FOUNDATION))


def registry(mac: FakeMac) -> IoRegistry:
    return IoRegistry(mac.load(IO_KIT), foundation(mac))


def kernel(mac: FakeMac) -> MacKernel:
    return MacKernel(mac.load(LIB_SYSTEM))


# --- CoreFoundation

PLAIN = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=20),
        st.binary(max_size=20),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["a", "b c", "%"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_an_object_is_read_as_what_it_is(value: object) -> None:
    mac = FakeMac()
    assert foundation(mac).value(mac.objects.new(value)) == value
    assert mac.objects.crashes == []


def test_text_that_does_not_fit_is_none() -> None:
    mac = FakeMac()
    assert foundation(mac).value(mac.objects.new("x" * 1024)) is None


def test_text_that_is_no_utf8_is_still_text() -> None:
    mac = FakeMac()
    assert foundation(mac).value(mac.objects.new("caf\udce9")) == "caf\ufffd"


def test_a_number_that_needs_more_than_64_bits_is_none() -> None:
    mac = FakeMac()
    assert foundation(mac).value(mac.objects.new(2**64)) is None


def test_an_object_of_another_kind_is_none() -> None:
    mac = FakeMac()
    assert foundation(mac).value(mac.objects.new({"date": {1, 2}})) == {"date": None}


def test_what_is_nested_without_end_is_cut() -> None:
    endless: list[object] = []
    endless.append(endless)
    mac = FakeMac()
    assert foundation(mac).value(mac.objects.new(endless)) == [[[[[[[None]]]]]]]


def test_null_is_none_and_never_released() -> None:
    mac = FakeMac()
    core = foundation(mac)
    core.release(None)
    assert core.value(None) is None
    assert core.items(None) == []
    assert core.item(None, None) is None
    assert mac.objects.crashes == []


def test_a_library_without_a_function_is_none() -> None:
    with pytest.raises(AttributeError):
        foundation(FakeMac(missing={"CFNumberIsFloatType"}))


# --- the registry


def test_properties_that_an_entry_lacks_are_left_out() -> None:
    mac = FakeMac(accelerators=[{"gpu-core-count": 8}])
    reader = registry(mac)
    with reader.services("IOAccelerator") as entries:
        found = [reader.properties(entry, ("gpu-core-count", "PerformanceStatistics")) for entry in entries]
    assert found == [{"gpu-core-count": 8}]


def test_all_of_the_registry_is_given_back() -> None:
    mac = FakeMac(accelerators=[{"clients": [{"IOUserClientCreator": "pid 1, x"}, {}]}, {}])
    reader = registry(mac)
    with reader.services("IOAccelerator") as entries, reader.children(entries[0]) as clients:
        assert [reader.properties(client, ("IOUserClientCreator",)) for client in clients] == [
            {"IOUserClientCreator": "pid 1, x"},
            {},
        ]
    reader.close()
    assert (mac.n_held, mac.objects.left(), mac.objects.crashes) == (0, [], [])


def test_entries_are_given_back_where_reading_them_fails() -> None:
    mac = FakeMac(accelerators=[{}, {}])
    reader = registry(mac)
    with pytest.raises(ZeroDivisionError), reader.services("IOAccelerator"):
        raise ZeroDivisionError
    assert mac.n_held == 0


# --- the kernel


def test_numbers_of_4_and_8_bytes_are_read() -> None:
    reader = kernel(FakeMac(sysctl={"hw.memsize": 128 * GIB, "hw.physicalcpu": 16}))
    assert (reader.number("hw.memsize"), reader.number("hw.physicalcpu")) == (128 * GIB, 16)


def test_a_value_that_is_not_there_is_none() -> None:
    reader = kernel(FakeMac())
    assert (reader.number("iogpu.wired_limit_mb"), reader.text("hw.model"), reader.swap()) == (None, None, None)
    assert (reader.pages(), reader.cpu_ticks()) == (None, None)


def test_a_negative_number_is_none() -> None:
    assert kernel(FakeMac(sysctl={"x": -1})).number("x") is None


def test_a_text_is_no_number() -> None:
    assert kernel(FakeMac(sysctl={"hw.model": "MacBookPro18,4"})).number("hw.model") is None


def test_a_text_that_is_too_long_or_no_utf8_does_no_harm() -> None:
    reader = kernel(FakeMac(sysctl={"long": "x" * 300, "odd": "caf\udce9"}))
    assert (reader.text("long"), reader.text("odd")) == (None, "caf\ufffd")


def test_more_swap_in_use_than_there_is_is_none() -> None:
    assert kernel(FakeMac(swap=(GIB, 2 * GIB))).swap() is None


def test_without_a_page_size_there_are_no_pages() -> None:
    assert kernel(FakeMac(pages={"free": 5}, page_bytes=0)).pages() is None


def test_pages_of_16_kib_are_counted_as_such() -> None:
    pages = kernel(FakeMac(pages={"free": 7, "speculative": 2, "compressor": 3, "wire": 4})).pages()
    assert pages is not None
    assert (pages.free_bytes, pages.compressor_bytes, pages.wired_bytes) == (5 * 16384, 3 * 16384, 4 * 16384)


@given(st.dictionaries(st.sampled_from(["free", "speculative", "external", "purgeable"]), st.integers(0, 2**32 - 1)))
def test_page_counts_are_never_negative(counts: dict[str, int]) -> None:
    pages = kernel(FakeMac(pages=counts)).pages()
    assert pages is not None
    assert pages.free_bytes >= 0


# --- IOReport


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 2.0
        return self.seconds


def report(mac: FakeMac, *clocks: float) -> GpuReport:
    return GpuReport(mac.load(IO_REPORT), foundation(mac), clocks_megahertz=clocks, clock=Clock())


@pytest.mark.parametrize(("unit", "n_units"), [("mJ", 3000), ("uJ", 3_000_000), ("nJ", 3_000_000_000), (" mJ ", 3000)])
def test_power_is_energy_over_time(unit: str, n_units: int) -> None:
    reader = report(FakeMac(energy=[7, 7 + n_units], energy_unit=unit))
    assert reader.power_watts() is None  # nothing to compare with
    assert reader.power_watts() == pytest.approx(1.5)


def test_energy_in_a_unit_that_is_not_known_is_no_power() -> None:
    reader = report(FakeMac(energy=[0, 5], energy_unit="kWh"))
    assert [reader.power_watts() for _ in range(2)] == [None, None]


@pytest.mark.parametrize("energy", [[5, 0], [0, 10**13]])
def test_a_power_that_cannot_be_is_none(energy: list[int]) -> None:
    reader = report(FakeMac(energy=energy))
    assert [reader.power_watts() for _ in range(2)] == [None, None]


def test_a_mac_without_these_channels_has_neither_power_nor_clock() -> None:
    reader = report(FakeMac(), 396.0)
    assert [(reader.power_watts(), reader.clock_megahertz()) for _ in range(2)] == [(None, None)] * 2


def test_the_clock_is_the_mean_over_the_states_it_ran_in() -> None:
    states = [{"OFF": 0, "P1": 0, "P2": 0}, {"OFF": 100, "P1": 30, "P2": 10}]
    reader = report(FakeMac(residencies=states), 400.0, 1200.0)
    assert reader.clock_megahertz() is None
    assert reader.clock_megahertz() == pytest.approx((30 * 400 + 10 * 1200) / 40)


def test_states_without_known_clocks_have_no_mean() -> None:
    states = [{"OFF": 0, "P1": 0, "P2": 0}, {"OFF": 100, "P1": 30, "P2": 10}]
    reader = report(FakeMac(residencies=states), 400.0)
    assert [reader.clock_megahertz() for _ in range(2)] == [None, None]


def test_a_gpu_that_was_off_has_no_clock() -> None:
    reader = report(FakeMac(residencies=[{"OFF": 0, "P1": 0}, {"OFF": 9, "P1": 0}]), 400.0)
    assert [reader.clock_megahertz() for _ in range(2)] == [None, None]


def test_a_mean_over_minutes_is_not_told() -> None:
    mac = FakeMac(energy=[0, 5_000_000_000, 5_000_000_000])
    seconds = iter([0.0, 61.0, 62.0])
    reader = GpuReport(mac.load(IO_REPORT), foundation(mac), clock=lambda: next(seconds))
    assert [reader.power_watts() for _ in range(3)] == [None, None, 0.0]


def test_all_samples_are_given_back() -> None:
    mac = FakeMac(energy=[0, 1, 2], residencies=[{"OFF": 0, "P1": 0}, {"OFF": 9, "P1": 3}])
    reader = report(mac, 400.0)
    for _ in range(3):
        reader.power_watts()
        reader.clock_megahertz()
    reader.close()
    assert (mac.objects.left(), mac.objects.crashes) == ([], [])


def pairs(*hertz: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") + b"\x01\x00\x00\x00" for value in hertz)


def test_clocks_are_those_of_the_states_after_off() -> None:
    assert state_clocks_megahertz(pairs(0, 389_000_000, 1_296_000_000)) == (389.0, 1296.0)


@pytest.mark.parametrize("states", [None, "text", b"", b"\0" * 7, pairs(0, 5), pairs(0, 4_000_000_000) * 65])
def test_garbage_has_no_clocks(states: object) -> None:
    assert state_clocks_megahertz(states) == ()


# --- the system management controller


def warm(celsius: float) -> tuple[str, bytes]:
    return "flt ", struct.pack("<f", celsius)


SENSORS = {
    "ACLW": ("ui8 ", b"\1"),
    "TB1T": warm(30),
    "Te05": warm(90),
    "Tg05": warm(50),
    "Tg0D": warm(60),
    "Tgxx": ("ui16", b"\0\7"),
    "Tp01": warm(95),
    "zETM": ("ui8 ", b"\0"),
}


def smc(mac: FakeMac) -> Smc:
    return Smc(mac.load(IO_KIT), mac.load(LIB_SYSTEM), registry(mac))


def test_the_temperature_is_the_mean_of_the_gpus_sensors() -> None:
    assert smc(FakeMac(sensors=SENSORS)).gpu_celsius() == 55


@pytest.mark.parametrize("celsius", [0.0, -3.0, 151.0, float("nan"), float("inf")])
def test_a_sensor_that_is_not_there_does_not_count(celsius: float) -> None:
    assert smc(FakeMac(sensors=SENSORS | {"Tg0D": warm(celsius)})).gpu_celsius() == 50


@pytest.mark.parametrize("names", [(), ("Ta00",), ("Tg",), ("Tz00",), ("Ta00", "Tz00")])
def test_without_sensors_of_the_gpu_there_is_no_temperature(names: tuple[str, ...]) -> None:
    assert smc(FakeMac(sensors={name.ljust(4): ("ui8 ", b"\1") for name in names})).gpu_celsius() is None


def test_the_controller_is_given_back_once() -> None:
    mac = FakeMac(sensors=SENSORS)
    reader = smc(mac)
    reader.close()
    reader.close()
    assert (mac.n_connections, mac.n_held, reader.gpu_celsius()) == (0, 0, None)


@given(st.dictionaries(st.text("TgABxyz019", min_size=4, max_size=4), st.binary(min_size=4, max_size=4), max_size=40))
def test_all_sensors_of_the_gpu_are_found_among_any(contents: dict[str, bytes]) -> None:
    found = smc(FakeMac(sensors={name: ("flt ", content) for name, content in contents.items()})).gpu_celsius()
    values = [struct.unpack("<f", content)[0] for name, content in contents.items() if name.startswith("Tg")]
    sensible = [value for value in values if 0 < value <= 150]
    assert found == (pytest.approx(sum(sensible) / len(sensible)) if sensible else None)


# --- Metal


def test_metal_tells_its_budget() -> None:
    device = MetalDevice(FakeMac(working_set=112 * GIB).load)
    assert device.working_set_bytes() == 112 * GIB


def test_the_metal_device_is_given_back_once() -> None:
    mac = FakeMac(working_set=GIB)
    device = MetalDevice(mac.load)
    device.close()
    device.close()
    assert mac.n_metal_devices == 0
    assert device.working_set_bytes() is None


@pytest.mark.parametrize("gone", ["Metal", "CoreGraphics", "libobjc.A.dylib", "objc_msgSend"])
def test_without_a_part_of_metal_there_is_no_budget(gone: str) -> None:
    device = MetalDevice(FakeMac(working_set=GIB, missing={gone}).load)
    assert device.working_set_bytes() is None
    device.close()


def test_a_virtual_machine_without_a_metal_device_has_no_budget() -> None:
    assert MetalDevice(FakeMac().load).working_set_bytes() is None

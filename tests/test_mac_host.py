"""RAM, swap space and processor of a Mac, on the libraries of ``fake_mac``."""

import pytest
from fake_mac import FakeMac
from hypothesis import given
from hypothesis import strategies as st

from probes.access import Access
from probes.errors import ProbeLost, ProbeUnavailable
from probes.mac_host import open_mac_host
from probes.mac_kernel import LIBRARY
from probes.snapshot import HOST_POOL, Machine, Reading
from probes.vendors import host

GIB = 1024**3
PAGE = 16384


def a_mac(**fields: object) -> FakeMac:
    known = {"sysctl": {"hw.memsize": 16 * GIB}, "pages": {"free": 1000, "external": 500}} | fields
    return FakeMac(**known)  # type: ignore[arg-type]


def access(mac: FakeMac) -> Access:
    return Access(system="darwin", load=mac.load)


def sampled(mac: FakeMac) -> Reading:
    return open_mac_host(access(mac)).sample()


def machine(mac: FakeMac) -> Machine:
    found = sampled(mac).machine
    assert found is not None
    return found


def test_the_host_probe_of_a_mac_needs_no_psutil() -> None:
    probe = host.open_probe(access(a_mac()))
    assert probe.sample().pools[0].free_bytes == 1500 * PAGE


def test_what_the_compressor_holds_is_used() -> None:
    without, with_it = (
        sampled(a_mac(pages={"free": 100_000, "external": 0, "compressor": n})).pools[0] for n in (0, 400_000)
    )
    assert without.free_bytes == with_it.free_bytes == 100_000 * PAGE


def test_inactive_pages_of_programs_are_not_free() -> None:
    assert sampled(a_mac(pages={"free": 10, "inactive": 500_000, "internal": 500_000})).pools[0].free_bytes == 10 * PAGE


@given(
    st.dictionaries(
        st.sampled_from(["free", "speculative", "external", "purgeable", "compressor", "wire"]),
        st.integers(0, 2**32 - 1),
    )
)
def test_whatever_the_counts_a_pool_is_whole(pages: dict[str, int]) -> None:
    pool = sampled(a_mac(pages=pages)).pools[0]
    assert pool.key == HOST_POOL
    assert 0 <= (pool.cached_bytes or 0) <= pool.free_bytes <= pool.total_bytes == 16 * GIB
    assert pool.used_bytes + pool.free_bytes == pool.total_bytes


def test_a_mac_without_swap_files_has_no_swap_pool() -> None:
    assert [pool.key for pool in sampled(a_mac(swap=(0, 0))).pools] == [HOST_POOL]


@pytest.mark.parametrize(("level", "pressure"), [(1, "normal"), (2, "warning"), (4, "critical"), (3, None)])
def test_memory_pressure_is_said_in_words(level: int, pressure: str | None) -> None:
    mac = a_mac(sysctl={"hw.memsize": GIB, "kern.memorystatus_vm_pressure_level": level})
    assert machine(mac).memory_pressure == pressure


def test_pressure_that_is_not_told_is_none() -> None:
    assert machine(a_mac()).memory_pressure is None


def test_cores_of_one_kind_are_not_told_apart() -> None:
    mac = a_mac(sysctl={"hw.memsize": GIB, "hw.physicalcpu": 6, "hw.nperflevels": 1})
    assert (machine(mac).n_cores, machine(mac).n_performance_cores) == (6, None)


def test_processor_time_is_told_from_the_second_sample_on() -> None:
    mac = a_mac(ticks=(2**32 - 50, 0, 100, 0))
    probe = open_mac_host(access(mac))
    first = probe.sample().machine
    mac.ticks = (10, 0, 160, 0)  # 60 more, over the counter's end, and 60 idle ones
    second = probe.sample().machine
    assert first is not None
    assert second is not None
    assert (first.cpu_utilization_ratio, second.cpu_utilization_ratio) == (None, 0.5)


def test_a_kernel_that_tells_nothing_is_unavailable() -> None:
    with pytest.raises(ProbeUnavailable, match=r"hw\.memsize"):
        open_mac_host(access(FakeMac()))


@pytest.mark.parametrize("gone", ["libSystem.B.dylib", "host_statistics64", "sysctlbyname", "mach_host_self"])
def test_a_system_library_without_a_function_is_unavailable(gone: str) -> None:
    with pytest.raises(ProbeUnavailable, match="can't be read"):
        open_mac_host(access(a_mac(missing={gone})))


def test_page_counts_that_vanish_are_a_loss() -> None:
    mac = a_mac()
    probe = open_mac_host(access(mac))
    mac.pages = None
    with pytest.raises(ProbeLost):
        probe.sample()


def test_the_library_is_given_by_its_whole_path() -> None:
    assert LIBRARY.startswith("/usr/lib/")


@pytest.mark.parametrize(
    ("chip", "ram_gib", "bandwidth"),
    [("Apple M1", 16, 68.3), ("Apple M3 Max", 36, 307.2), ("Apple M3 Max", 128, 409.6), ("Apple M4 Max", 128, 546)],
)
def test_the_bandwidth_is_that_of_the_chip(chip: str, ram_gib: int, bandwidth: float) -> None:
    mac = a_mac(sysctl={"hw.memsize": ram_gib * GIB, "machdep.cpu.brand_string": chip})
    assert machine(mac).memory_bandwidth_gigabytes_per_second == bandwidth
    assert chip in (machine(mac).memory_bandwidth_basis or "")


def test_a_chip_that_is_not_known_has_no_bandwidth() -> None:
    mac = a_mac(sysctl={"hw.memsize": 64 * GIB, "machdep.cpu.brand_string": "Apple M9 Max"})
    assert machine(mac).memory_bandwidth_gigabytes_per_second is None


def test_the_compressors_part_is_told() -> None:
    assert sampled(a_mac(pages={"free": 5, "compressor": 7})).pools[0].compressed_bytes == 7 * PAGE

"""Windows' adapters, counters and memory, on libraries that behave like its own (``fake_windows``)."""

from typing import Any

import pytest
from fake_windows import FakeWindows
from hypothesis import given
from hypothesis import strategies as st

from probes.access import Access
from probes.com import guid
from probes.errors import ProbeLost, ProbeUnavailable
from probes.snapshot import HOST_POOL, Device, Process, Reading
from probes.vendors import windows
from probes.windows_adapters import Adapter, Adapters
from probes.windows_counters import GpuCounters, parsed_instance
from probes.windows_memory import WindowsMemory

GIB = 1 << 30
MIB = 1 << 20
CARD = "luid_0x00000000_0x0001532A_phys_0"


def a_card(**told: Any) -> dict[str, Any]:
    return {
        "name": "AMD Radeon RX 7900 XTX",
        "vendor": 0x1002,
        "luid": 0x1532A,
        "dedicated": 24 * GIB,
        "shared": 32 * GIB,
    } | told


def counters(
    *,
    dedicated: dict[str, Any] | None = None,
    shared: dict[str, Any] | None = None,
    engines: dict[str, Any] | None = None,
    local: dict[str, Any] | None = None,
    non_local: dict[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    return {
        r"GPU Adapter Memory\Dedicated Usage": {CARD: 8 * GIB} if dedicated is None else dedicated,
        r"GPU Adapter Memory\Shared Usage": {CARD: 1 * GIB} if shared is None else shared,
        r"GPU Engine\Utilization Percentage": engines or {},
        r"GPU Process Memory\Local Usage": local or {},
        r"GPU Process Memory\Non Local Usage": non_local or {},
    }


def a_windows(*adapters: dict[str, Any], **fields: Any) -> FakeWindows:
    return FakeWindows(adapters=list(adapters or (a_card(),)), **{"counters": counters()} | fields)


def access(machine: FakeWindows) -> Access:
    return Access(system="win32", load=machine.load)


def sampled(machine: FakeWindows) -> Reading:
    probe = windows.open_probe(access(machine))
    try:
        return probe.sample()
    finally:
        probe.close()


def the_device(machine: FakeWindows) -> Device:
    (device,) = sampled(machine).devices
    return device


# --- adapters


def listed(machine: FakeWindows) -> tuple[Adapter, ...]:
    adapters = Adapters(machine.load)
    try:
        return adapters.listed()
    finally:
        adapters.close()


def test_a_guid_has_its_first_three_parts_low_byte_first() -> None:
    assert guid("00112233-4455-6677-8899-aabbccddeeff").hex() == "33221100554477668899aabbccddeeff"


def test_an_adapter_is_read_with_all_that_windows_tells() -> None:
    told = a_card(luid=0x7_0001_532A, budget=23 * GIB, bus=[3, 0, 1], integrated=0, version="32.0.15.6636")
    assert listed(a_windows(told)) == (
        Adapter(
            luid=0x7_0001_532A,
            name="AMD Radeon RX 7900 XTX",
            vendor_id=0x1002,
            dedicated_bytes=24 * GIB,
            shared_limit_bytes=32 * GIB,
            is_integrated=False,
            budget_bytes=23 * GIB,
            bus_address="0000:03:00.1",
            driver_version="32.0.15.6636",
        ),
    )


@pytest.mark.parametrize("flags", [1, 2, 3])
def test_software_and_remote_adapters_are_left_out(flags: int) -> None:
    assert listed(a_windows(a_card(flags=flags))) == ()


@pytest.mark.parametrize(
    "gone",
    ["dxcore.dll", "gdi32.dll", "DXCoreCreateAdapterFactory", "D3DKMTOpenAdapterFromLuid", "D3DKMTCloseAdapter"],
)
def test_without_the_newer_libraries_the_list_is_still_there(gone: str) -> None:
    (adapter,) = listed(a_windows(a_card(bus=[3, 0, 0], integrated=0, version="1.2.3.4"), missing={gone}))
    assert adapter.dedicated_bytes == 24 * GIB
    assert adapter.driver_version is None or adapter.bus_address is None


@pytest.mark.parametrize(("dedicated", "is_integrated"), [(128 * MIB, True), (24 * GIB, False)])
def test_without_dxcore_a_small_memory_of_its_own_means_integrated(dedicated: int, is_integrated: bool) -> None:
    (adapter,) = listed(a_windows(a_card(dedicated=dedicated), missing={"dxcore.dll"}))
    assert adapter.is_integrated is is_integrated


def test_a_bus_that_cannot_be_is_no_address() -> None:
    (adapter,) = listed(a_windows(a_card(bus=[0xFFFFFFFF, 0, 0])))
    assert adapter.bus_address is None


def test_all_references_are_given_back() -> None:
    machine = a_windows(a_card(budget=GIB, bus=[1, 0, 0], integrated=1, version="1.2.3.4"), a_card(luid=9, flags=2))
    sampled(machine)
    assert (machine.n_references, machine.n_queries, machine.n_open_adapters) == (0, 0, 0)


def test_a_list_that_is_out_of_date_is_made_anew() -> None:
    machine = a_windows()
    adapters = Adapters(machine.load)
    adapters.listed()
    adapters.listed()
    n_before = machine.n_factories
    machine.is_current = False
    adapters.listed()
    adapters.close()
    assert (n_before, machine.n_factories) == (1, 2)


def test_a_name_of_full_length_is_read() -> None:
    assert len(listed(a_windows(a_card(name="x" * 200)))[0].name) == 127


# --- instances


def test_an_instance_says_adapter_process_and_engine() -> None:
    instance = parsed_instance("pid_1212_luid_0x00000001_0x00005C30_phys_0_eng_3_engtype_Compute_0")
    assert instance is not None
    assert (instance.pid, instance.luid, instance.engine) == (1212, 0x1_0000_5C30, "0_3_engtype_compute_0")


def test_small_letters_are_the_same_instance() -> None:
    assert parsed_instance(CARD) == parsed_instance(CARD.lower())


@pytest.mark.parametrize(
    "name",
    [
        "",
        "_Total",
        "pid_",
        "pid_x_luid_0x0_0x1_phys_0",
        "luid_0x0_0x1",
        "luid_0x0_zz_phys_0",
        "luid_-1_0x1_phys_0",
        "luid_0x100000000_0x0_phys_0",
        "pid_99999999999_luid_0x0_0x1_phys_0",
    ],
)
def test_a_name_of_another_form_is_none(name: str) -> None:
    assert parsed_instance(name) is None


@given(st.text(max_size=40), st.lists(st.sampled_from(["pid", "luid", "phys", "eng", "0x1", "7", "", "é"]), max_size=9))
def test_any_name_is_an_instance_or_none(text: str, words: list[str]) -> None:
    parsed_instance(text)
    parsed_instance("_".join(words))


# --- counters


def test_usage_of_linked_cards_is_their_sum() -> None:
    linked = {CARD: 3 * GIB, CARD.replace("phys_0", "phys_1"): 4 * GIB}
    reader = GpuCounters(a_windows(counters=counters(dedicated=linked)).load("pdh.dll"))
    assert reader.usage(is_with_processes=False).adapters[0x1532A].dedicated_bytes == 7 * GIB


def test_an_engine_is_as_busy_as_all_processes_make_it_and_a_card_as_its_busiest_engine() -> None:
    engines = {
        f"pid_1_{CARD}_eng_0_engtype_3D": 30.0,
        f"pid_2_{CARD}_eng_0_engtype_3D": 25.0,
        f"pid_1_{CARD}_eng_5_engtype_Copy": 40.0,
    }
    assert the_device(a_windows(counters=counters(engines=engines))).utilization_ratio == pytest.approx(0.55)


@pytest.mark.parametrize("percent", [float("nan"), -5.0])
def test_a_utilization_that_cannot_be_is_none(percent: float) -> None:
    engines = {f"pid_1_{CARD}_eng_0_engtype_3D": percent}
    assert the_device(a_windows(counters=counters(engines=engines))).utilization_ratio is None


def test_more_than_all_of_an_engine_is_all_of_it() -> None:
    engines = {f"pid_{pid}_{CARD}_eng_0_engtype_3D": 70.0 for pid in (1, 2)}
    assert the_device(a_windows(counters=counters(engines=engines))).utilization_ratio == 1.0


@pytest.mark.parametrize("value", [-1, [5, 0xC0000BC6]])
def test_a_count_that_is_negative_or_not_valid_is_not_reported(value: Any) -> None:
    device = the_device(a_windows(counters=counters(shared={CARD: value})))
    assert device.shared_used_bytes is None


def test_many_processes_are_read_whole() -> None:
    local = {f"pid_{pid}_{CARD}": pid * MIB for pid in range(1, 700)}
    processes = sampled(a_windows(counters=counters(local=local))).processes
    assert len(processes) == 699
    assert (processes[0].pid, processes[0].used_bytes) == (699, 699 * MIB)


def test_a_process_without_memory_is_left_out() -> None:
    zero = {f"pid_5_{CARD}": 0}
    assert sampled(a_windows(counters=counters(local=zero, non_local=zero))).processes == ()


def test_an_adapter_that_is_not_listed_has_no_processes() -> None:
    local = {"pid_5_luid_0x00000000_0x00000001_phys_0": GIB}
    assert sampled(a_windows(counters=counters(local=local))).processes == ()


def test_processes_are_read_every_few_seconds_only() -> None:
    machine = a_windows()
    seconds = [0.0]
    probe = windows.WindowsProbe(
        adapters=Adapters(machine.load), counters=GpuCounters(machine.load("pdh.dll")), clock=lambda: seconds[0]
    )
    for second in range(7):
        seconds[0] = float(second)
        probe.sample()
    assert machine.n_collected == 7 + 3


# --- the probe


def test_a_card_has_memory_of_its_own_less_what_windows_keeps_back() -> None:
    reading = sampled(a_windows(a_card(budget=15 * GIB, integrated=0)))
    (pool,) = reading.pools
    assert reading.devices[0].pool_key == pool.key
    assert (pool.total_bytes, pool.free_bytes, pool.used_bytes) == (24 * GIB, 15 * GIB, 9 * GIB)
    assert reading.devices[0].used_bytes == 8 * GIB


def test_without_a_budget_what_is_not_in_use_is_free() -> None:
    assert sampled(a_windows()).pools[0].free_bytes == 16 * GIB


def test_an_integrated_gpu_draws_on_the_ram_up_to_the_shared_limit() -> None:
    reading = sampled(a_windows(a_card(integrated=1, dedicated=512 * MIB, shared=16 * GIB)))
    device = reading.devices[0]
    assert reading.pools == ()
    assert (device.pool_key, device.used_bytes, device.limit_bytes) == (HOST_POOL, 1 * GIB, 16 * GIB)


def test_an_integrated_gpu_with_most_of_the_ram_set_aside_draws_on_that() -> None:
    reading = sampled(a_windows(a_card(integrated=1, dedicated=96 * GIB, shared=16 * GIB)))
    assert reading.pools[0].total_bytes == 96 * GIB
    assert reading.devices[0].shared_limit_bytes == 16 * GIB


def test_the_key_is_the_bus_address_where_windows_tells_it() -> None:
    assert the_device(a_windows(a_card(bus=[3, 0, 0]))).key == "0000:03:00.0"
    assert the_device(a_windows()).key == "luid-1532a"


def test_two_adapters_at_one_address_keep_keys_of_their_own() -> None:
    reading = sampled(a_windows(a_card(bus=[3, 0, 0]), a_card(bus=[3, 0, 0], luid=7)))
    assert len({device.key for device in reading.devices}) == 2
    assert [device.index for device in reading.devices] == [0, 1]


@pytest.mark.parametrize("gone", ["pdh.dll", "PdhCollectQueryData"])
def test_without_counters_the_cards_are_shown_and_the_way_out_is_said(gone: str) -> None:
    reading = sampled(a_windows(missing={gone}))
    assert (reading.devices[0].used_bytes, reading.pools) == (None, ())
    assert "lodctr /R" in reading.faults[0].message


def test_a_counter_set_that_is_not_there_is_said_with_its_status() -> None:
    machine = a_windows(counters={})
    assert "0xC0000BB8" in sampled(machine).faults[0].message
    assert machine.n_queries == 0


def test_an_adapter_that_windows_does_not_count_is_a_fault_of_its_own() -> None:
    reading = sampled(a_windows(counters=counters(dedicated={}, shared={})))
    assert (reading.devices[0].used_bytes, reading.pools) == (None, ())
    assert [fault.device_key for fault in reading.faults] == [reading.devices[0].key]


def test_a_list_that_fails_later_is_a_loss() -> None:
    class Gone:
        def listed(self) -> tuple[Adapter, ...]:
            raise OSError("DXGI gives no list of adapters")

        def close(self) -> None:
            return

    with pytest.raises(ProbeLost, match="no list"):
        windows.WindowsProbe(adapters=Gone(), counters=None).sample()


def test_a_windows_without_dxgi_is_told() -> None:
    with pytest.raises(ProbeUnavailable, match="DXGI"):
        windows.open_probe(access(a_windows(missing={"dxgi.dll"})))


def test_elsewhere_it_is_expected_to_be_missing() -> None:
    with pytest.raises(ProbeUnavailable) as caught:
        windows.open_probe(Access(system="linux"))
    assert caught.value.is_expected


def test_the_driver_of_each_vendor_is_told_but_nvidias() -> None:
    machine = a_windows(a_card(integrated=0, version="32.0.1.2"), a_card(luid=8, vendor=0x10DE, version="32.0.15.6636"))
    assert [(version.name, version.value) for version in sampled(machine).versions] == [("AMD driver", "32.0.1.2")]


# --- memory


def memory(**sizes: int) -> WindowsMemory:
    return WindowsMemory(FakeWindows(memory=sizes).load("kernel32.dll"))


def test_ram_is_free_only_as_far_as_it_can_be_committed() -> None:
    told = memory(total_phys=64 * GIB, avail_phys=30 * GIB, total_page_file=64 * GIB, avail_page_file=10 * GIB).told()
    assert told is not None
    (ram,), (note,) = told
    assert (ram.total_bytes, ram.free_bytes) == (64 * GIB, 10 * GIB)
    assert note.is_note
    assert "page file is too small" in note.message


def test_page_files_are_what_can_be_committed_beyond_the_ram() -> None:
    told = memory(total_phys=64 * GIB, avail_phys=30 * GIB, total_page_file=80 * GIB, avail_page_file=42 * GIB).told()
    assert told is not None
    (_, files), notes = told
    assert (files.total_bytes, files.free_bytes, files.medium, notes) == (16 * GIB, 12 * GIB, "file", ())


def test_a_windows_that_does_not_answer_tells_no_memory() -> None:
    assert memory().told() is None


SIZES = st.integers(0, 2**64 - 1)


@given(SIZES, SIZES, SIZES, SIZES)
def test_whatever_windows_answers_pools_are_whole(total: int, available: int, limit: int, committable: int) -> None:
    told = memory(total_phys=total, avail_phys=available, total_page_file=limit, avail_page_file=committable).told()
    for pool in told[0] if told else ():
        assert 0 <= pool.free_bytes <= pool.total_bytes < 2**63
        assert pool.used_bytes + pool.free_bytes == pool.total_bytes


def test_processes_say_where_they_hold_memory() -> None:
    machine = a_windows(
        a_card(bus=[3, 0, 0]),
        counters=counters(local={f"pid_5_{CARD}": 6 * GIB}, non_local={f"pid_5_{CARD}": 2 * GIB}),
    )
    assert sampled(machine).processes == (
        Process(pid=5, device_key="0000:03:00.0", used_bytes=6 * GIB, shared_used_bytes=2 * GIB),
    )

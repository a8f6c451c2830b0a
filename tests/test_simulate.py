"""Described hardware: which texts are understood, what they mean, and what is said of those that are not."""

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import probes
from probes.accelerators import SimulationError, UnknownHardware, known_accelerators
from probes.errors import ProbeError
from probes.simulate import simulated_sources
from probes.snapshot import HOST_POOL, SWAP_POOL, Device, Pool, Reading

GIB = 1024**3
MIB = 1024**2


def readings(text: str) -> dict[str, Reading]:
    found = {}
    for source in simulated_sources(text):
        probe = source.open()
        found[source.name] = probe.sample()
        probe.close()
    return found


def devices(text: str) -> list[Device]:
    return [device for reading in readings(text).values() for device in reading.devices]


def pools(text: str) -> dict[str, Pool]:
    return {pool.key: pool for reading in readings(text).values() for pool in reading.pools}


def faults(text: str) -> str:
    return "\n".join(fault.message for reading in readings(text).values() for fault in reading.faults)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("rtx4090", "NVIDIA GeForce RTX 4090"),
        ("rtx-4090", "NVIDIA GeForce RTX 4090"),
        ("4090", "NVIDIA GeForce RTX 4090"),
        ("NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("4090 laptop", "NVIDIA GeForce RTX 4090 Laptop GPU"),
        ("RTX 3060", "NVIDIA GeForce RTX 3060"),
        ("RTX 3060 8GB", "NVIDIA GeForce RTX 3060 8GB"),
        ("4060ti 16gb", "NVIDIA GeForce RTX 4060 Ti 16GB"),
        ("rtxa6000", "NVIDIA RTX A6000"),
        ("H100", "NVIDIA H100 80GB HBM3"),
        ("h100 sxm", "NVIDIA H100 80GB HBM3"),
        ("H100-PCIe", "NVIDIA H100 PCIe"),
        ("A100-80GB", "NVIDIA A100-SXM4-80GB"),
        ("A100 80 GiB PCIe", "NVIDIA A100 80GB PCIe"),
        ("A10G", "NVIDIA A10G"),
        ("T4", "Tesla T4"),
        ("B200 180GB", "NVIDIA B200"),
        ("GH200 144GB", "NVIDIA GH200 144G HBM3e"),
        ("dgx spark", "NVIDIA GB10 (DGX Spark)"),
        ("7900 xtx", "AMD Radeon RX 7900 XTX"),
        ("Ryzen AI Max+ 395 64GB", "AMD Ryzen AI Max+ 395 (Radeon 8060S, Strix Halo)"),
        ("Arc B580", "Intel Arc B580"),
        ("M4", "Apple M4"),
        ("m4max 128gb", "Apple M4 Max (40-core GPU)"),
        ("MacBook Pro M4 Max 36GB", "Apple M4 Max (32-core GPU)"),
    ],
)
def test_a_product_is_found_by_the_name_that_people_type(text: str, name: str) -> None:
    assert [device.name for device in devices(text)] == [name]


def test_every_product_is_found_by_its_full_name() -> None:
    names = [one.name for one in known_accelerators()]
    assert [devices(name)[0].name for name in names] == names


@pytest.mark.parametrize("text", ["2x RTX 4090", "2xRTX4090", "2 x rtx 4090", "RTX 4090 x2", "2* RTX 4090"])
def test_a_count_gives_as_many_devices(text: str) -> None:
    assert [device.index for device in devices(text)] == [0, 1]


def test_two_cards_have_keys_and_pools_of_their_own() -> None:
    first, second = devices("2x RTX 4090")
    assert first.key != second.key
    assert {first.pool_key, second.pool_key} | {HOST_POOL} == set(pools("2x RTX 4090"))


@pytest.mark.parametrize("text", ["RTX 4090 + RTX 3060", "rtx4090+rtx3060", "RTX 4090, RTX 3060"])
def test_different_cards_stand_side_by_side(text: str) -> None:
    assert [device.name[-4:] for device in devices(text)] == ["4090", "3060"]


def test_each_vendor_has_a_source_and_numbers_of_its_own() -> None:
    found = readings("RTX 4090 + 2x RX 7900 XTX")
    assert list(found) == ["host", "nvidia", "amd"]
    assert [device.index for device in found["amd"].devices] == [0, 1]


def test_the_total_is_what_the_driver_reports_where_that_is_known() -> None:
    device = devices("RTX 4090")[0]
    assert pools("RTX 4090")[device.pool_key].total_bytes == 24564 * MIB


@pytest.mark.parametrize(
    ("text", "n_multiprocessors"),
    [
        ("H100", 132),
        ("RTX 4090", 128),
        ("RTX 4060 Ti 8GB", 34),
        ("T4", 40),
        ("A10G", 80),
        ("L4", 58),
        ("7900 XTX", None),
    ],
)
def test_multiprocessors_are_those_that_cuda_tells(text: str, n_multiprocessors: int | None) -> None:
    """Of the first three ``estimator.runtime`` names who counted them; of the others _CudaDeviceProperties in logs."""
    assert devices(text)[0].n_multiprocessors == n_multiprocessors


def test_the_nominal_size_is_said_to_be_nominal() -> None:
    assert "nominal 24 GiB" in faults("7900 XTX")


def test_the_reserved_part_is_not_reported() -> None:
    assert all(pool.reserved_bytes is None for pool in pools("RTX 4090").values())


def test_used_is_in_use_on_each_device() -> None:
    text = "8x H100, used 10GiB, RAM 512GiB, RAM used 100GiB"
    found = pools(text)
    for device in devices(text):
        pool = found[device.pool_key]
        assert (device.used_bytes, pool.used_bytes) == (10 * GIB, 10 * GIB)
        assert pool.free_bytes == pool.total_bytes - 10 * GIB
    assert (found[HOST_POOL].total_bytes, found[HOST_POOL].used_bytes) == (512 * GIB, 100 * GIB)


@pytest.mark.parametrize("text", ["RAM 32GiB", "ram: 32 GB", "32GiB RAM", "RAM=32768MiB", "RAM 0.03125 TiB"])
def test_the_ram_may_be_said_in_several_ways(text: str) -> None:
    assert pools(f"CPU, {text}")[HOST_POOL].total_bytes == 32 * GIB


@pytest.mark.parametrize(("text", "has_arm"), [("M4 Max 64GB", True), ("GB10", True), ("RTX 4090", False)])
def test_the_processor_beside_a_chip_with_unified_memory_is_arm(text: str, has_arm: bool) -> None:
    machine = readings(text)["host"].machine
    assert machine is not None
    assert ("dotprod" in machine.instruction_sets) is has_arm


def test_without_devices_there_is_the_host_alone() -> None:
    assert list(readings("CPU, RAM 32GiB")) == ["host"]


def test_assumed_ram_is_said_to_be_assumed() -> None:
    assert pools("RTX 4090")[HOST_POOL].total_bytes == 64 * GIB
    assert "assumed" in faults("RTX 4090")
    assert faults("RTX 4090, RAM 64GiB") == ""


def test_unified_memory_is_the_pool_of_the_host_alone() -> None:
    assert set(pools("M4 Max 128GB")) == {HOST_POOL}
    assert devices("M4 Max 128GB")[0].pool_key == HOST_POOL
    assert pools("M4 Max 128GB")[HOST_POOL].total_bytes == 128 * GIB


def test_what_the_gpu_uses_of_unified_memory_is_used_on_the_host() -> None:
    text = "M4 Max 128GB, used 20GiB"
    assert devices(text)[0].used_bytes == 20 * GIB
    assert pools(text)[HOST_POOL].used_bytes == 20 * GIB
    assert pools(f"{text}, RAM used 30GiB")[HOST_POOL].used_bytes == 30 * GIB


@pytest.mark.parametrize(
    ("text", "limit_gib"), [("M3 Pro 36GB", 28.08), ("M4 Max 48GB", 37.44), ("M4 Max 128GB", 107.52)]
)
def test_the_limit_of_a_mac_is_estimated_and_said_so(text: str, limit_gib: float) -> None:
    assert devices(text)[0].limit_bytes == pytest.approx(limit_gib * GIB, rel=1e-6)
    assert "estimated" in faults(text)


def test_a_gb10_may_take_all_its_memory() -> None:
    assert devices("GB10")[0].limit_bytes is None
    assert pools("GB10")[HOST_POOL].total_bytes == 124_610 * MIB


def test_a_size_that_was_not_said_is_said_to_be_assumed() -> None:
    assert "32 GiB assumed; it is sold with 16, 24, 32" in faults("M4")


def test_the_ram_of_a_mac_is_its_size() -> None:
    assert pools("M2, RAM 16GB")[HOST_POOL].total_bytes == 16 * GIB


def test_the_machine_is_a_mac_where_the_chip_is() -> None:
    mac, other = readings("M4 Max 128GB")["host"].machine, readings("RTX 4090")["host"].machine
    assert mac is not None
    assert other is not None
    assert (mac.system, other.system, other.host_name) == ("darwin", "linux", "simulated")


def test_there_is_no_swap() -> None:
    assert SWAP_POOL not in pools("RTX 4090")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "say which hardware"),
        ("used 3GiB", "say which hardware"),
        ("RTX 4090 +", "no accelerator is known as ''"),
        ("RTX 9999", "Nearest: .*RTX"),
        ("A100", "may mean several.*40 GB.*80 GB"),
        ("M4 Max", "may mean several.*36 GB.*128 GB"),
        ("RX 9060 XT", "may mean several"),
        ("RTX 4090 48GB", "not known with 48 GB. Known: NVIDIA GeForce RTX 4090 .24 GB"),
        ("RTX 4090, used 30GiB", "more than there is: NVIDIA GeForce RTX 4090 has 24.0 GiB"),
        ("RTX 4090, used 3", "a size is missing in 'used 3'"),
        ("CPU, used 4GiB", "RAM used"),
        ("CPU, RAM 32GiB, RAM 16GiB", "said twice"),
        ("CPU, RAM 0GiB", "0 is none"),
        ("CPU, RAM 8GiB, RAM used 9GiB", "the RAM has 8.0 GiB"),
        ("0x RTX 4090", "0 devices"),
        ("999x RTX 4090", "999 devices"),
        ("64x RTX 4090 + RTX 4090", "65 devices"),
        ("2x GB10", "one machine at a time"),
        ("M4 Max 128GB + RTX 4090", "no other GPU"),
        ("M4 Max 128GB, RAM 64GiB", "give one size"),
        ("M4 Max 128GB, used 20GiB, RAM used 10GiB", "cannot be less"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        simulated_sources(text)


@pytest.mark.parametrize("text", ["RTX 9999", "A100", "RTX 6000", "GeForce"])
def test_at_most_five_candidates_are_named(text: str) -> None:
    with pytest.raises(UnknownHardware) as caught:
        simulated_sources(text)
    assert len(caught.value.candidates) <= 5


def test_the_name_that_is_not_known_is_repeated_without_control_characters() -> None:
    with pytest.raises(UnknownHardware) as caught:
        simulated_sources("\x1b[31mFoo")
    assert "\x1b" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    with suppress(ProbeError):
        simulated_sources(text)


_WORDS = st.sampled_from(
    "2x 0x RTX 4090 4060 Ti H100 M4 Max 80GB 128GB 1.5GiB used RAM CPU GB10 + , + , x2 395".split()
)


@given(st.lists(_WORDS, max_size=10).map(" ".join))
def test_what_is_understood_adds_up(text: str) -> None:
    try:
        found = pools(text)
    except ProbeError:
        return
    for pool in found.values():
        assert 0 <= pool.used_bytes <= pool.total_bytes
        assert pool.used_bytes + pool.free_bytes == pool.total_bytes
    assert all(device.pool_key in found for device in devices(text))


def test_every_entry_of_the_data_is_well_formed() -> None:
    known = known_accelerators()
    assert len({one.name.lower() for one in known}) == len(known)
    for one in known:
        assert one.name.strip() == one.name
        assert one.vendor in {"nvidia", "amd", "intel", "apple", "qualcomm"}
        assert one.nominal_gib > 0
        assert one.bandwidth_gb_s is None or one.bandwidth_gb_s > 0
        assert one.reported_mib is None or 0.9 < one.reported_mib / 1024 / one.nominal_gib <= 1.01
        assert all(size > 0 for size in one.options_gib)
        assert not one.options_gib or one.nominal_gib in one.options_gib
        assert one.cuda_cc is None or re.fullmatch(r"\d+\.\d", one.cuda_cc)
        assert (one.cuda_cc is not None) == (one.vendor == "nvidia")
        assert one.budget is None or one.unified
        assert 3 < len(one.source) < 140


def test_every_line_of_the_data_stands_alone() -> None:
    lines = Path(probes.__file__).with_name("accelerators.jsonl").read_text("utf-8").splitlines()
    assert len([json.loads(line) for line in lines]) == len(known_accelerators())

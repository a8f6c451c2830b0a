from dataclasses import replace

import pytest

from estimator.ledger import Overflow
from estimator.overflow import overflow_at
from probes.snapshot import HOST_POOL, SWAP_POOL, Device, Fault, Machine, Pool, Snapshot, Version
from tui.places import (
    device_label,
    hidden_places,
    lines_of,
    missing_places,
    place_notes,
    places_of,
    spill_settings,
)

GIB = 1 << 30
RAM = Pool(key=HOST_POOL, total_bytes=64 * GIB, used_bytes=24 * GIB, free_bytes=40 * GIB)


def snapshot(
    *pools: Pool, devices: tuple[Device, ...] = (), system: str = "linux", faults: tuple[Fault, ...] = ()
) -> Snapshot:
    return Snapshot(
        taken_seconds=0, pools=pools, devices=devices, faults=faults, machine=Machine(host_name="h", system=system)
    )


def nvidia(pool_key: str = "a", **more: object) -> Device:
    return Device(key="a", name="RTX", vendor="nvidia", index=0, pool_key=pool_key, **more)  # type: ignore[arg-type]  # any field


CARD = Pool(key="a", total_bytes=24 * GIB, used_bytes=4 * GIB, free_bytes=20 * GIB)


def test_free_is_the_drivers_free_and_the_host_is_last() -> None:
    device, host = places_of(snapshot(RAM, CARD, devices=(nvidia(),)))
    assert (device.name, device.kind, device.free_bytes, device.overflow) == (
        "GPU 0",
        "cuda",
        20 * GIB,
        Overflow.REFUSED,
    )
    assert (host.name, host.kind, host.free_bytes) == ("RAM", "host", 40 * GIB)


def test_the_host_says_what_its_processor_computes_with() -> None:
    machine = Machine(host_name="h", system="linux", instruction_sets=("avx2", "amx"))
    (host,) = places_of(replace(snapshot(RAM), machine=machine))
    assert host.instruction_sets == ("avx2", "amx")


def test_windows_moves_what_has_no_room_to_shared_memory() -> None:
    for system in ("windows", "wsl"):
        device, _ = places_of(snapshot(RAM, CARD, devices=(nvidia(),), system=system))
        assert (device.overflow, device.overflow_free_bytes) == (Overflow.MIGRATED, 40 * GIB)


def test_unified_memory_draws_on_ram_up_to_its_limit() -> None:
    apple = Device(
        key="m", name="M4", vendor="apple", index=0, pool_key=HOST_POOL, used_bytes=10 * GIB, limit_bytes=48 * GIB
    )
    device, host = places_of(snapshot(RAM, devices=(apple,), system="darwin"))
    assert (device.draws_on, device.total_bytes, device.free_bytes) == (host.name, 48 * GIB, 38 * GIB)


def test_unified_memory_is_never_freer_than_ram() -> None:
    apple = Device(key="m", name="M4", vendor="apple", index=0, pool_key=HOST_POOL, used_bytes=0, limit_bytes=48 * GIB)
    assert places_of(snapshot(RAM, devices=(apple,)))[0].free_bytes == 40 * GIB


def test_a_device_without_figures_is_no_place_and_its_fault_says_why() -> None:
    lost = snapshot(
        RAM, devices=(nvidia(),), faults=(Fault(probe="nvidia", device_key="a", message="fell off the bus"),)
    )
    assert [place.name for place in places_of(lost)] == ["RAM"]
    assert missing_places(lost)[0].reason == "fell off the bus"


def test_swap_is_what_ram_overflows_into() -> None:
    swap = Pool(key=SWAP_POOL, total_bytes=8 * GIB, used_bytes=0, free_bytes=8 * GIB)
    assert places_of(snapshot(RAM, swap))[-1].overflow_free_bytes == 8 * GIB


def test_devices_of_two_vendors_with_one_number_are_told_apart() -> None:
    other = Device(key="b", name="RX", vendor="amd", index=0, pool_key="b")
    pools = (RAM, CARD, Pool(key="b", total_bytes=16 * GIB, used_bytes=0, free_bytes=16 * GIB))
    assert [p.name for p in places_of(snapshot(*pools, devices=(nvidia(), other)))] == [
        "GPU 0 nvidia",
        "GPU 0 amd",
        "RAM",
    ]


def test_parts_of_one_device_are_told_apart() -> None:
    part = Device(key="a1", name="RTX MIG 1g", vendor="nvidia", index=0, pool_key="a")
    assert [p.name for p in places_of(snapshot(RAM, CARD, devices=(nvidia(), part)))] == ["GPU 0:0", "GPU 0:1", "RAM"]


def test_unified_memory_has_one_bandwidth() -> None:
    chip = Device(key="m", name="Apple M4", vendor="apple", index=0, pool_key=HOST_POOL, used_bytes=0)
    device, host = places_of(snapshot(RAM, devices=(chip,), system="darwin"))
    assert host.bandwidth_bytes_per_second == device.bandwidth_bytes_per_second == 120e9


def test_the_bandwidth_of_ram_is_assumed_until_somebody_states_it() -> None:
    assumed, stated = places_of(snapshot(RAM))[0], places_of(snapshot(RAM), 89.6e9)[0]
    assert assumed.is_bandwidth_assumed
    assert (stated.bandwidth_bytes_per_second, stated.is_bandwidth_assumed) == (89.6e9, False)


def test_sleeping_memory_is_planned_with_its_size_and_noted() -> None:
    there = snapshot(RAM, devices=(nvidia(is_asleep=True, capacity_bytes=8 * GIB),))
    assert places_of(there)[0].free_bytes == 8 * GIB
    assert "asleep" in place_notes(there)["GPU 0"]
    assert missing_places(there) == ()


def test_sleeping_memory_of_unknown_size_is_missing_and_why() -> None:
    there = snapshot(RAM, devices=(nvidia(is_asleep=True),))
    assert [place.name for place in places_of(there)] == ["RAM"]
    assert "asleep" in missing_places(there)[0].reason


def test_a_hidden_device_is_a_place_only_where_it_is_named() -> None:
    there = snapshot(RAM, CARD, devices=(nvidia(hidden_by="CUDA_VISIBLE_DEVICES"),))
    assert [place.name for place in places_of(there)] == ["RAM"]
    assert [place.name for place in places_of(there, named=("GPU 0",))] == ["GPU 0", "RAM"]
    assert [place.name for place in places_of(there, has_hidden=True)] == ["GPU 0", "RAM"]
    assert hidden_places(there)[0].reason == "hidden by CUDA_VISIBLE_DEVICES"


def test_windows_lets_a_card_have_so_much_shared_memory_and_no_more() -> None:
    card = nvidia(shared_limit_bytes=16 * GIB, shared_used_bytes=1 * GIB)
    device, _ = places_of(snapshot(RAM, CARD, devices=(card,), system="windows"))
    assert (device.overflow, device.overflow_free_bytes) == (Overflow.MIGRATED, 15 * GIB)


def test_an_old_driver_on_windows_refuses() -> None:
    there = replace(
        snapshot(RAM, CARD, devices=(nvidia(),), system="windows"),
        versions=(Version(name="NVIDIA driver", value="531.14"),),
    )
    assert places_of(there)[0].overflow is Overflow.REFUSED


def test_amd_has_gtt_to_move_to_unless_the_environment_forbids_it() -> None:
    card = replace(nvidia(shared_limit_bytes=30 * GIB, shared_used_bytes=2 * GIB), vendor="amd")
    there = snapshot(RAM, CARD, devices=(card,))
    moved, refused = (
        places_of(there, settings=spill_settings(environment))[0]
        for environment in ({}, {"RADV_PERFTEST": "nogttspill"})
    )
    assert (overflow_at(moved, "llama.cpp"), moved.overflow_free_bytes) == (Overflow.MIGRATED, 28 * GIB)
    assert overflow_at(refused, "llama.cpp") is Overflow.REFUSED


def test_managed_memory_is_asked_for_by_any_value() -> None:
    assert spill_settings({"GGML_CUDA_ENABLE_UNIFIED_MEMORY": ""}) == {"managed"}
    assert spill_settings({"GGML_VK_ALLOW_SYSMEM_FALLBACK": "0"}) == {"vulkan"}
    assert spill_settings({}) == frozenset()


def test_a_unified_device_swaps_where_ram_is_short_and_fails_where_its_budget_is() -> None:
    swap = Pool(key=SWAP_POOL, total_bytes=8 * GIB, used_bytes=0, free_bytes=8 * GIB)
    chip = Device(key="m", name="M4", vendor="amd", index=0, pool_key=HOST_POOL, used_bytes=0, limit_bytes=44 * GIB)
    short_ram = places_of(snapshot(RAM, swap, devices=(chip,)))[0]
    short_budget = places_of(snapshot(RAM, swap, devices=(replace(chip, limit_bytes=32 * GIB),)))[0]
    # 40 GiB are free, and the budget would allow 4 more
    assert (short_ram.overflow, short_ram.overflow_free_bytes) == (Overflow.SWAPPED, 4 * GIB)
    assert short_budget.overflow is Overflow.REFUSED


def test_macos_makes_swap_files_as_they_are_needed() -> None:
    host = places_of(snapshot(RAM, system="darwin"))[0]
    assert (host.overflow, host.overflow_free_bytes) == (Overflow.SWAPPED, 64 * GIB)


def test_windows_10_keeps_more_of_a_card_for_itself() -> None:
    there = snapshot(RAM, CARD, devices=(nvidia(),), system="windows")
    machine = Machine(host_name="h", system="windows", system_name="Windows 10 Pro")
    assert places_of(replace(there, machine=machine))[0].reserve_bytes == 24 * GIB // 7
    assert places_of(there)[0].reserve_bytes == GIB // 2


def test_the_bandwidth_that_the_probe_estimates_replaces_the_guess() -> None:
    machine = Machine(host_name="h", system="linux", memory_bandwidth_gigabytes_per_second=83.2)
    place = places_of(replace(snapshot(RAM), machine=machine))[0]
    assert (place.bandwidth_bytes_per_second, place.is_bandwidth_assumed) == (83.2e9, True)


def test_a_machine_without_swap_or_with_a_limit_says_so_to_the_table() -> None:
    host = places_of(snapshot(replace(RAM, limited_by="control group /box")))[0]
    assert host.surroundings is not None
    assert host.surroundings.settings == {"no swap", "limited"}


def test_the_virtual_machine_of_wsl_swaps_as_any_machine_does() -> None:
    host = places_of(snapshot(replace(RAM, limited_by="WSL (memory= in .wslconfig)"), system="wsl"))[0]
    assert host.surroundings.settings == {"no swap"}


def test_a_chip_on_the_ram_reads_as_fast_as_the_ram() -> None:
    machine = Machine(host_name="h", system="linux", memory_bandwidth_gigabytes_per_second=89.6)
    chip = Device(key="m", name="An iGPU", vendor="intel", index=0, pool_key=HOST_POOL)
    device, host = places_of(replace(snapshot(RAM, devices=(chip,)), machine=machine))
    assert device.bandwidth_bytes_per_second == host.bandwidth_bytes_per_second == 89.6e9
    assert device.is_bandwidth_assumed


def test_a_card_keeps_its_number_beside_the_processors_own_gpu() -> None:
    card = Device(key="a", name="RTX 4090", vendor="nvidia", index=0, pool_key="a")
    own = Device(key="b", name="Radeon Graphics", vendor="amd", index=0, pool_key=HOST_POOL, is_integrated=True)

    assert device_label(card, (card, own)) == "GPU 0"
    assert device_label(own, (card, own)) == "GPU 0 amd"


@pytest.mark.parametrize(
    ("held", "free"),
    [
        ((0, 0), 22),  # 4 GiB are used and no part tells of them: two for each
        ((4, 0), 24),  # all of it is the first's, so the second has its whole half
        ((None, None), 22),
    ],
)
def test_parts_that_share_a_card_promise_no_more_than_it_has(held: tuple[int | None, int | None], free: int) -> None:
    card = Pool(key="card", total_bytes=48 * GIB, used_bytes=4 * GIB, free_bytes=44 * GIB)
    parts = tuple(
        Device(
            key=f"card/{n}", name="Part", vendor="amd", index=n, pool_key="card", parent_key="card",
            limit_bytes=24 * GIB, used_bytes=None if used is None else used * GIB,
        )
        for n, used in enumerate(held)
    )  # fmt: skip

    assert places_of(snapshot(RAM, card, devices=parts))[1].free_bytes == free * GIB


SMALL = Pool(key="a", total_bytes=2 * GIB, used_bytes=2 * GIB - 5, free_bytes=5)
LINED = {
    "a card": snapshot(RAM, CARD, devices=(nvidia(),)),
    "a full card": snapshot(RAM, SMALL, devices=(nvidia(),)),
    "no RAM": snapshot(CARD, devices=(nvidia(),)),
    "a limit of its own": snapshot(RAM, devices=(nvidia(HOST_POOL, limit_bytes=48 * GIB, used_bytes=10 * GIB),)),
    "a limit below what is free": snapshot(RAM, CARD, devices=(nvidia(limit_bytes=6 * GIB, used_bytes=3 * GIB),)),
    "asleep": snapshot(RAM, devices=(nvidia("gone", is_asleep=True, capacity_bytes=8 * GIB),)),
    "not told": snapshot(RAM, devices=(nvidia("gone"),)),
    "hidden": snapshot(RAM, CARD, devices=(nvidia(hidden_by="CUDA_VISIBLE_DEVICES"),)),
    "Windows 10": replace(
        snapshot(RAM, CARD, devices=(nvidia(),)),
        machine=Machine(host_name="h", system="windows", system_name="Windows 10"),
    ),
}


@pytest.mark.parametrize("has_hidden", [False, True])
@pytest.mark.parametrize("name", LINED)
def test_lines_of_the_first_picture_are_those_of_the_places(name: str, *, has_hidden: bool) -> None:
    places = places_of(LINED[name], has_hidden=has_hidden)

    assert lines_of(LINED[name], has_hidden=has_hidden) == {place.name: place.line_bytes for place in places}

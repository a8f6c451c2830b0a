"""Hosts that are not at hand, as ``plimsoll snapshot --json`` prints them, against figures worked out by hand."""

from typing import Any

import pytest
from machines import pool

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

Shown = dict[str, Any]


@pytest.mark.parametrize("shown", ["nested-slurm"], indirect=True)
def test_ram_of_a_job_is_that_of_its_allocation(shown: Shown) -> None:
    ram = pool(shown)
    assert ram["total_bytes"] == 64 * GIB
    # 64 GiB less 20 GiB charged, of which 6 GiB are page cache that is given up first
    assert (ram["used_bytes"], ram["free_bytes"], ram["cached_bytes"]) == (14 * GIB, 50 * GIB, 6 * GIB)
    assert ram["limited_by"] == "memory.max of control group /system.slice/slurmstepd.scope/job_4711"
    assert [one["key"] for one in shown["pools"]] == ["host"], "the job may not swap"


@pytest.mark.parametrize("shown", ["nested-slurm"], indirect=True)
def test_job_may_use_a_part_of_the_processors_and_lock_little(shown: Shown) -> None:
    machine = shown["machine"]
    assert (machine["n_logical_cores"], machine["usable_cores"]) == (128, 16)
    assert machine["locked_memory_limit_bytes"] == 64 * KIB
    assert (machine["stalled_ratio"], machine["fully_stalled_ratio"]) == (0.025, 0.01)


@pytest.mark.parametrize("shown", ["zfs-server"], indirect=True)
def test_cache_of_zfs_can_be_had(shown: Shown) -> None:
    ram = pool(shown)
    # MemAvailable 20 GiB, and the cache of 120 GiB down to its minimum of 8
    assert (ram["total_bytes"], ram["free_bytes"]) == (256 * GIB, (20 + 112) * GIB)
    assert ram["cached_bytes"] == (20 + 112 - 10) * GIB


@pytest.mark.parametrize("shown", ["zfs-server"], indirect=True)
def test_bandwidth_of_half_the_channels_in_use(shown: Shown) -> None:
    machine = shown["machine"]
    assert machine["memory_bandwidth_gigabytes_per_second"] == pytest.approx(4 * 3.2 * 8)
    assert machine["memory_bandwidth_basis"].startswith("4 of 8 channels in use, with DDR4-3200")


@pytest.mark.parametrize("shown", ["zram-laptop"], indirect=True)
def test_swap_of_a_laptop_is_compressed_ram(shown: Shown) -> None:
    swap = pool(shown, "swap")
    assert (swap["medium"], swap["total_bytes"], swap["used_bytes"]) == ("zram", 8388604 * KIB, 4194304 * KIB)
    assert swap["compressed_bytes"] == 1280 * MIB


@pytest.mark.parametrize("shown", ["zram-laptop"], indirect=True)
def test_laptop_says_that_it_runs_from_its_battery_and_what_it_is(shown: Shown) -> None:
    machine = shown["machine"]
    assert machine["is_on_battery"] is True
    assert machine["system_name"] == "Fedora Linux 43 (Workstation Edition)"
    assert (machine["n_cores"], machine["n_logical_cores"]) == (12, 16)
    assert machine["instruction_sets"] == ["avx2", "avx_vnni"]
    assert machine["memory_bandwidth_gigabytes_per_second"] == pytest.approx(2 * 4.8 * 8)


@pytest.mark.parametrize("shown", ["hybrid-v1"], indirect=True)
def test_container_of_version_1_has_its_limits_of_memory_swap_and_processors(shown: Shown) -> None:
    ram, swap = pool(shown), pool(shown, "swap")
    # 16 GiB less 10 GiB charged, of which 4 GiB are page cache that is given up first
    assert (ram["total_bytes"], ram["free_bytes"]) == (16 * GIB, 10 * GIB)
    # memory and swap together 18 GiB, of which 10.5 GiB are charged
    assert (swap["total_bytes"], swap["used_bytes"], swap["medium"]) == (2 * GIB, 512 * MIB, "file")
    assert (shown["machine"]["usable_cores"], shown["machine"]["container"]) == (2, "docker")


@pytest.mark.parametrize("shown", ["lxc"], indirect=True)
def test_container_of_lxc_knows_that_its_ram_is_a_limit(shown: Shown) -> None:
    ram = pool(shown)
    # What the group leaves, 8 - (3 - 1) GiB, is less than the 7 GiB that lxcfs shows as available
    assert (ram["total_bytes"], ram["free_bytes"]) == (8 * GIB, 6 * GIB)
    assert ram["limited_by"] == "memory.max of control group /"
    assert shown["machine"]["container"] == "lxc"


@pytest.mark.parametrize("shown", ["huge-pages"], indirect=True)
def test_huge_pages_that_nobody_uses_are_said(shown: Shown) -> None:
    ram = pool(shown)
    assert (ram["free_bytes"], ram["reserved_bytes"]) == (30 * GIB, 28672 * 2 * MIB)
    assert [fault["message"] for fault in shown["faults"]] == [
        "56.0 GiB of the RAM are set aside for huge pages and unused; to free them, lower vm.nr_hugepages"
    ]


@pytest.mark.parametrize("shown", ["arm-server"], indirect=True)
def test_server_of_arm_has_two_nodes_and_the_channels_of_both(shown: Shown) -> None:
    machine = shown["machine"]
    assert machine["cpu_name"] == "Neoverse-N1"
    assert machine["instruction_sets"] == ["neon", "dotprod"]
    assert (machine["n_numa_nodes"], machine["numa_node_bytes"]) == (2, [263716864 * KIB, 263716864 * KIB])
    assert machine["memory_bandwidth_gigabytes_per_second"] == pytest.approx(2 * 8 * 3.2 * 8)


@pytest.mark.parametrize("shown", ["kvm-guest-job"], indirect=True)
def test_job_of_a_guest_as_it_was_recorded(shown: Shown) -> None:
    ram = pool(shown)
    # As the group of the job had it: charged 542289920, of which 323661824 is page cache that is given up first
    assert (ram["total_bytes"], ram["used_bytes"]) == (2 * GIB, 542289920 - 323661824)
    assert ram["limited_by"] == "memory.limit_in_bytes of control group /job"
    machine = shown["machine"]
    assert (machine["n_cores"], machine["usable_cores"], machine["hypervisor"]) == (2, None, "KVM")
    assert "avx512_bf16" in machine["instruction_sets"]
    assert machine["memory_bandwidth_gigabytes_per_second"] == 2 * 20

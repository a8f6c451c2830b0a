"""NVIDIA machines that are not at hand, as ``snapshot --json`` prints them, against figures worked out by hand."""

from typing import Any

import pytest
from machines import pool

MIB = 1 << 20
GIB = 1 << 30
Shown = dict[str, Any]


def versions(shown: Shown) -> dict[str, str]:
    return {version["name"]: version["value"] for version in shown["versions"]}


def of(shown: Shown, key: str) -> list[Any]:
    return [device[key] for device in shown["devices"]]


# --- a desktop


@pytest.mark.parametrize("shown", ["rtx-desktop"], indirect=True)
def test_desktop_agrees_with_nvidia_smi(shown: Shown) -> None:
    (device,) = shown["devices"]
    memory = pool(shown, device["key"])
    assert memory["total_bytes"] == 24576 * MIB
    assert device["used_bytes"] == 15005 * MIB, "as nvidia-smi prints it, without what the driver reserves"
    assert (memory["reserved_bytes"], memory["free_bytes"]) == (308 * MIB, (24576 - 15005 - 308) * MIB)
    assert memory["used_bytes"] == (15005 + 308) * MIB
    assert (device["temperature_celsius"], device["power_watts"], device["power_limit_watts"]) == (66, 144, 420)
    assert versions(shown) == {"NVIDIA driver": "580.142", "CUDA": "13.0"}
    assert (shown["faults"], device["bus_address"], device["compute_capability"]) == ([], "0000:07:00.0", "8.6")


@pytest.mark.parametrize("shown", ["rtx-desktop"], indirect=True)
def test_desktop_has_the_chip_of_its_data_sheet(shown: Shown) -> None:
    (device,) = shown["devices"]
    # 10 496 cores, 128 in each multiprocessor; GDDR6X at 19.5 Gbit/s over 384 bits is 936 GB/s
    assert device["n_multiprocessors"] == 82
    assert device["bandwidth_gigabytes_per_second"] == pytest.approx(936, abs=1)


@pytest.mark.parametrize("shown", ["rtx-desktop"], indirect=True)
def test_desktop_names_the_holder_and_counts_it_once(shown: Shown) -> None:
    server, unseen = shown["processes"]
    assert (server["pid"], server["name"], server["used_bytes"]) == (2001, "llama-server", 14690 * MIB)
    assert (unseen["pid"], unseen["name"], unseen["is_outside"]) == (999999, None, False)


# --- a server


@pytest.mark.parametrize("shown", ["8-gpu-server"], indirect=True)
def test_server_shows_all_eight_and_which_two_a_program_would_see(shown: Shown) -> None:
    assert of(shown, "index") == list(range(8))
    assert of(shown, "hidden_by") == ["CUDA_VISIBLE_DEVICES"] * 6 + [None, None]
    assert of(shown, "program_index") == [None] * 6 + [0, 1]
    assert sum(one["total_bytes"] for one in shown["pools"] if one["key"].startswith("GPU-")) == 8 * 81559 * MIB
    assert of(shown, "used_bytes") == [78415 * MIB] * 8
    assert of(shown, "n_multiprocessors") == [132] * 8
    assert of(shown, "numa_node") == [0, None, None, None, None, None, None, 1]
    assert [process["pid"] for process in shown["processes"]] == list(range(3000, 3008))
    assert shown["faults"] == []


# --- a GPU that a virtual machine has to itself


@pytest.mark.parametrize("shown", ["h100-guest"], indirect=True)
def test_a_guests_card_adds_up_but_for_9_mib_that_no_process_holds(shown: Shown) -> None:
    (device,), (process,) = shown["devices"], shown["processes"]
    memory = pool(shown, device["key"])
    assert memory["used_bytes"] + memory["free_bytes"] == memory["total_bytes"] == 81559 * MIB
    assert memory["reserved_bytes"] == 480 * MIB
    assert process["used_bytes"] == 40 * GIB + 518 * MIB, "what it allocated, and its context"
    assert 8 * MIB < device["used_bytes"] - process["used_bytes"] < 9 * MIB
    assert shown["faults"] == []


@pytest.mark.parametrize("shown", ["h100-guest"], indirect=True)
def test_a_guests_card_has_the_chip_of_its_data_sheet(shown: Shown) -> None:
    (device,) = shown["devices"]
    # HBM3 at 5.2 Gbit/s over 5 120 bits is 3 352 GB/s
    assert (device["n_multiprocessors"], device["compute_capability"]) == (132, "9.0")
    assert device["bandwidth_gigabytes_per_second"] == pytest.approx(3352, abs=1)
    assert (device["power_limit_watts"], device["numa_node"], device["program_index"]) == (700, None, 0)


# --- parts of a GPU


@pytest.mark.parametrize("shown", ["mig"], indirect=True)
def test_parts_stand_for_their_gpu(shown: Shown) -> None:
    parent = "GPU-a1000000-0000-0000-0000-000000000000"
    assert of(shown, "parent_key") == [parent] * 3
    assert parent not in of(shown, "key")
    assert of(shown, "name") == ["NVIDIA A100-SXM4-80GB MIG 2g.20gb"] * 3
    assert of(shown, "used_bytes") == [14366 * MIB, 9826 * MIB, 13 * MIB]
    assert of(shown, "n_multiprocessors") == [28] * 3
    assert of(shown, "compute_capability") == ["8.0"] * 3
    assert of(shown, "bus_address") == ["0000:5a:00.0"] * 3
    assert of(shown, "temperature_celsius") == [33] * 3
    assert of(shown, "utilization_ratio") == of(shown, "power_watts") == [None] * 3
    assert shown["faults"] == [], "that the whole may not be read from here is no fault"


@pytest.mark.parametrize("shown", ["mig"], indirect=True)
def test_under_an_older_driver_a_program_sees_the_first_part(shown: Shown) -> None:
    assert of(shown, "program_index") == [0, None, None]
    first, *others = of(shown, "hidden_by")
    assert first is None
    assert all(text.startswith("MIG") for text in others)


@pytest.mark.parametrize("shown", ["mig"], indirect=True)
def test_processes_belong_to_their_part(shown: Shown) -> None:
    held = [(process["pid"], process["device_key"][:5], process["used_bytes"]) for process in shown["processes"]]
    assert held == [
        (34965, "MIG-1", 14195 * MIB),
        (42152, "MIG-1", 149 * MIB),
        (46505, "MIG-2", 9807 * MIB),
    ]


# --- unified memory


@pytest.mark.parametrize("shown", ["gb10"], indirect=True)
def test_gb10_is_charged_with_what_its_processes_hold_and_no_more(shown: Shown) -> None:
    (device,) = shown["devices"]
    ram = pool(shown)
    assert device["pool_key"] == "host"
    assert [one["key"] for one in shown["pools"]] == ["host"], "nothing is counted twice"
    assert device["used_bytes"] == round(89.3 * GIB)
    assert ram["total_bytes"] == 127600748 << 10
    assert ram["used_bytes"] / GIB == pytest.approx(98.7, abs=0.01)
    assert (device["temperature_celsius"], device["power_watts"]) == (35, 11.17)
    assert device["n_multiprocessors"] == 48
    assert shown["faults"] == []


@pytest.mark.parametrize("shown", ["jetson-orin"], indirect=True)
def test_orin_is_read_from_the_kernel_where_nvml_is_silent(shown: Shown) -> None:
    (device,) = shown["devices"]
    assert (device["name"], device["pool_key"], device["compute_capability"]) == ("Orin (nvgpu)", "host", "8.7")
    assert device["used_bytes"] == 1150976 << 10
    assert (device["utilization_ratio"], device["temperature_celsius"]) == (0.427, 49.593)
    assert pool(shown)["total_bytes"] == 7801856 << 10
    assert shown["faults"] == []


@pytest.mark.parametrize("shown", ["jetson-thor"], indirect=True)
def test_thor_tells_its_processes_alone(shown: Shown) -> None:
    (device,) = shown["devices"]
    assert (device["used_bytes"], device["pool_key"]) == (round(3.8 * GIB), "host")
    assert (device["utilization_ratio"], device["temperature_celsius"]) == (None, 44.25)


@pytest.mark.parametrize("shown", ["gh200"], indirect=True)
def test_memory_that_the_driver_holds_on_grace_is_told_apart(shown: Shown) -> None:
    (device,) = shown["devices"]
    memory = pool(shown, device["key"])
    assert memory["free_bytes"] == (97871 - 30500) * MIB
    assert device["used_bytes"] == 10000 * MIB
    assert memory["reserved_bytes"] == (500 + 20000) * MIB
    (note,) = shown["faults"]
    assert note["is_note"]
    assert "19.5 GiB" in note["message"]  # 20 000 MiB
    assert "held by the driver" in note["message"]


# --- asleep, and none


@pytest.mark.parametrize("shown", ["laptop-asleep"], indirect=True)
def test_sleeping_gpu_is_shown_with_its_size_and_not_woken(shown: Shown) -> None:
    (device,) = [device for device in shown["devices"] if device["vendor"] == "nvidia"]
    assert device["is_asleep"]
    assert device["name"] == "NVIDIA GeForce RTX 5070 Ti Laptop GPU"
    assert device["capacity_bytes"] is not None
    assert round(device["capacity_bytes"] / GIB) == 12
    assert (device["key"], device["bus_address"]) == ("0000:01:00.0", "0000:01:00.0")
    assert not [fault for fault in shown["faults"] if fault["probe"] == "nvidia"]


@pytest.mark.parametrize("shown", ["no-gpu"], indirect=True)
def test_machine_without_a_gpu_has_no_fault(shown: Shown) -> None:
    assert (shown["devices"], shown["processes"], shown["faults"]) == ([], [], [])
    assert pool(shown)["free_bytes"] == 12288000 << 10
    reasons = {absence["probe"]: absence["reason"] for absence in shown["absences"]}
    assert "no NVIDIA driver" in reasons["nvidia"]

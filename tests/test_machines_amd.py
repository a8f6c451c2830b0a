"""``plimsoll snapshot --json`` on machines with AMD GPUs, against figures worked out by hand."""

from pathlib import Path
from typing import Any

import pytest
from machines import pools, recorded_machine

from tui.dump import run_snapshot

GIB = 1 << 30
MIB = 1 << 20
KIB = 1 << 10


def faults(shown: dict[str, Any]) -> list[str]:
    return [fault["message"] for fault in shown["faults"] if fault["probe"] == "amd"]


def test_a_card_has_its_own_memory_and_what_it_holds_in_ram_stands_apart(printed: Any) -> None:
    shown = printed("rx-7900-xtx")
    (card,) = shown["devices"]
    own = pools(shown)[card["pool_key"]]
    assert (own["total_bytes"], own["used_bytes"]) == (24560 * MIB, 9 * GIB)
    assert own["free_bytes"] == 24560 * MIB - 9 * GIB
    assert card["shared_used_bytes"] == 700 * MIB
    assert card["shared_limit_bytes"] == 16706056192


def test_a_card_says_what_it_is_and_how_it_fares(printed: Any) -> None:
    (card,) = printed("rx-7900-xtx")["devices"]
    assert card["name"] == "AMD Radeon RX 7900 XTX"
    assert (card["driver"], card["bus_address"], card["architecture"]) == ("amdgpu", "0000:03:00.0", "gfx1100")
    assert card["n_multiprocessors"] == 192 / 2  # two SIMDs in a compute unit
    assert card["utilization_ratio"] == 0.37
    assert (card["temperature_celsius"], card["power_watts"], card["power_limit_watts"]) == (54, 148, 339)
    assert card["program_index"] == 0


def test_a_rocm_process_is_counted_once_though_two_places_tell_of_it(printed: Any) -> None:
    processes = {process["pid"]: process for process in printed("rx-7900-xtx")["processes"]}
    assert sorted(processes) == [1811, 4242]
    # its file says 8 912 896 KiB, the compute driver 8 GiB, which is a part of that
    assert processes[4242]["used_bytes"] == 8912896 * KIB
    assert processes[4242]["shared_used_bytes"] == 280 * MIB
    assert processes[4242]["command"] == "llama-server -m model.gguf"


def test_a_client_that_is_open_twice_is_counted_once(printed: Any) -> None:
    processes = {process["pid"]: process for process in printed("rx-7900-xtx")["processes"]}
    assert processes[1811]["used_bytes"] == 155068 * KIB
    assert processes[1811]["shared_used_bytes"] == 20 * MIB


def test_versions_of_driver_and_rocm_are_told(printed: Any) -> None:
    versions = {version["name"]: version["value"] for version in printed("rx-7900-xtx")["versions"]}
    assert versions == {"amdgpu": "6.12.12", "ROCm": "6.4.1"}


def test_eight_accelerators_each_have_their_memory(printed: Any) -> None:
    shown = printed("mi300x-8")
    assert [device["index"] for device in shown["devices"]] == list(range(8))
    assert len({device["pool_key"] for device in shown["devices"]}) == 8
    used = [pools(shown)[device["pool_key"]]["used_bytes"] for device in shown["devices"]]
    assert used == [150 * GIB] * 4 + [297795584] * 4
    assert {pool["total_bytes"] for key, pool in pools(shown).items() if key != "host"} == {196592 * MIB}


def test_hip_counts_within_what_rocr_leaves(printed: Any) -> None:
    devices = printed("mi300x-8")["devices"]
    # ROCR leaves 4, 5, 6 and 7; of those HIP takes the third and the first.
    assert [device["program_index"] for device in devices] == [None, None, None, None, 1, None, 0, None]
    assert [device["hidden_by"] for device in devices[:4]] == ["ROCR_VISIBLE_DEVICES"] * 4
    assert [device["hidden_by"] for device in devices[4:]] == [None, "HIP_VISIBLE_DEVICES", None, "HIP_VISIBLE_DEVICES"]


def test_what_compute_processes_hold_is_known_without_their_files(printed: Any) -> None:
    held = [(process["pid"], process["used_bytes"]) for process in printed("mi300x-8")["processes"]]
    assert held == [(70001, 160_000_000_000)] * 4


def test_parts_of_a_split_accelerator_share_its_memory_each_within_its_limit(printed: Any) -> None:
    shown = printed("mi308x-parts")
    assert len(shown["devices"]) == 8
    assert len(pools(shown)) == 1 + 2  # the RAM and two accelerators
    first = shown["devices"][:4]
    assert {part["pool_key"] for part in first} == {"amd-0000:0a:00.0"}
    assert {part["parent_key"] for part in first} == {"0000:0a:00.0"}
    assert [part["limit_bytes"] for part in first] == [48 * GIB, 48 * GIB, 48 * GIB, 51522830336]
    assert sum(part["limit_bytes"] for part in first) == pools(shown)["amd-0000:0a:00.0"]["total_bytes"]
    assert [part["n_multiprocessors"] for part in first] == [20] * 4


def test_strix_halo_takes_ram_up_to_what_the_kernel_allows(printed: Any) -> None:
    shown = printed("strix-halo")
    (gpu,) = shown["devices"]
    assert list(pools(shown)) == ["host"]
    assert gpu["pool_key"] == "host"
    assert gpu["limit_bytes"] == 25165824 * 4096  # the kernel's limit in pages: 96 GiB
    assert gpu["used_bytes"] == 24 * GIB
    assert faults(shown) == [
        "takes up to 96.0 GiB of the RAM; Vulkan programs also get the 4.0 GiB that are set aside for it"
    ]


def test_a_process_of_an_apu_holds_what_it_has_in_either_place(printed: Any) -> None:
    (process,) = printed("strix-halo")["processes"]
    assert process["used_bytes"] == (25_000_000 + 5348) * KIB
    assert process["shared_used_bytes"] is None  # it is not counted again


def test_gtt_larger_than_all_ram_is_no_promise(printed: Any) -> None:
    shown = printed("strix-halo-gttsize")
    (gpu,) = shown["devices"]
    # 128 GiB of GTT on a machine with 124.92 GiB of RAM, half of which the kernel gives to GPUs
    assert gpu["limit_bytes"] == 16373759 * 4096
    assert gpu["limit_bytes"] < pools(shown)["host"]["total_bytes"] / 2 + MIB


def test_an_apu_with_much_set_aside_has_memory_of_its_own(printed: Any) -> None:
    shown = printed("strix-point-carve-out")
    (gpu,) = shown["devices"]
    own = pools(shown)[gpu["pool_key"]]
    assert gpu["pool_key"] != "host"
    assert (own["total_bytes"], own["used_bytes"]) == (48 * GIB, 41121996800)
    assert gpu["shared_used_bytes"] == GIB
    assert gpu["shared_limit_bytes"] == 43 * GIB
    assert "Vulkan" in faults(shown)[0]


def test_a_recorded_apu_shows_what_its_kernel_said(printed: Any) -> None:
    (gpu,) = printed("cezanne-apu")["devices"]
    assert gpu["limit_bytes"] == 7695 * MIB
    assert gpu["used_bytes"] == 1051754496
    assert (gpu["temperature_celsius"], gpu["power_watts"]) == (42, 5)


def test_a_sleeping_card_is_named_with_its_size_and_left_asleep(printed: Any) -> None:
    shown = printed("radeon-laptop")
    card, apu = shown["devices"]
    assert (card["is_asleep"], card["capacity_bytes"]) == (True, 8176 * MIB)
    assert card["name"] == "AMD Radeon RX 6700S"
    assert card["temperature_celsius"] is None
    assert card["pool_key"] not in pools(shown)
    assert (apu["is_asleep"], apu["pool_key"], apu["used_bytes"]) == (False, "host", 600 * MIB)
    assert apu["is_integrated"]


def test_in_a_container_a_gpu_that_was_not_handed_over_is_hidden(printed: Any) -> None:
    given, other = printed("mi300x-container")["devices"]
    assert (given["hidden_by"], given["program_index"]) == (None, 0)
    assert (other["hidden_by"], other["program_index"]) == ("the missing /dev/dri/renderD136", None)


def test_in_a_container_a_program_is_listed_once_by_its_number_there(printed: Any) -> None:
    (process,) = printed("mi300x-container")["processes"]
    assert (process["pid"], process["is_outside"]) == (31, False)
    assert process["used_bytes"] == 150_000_000_000  # 146 484 375 KiB
    assert process["command"] == "python3 serve.py"


def test_a_processors_own_gpu_beside_a_card_draws_on_ram_and_is_hidden_by_the_cards_id(printed: Any) -> None:
    shown = printed("radeon-desktop")
    card, own = shown["devices"]
    assert (card["name"], card["n_multiprocessors"], card["program_index"]) == ("AMD Radeon RX 7900 XT", 84, 0)
    assert (card["is_integrated"], own["is_integrated"]) == (False, True)
    assert (own["name"], own["pool_key"], own["hidden_by"]) == ("AMD Radeon 610M", "host", "HIP_VISIBLE_DEVICES")
    assert pools(shown)[card["pool_key"]]["free_bytes"] == 21458059264 - 27181056
    assert faults(shown) == []  # it has two units, to drive a screen


def test_a_part_is_printed_with_what_it_may_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_snapshot(recorded_machine("mi308x-parts", tmp_path).snapshot, is_json=False) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "MI308X" in line]
    assert [line[5:9] for line in lines[:4]] == [["0.0", "of", "48.0", "GiB"]] * 4

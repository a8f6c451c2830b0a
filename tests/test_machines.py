"""``plimsoll snapshot --json`` on machines that are not at hand, against figures worked out by hand."""

from pathlib import Path
from typing import Any

import pytest
from machines import FOLDER, pool, printed, recorded_machine

GIB = 1 << 30
ORIGINS = ("recorded: ", "simulated driver: ", "built from documents: ")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_a_machine_says_where_its_figures_come_from(path: Path, tmp_path: Path) -> None:
    origin = recorded_machine(path.stem, tmp_path).origin
    assert origin.startswith(ORIGINS)
    assert len(origin.split()) >= 4


def test_in_a_container_the_ram_is_that_of_its_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ram = pool(printed("container-4gib", tmp_path, capsys))
    assert ram["total_bytes"] == 4 * GIB
    # 4 GiB less what is charged (1.5 GiB), of which 384 MiB are page cache that is given up first
    assert ram["free_bytes"] == 4 * GIB - (1610612736 - 402653184)


def device(shown: dict[str, Any], vendor: str) -> dict[str, Any]:
    found: dict[str, Any] = next(device for device in shown["devices"] if device["vendor"] == vendor)
    return found


PAGE = 16 * 1024


def test_the_free_ram_of_a_mac_is_free_pages_and_caches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ram = pool(printed("m1-16gb", tmp_path, capsys))
    assert ram["total_bytes"] == 16 * GIB
    # free without the speculative pages, which are among the files' (external) already, and purgeable ones
    assert ram["free_bytes"] == (9000 + 180000 + 4000) * PAGE
    assert ram["cached_bytes"] == (180000 + 4000) * PAGE
    assert ram["used_bytes"] == 16 * GIB - (9000 + 180000 + 4000) * PAGE


def test_a_recorded_mac_has_no_more_free_than_its_queues_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ram = pool(printed("m5-pro-48gb", tmp_path, capsys))
    assert ram["free_bytes"] == (316945 + 1393814 + 20325) * PAGE
    # App memory, wired and compressed, as Activity Monitor adds them up ...
    counted = (686868 - 20325 + 206856 + 479875) * PAGE
    # ... and pages in no queue: 48 GiB are 3,145,728 pages, of which the queues have 3,084,358
    assert ram["used_bytes"] == counted + (3145728 - 3084358) * PAGE


def test_a_mac_says_its_memory_pressure_and_its_swap_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("m1-16gb", tmp_path, capsys)
    assert shown["machine"]["memory_pressure"] == "warning"
    assert (pool(shown, "swap")["used_bytes"], pool(shown, "swap")["medium"]) == (1610612736, "file")


def test_the_gpu_of_a_mac_draws_on_its_ram_up_to_metals_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed("m4-max-128gb", tmp_path, capsys)
    gpu = device(shown, "apple")
    assert (gpu["pool_key"], gpu["n_multiprocessors"]) == ("host", 40)
    assert gpu["used_bytes"] == 64961380352  # in use, not allocated
    assert gpu["limit_bytes"] == 115448720916
    assert gpu["utilization_ratio"] == 0.97
    assert shown["faults"] == []


def test_a_mac_names_the_programs_that_its_gpu_worked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("m1-16gb", tmp_path, capsys)
    assert [(process["pid"], process["used_bytes"]) for process in shown["processes"]] == [(440, None)]


def test_a_mac_tells_its_cores_and_its_system(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = printed("m4-max-128gb", tmp_path, capsys)["machine"]
    assert (machine["cpu_name"], machine["n_cores"], machine["n_performance_cores"]) == ("Apple M4 Max", 16, 12)
    assert machine["system_name"] == "macOS 26.1"
    assert machine["instruction_sets"] == ["neon", "bf16", "i8mm", "sme"]


def test_what_a_card_holds_of_the_ram_stands_beside_its_own_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed("windows-shared", tmp_path, capsys)
    card = device(shown, "nvidia")
    assert (card["shared_used_bytes"], card["shared_limit_bytes"]) == (6576668672, 34257661952)
    assert pool(shown, card["pool_key"])["free_bytes"] == 674234368  # NVML's
    assert (card["driver"], card["bus_address"]) == ("WDDM", "0000:01:00.0")


def test_a_card_that_windows_and_nvml_tell_of_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("windows-shared", tmp_path, capsys)
    assert [(card["vendor"], card["name"]) for card in shown["devices"]] == [
        ("nvidia", "NVIDIA GeForce RTX 4090"),
        ("intel", "Intel(R) UHD Graphics 770"),
    ]
    assert len([pool for pool in shown["pools"] if pool["key"] not in ("host", "swap")]) == 1


def test_under_windows_a_process_says_what_it_holds_and_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed("windows-shared", tmp_path, capsys)
    card = device(shown, "nvidia")
    server = [process for process in shown["processes"] if process["pid"] == 4242]
    assert [(row["device_key"], row["used_bytes"], row["shared_used_bytes"]) for row in server] == [
        (card["key"], 22 * GIB, 6 * GIB)
    ]


def test_ram_and_page_file_of_windows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("windows-shared", tmp_path, capsys)
    ram, files = pool(shown), pool(shown, "swap")
    assert (ram["total_bytes"], ram["free_bytes"]) == (68515323904, 28 * GIB)
    # 40 GiB can be committed, 28 of them in RAM
    assert (files["total_bytes"], files["free_bytes"]) == (85695193088 - 68515323904, 12 * GIB)


def test_an_integrated_gpu_of_windows_draws_on_the_ram(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("windows-igpu", tmp_path, capsys)
    gpu = device(shown, "amd")
    assert (gpu["pool_key"], gpu["used_bytes"], gpu["limit_bytes"]) == ("host", 141000000, 56 * GIB)
    assert [version for version in shown["versions"] if version["name"] == "AMD driver"] == [
        {"name": "AMD driver", "value": "32.0.21041.1000"}
    ]


def test_what_windows_cannot_promise_is_not_free(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("windows-igpu", tmp_path, capsys)
    assert pool(shown)["free_bytes"] == 60 * GIB  # without a page file; 90 GiB of RAM are free
    notes = [fault["message"] for fault in shown["faults"] if fault["probe"] == "host" and fault["is_note"]]
    assert ["60.0 GiB" in note and "90.0 GiB" in note for note in notes] == [True]


def test_in_wsl_the_card_is_the_whole_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("wsl2", tmp_path, capsys)
    card = device(shown, "nvidia")
    memory = pool(shown, card["pool_key"])
    # 1528 of 24564 MiB in use
    assert (memory["total_bytes"], memory["free_bytes"]) == (24564 << 20, (24564 - 1528) << 20)
    assert (shown["machine"]["system"], card["shared_used_bytes"]) == ("wsl", None)


def test_in_wsl_the_ram_is_that_of_its_virtual_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ram = pool(printed("wsl2", tmp_path, capsys))
    assert (ram["total_bytes"], ram["free_bytes"]) == (32837756 << 10, 30408704 << 10)
    assert ".wslconfig" in ram["limited_by"]


def test_in_wsl_no_process_says_how_much_it_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["used_bytes"] for row in printed("wsl2", tmp_path, capsys)["processes"]] == [None]


def test_a_spark_draws_on_its_ram_though_nvml_tells_a_small_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed("rtx-spark", tmp_path, capsys)
    (gpu,) = shown["devices"]
    assert (gpu["pool_key"], gpu["used_bytes"]) == ("host", 4 * GIB)
    assert gpu["limit_bytes"] == 58196806860 - 16 * 10**9
    assert [pool["key"] for pool in shown["pools"]] == ["host", "swap"]
    assert [fault["is_note"] for fault in shown["faults"]] == [True]


def test_a_windows_is_told_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = printed("windows-shared", tmp_path, capsys)["machine"]
    assert (machine["system"], machine["host_name"]) == ("windows", "DESKTOP-7")

"""``plimsoll snapshot --json`` on machines with Intel GPUs, against figures worked out by hand."""

from typing import Any

from machines import pools

GIB = 1 << 30
MIB = 1 << 20
KIB = 1 << 10


def faults(shown: dict[str, Any]) -> list[str]:
    return [fault["message"] for fault in shown["faults"] if fault["probe"] == "intel"]


def test_an_old_kernel_that_hides_the_use_is_no_empty_card(printed: Any) -> None:
    shown = printed("arc-a770")
    (card,) = shown["devices"]
    own = pools(shown)[card["pool_key"]]
    assert own["total_bytes"] == 16225243136  # as recorded; the driver told it all free
    seen = 5120 * MIB + 136 * MIB  # of two programs, one of them with two files of one client
    assert (own["used_bytes"], own["free_bytes"]) == (seen, 16225243136 - seen)
    assert "at least so much is used" in faults(shown)[0]


def test_processes_of_a_card_hold_its_memory_and_ram_apart(printed: Any) -> None:
    processes = {process["pid"]: process for process in printed("arc-a770")["processes"]}
    assert (processes[5100]["used_bytes"], processes[5100]["shared_used_bytes"]) == (5120 * MIB, 256 * MIB)
    assert processes[5200]["used_bytes"] == 136 * MIB
    assert processes[5100]["name"] == "llama-server"


def test_a_new_kernel_tells_the_use_of_all(printed: Any) -> None:
    shown = printed("arc-b580")
    card = shown["devices"][1]
    own = pools(shown)[card["pool_key"]]
    assert (card["name"], card["driver"], card["n_multiprocessors"]) == ("Intel Arc B580", "xe", 20)
    assert (own["total_bytes"], own["used_bytes"]) == (0x2FB800000, 7 * GIB)
    assert card["shared_used_bytes"] == 128 * MIB
    assert faults(shown) == []


def test_the_processor_s_own_gpu_comes_first_by_address_and_last_in_programs(printed: Any) -> None:
    integrated, card = printed("arc-b580")["devices"]
    assert (integrated["index"], card["index"]) == (0, 1)
    assert (integrated["pool_key"], integrated["hidden_by"]) == ("host", "ONEAPI_DEVICE_SELECTOR")
    assert (card["program_index"], card["hidden_by"]) == (0, None)


def test_a_processor_s_gpu_takes_ram_up_to_what_its_driver_maps(printed: Any) -> None:
    shown = printed("intel-igpu")
    (gpu,) = shown["devices"]
    assert list(pools(shown)) == ["host"]
    assert gpu["limit_bytes"] == 32329344 * KIB / 2  # half of the RAM
    assert gpu["used_bytes"] == 4096 * KIB + 252 * MIB + 65536
    assert gpu["capacity_bytes"] is None

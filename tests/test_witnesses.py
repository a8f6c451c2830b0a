"""One card that two probes tell of."""

from dataclasses import replace

from probes.snapshot import HOST_POOL, Device, Pool, Process, Reading
from probes.witnesses import merged

GIB = 1 << 30
BUS = "0000:01:00.0"


def nvml_card(**told: object) -> Device:
    known = {"key": "GPU-1", "name": "RTX", "vendor": "nvidia", "index": 0, "pool_key": "GPU-1", "bus_address": BUS}
    return Device(**known | told)  # type: ignore[arg-type]


def windows_card(**told: object) -> Device:
    known = {"key": BUS, "name": "GeForce RTX", "vendor": "nvidia", "index": 0, "pool_key": BUS, "bus_address": BUS}
    return Device(**known | {"shared_used_bytes": 5 * GIB, "driver": "WDDM"} | told)  # type: ignore[arg-type]


def pool(key: str, total_bytes: int = 24 * GIB) -> Pool:
    return Pool(key=key, total_bytes=total_bytes, used_bytes=0, free_bytes=total_bytes)


NVML = Reading(devices=(nvml_card(used_bytes=GIB),), pools=(pool("GPU-1"),))
WINDOWS = Reading(devices=(windows_card(used_bytes=2 * GIB),), pools=(pool(BUS),))


def test_the_first_keeps_the_device_and_the_second_adds_to_it() -> None:
    first, second = merged([NVML, WINDOWS])
    (card,) = first.devices
    assert (card.key, card.name, card.used_bytes, card.shared_used_bytes) == ("GPU-1", "RTX", GIB, 5 * GIB)
    assert (second.devices, second.pools) == ((), ())
    assert [one.key for one in first.pools] == ["GPU-1"]


def test_an_integrated_gpu_is_one_if_either_says_so() -> None:
    chip = replace(WINDOWS, devices=(windows_card(is_integrated=True),))
    assert merged([NVML, chip])[0].devices[0].is_integrated


def test_names_that_differ_or_agree_play_no_part() -> None:
    elsewhere = replace(WINDOWS, devices=(windows_card(name="RTX", bus_address="0000:02:00.0"),))
    assert [len(reading.devices) for reading in merged([NVML, elsewhere])] == [1, 1]


def test_without_an_address_the_only_one_of_a_vendor_is_taken() -> None:
    unplaced = replace(WINDOWS, devices=(windows_card(bus_address=None),))
    assert [len(reading.devices) for reading in merged([NVML, unplaced])] == [1, 0]


def test_without_an_address_two_of_a_vendor_are_left_alone() -> None:
    two = replace(WINDOWS, devices=(windows_card(bus_address=None), windows_card(key="b", bus_address=None)))
    assert [len(reading.devices) for reading in merged([NVML, two])] == [1, 2]


def test_cards_of_other_vendors_stay() -> None:
    both = replace(WINDOWS, devices=(*WINDOWS.devices, windows_card(key="intel", vendor="intel")))
    assert [device.key for device in merged([NVML, both])[1].devices] == ["intel"]


def test_parts_of_a_card_are_not_the_card() -> None:
    parts = replace(NVML, devices=(nvml_card(parent_key="GPU-0"),))
    assert [len(reading.devices) for reading in merged([parts, WINDOWS])] == [1, 1]


def test_a_process_that_both_tell_of_is_one_with_what_either_knows() -> None:
    known = replace(NVML, processes=(Process(pid=7, device_key="GPU-1", name="server"),))
    counted = replace(
        WINDOWS,
        processes=(
            Process(pid=7, device_key=BUS, used_bytes=6 * GIB, shared_used_bytes=GIB),
            Process(pid=8, device_key=BUS, used_bytes=GIB),
        ),
    )
    first, second = merged([known, counted])
    assert first.processes == (
        Process(pid=7, device_key="GPU-1", name="server", used_bytes=6 * GIB, shared_used_bytes=GIB),
        Process(pid=8, device_key="GPU-1", used_bytes=GIB),
    )
    assert second.processes == ()


def test_memory_that_the_driver_itself_tells_of_a_process_is_kept() -> None:
    known = replace(NVML, processes=(Process(pid=7, device_key="GPU-1", used_bytes=3 * GIB),))
    counted = replace(WINDOWS, processes=(Process(pid=7, device_key=BUS, used_bytes=9 * GIB),))
    assert merged([known, counted])[0].processes[0].used_bytes == 3 * GIB


def test_an_integrated_gpu_draws_on_the_ram_whatever_its_library_says() -> None:
    # RTX Spark: NVML tells 8128 MiB, the part that the firmware set aside
    carve_out = replace(NVML, pools=(pool("GPU-1", 8128 << 20),))
    shared = replace(
        WINDOWS, devices=(windows_card(pool_key=HOST_POOL, used_bytes=3 * GIB, limit_bytes=45 * GIB),), pools=()
    )
    first, _ = merged([carve_out, shared])
    card = first.devices[0]
    assert (card.pool_key, card.used_bytes, card.limit_bytes) == (HOST_POOL, 3 * GIB, 45 * GIB)
    assert first.pools == ()


def test_memory_that_the_first_does_not_tell_is_the_seconds() -> None:
    untold = replace(NVML, devices=(nvml_card(),), pools=())
    first, second = merged([untold, WINDOWS])
    card = first.devices[0]
    assert (card.key, card.pool_key, card.used_bytes) == ("GPU-1", BUS, 2 * GIB)
    assert [one.key for one in second.pools] == [BUS]


def test_one_is_as_old_as_the_older_of_both() -> None:
    old = replace(WINDOWS, devices=(windows_card(late_seconds=4.0),))
    assert merged([NVML, old])[0].devices[0].late_seconds == 4.0


def test_readings_without_common_cards_stay_as_they_are() -> None:
    readings = [Reading(pools=(pool(HOST_POOL),)), NVML, Reading()]
    assert merged(readings) == readings

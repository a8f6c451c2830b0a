"""How fast devices are taken to be."""

import pytest

from probes.snapshot import Device
from tui.rates import rates_of

GIB = 1 << 30


def device(name: str, vendor: str = "nvidia", **more: object) -> Device:
    return Device(key="a", name=name, vendor=vendor, index=0, pool_key="a", **more)  # type: ignore[arg-type]  # any field


def test_a_device_that_tells_its_bandwidth_is_believed() -> None:
    told = rates_of(device("RTX", bandwidth_gigabytes_per_second=500.0, compute_capability="8.6"), 24 * GIB, None)
    assert (told["bandwidth_bytes_per_second"], told["compute_capability"]) == (500e9, (8, 6))


def test_a_product_of_exactly_this_name_has_the_makers_rates() -> None:
    made = rates_of(device("NVIDIA GeForce RTX 4090"), 24 * GIB, None)
    assert (made["bandwidth_bytes_per_second"], made["compute_capability"]) == (1008e9, (8, 9))
    assert made["half_flops"] is not None


@pytest.mark.parametrize("name", ["NVIDIA GeForce RTX 4090 Super Duper", "RTX", "", "NVIDIA GeForce RTX"])
def test_a_name_that_is_only_alike_has_none(name: str) -> None:
    made = rates_of(device(name), 24 * GIB, None)
    assert (made["bandwidth_bytes_per_second"], made["half_flops"]) == (None, None)


@pytest.mark.parametrize(("n_cores", "expected"), [(40, 546e9), (32, 410e9), (None, None)])
def test_variants_of_a_chip_are_told_apart_by_their_cores(n_cores: int | None, expected: float | None) -> None:
    chip = device("Apple M4 Max", "apple", n_multiprocessors=n_cores)
    assert rates_of(chip, 40 * GIB, None)["bandwidth_bytes_per_second"] == expected


@pytest.mark.parametrize("text", ["", "8", "8.", ".9", "eight.nine", "\u0668.9"])
def test_a_capability_that_makes_no_sense_is_none(text: str) -> None:
    assert rates_of(device("RTX", compute_capability=text), 24 * GIB, None)["compute_capability"] is None

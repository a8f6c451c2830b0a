"""What class of machine it is, by what it would run."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from estimator.verdict import Level
from probes.sampler import take_one
from probes.simulate import simulated_sources
from probes.snapshot import HOST_POOL, Device, Pool, Snapshot
from tui.machine_class import GRADED, LADDER, Grade, MachineClass, Trial, ladder_models, machine_class


@cache
def class_of(hardware: str) -> MachineClass:
    found = machine_class(take_one(simulated_sources(hardware), 10.0))
    assert found is not None
    return found


def trial(hardware: str, name: str) -> Trial:
    return next(one for one in class_of(hardware).trials if one.name == name)


@pytest.mark.parametrize(
    ("hardware", "grade"),
    [
        ("CPU, RAM 4GiB", Grade.BELOW),  # 8B in Q4_K_M takes 5.8 GiB
        ("RTX 4060, RAM 32GiB", Grade.ENTRY),  # 8 GiB: 8B, but no 32B (20.7 GiB)
        ("RTX 4090, RAM 64GiB", Grade.MID_SIZE),  # 24 GiB: 32B, but no 70B (42.4 GiB)
        ("2x RTX 4090, RAM 64GiB", Grade.PROFESSIONAL),
        ("M1 16GB", Grade.ENTRY),
    ],
)
def test_the_class_is_that_of_the_largest_dense_model_that_is_run(hardware: str, grade: Grade) -> None:
    assert class_of(hardware).grade is grade


def test_what_fits_and_is_slower_than_people_read_is_not_run() -> None:
    found = trial("CPU, RAM 64GiB", "Llama 3.3 70B")

    assert found.assessment is not None
    assert found.assessment.verdict.level is Level.FITS
    assert not found.is_run


def test_a_spill_is_shown_with_its_speed_and_is_not_run() -> None:
    found = trial("RTX 4060, RAM 32GiB", "Qwen3 30B-A3B")

    assert found.tokens_per_second is not None
    assert not found.is_run


def test_the_class_does_not_depend_on_what_is_in_use_now() -> None:
    assert class_of("RTX 4090, used 20GiB, RAM 64GiB").grade is class_of("RTX 4090, RAM 64GiB").grade


def test_a_second_card_is_the_next_step_and_says_what_it_would_run() -> None:
    step = class_of("RTX 4090, RAM 64GiB").steps[0]

    assert step.change == "another NVIDIA GeForce RTX 4090 beside it"
    assert [one.name for one in step.gained] == ["Llama 3.3 70B"]


def test_where_memory_is_unified_the_next_step_is_twice_as_much() -> None:
    assert class_of("M1 16GB").steps[0].change == "such a machine with 32 GiB"


def test_without_a_device_the_next_step_is_the_smallest_card_for_the_next_size() -> None:
    step = class_of("CPU, RAM 4GiB").steps[0]

    assert [one.name for one in step.gained] == ["Llama 3.1 8B"]
    assert all(one.is_run for one in step.gained)


def test_a_machine_that_runs_all_has_no_next_step() -> None:
    assert class_of("8x H100").steps == ()


def test_fast_memory_is_that_of_all_devices() -> None:
    found = class_of("2x RTX 4090, RAM 64GiB")

    assert found.fast_bytes == 2 * 24564 * (1 << 20)
    assert found.bandwidth_bytes_per_second == 1008e9


def test_where_the_ram_is_not_known_there_is_no_class() -> None:
    assert machine_class(Snapshot(taken_seconds=0.0)) is None


def test_the_ladder_is_of_known_models_and_has_the_sizes_of_the_rule() -> None:
    assert tuple(model.name for model in ladder_models()) == LADDER
    assert GRADED.keys() <= set(LADDER)


GIB = 1 << 30
RAM = Pool(key=HOST_POOL, total_bytes=64 * GIB, used_bytes=0, free_bytes=64 * GIB)


def one_device(**changes: Any) -> Snapshot:
    """An unknown product with 24 GiB of its own, beside 64 GiB of RAM."""
    device = Device(key="a", name="Card", vendor="nvidia", index=0, pool_key="a")
    own = Pool(key="a", total_bytes=24 * GIB, used_bytes=0, free_bytes=24 * GIB)
    return Snapshot(taken_seconds=0.0, pools=(RAM, own), devices=(replace(device, **changes),))


def test_where_the_speed_is_not_known_the_class_is_by_memory_alone() -> None:
    found = machine_class(one_device())

    assert found is not None
    assert (found.grade, found.bandwidth_bytes_per_second) == (Grade.MID_SIZE, None)


def test_a_device_that_no_engine_here_runs_on_is_not_counted_and_named() -> None:
    found = machine_class(one_device(vendor="gaudi"))

    assert found is not None
    assert found.left_out == ("GPU 0",)
    assert found.fast_bytes == 64 * GIB


def test_an_integrated_gpu_beside_a_card_is_not_counted() -> None:
    there = one_device()
    chip = Device(key="b", name="UHD", vendor="intel", index=1, pool_key=HOST_POOL, limit_bytes=32 * GIB)
    found = machine_class(replace(there, devices=(*there.devices, chip)))

    assert found is not None
    assert found.fast_bytes == 24 * GIB
    assert found.steps[0].change == "another Card beside it"


@pytest.mark.parametrize(
    "changes",
    [
        {"parent_key": "whole", "program_index": 0},
        {"is_integrated": True},
        {"name": "NVIDIA GeForce RTX 4090 Laptop GPU"},
        {"name": "AMD Radeon RX 6700S"},
    ],
)
def test_one_does_not_buy_another_of_what_is_not_sold_alone(changes: dict[str, Any]) -> None:
    found = machine_class(one_device(**changes))

    assert found is not None
    assert all("beside it" not in step.change for step in found.steps)

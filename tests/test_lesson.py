"""Only loads that tell of the driver teach, each machine, device, driver and version by itself."""

from dataclasses import replace

import pytest
from kept_loads import lesson_loads

from tui.kept_load import KeptLoad
from tui.lesson import Lesson, lessons_of, of_version, telling_place, version_family
from tui.steadiness import MIB, Steady, Unsteady

LOADS = lesson_loads(60, 62, 64, 61)
LOAD = LOADS[0]


def changed(load: KeptLoad, **changes: object) -> KeptLoad:
    """With another place."""
    return replace(load, places=tuple(replace(place, **changes) for place in load.places))


def only(*loads: KeptLoad) -> Lesson:
    (lesson,) = lessons_of(loads, "here")
    return lesson


def test_loads_that_agree_calibrate() -> None:
    found = only(*LOADS).calibration
    assert found is not None
    assert (found.engine_name, found.product, found.driver) == ("llamacpp", "NVIDIA GeForce RTX 4090", "580.95.05")
    assert (found.n_bytes // MIB, found.n_loads) == (61, 4)


@pytest.mark.parametrize(
    "load",
    [
        replace(LOAD, engine_name="vllm"),
        replace(LOAD, engine_name="mlx"),
        replace(LOAD, places=(LOAD.places[0], replace(LOAD.places[0], name="GPU 1"))),
        changed(LOAD, runtime_bytes=None),
        changed(LOAD, driver=""),
        changed(LOAD, product=""),
        changed(LOAD, takes_share=True),
        changed(LOAD, held_bytes=LOAD.places[0].predicted_bytes - LOAD.places[0].runtime_bytes - 1),
        changed(LOAD, held_bytes=LOAD.places[0].predicted_bytes + (3 << 30)),
    ],
    ids=["a share", "growing", "two devices", "not sure", "no driver", "no device", "share", "less than none", "more"],
)
def test_a_load_that_tells_nothing_of_the_driver_does_not_teach(load: KeptLoad) -> None:
    assert telling_place(load) is None
    assert lessons_of([load], "here") == ()


def test_what_a_wrong_guess_of_the_model_would_make_of_it_does_not_teach() -> None:
    wrong = changed(LOAD, held_bytes=LOAD.places[0].predicted_bytes + (3 << 30))
    assert only(*LOADS, wrong).calibration == only(*LOADS).calibration


def test_loads_of_another_machine_do_not_teach_this_one() -> None:
    assert only(*LOADS, *(replace(load, host="there") for load in LOADS)).n_loads == 4
    assert lessons_of(LOADS, "there") == ()


@pytest.mark.parametrize("other", [{"driver": "570.133.07"}, {"product": "NVIDIA GeForce RTX 3090"}])
def test_another_driver_or_device_is_another_lesson(other: dict[str, str]) -> None:
    others = [changed(load, **other, held_bytes=load.places[0].held_bytes + 100 * MIB) for load in LOADS]
    found = {(one.product, one.driver): one.calibration for one in lessons_of([*LOADS, *others], "here")}
    assert sorted(one.n_bytes // MIB for one in found.values() if one is not None) == [61, 161]


def test_of_several_versions_that_of_the_newest_load_counts() -> None:
    older = [replace(load, engine_name="ollama", engine_version="0.11.4") for load in LOADS]
    newer = [
        replace(
            changed(load, held_bytes=load.places[0].held_bytes + 40 * MIB),
            engine_name="ollama", engine_version="0.12.6", rested_seconds=load.rested_seconds + 1000,
        )
        for load in LOADS
    ]  # fmt: skip
    lesson = only(*older, *newer)
    assert lesson.family == "0.12"
    assert isinstance(lesson.found, Steady)
    assert (lesson.found.n_bytes // MIB, lesson.n_loads) == (101, 4)


@pytest.mark.parametrize(
    ("version", "family"), [("0.12.6", "0.12"), ("v1.98.1", "1.98"), ("b6900-0c1e57098", ""), ("", ""), ("0.9", "0.9")]
)
def test_versions_of_a_family_share_their_first_two_numbers(version: str, family: str) -> None:
    assert version_family(version) == family


@pytest.mark.parametrize(("version", "n"), [("0.12.6", 1), ("v0.12.0", 1), ("0.13.0", 0), ("b6168", 0), ("", 1)])
def test_a_lesson_counts_for_versions_of_its_family(version: str, n: int) -> None:
    found = only(*(replace(load, engine_version="0.12.4") for load in LOADS)).calibration
    assert found is not None
    assert len(of_version((found,), version)) == n


def test_what_was_corrected_then_teaches_by_what_it_would_have_been_without() -> None:
    corrected = [changed(load, calibrated_bytes=load.places[0].held_bytes) for load in LOADS]
    assert only(*corrected) == only(*LOADS)


def test_the_newest_loads_teach() -> None:
    older = lesson_loads(*[400, 401] * 20)
    newer = [replace(load, rested_seconds=load.rested_seconds + 1e6) for load in lesson_loads(*[60, 61] * 15)]
    lesson = only(*older, *newer)
    assert isinstance(lesson.found, Steady)
    assert lesson.found.n_bytes // MIB == 60


def test_too_few_loads_say_how_many_are_needed() -> None:
    lesson = only(*LOADS[:2])
    assert isinstance(lesson.found, Unsteady)
    assert "3 loads" in lesson.found.reason
    assert lesson.calibration is None

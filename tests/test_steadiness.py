"""What loads have in common is found where there is something, and never makes a prediction worse."""

from collections.abc import Mapping, Sequence
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.steadiness import (
    LEAST_SPREAD_BYTES,
    MIB,
    MOST_SPREAD_BYTES,
    Steady,
    Unsteady,
    median,
    steadiness,
)


def models(*differences_mib: float | Sequence[float]) -> dict[str, list[int]]:
    """A model for each figure, or of each list the loads of one."""
    return {
        f"model {number}": [round(one * MIB) for one in (each if isinstance(each, Sequence) else [each])]
        for number, each in enumerate(differences_mib)
    }


def middle_mib(found: Steady | Unsteady) -> float:
    assert isinstance(found, Steady), found
    return found.n_bytes / MIB


def reason(*differences_mib: float | Sequence[float]) -> str:
    found = steadiness(models(*differences_mib))
    assert isinstance(found, Unsteady)
    return found.reason


def test_what_all_models_share_is_found() -> None:
    assert middle_mib(steadiness(models(60, 64, 62, 66))) == 63


def test_two_loads_are_too_few() -> None:
    assert reason(60, 61) == "3 loads are needed"


def test_one_model_may_differ_for_a_reason_of_its_own() -> None:
    assert "second model" in reason([60, 60, 61, 60])


def test_ten_loads_of_one_model_weigh_no_more_than_one() -> None:
    assert middle_mib(steadiness(models([80] * 10, 60, 60))) == 60


def test_an_outlier_does_not_move_it_and_lies_within_its_band() -> None:
    steady = [60.0, 64, 62, 66, 61]
    found = steadiness(models(*steady, 200))
    assert isinstance(found, Steady)
    assert abs(middle_mib(found) - middle_mib(steadiness(models(*steady)))) <= 2
    assert found.high_bytes >= 200 * MIB


def test_with_an_outlier_that_no_band_reaches_nothing_is_corrected() -> None:
    assert "too far apart" in reason(60, 64, 62, 66, 61, 400)


def test_an_outlier_to_the_other_side_for_which_it_would_be_worse_leaves_the_prediction_alone() -> None:
    assert "no one figure" in reason(-60, -64, -62, -66, 300)


def test_what_is_predicted_well_is_left_alone() -> None:
    found = steadiness(models(-2.9, -0.9, 5.1, 14.1, -2.9, 0.1))
    assert isinstance(found, Unsteady)
    assert found.is_as_predicted


def test_what_differs_to_both_sides_is_left_alone() -> None:
    assert "no one figure" in reason(-90, 80, -70, 95)


def test_what_lies_too_far_apart_is_left_alone() -> None:
    assert "too far apart" in reason(200, 500, 800)


def test_the_fewer_models_the_wider_the_band() -> None:
    widths = []
    for differences in ((56, 64), (56, 64, 56, 64), (56, 64) * 5):
        found = steadiness(models(*differences) if len(differences) > 2 else models([56, 56], 64))
        assert isinstance(found, Steady)
        widths.append(found.high_bytes - found.low_bytes)
    assert widths[0] > widths[1] > widths[2] >= 2 * LEAST_SPREAD_BYTES


def test_loads_that_agree_to_the_byte_still_leave_a_doubt() -> None:
    found = steadiness(models(60, 60, 60, 60))
    assert isinstance(found, Steady)
    assert found.high_bytes - found.n_bytes == found.n_bytes - found.low_bytes == LEAST_SPREAD_BYTES


def test_where_models_are_of_two_kinds_the_band_reaches_both() -> None:
    found = steadiness(models(149, 151, 157, 166, 247, 250, 255, 256, 259))
    assert isinstance(found, Steady)
    assert found.low_bytes <= 151 * MIB < 259 * MIB < found.high_bytes


@pytest.mark.parametrize(("values", "middle"), [((3, 1, 2), 2), ((1, 2, 4, 3), 2), ((5,), 5)])
def test_the_median_is_the_middle_one(values: tuple[int, ...], middle: int) -> None:
    assert median(values) == middle


SIZES = st.integers(-(2 << 30), 2 << 30)
NEAR = st.integers(20 * MIB, 90 * MIB)
LOADS = st.lists(st.lists(SIZES | NEAR, min_size=1, max_size=4) | st.lists(NEAR, min_size=1, max_size=4), max_size=8)


def named(loads: Sequence[Sequence[int]]) -> Mapping[str, Sequence[int]]:
    names = count()
    return {f"model {next(names)}": each for each in loads}


@given(LOADS)
@settings(deadline=None)
def test_it_is_never_worse_on_the_loads_that_it_is_learned_from(loads: list[list[int]]) -> None:
    found = steadiness(named(loads))
    if isinstance(found, Steady):
        plain = [abs(one) for each in loads for one in each]
        corrected = [abs(one - found.n_bytes) for each in loads for one in each]
        assert median(corrected) < median(plain)
        assert max(corrected) <= max(plain)


@given(LOADS)
@settings(deadline=None)
def test_it_is_never_worse_on_a_load_that_it_was_not_learned_from(loads: list[list[int]]) -> None:
    found = steadiness(named(loads))
    if isinstance(found, Steady):
        plain = [abs(one) for each in loads for one in each]
        corrected = []
        for at, each in enumerate(loads):
            for number, one in enumerate(each):
                others = [[*each[:number], *each[number + 1 :]], *loads[:at], *loads[at + 1 :]]
                corrected.append(abs(one - median([median(other) for other in others if other])))
        assert median(corrected) < median(plain)
        assert max(corrected) <= max(plain)


@given(LOADS)
@settings(deadline=None)
def test_its_band_is_bounded_and_holds_all_models(loads: list[list[int]]) -> None:
    found = steadiness(named(loads))
    if isinstance(found, Steady):
        assert LEAST_SPREAD_BYTES <= found.high_bytes - found.n_bytes <= MOST_SPREAD_BYTES
        assert all(found.low_bytes <= median(each) <= found.high_bytes for each in loads if each)

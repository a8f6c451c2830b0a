from hypothesis import given
from hypothesis import strategies as st

from estimator.advise import best_quant, bits_per_weight, longest_context, narrower, offered
from estimator.verdict import Level


@given(native=st.integers(1, 2_000_000), limit=st.integers(0, 2_000_000))
def test_the_longest_context_fits_and_the_next_one_does_not(native: int, limit: int) -> None:
    def level(tokens: int) -> Level:
        return Level.FITS if tokens <= limit else Level.FAILS

    found = longest_context(level, native_tokens=native)
    if found is None:
        assert limit < min(256, native)
    else:
        assert found <= min(limit, native)
        assert found == native or level(found + 1024) is Level.FAILS


def test_all_of_the_models_context_is_offered_even_where_it_is_no_round_number() -> None:
    assert longest_context(lambda _: Level.FITS, native_tokens=40_961) == 40_961


def test_tight_is_no_fit_unless_asked_for() -> None:
    assert longest_context(lambda _: Level.TIGHT, native_tokens=4096) is None
    assert longest_context(lambda _: Level.TIGHT, native_tokens=4096, at_most=Level.TIGHT) == 4096


def test_a_context_that_the_search_took_for_granted_is_made_shorter_until_it_fits() -> None:
    def sure(tokens: int) -> Level:
        return Level.TIGHT if tokens in (7168, 8192) else Level.FITS

    assert longest_context(lambda _: Level.FITS, native_tokens=8192, sure_level_of=sure) == 5120
    assert longest_context(lambda _: Level.FITS, native_tokens=8192, sure_level_of=lambda _: Level.TIGHT) is None


def test_a_quant_that_fits_only_roughly_is_not_the_best() -> None:
    levels = {"Q8_0": Level.TIGHT, "Q4_K_M": Level.FITS}
    assert best_quant(lambda _: Level.FITS, tuple(levels), sure_level_of=levels.__getitem__) == "Q4_K_M"


def test_the_first_quant_that_fits_is_the_best() -> None:
    levels = {"Q8_0": Level.FAILS, "Q4_K_M": Level.FITS, "Q2_K": Level.FITS}
    assert best_quant(levels.__getitem__, tuple(levels)) == "Q4_K_M"


def test_no_quant_that_fits_is_none() -> None:
    assert best_quant(lambda _: Level.SPILLS, ("Q8_0",)) is None


def test_only_narrower_kv_types_are_left_to_try() -> None:
    steps = ("f16", "q8_0", "q4_0")
    assert narrower(steps, "f16") == ("q8_0", "q4_0")
    assert narrower(steps, "q8_0") == ("q4_0",)
    assert narrower(steps, "q4_0") == ()
    assert narrower(steps, "iq4_nl") == ("q8_0", "q4_0")


def test_a_quant_of_another_name_has_its_place_by_size() -> None:
    sizes = {"Q8_0": 80, "Q4_K_M": 48, "Q2_K": 30}
    assert offered(tuple(sizes), "UD-Q3_K_XL", 40, sizes.__getitem__) == ("Q8_0", "Q4_K_M", "UD-Q3_K_XL", "Q2_K")
    assert offered(tuple(sizes), "Q4_K_M", 48, sizes.__getitem__) == tuple(sizes)


def test_bits_are_an_average_over_all_weights() -> None:
    assert bits_per_weight(1000, 2000) == 4.0
    assert bits_per_weight(1000, 0) == 0.0

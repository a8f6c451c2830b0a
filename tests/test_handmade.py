"""Mixtures that uploaders make by hand: known by name, with a band."""

import pytest

from estimator.engines import llamacpp
from estimator.handmade import HANDMADE, Handmade
from estimator.ledger import Basis, Kind, Place, Workload
from estimator.mixture import DEFAULT_TYPES, parse_quant, requantised, total_bytes
from estimator.model import Model
from estimator.readers import catalogue

GIB = 1 << 30

# Sizes of files, to 0.1 GiB: menloresearch/model-catalog, model_catalog.json, 5126f73.
PUBLISHED = [
    ("Mistral Small 3.2 24B", "Q2_K_L", 8.9),
    ("Mistral Small 3.2 24B", "Q3_K_XL", 12.1),
    ("Qwen2.5 14B", "Q4_K_L", 8.9),
    ("Qwen2.5 14B", "Q5_K_L", 10.2),
    ("Nemotron Nano 12B v2", "Q6_K_L", 9.7),
    ("ERNIE 4.5 21B-A3B", "UD-IQ3_XXS", 9.0),
    ("ERNIE 4.5 21B-A3B", "UD-Q3_K_XL", 9.4),
    ("Phi-4", "UD-Q4_K_XL", 8.3),
    ("Qwen3 14B", "UD-Q5_K_XL", 9.8),
    ("Gemma 3 12B", "UD-Q6_K_XL", 9.8),
    ("Qwen3 8B", "UD-Q8_K_XL", 10.1),
    ("LFM2 8B-A1B", "UD-Q8_K_XL", 8.4),
]


def test_no_name_is_the_quantizers_too() -> None:
    assert set(HANDMADE).isdisjoint(DEFAULT_TYPES)


@pytest.mark.parametrize("mixture", HANDMADE.values(), ids=lambda mixture: mixture.name)
def test_it_begins_with_one_of_the_quantizers_and_has_a_band(mixture: Handmade) -> None:
    assert mixture.base in DEFAULT_TYPES
    assert mixture.low_ratio < 1 < mixture.high_ratio


@pytest.mark.parametrize("name", HANDMADE)
def test_every_one_is_found_under_its_own_name(name: str) -> None:
    assert parse_quant(name.lower()) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ud_q4_k_xl", "UD-Q4_K_XL"),
        ("Q4_K_XL", "UD-Q4_K_XL"),
        ("Q3_K_XL", "Q3_K_XL"),
        ("q6kl", "Q6_K_L"),
        ("IQ4_KS_R4", "IQ4_KS"),
        ("IQ3_K - 3.4325 bpw", "IQ3_K"),
        ("Q4_K_R4", "Q4_K_R4"),
        ("Q6_K_R4", "Q6_K"),
        ("Q8_0_R8", "Q8_0"),
    ],
)
def test_any_usual_spelling_is_understood(text: str, name: str) -> None:
    assert parse_quant(text) == name


@pytest.mark.parametrize(("name", "quant", "gib"), PUBLISHED)
def test_a_published_file_lies_in_the_band(name: str, quant: str, gib: float) -> None:
    model = catalogue.read(name, quant)
    low, high = (ratio * total_bytes(model.tensors) / GIB for ratio in model.size_band_ratio)

    assert low - 0.05 <= gib <= high + 0.05


def weights(model: Model) -> tuple[int, int, int, Basis]:
    places = [
        Place(name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=24 * GIB),
        Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=64 * GIB),
    ]
    made = llamacpp.estimate(model, Workload(context_tokens=512), llamacpp.Options(), places)
    term = made.select(["GPU 0"], Kind.WEIGHTS)[0]
    return term.low_bytes, term.n_bytes, term.high_bytes, term.basis


def test_its_weights_are_a_band_and_assumed() -> None:
    low, n, high, basis = weights(catalogue.read("Qwen3 8B", "UD-Q4_K_XL"))

    assert low < n < high
    assert basis is Basis.ASSUMED


def test_the_quantizers_own_mixture_is_no_band() -> None:
    low, n, high, basis = weights(requantised(catalogue.read("Qwen3 8B", "UD-Q4_K_XL"), "Q4_K_M"))

    assert low == n == high
    assert basis is Basis.DERIVED


def test_an_importance_matrix_that_may_have_been_used_widens_the_band() -> None:
    low, high = catalogue.read("Mistral Small 3.2 24B", "Q4_0").size_band_ratio

    assert low == 1.0
    assert pytest.approx(high, abs=0.004) == 12.6 / 12.51  # the larger one is bartowski's, ibid.


def test_the_better_kept_tensors_are_output_and_embedding() -> None:
    types = {tensor.name: tensor.type for tensor in catalogue.read("Qwen2.5 14B", "Q4_K_L").tensors}

    assert types["output.weight"] == types["token_embd.weight"] == "Q8_0"
    assert types["blk.10.ffn_up.weight"] == "Q4_K"

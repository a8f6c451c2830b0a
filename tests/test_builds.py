"""Rules by build: which hold when, and what they do to caches and layers."""

from dataclasses import replace
from datetime import date

import pytest
from measured import measured_model

from estimator.builds import CHANGES, Build, build_of, day_of_number
from estimator.engines import llamacpp
from estimator.errors import EstimatorError
from estimator.kv_cache import as_cached, cache_shape
from estimator.ledger import Kind, Place, Workload
from estimator.model import Layer
from estimator.placement import HOST, place_layers


def test_unnamed_build_is_the_measured_one() -> None:
    assert build_of("") == Build()


def test_every_change_is_of_a_field_that_builds_have() -> None:
    assert {change.field for change in CHANGES} <= set(Build.__dataclass_fields__)


def test_the_last_values_of_all_changes_are_the_newest_rules_but_for_mixed_input() -> None:
    newest = build_of("2027-01")
    differing = {name for name in Build.__dataclass_fields__ if getattr(newest, name) != getattr(Build(), name)}
    assert differing == {"name", "is_measured", "pins_norms", "has_mixed_input"}


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("2025-05-19", "has_window_caches", False),
        ("2026-05-30", "reserves_all_outputs", True),
        ("2026-06", "reserves_all_outputs", False),
        ("b5269", "has_window_caches", False),
        ("b11549", "has_mixed_input", True),
        ("ik-2026-05", "reserves_all_outputs", True),
        ("ik", "drops_latent_values", True),
        ("ik-2025-09", "skips_predictor_cache", False),
        ("ik-2025-03", "spares_experts", False),
        ("ik-2025-09", "spares_experts", True),
        ("ollama-0.12.6", "counts_output_layer", False),
        ("ollama-0.29", "reserves_all_outputs", True),
        ("ollama-0.32.15", "reserves_all_outputs", False),
    ],
)
def test_a_rule_holds_from_its_day_on(text: str, field: str, value: bool) -> None:
    assert getattr(build_of(text), field) is value


@pytest.mark.parametrize(
    "text", ["yesterday", "2025-13", "2025-00-01", "b", "b999999", "ik-ik", "\0", "9" * 500, "ollama", "ollama-x"]
)
def test_what_names_no_build_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(EstimatorError, match="no build is called"):
        build_of(text)


def test_numbers_between_known_ones_are_dated_between_them() -> None:
    assert date(2025, 5, 3) < day_of_number(5600) < date(2025, 7, 31)


def shape_of(build: str, *, is_flash_attention: bool, n_sequences: int = 1) -> tuple[int, int, int]:
    shape = cache_shape(
        Workload(context_tokens=5000, n_sequences=n_sequences),
        n_batch_tokens=2048,
        n_ubatch_tokens=512,
        is_unified=False,
        is_flash_attention=is_flash_attention,
        build=build_of(build),
    )
    return shape.n_cells, shape.n_streams, shape.layer_cells(1024)


def test_before_november_2025_cells_were_padded_to_32_without_flash_attention() -> None:
    assert shape_of("2025-06", is_flash_attention=False)[0] == 5024


def test_before_may_2025_a_window_kept_the_whole_context() -> None:
    assert shape_of("2025-04", is_flash_attention=True)[2] == 5120


def test_before_streams_all_sequences_shared_one_set_of_cells() -> None:
    assert shape_of("2025-06", is_flash_attention=True, n_sequences=4)[:2] == (5120, 1)


def test_before_2026_the_output_layer_was_the_last_to_go_to_a_device() -> None:
    assert place_layers(4, 2, [1.0], counts_output_layer=False) == (HOST, HOST, 0, 0, HOST)
    assert place_layers(4, 5, [1.0], counts_output_layer=False) == (0, 0, 0, 0, 0)


def test_a_predictor_kept_cells_like_any_layer_in_the_fork_of_2025() -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    with_predictor = replace(model, layers=(*model.layers[:-1], Layer()), n_predictor_layers=1)
    assert as_cached(with_predictor, build_of("ik-2025-09")).layers[-1] == model.layers[0]


def test_the_model_itself_is_kept_under_the_newest_rules() -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    assert as_cached(model, Build()) is model


def buffers_of(build: str, *, kv_type: str = "f16") -> tuple[int, ...]:
    """Device and host, of a model whose layers all lie on one device."""
    model = measured_model("llama-3.1-8b")
    assert model is not None
    places = [
        Place(name="GPU", kind="cuda", total_bytes=1 << 40, free_bytes=1 << 40),
        Place(name="RAM", kind="host", total_bytes=1 << 40, free_bytes=1 << 40),
    ]
    made = llamacpp.estimate(
        model, Workload(context_tokens=8192, kv_type=kv_type), llamacpp.Options(build=build), places
    )
    return tuple(made.n_bytes([place.name], Kind.COMPUTE) for place in places)


def test_until_mid_2026_room_for_the_logits_of_all_tokens_was_kept() -> None:
    assert buffers_of("2026-05-01")[0] == 4 * 512 * (128256 + 4096)


def test_a_mask_made_as_float32_takes_twice_the_room_on_the_host() -> None:
    assert buffers_of("2026-05-27")[1] - buffers_of("2026-05-29")[1] == 2 * 8192 * 512


def test_before_2026_the_host_kept_room_for_embedded_tokens_once() -> None:
    assert buffers_of("2026-02-01")[1] - buffers_of("2026-01-20")[1] == 4 * 512 * 4096


def test_the_copy_of_a_quantised_cache_was_not_in_the_buffer_before_june_2026() -> None:
    assert buffers_of("2026-06-01", kv_type="q8_0")[0] < buffers_of("2026-06-10", kv_type="q8_0")[0]


def test_a_forks_buffers_have_a_wider_band() -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    places = [
        Place(name="GPU", kind="cuda", total_bytes=1 << 40, free_bytes=1 << 40),
        Place(name="RAM", kind="host", total_bytes=1 << 40, free_bytes=1 << 40),
    ]

    def width(build: str) -> int:
        made = llamacpp.estimate(model, Workload(context_tokens=8192), llamacpp.Options(build=build), places)
        return made.high_bytes(["GPU"], Kind.COMPUTE) - made.low_bytes(["GPU"], Kind.COMPUTE)

    assert width("ik-2026-01") > width("2026-01")


@pytest.mark.parametrize(("n_gpu_layers", "is_on_device"), [(33, False), (34, False), (35, True)])
def test_builds_of_2023_kept_the_cache_in_ram_until_asked_for_two_layers_more(
    n_gpu_layers: int,
    is_on_device: bool,
) -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    gpu = Place(name="GPU 0", kind="cuda", total_bytes=1 << 40, free_bytes=1 << 40)
    ram = Place(name="RAM", kind="host", total_bytes=1 << 40, free_bytes=1 << 40)
    options = llamacpp.Options(n_gpu_layers=n_gpu_layers, build="2023-08")
    made = llamacpp.estimate(model, Workload(context_tokens=2048), options, (gpu, ram))
    assert bool(made.n_bytes(["GPU 0"], Kind.KV_CACHE)) is is_on_device


def two_gpus(build: str) -> list[tuple[int, int]]:
    """(bytes, low end) of the compute buffers of two devices that share a model."""
    model = measured_model("llama-3.1-8b")
    assert model is not None
    gpus = [Place(name=f"GPU {n}", kind="cuda", total_bytes=1 << 40, free_bytes=1 << 40) for n in range(2)]
    ram = Place(name="RAM", kind="host", total_bytes=1 << 40, free_bytes=1 << 40)
    options = llamacpp.Options(n_gpu_layers=33, build=build, is_flash_attention=False)
    made = llamacpp.estimate(model, Workload(context_tokens=8192), options, (*gpus, ram))
    return [(term.n_bytes, term.low_bytes) for gpu in gpus for term in made.select([gpu.name], Kind.COMPUTE)]


def test_of_what_goes_from_device_to_device_a_load_of_a_dated_build_hands_over_one_tensor() -> None:
    # llama.cpp d46dbc76 of 2024-05 on two RTX 3090 logs 640.01 and 640.02 MiB.
    assert [round(n_bytes / (1 << 20), 2) for n_bytes, _ in two_gpus("2024-05-09")] == [640.01, 640.02]


def test_the_newest_build_may_need_less_than_llama_fit_params_measures_on_all_devices_but_the_first() -> None:
    (first, first_low), (second, second_low) = two_gpus("")
    n_copies, embedding_bytes = 4, 512 * 4096 * 4
    assert (first - first_low, second - second_low) == (0, n_copies * embedding_bytes)

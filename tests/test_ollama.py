"""Ollama's own decisions, and what it puts where."""

import pytest
from measured import measured_model

from estimator.engines import ollama
from estimator.errors import Unjudgeable
from estimator.ledger import Place, Workload
from estimator.model import Model
from estimator.ollama_launch import automatic_batch, chosen_devices, default_context, predicted_bytes
from estimator.readers import catalogue

GIB = 1 << 30


def gpu(gib: float, name: str = "GPU 0", **further: object) -> Place:
    return Place(name=name, kind="cuda", total_bytes=int(gib * GIB), free_bytes=int(gib * GIB), **further)  # type: ignore[arg-type]


RAM = Place(name="RAM", kind="host", total_bytes=128 * GIB, free_bytes=128 * GIB)


def model(name: str = "llama-3.1-8b") -> Model:
    found = measured_model(name)
    assert found is not None
    return found


def answers(gib: float, context: int = 8192, **options: object) -> dict[str, object]:
    made = ollama.estimate(model(), Workload(context_tokens=context), ollama.Options(**options), [gpu(gib), RAM])  # type: ignore[arg-type]
    return {answer.key: answer.value for answer in made.answers}


@pytest.mark.parametrize(("gib", "tokens"), [(22.9, 4096), (23, 32_768), (46.9, 32_768), (47, 262_144)])
def test_the_context_nobody_asks_for_goes_by_the_memory_of_all_devices(gib: float, tokens: int) -> None:
    assert default_context([gpu(gib)]) == tokens


def test_the_overhead_of_each_device_counts_for_the_unasked_context() -> None:
    assert default_context([gpu(12, "a"), gpu(12, "b")], overhead_bytes=GIB) == 4096


@pytest.mark.parametrize(
    ("context", "predicted_gib", "free_gib", "tokens"),
    [
        (4096, 5, 24, 512),
        (8192, 5, 24, 1024),
        (65_536, 5, 24, 2048),
        (65_536, 15, 24, 1024),
        (65_536, 18.5, 24, 512),
        (65_536, 20, 24, 512),
    ],
)
def test_a_step_grows_with_the_context_where_memory_is_left(
    context: int, predicted_gib: float, free_gib: float, tokens: int
) -> None:
    found = automatic_batch(context, int(predicted_gib * GIB), [gpu(free_gib)], is_flash_attention=True)
    assert found == tokens


@pytest.mark.parametrize(("gib", "context", "tokens"), [(8, 8192, 256), (8, 4096, 512), (12, 8192, 512)])
def test_without_flash_attention_a_step_stays_small(gib: float, context: int, tokens: int) -> None:
    assert automatic_batch(context, GIB, [gpu(gib)], is_flash_attention=False) == tokens


def test_its_own_prediction_takes_a_plain_cache_beside_the_file() -> None:
    at_0, at_1024 = predicted_bytes(model(), 0), predicted_bytes(model(), 1024)
    assert at_1024 - at_0 == 2 * 32 * 8 * 128 * 1024 * 2


def test_one_device_is_enough_where_the_prediction_leaves_a_fifth_of_it() -> None:
    devices = [gpu(8, "small"), gpu(24, "large")]
    assert [place.name for place in chosen_devices(devices, 19 * GIB)] == ["large"]


def test_all_devices_share_what_is_too_much_for_one() -> None:
    devices = [gpu(12, "a"), gpu(12, "b")]
    assert len(chosen_devices(devices, 11 * GIB)) == 2


def test_all_devices_are_used_where_it_shall_spread() -> None:
    assert len(chosen_devices([gpu(24, "a"), gpu(24, "b")], GIB, is_spread=True)) == 2


def test_a_model_that_has_room_is_on_the_gpu_as_a_whole() -> None:
    found = answers(24)
    assert (found["layers_on_gpu"], found["processor"]) == ("33 of 33", "100% GPU")


def test_a_model_that_has_no_room_shows_its_shares() -> None:
    found = answers(4)
    layers, share = str(found["layers_on_gpu"]), str(found["processor"])
    assert 0 < int(layers.partition(" ")[0]) < 33
    assert share.endswith("CPU/GPU")


def test_layers_that_were_asked_for_are_left_as_they_are() -> None:
    assert answers(24, num_gpu=10)["layers_on_gpu"] == "10 of 33"


def test_relieved_is_the_most_layers_that_keep_the_margin() -> None:
    places = [gpu(4), RAM]
    found = ollama.relieved(model(), Workload(context_tokens=8192), ollama.Options(), places)
    assert found is not None
    assert 0 < found.num_gpu < 33


def test_an_old_card_runs_without_flash_attention() -> None:
    places = [gpu(24, compute_capability=(5, 2)), RAM]
    made = ollama.estimate(model(), Workload(context_tokens=8192), ollama.Options(), places)
    assert {answer.key: answer.value for answer in made.answers}["num_batch"] == 512


def test_a_cache_type_that_it_has_not_is_refused() -> None:
    with pytest.raises(Unjudgeable, match="q5_1"):
        ollama.estimate(model(), Workload(context_tokens=8192, kv_type="q5_1"), ollama.Options(), [gpu(24), RAM])


def test_context_and_requests_are_said_by_environment() -> None:
    workload = Workload(context_tokens=16_384, n_sequences=2, kv_type="q8_0")
    made = ollama.estimate(model(), workload, ollama.Options(num_gpu=20), [gpu(24), RAM])
    line = ollama.command(model(), ollama.flags(model(), workload, ollama.Options(num_gpu=20), made))
    assert line.startswith("OLLAMA_CONTEXT_LENGTH=8192 OLLAMA_NUM_PARALLEL=2 OLLAMA_KV_CACHE_TYPE=q8_0 ollama serve")
    assert line.endswith("/set parameter num_gpu 20")


@pytest.mark.parametrize(
    ("name", "quant", "tag"),
    [
        ("Llama 4 Scout", None, "llama4:16x17b"),
        ("Qwen3 8B", None, "qwen3:8b"),
        ("gpt-oss 20B", None, "gpt-oss:20b"),
        ("Qwen3 8B", "Q8_0", "'Qwen3 8B'"),
    ],
)
def test_a_catalogue_model_is_run_by_the_name_of_ollamas_library(name: str, quant: str | None, tag: str) -> None:
    found = catalogue.read(name, quant)
    assert ollama.command(found, "X=1").endswith(f"ollama run {tag}")

"""The survey of all models against the engine itself, and its sketches against the whole models."""

import json
from functools import cache
from pathlib import Path

import pytest

from estimator.engines import llamacpp
from estimator.errors import Unjudgeable
from estimator.ledger import Overflow, Place, Workload
from estimator.mixture import requantised
from estimator.readers import catalogue
from estimator.sketch import SKETCHES, sketches, weights_of
from estimator.survey import Surveyed, survey
from estimator.verdict import Level, judge

GIB = 1 << 30
SAMPLE = (
    "Llama 3.1 8B", "Qwen3 30B-A3B", "Gemma 3 27B", "DeepSeek R1", "Qwen3.5 27B", "Mamba2 2.7B", "Llama 3.3 70B",
    "Mixtral 8x7B",
)  # fmt: skip


def machine(*gpu_gib: int, ram_gib: int = 64) -> list[Place]:
    devices = [
        Place(
            name=f"GPU {number}", kind="cuda", total_bytes=gib * GIB, free_bytes=gib * GIB - GIB // 2,
            reserve_bytes=GIB // 2, n_multiprocessors=128,
        )
        for number, gib in enumerate(gpu_gib)
    ]  # fmt: skip
    ram = Place(
        name="RAM", kind="host", total_bytes=ram_gib * GIB, free_bytes=ram_gib * GIB - 2 * GIB, reserve_bytes=GIB,
        overflow=Overflow.SWAPPED, overflow_free_bytes=GIB,
    )  # fmt: skip
    return [*devices, ram]


def by_name(found: tuple[Surveyed, ...]) -> dict[str, Surveyed]:
    names = {entry.checkpoint: entry.name for entry in catalogue.entries()}
    return {names[one.checkpoint]: one for one in found}


def engine_level(name: str, quant: str, tokens: int, places: list[Place]) -> Level:
    model, options = catalogue.read(name, quant), llamacpp.Options()
    workload = Workload(context_tokens=min(tokens, model.native_context_tokens))
    made = llamacpp.estimate(model, workload, options, places)
    return judge(made, places, llamacpp.fallback(model, workload, options, places)).level


@cache
def surveyed(gpus: tuple[int, ...], quant: str, tokens: int) -> dict[str, Surveyed]:
    return by_name(survey(machine(*gpus), tokens, quant))


@pytest.mark.parametrize(
    ("name", "gpus", "quant", "tokens"),
    [
        *((name, (24,), "Q4_K_M", 8192) for name in SAMPLE),
        *((name, (), "Q8_0", 4096) for name in SAMPLE),
        ("Llama 3.1 8B", (8,), "Q4_K_M", 512),
        ("Gemma 3 27B", (8,), "Q4_K_M", 512),
        ("Mixtral 8x7B", (8,), "Q4_K_M", 512),
    ],
)
def test_it_answers_as_the_engine_does(name: str, gpus: tuple[int, ...], quant: str, tokens: int) -> None:
    found = surveyed(gpus, quant, tokens)[catalogue.find(name).name]

    assert found.level is engine_level(name, quant, tokens, machine(*gpus))


def test_what_one_device_has_no_room_for_may_fit_on_two() -> None:
    levels = [by_name(survey(machine(*gpus), 8192, "Q4_K_M"))["Llama 3.3 70B"].level for gpus in ((24,), (32, 32))]

    assert levels == [Level.SPILLS, Level.FITS]


def test_every_language_model_is_surveyed_under_its_usual_quant() -> None:
    languages = [entry for entry in catalogue.entries() if not entry.parts]
    found = survey(machine(24), 8192)

    assert [one.checkpoint for one in found] == [entry.checkpoint for entry in languages]
    assert by_name(found)["gpt-oss 20B"].quant == "MXFP4_MOE"


def test_a_context_is_at_most_what_the_model_was_trained_on() -> None:
    assert by_name(survey(machine(24), 131072))["Llama 2 7B"].context_tokens == 4096


def test_a_smaller_cache_needs_less() -> None:
    plain, packed = (
        by_name(survey(machine(24), 8192, kv_type=kv_type))["Llama 3.1 8B"].device_bytes for kv_type in ("f16", "q8_0")
    )

    assert packed < plain


def test_a_quant_that_was_not_sketched_is_left_out() -> None:
    assert survey(machine(24), 8192, "IQ1_S") == ()


def test_without_a_host_nothing_is_said() -> None:
    with pytest.raises(Unjudgeable, match="memory of this machine"):
        survey(machine(24)[:1], 8192)


def test_an_unknown_kv_type_is_refused() -> None:
    with pytest.raises(Unjudgeable, match="q9_9"):
        survey(machine(24), 8192, kv_type="q9_9")


@pytest.mark.parametrize("quant", ["Q4_K_M", "BF16"])
@pytest.mark.parametrize("name", [*SAMPLE, "gpt-oss 20B", "Gemma 3n E4B", "Kimi Linear", "BGE-M3", "GLM-4.5 Air"])
def test_a_sketch_weighs_what_the_model_does(name: str, quant: str) -> None:
    entry = catalogue.find(name)
    sketch = next(one for one in sketches() if one.checkpoint == entry.checkpoint)
    found, whole = sketch.weights_under(quant), weights_of(requantised(catalogue.plain_model(entry), quant))

    assert found is not None
    assert all(0 <= kept - n < 1024 for kept, n in zip(found, whole, strict=True))


def test_a_sketch_has_the_layers_of_the_model() -> None:
    for sketch in sketches()[::12]:
        layers = catalogue.plain_model(catalogue.find(sketch.checkpoint)).layers
        kept = dict(zip(sketch.model.layers, sketch.layer_counts, strict=True))

        assert {layer: layers.count(layer) for layer in set(layers)} == kept


def test_sketches_are_one_json_object_per_line() -> None:
    lines = Path(SKETCHES).read_text("utf-8").splitlines()

    assert [json.loads(line)["id"] for line in lines] == [sketch.checkpoint for sketch in sketches()]

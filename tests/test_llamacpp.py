"""The llama.cpp engine against what llama.cpp measured, and against itself."""

from dataclasses import replace
from pathlib import Path

import pytest
from gguf_files import write_gguf
from hypothesis import given, settings
from hypothesis import strategies as st
from measured import HOST, MEASURED_POINTS, measured_model, measured_tensors, replay

from estimator.engines import llamacpp
from estimator.engines.llamacpp import Options, estimate, fallback, flags, quick_fallback, sketch
from estimator.errors import Unjudgeable
from estimator.ledger import Basis, Estimate, Kind, Overflow, Place, Workload
from estimator.model import Model
from estimator.reader import read_model
from estimator.verdict import Level, judge

GIB = 1 << 30
MODELS = ("llama-3.1-8b", "gemma-3-12b", "gpt-oss-20b", "qwen3-30b-a3b", "deepseek-v2-lite", "falcon-h1-7b")
BUFFERS = (Kind.WEIGHTS, Kind.KV_CACHE, Kind.STATE, Kind.COMPUTE)


def model_of(name: str) -> Model:
    model = measured_model(name)
    assert model is not None
    return model


def gpu(free_bytes: int, number: int = 0) -> Place:
    return Place(
        name=f"GPU {number}", kind="cuda", total_bytes=max(free_bytes, 24 * GIB), free_bytes=free_bytes,
        reserve_bytes=GIB // 2, n_multiprocessors=128,
    )  # fmt: skip


def ram(free_bytes: int = 64 * GIB) -> Place:
    return Place(
        name="RAM",
        kind="host",
        total_bytes=64 * GIB,
        free_bytes=free_bytes,
        reserve_bytes=GIB,
        overflow=Overflow.SWAPPED,
    )


@pytest.mark.parametrize("name", MODELS)
def test_weights_caches_and_states_are_byte_for_byte_what_was_measured(name: str) -> None:
    points = [point for point in MEASURED_POINTS if point["model"] == name]
    for point in points:
        made = replay(point, model_of(name), sketch)
        assert made is not None
        result, places, truth = made
        for place in places:
            weights, caches, _ = truth[place]
            assert result.n_bytes([place], Kind.WEIGHTS) == weights, (point, place)
            assert result.n_bytes([place], Kind.KV_CACHE) + result.n_bytes([place], Kind.STATE) == caches, (
                point,
                place,
            )


def test_compute_buffers_are_byte_for_byte_what_was_measured() -> None:
    for point in MEASURED_POINTS[::7]:
        made = replay(point, model_of(point["model"]))
        assert made is not None
        result, places, truth = made
        for place in places:
            assert result.n_bytes([place], Kind.COMPUTE) == truth[place][2], (point, place)


def test_closed_forms_are_within_two_per_cent_of_the_total_as_the_server_runs() -> None:
    points = [
        point
        for point in MEASURED_POINTS
        if point["ngl"] >= 999
        and point["flash_attn"] == "on"
        and point["n_outputs_max"]
        and not point.get("opts")
        and point["devices_mib"] != "none"
    ]
    assert points
    for point in points:
        made = replay(point, model_of(point["model"]), sketch)
        assert made is not None
        result, places, truth = made
        for place in places:
            measured = sum(truth[place])
            ours = sum(result.n_bytes([place], kind) for kind in BUFFERS)
            assert abs(ours - measured) <= 0.02 * measured, (point, place)


def test_measured_totals_lie_within_the_bands_of_closed_forms_nine_times_in_ten() -> None:
    within = []
    for point in MEASURED_POINTS:
        made = replay(point, model_of(point["model"]), sketch)
        assert made is not None
        result, places, truth = made
        names = [place for place in places if place != HOST] or [HOST]
        low = sum(result.low_bytes(names, kind) for kind in BUFFERS)
        high = sum(result.high_bytes(names, kind) for kind in BUFFERS)
        within.append(low <= sum(sum(truth[name]) for name in names) <= high)
    assert sum(within) >= 0.85 * len(within)


def test_a_file_gives_the_same_estimate_as_the_tensors_it_was_written_from(tmp_path: Path) -> None:
    metadata, tensors, _ = measured_tensors("gemma-3-12b")
    path = tmp_path / "gemma-3-12b-Q4_K_M.gguf"
    write_gguf(path, metadata | {"general.file_type": 15}, tensors)
    workload, places = Workload(context_tokens=131072), [gpu(24 * GIB), ram()]
    from_file = estimate(read_model(str(path)), workload, Options(), places)
    from_tensors = estimate(model_of("gemma-3-12b"), workload, Options(), places)
    assert [(t.kind, t.place, t.n_bytes) for t in from_file.terms] == [
        (t.kind, t.place, t.n_bytes) for t in from_tensors.terms
    ]


def test_total_is_the_sum_of_terms() -> None:
    made = estimate(model_of("qwen3-30b-a3b"), Workload(context_tokens=8192), Options(), [gpu(24 * GIB), ram()])
    assert made.n_bytes() == sum(term.n_bytes for term in made.terms)
    assert made.n_bytes() == made.n_bytes(["GPU 0"]) + made.n_bytes(["RAM"])


def test_every_term_says_where_it_is_from() -> None:
    made = estimate(model_of("llama-3.1-8b"), Workload(context_tokens=8192), Options(), [gpu(24 * GIB), ram()])
    assert all(term.source for term in made.terms)
    assert {term.basis for term in made.terms if term.kind is Kind.WEIGHTS} == {Basis.EXACT}


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(MODELS),
    tokens=st.integers(1, 300_000),
    more=st.integers(0, 100_000),
    n_sequences=st.sampled_from([1, 2, 4]),
    kv_type=st.sampled_from(["f16", "q8_0", "q4_0"]),
    n_gpu_layers=st.sampled_from([None, 0, 7, 20, 99]),
    n_devices=st.integers(0, 2),
)
def test_more_context_never_takes_less_but_for_the_holes_between_buffers(
    name: str, tokens: int, more: int, n_sequences: int, kv_type: str, n_gpu_layers: int | None, n_devices: int
) -> None:
    places = [*(gpu(24 * GIB, number) for number in range(n_devices)), ram()]
    options = Options(n_gpu_layers=n_gpu_layers if n_devices < 2 else 99)

    def total(n: int) -> int:
        workload = Workload(context_tokens=n, n_sequences=n_sequences, kv_type=kv_type)
        return estimate(model_of(name), workload, options, places).n_bytes()

    assert total(tokens + more) >= 0.99 * total(tokens)  # the best fit of blocks may leave smaller holes


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(MODELS),
    free=st.integers(0, 40 * GIB),
    more=st.integers(0, 20 * GIB),
    tokens=st.integers(1, 200_000),
)
def test_more_free_memory_never_turns_a_fit_into_a_miss(name: str, free: int, more: int, tokens: int) -> None:
    def level(n_bytes: int) -> Level:
        places = [gpu(n_bytes), ram()]
        workload = Workload(context_tokens=tokens)
        made = estimate(model_of(name), workload, Options(), places)
        return judge(made, places, quick_fallback(model_of(name), workload, Options(), places)).level

    assert level(free + more) <= level(free)


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(MODELS), tokens=st.integers(1, 200_000), n_gpu_layers=st.sampled_from([None, 0, 9]))
def test_the_band_holds_the_expected_bytes(name: str, tokens: int, n_gpu_layers: int | None) -> None:
    made = estimate(
        model_of(name), Workload(context_tokens=tokens), Options(n_gpu_layers=n_gpu_layers), [gpu(20 * GIB), ram()]
    )
    assert all(0 <= term.low_bytes <= term.n_bytes <= term.high_bytes for term in made.terms)


def test_left_to_itself_it_keeps_a_gibibyte_free_by_leaving_layers_to_the_cpu() -> None:
    model, places, workload = model_of("llama-3.1-8b"), [gpu(4 * GIB), ram()], Workload(context_tokens=8192)
    made = fallback(model, workload, Options(), places)
    assert made is not None
    assert 0 < made.n_gpu_layers < made.n_layers
    buffers = sum(made.n_bytes(["GPU 0"], kind) for kind in BUFFERS)
    assert buffers <= 3 * GIB
    assert made.summary == f"{made.n_layers - made.n_gpu_layers} of 33 layers to the CPU"


def test_experts_stay_in_ram_before_whole_layers_do() -> None:
    model, places = model_of("qwen3-30b-a3b"), [gpu(12 * GIB), ram()]
    made = fallback(model, Workload(context_tokens=8192), Options(), places)
    assert made is not None
    assert made.n_gpu_layers == made.n_layers
    assert "experts of" in made.summary


def test_layers_asked_for_are_not_moved() -> None:
    model, places = model_of("llama-3.1-8b"), [gpu(4 * GIB), ram()]
    assert fallback(model, Workload(context_tokens=8192), Options(n_gpu_layers=99), places) is None


def test_two_devices_are_filled_one_by_one_where_the_default_split_does_not_fit() -> None:
    model, workload = model_of("qwen3-30b-a3b"), Workload(context_tokens=8192)
    places = [gpu(11 * GIB // 2), gpu(16 * GIB, 1), ram()]
    made = estimate(model, workload, Options(), places)
    by_free_memory = estimate(model, workload, Options(n_gpu_layers=99), places)
    assert judge(by_free_memory, places).margins[0].load_bytes > 4 * GIB
    assert made.n_gpu_layers == made.n_layers
    assert judge(made, places).level <= Level.TIGHT


def test_a_quantised_cache_without_flash_attention_is_refused_as_the_engine_does() -> None:
    with pytest.raises(Unjudgeable, match="flash attention"):
        estimate(
            model_of("llama-3.1-8b"),
            Workload(context_tokens=8192, kv_type="q8_0"),
            Options(is_flash_attention=False),
            [ram()],
        )


def test_an_unknown_cache_type_names_the_known_ones() -> None:
    with pytest.raises(Unjudgeable, match="q8_0"):
        estimate(model_of("llama-3.1-8b"), Workload(context_tokens=8192, kv_type="q3"), Options(), [ram()])


def test_without_a_host_nothing_can_be_said() -> None:
    with pytest.raises(Unjudgeable):
        estimate(model_of("llama-3.1-8b"), Workload(context_tokens=8192), Options(), [gpu(24 * GIB)])


def test_unified_memory_counts_the_mapped_embedding_once() -> None:
    model = model_of("gemma-3-12b")
    metal = Place(name="GPU 0", kind="metal", total_bytes=48 * GIB, free_bytes=48 * GIB, draws_on="RAM")
    made = estimate(model, Workload(context_tokens=8192), Options(), [metal, ram()])
    assert made.n_bytes(kind=Kind.WEIGHTS) == pytest.approx(
        estimate(model, Workload(context_tokens=8192), Options(), [ram()]).n_bytes(kind=Kind.WEIGHTS), rel=1e-4
    )


def test_unified_memory_under_cuda_holds_the_embedding_twice() -> None:
    model = model_of("gemma-3-12b")
    gb10 = Place(name="GPU 0", kind="cuda", total_bytes=120 * GIB, free_bytes=100 * GIB, draws_on="RAM")
    discrete = Place(name="GPU 0", kind="cuda", total_bytes=120 * GIB, free_bytes=100 * GIB)
    made = [
        estimate(model, Workload(context_tokens=8192), Options(), [place, ram()]).n_bytes(kind=Kind.WEIGHTS)
        for place in (gb10, discrete)
    ]
    assert made[0] == made[1]


def test_more_sequences_than_the_engine_takes_are_refused() -> None:
    with pytest.raises(Unjudgeable, match="256"):
        estimate(model_of("llama-3.1-8b"), Workload(context_tokens=8192, n_sequences=257), Options(), [ram()])


def test_without_flash_attention_values_are_as_wide_as_in_the_widest_layer() -> None:
    model = model_of("llama-3.1-8b")
    narrow = replace(model, layers=(replace(model.layers[0], value_width=512), *model.layers[1:]))
    workload = Workload(context_tokens=8192)
    caches = [
        estimate(narrow, workload, Options(is_flash_attention=on), [ram()]).n_bytes(kind=Kind.KV_CACHE)
        for on in (True, False)
    ]
    assert caches[1] - caches[0] == 512 * 8192 * 2


def test_a_context_beyond_the_models_own_is_said() -> None:
    made = estimate(model_of("llama-3.1-8b"), Workload(context_tokens=262144), Options(), [ram()])
    assert any("beyond" in doubt for doubt in made.doubts)


def test_flags_ask_for_what_was_estimated() -> None:
    model = model_of("llama-3.1-8b")
    workload, options = Workload(context_tokens=16384, n_sequences=2, kv_type="q8_0"), Options(n_ubatch_tokens=256)
    made = estimate(model, workload, options, [gpu(24 * GIB), ram()])
    assert flags(model, workload, options, made) == "-c 16384 -ngl 99 -np 2 -ctk q8_0 -ctv q8_0 -ub 256"


@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen3-30b-a3b"])
def test_what_fit_is_to_choose_is_not_counted_out_to_it(name: str) -> None:
    model, workload, options = model_of(name), Workload(context_tokens=8192), Options(fit_target_mib=(512.0,))
    made = fallback(model, workload, options, [gpu(5 * GIB), ram()])
    assert made is not None
    assert flags(model, workload, options, made) == "-c 8192 -np 1 -fitt 512"


@pytest.mark.parametrize("build", ["b5269", "b6500", "ik-2026-08"])
def test_a_build_that_leaves_no_layers_by_itself_is_told_how_many(build: str) -> None:
    model, workload, options = model_of("llama-3.1-8b"), Workload(context_tokens=8192), Options(build=build)
    made = fallback(model, workload, options, [gpu(5 * GIB), ram()])
    assert made is not None
    assert f"-ngl {made.n_gpu_layers}" in flags(model, workload, options, made)


def formulas(made: Estimate) -> dict[str, str]:
    return {term.place: term.formula for term in made.terms if term.kind is Kind.WEIGHTS}


def test_the_formula_of_weights_says_whose_experts_lie_elsewhere() -> None:
    model, workload = model_of("qwen3-30b-a3b"), Workload(context_tokens=8192)
    made = estimate(model, workload, Options(n_cpu_moe_layers=36), [gpu(24 * GIB), ram()])
    assert formulas(made) == {
        "GPU 0": "Q4_K_M, 48 of 48 blocks, 36 of them without all of their experts, and the output layer",
        "RAM": "Q4_K_M, experts of 36 other blocks and the embedding",
    }


def test_the_formula_of_weights_of_a_whole_model_is_short() -> None:
    made = estimate(model_of("llama-3.1-8b"), Workload(context_tokens=8192), Options(), [gpu(24 * GIB), ram()])
    assert formulas(made)["GPU 0"] == "Q4_K_M, 32 of 32 blocks and the output layer"


def test_a_split_that_the_engine_would_not_choose_is_among_the_flags() -> None:
    model, workload = model_of("qwen3-30b-a3b"), Workload(context_tokens=8192)
    made = estimate(model, workload, Options(), [gpu(11 * GIB // 2), gpu(16 * GIB, 1), ram()])
    assert sum(made.layers_by_device) == 49
    assert f"-ts {made.layers_by_device[0]},{made.layers_by_device[1]}" in flags(model, workload, Options(), made)


def test_on_the_cpu_no_layer_is_asked_onto_a_device() -> None:
    model, workload = model_of("llama-3.1-8b"), Workload(context_tokens=8192)
    assert "-ngl 0" in flags(model, workload, Options(), estimate(model, workload, Options(), [ram()]))


def test_a_band_is_wider_for_an_architecture_that_was_never_measured() -> None:
    model = model_of("llama-3.1-8b")
    places = [gpu(24 * GIB), ram()]

    def width(made: Estimate) -> int:
        return made.high_bytes(["GPU 0"], Kind.COMPUTE) - made.low_bytes(["GPU 0"], Kind.COMPUTE)

    known = estimate(model, Workload(context_tokens=8192), Options(), places)
    unknown = estimate(replace(model, architecture="novel"), Workload(context_tokens=8192), Options(), places)
    assert width(unknown) > 4 * width(known)


def test_options_say_their_flag_and_their_help() -> None:
    for option in llamacpp.Options.__dataclass_fields__.values():
        assert option.metadata["help"]
        assert "flag" in option.metadata


def test_what_is_no_language_model_is_refused() -> None:
    with pytest.raises(Unjudgeable, match="no language model"):
        estimate(read_model("whisper base"), Workload(context_tokens=512), Options(), [gpu(24 * GIB), ram()])


def test_a_checkpoint_of_another_format_is_judged_as_converted_and_said_to_be() -> None:
    checkpoint = replace(model_of("llama-3.1-8b"), format="safetensors", file_bytes=1)
    made = estimate(checkpoint, Workload(context_tokens=8192), Options(), [ram()])
    assert any("GGUF files only" in doubt for doubt in made.doubts)

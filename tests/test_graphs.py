"""Graphs of further architectures, against what llama.cpp reserved for them.

Each line of data/llamacpp_graphs.jsonl is a run of llama.cpp 0c1e57098 (2026-10-01) on a header-only file of a model of
the catalogue, on devices with CUDA's rules: the compute buffer of each device, the host's last.
data/other_architectures.jsonl has architectures that the catalogue lacks, each with the header that was loaded: its
metadata, the tensors that belong to no block, and those of runs of equal blocks.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from estimator.buffers import Spread, buffers
from estimator.compute import Machine, compute_bytes, simulated
from estimator.engines.llamacpp import estimate
from estimator.graph import Draft
from estimator.kernels import has_kernel_for
from estimator.kv_cache import STORED_TYPES, cache_shape
from estimator.ledger import Basis, Kind, Place, Workload
from estimator.llama_load import Load
from estimator.llama_options import Options
from estimator.metadata import describe
from estimator.model import Model, Tensor
from estimator.placement import HOST, Layout, place_layers
from estimator.readers.catalogue import read
from estimator.rounding import ROUNDINGS
from estimator.scratch import Step, device_peaks
from estimator.weights import held_weights

Case = tuple[Model, Step, Layout, Machine]
with (Path(__file__).parent / "data" / "llamacpp_graphs.jsonl").open() as lines:
    ROWS: list[dict[str, Any]] = [json.loads(line) for line in lines]


with (Path(__file__).parent / "data" / "other_architectures.jsonl").open() as lines:
    OTHERS: dict[str, dict[str, Any]] = {found["name"]: found for found in map(json.loads, lines)}
OTHER_ROWS: list[dict[str, Any]] = [
    {"model": name, "devices": 1, "kv_type": "f16", **row} for name, found in OTHERS.items() for row in found["rows"]
]


def model_named(name: str) -> Model:
    """Of the catalogue, or by its header."""
    if name not in OTHERS:
        return read(name)
    found = OTHERS[name]
    tensors = [Tensor(tensor, tuple(shape), type_name) for tensor, shape, type_name in found["loose"]]
    for first, end, suffixes in found["blocks"]:
        for layer in range(first, end):
            tensors += [
                Tensor(f"blk.{layer}.{suffix}", tuple(shape), type_name) for suffix, shape, type_name in suffixes
            ]
    return describe(found["metadata"], tensors, name=name, source="test", quant="BF16")


def name_of(row: dict[str, Any]) -> str:
    way = "flash" if row["flash"] else "plain"
    return f"{row['model']}-{row['devices']}-{way}-{row['kv_type']}"


def case(row: dict[str, Any]) -> Case:
    model = model_named(row["model"])
    workload = Workload(context_tokens=row["context_tokens"], n_sequences=row["sequences"])
    shape = cache_shape(workload, n_batch_tokens=2048, n_ubatch_tokens=512, is_unified=False)
    kv_type = STORED_TYPES[row["kv_type"]]
    step = Step(
        shape=shape,
        n_outputs=row["outputs"] or shape.n_step_tokens,
        is_flash_attention=row["flash"],
        key_type=kv_type,
        value_type=kv_type,
    )
    n_devices = row["devices"]
    n_gpu_layers = min(row["gpu_layers"], model.n_layers + 1) if n_devices else 0
    layout = Layout(
        layer_devices=place_layers(model.n_layers, n_gpu_layers, (1.0,) * n_devices),
        n_cpu_moe_layers=0,
        n_gpu_layers=n_gpu_layers,
    )
    machine = Machine(
        n_devices=n_devices, rounding=ROUNDINGS["cuda"], host_alignment_bytes=64 if n_devices else 32
    )  # fmt: skip
    return model, step, layout, machine


@pytest.mark.parametrize("row", ROWS + OTHER_ROWS, ids=name_of)
def test_buffers_are_what_the_engine_reserved(row: dict[str, Any]) -> None:
    assert compute_bytes(*case(row)) == tuple(row["compute"])


@pytest.mark.parametrize("name", OTHERS)
def test_an_architecture_with_a_builder_is_known(name: str) -> None:
    assert not model_named(name).doubts


SHORTENED = {
    "Qwen3.5 4B",
    "Granite 4.0 H Micro 3B",
    "LFM2 1.2B",
    "Gemma 3n E4B",
    "Gemma 4 E2B",
    "SmolLM3 3B",
    "Command-R7B",
}
"""One of each way in which layers differ."""


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row["model"] in SHORTENED and row["devices"] == 1 and not row["flash"]],
    ids=name_of,
)
def test_a_shortened_stack_is_as_large_as_the_whole(row: dict[str, Any]) -> None:
    found = case(row)

    assert compute_bytes(*found) == simulated(*found)


def draft() -> Draft:
    return Draft(*_nothing())


def _nothing() -> tuple[Model, dict[str, tuple[str, tuple[int, ...]]], Step, Layout]:
    model, step, layout, _ = case(ROWS[0])
    return model, {}, step, layout


def test_nodes_are_executed_as_they_are_written() -> None:
    written = draft()
    first = written.operation("first", "SCALE", (4,), written.tokens)
    second = written.operation("second", "SCALE", (4,), first)

    assert written.nodes == [first, second]


def test_nodes_that_wait_are_executed_with_what_they_need_when_expanded() -> None:
    waiting = draft()
    waiting.defer()
    late = waiting.operation("late", "SCALE", (4,), waiting.tokens)
    needed = waiting.operation("needed", "SCALE", (4,), waiting.tokens)
    asked = waiting.operation("asked", "SCALE", (4,), needed)
    waiting.expand(asked)
    waiting.expand(late)

    assert waiting.nodes == [needed, asked, late]


def test_what_is_written_to_a_cache_does_not_wait() -> None:
    waiting = draft()
    waiting.defer()
    cache = waiting.cache("cache", 0, "F32", 4)
    new = waiting.operation("new", "SCALE", (4,), waiting.tokens)
    stored = waiting.write("stored", "CPY", cache, new, cache)

    assert waiting.nodes == [new, stored]


@pytest.mark.parametrize(
    ("name", "n_bytes"),
    # llama.cpp 0c1e57098 on the CPU alone, header-only files: the "model" bytes of its host buffer.
    [("Gemma 4 E2B", 3742362720), ("Gemma 4 31B", 19827285888), ("Gemma 2 2B", 1702536192)],
)
def test_gemma_4_keeps_its_tied_embedding_twice(name: str, n_bytes: int) -> None:
    model = read(name)
    layout = Layout(layer_devices=place_layers(model.n_layers, 0, ()), n_cpu_moe_layers=0, n_gpu_layers=0)

    # Small tensors are padded to 64 bytes here, as in pinned buffers, and to 32 there.
    assert held_weights(model, layout, {HOST: "host"})[HOST].n_bytes == pytest.approx(n_bytes, rel=1e-6)


def test_an_encoder_has_no_logits_in_closed_form_either() -> None:
    model, step, _, _ = case(next(row for row in ROWS if row["model"] == "BGE base en v1.5"))

    assert device_peaks(model, step).head_bytes == 0


def test_an_encoder_s_closed_form_is_near_what_was_reserved() -> None:
    row = next(row for row in ROWS if row["model"] == "BGE base en v1.5" and row["flash"])
    model, step, _, _ = case(row)

    assert device_peaks(model, step).n_bytes == pytest.approx(row["compute"][0], rel=0.01)


def test_every_token_of_an_encoder_is_an_output() -> None:
    places = [Place(name=kind, kind=kind, total_bytes=1 << 34, free_bytes=1 << 34) for kind in ("cuda", "host")]
    load = Load(read("EmbeddingGemma 300M"), Workload(context_tokens=2048), Options(), places)

    assert load.step.n_outputs == load.shape.n_step_tokens


@pytest.mark.parametrize(
    ("name", "device_bytes", "host_bytes"),
    # llama.cpp 0c1e57098 on one device with CUDA's rules, header-only files.
    [("BGE-M3", 605265920, 545562624), ("EmbeddingGemma 300M", 605899776, 402653184)],
)
def test_only_encoders_with_a_head_keep_their_embedding_twice(name: str, device_bytes: int, host_bytes: int) -> None:
    model = read(name)
    n_layers = model.n_layers + 1
    layout = Layout(layer_devices=(0,) * n_layers, n_cpu_moe_layers=0, n_gpu_layers=n_layers)

    held = held_weights(model, layout, {0: "cuda", HOST: "host"})

    assert (held[0].n_bytes, held[HOST].n_bytes) == (device_bytes, host_bytes)


def test_layers_without_attention_keep_values_where_all_are_as_wide_as_the_widest() -> None:
    # llama.cpp 0c1e57098 without flash attention, 16 384 cells of float16: 49 layers have keys, all 80 have values.
    ram = Place(name="RAM", kind="host", total_bytes=1 << 40, free_bytes=1 << 40)
    options = Options(n_gpu_layers=0, is_flash_attention=False)
    load = Load(read("Llama 3.3 Nemotron Super 49B v1.5"), Workload(context_tokens=16384), options, [ram])

    assert sum(load.kept(layer, "cpu")[0] for layer in load.model.layers) == 4328521728


def test_a_head_that_is_the_embedding_itself_is_not_copied_to_a_device() -> None:
    # llama.cpp 0c1e57098 on one device with CUDA's rules, header-only files.
    model = read("BitNet b1.58 2B-4T")
    n_layers = model.n_layers + 1
    layout = Layout(layer_devices=(0,) * n_layers, n_cpu_moe_layers=0, n_gpu_layers=n_layers)

    held = held_weights(model, layout, {0: "cuda", HOST: "host"})

    assert (held[0].n_bytes, held[HOST].n_bytes) == (1243824640, 269337600)


def test_a_leaf_stands_among_the_inputs() -> None:
    written = draft()
    zeros = written.leaf("zeros", "F32", 64, 1024)
    written.operation("filled", "FILL", zeros.shape, zeros)

    assert written.finish().inputs[-1] is zeros


def load_of(name: str, *, is_flash_attention: bool = True, n_gpu_layers: int = 999) -> Load:
    places = [Place(name=kind, kind=kind, total_bytes=1 << 40, free_bytes=1 << 40) for kind in ("cuda", "host")]
    options = Options(n_gpu_layers=n_gpu_layers, is_flash_attention=is_flash_attention)
    return Load(model_named(name), Workload(context_tokens=8192), options, places)


def test_heads_without_a_kernel_are_attended_to_by_scores_over_values_that_are_stored_upright() -> None:
    step = load_of("StableLM 2 12B").step

    assert not step.is_flash_attention
    assert not step.transposes_values


def test_layers_on_the_host_need_no_kernel_of_a_device() -> None:
    assert load_of("StableLM 2 12B", n_gpu_layers=0).step.is_flash_attention


def test_grok_has_no_flash_attention_even_where_it_is_asked_for() -> None:
    step = load_of("grok").step

    assert not step.is_flash_attention
    assert step.transposes_values


@pytest.mark.parametrize(
    ("widths", "n_queries_per_key", "has_kernel"),
    [
        ((128, 128), 1, True),
        ((160, 160), 4, False),
        ((192, 128), 16, True),
        ((192, 192), 16, False),
        ((576, 512), 128, True),
        ((512, 512), 1, False),
    ],
)
def test_cuda_has_kernels_for_some_heads(widths: tuple[int, int], n_queries_per_key: int, *, has_kernel: bool) -> None:
    assert has_kernel_for("cuda", *widths, n_queries_per_key) is has_kernel


def test_a_model_without_a_kernel_for_its_heads_needs_what_the_engine_reserved() -> None:
    # llama.cpp 0c1e57098 with -fa auto, on one device with CUDA's rules, 8 192 tokens.
    load = load_of("StableLM 2 12B")
    step = load.step._replace(n_outputs=1)
    layout = load.default_layout(999, 0)

    assert compute_bytes(load.model, step, layout, load.machine) == (616573056, 37761088)


def test_buffers_of_a_graph_that_nobody_followed_are_assumed_and_may_be_several_times_larger() -> None:
    places = [Place(name=kind, kind=kind, total_bytes=1 << 40, free_bytes=1 << 40) for kind in ("cuda", "host")]
    novel = replace(read("Llama 3.1 8B"), architecture="novel")

    made = estimate(novel, Workload(context_tokens=8192), Options(n_gpu_layers=33), places)

    compute = [term for term in made.terms if term.kind is Kind.COMPUTE and term.place == "cuda"]
    assert compute[0].basis is Basis.ASSUMED
    assert compute[0].high_bytes > 5 * compute[0].n_bytes


def test_experts_of_a_hybrid_in_ram_are_fetched_in_the_closed_form_too() -> None:
    # Kimi K3 with 10 of its layers on a device: llama.cpp 0c1e57098 reserved 8 343.5 MiB there, for the host's.
    load = load_of("Kimi K3 2.8T", n_gpu_layers=10)
    spread = Spread(layer_devices=load.default_layout(10, 0).layer_devices, n_devices=1)

    assert buffers(load.model, load.step, spread)[0].n_bytes == pytest.approx(8343.5 * (1 << 20), rel=0.01)


def test_an_embeddings_norm_lies_with_the_first_layer() -> None:
    # BLOOM 7.1B with 30 of its layers on a device with CUDA's rules: llama.cpp 0c1e57098, header-only file.
    model = read("BLOOM 7.1B")
    layout = Layout(layer_devices=place_layers(model.n_layers, 30, (1.0,)), n_cpu_moe_layers=0, n_gpu_layers=30)

    held = held_weights(model, layout, {0: "cuda", HOST: "host"})

    assert (held[0].n_bytes, held[HOST].n_bytes) == (4526915584, 986726400)

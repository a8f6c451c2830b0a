"""The largest step of vLLM: its batches by the card, and what libraries, the sampler and graphs take."""

import pytest

from estimator.ledger import Place
from estimator.reader import read_model
from estimator.releases import release
from estimator.sharding import Split
from estimator.vllm_options import DEFAULTS, Options
from estimator.vllm_step import Step, batch, graphs_of, rules_for

GIB = 1 << 30


def card(gib: float, product: str = "") -> Place:
    n_bytes = int(gib * GIB)
    return Place(
        name="GPU 0", kind="cuda", total_bytes=n_bytes, usable_bytes=n_bytes, free_bytes=n_bytes, product=product
    )


def step(
    device: Place, name: str = "Llama 3.1 8B", version: str = "0.24.0", *, length: int = 8192, tensor: int = 1
) -> Step:
    options = Options(version=version)
    rules = rules_for(options, device)
    n_sequences, n_tokens = batch(options, rules, device, length)
    return Step(
        model=read_model(name, "BF16"),
        rules=rules,
        device=device,
        split=Split(tensor=tensor),
        length_tokens=length,
        element_bytes=2,
        n_sequences=n_sequences,
        n_tokens=n_tokens,
        is_eager=False,
    )


@pytest.mark.parametrize(
    ("gib", "product", "sequences", "tokens"),
    [
        (23.6, "NVIDIA GeForce RTX 4090", 256, 2048),
        (79.2, "NVIDIA A100-SXM4-80GB", 256, 2048),
        (79.2, "NVIDIA H100 80GB HBM3", 1024, 8192),
        (178.0, "NVIDIA B200", 1024, 16384),
        (121.6, "NVIDIA GB10", 256, 2048),
    ],
)
def test_its_batches_go_by_the_card(gib: float, product: str, sequences: int, tokens: int) -> None:
    found = batch(DEFAULTS, release("0.33"), card(gib, product=product), 131072)
    assert found == (sequences, tokens)


@pytest.mark.parametrize(("name", "gib"), [("Qwen2.5 0.5B", 0.13), ("Qwen3 0.6B", 0.08), ("Qwen2.5 7B", 0.8)])
def test_graphs_of_the_old_engine_lie_in_the_band(name: str, gib: float) -> None:
    graphs = graphs_of(release("0.7.1"), read_model(name, "BF16"))
    assert graphs.low_bytes < gib * GIB < graphs.high_bytes


def test_in_2023_what_was_summed_over_devices_stayed_until_the_end_of_the_step() -> None:
    older, newer = (step(card(79.15), version=version, tensor=2).libraries() for version in ("0.2.6", "0.3.0"))
    assert older.n_bytes - newer.n_bytes == 2 * 32 * 8192 * 4096 * 2


def test_on_a_large_card_libraries_may_take_far_more() -> None:
    assert step(card(79.25)).libraries().high_bytes > 1.79 * GIB > step(card(23.58)).libraries().high_bytes


def test_a_device_in_the_hosts_memory_counts_what_other_programs_do() -> None:
    jetson, discrete = (step(card(29.96, product), "Qwen3 4B").libraries() for product in ("Orin (nvgpu)", ""))
    assert jetson.high_bytes > 4.76 * GIB > discrete.high_bytes


def test_kernels_of_recurrent_states_take_memory_for_some_releases() -> None:
    spans = [step(card(31.4), "Qwen3.5 4B", version).libraries() for version in ("0.18.0", "0.26.1")]
    assert spans[0].high_bytes > 3.81 * GIB
    assert spans[1].high_bytes < GIB


def test_where_flashinfer_may_sample_the_peak_may_be_a_third() -> None:
    peak = step(card(44.3), "Llama 3.2 1B", "0.10.0", length=131072).activations()
    assert peak.low_bytes < 0.45 * GIB < 1.2 * GIB < peak.high_bytes


def test_before_v1_the_longest_video_was_computed_in_one_go() -> None:
    peak = step(card(79.2), "Qwen2.5-VL 7B", "0.9.0 V0", length=4096).activations()
    assert peak.low_bytes < 2.47 * GIB < 4.93 * GIB < peak.high_bytes


@pytest.mark.parametrize(("version", "gib"), [("0.7.1", 0.22), ("0.8.5 V0", 1.2)])
def test_before_0_8_a_profile_in_pieces_left_the_sampler_out(version: str, gib: float) -> None:
    peak = step(card(22.07), version=version, length=131072).activations()
    assert peak.n_bytes / GIB == pytest.approx(gib, rel=0.05)


@pytest.mark.parametrize(
    ("options", "tokens"),
    [
        (Options(is_prefill_whole=True), 8192),
        (Options(performance_mode="throughput"), 4096),
        (Options(is_prefill_whole=True, max_num_batched_tokens=512), 512),
        (Options(performance_mode="throughput", max_num_batched_tokens=512), 512),
    ],
)
def test_a_step_is_as_large_as_its_options_make_it(options: Options, tokens: int) -> None:
    assert batch(options, release("0.33"), card(23.6), 8192)[1] == tokens

"""Text Generation Inference: what it leaves free, what it refuses, and its own words for what would fit."""

from dataclasses import replace

import pytest
from commands_found import find_command
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.engines import tgi
from estimator.ledger import Estimate, Kind, Place, Workload
from estimator.model import Model
from estimator.reader import read_model
from estimator.verdict import Level, judge
from launches.command import Command
from launches.launch import read_launches
from launches.line import words_of
from probes.sampler import take_one
from probes.simulate import simulated_sources

GIB = 1 << 30
RAM = Place(name="RAM", kind="host", total_bytes=256 * GIB, free_bytes=200 * GIB)
CARD = Place(
    name="GPU 0",
    kind="cuda",
    total_bytes=24 * GIB,
    usable_bytes=int(23.5 * GIB),
    free_bytes=int(23.5 * GIB),
    product="NVIDIA GeForce RTX 4090",
)
FREE = tgi.Options(is_length_free=True)


def llama() -> Model:
    return read_model("Llama 3.1 8B", "BF16")


def made(card: Place = CARD, *, tokens: int = 8192, options: tgi.Options = tgi.DEFAULTS) -> Estimate:
    return tgi.estimate(llama(), Workload(context_tokens=tokens, kv_type="auto"), options, [card, RAM])


def test_a_tenth_of_the_device_stays_free_whatever_the_model_needs() -> None:
    in_share = sum(term.n_bytes for term in made().select(["GPU 0"]) if term.is_in_share)
    assert in_share == pytest.approx(0.9 * 23.5 * GIB, rel=0.001)


def test_a_smaller_fraction_leaves_more_free() -> None:
    half = made(options=tgi.Options(cuda_memory_fraction=0.8))
    in_share = sum(term.n_bytes for term in half.select(["GPU 0"]) if term.is_in_share)
    assert in_share == pytest.approx(0.72 * 23.5 * GIB, rel=0.001)


def test_what_others_hold_makes_the_cache_smaller_and_is_no_reason_to_refuse() -> None:
    busy = replace(CARD, free_bytes=CARD.free_bytes - 3 * GIB)
    caches = [made(card).n_bytes(["GPU 0"], Kind.KV_CACHE) for card in (CARD, busy)]
    assert caches[0] - caches[1] == pytest.approx(3 * GIB, rel=0.001)
    assert judge(made(busy), [busy, RAM]).level is Level.FITS


def test_a_length_that_its_cache_does_not_hold_is_refused_with_one_that_it_does() -> None:
    refusal = made(tokens=131072).refusal
    assert "one sequence of 131072 tokens needs 16.00 GiB" in refusal
    longest = int(refusal.split("--max-total-tokens ")[1].split()[0])
    again = made(tokens=longest)
    assert (again.refusal, again.risk) == ("", "")


def test_a_length_that_nobody_asks_for_is_what_there_is_room_for() -> None:
    workload = Workload(context_tokens=131072, kv_type="auto")
    tokens = tgi.free_context(llama(), workload, tgi.DEFAULTS, [CARD, RAM])
    assert 16384 < tokens < 131072
    free = made(tokens=131072, options=FREE)
    assert (free.refusal, free.risk) == ("", "")


def test_a_model_beyond_the_share_is_refused_by_the_words_of_its_warm_up() -> None:
    small = replace(CARD, total_bytes=16 * GIB, usable_bytes=int(15.6 * GIB), free_bytes=int(15.6 * GIB))
    assert "no memory is left for the cache" in made(small).refusal
    assert "--max-batch-prefill-tokens" in made(small).refusal


def test_a_fraction_that_is_too_small_is_relieved_by_the_whole_device() -> None:
    small = tgi.Options(cuda_memory_fraction=0.7)
    found = tgi.relieved(llama(), Workload(context_tokens=8192, kv_type="auto"), small, [CARD, RAM])
    assert found == tgi.DEFAULTS


@pytest.mark.parametrize(
    ("product", "least", "most"),
    [("NVIDIA GeForce RTX 4090", 4096, 4096), ("NVIDIA A100-SXM4-80GB", 15000, 22000), ("NVIDIA L4", 6000, 9000)],
)
def test_its_largest_prompt_goes_by_the_speed_of_the_cards_that_it_knows(product: str, least: int, most: int) -> None:
    load = tgi._Load(llama(), Workload(context_tokens=8192), tgi.DEFAULTS, [replace(CARD, product=product), RAM])
    assert least <= load.n_tokens <= most


@given(
    options=st.builds(
        tgi.Options,
        cuda_memory_fraction=st.integers(1, 100).map(lambda percent: percent / 100),
        num_shard=st.integers(1, 8),
        max_batch_prefill_tokens=st.none() | st.integers(1, 1 << 20),
        is_graph_disabled=st.booleans(),
        dtype=st.sampled_from(("auto", "float16", "bfloat16")),
    ),
    kv_type=st.sampled_from(tgi.KV_TYPES),
    context=st.integers(2, 1 << 20),
)
@settings(max_examples=30, deadline=None)
def test_its_own_line_is_read_as_the_plan(options: tgi.Options, kv_type: str, context: int) -> None:
    flags = tgi.flags(llama(), Workload(context_tokens=context, kv_type=kv_type), options, made())
    (launch,) = read_launches(Command(arguments=tuple(words_of(tgi.command(llama(), flags)))))
    assert (launch.options, launch.context_tokens, launch.kv_type or "auto") == (options, context, kv_type)
    assert (launch.unknown, launch.refusal) == ((), "")


@pytest.mark.parametrize(
    "line",
    [
        "text-generation-launcher --model-id meta-llama/Llama-3.1-8B-Instruct --max-total-tokens 131072",
        "docker run --gpus all ghcr.io/huggingface/text-generation-inference:3.3.5 "
        "--model-id meta-llama/Llama-3.1-8B-Instruct --max-total-tokens 131072 --max-input-length 131000",
    ],
)
def test_what_would_fit_is_said_in_its_own_words(line: str) -> None:
    machine = take_one(simulated_sources("RTX 4090, RAM 64GiB"), 5.0)
    finding = find_command(Command(arguments=tuple(line.split())), machine)
    assert finding.assessment is not None
    assert finding.assessment.verdict.level is Level.FAILS
    printed = [rewrite for rewrite in finding.rewrites if "--max-total-tokens" in rewrite]
    assert printed
    assert "vLLM" not in finding.assessment.verdict.reason
    for rewrite in printed:
        again = find_command(Command(arguments=tuple(words_of(rewrite))), machine)
        assert again.exit_status == 0

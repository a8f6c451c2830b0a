"""A plan of Ollama's counts as free what Ollama itself would end to make room, and nothing else."""

import time
from dataclasses import replace

import pytest
from scenes import device, model, pool, snapshot

from estimator.engine import load_engine
from estimator.verdict import Level
from probes.snapshot import Process
from tui.places import places_of
from tui.plan import assess, default_plan, judged_again
from tui.recognised import Recognised
from tui.screens.desk import Desk
from tui.screens.study import study

GIB = 1 << 30
RUNNER = Recognised(
    pid=7,
    started_ticks=1,
    pids=frozenset({7, 8}),
    program="ollama runner",
    engine_name="ollama",
    model_name="Qwen3 14B",
    held={"GPU 0": 15 * GIB},
)


def card(*, n_cards=1, holder=8):
    """A card of 24 GiB, of which a process holds 15; further ones are empty."""
    gpus = [
        (device(n, "NVIDIA GeForce RTX 4090"), pool(f"gpu-{n}", 24, 15.3 if n == 0 else 0.3)) for n in range(n_cards)
    ]
    held = Process(pid=holder, device_key="gpu-0", used_bytes=15 * GIB, name="ollama")
    return snapshot(gpus, processes=(held,))


def in_engine(name="ollama", wanted="Qwen3 14B"):
    plan = default_plan(model(wanted))
    return replace(plan, engine_name=name, options=load_engine(name).Options())


def desk(plan, engines, taken=None):
    made = Desk(plan, to_local=time.gmtime)
    made.take(taken or card())
    made.see(tuple(engines))
    return made


def shown(plan, engines, taken=None):
    return desk(plan, engines, taken).view().assessment


def test_what_ollama_runs_is_ended_for_its_next_model():
    alone, beside = shown(in_engine(), []), shown(in_engine(), [RUNNER])
    assert (alone.verdict.level, beside.verdict.level) == (Level.SPILLS, Level.FITS)
    assert beside.verdict.reason == (
        "Ollama would end Qwen3 14B in ollama runner to make room, once it is idle: 15.0 GiB count as free"
    )


@pytest.mark.parametrize(
    ("plan", "engine"),
    [
        (in_engine(), replace(RUNNER, program="llama-server", engine_name="llamacpp")),
        (in_engine("llamacpp"), RUNNER),
        (in_engine(), replace(RUNNER, pids=frozenset({9}), pid=9)),
    ],
    ids=["another engine", "another engine's plan", "what it does not hold"],
)
def test_nobody_else_is_ended(plan, engine):
    assert "would end" not in shown(plan, [engine]).verdict.reason


def test_nothing_is_ended_where_there_is_room_beside_it():
    small = shown(in_engine(wanted="Qwen3 4B"), [RUNNER])
    assert (small.verdict.level, small.verdict.reason) == (Level.FITS, "")


def test_another_card_with_room_is_taken_first():
    made = shown(in_engine(), [RUNNER], card(n_cards=2))
    assert (made.device_names, made.ended_first) == (("GPU 1",), "")


def test_what_has_no_room_in_its_place_either_spills_and_says_both():
    made = shown(in_engine(wanted="Qwen3 32B").with_context(32768), [RUNNER])
    assert made.verdict.level is Level.SPILLS
    assert made.verdict.reason.startswith("Ollama would end Qwen3 14B in ollama runner")
    assert "Ollama would" in made.verdict.reason.partition("; ")[2]


def test_it_is_counted_as_soon_as_it_is_recognised():
    made = desk(in_engine(), [])
    assert made.view().assessment.verdict.level is Level.SPILLS
    made.see((RUNNER,))
    assert made.view().assessment.verdict.level is Level.FITS


def test_what_was_found_aside_says_the_same_and_so_it_stays_from_reading_to_reading():
    plan, taken = in_engine(), card()
    found = study(plan, plan.model, places_of(taken), taken, lambda: True, (RUNNER,))
    made = desk(plan, [RUNNER], taken)
    made.accept(found)
    made.take(card())
    assert found.level is Level.FITS
    assert made.view().assessment.ended_first == found.exact.ended_first != ""


def test_a_verdict_judged_again_still_says_who_is_ended():
    plan, places = in_engine(), places_of(card())
    made = replace(assess(plan, places), ended_first="Ollama would end it")
    assert judged_again(made, places).verdict.reason.startswith("Ollama would end it; ")

"""What is said of a plan while the memory moves, and of one that only the whole estimate refuses."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from scenes import desktop, device, model, pool, snapshot

from estimator.engine import load_engine
from estimator.verdict import Level
from probes.snapshot import Snapshot
from tui.advice import Advice
from tui.places import places_of
from tui.plan import Plan, assess, assess_at_once, default_plan
from tui.screens.desk import Desk
from tui.screens.study import Study, study


def two_small_cards(ram_free: float) -> Snapshot:
    gpus = [(device(n, "NVIDIA GeForce RTX 4060"), pool(f"gpu-{n}", 8, 0.3)) for n in range(2)]
    return snapshot(gpus, ram=(64, 64 - ram_free))


def large_mixture() -> Plan:
    """Whose experts Ollama keeps in RAM, fewer of them than closed forms count."""
    plan = replace(default_plan(model("gpt-oss 120B")), engine_name="ollama", options=load_engine("ollama").Options())
    return plan.with_context(32768)


def level_after(moved_to: float) -> Level:
    """Of what was found exactly with 52 GiB of RAM free, once so many are."""
    plan, first = large_mixture(), two_small_cards(52)
    desk = Desk(plan, to_local=time.gmtime)
    desk.take(first)
    places = places_of(first)
    desk.refine(assess(plan, places), places)
    assert desk.view().assessment is not None
    desk.take(two_small_cards(moved_to))
    found = desk.view().assessment
    assert found is not None
    return found.verdict.level


def studied(
    plan: Plan, taken: Snapshot, change: Callable[[Study], Study] = lambda made: made, clock: float = 0.0
) -> Desk:
    desk = Desk(plan, to_local=time.gmtime, clock=lambda: clock)
    desk.take(taken)
    assert desk.study_due(0.0) is not None
    places = places_of(taken)
    exact = assess(plan, places)
    made = Study(
        plan=plan,
        places=places,
        exact=exact,
        level=exact.verdict.level,
        advice=Advice(longest_context_tokens=None, best_quant=None, changes=()),
        cells=(),
        seconds=0.1,
    )
    desk.accept(change(made))
    return desk


@pytest.mark.parametrize("ram_gib", [51.5, 52, 54, 60])
def test_closed_forms_do_not_fail_what_an_engine_only_spills(ram_gib: float) -> None:
    places = places_of(two_small_cards(ram_gib))

    assert assess_at_once(large_mixture(), places).verdict.level is Level.SPILLS
    assert assess(large_mixture(), places).verdict.level is Level.SPILLS


def test_a_way_out_that_about_fills_ram_is_said_not_to_be_known_yet_and_not_to_fail() -> None:
    places = places_of(two_small_cards(50))
    verdict = assess_at_once(large_mixture(), places).verdict

    assert (verdict.level, assess(large_mixture(), places).verdict.level) == (Level.SPILLS, Level.SPILLS)
    assert "whether all of it has room there is not known yet" in verdict.reason


def test_a_way_out_that_surely_has_no_room_fails_at_once() -> None:
    assert assess_at_once(large_mixture(), places_of(two_small_cards(45))).verdict.level is Level.FAILS


def test_what_spills_does_not_fail_because_memory_has_moved_a_little() -> None:
    assert level_after(51.5) is Level.SPILLS


def test_what_has_no_room_any_more_fails_once_memory_has_moved() -> None:
    assert level_after(40) is Level.FAILS


def test_a_verdict_that_moved_away_from_what_was_studied_is_due_soon() -> None:
    desk = studied(large_mixture(), two_small_cards(52))
    desk.take(two_small_cards(40))
    desk.view()

    assert desk.study_due(0.4) is None
    assert desk.study_due(0.6) is not None


def test_a_plan_that_the_whole_estimate_refuses_is_not_judged_by_closed_forms() -> None:
    taken = desktop()
    desk = studied(
        default_plan(model("Qwen3 30B-A3B")), taken, lambda made: replace(made, exact=None, reason="it has no shape")
    )
    view = desk.view()

    assert (view.assessment, view.reason) == (None, "it has no shape")


def test_a_study_hands_on_why_a_plan_cannot_be_judged() -> None:
    taken = desktop()
    plan = replace(default_plan(model("Llama 3.1 8B")), devices=("gpu-9",))
    made = study(plan, plan.model, places_of(taken), taken, lambda: True)

    assert made is not None
    assert made.exact is None
    assert "gpu-9 is not there" in made.reason


def test_a_study_is_of_the_level_that_was_found_exactly() -> None:
    taken = two_small_cards(52)
    plan = large_mixture()
    made = study(plan, plan.model, places_of(taken), taken, lambda: True)

    assert made is not None
    assert made.level is Level.SPILLS

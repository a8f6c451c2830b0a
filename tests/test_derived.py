"""What is worked out from a model is remembered as long as the model is there, and no longer."""

import gc

import pytest
from scenes import model, workstation

from estimator.compute import skeleton
from estimator.derived import of_model, of_model_by
from estimator.engine import ENGINES, load_engine
from estimator.errors import EstimatorError
from estimator.ledger import Workload
from estimator.mixture import requantised
from estimator.model import Model
from estimator.readers.catalogue import read
from tui.places import places_of
from tui.plan import Plan, assess


class Counted:
    """Work that counts how often it is done."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, asked: Model, *more: object) -> object:
        self.n += 1
        return asked if "itself" in more else (asked.name, *more)


def n_models() -> int:
    return sum(isinstance(found, Model) for found in gc.get_objects())


def test_work_is_done_once_for_a_model() -> None:
    work = Counted()
    asked, other = of_model(work), requantised(model(), "Q8_0")

    assert asked(other) == asked(other) == (other.name,)
    assert work.n == 1
    assert other.derived


def test_another_model_is_another_matter() -> None:
    work = Counted()
    asked, one = of_model(work), requantised(model(), "Q8_0")
    asked(one)
    asked(requantised(one, "Q4_0"))

    assert work.n == 2


def test_further_arguments_are_told_apart_by_place_and_by_name() -> None:
    work = Counted()
    asked, one = of_model_by(8)(work), requantised(model(), "Q8_0")

    assert [asked(one, 1), asked(one, 2), asked(one, 1)] == [(one.name, 1), (one.name, 2), (one.name, 1)]
    assert work.n == 2


def test_no_more_is_remembered_of_a_model_than_is_said() -> None:
    work = Counted()
    asked, one = of_model_by(8)(work), requantised(model(), "Q8_0")
    for number in range(100):
        asked(one, number)

    assert len(one.derived[work]) <= 8


def test_a_model_that_comes_of_itself_is_not_held_by_itself() -> None:
    one = requantised(model(), "Q8_0")
    asked = of_model_by(8)(Counted())

    assert asked(one, "itself") is asked(one, "itself") is one
    assert one not in gc.get_referents(*one.derived.values())


def test_quants_of_a_model_share_what_was_simulated() -> None:
    one = requantised(model(), "Q8_0")

    assert skeleton(one) is skeleton(requantised(one, "Q4_K_M"))
    assert skeleton(one) is not skeleton(read("Qwen3 8B"))


@pytest.mark.parametrize("name", ENGINES)
def test_models_that_were_judged_go_at_once(name: str) -> None:
    """Else a list that judges hundreds, now and then, would hold more and more of them."""
    engine = load_engine(name)
    places = places_of(workstation())
    gc.collect()
    gc.disable()
    before = n_models()
    try:
        for source in ("Qwen3 30B-A3B", "DeepSeek V2 Lite"):
            plan = Plan(
                model=read(source),
                workload=Workload(context_tokens=4096, kv_type=engine.KV_TYPES[0]),
                options=engine.Options(),
                engine_name=name,
            )
            for is_quick in (True, False):
                try:
                    assess(plan, places, is_quick=is_quick)
                except EstimatorError:
                    continue
            del plan
        assert n_models() == before
    finally:
        gc.enable()

"""Who waits while a key is answered, and for how long."""

import asyncio
import selectors
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from scenes import model, workstation

from estimator.patience import NotRememberedError, only_remembered, pause, pausing, rest
from estimator.reader import read_model
from estimator.survey import survey
from tui.courtesy import MOST_SECONDS as MOST_WAITED_SECONDS
from tui.courtesy import Courtesy
from tui.hasty_loop import MOST_SECONDS, HastySelector, hasty_loop
from tui.places import places_of
from tui.plan import Plan, assess, assess_at_once, default_plan


class Scene:
    """A courtesy whose time goes by only where it sleeps."""

    def __init__(self) -> None:
        self.now_seconds = 0.0
        self.slept: list[float] = []
        self.courtesy = Courtesy(0.05, clock=lambda: self.now_seconds, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_seconds += seconds


def unheard_of(context_tokens: int) -> Plan:
    """A plan that no other test has simulated: what was, is remembered."""
    return default_plan(model("Llama 3.1 8B")).with_context(context_tokens)


def test_nobody_waits_where_no_key_was_pressed() -> None:
    scene = Scene()

    scene.courtesy.wait()

    assert scene.slept == []


def test_what_is_computed_waits_until_a_key_has_been_answered() -> None:
    scene = Scene()
    scene.courtesy.note_key()
    scene.now_seconds = 0.02

    scene.courtesy.wait()
    scene.courtesy.wait()

    assert scene.slept == [pytest.approx(0.03)]


def test_an_answer_that_takes_longer_is_waited_for_as_well() -> None:
    scene = Scene()
    scene.courtesy.note_key()
    scene.courtesy.is_working = True

    scene.courtesy.wait()

    assert scene.now_seconds == pytest.approx(MOST_WAITED_SECONDS, abs=0.01)


def test_who_draws_something_else_is_not_waited_for() -> None:
    scene = Scene()
    scene.courtesy.is_working = True

    scene.courtesy.wait()

    assert scene.slept == []


def test_a_loop_says_whether_it_has_something_to_do() -> None:
    courtesy = Courtesy()
    loop = hasty_loop(courtesy)
    seen: list[bool] = []

    def look(answered: asyncio.Future[None]) -> None:
        until_seconds = time.monotonic() + 5
        while courtesy.is_working and time.monotonic() < until_seconds:
            pass
        seen.append(courtesy.is_working)
        loop.call_soon_threadsafe(answered.set_result, None)

    async def rest() -> None:
        await asyncio.sleep(0.001)
        seen.append(courtesy.is_working)
        answered = loop.create_future()
        loop.run_in_executor(None, look, answered)
        await answered
        seen.append(courtesy.is_working)

    try:
        loop.run_until_complete(rest())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    assert seen == [True, False, True]


def test_work_aside_waits_at_its_start_and_between_the_steps_of_a_simulation() -> None:
    scene = Scene()
    scene.courtesy.note_key()

    def work() -> str:
        scene.courtesy.note_key()
        pause()
        return "done"

    assert scene.courtesy.considerate(work)() == "done"
    assert scene.slept == [pytest.approx(0.05), pytest.approx(0.05)]


def test_a_simulation_pauses_while_it_builds_schedules_and_places() -> None:
    paused: list[None] = []
    with pausing(lambda: paused.append(None)):
        assess(unheard_of(9001), places_of(workstation()))

    assert len(paused) >= 5  # once, before each of the two other parts, and for layers and nodes in them


def test_who_judges_all_models_at_once_pauses_before_each() -> None:
    paused: list[None] = []
    with pausing(lambda: paused.append(None)):
        found = survey(places_of(workstation()), 8192)

    assert len(paused) >= len(found) > 100


def test_a_model_by_name_is_read_in_steps() -> None:
    paused: list[None] = []
    with pausing(lambda: paused.append(None)):
        read = read_model("Llama 3.1 8B")

    assert len(paused) >= read.n_layers


def test_what_is_no_simulation_is_done_where_only_what_is_remembered_counts() -> None:
    with only_remembered():
        rest()


def test_nothing_is_simulated_where_only_what_is_remembered_counts() -> None:
    with pytest.raises(NotRememberedError), only_remembered():
        pause()


def test_a_plan_is_judged_at_once_without_a_simulation() -> None:
    plan, places = unheard_of(9003), places_of(workstation())

    with only_remembered():  # to simulate would be an error
        rough = assess_at_once(plan, places)
    exact = assess(plan, places)
    names = exact.device_names

    assert rough.estimate.low_bytes(names) <= exact.estimate.n_bytes(names) <= rough.estimate.high_bytes(names)


def test_what_was_simulated_is_said_at_once_as_it_was_found() -> None:
    plan, places = unheard_of(9005), places_of(workstation())
    exact = assess(plan, places)

    assert assess_at_once(plan, places).estimate.n_bytes() == exact.estimate.n_bytes()


class Looks(HastySelector):
    """Counts how often the system is asked."""

    n = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        before = self._looked_seconds
        found = super().select(timeout)
        self.n += self._looked_seconds != before or timeout is None or timeout > 0
        return found


def test_between_two_steps_the_system_is_not_asked_what_came() -> None:
    looks = Looks()

    async def steps() -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    loop = asyncio.SelectorEventLoop(looks)
    try:
        loop.run_until_complete(steps())
    finally:
        loop.close()

    assert looks.n < 25  # asyncio asks 50 times; 5 ms for 50 steps on a slow machine allow for some


def test_what_comes_on_a_thread_is_heard_while_there_is_nothing_to_do() -> None:
    loop = hasty_loop()
    try:
        heard = loop.create_future()
        loop.run_in_executor(None, lambda: loop.call_soon_threadsafe(heard.set_result, "key"))

        assert loop.run_until_complete(asyncio.wait_for(heard, 5)) == "key"
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def test_a_file_is_looked_for_now_and_then_however_much_there_is_to_do() -> None:
    selector = HastySelector()
    try:
        assert isinstance(selector, selectors.BaseSelector)
        assert selector.select(0) == []
        first = selector._looked_seconds
        while selector._looked_seconds == first:
            selector.select(0)

        assert selector._looked_seconds - first >= MOST_SECONDS
    finally:
        selector.close()


@pytest.fixture
def ready() -> Iterator[HastySelector]:
    """One with a file that can always be read."""
    selector = HastySelector()
    near, far = socket.socketpair()
    with near, far:
        far.send(b"x")
        selector.register(near, selectors.EVENT_READ)
        yield selector
        selector.close()


def test_the_system_is_not_asked_again_right_after_it_was(ready: HastySelector) -> None:
    assert [] in [ready.select(0) for _ in range(1000)]  # it would say each time what can be read


def test_what_can_be_read_is_found_though_nobody_waits(ready: HastySelector) -> None:
    until_seconds = time.monotonic() + 5
    while not (found := ready.select(0)) and time.monotonic() < until_seconds:
        pass

    assert found


@pytest.mark.parametrize("timeout", [None, 5])
def test_who_waits_is_told_at_once_what_can_be_read(ready: HastySelector, timeout: float | None) -> None:
    ready.select(0)

    assert ready.select(timeout)

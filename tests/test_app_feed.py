import threading
import time
from dataclasses import replace
from threading import Event

import pytest
from scenes import desktop, laptop, model

from estimator.errors import EstimatorError, UnreadableModel
from probes.snapshot import HOST_POOL, Fault, Snapshot
from tui.app import PlimsollApp
from tui.aside import Aside
from tui.courtesy import Courtesy
from tui.feed import SnapshotFeed
from tui.plan import default_plan
from tui.screens.desk import Desk


def test_the_feed_waits_for_a_snapshot_that_is_complete() -> None:
    feed = SnapshotFeed()
    whole = desktop()
    feed(Snapshot(taken_seconds=0.0, pending=("nvidia",)))
    assert feed.wait(0.0) is not whole

    feed(whole)

    assert feed.wait(0.0) is whole


def test_who_listens_late_is_told_the_newest() -> None:
    feed = SnapshotFeed()
    heard: list[Snapshot] = []
    first, second = desktop(), laptop()
    feed(first)

    feed.listen(heard.append)
    feed(second)
    feed.close()
    feed(first)

    assert heard == [first, second]


def test_an_error_aside_is_a_result() -> None:
    def fail() -> None:
        raise UnreadableModel("it is no model")

    done = Event()
    found: list[object] = []
    Aside(fail).then(lambda result: (found.append(result), done.set()))

    assert done.wait(5)
    assert isinstance(found[0], EstimatorError)


def test_a_defect_aside_is_a_result_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    done = Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: done.set())  # it is reported as well, last of all
    found: list[object] = []
    Aside(fail).then(found.append)

    assert done.wait(5)
    assert isinstance(found[0], EstimatorError)


def test_a_verdict_rests_by_the_clock_that_it_is_given() -> None:
    seconds = [0.0]
    desk = Desk(default_plan(model()), to_local=time.gmtime, clock=lambda: seconds[0])
    desk.interval_seconds = -1000.0  # so long after a verdict the next one is due
    desk.take(desktop(1.2))
    first = desk.view().assessment
    desk.take(desktop(14))
    assert desk.view().assessment is first

    seconds[0] = 100_000.0

    assert desk.view().assessment is not first


def lost_gpu() -> Snapshot:
    taken = desktop()
    return replace(taken, pools=tuple(pool for pool in taken.pools if pool.key == HOST_POOL))


@pytest.mark.parametrize(
    "taken",
    [
        lost_gpu(),
        replace(laptop(), pending=("nvidia",)),
        replace(laptop(), faults=(Fault(probe="nvidia", message="no permission"),)),
    ],
)
def test_a_gpu_without_figures_is_no_machine_without_one(taken: Snapshot) -> None:
    desk = Desk(default_plan(model()), to_local=time.gmtime)
    desk.take(taken)

    assert desk.view().assessment is None
    assert "no GPU's memory is known now" in desk.view().reason
    assert desk.study_due(0.0) is None

    desk.choose(replace(default_plan(model()), devices=()))
    assert desk.view().assessment is not None


def test_no_gpu_is_judged_in_ram() -> None:
    desk = Desk(default_plan(model()), to_local=time.gmtime)
    desk.take(laptop())

    assert desk.view().assessment is not None


def test_advice_of_another_level_is_not_shown_and_is_made_anew() -> None:
    desk = Desk(default_plan(model()), to_local=time.gmtime)
    desk.take(desktop(1.2))
    desk.view()
    work = desk.study_due(0.0)
    assert work is not None
    desk.accept(work())
    assert desk.view().advice is not None
    assert desk.study_due(1.0) is None

    desk.take(desktop(14))

    assert desk.view().advice is None
    assert desk.study_due(100.0) is not None


def test_a_hidden_device_is_judged_only_once_it_is_chosen() -> None:
    taken = desktop()
    hidden = replace(taken, devices=tuple(replace(one, hidden_by="CUDA_VISIBLE_DEVICES") for one in taken.devices))
    desk = Desk(default_plan(model()), to_local=time.gmtime)
    desk.take(hidden)
    assessment = desk.view().assessment
    assert assessment is not None
    assert assessment.device_names == ()

    desk.choose(replace(default_plan(model()), devices=("GPU 0",)))

    assessment = desk.view().assessment
    assert assessment is not None
    assert assessment.device_names == ("GPU 0",)


def app_with(feed: SnapshotFeed) -> PlimsollApp:
    return PlimsollApp(snapshot=desktop(1.0), feed=feed, to_local=time.gmtime, courtesy=Courtesy(answer_seconds=0.0))


def told_elsewhere(feed: SnapshotFeed, *taken: Snapshot) -> None:
    """As a sampler does, on a thread of its own."""
    thread = threading.Thread(target=lambda: [feed(one) for one in taken])
    thread.start()
    thread.join()


async def test_a_reading_that_another_thread_tells_is_on_the_screen() -> None:
    feed = SnapshotFeed()
    app = app_with(feed)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        told_elsewhere(feed, desktop(7.0, at=1.0))
        await pilot.pause()
        shown = "\n".join(strip.text for strip in app.screen._compositor.render_strips(app.screen.size))

    assert "7.0 used" in shown


async def test_of_readings_that_wait_only_the_newest_is_taken() -> None:
    feed = SnapshotFeed()
    app = app_with(feed)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        n_before = len(list(app._desk.history.moments()))
        newest = desktop(4.0, at=3.0)
        told_elsewhere(feed, desktop(2.0, at=1.0), desktop(3.0, at=2.0), newest)
        await pilot.pause()

        assert len(list(app._desk.history.moments())) == n_before + 1
        assert app._desk.snapshot is newest


async def test_a_reading_that_cannot_be_taken_ends_the_app_as_any_defect_does() -> None:
    feed = SnapshotFeed()
    app = app_with(feed)
    with pytest.raises(AttributeError):  # noqa: PT012  # where the test's app ends, it raises
        async with app.run_test(size=(120, 36)) as pilot:
            await pilot.pause()
            told_elsewhere(feed, "no snapshot")  # type: ignore[arg-type]
            await pilot.pause()


async def test_a_reading_that_comes_while_the_app_is_left_is_none_of_its_business() -> None:
    feed = SnapshotFeed()
    app = app_with(feed)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        app.exit()
        told_elsewhere(feed, "no snapshot")  # type: ignore[arg-type]
    assert app.return_code == 0

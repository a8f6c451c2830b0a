import time
from threading import Event

from scenes import desktop, laptop, model

from estimator.errors import EstimatorError, UnreadableModel
from probes.snapshot import Snapshot
from tui.aside import Aside
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

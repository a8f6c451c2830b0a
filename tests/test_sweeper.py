"""When what stays is put aside, so that looking for garbage takes no time."""

import gc
import sys

from textual.geometry import Region

from tui.sweeper import AGAIN_SECONDS, MOST_ASIDE, MOST_KEPT, ROUNDS, Sweeper, n_kept


class Collector:
    """Notes what it is told to do."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.n_rounds = self.n_kept = self.n_aside = 0

    def get_objects(self, generation: int | None = None) -> range:  # as the module has it
        return range(self.n_kept)

    def get_count(self) -> tuple[int, int, int]:
        return 0, 0, self.n_rounds

    def collect(self) -> int:
        self.told.append("collect")
        return 0

    def freeze(self) -> None:
        self.told.append("freeze")
        self.n_aside, self.n_kept = self.n_aside + self.n_kept, 0

    def unfreeze(self) -> None:
        self.told.append("unfreeze")
        self.n_aside, self.n_kept = 0, self.n_aside + self.n_kept

    def get_freeze_count(self) -> int:
        return self.n_aside


class Scene:
    """A sweeper after the first picture, and modules that may become more."""

    def __init__(self) -> None:
        self.modules = ["textual"]
        self.collector = Collector()
        self.sweeper = Sweeper(self.collector, self.modules, lambda: self.collector.told.append("forget"))
        self.sweeper.begin(0.0)
        self.collector.told.clear()

    def reading(self, seconds: float, *, is_calm: bool = True) -> list[str]:
        """What was done at a reading."""
        self.collector.told.clear()
        self.sweeper.sweep(lambda: is_calm, seconds)
        return list(self.collector.told)


def test_what_the_first_picture_is_made_of_is_not_even_looked_through() -> None:
    collector = Collector()
    Sweeper(collector, []).begin(0.0)

    assert collector.told == ["freeze"]


def test_nothing_is_done_while_nothing_was_imported() -> None:
    scene = Scene()

    assert [scene.reading(second) for second in (1.0, 2.0, 3.0)] == [[], [], []]


def test_what_was_imported_is_put_aside_once_it_stands() -> None:
    scene = Scene()
    scene.modules.append("estimator")
    assert scene.reading(1.0) == []
    scene.modules.append("launches")
    assert scene.reading(2.0) == []
    assert scene.reading(3.0) == ["collect", "freeze"]
    assert scene.reading(4.0) == []


def test_a_screen_that_is_open_is_never_put_aside() -> None:
    scene = Scene()
    scene.modules.append("tui.screens.picker")

    assert [scene.reading(second, is_calm=False) for second in (1.0, 2.0, 3.0)] == [[], [], []]
    assert scene.reading(4.0) == ["collect", "freeze"]


def test_nothing_is_put_aside_while_a_screen_is_still_being_left() -> None:
    scene = Scene()
    scene.modules.append("tui.screens.picker")
    scene.reading(1.0)
    answers = iter((True, False))
    scene.collector.told.clear()
    scene.sweeper.sweep(lambda: next(answers), 2.0)

    assert scene.collector.told == ["collect"]
    assert scene.reading(2.1) == []
    assert scene.reading(3.0) == ["collect", "freeze"]


def test_what_was_put_aside_is_looked_through_again_each_hour() -> None:
    scene = Scene()

    assert scene.reading(AGAIN_SECONDS + 1) == ["forget", "unfreeze", "collect", "freeze"]
    assert scene.reading(AGAIN_SECONDS + 2) == []


def test_nothing_is_done_before_the_first_picture() -> None:
    collector = Collector()
    Sweeper(collector, []).sweep(lambda: True, 9e9)

    assert collector.told == []


def test_what_was_left_is_looked_through_after_some_rounds_while_nobody_waits() -> None:
    scene = Scene()
    scene.collector.n_rounds = ROUNDS - 1
    assert scene.reading(1.0, is_calm=False) == []
    scene.collector.n_rounds = ROUNDS

    assert scene.reading(2.0, is_calm=False) == ["collect"]


def test_many_objects_that_stay_are_put_aside_in_a_calm_moment_alone() -> None:
    scene = Scene()
    scene.collector.n_kept = MOST_KEPT + 1
    scene.sweeper.clear(lambda: False)
    assert scene.collector.told == ["collect"]
    scene.sweeper.clear(lambda: True)

    assert scene.collector.told == ["collect", "collect", "freeze"]


def test_few_that_stay_are_looked_through_each_time() -> None:
    scene = Scene()
    scene.collector.n_kept = MOST_KEPT
    scene.sweeper.clear(lambda: True)

    assert scene.collector.told == ["collect"]


def left_again_and_again(scene: Scene, n_times: int) -> list[str]:
    """What was done while so many times more objects stayed than are looked through each time."""
    scene.collector.told.clear()
    for _ in range(n_times):
        scene.collector.n_kept += MOST_KEPT + 1
        scene.sweeper.clear(lambda: True)
    return list(scene.collector.told)


def test_no_more_is_put_aside_than_may_lie_there_as_garbage() -> None:
    scene = Scene()
    left_again_and_again(scene, 20)

    assert MOST_KEPT < scene.collector.n_aside <= MOST_ASIDE


def test_all_is_looked_through_in_a_calm_moment_once_no_more_is_put_aside() -> None:
    scene = Scene()
    left_again_and_again(scene, 20)

    assert scene.reading(2.0, is_calm=False) == []
    assert scene.reading(3.0) == ["forget", "unfreeze", "collect", "freeze"]
    assert scene.reading(4.0) == []
    assert left_again_and_again(scene, 1) == ["collect", "freeze"]


def test_what_was_imported_takes_no_room_from_what_else_is_put_aside() -> None:
    scene = Scene()
    scene.modules.append("estimator")
    scene.collector.n_kept = 3 * MOST_ASIDE
    scene.reading(1.0)
    assert scene.reading(2.0) == ["collect", "freeze"]

    assert left_again_and_again(scene, 1) == ["collect", "freeze"]


def test_the_librarys_memory_of_regions_is_what_is_forgotten() -> None:
    Region(0, 0, 7, 7).intersection(Region(3, 3, 7, 7))
    sweeper = Sweeper(Collector(), [])
    sweeper.begin(0.0)
    sweeper.sweep(lambda: True, AGAIN_SECONDS + 1)

    assert Region.intersection.cache_info().currsize == 0


def test_what_is_kept_is_counted_in_one_call_in_which_no_other_thread_can_run() -> None:
    called: list[object] = []
    sys.setprofile(lambda _, event, what: called.append(what) if event == "c_call" else None)
    try:
        assert n_kept(gc) > 0
    finally:
        sys.setprofile(None)
    assert called
    assert gc.get_objects not in called

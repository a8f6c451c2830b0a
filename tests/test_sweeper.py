"""When what stays is put aside, so that looking for garbage takes no time."""

from tui.sweeper import AGAIN_SECONDS, MOST_KEPT, ROUNDS, Sweeper


class Collector:
    """Notes what it is told to do."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.n_rounds = self.n_kept = 0

    def get_objects(self, generation: int | None = None) -> range:  # as the module has it
        return range(self.n_kept)

    def get_count(self) -> tuple[int, int, int]:
        return 0, 0, self.n_rounds

    def collect(self) -> int:
        self.told.append("collect")
        return 0

    def freeze(self) -> None:
        self.told.append("freeze")

    def unfreeze(self) -> None:
        self.told.append("unfreeze")


class Scene:
    """A sweeper after the first picture, and modules that may become more."""

    def __init__(self) -> None:
        self.modules = ["textual"]
        self.collector = Collector()
        self.sweeper = Sweeper(self.collector, self.modules)
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

    assert scene.reading(AGAIN_SECONDS + 1) == ["unfreeze", "collect", "freeze"]
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

"""A launch goes on while it grows, reads or says so; it ends at rest, and one that hangs is told from both."""

import pytest

from probes.intake import Intake
from tui.loading import Loading
from tui.recognised import Phase, Predicted

GIB, MIB = 1 << 30, 1 << 20
WEIGHTS = 18 * GIB
NEED = {"GPU 0": Predicted(n_bytes=20 * GIB, low_bytes=20 * GIB, high_bytes=20 * GIB)}


class Launch:
    """llama.cpp, which has taken its weights and reads them from now on."""

    def __init__(self, *, is_whole=True, reads_itself=True, weight_bytes=WEIGHTS):
        self.loading = Loading(is_from_start=True, weight_bytes=weight_bytes, reads_itself=reads_itself)
        self.is_whole, self.now = is_whole, 0.0

    def at(self, now, *, read_gib=None, held_gib=18.0, **says):
        """How far it is then."""
        held = {"GPU 0": int(held_gib * GIB)}
        self.loading.note_held(held, now)
        intake = None if read_gib is None else Intake(n_bytes=int(read_gib * GIB), is_whole=self.is_whole)
        self.loading.note_intake(intake, 1, now)
        return self.loading.judge(NEED, held, now, **says)


def test_it_loads_for_as_long_as_it_reads():
    launch = Launch()
    assert {launch.at(second, read_gib=second / 5) for second in range(90)} == {Phase.LOADING}


def test_pages_that_nobody_else_may_see_read_are_reads_too():
    launch = Launch(is_whole=False)
    assert {launch.at(second, read_gib=second / 5) for second in range(90)} == {Phase.LOADING}


def test_it_rests_once_it_has_read_all_and_neither_grows_nor_reads():
    launch = Launch()
    phases = [launch.at(second, read_gib=min(second, 20)) for second in range(60)]
    assert phases.index(Phase.RESTING) == 40


def test_it_is_not_through_while_it_reads_though_it_holds_nearly_all():
    launch = Launch()
    assert launch.at(0, read_gib=0, held_gib=19.9) is Phase.LOADING
    assert launch.at(30, read_gib=5, held_gib=19.9) is Phase.LOADING


def test_who_says_that_it_loads_does_not_rest_after_a_pause():
    launch = Launch(weight_bytes=0)
    assert [launch.at(second, says_loading=True) for second in (0, 30, 59)] == [Phase.LOADING] * 3


def test_one_that_hangs_is_no_launch_for_ever():
    launch = Launch()
    phases = [launch.at(second, read_gib=min(second, 5), says_loading=True) for second in range(0, 200, 5)]
    assert phases[-1] is Phase.STALLED
    assert phases.index(Phase.STALLED) == 13


def test_one_that_goes_on_after_all_loads_again():
    launch = Launch()
    for second in range(0, 100, 5):
        launch.at(second, read_gib=5)
    assert launch.at(100, read_gib=6) is Phase.LOADING


def test_who_has_read_too_little_never_counts_as_at_rest():
    launch = Launch()
    assert Phase.RESTING not in {launch.at(second, read_gib=2) for second in range(0, 300, 5)}


@pytest.mark.parametrize("unlike", [{"is_whole": False}, {"reads_itself": False}, {"weight_bytes": 0}])
def test_of_whom_not_all_is_told_little_read_says_nothing(unlike):
    launch = Launch(**unlike)
    launch.at(0, read_gib=2)
    assert launch.at(21, read_gib=2) is Phase.RESTING


def test_who_answers_only_once_loaded_and_answers_is_loaded():
    launch = Launch()
    launch.at(0, read_gib=2)
    assert launch.at(3, read_gib=2, says_ready=True) is Phase.RESTING


def test_who_reads_far_more_than_its_weights_is_at_work():
    launch = Launch()
    phases = [launch.at(second, read_gib=second) for second in range(120)]
    assert phases[-1] is Phase.RESTING


def test_a_little_that_is_read_is_no_load():
    launch = Launch(reads_itself=False)
    assert launch.at(0, read_gib=30) is Phase.LOADING
    for second in range(1, 30):
        phase = launch.at(second, read_gib=30 + second / 1024)
    assert phase is Phase.RESTING


def test_it_last_moved_when_it_read_last():
    launch = Launch()
    for second in range(60):
        launch.at(second, read_gib=min(second, 20))
    assert launch.loading.moved_seconds == 20

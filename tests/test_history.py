from scenes import NOON, desktop, gib

from tui.history import History


def test_columns_hold_the_most_of_their_span() -> None:
    history = History()
    for second, used in enumerate((1, 3, 2, 5, 4)):
        history.append(desktop(used, at=second))

    assert history.columns("gpu-0", 3, 2.0, NOON + 4) == [gib(3), gib(5), gib(4)]


def test_a_span_without_a_reading_is_a_gap() -> None:
    history = History()
    history.append(desktop(1, at=0))
    history.append(desktop(2, at=6))

    assert history.columns("gpu-0", 4, 2.0, NOON + 6) == [gib(1), None, None, gib(2)]


def test_it_forgets_what_is_too_old() -> None:
    history = History(capacity=2)
    for second in range(5):
        history.append(desktop(second, at=second))

    assert history.span_seconds() == 1.0


def test_an_unknown_pool_has_no_columns() -> None:
    assert History().columns("gpu-9", 2, 1.0, 0.0) == [None, None]

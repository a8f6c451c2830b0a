"""When a figure of a GPU is asked for again."""

from probes import nvml_codes as codes
from probes.nvml_binding import RefusedError
from probes.nvml_figures import UNSUPPORTED_SECONDS, Figures

NEVER, LONG_AGO = float("inf"), float("-inf")


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def refuse() -> int:
    raise RefusedError(codes.NOT_SUPPORTED)


def test_what_was_never_asked_for_is_due() -> None:
    assert Figures(Clock()).due_seconds("power") == LONG_AGO


def test_what_never_changes_is_never_due_again() -> None:
    figures = Figures(Clock())
    figures.once("name", lambda: "H100")

    assert figures.due_seconds("name") == NEVER


def test_what_changes_is_due_after_its_period() -> None:
    figures = Figures(Clock())
    figures.refresh("power", lambda: 300, period_seconds=0.9)

    assert figures.due_seconds("power") == 100.9


def test_what_has_probably_changed_is_due_sooner() -> None:
    figures = Figures(Clock())
    figures.refresh("compute", lambda: (), period_seconds=3.0)
    figures.hurry("compute", 0.9)

    assert figures.due_seconds("compute") == 100.9


def test_what_is_not_supported_is_due_when_it_may_be_after_all() -> None:
    figures = Figures(Clock())
    figures.once("addressing", refuse)

    assert figures.due_seconds("addressing") == 100.0 + UNSUPPORTED_SECONDS


def test_what_was_forgotten_is_due() -> None:
    figures = Figures(Clock())
    figures.once("cores", lambda: 132)
    figures.forget(but=frozenset())

    assert figures.due_seconds("cores") == LONG_AGO
    assert figures.are_unread

"""Watched loads, as the table and the JSON of ``plimsoll history``."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from tui.columns import columns
from tui.humanize import plain, sentence, short_count, size
from tui.kept_load import KeptLoad, KeptPlace
from tui.lesson import Lesson
from tui.report import wrapped
from tui.steadiness import MIB, Unsteady

SCHEMA = 1
NONE_KEPT = (
    "no loads are kept: one is when an engine is started and comes to rest while the app is open, where the setting "
    "learn is on"
)
_HEAD = ("when", "engine", "model", "quant", "context", "place", "predicted", "held", "differs")
_IS_RIGHT = (False, False, False, False, True, False, True, True, True)
_MOST_NAME = 40


def history_lines(loads: Sequence[KeptLoad]) -> Iterator[str]:
    """A line for every place of every load, and one of what they are."""
    if not loads:
        yield NONE_KEPT
        return
    rows = [_HEAD, *(_row(load, place) for load in loads for place in load.places)]
    yield from columns(rows, _IS_RIGHT)
    yield ""
    yield sentence([counted_loads(len(loads)), "differs: what was held over what was predicted"])


def lesson_lines(lessons: Sequence[Lesson], *, is_used: bool = True) -> Iterator[str]:
    """What was learned of driver and libraries; nothing where no load tells of them.

    Args:
        lessons: an engine, a device and a driver each.
        is_used: predictions are corrected by it.
    """
    if not lessons:
        return
    yield ""
    off = "" if is_used else " (not used: the setting calibrate is off)"
    yield f"driver and libraries, as these loads show{off}"
    for lesson in lessons:
        yield from wrapped(lesson_text(lesson), "  ", "    ")


def lesson_text(lesson: Lesson) -> str:
    """``Ollama 0.12 on NVIDIA GeForce RTX 4090, driver 580.95.05: 38 MiB more than predicted ...``."""
    name = f"{plain(lesson.engine_name, 16)} {plain(lesson.family, 12)}".strip()
    behind = f"{counted_loads(lesson.n_loads)} of {lesson.n_models} model{'s' if lesson.n_models != 1 else ''}"
    found = lesson.found
    if isinstance(found, Unsteady):
        told = f"{found.reason}, {behind}" if found.is_as_predicted else f"not corrected: {found.reason}; {behind}"
    else:
        more = "less" if found.n_bytes < 0 else "more"
        span = f"{_signed(found.low_bytes)} to {_signed(found.high_bytes)}"
        told = f"{abs(found.n_bytes) / MIB:.0f} MiB {more} than predicted ({span}), calibrated from {behind}"
    return f"{name} on {plain(lesson.product, 40)}, driver {plain(lesson.driver, 20)}: {told}"


def _signed(n_bytes: int) -> str:
    return f"{n_bytes / MIB:+.0f}"


def counted_loads(number: int) -> str:
    """``1 load``, ``3 loads``."""
    return f"{number} load{'s' if number != 1 else ''}"


def _row(load: KeptLoad, place: KeptPlace) -> tuple[str, ...]:
    is_first = place is load.places[0]
    context = "" if load.context_tokens is None else short_count(load.context_tokens)
    of_load = (
        time.strftime("%Y-%m-%d %H:%M", time.localtime(load.rested_seconds)),
        plain(load.engine_name, 16),
        plain(load.model_name, _MOST_NAME),
        plain(load.quant, 16),
        f"{context} x{load.n_sequences}" if load.n_sequences > 1 else context,
    )
    return (
        *(of_load if is_first else [""] * len(of_load)),
        plain(place.name, 16),
        size(place.predicted_bytes),
        size(place.held_bytes),
        difference_text(place),
    )


def difference_text(place: KeptPlace) -> str:
    """``+1.9 %``, ``-0.4 %``; empty where nothing was predicted."""
    if not place.predicted_bytes:
        return ""
    return f"{(place.held_bytes / place.predicted_bytes - 1) * 100:+.1f} %"


def history_json(loads: Sequence[KeptLoad], lessons: Sequence[Lesson] = ()) -> dict[str, Any]:
    """Schema 1, the newest first: sizes in bytes; null is what is not known."""
    return {
        "schema": SCHEMA,
        "loads": [_load_json(load) for load in loads],
        "learned": [_lesson_json(lesson) for lesson in lessons],
    }


def _lesson_json(lesson: Lesson) -> dict[str, Any]:
    found = lesson.found
    steady = None if isinstance(found, Unsteady) else found
    return {
        "engine": plain(lesson.engine_name),
        "engine_versions": plain(lesson.family) or None,
        "device": plain(lesson.product),
        "driver": plain(lesson.driver),
        "loads": lesson.n_loads,
        "models": lesson.n_models,
        "difference_bytes": steady.n_bytes if steady else None,
        "low_bytes": steady.low_bytes if steady else None,
        "high_bytes": steady.high_bytes if steady else None,
        "reason": found.reason if isinstance(found, Unsteady) else None,
    }


def _load_json(load: KeptLoad) -> dict[str, Any]:
    return {
        "rested_unix_seconds": load.rested_seconds,
        "loading_seconds": load.loading_seconds,
        "program": plain(load.program) or None,
        "engine": plain(load.engine_name),
        "engine_version": plain(load.engine_version) or None,
        "model": plain(load.model_name) or None,
        "quant": plain(load.quant) or None,
        "architecture": plain(load.architecture) or None,
        "context_tokens": load.context_tokens,
        "sequences": load.n_sequences,
        "places": [_place_json(place) for place in load.places],
    }


def _place_json(place: KeptPlace) -> dict[str, Any]:
    return {
        "name": plain(place.name),
        "device": plain(place.product) or None,
        "driver": plain(place.driver) or None,
        "predicted_bytes": place.predicted_bytes,
        "low_bytes": place.low_bytes,
        "high_bytes": place.high_bytes,
        "held_bytes": place.held_bytes,
        "peak_bytes": place.peak_bytes,
        "takes_share": place.takes_share,
        "runtime_bytes": place.runtime_bytes,
        "calibrated_bytes": place.calibrated_bytes,
    }

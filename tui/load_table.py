"""Watched loads, as the table and the JSON of ``plimsoll history``."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from tui.columns import columns
from tui.humanize import plain, sentence, short_count, size
from tui.kept_load import KeptLoad, KeptPlace

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


def history_json(loads: Sequence[KeptLoad]) -> dict[str, Any]:
    """Schema 1, the newest first: sizes in bytes; null is what is not known."""
    return {"schema": SCHEMA, "loads": [_load_json(load) for load in loads]}


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

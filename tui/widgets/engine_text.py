"""A recognised engine in words: model, what it will hold beside what it holds, and what it is at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.humanize import duration, gib, percent, plain, sentence, short_count, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.recognised import Recognised

_MODEL_LENGTH = 48
_AT = {"loading": "loading", "stalled": "stalled at"}
"""By phase, before the share that is loaded."""


def engine_line(engine: Recognised, place: str | None = None) -> str:
    """``Qwen3 4B Q8_0 · 8k · predicted 4.5 · 3 running``, shortest where least is known; what counts most comes first.

    Args:
        engine: of the process in the row.
        place: the device of the row, whose prediction is shown; None for all that it uses.
    """
    return sentence(_parts(engine, place))


def _parts(engine: Recognised, place: str | None) -> Iterator[str]:
    yield engine_name(engine)
    is_idle = engine.program == "ollama serve" and not (engine.model_name or engine.served)
    if is_idle:
        yield "nothing loaded"
    word = _AT.get(engine.phase.value)
    progress = f"{word} {percent(engine.progress_ratio)}" if word and engine.progress_ratio is not None else ""
    context = short_count(engine.context_tokens) if engine.context_tokens else ""
    yield progress or context
    if engine.is_by_name:
        yield "by its name"
    predicted = engine.predicted.get(place) if place is not None else None
    if predicted is not None:
        yield f"predicted {gib(predicted.n_bytes)}"
    elif place is None and engine.predicted_bytes is not None:
        yield f"predicted {gib(engine.predicted_bytes)}"
    if progress:
        yield f"{duration(engine.left_seconds)} left" if engine.left_seconds is not None else ""
        yield context
    served = engine.served
    if served is not None and served.cache_ratio is not None:
        yield f"KV {percent(served.cache_ratio)} used"
    if served is not None and served.n_running is not None:
        waiting = f", {served.n_waiting} waiting" if served.n_waiting else ""
        yield f"{served.n_running} running{waiting}"
    if engine.reason and not is_idle:
        yield f"nothing is predicted: {plain(engine.reason, 300)}"


def engine_name(engine: Recognised) -> str:
    """The model as it is known, or else the program."""
    name = engine.model_name or (engine.served.model if engine.served else "") or ""
    if not name:
        return plain(engine.program, _MODEL_LENGTH)
    return f"{plain(name, _MODEL_LENGTH)} {plain(engine.quant, 16)}".rstrip()


def engine_details(engine: Recognised) -> Iterator[tuple[str, str]]:
    """Lines for the row that is looked at, each with its style."""
    program = plain(engine.program, 60)
    yield engine_line(engine) if engine_name(engine) == program else f"{program}: {engine_line(engine)}", "text"
    for name, one in engine.predicted.items():
        held = engine.held.get(name)
        told = "not told" if held is None else size(held)
        share = ", the share that it takes" if one.takes_share else ""
        yield f"{name}: holds {told}, {size(one.low_bytes)} to {size(one.high_bytes)} predicted{share}", "text"
    if engine.phase.value == "stalled":
        yield "it is not loaded, and neither takes nor reads anything: it may hang, and is not warned of", "tight"
    if engine.is_by_name:
        yield "its file cannot be read here: this is what a model of that name takes", "dim"
    if engine.unknown:
        yield f"not known here: {plain(', '.join(engine.unknown), 200)}", "tight"

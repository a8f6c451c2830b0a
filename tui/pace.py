"""How fast an assessed load would run, in figures and in words, for reports and for the screen alike."""

from estimator.speed import Speed, Stage, speed_of
from estimator.verdict import Level, has_room
from records.record import record
from tui.humanize import count, fine_size, rate
from tui.plan import Assessment

LEAST_SLOWDOWN = 1.05
"""Rounded, anything less is 1.0 times."""


@record(frozen=True, slots=True, kw_only=True)
class Pacing:
    """The speed of what would really run."""

    speed: Speed
    is_fallback: bool = False
    """The engine would help itself, and runs slower for it."""


def pacing_of(made: Assessment) -> Pacing | None:
    """None where it would not run, makes no tokens, or where the bandwidth of a place is not known."""
    model = made.plan.model
    if made.verdict.level is Level.FAILS or not model.has_context or model.kind == "embedding":
        return None
    estimate, is_fallback = made.estimate, False
    if made.verdict.level is Level.SPILLS and made.fallback is not None and has_room(made.fallback, made.places):
        estimate, is_fallback = made.fallback, True
    speed = speed_of(model, made.plan.workload, estimate, made.places)
    return None if speed is None else Pacing(speed=speed, is_fallback=is_fallback)


def short_pace(pacing: Pacing) -> str:
    """``about 120 tokens/s (95 to 150)``; with a spill ``about 19 tokens/s (12 to 30), 6.1 times slower``."""
    speed = pacing.speed
    text = f"about {rate(speed.tokens_per_second)} tokens/s"
    text += f" ({rate(speed.low_tokens_per_second)} to {rate(speed.high_tokens_per_second)})"
    slowdown = _slowdown(speed)
    return text if slowdown is None else f"{text}, {times(slowdown)} slower"


def slowdown_text(pacing: Pacing) -> str:
    """``6.1 times slower, 19 tok/s instead of 120``; the speed alone where nothing is slowed down."""
    speed = pacing.speed
    text = f"{rate(speed.tokens_per_second)} tok/s"
    slowdown = _slowdown(speed)
    if slowdown is None:
        return f"about {text}"
    return f"{times(slowdown)} slower, {text} instead of {rate(speed.tokens_per_second * slowdown)}"


def pace_line(pacing: Pacing) -> str:
    """The same, with what a full context, prompts and sequences side by side come to."""
    speed = pacing.speed
    text = f"about {rate(speed.tokens_per_second)} tokens/s"
    text += f" ({rate(speed.low_tokens_per_second)} to {rate(speed.high_tokens_per_second)})"
    if speed.full_tokens_per_second < 0.95 * speed.tokens_per_second:
        text += f", {rate(speed.full_tokens_per_second)} once the context is full"
    slowdown = _slowdown(speed)
    if slowdown is not None:
        text += f"; {times(slowdown)} slower than all on the GPU"
    if speed.batch is not None:
        text += f"; {count(speed.batch.n_sequences)} sequences together {rate(speed.batch.tokens_per_second)}"
    if speed.prompt_tokens_per_second is not None:
        text += f"; a prompt is read at about {rate(speed.prompt_tokens_per_second)}"
    return text


def _slowdown(speed: Speed) -> float | None:
    """None also where it would be said as 1.0 times."""
    return speed.slowdown if speed.slowdown is not None and speed.slowdown >= LEAST_SLOWDOWN else None


def times(ratio: float) -> str:
    """``6.1 times``."""
    return f"{ratio:.1f} times" if ratio < 9.95 else f"{ratio:.0f} times"


def stage_text(stage: Stage) -> str:
    """What a place reads for a token, and how long that takes."""
    parts = [f"{fine_size(stage.weight_bytes)} of weights"]
    if stage.cache_bytes:
        parts.append(f"{fine_size(stage.cache_bytes)} of cache once the context is full")
    return (
        f"reads {' and '.join(parts)} for a token, at {stage.bandwidth_bytes_per_second / 1e9:,.0f} GB/s at most: "
        f"{stage.seconds * 1e3:.1f} ms, with a full context {(stage.seconds + stage.cache_seconds) * 1e3:.1f}"
    )

"""The only place where numbers become text, and where text from outside is made safe to show."""

from __future__ import annotations

import unicodedata

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import time
    from collections.abc import Iterable, Sequence

    from estimator.ledger import Answer

GIB = 1 << 30
MIB = 1 << 20
UNKNOWN = "–"
"""What stands where a figure is not known; a reason is said beside it."""


def gib(n_bytes: int | None, digits: int | None = None) -> str:
    """``4.6``, ``125``: GiB without the unit, with as many digits as matter."""
    if n_bytes is None:
        return UNKNOWN
    number = n_bytes / GIB
    if digits is None:
        digits = 0 if abs(number) >= 99.95 else 1
    text = f"{number:.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def size(n_bytes: int | None) -> str:
    """With the unit: ``512 MiB``, ``4.6 GiB``, ``125 GiB``."""
    if n_bytes is None:
        return UNKNOWN
    if abs(n_bytes) < GIB:
        return f"{n_bytes / MIB:.0f} MiB"
    return f"{gib(n_bytes, 1 if abs(n_bytes) < 100 * GIB else 0)} GiB"


def fine_size(n_bytes: int) -> str:
    """With two digits, for the ledger: ``17.28 GiB``, ``304.28 MiB``."""
    return f"{n_bytes / GIB:.2f} GiB" if abs(n_bytes) >= GIB else f"{n_bytes / MIB:.2f} MiB"


def band(low_bytes: int, high_bytes: int) -> str:
    """Half of a band's width in GiB: ``± 0.3``; nothing where it rounds to none."""
    half = (high_bytes - low_bytes) / 2 / GIB
    return f"± {half:.1f}" if half >= 0.05 else ""


def count(number: int | None) -> str:
    """``40 960``: thousands set off by a no-break space."""
    return UNKNOWN if number is None else f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def short_count(number: int) -> str:
    """``8k``, ``128k``, ``1M``, as contexts are called in lists and choices; others as ``500 000`` or ``10 240 000``.

    Where there is room for what is typed and computed with, ``count`` says the number itself.
    """
    if number >= 1 << 20 and number % (1 << 20) == 0:
        return f"{number >> 20}M"
    if 1024 <= number < 1 << 20 and number % 1024 == 0:
        return f"{number >> 10}k"
    return count(number)


def parameters(number: int) -> str:
    """``8.0B``, ``270M``, ``1.0T``."""
    for limit, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M")):
        if number >= limit * 0.9995:
            return f"{number / limit:.1f}{unit}" if unit != "M" else f"{number / limit:.0f}M"
    return str(number)


def rate(number: float) -> str:
    """Per second, with two digits that mean something: ``0.31``, ``4.7``, ``42``, ``120``, ``4 500``."""
    if number < 9.95:
        return f"{number:.2f}" if number < 0.995 else f"{number:.1f}"
    step = 1.0
    while number / step >= 99.5:
        step *= 10
    return count(int(round(number / step) * step))


def percent(ratio: float | None) -> str:
    """``97 %``."""
    return UNKNOWN if ratio is None else f"{ratio * 100:.0f} %"


def duration(seconds: float) -> str:
    """``4 s``, ``3 min``, ``2 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def whole_duration(seconds: float) -> str:
    """``40 s``, ``3 min 40 s``, ``2 h 30 min``: to the second, and from an hour on to the minute."""
    is_short = seconds < 3600
    units = ("min", "s") if is_short else ("h", "min")
    parts = zip(divmod(round(seconds if is_short else seconds / 60), 60), units, strict=True)
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s"


def celsius(degrees: float | None) -> str:
    """``62 °C``."""
    return UNKNOWN if degrees is None else f"{degrees:.0f} °C"


def watts(power: float | None, limit: float | None = None) -> str:
    """``285 of 450 W``, or without the limit where there is none."""
    if power is None:
        return UNKNOWN
    return f"{power:.0f} W" if limit is None else f"{power:.0f} of {limit:.0f} W"


def time_of_day(when: time.struct_time) -> str:
    """``12:04:31``."""
    return f"{when.tm_hour:02}:{when.tm_min:02}:{when.tm_sec:02}"


def answer_text(answer: Answer) -> str:
    """``158 656 tokens (150 000 to 165 000)``, ``0.42``, or a word."""
    if isinstance(answer.value, str):
        return plain(answer.value, 300)

    def figure(number: float) -> str:
        if answer.unit == "bytes":
            return size(round(number))
        return count(round(number)) if isinstance(answer.value, int) else f"{number:.2f}"

    unit = "" if answer.unit in ("", "bytes") else f" {answer.unit}"
    is_sure = answer.low is None or answer.high is None or figure(answer.low) == figure(answer.high)
    span = "" if is_sure else f" ({figure(answer.low or 0.0)} to {figure(answer.high or 0.0)})"
    return f"{figure(answer.value)}{unit}{span}"


_CHOOSERS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), *range(0x1F3FB, 0x1F400), 0x034F)))
"""Variation selectors, skin tones (UTS 51) and the joiner of marks."""
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and signs without a shape: fillers of Hangul, and a pattern of no dots."""
_MOST_MARKS = 2


def plain(text: str, limit: int = 200) -> str:
    """Text from outside, as plain text of one line: no control codes, no direction changes, nothing invisible.

    Markup is not its business: whoever shows it must not parse it. Of marks over one letter the first two stay, so that
    they do not reach into other lines, and what chooses between two drawings of a sign goes: terminals do not agree on
    how wide the one is that it chooses. What is longer than the limit ends in an ellipsis.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():  # most of it, at a tenth of the time
        return " ".join(text.split())
    kept: list[str] = []
    n_marks = 0
    for char in text[: limit * 4]:
        category = unicodedata.category(char)
        n_marks = n_marks + 1 if category in ("Mn", "Me") else 0
        if char in _CHOOSERS or n_marks > _MOST_MARKS:
            continue
        if category in ("Cc", "Zl", "Zp") or char in _BLANKS:
            kept.append(" ")
        elif category in ("Cf", "Cs", "Co", "Cn"):  # format characters change direction or join; the rest has no shape
            continue
        else:
            kept.append(char)
    said = " ".join("".join(kept).split())
    is_whole = len(said) <= limit and len(text) <= limit * 4
    return said if is_whole else f"{said[: limit - 1].rstrip()}…"


def columns_of(text: str) -> int:
    """How many columns of a terminal it takes: a wide character two, a mark over another none (UAX 11)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def counted(names: Sequence[str]) -> str:
    """``GPU 0``, ``GPU 0 and 1``, ``8 GPUs``."""
    if len(names) > 2:
        return f"{len(names)} GPUs"
    return " and ".join((*names[:1], *(name.removeprefix("GPU ") for name in names[1:])))


def sentence(parts: Iterable[str]) -> str:
    """Parts that are there, joined by a middle dot."""
    return " · ".join(part for part in parts if part)

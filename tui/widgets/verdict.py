"""The verdict panel: does it fit, by how much, and if not, what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.humanize import UNKNOWN, answer_text, band, count, counted, duration, gib, plain, size
from tui.widgets.line import Line, cut_text, cut_to_words, n_cells, spread, width_of, wrap
from tui.widgets.panel import Panel
from tui.widgets.rows import rows_of

if TYPE_CHECKING:
    from estimator.ledger import Estimate
    from estimator.verdict import Margin, Verdict
    from tui.advice import Advice
    from tui.pace import Pacing
    from tui.plan import Assessment
    from tui.widgets.view import View

GLYPHS = ("●", "▲", "◆", "✗")
"""By level, so that it reads without colour."""
STYLES = ("fits-bold", "tight-bold", "bad-bold", "bad-bold")
CELL_STYLES = ("fits", "tight", "bad", "bad")
LEVEL_WORDS = ("fits", "tight", "spills", "fails")
_HOST = "RAM"
_MORE = " … more: x"
_ROOMY_LINES = 6
"""With less, what would fit at all is said before the changes, which may take all the rest."""
_SMALLEST_BYTES = 5 << 20
"""Less rounds to 0.00 GiB."""


class VerdictPanel(Panel):
    TITLE = "Verdict"
    CLICK_ACTION = "show('explain')"

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        said = self._all_lines(view, width, height)
        if len(said) <= height or height < 2 or view.assessment is None:
            return said
        cut = cut_to_words(said[height - 1], width - len(_MORE))
        if cut and cut[-1][1] == "key":  # of a change that has no room
            cut = cut[:-1]
        elif cut:
            cut = (*cut[:-1], (cut[-1][0].removesuffix(" …"), cut[-1][1]))
        x = width_of(cut)
        self.targets.insert(0, (height - 1, x, x + len(_MORE), self.CLICK_ACTION))  # over a change that is cut
        return [*said[: height - 1], (*cut, (_MORE, "dim"))]

    def _all_lines(self, view: View, width: int, height: int) -> list[Line]:
        self.targets = []
        if view.plan is None:
            self.targets = [(y, 0, width, "show('picker')") for y in range(height)]
            trouble = [((text, "tight"),) for text in wrap(plain(view.reason, 400), width)] if view.reason else []
            return [*trouble, *_invitation(width)]
        if view.assessment is None:
            excuse = view.reason or "waiting for the first figures"
            return [((text, "tight"),) for text in wrap(plain(excuse, 400), width)]
        made = view.assessment
        head = _headline(made, width, _age(view))
        split = (("  ", "text"), *_split(made.estimate, _names(made), width - 2))
        if made.verdict.level < 2:
            lines = [
                head,
                split,
                *_best(view, width, is_short=height < 5 or bool(made.estimate.answers)),
                *_speed(view.pacing, width),
            ]
            if made.verdict.reason:
                lines += [((f"  {text}", "dim"),) for text in wrap(made.verdict.reason, width - 2)]
            lines += [*_answers(made.estimate, width), *_notes(view.advice, width)]
            return [*lines, *_margins(made.verdict, width)[: max(0, height - len(lines))]]
        told = _slower(made.verdict.reason, view.pacing, is_short=height < 5)
        reason = [(("  ", "text"), (text, "text")) for text in wrap(told, width - 2)]
        best = _best(view, width, is_short=True)
        is_best_first = height < _ROOMY_LINES and len(best) == 1
        first = [head, *reason, *best] if is_best_first else [head, *reason]
        changes = self._changes(view.advice, width, len(first))
        rest = () if is_best_first else best
        return [*first, *changes, *rest, split, *_answers(made.estimate, width)]

    def _changes(self, advice: Advice | None, width: int, first_y: int) -> list[Line]:
        """The chips, with what a click on each of them does."""
        if advice is None:
            return [(("  looking for what would fit …", "dim"),)]
        if not advice.changes:
            return [(("  no single change would make it fit here", "text"),)]
        lines: list[Line] = []
        line: Line = (("  would fit with ", "dim"),)
        for number, change in enumerate(advice.changes, 1):
            label = plain(change.label, 80)
            key = f"[{number}] " if change.is_applicable else "or " if number > 1 else ""
            chip: Line = ((f" {key}", "key" if change.is_applicable else "dim"), (f"{label} ", "strong"))
            if len(line) > 1 and width_of(line) + width_of(chip) > width:
                lines.append(line)
                line = ((" " * 17, "text"),)
            if change.is_applicable:
                x = width_of(line)
                self.targets.append((first_y + len(lines), x, x + width_of(chip), f"apply_change({number})"))
            line = (*line, *chip)
        return [*lines, line]


def _invitation(width: int) -> list[Line]:
    """Nothing is chosen: say what could be, and by which key."""
    text = "Would it fit? Choose a model, and its memory is drawn into the bars above before anything is loaded."
    return [
        (("Press ", "text"), (" m ", "chip"), (" to choose a model", "strong")),
        *(((line, "dim"),) for line in wrap(text, width)),
    ]


def _age(view: View) -> str:
    """``as of 31 s ago`` where the memory that was judged is not of now: a driver hangs, or no reading comes."""
    verdict = view.assessment.verdict if view.assessment else None
    late_seconds = view.silent_seconds or 0.0
    for row in rows_of(view):
        is_judged = row.level is not None or row.landed_bytes or (verdict is not None and row.place == verdict.place)
        if is_judged and row.pool is not None and row.pool.late_seconds > 3 * view.interval_seconds:
            late_seconds = max(late_seconds, row.pool.late_seconds)
    return f", as of {duration(late_seconds)} ago" if late_seconds else ""


def _headline(made: Assessment, width: int, age: str = "") -> Line:
    verdict = made.verdict
    style = STYLES[verdict.level]
    names = _names(made)
    low, high = made.estimate.low_bytes(names), made.estimate.high_bytes(names)
    total = f"{size(made.estimate.n_bytes(names))} {band(low, high)}".strip()
    head = f"{GLYPHS[verdict.level]} {verdict.level.name}"
    short = said(verdict, is_short=True)
    tries = ((said(verdict), total), (short, total), (short, total.partition(" ±")[0]))
    room = width - n_cells(head) - n_cells(age) - 1
    text, total = next((pair for pair in tries if n_cells("".join(pair)) <= room), (tries[bool(age)][0], total))
    left: Line = ((head, style), (cut_text(text, room + 1), "strong" if verdict.level < 2 else style))
    if age:
        left = (*left, (age, "tight"))
    return spread(left, ((total, "strong"),), width)


def said(verdict: Verdict, *, is_short: bool = False) -> str:
    """What follows the level's name: `` on GPU 0, 0.2 GiB under the line``; of several, where it is closest."""
    loaded = [margin.place.name for margin in verdict.margins if margin.load_bytes and margin.place.kind != "host"]
    names = loaded or [_HOST]
    where = counted(names)
    there = "" if names == [verdict.place] else f" {'in' if verdict.place == _HOST else 'on'} {verdict.place}"
    if verdict.is_refused:
        return ": the engine would not start"
    if verdict.level == 0:
        used = [margin for margin in verdict.margins if margin.place.name in names]
        closest = min(used, key=lambda margin: margin.headroom_bytes)
        there = "" if len(names) == 1 or is_short else f" on {closest.place.name}"
        return f" {'in' if names == [_HOST] else 'on'} {where}, {size(closest.headroom_bytes)} under the line{there}"
    if verdict.level == 1 and verdict.headroom_bytes >= 0:  # not for bytes: the reason says for what
        return f" on {where}"
    if verdict.level == 1:
        return f" on {where}, up to {size(-verdict.headroom_bytes)} over the line{there}"
    if verdict.level == 2:
        target = "disk" if verdict.place == _HOST else "RAM"
        short = counted(verdict.short_places)
        return f" {size(verdict.spill_bytes)} of {short} {'to' if target == 'disk' else 'into'} {target}"
    where = f"in {_HOST}" if verdict.place == _HOST else f"on {counted(verdict.short_places)}"
    return f": {size(verdict.spill_bytes)} missing {where}"


def _names(made: Assessment) -> tuple[str, ...]:
    return made.device_names or tuple(place.name for place in made.places)


def _split(estimate: Estimate, names: tuple[str, ...], width: int) -> Line:
    """``weights 17.28  KV cache 0.75  compute 0.30``, in GiB; where there is no room, the smallest in one sum."""
    sums: dict[str, int] = {}
    for term in estimate.select(names):
        sums[term.kind.value] = sums.get(term.kind.value, 0) + term.n_bytes
    kinds = [(kind, n_bytes) for kind, n_bytes in sums.items() if n_bytes >= _SMALLEST_BYTES]
    while True:
        for gap in ("   ", "  ", " "):
            texts = [(f"{kind} ", gib(n_bytes, 2)) for kind, n_bytes in kinds]
            if sum(len(kind) + len(text) + len(gap) for kind, text in texts) - len(gap) <= width or len(kinds) < 2:
                line = tuple(run for kind, text in texts for run in ((kind, "dim"), (text, "text"), (gap, "text")))
                return line[:-1]
        smallest = sorted(kinds, key=lambda kind: kind[1])[:2]
        others = ("others", sum(n_bytes for _, n_bytes in smallest))
        kinds = [kind for kind in kinds if kind not in smallest] + [others]


def _speed(pacing: Pacing | None, width: int) -> list[Line]:
    """``speed about 120 tokens/s (95 to 150)``; nothing where it is not known."""
    if pacing is None:
        return []
    from tui.pace import short_pace  # noqa: PLC0415  # without a model nobody pays for the estimator

    return [(("  speed ", "dim"), (cut_text(short_pace(pacing), max(8, width - 8)), "strong"))]


def _slower(reason: str, pacing: Pacing | None, *, is_short: bool) -> str:
    """What would happen, and what that costs: ``...: 6.1 times slower, 19 tok/s instead of 120``."""
    if pacing is None:
        return reason
    from tui.pace import slowdown_text  # noqa: PLC0415  # likewise

    text = slowdown_text(pacing)
    return f"{reason}: {text.partition(',')[0] if is_short else text}"


def _notes(advice: Advice | None, width: int) -> list[Line]:
    notes = advice.notes if advice is not None else ()
    return [((f"  {text}", "dim"),) for note in notes for text in wrap(plain(note, 300), width - 2)]


def _answers(estimate: Estimate, width: int) -> list[Line]:
    """What people ask of this engine beside bytes, one to a line; the panel cuts what has no room."""
    label_width = max((len(answer.label) for answer in estimate.answers), default=0)
    return [
        (
            (f"  {answer.label:<{label_width}}   ", "dim"),
            (cut_text(answer_text(answer), max(8, width - label_width - 5)), "strong"),
        )
        for answer in estimate.answers
    ]


def _margins(verdict: Verdict, width: int) -> list[Line]:
    """What each place has left, where nothing else is to be said in the lines that there are."""
    loaded = [margin for margin in verdict.margins if margin.load_bytes]
    label_width = max((len(margin.place.name) for margin in loaded), default=0)
    return [
        (
            (f"  {margin.place.name:<{label_width}}  ", "dim"),
            (cut_text(_margin_text(margin), max(8, width - label_width - 4)), "text"),
        )
        for margin in loaded
        if margin.headroom_bytes >= 0
    ]


def _margin_text(margin: Margin) -> str:
    free, under = size(margin.place.free_bytes), size(margin.headroom_bytes)
    return f"{size(margin.load_bytes)} of {free} free, {under} under the line"


def _best(view: View, width: int, *, is_short: bool) -> list[Line]:
    advice, longest, quant = view.advice, "…", "…"
    if advice is not None:
        longest = count(advice.longest_context_tokens) if advice.longest_context_tokens else "none"
        quant = advice.best_quant or "none"
    if view.plan is not None and not view.plan.has_context:
        longest = UNKNOWN
    if is_short and width >= 64:
        return [
            (
                ("  longest context that fits ", "dim"),
                (longest, "strong"),
                ("   best quant ", "dim"),
                (quant, "strong"),
            )
        ]
    return [
        (("  longest context that fits here   ", "dim"), (longest, "strong")),
        (("  best quant that fits here        ", "dim"), (quant, "strong")),
    ]

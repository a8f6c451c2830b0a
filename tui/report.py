"""A finding as text, for people without a full screen."""

from collections.abc import Iterator, Sequence

from estimator.ledger import Estimate, Kind, drawing_on
from estimator.model import Model
from estimator.spill import Outcome
from estimator.verdict import Level, Margin
from tui.advice import Advice
from tui.device_choice import MOST_CHARACTERS, start_line
from tui.finding import Finding, Verification, change_flags
from tui.humanize import UNKNOWN, answer_text, band, columns_of, count, counted, fine_size, gib, plain, sentence, size
from tui.pace import Pacing, pace_line, stage_text
from tui.places import HOST_NAME, hidden_places, missing_places
from tui.plan import Assessment, Plan

WIDTH = 80
"""Lines are broken here, but for those that are there to be copied."""
GLYPHS = {Level.FITS: "●", Level.TIGHT: "▲", Level.SPILLS: "◆", Level.FAILS: "✗"}
UNKNOWN_GLYPH = "?"
SPLIT = {
    "weights": (Kind.WEIGHTS,),
    "KV cache": (Kind.KV_CACHE,),
    "state": (Kind.STATE,),
    "compute": (Kind.COMPUTE, Kind.OUTPUT),
    "runtime": (Kind.RUNTIME,),
}
"""The parts of the one-line sum, and what belongs to each."""


def finding_text(finding: Finding, *, is_explained: bool = False, is_coloured: bool = False) -> str:
    """The report for a person, ready to print."""
    return "\n".join(_text_lines(finding, is_explained=is_explained, is_coloured=is_coloured))


def guard_text(finding: Finding, *, is_coloured: bool = False) -> str:
    """What a person is told of a command that has no room, before it is started."""
    made = finding.assessment
    lines = [*_verdict_lines(finding, is_explained=False, is_coloured=is_coloured)]
    lines += wrapped(_load_line(finding), "  ")
    if made is not None:
        lines += [*wrapped(_sum_line(made), "  "), "", *_place_lines(finding, made)]
        if finding.advice is not None and finding.advice.changes:
            lines += ["", *_change_lines(finding.advice, made.plan, finding.rewrites)]
    notes = [*_note_lines(finding)]
    return "\n".join([*lines, "", *notes] if notes else lines)


def _text_lines(finding: Finding, *, is_explained: bool, is_coloured: bool) -> Iterator[str]:
    made = finding.assessment
    yield from _verdict_lines(finding, is_explained=is_explained, is_coloured=is_coloured)
    yield ""
    yield from wrapped(_load_line(finding), "  ")
    if made is not None:
        yield from wrapped(_sum_line(made), "  ")
        if (pacing := finding.pacing) is not None:
            yield from wrapped(pace_line(pacing), "  ")
        yield ""
        yield from _place_lines(finding, made)
        settled = made.fallback if made.verdict.level is Level.SPILLS else None
        yield from _answer_lines(settled if settled is not None and settled.answers else made.estimate)
        yield from _need_lines(finding)
        if finding.advice is not None:
            yield ""
            yield from _advice_lines(finding.advice, made, finding.rewrites, finding.stored)
        if not finding.is_command:
            yield from _command_lines(finding, made)
    if finding.verification is not None:
        yield ""
        yield from _verification_lines(finding.verification)
    notes = [*_note_lines(finding)]
    if notes:
        yield ""
        yield from notes
    if is_explained and made is not None:
        yield ""
        yield from _ledger_lines(made.estimate)
        if (pacing := finding.pacing) is not None:
            yield ""
            yield from _stage_lines(pacing)


_COLOURS = {Level.FITS: "32", Level.TIGHT: "33", Level.SPILLS: "31", Level.FAILS: "31"}


def _command_lines(finding: Finding, made: Assessment) -> Iterator[str]:
    yield ""
    if made.settled is not None:
        yield f"  what was asked, {made.settled.engine} itself placing what has no room:"
    elif made.verdict.level >= Level.SPILLS:
        yield "  what was asked, and does not fit:"
    yield f"  {start_line(finding.snapshot.devices, made)}"


def _verdict_lines(finding: Finding, *, is_explained: bool, is_coloured: bool) -> Iterator[str]:
    made = finding.assessment
    if finding.is_refused:
        yield from wrapped(f"{GLYPHS[Level.FAILS]} FAILS: {plain(finding.reason, 600)}", "", "  ")
        return
    if made is None:
        yield from wrapped(f"{UNKNOWN_GLYPH} CAN'T BE JUDGED: {plain(finding.reason, 600)}", "", "  ")
        return
    level = made.verdict.level
    line = f"{GLYPHS[level]} {headline(made)}"
    yield f"\x1b[1;{_COLOURS[level]}m{line}\x1b[0m" if is_coloured else line
    if made.verdict.reason:
        yield from wrapped(made.verdict.reason, "  ")
    if is_explained and made.verdict.source:
        yield from wrapped(f"from {plain(made.verdict.source, 600)}", "  ")


def _load_line(finding: Finding) -> str:
    parts = [plain(finding.model.name, 60), finding.model.stored_as]
    if finding.plan is not None:
        workload = finding.plan.workload
        if finding.model.has_context:
            parts.append(f"{count(workload.context_tokens)} tokens")
        if workload.n_sequences > 1:
            parts.append(f"{workload.n_sequences} sequences")
        if workload.kv_type != finding.plan.engine.KV_TYPES[0]:
            parts.append(f"KV cache {workload.kv_type}")
        parts.append(finding.plan.engine.NAME)
    if finding.assessment is not None:
        parts.append(_layers(finding.assessment))
    return sentence(parts)


def _layers(made: Assessment) -> str:
    n_all, n_placed = made.estimate.n_layers, made.estimate.n_gpu_layers
    if not made.device_names:
        return "all on the CPU"
    if n_all <= 1:
        return f"all of it {_where(made.device_names)}"
    if n_placed >= n_all:
        return f"all {n_all} layers {_where(made.device_names)}"
    return f"{n_placed} of {n_all} layers {_where(made.device_names)}"


def _sum_line(made: Assessment) -> str:
    names = made.device_names or None
    total, low, high = (
        made.estimate.n_bytes(names),
        made.estimate.low_bytes(names),
        made.estimate.high_bytes(names),
    )
    parts = [
        f"{label} {gib(n_bytes, 2)}"
        for label, kinds in SPLIT.items()
        if (n_bytes := sum(made.estimate.n_bytes(names, kind) for kind in kinds))
    ]
    return f"{' '.join(filter(None, (gib(total), 'GiB', band(low, high))))} = {' + '.join(parts)}"


def _place_lines(finding: Finding, made: Assessment) -> Iterator[str]:
    margins = {margin.place.name: margin for margin in made.verdict.margins}
    planned = {place.name for place in finding.places}
    hidden = [place for place in hidden_places(finding.snapshot) if place.name not in planned]
    missing = [place for place in missing_places(finding.snapshot) if place.name not in {one.name for one in hidden}]
    width = max(map(len, [*planned, *(other.name for other in (*missing, *hidden))]))
    yield f"  {'GiB':<{width}}   total    used    free    line    load  at most"
    for place in finding.places:
        used = place.total_bytes - place.free_bytes
        figures = "".join(f"{gib(n):>8}" for n in (place.total_bytes, used, place.free_bytes, place.line_bytes))
        yield f"  {place.name:<{width}}{figures}{_load_columns(margins.get(place.name))}"
    if (settled := finding.settled) is not None:
        names = [(place.name, drawing_on(place, made.places)) for place in made.places]
        parts = [
            f"{name} {gib(settled.n_bytes(held))} (at most {gib(settled.high_bytes(held))})" for name, held in names
        ]
        yield from wrapped(f"as {settled.engine} would place it: {', '.join(parts)}", "  ", "    ")
    for unknown in missing:
        is_told = any(fault.message == unknown.reason for fault in finding.snapshot.faults)
        yield from wrapped(
            f"{unknown.name:<{width}}  not known now{'' if is_told else f': {plain(unknown.reason, 300)}'}",
            "  ",
            " " * (width + 4),
        )
    for one in hidden:
        yield from wrapped(
            f"{one.name:<{width}}  {one.reason}; --all-devices plans for it, too", "  ", " " * (width + 4)
        )


def _load_columns(margin: Margin | None) -> str:
    if margin is None or not margin.high_bytes:
        return f"{UNKNOWN:>8}"
    return f"{gib(margin.load_bytes):>8}{gib(margin.high_bytes):>9}  {GLYPHS[margin.level]}"


def _answer_lines(estimate: Estimate) -> Iterator[str]:
    """What people ask of this engine beside bytes."""
    if not estimate.answers:
        return
    yield ""
    width = max(len(answer.label) for answer in estimate.answers)
    for answer in estimate.answers:
        yield from wrapped(f"{answer.label:<{width}}   {answer_text(answer)}", "  ", " " * (width + 5))


def _need_lines(finding: Finding) -> Iterator[str]:
    """Room on disk and in RAM, of a model that has to be loaded first."""
    needs = finding.needs
    if needs is None:
        return
    yield ""
    as_stored = "" if finding.stored is None else f", stored as {finding.stored.quant}"
    parts = [f"files {size(needs.disk_bytes)}{as_stored}"]
    if needs.ram_bytes:
        parts.append(f"RAM while loading {size(needs.ram_bytes)}")
    if needs.cached_bytes:
        parts.append(f"page cache up to {size(needs.cached_bytes)}, which the system takes back")
    yield from wrapped(sentence(parts), "  ", "    ")


def _advice_lines(
    advice: Advice, made: Assessment, rewrites: Sequence[str] = (), stored: Model | None = None
) -> Iterator[str]:
    plan = made.plan
    native = plan.most_context_tokens
    longest = advice.longest_context_tokens
    told = "none" if longest is None else count(longest)
    is_all = longest is not None and longest == native
    if plan.has_context:
        yield f"  longest context that fits here   {told}{', all that the model has' if is_all else ''}"
    best = advice.best_quant or "none"
    if stored is not None and advice.best_quant is not None:
        best += _how_given(advice.best_quant, stored, plan)
    yield from wrapped(f"best quant that fits here        {best}", "  ", " " * 35)
    for note in advice.notes:
        yield from wrapped(plain(note, 400), "  ")
    if advice.changes:
        yield ""
        yield from _change_lines(advice, plan, rewrites)
    elif longest is None and advice.best_quant is None and made.verdict.level >= Level.SPILLS:
        yield "  no single change would make it fit here"


def _how_given(quant: str, stored: Model, plan: Plan) -> str:
    """By which files: the command has others converted while they are loaded."""
    if quant == plan.model.quant:
        return f", made of {stored.quant} as now"
    if quant == stored.quant:
        return ", the files as they are, unconverted"
    return ", of files stored so, unconverted"


def _change_lines(advice: Advice, plan: Plan, rewrites: Sequence[str]) -> Iterator[str]:
    """Each change by name, and what to type for it: our own flags, or the whole command where one was read."""
    yield "  would fit with"
    flags = list(rewrites) or [" ".join(change_flags(plan, change)) for change in advice.changes]
    labels = [
        "" if change.label == typed else plain(change.label)
        for change, typed in zip(advice.changes, flags, strict=True)
    ]
    width = max(map(len, labels))
    for number, (label, typed) in enumerate(zip(labels, flags, strict=True), 1):
        yield f"    {number}  {f'{label:<{width}}   ' if label else ''}{plain(typed, MOST_CHARACTERS)}".rstrip()


def _verification_lines(made: Verification) -> Iterator[str]:
    """The engine's own figures beside ours, in MiB as it prints them."""
    if not made.places:
        yield from wrapped(f"not verified: {plain(made.reason, 400)}", "  ", "    ")
        return
    yield from wrapped(f"{plain(made.program, 200)} says of this load, logits of a whole batch with it", "  ", "    ")
    width = max(len("MiB"), *(len(row.name) for row in made.places))
    yield f"  {'MiB':<{width}}{'weights':>10}{'KV, state':>11}{'compute':>9}{'together':>10}"
    for row in made.places:
        for label, figures in ((row.name, row.theirs), ("ours", row.ours)):
            parts = (figures.weights_bytes, figures.cache_bytes, figures.compute_bytes, figures.total_bytes)
            columns = "".join(f"{n >> 20:>{n_columns}}" for n, n_columns in zip(parts, (10, 11, 9, 10), strict=True))
            yield f"  {plain(label, 32):<{width}}{columns}"


def _note_lines(finding: Finding) -> Iterator[str]:
    for fault in finding.faults:
        if finding.reason and fault.partition(": ")[2] in finding.reason:
            continue
        yield from wrapped(f"! {plain(fault, 400)}", "  ", "    ")
    for shortage in finding.shortages:
        yield from wrapped(f"! {plain(shortage, 400)}", "  ", "    ")
    for doubt in finding.doubts:
        yield from wrapped(f"≈ {plain(doubt, 400)}", "  ", "    ")


def _ledger_lines(estimate: Estimate) -> Iterator[str]:
    """A row per term, and below it the rule with this model's numbers, and where the rule is from."""
    names = dict.fromkeys(term.place for term in estimate.terms)
    width = max(map(len, names), default=0)
    labels = max((len(term.label) for term in estimate.terms), default=0)
    indent = " " * (width + 4)
    for term in sorted(estimate.terms, key=lambda term: list(names).index(term.place)):
        is_sure = term.low_bytes == term.high_bytes
        span = "" if is_sure else f"{fine_size(term.low_bytes)} to {fine_size(term.high_bytes)}, "
        heading = f"{term.place:<{width}}  {plain(term.label):<{labels}}"
        yield f"  {heading}  {fine_size(term.n_bytes):>11}  {span}{term.basis.value}"
        if term.formula:
            yield from wrapped(f"= {plain(term.formula, 600)}", indent, indent + "  ")
        yield from wrapped(plain(term.source, 400), indent)


def _stage_lines(pacing: Pacing) -> Iterator[str]:
    """What each place does for a token, and where its pace is from."""
    width = max(len(stage.place) for stage in pacing.speed.stages)
    indent = " " * (width + 4)
    for stage in pacing.speed.stages:
        yield from wrapped(f"{stage.place:<{width}}  {stage_text(stage)}, {stage.basis.value}", "  ", indent)
        yield from wrapped(plain(stage.source, 400), indent)


def wrapped(text: str, indent: str, further: str | None = None) -> list[str]:
    """Lines of at most ``WIDTH`` columns, broken at blanks; a longer word stays whole."""
    lines: list[str] = []
    line = indent
    for word in text.split(" "):
        if columns_of(line) + 1 + columns_of(word) > WIDTH and line.strip():
            lines.append(line)
            line = indent if further is None else further
        line += word if not line.strip() and word else f" {word}"
    return [*lines, line]


def headline(made: Assessment) -> str:
    """The verdict in one line, in the words of the screen: ``FITS on GPU 0, 0.7 GiB under the line``."""
    verdict, names = made.verdict, _loaded_names(made)
    there = "" if names == (verdict.place,) else f" of {verdict.place}"
    if verdict.is_refused:
        return f"FAILS: {made.estimate.engine} would not start"
    if verdict.level is Level.FITS:
        return f"FITS {_where(names)}, {size(verdict.headroom_bytes)} under the line{there}"
    if verdict.level is Level.TIGHT and verdict.headroom_bytes >= 0:  # not for bytes: the reason says for what
        return f"TIGHT {_where(names)}"
    if verdict.level is Level.TIGHT:
        return f"TIGHT {_where(names)}, up to {size(-verdict.headroom_bytes)} over the line{there}"
    if verdict.level is Level.SPILLS:
        target = (
            "to disk" if verdict.place == HOST_NAME and verdict.outcome is Outcome.OFFLOADS else verdict.spills_into
        )
        return f"SPILLS {size(verdict.spill_bytes)} of {counted(verdict.short_places)} {target}"
    return f"FAILS: {size(verdict.spill_bytes)} missing {_where(verdict.short_places)}"


def _loaded_names(made: Assessment) -> tuple[str, ...]:
    """The devices that get something; the RAM where none does."""
    margins = made.verdict.margins
    return tuple(m.place.name for m in margins if m.load_bytes and m.place.kind != "host") or (HOST_NAME,)


def _where(names: tuple[str, ...]) -> str:
    if len(names) > 2:
        return f"on {len(names)} GPUs"
    return f"{'in' if names == (HOST_NAME,) else 'on'} {' and '.join(names)}"

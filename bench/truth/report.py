"""The tables: errors by engine, family and part, bands, and verdicts beside what happened."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from estimator.verdict import Level
from truth.figure import Figure, Happening, Replay

PARTS = ("weights", "KV", "state", "compute", "total")


def share(numbers: Sequence[float], quantile: float) -> float:
    """The value that so large a part of the numbers does not exceed."""
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]


def line_of(name: str, figures: Sequence[Figure]) -> str:
    errors = [abs(figure.error) for figure in figures]
    over = [figure.error for figure in figures if figure.error > 0]
    under = [-figure.error for figure in figures if figure.error < 0]
    exact = len(figures) - len(over) - len(under)
    in_band = sum(figure.is_in_band for figure in figures) / len(figures)
    band = statistics.median(figure.band for figure in figures)
    return (
        f"{name:44s}{len({figure.row for figure in figures}):5d}{len(figures):6d}"
        f"{statistics.median(errors) * 100:8.2f}{share(errors, 0.95) * 100:8.2f}{max(errors) * 100:9.2f}"
        f"{exact:7d}{len(over):5d} {max(over, default=0) * 100:7.1f}{len(under):5d} {max(under, default=0) * 100:7.1f}"
        f"{in_band * 100:8.1f}{band * 100:7.2f}"
    )


HEAD = (
    f"{'':44s}{'rows':>5s}{'figs':>6s}{'median':>8s}{'95 %':>8s}{'worst':>9s}"
    f"{'exact':>7s}{'over':>5s} {'worst':>7s}{'under':>5s} {'worst':>7s}{'in band':>8s}{'band':>7s}"
)


def grouped(figures: Iterable[Figure], key: Callable[[Figure], str]) -> dict[str, list[Figure]]:
    groups: dict[str, list[Figure]] = defaultdict(list)
    for figure in figures:
        groups[key(figure)].append(figure)
    return dict(sorted(groups.items()))


def print_report(replay: Replay, *, by_family: bool = True, n_worst: int = 0) -> None:
    print(f"{replay.n_rows} rows, {len(replay.figures)} figures; errors and bands in per cent")
    print(HEAD)
    parts = [*PARTS, *dict.fromkeys(figure.part for figure in replay.figures if figure.part not in PARTS)]
    for engine, of_engine in grouped(replay.figures, lambda figure: figure.engine).items():
        for part in parts:
            of_part = [figure for figure in of_engine if figure.part == part]
            if not of_part:
                continue
            print(line_of(f"{engine}, {part}", of_part))
            if by_family:
                for family, of_family in grouped(of_part, lambda figure: figure.family).items():
                    print(line_of(f"    {family}", of_family))
    print_together(replay.figures, parts)
    print_verdicts(replay.happenings)
    for reason, n in replay.skipped.most_common():
        print(f"not compared: {n:4d}  {reason}")
    print_worst(replay, n_worst)


def print_together(figures: Sequence[Figure], parts: Sequence[str]) -> None:
    """All engines as one, part by part, where there is more than one of them."""
    if len({figure.engine for figure in figures}) < 2:
        return
    for part in parts:
        of_part = [figure for figure in figures if figure.part == part]
        if of_part:
            print(line_of(f"together, {part}", of_part))
    print(line_of("together, all of it", figures))


def print_verdicts(happenings: Sequence[Happening]) -> None:
    if not happenings:
        return
    print("\nverdicts beside what happened")
    counts = Counter((happening.engine, happening.outcome, happening.level) for happening in happenings)
    for engine, outcome in sorted({(engine, outcome) for engine, outcome, _ in counts}):
        levels = ", ".join(f"{counts[engine, outcome, level]} {level.name}" for level in Level)
        print(f"  {engine:28s}{outcome:10s}{levels}")
    n_tight = sum(happening.level is Level.TIGHT for happening in happenings)
    wrong = [happening for happening in happenings if happening.is_wrong]
    print(f"  TIGHT for {n_tight} of {len(happenings)}; wrong: {len(wrong)}")
    for happening in wrong:
        print(f"    {happening.row}: {happening.outcome}, said {happening.level.name}: {happening.detail}")


def print_worst(replay: Replay, n_worst: int) -> None:
    for figure in sorted(replay.figures, key=lambda figure: -abs(figure.error))[:n_worst]:
        print(
            f"{figure.row} {figure.engine} {figure.family} {figure.place} {figure.part}: measured "
            f"{figure.measured:.2f} {figure.unit}, expected {figure.expected:.2f} ({figure.error * 100:+.1f} %), band "
            f"{figure.low:.2f} to {figure.high:.2f}"
            + (f"; {figure.cause}" if figure.cause else "")
            + f"; {replay.sources.get(figure.row, '')}"
        )

"""How far the estimates are from what engines really allocated, and the verdicts from what happened.

    python bench/accuracy.py [--truth FILE ...] [--models DIR] [--engine NAME] [--family NAME ...] [--plain] [--worst N]
    python bench/accuracy.py --grid GRID.jsonl --models DIR [--model NAME ...] [--context N ...] [--every N] [--worst N]

FILE holds one run a line, as JSON; what kind of file it is shows in its lines: logs of llama.cpp and what is built on
it, of servers, a measured grid, or published file sizes. bench/truth/ has one module for each, whose docstring says
which fields are read. A row that does not state what is needed is left out, and counted by reason. DIR holds the
files of the models in a grid, or files with their headers only, as MODEL-QUANT.gguf. Without arguments the points that
the tests carry are replayed.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from measured import MEASURED_POINTS
from truth import grid, llamacpp, servers, sizes
from truth.figure import Replay
from truth.report import print_report


def rows_in(path: Path) -> list[dict[str, Any]]:
    with path.open() as lines:
        return [json.loads(line) for line in lines if line.strip()]


def replay(rows: list[dict[str, Any]], models: Path | None) -> Replay:
    """Each row by what kind it is of."""
    made = Replay()
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(kind_of(row), []).append(row)
    for kind, of_kind in kinds.items():
        if kind == "grid":
            made.add(grid.replay(of_kind, grid.models_in(models)))
        elif kind == "sizes":
            made.add(sizes.replay(of_kind, kinds.get("llamacpp", ())))
        elif kind == "llamacpp":
            made.add(llamacpp.replay(of_kind))
        elif kind == "servers":
            made.add(servers.replay(of_kind))
        else:
            made.n_rows += len(of_kind)
            made.skipped["rows of a kind that is not known here"] += len(of_kind)
    return made


def kind_of(row: dict[str, Any]) -> str:
    if row.get("kind") in ("memory", "quant", "fit") or "bytes" in row:
        return "grid"
    if "size_gib" in row or "size_bytes" in row:
        return "sizes"
    if "observed" in row:
        return "llamacpp" if "buffers" in row["observed"] else "servers"
    return "unknown"


def chosen(rows: Iterable[dict[str, Any]], options: argparse.Namespace) -> list[dict[str, Any]]:
    kept = [
        row
        for row in rows
        if (not options.model or row.get("model") in options.model)
        and (not options.context or row.get("n_ctx_req") in options.context)
        and (not options.engine or str(row.get("engine", "")).startswith(options.engine))
    ]
    return kept[:: options.every]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=Path, nargs="+", default=[], help="files of rows, JSON lines")
    parser.add_argument("--grid", type=Path, help="a measured grid; the same as --truth")
    parser.add_argument("--models", type=Path, help="directory of MODEL-QUANT.gguf")
    parser.add_argument("--model", action="append", default=[], help="of a grid only this model")
    parser.add_argument("--context", action="append", default=[], type=int, help="of a grid only this context")
    parser.add_argument("--engine", default="", help="only rows of engines whose name begins so")
    parser.add_argument("--family", action="append", default=[], help="only this architecture")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th row")
    parser.add_argument("--plain", action="store_true", help="no lines by architecture")
    parser.add_argument("--worst", type=int, default=0, help="list so many of the worst figures")
    options = parser.parse_args()

    files = [*options.truth, *([options.grid] if options.grid else [])]
    rows = [row for path in files for row in rows_in(path)] if files else list(MEASURED_POINTS)
    made = replay(chosen(rows, options), options.models)
    if options.family:
        made.figures = [figure for figure in made.figures if figure.family in options.family]
    print_report(made, by_family=bool(files) and not options.plain, n_worst=options.worst)
    return 0 if made.figures else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""The table of published figures that the paces were fitted to."""

import json
from pathlib import Path
from typing import Any

from probes.accelerators import known_accelerators

ROWS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "bench" / "data" / "llama_bench.jsonl").read_text("utf-8").splitlines()
]


def test_every_row_says_where_and_when_it_was_published() -> None:
    for row in ROWS:
        assert row["source"].startswith("https://"), row
        assert row["date"][:4].isdigit(), row


def test_every_row_is_of_a_device_that_is_known() -> None:
    known = {one.name for one in known_accelerators()} | {"CPU"}
    assert {row["device"] for row in ROWS} <= known


def test_what_lies_in_ram_says_how_fast_that_is() -> None:
    for row in ROWS:
        if row["device"] == "CPU" or "n_cpu_moe_layers" in row or "n_gpu_layers" in row:
            assert row["ram_gb_s"] > 0, row


def test_no_figure_stands_twice() -> None:
    keys = [json.dumps({k: v for k, v in row.items() if k not in ("date", "build")}, sort_keys=True) for row in ROWS]
    assert len(set(keys)) == len(keys)

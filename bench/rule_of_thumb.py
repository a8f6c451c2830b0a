"""How far the rule of thumb (weights times an overhead) is from peaks that real runs printed: what its band is from.

    python bench/rule_of_thumb.py --truth SERVERS.jsonl

Rows of Transformers and MLX with a peak, table by table, since two of them supply most rows.
"""

import argparse
import json
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from truth.figure import NotReplayable
from truth.servers import _model as model_of_row

from estimator.engines.generic import OTHER_OVERHEAD, OVERHEADS
from estimator.errors import EstimatorError
from estimator.needs import file_bytes

ENGINES = ("transformers", "mlx-lm")


def ratio_of(row: Mapping[str, Any]) -> float | None:
    """Peak over weights times overhead, or None where the row does not say both."""
    peak_gb = row["observed"].get("peak_gb")
    if row["engine"] not in ENGINES or peak_gb is None:
        return None
    try:
        model = model_of_row(row)
    except (NotReplayable, EstimatorError):
        return None
    n_bytes = file_bytes(model)
    return float(peak_gb * 1e9 / (n_bytes * OVERHEADS.get(model.kind, OTHER_OVERHEAD)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", required=True, type=Path)
    rows = [json.loads(line) for line in parser.parse_args().truth.read_text().splitlines()]
    by_source: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        ratio = ratio_of(row)
        if ratio is not None:
            by_source[re.sub(r"\s.*", "", row["source"])].append(ratio)
    print(f"{'rows':>5} {'least':>6} {'median':>6} {'most':>6}  source")
    for source, ratios in sorted(by_source.items()):
        print(f"{len(ratios):5} {min(ratios):6.2f} {statistics.median(ratios):6.2f} {max(ratios):6.2f}  {source[:90]}")
    everything = sorted(ratio for ratios in by_source.values() for ratio in ratios)
    cuts = statistics.quantiles(everything, n=20)
    print(f"all {len(everything)} rows: 5 % below {cuts[0]:.2f}, median {cuts[9]:.2f}, 5 % above {cuts[18]:.2f}")


if __name__ == "__main__":
    main()

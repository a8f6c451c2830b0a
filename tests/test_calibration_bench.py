"""The bench of corrections replays loads of a machine, and says by how much each would have been nearer."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))

import calibration

MIB = 1 << 20


def rows(path: Path, *differences_mib: float) -> Path:
    """As ``bench/real_gpu.py --json`` writes them, a file for each figure."""
    lines = [
        {
            "file": f"{number}.gguf",
            "terms": [{"bytes": 4000 * MIB}, {"bytes": 600 * MIB}],
            "run": {"answered_bytes": round((4600 + difference) * MIB)},
        }
        for number, difference in enumerate(differences_mib)
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_a_steady_difference_is_taken_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ((name, loads),) = calibration.in_file(rows(tmp_path / "a", 60, 62, 61, 63)).items()

    assert calibration.report(name, loads)

    before, _, after = capsys.readouterr().out.splitlines()[1:]
    assert before.split()[2] == "61.5"
    assert float(after.split()[2]) <= 2


def test_what_differs_without_a_rule_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ((name, loads),) = calibration.in_file(rows(tmp_path / "a", -90, 80, -70, 95)).items()

    assert calibration.report(name, loads)

    before, within, after = capsys.readouterr().out.splitlines()[1:]
    assert before.split()[1:] == within.split()[1:] == after.split()[1:]


def test_loads_on_the_h100_are_predicted_too_well_to_be_corrected() -> None:
    loads = list(calibration.on_h100(calibration.H100))
    assert calibration.correction(loads) == 0

"""What a command comes to on a machine that is described: its loads judged, without a report."""

from estimator.calibration import Calibration
from launches.command import Command
from launches.loads import read_loads
from probes.snapshot import Snapshot
from tui.finding import Finding
from tui.judging import find
from tui.manner import Manner


def find_command(
    command: Command, snapshot: Snapshot, *, is_strict: bool = False, calibrations: tuple[Calibration, ...] = ()
) -> Finding:
    """Of several loads, the one that goes worst.

    Raises:
        LaunchError: it is no engine's, or loads nothing.
        EstimatorError: the model cannot be read.
    """
    return find(read_loads(command), snapshot, Manner(is_strict=is_strict, calibrations=calibrations))

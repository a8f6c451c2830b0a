"""``plimsoll check -- COMMAND``: what its loads come to, printed."""

from collections.abc import Callable

from estimator.errors import EstimatorError, Unjudgeable
from launches.command import Command
from launches.errors import NoLaunch, UnknownEngine, UnknownProgram
from launches.loads import read_loads
from launches.told import screened
from probes.snapshot import Snapshot
from tui.check import FITS, UNKNOWN, UNUSABLE, complain
from tui.console import is_coloured
from tui.humanize import plain
from tui.judging import find
from tui.manner import Manner
from tui.report import finding_text


def report_command(
    command: Command,
    snapshot: Callable[[], Snapshot],
    manner: Manner,
    *,
    is_json: bool = False,
    is_explained: bool = False,
) -> int:
    """``plimsoll check -- COMMAND``: print the report, and return the exit status."""
    try:
        finding = find(read_loads(command), snapshot(), manner)
    except UnknownProgram as error:
        complain(screened(str(error)))
        return UNKNOWN if isinstance(error, UnknownEngine) else UNUSABLE
    except NoLaunch as error:
        if error.is_elsewhere:
            complain(screened(str(error)))
            return UNKNOWN
        print(plain(str(error), 400))
        return FITS
    except Unjudgeable as error:
        complain(screened(str(error)))
        return UNKNOWN
    except EstimatorError as error:
        complain(screened(str(error)))
        return UNUSABLE
    if is_json:
        import json  # noqa: PLC0415  # 3 ms, which only those pay who ask for it

        from tui.schema import finding_json  # noqa: PLC0415

        print(json.dumps(finding_json(finding), indent=2))
    else:
        print(finding_text(finding, is_explained=is_explained, is_coloured=is_coloured()))
    return finding.exit_status

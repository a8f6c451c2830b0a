"""``plimsoll check``: would this load fit here now? A report or JSON, and an exit status that a script can act on."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from estimator.errors import EstimatorError, Refused, Unjudgeable
from estimator.ledger import Place
from estimator.model import Model
from estimator.reader import read_model
from estimator.verdict import Level
from probes.snapshot import Snapshot
from tui.advice import advise
from tui.finding import Finding
from tui.humanize import plain
from tui.neighbours import nobody
from tui.places import places_of
from tui.plan import assess
from tui.report import finding_text
from tui.request import Request, UnknownDevice, chosen_devices
from tui.schema import finding_json

TYPE_CHECKING = False  # as typing's: only who has learned something imports them
if TYPE_CHECKING:
    from estimator.calibration import Calibration
    from tui.neighbours import Neighbours

FITS, DOES_NOT_FIT, UNUSABLE, UNKNOWN = 0, 1, 2, 3
"""Exit status: tight counts as fitting unless asked to be strict; wrong use or no model; it can't be judged."""


def run_check(
    request: Request,
    snapshot: Callable[[], Snapshot],
    *,
    is_json: bool = False,
    is_explained: bool = False,
    is_strict: bool = False,
    is_coloured: bool = False,
    has_hardware: bool = False,
    is_verified: bool = False,
    verifier: str | None = None,
    disk_free_bytes: int | None = None,
    calibrations: "tuple[Calibration, ...]" = (),
    neighbours: "Neighbours" = nobody,
) -> int:
    """Print the report, and return the exit status.

    Args:
        request: what was asked for.
        snapshot: waits for the hardware, which is being read while the model is.
        is_json: print JSON in place of text.
        is_explained: print the ledger too; JSON always has it.
        is_strict: what is tight does not fit.
        is_coloured: colour the verdict.
        has_hardware: list the known hardware that would hold it, too.
        is_verified: ask the engine's own program too.
        verifier: the file of that program; None looks for it on the path.
        disk_free_bytes: where models are usually kept; None: not known, or not of this machine.
        calibrations: what was learned on this machine; none where the hardware is not this machine's.
        neighbours: who else runs an engine here, asked where the load has no room.
    """
    try:
        model = read_model(request.source, request.quant)
        finding = find_out(
            request, model, snapshot(), is_strict=is_strict, calibrations=calibrations, neighbours=neighbours
        )
    except (EstimatorError, UnknownDevice) as error:
        complain(str(error))
        return UNUSABLE
    finding = replace(finding, disk_free_bytes=disk_free_bytes)
    if is_verified:
        from tui.verify import verify  # noqa: PLC0415  # 9 ms for subprocess and tempfile, which few pay

        finding = replace(finding, verification=verify(finding, verifier))
    if has_hardware and finding.plan is not None:
        from tui.hardware import hardware_options  # noqa: PLC0415  # it judges some twenty machines: 100 ms

        finding = replace(finding, hardware=hardware_options(finding.plan))
    if is_json:
        import json  # noqa: PLC0415  # 3 ms, which only those pay who ask for it

        print(json.dumps(finding_json(finding), indent=2))
    else:
        print(finding_text(finding, is_explained=is_explained, is_coloured=is_coloured))
        if finding.hardware is not None:
            from tui.proposal import hardware_lines  # noqa: PLC0415

            print("\n".join(["", "  would hold it", *hardware_lines(finding.hardware)]))
    if finding.assessment is None and is_json:
        complain(finding.reason)
    return finding.exit_status


def find_out(
    request: Request,
    model: Model,
    snapshot: Snapshot,
    *,
    is_strict: bool = False,
    calibrations: "tuple[Calibration, ...]" = (),
    neighbours: "Neighbours" = nobody,
) -> Finding:
    """Judge the model on the machine as it is now.

    Raises:
        UnknownDevice: a device was named that is not there.
    """
    found = Finding(
        request=request,
        model=model,
        snapshot=snapshot,
        places=_places(request, snapshot, (), calibrations),
        plan=None,
        assessment=None,
        advice=None,
        exit_status=UNKNOWN,
    )
    try:
        plan = request.plan(model, chosen_devices(request.device, snapshot, has_hidden=request.has_hidden))
        found = replace(
            found, plan=plan, model=plan.model, places=_places(request, snapshot, plan.devices or (), calibrations)
        )
        assessment = assess(plan, found.places)
        engines = neighbours(snapshot) if assessment.verdict.level >= Level.SPILLS else ()
        advice = advise(plan, found.places, snapshot, engines)
    except Refused as error:
        return replace(found, reason=str(error), is_refused=True, exit_status=DOES_NOT_FIT)
    except Unjudgeable as error:
        return replace(found, reason=str(error))
    level = assessment.verdict.level
    does_fit = level is Level.FITS or (level is Level.TIGHT and not is_strict)
    return replace(found, assessment=assessment, advice=advice, exit_status=FITS if does_fit else DOES_NOT_FIT)


def _places(
    request: Request, snapshot: Snapshot, named: Sequence[str], calibrations: "tuple[Calibration, ...]"
) -> tuple[Place, ...]:
    return places_of(
        snapshot,
        request.ram_bytes_per_second,
        settings=request.settings,
        named=named,
        has_hidden=request.has_hidden,
        calibrations=calibrations,
    )


def say(text: str) -> None:
    """To the standard error output; one that is gone is no reason to stop."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        return


def complain(message: str) -> None:
    """One sentence to the standard error output."""
    print(f"plimsoll: {plain(message, 1000)}", file=sys.stderr)

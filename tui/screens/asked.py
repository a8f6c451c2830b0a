"""The plan that was asked for on the command line, once the model has been read."""

from estimator.errors import EstimatorError
from estimator.model import Model
from probes.snapshot import Snapshot
from tui.plan import Plan
from tui.request import ALL, AUTO, CPU_WORDS, Request, UnknownDevice, chosen_devices


def plan_as_asked(request: Request, model: Model, snapshot: Snapshot | None) -> tuple[Plan | None, str]:
    """The plan, and what is the matter with it where it is not all that was asked for.

    Where a named device is not found, the plan keeps the name: what was not asked for is never judged in its place.
    """
    wanted = request.device.strip().casefold()
    devices: tuple[str, ...] | None = None
    trouble = ""
    if wanted in CPU_WORDS:
        devices = ()
    elif wanted != AUTO:  # whether any device is known at all is judged anew at each snapshot
        if wanted != ALL:
            devices = tuple(part.strip() for part in request.device.split(",") if part.strip())
        if snapshot is None or snapshot.pending:
            waited_for = ", ".join(snapshot.pending) if snapshot is not None else "the first figures"
            trouble = f"--device {request.device}: waiting for {waited_for} …"
        else:
            try:
                devices = chosen_devices(request.device, snapshot, has_hidden=request.has_hidden)
            except (EstimatorError, UnknownDevice) as error:
                trouble = str(error)
    try:
        return request.plan(model, devices), trouble
    except EstimatorError as error:
        return None, str(error)

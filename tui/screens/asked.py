"""The plan that was asked for on the command line, once the model has been read."""

from estimator.errors import EstimatorError
from estimator.model import Model
from probes.snapshot import Snapshot
from tui.plan import Plan
from tui.request import Request, UnknownDevice, chosen_devices


def plan_as_asked(request: Request, model: Model, snapshot: Snapshot | None) -> tuple[Plan | None, str]:
    """The plan, and what is the matter with it where it is not all that was asked for."""
    devices: tuple[str, ...] | None = None
    trouble = ""
    try:
        if snapshot is not None:
            devices = chosen_devices(request.device, snapshot)
    except (EstimatorError, UnknownDevice) as error:
        trouble = str(error)
    try:
        return request.plan(model, devices), trouble
    except EstimatorError as error:
        return None, str(error)

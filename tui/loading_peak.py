"""Weights that an engine converts while it loads them: what its files hold, and engines that convert after loading."""

from dataclasses import replace

from estimator.ledger import Kind
from estimator.model import Model
from estimator.reader import read_model
from estimator.verdict import Level
from launches.launch import Launch
from tui.humanize import size
from tui.plan import Assessment, Plan, assess
from tui.stored import as_published_for


def stored_for(launch: Launch, plan: Plan) -> Model | None:
    """The model as its files hold it, where the command has it converted while it is loaded; None where it has not.

    Raises:
        EstimatorError: it cannot be read.
    """
    if launch.quant is None or launch.source is None:
        return None
    stored = as_published_for(plan.engine, read_model(launch.source))
    return None if stored.quant == plan.model.quant else stored


def with_loading_peak(launch: Launch, plan: Plan, made: Assessment) -> Assessment:
    """Fails where a device has no room for its part of the stored weights; caches and graphs come later.

    Raises:
        EstimatorError: the stored model has no place in this plan.
    """
    if not launch.is_converted_after_loading or (stored := stored_for(launch, plan)) is None:
        return made
    loading = assess(replace(plan, model=stored), made.places).estimate
    for place in made.places:
        weight_bytes = loading.n_bytes([place.name], Kind.WEIGHTS)
        needed_bytes = weight_bytes + made.estimate.n_bytes([place.name], Kind.RUNTIME)
        if place.kind != "host" and needed_bytes > place.free_bytes:
            reason = (
                f"{plan.engine.NAME} loads the weights as they are stored and converts them afterwards: "
                f"{size(weight_bytes)} of {stored.quant} on {place.name}, "
                f"which has {size(place.free_bytes)} free; a checkpoint that is stored converted needs less"
            )
            if made.verdict.level is Level.FAILS:
                return made
            verdict = replace(made.verdict, level=Level.FAILS, place=place.name, reason=reason, is_refused=True)
            return replace(made, verdict=verdict)
    return made

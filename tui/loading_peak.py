"""Engines that have all weights on the devices as they are stored before they convert them: more than they keep."""

from dataclasses import replace

from estimator.ledger import Kind
from estimator.reader import read_model
from estimator.verdict import Level
from launches.launch import Launch
from tui.humanize import size
from tui.plan import Assessment, Plan, assess
from tui.stored import as_published_for


def with_loading_peak(launch: Launch, plan: Plan, made: Assessment) -> Assessment:
    """Fails where a device has no room for its part of the stored weights; caches and graphs come later.

    Raises:
        EstimatorError: the stored model has no place in this plan.
    """
    if not launch.is_converted_after_loading or launch.source is None:
        return made
    stored = as_published_for(plan.engine, read_model(launch.source))
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

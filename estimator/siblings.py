"""Larger models of the same family, for those who have room to spare."""

from estimator.errors import EstimatorError
from estimator.model import Model
from estimator.readers import catalogue

LARGER = (1.3, 4.0)
"""How many times the parameters: less makes no difference, more does not fit where this one takes 6 bits or more."""


def larger_siblings(model: Model) -> tuple[str, ...]:
    """Names that the catalogue reads, the largest first; none of a model that it does not know."""
    try:
        entry = catalogue.find(model.name)
    except EstimatorError:
        return ()
    least, most = (factor * entry.n_parameters for factor in LARGER)
    found = [
        other
        for other in catalogue.entries()
        if other.family == entry.family and other.kind == entry.kind and least <= other.n_parameters <= most
    ]
    return tuple(other.name for other in sorted(found, key=lambda other: -other.n_parameters))

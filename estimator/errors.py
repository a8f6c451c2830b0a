"""What can go wrong with an estimate.

EstimatorError
├── UnreadableModel     the file, or what was typed, is no model that can be read; exit status 2
│   └── AmbiguousModel  several models go by that name; ``candidates`` lists them
├── UnknownQuant        no such quantisation for this model; exit status 2
├── Unjudgeable         the model was read, and what it would take can't be known; exit status 3
│   └── Refused         the engine itself refuses such settings, whatever room there is; exit status 1
└── Unbuildable         no graph can be built of it; never leaves estimator/compute.py
"""

from collections.abc import Sequence


class EstimatorError(Exception):
    """The message is one sentence for the user: what is the matter, and what can be done."""


class UnreadableModel(EstimatorError):
    pass


class AmbiguousModel(UnreadableModel):
    def __init__(self, message: str, candidates: Sequence[str]) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class UnknownQuant(EstimatorError):
    pass


class Unjudgeable(EstimatorError):
    pass


class Refused(Unjudgeable):
    pass


class Unbuildable(EstimatorError):
    pass

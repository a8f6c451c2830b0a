"""Whether loads differ from what was predicted by about the same, whatever the model. Pure.

What is the driver's and the libraries' is the same from model to model; what is a model's, or a wrong guess of one, is
not. So models are compared, each by the median of its own loads, and what is found has to foretell every model from the
others, never worse than the prediction alone did.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from records.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MIB = 1 << 20
LEAST_LOADS, LEAST_MODELS = 3, 2
NOTICEABLE_BYTES = 2 * MIB
"""The driver's pages: llama.cpp's pool takes memory in whole ones (ggml/src/ggml-cuda/ggml-cuda.cu,
ggml_cuda_pool_vmm), as large as cuMemGetAllocationGranularity says. That these have 2 MiB, so that less is no
difference, is ASSUMED. By so much at least the median has to become better."""
LEAST_SPREAD_BYTES = 17 * MIB
"""To either side. Nine models on one H100, two of them by cuBLAS and dense ones alike, lay within 17 MiB of what the
rules gave (tests/test_runtime.py, HELD_BESIDE_MIB, 2026-11-26): no machine is taken to be steadier than that one."""
MOST_SPREAD_BYTES = 192 * MIB
"""As ``runtime.CUDA_POOL_GROWTH_BYTES``, which the plain band allows for use: wider than that it says nothing new."""
_SIGMA = 1.4826
"""Of a normal distribution's standard deviation to its median absolute deviation (1 / 0.6745)."""
_STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
"""Student's t of 1, 2, 3 ... degrees of freedom, 95 % within; of more the last one is a little too wide."""


@record(frozen=True, slots=True, kw_only=True)
class Steady:
    """The next load, of whatever model, is expected to differ by so much."""

    n_bytes: int
    low_bytes: int
    high_bytes: int


@record(frozen=True, slots=True, kw_only=True)
class Unsteady:
    """Nothing can be reckoned with, and why."""

    reason: str
    is_as_predicted: bool = False
    """Since nothing has to be."""


def steadiness(differences: Mapping[str, Sequence[int]]) -> Steady | Unsteady:
    """What loads have in common.

    Args:
        differences: by model, of each of its loads what it held beyond what was predicted, in bytes.
    """
    models = [list(loads) for loads in differences.values() if loads]
    loads = [difference for model in models for difference in model]
    if len(loads) < LEAST_LOADS:
        return Unsteady(reason=f"{LEAST_LOADS} loads are needed")
    if len(models) < LEAST_MODELS:
        return Unsteady(reason="a second model is needed, to tell what is the driver's from what is the model's")
    of_models = [median(model) for model in models]
    middle = median(of_models)
    spread = _spread(of_models, middle)
    if median([abs(one) for one in loads]) <= NOTICEABLE_BYTES or not _is_better(models, middle):
        if all(abs(one) <= LEAST_SPREAD_BYTES for one in of_models):
            return Unsteady(reason="as predicted", is_as_predicted=True)
        return Unsteady(reason=f"no one figure does better than the prediction ({_span(of_models)})")
    if spread > MOST_SPREAD_BYTES:
        return Unsteady(reason=f"they lie too far apart ({_span(of_models)})")
    return Steady(n_bytes=middle, low_bytes=middle - spread, high_bytes=middle + spread)


def median(values: Sequence[int]) -> int:
    """The middle one, or the mean of the two."""
    ordered = sorted(values)  # not the statistics module, whose import takes 10 ms
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) // 2


def _spread(of_models: Sequence[int], middle: int) -> int:
    """To either side: as a further sample of a normal distribution would lie, and no narrower than all models do.

    An outlier is a model like any other, of which the next one may be another.
    """
    away = sorted(abs(one - middle) for one in of_models)
    n_models = len(away)
    deviation = _SIGMA * median(away)
    expected = _STUDENT[min(n_models - 1, len(_STUDENT)) - 1] * deviation * sqrt(1 + 1 / n_models)
    return max(LEAST_SPREAD_BYTES, round(expected), away[-1])


def _is_better(models: Sequence[Sequence[int]], middle: int) -> bool:
    """Whether it does better in the median and no worse in the worst case: for all, and for what it was not made of."""
    plain = [abs(one) for loads in models for one in loads]
    for_all = [abs(one - middle) for loads in models for one in loads]
    # Each model from the others, then each load from all others.
    apart = [abs(one - _middle_without(models, at)) for at, loads in enumerate(models) for one in loads]
    alone = [
        abs(one - _middle_without(models, at, number))
        for at, loads in enumerate(models)
        for number, one in enumerate(loads)
    ]
    most = median(plain) - NOTICEABLE_BYTES
    return all(median(errors) <= most and max(errors) <= max(plain) for errors in (for_all, apart, alone))


def _middle_without(models: Sequence[Sequence[int]], at: int, number: int | None = None) -> int:
    """Over all models but one, or over all loads but that one."""
    left = [
        [one for index, one in enumerate(loads) if place != at or (number is not None and index != number)]
        for place, loads in enumerate(models)
    ]
    return median([median(loads) for loads in left if loads])


def _span(values: Sequence[int]) -> str:
    return f"{min(values) / MIB:+.0f} to {max(values) / MIB:+.0f} MiB"

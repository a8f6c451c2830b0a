"""Which known hardware would hold a load, and how fast it would run there: judged by the engine, not by sizes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from estimator.errors import EstimatorError
from estimator.verdict import Level
from probes.accelerators import Accelerator, known_accelerators
from probes.simulate import described
from records.record import record
from tui.pace import Pacing, pacing_of
from tui.places import places_of
from tui.plan import Assessment, Plan, assess, model_bytes

GIB = 1 << 30
FORMS = {
    "consumer": "consumer",
    "workstation": "workstation",
    "datacenter": "data centre",
    "mac": "Apple",
    "apu": "unified memory",
    "desktop-soc": "unified memory",
}
"""What is planned with, the cheaper classes first; laptops' and embedded chips are not bought for a load."""
COUNTS = {"consumer": (1, 2, 4), "workstation": (1, 2, 4), "data centre": (1, 2, 4, 8)}
"""How many of one product a machine has; of any other class, one."""
SINCE = "2020"
"""The year of the oldest products that are proposed."""
SIZES_PER_COUNT = 2
"""Of the sizes that fit, so many of the smallest are proposed."""
ENOUGH_OPTIONS = 2
"""Of a class: no more devices are tried then."""
LARGE_GIB = 96
"""Of a single device: few have a larger one, so what smaller ones together would hold is said as well."""
MUCH_FASTER = 1.3
NOT_RUN = ("Gaudi", "per GPU", "per GCD")
"""Parts of names: no engine here runs them, or they are only sold as parts of something larger."""
LEAST_RAM_BYTES = 64 * GIB


@record(frozen=True, slots=True, kw_only=True)
class Option:
    """So many of one product."""

    name: str
    """``2x NVIDIA GeForce RTX 4090``, ``Apple M4 Max (40-core GPU) 64 GB``."""
    form: str
    """A value of ``FORMS``."""
    n_devices: int
    memory_gib: int
    """Of all of them together, as it is sold."""
    assessment: Assessment
    pacing: Pacing | None

    @property
    def level(self) -> Level:
        """FITS or TIGHT."""
        return self.assessment.verdict.level


@dataclass(frozen=True, slots=True)
class _Candidate:
    accelerator: Accelerator
    n_devices: int
    size_gib: int

    @property
    def memory_gib(self) -> int:
        return self.size_gib * self.n_devices


def hardware_options(plan: Plan, known: Sequence[Accelerator] | None = None) -> tuple[Option, ...]:
    """A short list over all classes, the smallest of each first; empty where no known hardware would hold the load."""
    products = [one for one in known_accelerators() if _is_offered(one, plan)] if known is None else list(known)
    free = replace(plan, devices=None)
    least_gib = model_bytes(plan.model) / GIB
    found: list[Option] = []
    for form in dict.fromkeys(FORMS.values()):
        of_class = [one for one in products if FORMS.get(one.form) == form]
        candidates = [made for one in of_class for made in _candidates(one, form) if made.memory_gib >= least_gib]
        found += _first_that_fit(candidates, form, lambda candidate: _option(free, candidate))
    return tuple(found)


def _is_offered(one: Accelerator, plan: Plan) -> bool:
    is_run = one.vendor in plan.engine.VENDORS and not any(part in one.name for part in NOT_RUN)
    return is_run and one.form in FORMS and (not one.released or one.released >= SINCE)


def _candidates(one: Accelerator, form: str) -> Iterator[_Candidate]:
    for n_devices in (1,) if one.unified else COUNTS.get(form, (1,)):
        for size_gib in one.options_gib or (one.nominal_gib,):
            yield _Candidate(one, n_devices, size_gib)


def _first_that_fit(
    candidates: Iterable[_Candidate], form: str, option: Callable[[_Candidate], Option | None]
) -> list[Option]:
    """The smallest sizes of each count; more devices only where fewer do not do, or hardly."""
    by_size: dict[tuple[int, int], list[_Candidate]] = {}
    for candidate in candidates:
        by_size.setdefault((candidate.n_devices, candidate.memory_gib), []).append(candidate)
    found: list[Option] = []
    for n_devices in COUNTS.get(form, (1,)):
        if len(found) >= ENOUGH_OPTIONS and not all(map(_is_large, found)):
            break
        sizes = sorted(size for count, size in by_size if count == n_devices)
        n_fitting = 0
        for size in sizes:
            made = _of_one_size(by_size[n_devices, size], option)
            found += made
            n_fitting += bool(made)
            if n_fitting == SIZES_PER_COUNT:
                break
    return found


def _is_large(option: Option) -> bool:
    return option.memory_gib > LARGE_GIB * option.n_devices


def _of_one_size(candidates: Sequence[_Candidate], option: Callable[[_Candidate], Option | None]) -> list[Option]:
    """The slowest, which is the cheapest, and the fastest where it is much faster; of equals the newest."""
    ordered = sorted(candidates, key=lambda candidate: candidate.accelerator.released, reverse=True)
    ordered.sort(key=lambda candidate: candidate.accelerator.bandwidth_gb_s or 0)
    cheapest = next((made for candidate in ordered if (made := option(candidate)) is not None), None)
    if cheapest is None:
        return []
    fastest = ordered[-1]
    slow, fast = (one.accelerator.bandwidth_gb_s or 0 for one in (ordered[0], fastest))
    faster = option(fastest) if fast >= MUCH_FASTER * slow else None
    return [cheapest] if faster is None or faster.name == cheapest.name else [cheapest, faster]


def _option(plan: Plan, candidate: _Candidate) -> Option | None:
    """None where it does not fit there, all of it on the devices."""
    one, n_devices = candidate.accelerator, candidate.n_devices
    ram_bytes = max(LEAST_RAM_BYTES, 2 * candidate.memory_gib * GIB)
    snapshot = described(one, n_devices, size_gib=float(candidate.size_gib), ram_bytes=ram_bytes)
    try:
        made = assess(plan, places_of(snapshot))
    except EstimatorError:
        return None
    if made.verdict.level > Level.TIGHT or len(made.device_names) < n_devices:
        return None
    name = f"{n_devices}x {one.name}" if n_devices > 1 else one.name
    return Option(
        name=f"{name} {candidate.size_gib} GB" if one.options_gib else name,
        form=FORMS[one.form],
        n_devices=n_devices,
        memory_gib=candidate.memory_gib,
        assessment=made,
        pacing=pacing_of(made),
    )

"""What the loads that were watched on a machine tell of its driver and libraries.

Only loads whose difference can be attributed count; ``tui.expectation`` says which those are, and leaves
``runtime_bytes`` empty of all others. What was predicted is taken as it was without what had been learned, so that a
lesson never feeds on itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from estimator.calibration import CALIBRATED_ENGINES, MOST_RUNTIME_BYTES, Calibration
from records.record import record
from tui.steadiness import Steady, Unsteady, steadiness

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tui.kept_load import KeptLoad, KeptPlace

MOST_LOADS = 30
"""The newest ones of a lesson: what has changed since they were begun fades (ASSUMED)."""
_FAMILY = re.compile(r"v?(\d{1,4}\.\d{1,4})(?:\.|$)")


@record(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Of one engine on one device under one driver."""

    engine_name: str
    """A key of ``estimator.engine.ENGINES``."""
    family: str
    """Of the engine's versions, ``0.12``; empty where they have none, or are not known."""
    product: str
    driver: str
    n_loads: int
    n_models: int
    found: Steady | Unsteady

    @property
    def calibration(self) -> Calibration | None:
        """What predictions are corrected by; None where they are not."""
        if isinstance(self.found, Unsteady):
            return None
        return Calibration(
            engine_name=self.engine_name,
            product=self.product,
            driver=self.driver,
            family=self.family,
            n_bytes=self.found.n_bytes,
            low_bytes=self.found.low_bytes,
            high_bytes=self.found.high_bytes,
            n_loads=self.n_loads,
        )


def lessons_of(loads: Iterable[KeptLoad], host: str) -> tuple[Lesson, ...]:
    """What the loads of one machine tell, the newest first.

    Args:
        loads: of all machines that share a store.
        host: which of them.
    """
    groups: dict[tuple[str, str, str], list[tuple[KeptLoad, KeptPlace]]] = {}
    for load in sorted(loads, key=lambda one: -one.rested_seconds):
        if load.host == host and (place := telling_place(load)) is not None:
            groups.setdefault((load.engine_name, place.product, place.driver), []).append((load, place))
    return tuple(_lesson(key, pairs) for key, pairs in groups.items())


def telling_place(load: KeptLoad) -> KeptPlace | None:
    """The one device of a load whose difference is the driver's and the libraries'; None where it cannot be told."""
    if load.engine_name not in CALIBRATED_ENGINES or len(load.places) != 1:
        return None
    place = load.places[0]
    if place.runtime_bytes is None or not (place.product and place.driver) or place.takes_share:
        return None
    return place if 0 <= place.runtime_bytes + difference_of(place) <= MOST_RUNTIME_BYTES else None


def difference_of(place: KeptPlace) -> int:
    """What it held beyond what was predicted."""
    return place.held_bytes - place.predicted_bytes


def version_family(version: str) -> str:
    """``0.12`` of ``0.12.6``. llama.cpp counts its builds up, several a day: they are all one family, and have none."""
    found = _FAMILY.match(version)
    return found[1] if found is not None else ""


def of_version(calibrations: tuple[Calibration, ...], version: str) -> tuple[Calibration, ...]:
    """Those of versions like this one; all where it is not known."""
    return tuple(one for one in calibrations if not version or one.family == version_family(version))


def _lesson(key: tuple[str, str, str], pairs: Sequence[tuple[KeptLoad, KeptPlace]]) -> Lesson:
    """Of the versions like the newest load's: what is started next is most likely another of them."""
    family = version_family(pairs[0][0].engine_version)
    alike = [pair for pair in pairs if version_family(pair[0].engine_version) == family][:MOST_LOADS]
    differences: dict[str, list[int]] = {}
    for load, place in alike:
        differences.setdefault(f"{load.model_name}\n{load.quant}", []).append(difference_of(place))
    engine_name, product, driver = key
    return Lesson(
        engine_name=engine_name,
        family=family,
        product=product,
        driver=driver,
        n_loads=len(alike),
        n_models=len(differences),
        found=steadiness(differences),
    )

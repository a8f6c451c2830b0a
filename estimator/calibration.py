"""What loads on this machine took beyond what was predicted, and the ledger's line that it moves.

The estimator is given it as data, with each place. What was learned is the *difference* between held and predicted,
not the whole of the runtime: where an engine calls cuBLAS for one model and not for another, the rules for that stay.
"""

from dataclasses import replace

from estimator.ledger import Basis, Term
from estimator.runtime import CUDA_POOL_GROWTH_BYTES
from records.record import record

CALIBRATED_ENGINES = frozenset({"llamacpp", "ollama"})
"""Keys of ``estimator.engine.ENGINES`` whose loads tell of driver and libraries: all else that they take on a device is
read from the file or derived (docs/accuracy.md: 95 % of the totals of a device within 0.15 %). vLLM, SGLang and
TensorRT-LLM take a share whatever they need, MLX and Transformers grow with the context, and ExLlama's other terms were
not compared with runs to that degree."""
MOST_RUNTIME_BYTES = 2 << 30
"""Twice what the largest context and all libraries take that were measured (``estimator.runtime``: 555 MiB, and 190 of
kernels, cuBLAS and its workspace, and 192 of a pool that grows): a load that would have more is not what it was taken
for, and no difference is larger to either side."""
USE_BYTES = CUDA_POOL_GROWTH_BYTES
"""What use may take beyond what a load held at rest; ASSUMED to be no more under other drivers."""


@record(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Of one engine on one device under one driver."""

    engine_name: str
    """A key of ``estimator.engine.ENGINES``."""
    product: str
    """The device as its driver names it."""
    driver: str
    """The version of its driver."""
    family: str = ""
    """Of the engine's versions, ``0.12``; empty where they have none, or were not known."""
    n_bytes: int
    """So much more than predicted is held; negative where it is less."""
    low_bytes: int
    high_bytes: int
    """Where the next load's difference is expected."""
    n_loads: int
    """Behind it."""


def calibrated(term: Term | None, calibrations: tuple[Calibration, ...], engine: str) -> Term | None:
    """The runtime's term as loads here showed it; unchanged where none did, or where less would be left than the least.

    What loads cannot have shown is not believed: a context takes what it takes, whatever the libraries do.

    Args:
        term: of driver and libraries on a device.
        calibrations: of that device and its driver.
        engine: its key, or as ``Estimate.engine`` has it.
    """
    if term is None or not calibrations:
        return term
    name = "".join(c for c in engine.casefold() if c.isalnum())
    found = next((one for one in calibrations if one.engine_name == name), None)
    if found is None:
        return term
    n_bytes = term.n_bytes + found.n_bytes
    if n_bytes < term.low_bytes:
        return term
    name_and_family = f"{engine} {found.family}".strip()
    loads = f"{found.n_loads} load{'s' if found.n_loads != 1 else ''}"
    return replace(
        term,
        n_bytes=n_bytes,
        low_bytes=min(n_bytes, max(term.low_bytes, term.n_bytes + found.low_bytes)),
        high_bytes=max(n_bytes, term.n_bytes + found.high_bytes) + USE_BYTES,
        basis=Basis.CALIBRATED,
        source=f"{loads} of {name_and_family} under driver {found.driver}, watched here; before: {term.source}",
        formula=f"calibrated from {loads} here: {term.formula or term.label} {_signed(found.n_bytes)}",
        n_loads=found.n_loads,
        plain=term,
    )


def _signed(n_bytes: int) -> str:
    return f"{'-' if n_bytes < 0 else '+'} {abs(n_bytes) / (1 << 20):.0f} MiB"

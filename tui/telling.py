"""Which loads tell what driver and libraries take on a device: those of which all else is sure. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from estimator.calibration import CALIBRATED_ENGINES
from estimator.ledger import Basis, Kind
from estimator.verdict import Level

if TYPE_CHECKING:
    from collections.abc import Callable

    from launches.launch import Launch
    from tui.plan import Assessment

PROGRAMS = ("llama-server", "llama-cli", "ollama")
"""How programs begin that are the engine itself: KoboldCpp, llamafile and LM Studio bring libraries and buffers of
their own, and llama-bench loads one thing after another."""
MOST_DOUBT_BYTES = 32 << 20
"""The width of all that is no runtime. Compute buffers of nine models had 2 to 10 MiB (tests/test_runtime.py); closed
forms and guessed graphs have hundreds."""

_HARMLESS = (
    "past prompts may fill",
    "weights in RAM are locked",
    "no context is asked for",
    "context, batch and layers are told to the runner",
)
"""How doubts of ``launches`` begin that leave a device alone: two are of RAM, the third is looked at below. Of the last
one, Ollama itself says the context, the batch is its default unless a Modelfile says otherwise, and a load with fewer
layers there than foreseen would have less than no runtime."""


_OWN_DEVICE = re.compile(r"(?:(?:cuda|mtl|metal|gpu)[ :]?)?\d{1,3}", re.IGNORECASE)
"""A device by its number, or by the backend that is its own: not ``Vulkan0``, ``SYCL0``, ``ROCm0``, ``RPC0``."""
_SWITCHED_OFF = frozenset({"", "0", "f", "false"})
"""What Ollama takes for no, in any case (envconfig/config.go, Bool: strconv.ParseBool)."""


def is_corrected(launch: Launch) -> bool:
    """Whether what other loads taught counts for this program: it has the same libraries as those that teach."""
    return launch.program.startswith(("llama-", *PROGRAMS)) and not has_other_backend(launch)


def has_other_backend(launch: Launch) -> bool:
    """Whether it says that it allocates by something else than its devices' own libraries."""
    said = launch.environment
    return (
        any(_OWN_DEVICE.fullmatch(word) is None for word in launch.devices or ())
        or "GGML_CUDA_ENABLE_UNIFIED_MEMORY" in said  # llama.cpp asks only whether it is there
        or said.get("OLLAMA_VULKAN", "").casefold() not in _SWITCHED_OFF
        or bool(said.get("OLLAMA_LLM_LIBRARY"))
    )


def telling_place(
    launch: Launch, made: Assessment, *, backends: Callable[[], frozenset[str]] = frozenset
) -> str | None:
    """The device on which what is held tells of the runtime alone; None where there is none.

    One device: what a second one holds depends on where a layer goes, which is a guess of its own. RAM is none, since a
    process has as resident only what it has touched of its buffers, and keeps what it read for past prompts. CUDA's:
    of AMD's and Intel's devices nothing tells whether a program reaches them by their own libraries or by Vulkan.

    Args:
        launch: as its command line says it.
        made: what it was to take.
        backends: asks which of ggml's the process has mapped; none where they are not known. All that a folder has are
            mapped, so that with another one it is not sure which holds the memory.
    """
    devices = [place for place in made.places if place.kind != "host" and made.estimate.n_bytes((place.name,))]
    if len(devices) != 1 or devices[0].draws_on is not None or devices[0].is_part or devices[0].kind != "cuda":
        return None
    is_engine = launch.engine_name in CALIBRATED_ENGINES and launch.program.startswith(PROGRAMS)
    if not is_engine or has_other_backend(launch):
        return None
    doubts = [doubt for doubt in launch.doubts if not doubt.startswith(_HARMLESS)]
    if launch.unknown or doubts or launch.refusal or launch.context_tokens is None:
        return None
    # What the engine would choose by itself is not sure: layers in RAM, or a shorter context.
    is_as_asked = made.verdict.level < Level.SPILLS and made.fallback is None
    is_whole = not launch.is_context_free or made.plan.workload.context_tokens >= made.plan.most_context_tokens
    if not (is_as_asked and is_whole):
        return None
    others = [term for term in made.estimate.select((devices[0].name,)) if term.kind is not Kind.RUNTIME]
    is_sure = all(term.basis in (Basis.EXACT, Basis.DERIVED) for term in others)
    doubt_bytes = sum(term.high_bytes - term.low_bytes for term in others)
    if not (others and is_sure and doubt_bytes <= MOST_DOUBT_BYTES):
        return None
    return devices[0].name if backends() <= {"cuda"} else None
